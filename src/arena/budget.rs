//! How many bytes of pages may be resident: what recent cycles needed. A cycle is a phase, or, in a program that marks
//! none, the time between two moments at which next to nothing is live.
#![forbid(unsafe_code)]

use super::size::unless_model;
use crate::broken::{self, Broken};
use crate::sync::{AtomicUsize, Ordering};
use Ordering::Relaxed;

/// Free pages that may stay beyond the peak, so many or this part of it: no two proofs are alike to the page.
pub const LEAST_SLACK_BYTES: usize = unless_model(2 << 20, 0, 0);
const SLACK_PART: usize = unless_model(64, usize::MAX, usize::MAX);
/// A program that uses blocks of several sizes by turns would have pages moved for each of them. Where more were, or were
/// given back, than so many times the peak, this part of the rest may stay instead, up to so many.
const CHURN_PEAKS: usize = 4;
const CHURN_PART: usize = 16;
const MOST_CHURN_SLACK_BYTES: usize = unless_model(16 << 20, 0, 0);
/// Not in a model: each counter read for it would double what there is to explore.
const CHURN_IS_COUNTED: bool = MOST_CHURN_SLACK_BYTES > 0;
/// A cycle of less memory forgets no churn, and is none in a program without phases.
pub const WORTH_A_CYCLE_BYTES: usize = 64 << 20;

/// After this many cycles nothing of one before them is kept that was larger by more than a little.
const RECENT: usize = 3;
/// Figures that differ by no more than this part are alike.
const ALIKE_PART: usize = 8;
/// What cycles that are alike do not need any more is forgotten by this part in each: two threads do not need the same twice.
const FORGOTTEN_PART: usize = 64;
/// No more than this part is kept beyond what the largest of the recent ones needed.
const MOST_BEYOND_PART: usize = 16;

/// Pages in use are those of slots that are not free, whatever part of them is live.
#[derive(Default)]
pub struct Budget {
    /// Most bytes of pages in use in this cycle.
    peak: AtomicUsize,
    /// The same, of the last cycles.
    recent: [AtomicUsize; RECENT],
    /// Most live bytes of the last cycles.
    live: [AtomicUsize; RECENT],
    cycles: AtomicUsize,
    /// What may stay between cycles.
    kept: AtomicUsize,
    /// Bytes of free pages that were too many where they were, in this cycle, and half of those before it. Cycles of little
    /// memory forget none of it: what they move is as much with each.
    churn: AtomicUsize,
    /// `usize::MAX` less what may be resident, so that zero means no limit.
    withheld: AtomicUsize,
}

impl Budget {
    /// So many bytes of pages are about to be in use. What may be resident meanwhile: pages are conserved, so that a
    /// cycle like those before it needs no fresh ones.
    pub fn note(&self, in_use: usize) -> usize {
        let peak = self.peak.fetch_max(in_use, Relaxed).max(in_use);
        peak.max(self.kept.load(Relaxed)).min(self.ceiling())
    }

    /// No more than this may be resident, but for what is in use: `usize::MAX` for no limit.
    pub fn set_ceiling(&self, bytes: usize) {
        self.withheld.store(usize::MAX - bytes, Relaxed);
    }

    fn ceiling(&self) -> usize {
        usize::MAX - self.withheld.load(Relaxed)
    }

    /// So many bytes of pages, free or behind a block, were moved or given back for a block that was to have pages.
    pub fn note_churn(&self, bytes: usize) {
        if bytes == 0 || !CHURN_IS_COUNTED {
            return;
        }
        let most = self.churn_allowed().saturating_add(CHURN_PART * MOST_CHURN_SLACK_BYTES);
        if self.churn.load(Relaxed) < most && !broken::is(Broken::Churn) {
            self.churn.fetch_add(bytes, Relaxed);
        }
    }

    /// How many bytes of free pages may stay beyond so many that were in use at once.
    pub fn slack(&self, most_in_use: usize) -> usize {
        LEAST_SLACK_BYTES.max(most_in_use / SLACK_PART).max(self.churn_slack(|| most_in_use))
    }

    /// So many of them because they would be moved again and again. None are beyond a ceiling for that.
    /// Where there is no churn, nothing else is read.
    pub fn churn_slack(&self, most_in_use: impl FnOnce() -> usize) -> usize {
        if !CHURN_IS_COUNTED || self.churn.load(Relaxed) == 0 {
            return 0;
        }
        let beyond = self.churn.load(Relaxed).saturating_sub(self.churn_allowed()) / CHURN_PART;
        beyond.min(MOST_CHURN_SLACK_BYTES).min(self.room(most_in_use()))
    }

    /// What a cycle may move without being one that does so again and again.
    fn churn_allowed(&self) -> usize {
        self.peak.load(Relaxed).max(self.kept.load(Relaxed)).saturating_mul(CHURN_PEAKS)
    }

    /// Before a cycle is over: so many bytes were live at once in it.
    pub fn note_live(&self, bytes: usize) {
        self.live[self.cycles.load(Relaxed) % RECENT].store(bytes, Relaxed);
    }

    /// Most bytes that were live at once in the last cycles.
    pub fn most_live(&self) -> usize {
        largest(&self.live)
    }

