//! Who faults memory in: the background thread and, where there is much of it, helpers, for the kernel's zeroing of pages
//! is all of the work.
#![forbid(unsafe_code)]

use crate::arena::prefault::Prefault;
use crate::arena::{global, Arena};
use crate::init;
use crate::platform;
use crate::sync::{AtomicU32, Ordering};
use crate::tls::Busy;
use core::ffi::c_void;
use core::ptr;
use Ordering::{Acquire, Relaxed, Release};

/// A helper for each so many bytes, but no more threads than processors, nor than this in all: memory bandwidth is
/// used up by then.
const BYTES_PER_THREAD: usize = 256 << 20;
const MOST_THREADS: usize = 8;

static JOB: Prefault = Prefault::new();
/// Helpers that have not ended.
static HELPERS: AtomicU32 = AtomicU32::new(0);

/// Faults memory in. Only the background thread does this, so that there is one job at a time.
pub fn run(arena: &Arena, bytes: usize) {
    if !arena.begin_prefault(&JOB, bytes) {
        return;
    }
    let threads = (bytes / BYTES_PER_THREAD).min(init::processors()).min(MOST_THREADS);
    for _ in 1..threads {
        HELPERS.fetch_add(1, Relaxed);
        if !platform::start_thread(help) {
            HELPERS.fetch_sub(1, Relaxed);
            break;
        }
    }
    arena.take_part(&JOB, true);
    loop {
        // Acquire: pairs with the Release in `help`.
        let helpers = HELPERS.load(Acquire);
        if helpers == 0 {
            break;
        }
        platform::futex_wait(&HELPERS, helpers);
    }
    arena.end_prefault(&JOB);
}

extern "C" fn help(_: *mut c_void) -> *mut c_void {
    // Nothing that this thread asks for goes to the arena.
    let _busy = Busy::enter();
    platform::name_thread(c"zkalloc");
    if let Some(arena) = global::get() {
        arena.take_part(&JOB, false);
    }
    HELPERS.fetch_sub(1, Release);
    platform::futex_wake(&HELPERS, 1);
    ptr::null_mut()
}

/// In a forked child, which has no such threads.
pub fn forget_in_child() {
    HELPERS.store(0, Relaxed);
}
