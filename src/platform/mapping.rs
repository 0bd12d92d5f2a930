//! The reservation's addresses: reserved, made usable, given back. The same on every Unix.
//! Unsafe: maps and unmaps memory.

use super::unix::with_errno_kept;
use super::Reservation;
use crate::broken::{self, Broken};
use core::ffi::c_void;
use core::ptr;

/// Reserves `bytes` addresses aligned to `align`. They must be committed before they are used.
pub fn reserve(bytes: usize, align: usize) -> Option<Reservation> {
    let span = bytes.checked_add(align)?;
    let start = map(span)?;
    let base = start.next_multiple_of(align);
    release(start, base - start);
    release(base + bytes, start + span - (base + bytes));
    Some(Reservation { base, bytes })
}

/// Inaccessible: strict overcommit does not charge for that, and `mlockall` does not fault it in.
fn map(bytes: usize) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | super::RESERVE_FLAGS;
    let access = if broken::is(Broken::Commit) { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
    let start = with_errno_kept(|| {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        unsafe { libc::mmap(ptr::null_mut(), bytes, access, flags, super::RESERVE_TAG, 0) }
    });
    (start != libc::MAP_FAILED).then_some(start as usize)
}

/// Gives addresses back that [`reserve`] returned.
pub fn release(start: usize, bytes: usize) {
    if bytes == 0 {
        return;
    }
    with_errno_kept(|| {
        // SAFETY: I1: the caller hands over a part of its own reservation that holds no block.
        unsafe { libc::munmap(at(start), bytes) }
    });
}

/// Makes reserved pages usable; false when the system has no memory to promise.
pub fn commit(start: usize, bytes: usize) -> bool {
    with_errno_kept(|| {
        // SAFETY: I1: the range lies in the library's own reservation; more access never harms a block.
        unsafe { libc::mprotect(at(start), bytes, libc::PROT_READ | libc::PROT_WRITE) == 0 }
    })
}

/// Makes reserved pages readable: zeroes, which cost nothing.
pub fn make_readable(start: usize, bytes: usize) -> bool {
    with_errno_kept(|| {
        // SAFETY: I1: the range lies in the library's own reservation and was never writable.
        unsafe { libc::mprotect(at(start), bytes, libc::PROT_READ) == 0 }
    })
}

pub(super) fn at(address: usize) -> *mut c_void {
    ptr::with_exposed_provenance_mut(address)
}
