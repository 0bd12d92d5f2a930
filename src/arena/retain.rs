//! What becomes of free pages: kept within a budget, given back beyond it.
#![forbid(unsafe_code)]

use super::mover::Lost;
use super::size::{self, UNIT};
use super::slot::{End, SlotList, State};
use super::span_use::FEW_BYTES;
use super::Arena;
use crate::broken::{self, Broken};
use crate::platform::HugePages;
use crate::sync::Ordering::{Acquire, Relaxed};

/// Free pages that may stay beyond the live peak, so many or this part of it: small programs and first proofs are never
/// slowed down, and no two proofs of a large one are alike to the page.
const SLACK_BYTES: usize = size::unless_model(8 << 20, 0, 0);
const SLACK_PART: usize = size::unless_model(64, usize::MAX, usize::MAX);

/// Whoever is about to touch less leaves the surplus to others, who can use whole units of it.
const WORTH_A_UNIT_BYTES: usize = UNIT / 2;

fn slack(most_in_use: usize) -> usize {
    SLACK_BYTES.max(most_in_use / SLACK_PART)
}

/// How many bytes of free pages are too many beside those in use.
fn surplus(in_use: usize, budget: usize, free: usize) -> usize {
    let most = in_use.max(budget);
    let allowed = most.saturating_add(slack(most));
    in_use.saturating_add(free).saturating_sub(allowed).min(free)
}

/// A cycle of fewer live bytes is none.
const WORTH_A_CYCLE_BYTES: i64 = 64 << 20;
/// A program without phases has ended a cycle when less than the peak divided by this is live.
const CYCLE_FALL: i64 = 8;
/// In one pool, so many slots of which the kernel will not take back what it is to: all of them under a filter, or those that
/// a program has locked.
const MOST_REFUSALS: u32 = 8;
/// For `Arena::low`.
pub(super) const NO_TAIL: i64 = -1;

