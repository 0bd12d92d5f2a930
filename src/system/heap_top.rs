//! What glibc learns from large blocks, although the arena takes them over.
//! Unsafe: calls the next allocator.
//!
//! glibc keeps twice the largest block that it has seen freed, of up to 32 MiB, at the top of its heap, and gives the rest
//! back with every free: 128 KiB, as long as all such blocks are the arena's, so that small blocks are faulted in again in
//! every proof. So it is shown what it would have seen; and what it keeps for that goes back when the program idles.
#![allow(unsafe_code)]

use crate::broken::{self, Broken};
use crate::kernel_text::{anonymous_pages, with_file};
use crate::platform;
use crate::sync::{AtomicUsize, Ordering::Relaxed};
use crate::tls::Busy;

/// A block shown is mostly a mapping of its own, made and given back. In such steps there are at most 512 of them, not one
/// for each block that is larger than all before (a program whose sizes grow by pages: 119 `munmap`, not 1,797).
const STEP: usize = 64 << 10;
/// Of a larger block glibc learns nothing: it is shown this much then, or a program of huge blocks alone would fault its
/// small ones in again.
const MOST_BYTES: usize = (32 << 20) - STEP;

static SHOWN_BYTES: AtomicUsize = AtomicUsize::new(0);

/// True: a block of the arena that was freed is larger than any that glibc was shown.
#[inline]
pub fn has_to_see(bytes: usize) -> bool {
    platform::LEARNS_FROM_LARGE_BLOCKS && bytes.min(MOST_BYTES) > SHOWN_BYTES.load(Relaxed)
}

/// A request, freed at once: untouched, it costs address space for a moment.
#[cold]
pub fn show(bytes: usize) {
    let bytes = bytes.min(MOST_BYTES).next_multiple_of(STEP);
    SHOWN_BYTES.fetch_max(bytes, Relaxed);
    let _busy = Busy::enter();
    platform::with_errno_kept(|| {
        // SAFETY: takes no pointer.
        let block = unsafe { super::malloc(bytes) };
        // SAFETY: null, or the block just made.
        unsafe { super::free(block) };
    });
}

/// A heap of which more is resident is left as it is: `malloc_trim` looks at each of its free blocks, while the program's small
/// requests wait (docs/decisions/0007-the-next-allocators-heap.md).
const MOST_TRIMMED_BYTES: usize = 16 << 20;

/// Has glibc give back what it was made to keep. Called by the background thread when the program idles, with the bytes of
/// the arena's live blocks. True: something went back.
pub fn give_back(live_bytes: usize) -> bool {
    if SHOWN_BYTES.load(Relaxed) == 0 || platform::is_newly_filtered() || broken::is(Broken::HeapTop) {
        return false;
    }
    let resident = with_file(format_args!("/proc/self/statm"), anonymous_pages);
    let outside = resident.map(|pages| (pages as usize * platform::page_bytes()).saturating_sub(live_bytes));
    let is_soon_done = |bytes| bytes <= MOST_TRIMMED_BYTES || broken::is(Broken::LongTrim);
    outside.is_some_and(is_soon_done) && platform::trim_next_heap()
}
