//! What becomes of the contents of freed blocks: kept as they are, wiped, or replaced by a pattern that is looked for
//! when the memory is handed out again.
//! Unsafe: fills and reads free memory.
//!
//! In poison mode every byte below a slot's `touched` that no live block holds is the pattern; everything beyond reads
//! as zero, as ever. Where pages were given back, moved in or faulted in ahead, lines of zeroes are as good as the
//! pattern: such a slot has `holes`. So every place that makes such pages notes it, before it makes them.
#![allow(unsafe_code)]

use super::region;
use super::size::{GRANULE, MEDIUM_MAX};
use super::{Arena, Grant, Misuse};
use crate::broken::{self, Broken};
use core::arch::asm;

/// What a free does with the contents of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    Kept,
    /// Zeroed (`ZK_ALLOC_WIPE`).
    Wiped,
    /// Filled with [`PATTERN`], which is checked later (`ZK_ALLOC_POISON`).
    Poisoned,
}

/// Eight of them are no address on any 64-bit processor, and as a length or an index too large for anything.
pub const PATTERN: u8 = 0xd5;

impl Arena {
    #[must_use]
    pub fn with_freed(mut self, freed: Freed) -> Self {
        self.freed = freed;
        self
    }

    /// True: [`Arena::mark_freed`] must be called before a block is released.
    #[inline]
    pub fn marks_freed(&self) -> bool {
        self.freed != Freed::Kept
    }

    /// True: [`Arena::look_for_writes`] must be called for every block that was handed out.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.freed == Freed::Poisoned
    }

    /// Overwrites a block that the program is about to free, while it is still live: nobody else can have it yet. What
    /// is no live block is left to [`Arena::release`] to refuse.
    #[cold]
    pub fn mark_freed(&self, address: usize) {
        if let Ok(usable) = self.usable(address) {
            self.fill_free(address, usable);
        }
    }

    /// Overwrites bytes that no block holds from now on.
    pub(super) fn fill_free(&self, address: usize, bytes: usize) {
        match self.freed {
            Freed::Kept => {}
            Freed::Wiped => self.wipe(address, bytes),
            Freed::Poisoned => fill(address, bytes, PATTERN),
        }
    }

    /// Zeroes bytes that no block holds from now on. Of a large block only what is resident is written, for writing to the
    /// rest would fault it in: that was never touched, or lies in swap, and is given back.
    fn wipe(&self, address: usize, bytes: usize) {
        let (end, first_page) = (address + bytes, address & !(self.region.page_bytes() - 1));
        let mut wiped = address;
        let wipe_run = |run: usize, run_bytes: usize| {
            let (start, end) = (run.max(address), (run + run_bytes).min(end));
            self.wipe_absent(wiped, start);
            fill(start, end - start, 0);
            wiped = end;
        };
        let is_known = bytes > MEDIUM_MAX
            && !broken::is(Broken::WipeUntouched)
            && self.region.for_each_resident(first_page, end - first_page, wipe_run);
        if is_known {
            self.wipe_absent(wiped, end);
        } else {
            fill(address, bytes, 0);
        }
    }

    /// Zeroes bytes on pages that are not resident, without making those so that hold nothing else.
    fn wipe_absent(&self, start: usize, end: usize) {
        if start >= end || broken::is(Broken::WipeSwapped) {
            return;
        }
        let page_bytes = self.region.page_bytes();
        let (first, last) = (start.next_multiple_of(page_bytes), end & !(page_bytes - 1));
        if first < last && self.region.purge(first, last) > 0 {
            fill(start, first - start, 0);
            fill(last, end - last, 0);
        } else {
            fill(start, end - start, 0);
        }
    }

    /// Whether somebody wrote to the memory of a new block while it was free.
    #[cold]
    pub fn look_for_writes(&self, grant: &Grant) -> Result<(), Misuse> {
        self.look_for_writes_in(grant, 0)
    }

    /// The same, for what a block has grown by: its bytes from `start` on.
    pub(super) fn look_for_writes_in(&self, grant: &Grant, start: usize) -> Result<(), Misuse> {
        let holes = self.head(grant.address).is_none_or(|head| self.slots[head as usize].has_holes());
        let dirty = grant.dirty.max(start);
        let in_dirty = || first_change(grant.address + start, dirty - start, holes).map(|at| start + at);
        let in_fresh = || first_other(grant.address + dirty, grant.usable - dirty, 0).map(|at| dirty + at);
        match in_dirty().or_else(in_fresh) {
            Some(at) => Err(Misuse::WriteAfterFree { at, usable: grant.usable }),
            None => Ok(()),
        }
    }
}

/// The first byte that is not `expected`.
fn first_other(address: usize, bytes: usize, expected: u8) -> Option<usize> {
    let bytes = slice(address, bytes);
    // Whole lines first: the compiler makes vectors of that.
    let line =
        bytes.chunks(GRANULE).position(|line| line.iter().fold(0, |other, byte| other | (byte ^ expected)) != 0)?;
    let start = line * GRANULE;
    bytes[start..].iter().position(|&byte| byte != expected).map(|at| start + at)
}

/// The first byte that is not the pattern, nor, where there are holes, in a line of zeroes.
fn first_change(address: usize, bytes: usize, holes: bool) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + first_other(address + from, bytes - from, PATTERN)?;
        let line = at & !(GRANULE - 1);
        let end = (line + GRANULE).min(bytes);
        if !holes || first_other(address + line, end - line, 0).is_some() {
            return Some(at);
        }
        from = end;
    }
}

fn slice(address: usize, bytes: usize) -> &'static [u8] {
    let Some(start) = region::pointer(address) else { return &[] };
    // SAFETY: I1: memory of the arena that belongs to the caller alone, who lets go of the slice before it is written.
    unsafe { core::slice::from_raw_parts(start.as_ptr(), bytes) }
}

fn fill(address: usize, bytes: usize, byte: u8) {
    let Some(start) = region::pointer(address) else { return };
    // SAFETY: I1: a block that the program has just handed over, or bytes that no block holds, in the caller's slot.
    unsafe { start.as_ptr().write_bytes(byte, bytes) };
    // SAFETY: no instruction. To the compiler it reads what was written, so that the writing cannot be left out.
    unsafe { asm!("/* {0} */", in(reg) start.as_ptr(), options(nostack, preserves_flags, readonly)) };
}