impl Arena {
    /// Called before a large block or a span touches a slot up to `end`: while pages in use and free ones together would
    /// exceed the budget, it gets pages of free slots instead of fresh ones, and what is left of the surplus is given back.
    pub(super) fn make_room(&self, head: u32, end: usize) -> Result<(), Lost> {
        self.note_spread();
        let slot = &self.slots[head as usize];
        // Pages behind the block, from an earlier and larger one: of no use while it lives, unless they are elsewhere.
        let block_end = end.next_multiple_of(UNIT);
        let tail = slot.touched.load(Relaxed).saturating_sub(block_end);
        if tail > 0 && self.free_resident.load(Relaxed) + tail > SLACK_BYTES {
            self.move_out(head, block_end / UNIT);
        }
        let touched = slot.touched.load(Relaxed);
        let fresh = end.saturating_sub(touched);
        if fresh + tail == 0 || broken::is(Broken::Surplus) {
            return Ok(());
        }
        let tail_left = touched.saturating_sub(block_end);
        let free = self.free_resident.load(Relaxed) + tail_left;
        let in_use = self.in_use().saturating_sub(tail_left) + fresh;
        // What is in use while far too little of it is live says nothing of what a cycle needs.
        let budget = if self.spread.is_quiet() { self.budget.note(in_use) } else { 0 };
        let surplus = surplus(in_use, budget, free);
        if surplus == 0 || end < WORTH_A_UNIT_BYTES {
            return Ok(());
        }
        let mut given = 0;
        if tail_left > 0 {
            // The kernel moves no pages.
            given = self.purge_behind(head, block_end);
        }
        given += self.move_in(head, surplus.saturating_sub(given).min(fresh))?;
        // Whole units: what does not fill one would take one all the same, and as many faults as that has pages.
        let left = surplus.saturating_sub(given) / UNIT * UNIT;
        self.purge(self.free_resident.load(Relaxed).saturating_sub(left), left, |_, _| None);
        Ok(())
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

    /// The same of those with few pages, if they are told from others.
    fn take_few(&self, pool: &SlotList) -> Option<(u32, usize)> {
        if FEW_BYTES > 0 {
            self.take_resident(pool, 0)
        } else {
            None
        }
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

    /// Bytes of the arena that are resident, as the kernel says, or, where it may not be asked, that may be.
    pub(super) fn resident_bytes(&self) -> usize {
        let mut bytes = 0;
        self.for_each_slot(|head, slot| {
            let touched = slot.touched.load(Relaxed);
            if touched == 0 {
                return;
            }
            let start = self.region.unit_address(head as usize);
            bytes += self.region.resident(start, touched.next_multiple_of(UNIT)).unwrap_or_else(|| {
                let word = slot.word();
                let purged = match word.state() {
                    State::Owned | State::Full | State::Partial => self.purged_in_span(head, usize::from(word.class())),
                    _ => 0,
                };
                self.resident_in(head, touched).saturating_sub(purged)
            });
        });
        bytes
    }

    /// How much of a slot may be resident when so much was touched: where huge pages are, whole ones.
    fn resident_in(&self, head: u32, touched: usize) -> usize {
        if self.zone_of(head).huge == Some(HugePages::Prefer) {
            touched.next_multiple_of(UNIT)
        } else {
            touched
        }
    }

    /// Free bytes that are resident in slots that no block uses.
    pub fn free_resident_bytes(&self) -> usize {
        self.free_resident.load(Relaxed)
    }

    /// Changes with every request that was served or freed.
    pub fn activity(&self) -> u64 {
        self.sum(|counters| &counters.allocs).wrapping_add(self.sum(|counters| &counters.frees))
    }

    /// Bytes of all blocks that were ever handed out.
    pub fn allocated_bytes(&self) -> u64 {
        self.sum(|counters| &counters.alloc_bytes)
    }

    /// True: so much has been live at once.
    #[inline]
    pub fn has_held(&self, bytes: usize) -> bool {
        self.peak.load(Relaxed) >= bytes as i64
    }

    /// True: so much may be free and resident that it is worth giving back when nobody uses the arena.
    #[inline]
    pub fn may_hold(&self, bytes: usize) -> bool {
        let freed = self.peak.load(Relaxed).saturating_sub(self.live.load(Relaxed));
        freed >= bytes as i64 || self.free_resident.load(Relaxed) >= bytes
    }

    /// A phase or another cycle begins: its peak starts from what is live.
    pub fn begin_phase(&self) {
        self.phase_peak.store(self.live.load(Relaxed), Relaxed);
    }

    /// True: a program that marks no phases seems to have finished something large.
    #[inline]
    pub fn is_between_cycles(&self) -> bool {
        let (peak, live, low) = (self.phase_peak.load(Relaxed), self.live.load(Relaxed), self.low.load(Relaxed));
        if low != NO_TAIL {
            self.follow_tail(live, low);
            return false;
        }
        peak >= WORTH_A_CYCLE_BYTES && live < peak / CYCLE_FALL
    }

    /// True: so much of the recent peak is live that a proof may be going on.
    pub fn may_be_in_cycle(&self) -> bool {
        let live = self.live.load(Relaxed);
        live >= WORTH_A_CYCLE_BYTES && live >= self.phase_peak.load(Relaxed) / CYCLE_FALL
    }

    /// Once a cycle has ended, what is still live belongs to it: the next one begins when live bytes rise again.
    #[inline]
    fn follow_tail(&self, live: i64, low: i64) {
        if live < low {
            self.low.store(live, Relaxed);
            self.phase_peak.store(live, Relaxed);
            // Here, and not when it has risen: the peaks of the rise are the next cycle's.
            self.budget.begin_cycle(self.in_use());
        } else if live >= low + WORTH_A_CYCLE_BYTES {
            self.low.store(NO_TAIL, Relaxed);
        }
    }

    /// Ends a cycle of a program that marks no phases. How many bytes of free pages may stay.
    pub fn end_inferred_cycle(&self) -> usize {
        self.low.store(self.live.load(Relaxed).max(0), Relaxed);
        self.end_cycle()
    }

    /// Bytes of pages of slots that are not free, less what was given back of spans.
    pub(super) fn in_use(&self) -> usize {
        let others = self.free_resident.load(Relaxed) + self.giving.load(Relaxed) + self.spread.purged_bytes();
        self.touched.load(Relaxed).saturating_sub(others)
    }

    /// Ends a cycle. How many bytes of free pages may stay.
    pub fn end_cycle(&self) -> usize {
        self.budget.note_live(self.phase_peak_bytes() as usize);
        self.spread.begin_cycle();
        self.begin_phase();
        let most = self.budget.end_cycle(self.in_use());
        most.saturating_add(slack(most))
    }

    /// No more than this may be resident, but for what is in use: the cgroup's limit. `usize::MAX` for none.
    pub fn set_ceiling(&self, bytes: usize) {
        self.budget.set_ceiling(bytes);
    }

    /// Bytes of pages that may be resident, in use or free.
    pub fn touched_bytes(&self) -> usize {
        self.touched.load(Relaxed)
    }

    /// The most live bytes since the phase began.
    pub fn phase_peak_bytes(&self) -> u64 {
        self.phase_peak.load(Relaxed).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn surplus_keeps_all_pages_within_the_budget() {
        for (in_use, budget, free, expected) in [
            (10 * MB, 1000 * MB, 990 * MB, 0),
            (510 * MB, 1000 * MB, 990 * MB, 500 * MB - 1000 * MB / 64),
            (2000 * MB, 1000 * MB, 1000 * MB, 1000 * MB - 2000 * MB / 64),
            (950 * MB, 1000 * MB, 100 * MB, 50 * MB - 1000 * MB / 64),
            (100 * MB, 200 * MB, 150 * MB, 50 * MB - 8 * MB),
            (usize::MAX, 0, 100 * MB, 0),
        ] {
            assert_eq!(surplus(in_use, budget, free), expected, "{in_use} {budget} {free}");
        }
    }
}