    /// What may be resident beside so many bytes that are: for memory that nobody has asked for yet.
    pub fn room(&self, resident: usize) -> usize {
        self.ceiling().saturating_sub(resident)
    }

    /// Another cycle begins no earlier than now: what was in use since the last one ended was that one's.
    pub fn begin_cycle(&self, in_use: usize) {
        self.peak.store(in_use, Relaxed);
    }

    /// The cycle is over, with so many bytes still in use. What may stay, but for the slack: the running average of the peaks,
    /// and no more than the largest recent one, so that an exception is forgotten soon; where cycles are alike, what the
    /// largest needed, and a little of what earlier ones did.
    ///
    /// Two threads that end cycles at once both take part, which moves the average but harms nothing.
    pub fn end_cycle(&self, in_use: usize) -> usize {
        let peak = self.peak.swap(in_use, Relaxed);
        let cycle = self.cycles.fetch_add(1, Relaxed);
        self.recent[cycle % RECENT].store(peak, Relaxed);
        if peak >= WORTH_A_CYCLE_BYTES {
            self.churn.store(self.churn.load(Relaxed) / 2, Relaxed);
        }
        let before = self.kept.load(Relaxed);
        let average = if cycle == 0 { peak } else { before / 2 + peak / 2 };
        let kept = expected(average, largest(&self.recent), before);
        self.kept.store(kept, Relaxed);
        kept.min(self.ceiling())
    }
}

/// What the next cycle may need, from the average of the peaks, the largest recent one and what was expected of this cycle.
fn expected(average: usize, most: usize, before: usize) -> usize {
    if average < most - most / ALIKE_PART {
        average
    } else if before - before / ALIKE_PART < most {
        most.max((before - before / FORGOTTEN_PART).min(most + most / MOST_BEYOND_PART))
    } else {
        most
    }
}

fn largest(recent: &[AtomicUsize; RECENT]) -> usize {
    recent.iter().map(|bytes| bytes.load(Relaxed)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_follows_the_peaks_and_forgets_an_exception() {
        let budget = Budget::default();
        let cycle = |peak| {
            budget.note(peak);
            budget.end_cycle(0)
        };
        assert_eq!(cycle(4096), 4096);
        assert_eq!(cycle(256), 2176);
        assert_eq!(cycle(256), 1216);
        assert_eq!(cycle(256), 256, "three cycles have gone without an exception");
        assert_eq!(cycle(1024), 640);
    }

    #[test]
    fn what_cycles_that_are_alike_need_is_forgotten_slowly() {
        let budget = Budget::default();
        let cycle = |peak| {
            budget.note(peak);
            budget.end_cycle(0)
        };
        assert_eq!([cycle(6400), cycle(5800), cycle(6000)], [6400, 6400, 6400]);
        assert_eq!([cycle(5800), cycle(5800), cycle(6350)], [6300, 6202, 6350]);
        assert_eq!(cycle(3200), 4775, "that one is not alike");
    }

    #[test]
    fn the_tail_of_a_cycle_is_not_the_next_ones() {
        let budget = Budget::default();
        budget.note(1000);
        budget.end_cycle(700);
        budget.begin_cycle(10);
        budget.note(300);
        assert_eq!(budget.end_cycle(0), 650);
    }

    #[test]
    fn more_free_pages_may_stay_where_they_are_moved_again_and_again() {
        const MB: usize = 1 << 20;
        let budget = Budget::default();
        assert_eq!([budget.slack(16 * MB), budget.slack(640 * MB)], [2 * MB, 10 * MB]);
        budget.note(16 * MB);
        budget.note_churn((64 + 64) * MB);
        assert_eq!([budget.slack(16 * MB), budget.slack(640 * MB)], [4 * MB, 10 * MB]);
        budget.note_churn(4096 * MB);
        assert_eq!([budget.slack(16 * MB), budget.slack(2048 * MB)], [16 * MB, 32 * MB]);
        budget.end_cycle(0);
        assert_eq!(budget.slack(16 * MB), 16 * MB, "that was a small one");
        budget.set_ceiling(20 * MB);
        assert_eq!([budget.slack(16 * MB), budget.slack(24 * MB)], [4 * MB, 2 * MB]);
        budget.set_ceiling(usize::MAX);
        for _ in 0..6 {
            budget.note(64 * MB);
            budget.end_cycle(0);
        }
        assert_eq!(budget.slack(16 * MB), 2 * MB, "cycles without are not to pay for it");
    }

    #[test]
    fn a_ceiling_holds_while_it_is_there() {
        let budget = Budget::default();
        assert_eq!(budget.note(100), 100);
        budget.set_ceiling(60);
        assert_eq!(budget.note(50), 60);
        assert_eq!(budget.end_cycle(0), 60);
        budget.set_ceiling(usize::MAX);
        assert_eq!(budget.note(50), 100);
    }

    #[test]
    fn a_cycle_may_use_what_earlier_ones_needed() {
        let budget = Budget::default();
        assert_eq!(budget.note(100), 100);
        assert_eq!(budget.note(50), 100);
        budget.end_cycle(10);
        assert_eq!(budget.note(50), 100);
        assert_eq!(budget.note(150), 150);
        budget.end_cycle(10);
        assert_eq!(budget.note(20), 125);
    }
}
