//! Who faults memory in: the background thread and, where there is much of it, helpers, for the kernel's zeroing of pages
//! is all of the work.
#![forbid(unsafe_code)]

use crate::arena::prefault::Prefault;
use crate::arena::{global, Arena};
use crate::init;
use crate::platform;
use crate::tls::Busy;
use core::ffi::c_void;
use core::ptr;

/// A helper for each so many bytes, but no more threads than processors, nor than this in all: memory bandwidth is
/// used up by then.
const BYTES_PER_THREAD: usize = 256 << 20;
const MOST_THREADS: usize = 8;

static JOB: Prefault = Prefault::new();

/// Faults memory in. Only the background thread does this, so that there is one job at a time.
pub fn run(arena: &Arena, bytes: usize) {
    if !arena.begin_prefault(&JOB, bytes) {
        return;
    }
    let threads = (bytes / BYTES_PER_THREAD).min(init::processors()).min(MOST_THREADS);
    let mut helpers = [None; MOST_THREADS];
    for helper in helpers.iter_mut().take(threads).skip(1) {
        *helper = platform::start_thread(help);
        if helper.is_none() {
            break;
        }
    }
    arena.take_part(&JOB, true);
    helpers.into_iter().flatten().for_each(platform::join_thread);
    arena.end_prefault(&JOB);
}

extern "C" fn help(_: *mut c_void) -> *mut c_void {
    // Nothing that this thread asks for goes to the arena.
    let _busy = Busy::enter();
    platform::name_thread(c"zkalloc");
    if let Some(arena) = global::get() {
        arena.take_part(&JOB, false);
    }
    ptr::null_mut()
}
