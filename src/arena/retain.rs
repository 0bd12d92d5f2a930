//! What becomes of free pages while the program goes on: kept within a budget, moved or given back beyond it.
#![forbid(unsafe_code)]

use super::budget::LEAST_SLACK_BYTES;
use super::mover::Lost;
use super::size::UNIT;
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

/// Whoever is about to touch less leaves the surplus to others, who can use whole units of it.
const WORTH_A_UNIT_BYTES: usize = UNIT / 2;

/// Pages behind a block count as in use while it lives, and nobody finds them: they are no more than this part of it and of what
/// it leaves out in front.
const TAIL_PART: usize = 8;

/// How many bytes of free pages are too many beside those in use, where so many may be resident.
fn surplus(in_use: usize, free: usize, most: usize) -> usize {
    in_use.saturating_add(free).saturating_sub(most).min(free)
}

impl Arena {
    /// Called before a large block or a span touches a slot up to `end`: while pages in use and free ones together would
    /// exceed the budget, it gets pages of free slots instead of fresh ones, and what is left of the surplus is given back.
    pub(super) fn make_room(&self, head: u32, end: usize) -> Result<(), Lost> {
        self.note_spread();
        let slot = &self.slots[head as usize];
        // Pages behind the block, from an earlier and larger one: of no use while it lives, unless they are elsewhere.
        let block_end = end.next_multiple_of(UNIT);
        let tail = slot.touched.load(Relaxed).saturating_sub(block_end);
        if tail > 0 && tail > self.tail_slack(end) {
            self.move_out(head, block_end / UNIT);
        }
        let touched = slot.touched.load(Relaxed);
        let fresh = end.saturating_sub(touched);
        if fresh + tail == 0 || broken::is(Broken::Surplus) {
            return Ok(());
        }
        let tail_left = touched.saturating_sub(block_end);
        self.budget.note_churn(tail - tail_left);
        let free = self.free_resident.load(Relaxed) + tail_left;
        let in_use = self.in_use().saturating_sub(tail_left) + fresh;
        // What is in use while far too little of it is live says nothing of what a cycle needs.
        let most = if self.spread.is_quiet() { self.budget.note(in_use).max(in_use) } else { in_use };
        let surplus = surplus(in_use, free, most.saturating_add(self.budget.slack(most)));
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
        given += self.purge(self.free_resident.load(Relaxed).saturating_sub(left), left, |_, _| None);
        self.budget.note_churn(given);
        Ok(())
    }

    /// How many bytes of pages may stay behind a block that ends there: some if they are all that is free, or, where they would
    /// be moved to and fro with blocks that take turns, few beside the block.
    fn tail_slack(&self, end: usize) -> usize {
        let most = if broken::is(Broken::Tails) { usize::MAX } else { end / TAIL_PART };
        let few = self.budget.churn_slack(|| self.in_use()).min(most);
        LEAST_SLACK_BYTES.saturating_sub(self.free_resident.load(Relaxed)).max(few)
    }

    /// No more than this may be resident, but for what is in use: the cgroup's limit. `usize::MAX` for none.
    pub fn set_ceiling(&self, bytes: usize) {
        self.budget.set_ceiling(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn surplus_is_what_is_free_beyond_what_may_be_resident() {
        for (in_use, free, most, expected) in [
            (10 * MB, 990 * MB, 1000 * MB, 0),
            (510 * MB, 990 * MB, 1000 * MB, 500 * MB),
            (2000 * MB, 1000 * MB, 2032 * MB, 968 * MB),
            (2000 * MB, 100 * MB, 1000 * MB, 100 * MB),
            (usize::MAX, 100 * MB, usize::MAX, 0),
        ] {
            assert_eq!(surplus(in_use, free, most), expected, "{in_use} {free} {most}");
        }
    }
}
