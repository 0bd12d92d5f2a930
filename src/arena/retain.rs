//! What becomes of free pages while the program goes on: kept within a budget, moved or given back beyond it.
#![forbid(unsafe_code)]

use super::mover::Lost;
use super::size::{self, UNIT};
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

/// Free pages that may stay beyond the live peak, so many or this part of it: small programs and first proofs are never
/// slowed down, and no two proofs of a large one are alike to the page.
const SLACK_BYTES: usize = size::unless_model(8 << 20, 0, 0);
const SLACK_PART: usize = size::unless_model(64, usize::MAX, usize::MAX);

/// Whoever is about to touch less leaves the surplus to others, who can use whole units of it.
const WORTH_A_UNIT_BYTES: usize = UNIT / 2;

pub(super) fn slack(most_in_use: usize) -> usize {
    SLACK_BYTES.max(most_in_use / SLACK_PART)
}

/// How many bytes of free pages are too many beside those in use.
fn surplus(in_use: usize, budget: usize, free: usize) -> usize {
    let most = in_use.max(budget);
    let allowed = most.saturating_add(slack(most));
    in_use.saturating_add(free).saturating_sub(allowed).min(free)
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
