//! What glibc learns from large blocks, although the arena takes them over.
//! Unsafe: calls the next allocator.
//!
//! glibc keeps twice the largest block that it has seen freed, of up to 32 MiB, at the top of its heap, and gives the rest
//! back with every free: 128 KiB, as long as all such blocks are the arena's, so that small blocks are faulted in again in
//! every proof. So it is shown what it would have seen.
#![allow(unsafe_code)]

use crate::platform;
use crate::sync::{AtomicUsize, Ordering::Relaxed};
use crate::tls::Busy;

/// A block shown is mostly a mapping of its own, made and given back. In such steps there are at most 512 of them, not one
/// for each block that is larger than all before (a program whose sizes grow by pages: 119 `munmap`, not 1,797).
const STEP: usize = 64 << 10;
/// Of a larger block glibc learns nothing.
const MOST_BYTES: usize = (32 << 20) - STEP;

static SHOWN_BYTES: AtomicUsize = AtomicUsize::new(0);

/// True: a block of the arena that was freed is larger than any that glibc was shown.
#[inline]
pub fn has_to_see(bytes: usize) -> bool {
    bytes > SHOWN_BYTES.load(Relaxed) && bytes <= MOST_BYTES
}

/// A request, freed at once: untouched, it costs address space for a moment.
#[cold]
pub fn show(bytes: usize) {
    let bytes = bytes.next_multiple_of(STEP);
    SHOWN_BYTES.fetch_max(bytes, Relaxed);
    let _busy = Busy::enter();
    platform::with_errno_kept(|| {
        // SAFETY: takes no pointer.
        let block = unsafe { super::malloc(bytes) };
        // SAFETY: null, or the block just made.
        unsafe { super::free(block) };
    });
}
