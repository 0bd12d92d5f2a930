//! Contents of blocks: patterns at both ends and on every page, and zeroes.
//! Unsafe: reads and writes blocks that the interpreter holds.

use std::ops::Range;

/// Blocks beyond this are touched at their ends only: gigabytes of addresses must not become gigabytes of memory.
pub const SPARSE_BYTES: usize = 32 << 20;
const HEAD: usize = 128;
const TAIL: usize = 64;
const PAGE: usize = 4096;
/// Beyond this only every sixteenth page is touched: what takes pages from large blocks takes far more at once.
const EVERY_PAGE_BYTES: usize = 2 << 20;
/// Up to this a block of zeroes is read completely.
const READ_ALL_BYTES: usize = 64 << 10;

fn pattern(seed: u64, at: usize) -> u8 {
    let word = (seed ^ (at as u64 >> 3)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word >> (8 * (at & 7))) as u8 ^ (word >> 56) as u8
}

/// The parts of a block of `bytes` that carry its pattern.
fn marks(bytes: usize, wide: usize) -> impl Iterator<Item = Range<usize>> {
    let pages = if bytes > SPARSE_BYTES { 0..0 } else { 1..bytes / PAGE };
    let pages = pages.step_by(if bytes > EVERY_PAGE_BYTES { 16 } else { 1 });
    let ends = [0..bytes.min(HEAD), bytes.saturating_sub(TAIL)..bytes];
    pages.map(move |page| page * PAGE..page * PAGE + wide).chain(ends)
}

/// Writes the pattern of `seed` into a live block of `bytes` usable bytes.
pub fn paint(address: usize, bytes: usize, seed: u64) {
    for at in marks(bytes, 8).flatten() {
        // SAFETY: the caller holds the block; `at` is below its usable size.
        unsafe { ((address + at) as *mut u8).write(pattern(seed, at)) };
    }
}

/// Checks the pattern of a block that was painted with `bytes` usable bytes, as far as `limit`.
pub fn assert_painted(address: usize, bytes: usize, seed: u64, limit: usize) {
    for at in marks(bytes, 8).flatten().filter(|&at| at < limit) {
        // SAFETY: as in `paint`.
        let seen = unsafe { ((address + at) as *const u8).read() };
        let expected = pattern(seed, at);
        assert_eq!(seen, expected, "block {address:#x} of {bytes} bytes: overwritten at offset {at}");
    }
}

/// Checks that a block from calloc reads as zero.
pub fn assert_zero(address: usize, bytes: usize) {
    if bytes <= READ_ALL_BYTES {
        assert_zero_range(address, bytes, 0..bytes);
    } else {
        marks(bytes, 64).for_each(|range| assert_zero_range(address, bytes, range));
    }
}

fn assert_zero_range(address: usize, bytes: usize, range: Range<usize>) {
    for at in range {
        // SAFETY: as in `paint`.
        let seen = unsafe { ((address + at) as *const u8).read() };
        assert_eq!(seen, 0, "calloc of {bytes} bytes at {address:#x}: not zero at offset {at}");
    }
}

pub fn errno() -> i32 {
    // SAFETY: this thread's errno.
    unsafe { *libc::__errno_location() }
}

pub fn set_errno(value: i32) {
    // SAFETY: this thread's errno.
    unsafe { *libc::__errno_location() = value };
}

/// Runs `child` in a forked process, and waits for it. Its wait status.
pub fn in_fork(child: impl FnOnce()) -> i32 {
    // SAFETY: the child calls the library, libc and this crate only, and leaves with _exit.
    match unsafe { libc::fork() } {
        -1 => 0,
        0 => {
            // SAFETY: a deadlock in the child ends here.
            unsafe { libc::alarm(20) };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!done)) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: the child just made; `status` is live.
            while unsafe { libc::waitpid(pid, &mut status, 0) } != pid {
                assert_eq!(errno(), libc::EINTR, "waitpid");
            }
            status
        }
    }
}
