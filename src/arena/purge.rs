//! Giving pages back to the kernel: those of free slots, and, in a trim, dead ones of spans too (dead_pages.rs).
#![forbid(unsafe_code)]

use super::size::UNIT;
use super::slot::{End, SlotList, State};
use super::span_use::FEW_BYTES;
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::Ordering::{Acquire, Relaxed};

/// In one pool, so many slots of which the kernel will not take back what it is to: all of them under a filter, or those that
/// a program has locked.
const MOST_REFUSALS: u32 = 8;

impl Arena {
    /// Gives back pages of free slots until at most `keep` bytes of them are resident: the largest classes first, in
    /// each the slot that has been free longest, and of that no more than needed. The bytes given back.
    pub fn purge_slots(&self, keep: usize) -> usize {
        self.purge(keep, usize::MAX, |start, bytes| self.region.resident(start, bytes))
    }

    /// The same inside a request of the program, under whose filter only an allocator's calls may be allowed: the kernel is
    /// not asked how much of it was resident.
    pub fn purge_inside_call(&self, keep: usize) -> usize {
        self.purge(keep, usize::MAX, |_, _| None)
    }

    /// Gives back no more than `most`: what others free meanwhile is not this caller's surplus.
    pub(super) fn purge(&self, keep: usize, most: usize, resident: impl Fn(usize, usize) -> Option<usize>) -> usize {
        let (mut given, mut left) = (0, most);
        for pool in self.pools.iter().rev() {
            let mut refusals = 0;
            while refusals < MOST_REFUSALS {
                let surplus = self.free_resident.load(Relaxed).saturating_sub(keep).min(left);
                if surplus == 0 {
                    break;
                }
                let taken = self.take_resident(pool, FEW_BYTES);
                let Some((head, touched)) = taken.or_else(|| self.take_few(pool)) else { break };
                let wanted = (touched.saturating_sub(surplus) / UNIT) * UNIT;
                let start = self.region.unit_address(head as usize);
                // No lock is held here: allocation never waits for the kernel.
                let resident = resident(start + wanted, touched.next_multiple_of(UNIT) - wanted);
                let rest = self.purge_end(head, touched, wanted);
                if rest == wanted {
                    given += resident.unwrap_or_else(|| self.resident_in(head, touched) - rest);
                } else {
                    given += touched - rest;
                    refusals += if broken::is(Broken::Pinned) { MOST_REFUSALS } else { 1 };
                }
                left = left.saturating_sub(touched - rest);
                // What stays resident is used first, and is in nobody's way at the back.
                self.put_giver(head, touched, if rest == wanted { End::Back } else { End::Front });
            }
        }
        self.purged_bytes.fetch_add(given as u64, Relaxed);
        given
    }

    /// Gives the pages of a slot that the caller holds back from a page boundary on. The bytes given back.
    pub(super) fn purge_behind(&self, head: u32, end: usize) -> usize {
        let (slot, start) = (&self.slots[head as usize], self.region.unit_address(head as usize));
        let touched = slot.touched.load(Relaxed);
        if touched <= end {
            return 0;
        }
        if self.region.purge(start + end, start + touched.next_multiple_of(UNIT)) == 0 {
            // Some of it may be gone.
            slot.set_holes();
            return 0;
        }
        self.set_touched(slot, end);
        self.purged_bytes.fetch_add((touched - end) as u64, Relaxed);
        touched - end
    }

    /// Gives pages of a slot that the caller holds back, of which so much was touched, down to unit boundary `wanted`, or,
    /// where the kernel refuses (a program that freed memory which it had locked), as far as it goes. What is touched then.
    fn purge_end(&self, head: u32, touched: usize, wanted: usize) -> usize {
        let (slot, start) = (&self.slots[head as usize], self.region.unit_address(head as usize));
        let end = touched.next_multiple_of(UNIT);
        let mut rest = wanted;
        if self.region.purge(start + wanted, start + end) == 0 {
            rest = touched;
            for unit in (wanted..end).step_by(UNIT).rev() {
                if self.region.purge(start + unit, start + unit + UNIT) == 0 {
                    break;
                }
                rest = unit;
            }
            // Some of what was refused may be gone.
            slot.set_holes();
        }
        self.set_touched(slot, rest);
        if rest == 0 {
            slot.clear_holes();
        }
        rest
    }

    /// The free slot with more than `few` bytes of pages that has been in a pool longest, `Held`, and its touched bytes. It
    /// is to give pages away, and goes to `put_giver` then.
    pub(super) fn take_resident(&self, pool: &SlotList, few: usize) -> Option<(u32, usize)> {
        if pool.end(End::Back) == 0 {
            return None;
        }
        let _guard = pool.lock.lock();
        let mut head = pool.end(End::Back);
        while head != 0 {
            let touched = self.slots[head as usize].touched.load(Relaxed);
            if touched > few {
                self.hold(pool, head);
                self.giving.fetch_add(touched, Relaxed);
                return Some((head, touched));
            }
            head = pool.before(self.slots, head);
        }
        None
    }

    /// The same of those with few pages, if they are told from others.
    fn take_few(&self, pool: &SlotList) -> Option<(u32, usize)> {
        if FEW_BYTES > 0 {
            self.take_resident(pool, 0)
        } else {
            None
        }
    }

    /// Puts a slot from `take_resident` back; it had so many touched bytes then.
    pub(super) fn put_giver(&self, head: u32, touched: usize, end: End) {
        let slot = &self.slots[head as usize];
        slot.set_word(slot.word().with_state(State::Limbo));
        self.put_slot(head, end);
        self.giving.fetch_sub(touched, Relaxed);
    }

    /// Gives free pages back until at most `keep` bytes of free memory are resident: first free slots, then whole dead
    /// pages between the live blocks of spans. The bytes given back.
    pub fn trim(&self, keep: usize) -> usize {
        let _guard = self.trimming.lock();
        self.sweep();
        let given = self.purge_slots(keep);
        if self.touched_bytes().saturating_sub(self.live_bytes() as usize) <= keep {
            return given;
        }
        given + self.trim_spans()
    }

    /// Takes up what nested calls had to leave.
    pub(super) fn sweep(&self) {
        // Acquire: pairs with the Release in `lock_unless_nested`.
        if !self.unsettled.swap(false, Acquire) {
            return;
        }
        self.for_each_slot(|head, slot| {
            // Read once: a span may become a large block's slot at any moment, and then has no class.
            let word = slot.word();
            match word.state() {
                State::Limbo => self.put_slot(head, End::Back),
                State::Full | State::Partial => self.settle_unowned(head, usize::from(word.class())),
                _ => {}
            }
        });
    }
}
