//! Argument rules of the malloc family, as pure functions.
#![forbid(unsafe_code)]

use crate::broken::{self, Broken};

/// Bytes of an array; `None`: more than the address space holds.
#[inline]
pub fn array_bytes(count: usize, bytes: usize) -> Option<usize> {
    if broken::is(Broken::Product) {
        return Some(count.wrapping_mul(bytes));
    }
    count.checked_mul(bytes)
}

/// An alignment that the arena serves. What is none is left to the next allocator, errors included: glibc's `memalign`
/// rounds up where `posix_memalign` refuses.
#[inline]
pub fn is_alignment(align: usize) -> bool {
    align.is_power_of_two() && align <= MAX_ALIGN
}

/// `posix_memalign` asks for a multiple of the size of a pointer as well.
#[inline]
pub fn is_posix_alignment(align: usize) -> bool {
    is_alignment(align) && (align >= size_of::<usize>() || broken::is(Broken::Alignment))
}

/// Beyond it a block's slack would cost more addresses than blocks do.
const MAX_ALIGN: usize = 1 << 32;

/// Whole pages for `pvalloc`; `None`: more than the address space holds.
#[inline]
pub fn whole_pages(bytes: usize, page_bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(page_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays() {
        for (count, bytes, expected) in [
            (0, 0, Some(0)),
            (0, usize::MAX, Some(0)),
            (3, 5, Some(15)),
            (usize::MAX, 1, Some(usize::MAX)),
            (usize::MAX, 2, None),
            (1 << 32, 1 << 32, None),
            (usize::MAX / 2 + 1, 2, None),
        ] {
            assert_eq!(array_bytes(count, bytes), expected, "{count} * {bytes}");
        }
    }

    #[test]
    fn alignments() {
        for (align, any, posix) in [
            (0, false, false),
            (1, true, false),
            (3, false, false),
            (4, true, false),
            (8, true, true),
            (24, false, false),
            (64, true, true),
            (4096, true, true),
            (2 << 20, true, true),
            (1 << 30, true, true),
            (1 << 32, true, true),
            (1 << 33, false, false),
            (usize::MAX, false, false),
            (usize::MAX / 2 + 1, false, false),
        ] {
            assert_eq!(is_alignment(align), any, "{align}");
            assert_eq!(is_posix_alignment(align), posix, "{align}");
        }
    }

    #[test]
    fn pages() {
        for (bytes, expected) in
            [(0, Some(0)), (1, Some(4096)), (4096, Some(4096)), (4097, Some(8192)), (usize::MAX, None)]
        {
            assert_eq!(whole_pages(bytes, 4096), expected, "{bytes}");
        }
    }
}
