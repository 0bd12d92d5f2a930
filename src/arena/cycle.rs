//! Cycles: phases, or, in a program that marks none, what lies between two moments at which next to nothing is live.
#![forbid(unsafe_code)]

use super::{budget, Arena};
use crate::sync::Ordering::Relaxed;

/// To be held against live bytes.
const WORTH_A_CYCLE_BYTES: i64 = budget::WORTH_A_CYCLE_BYTES as i64;
/// A program without phases has ended a cycle when less than the peak divided by this is live.
const CYCLE_FALL: i64 = 8;
/// For `Arena::low`.
pub(super) const NO_TAIL: i64 = -1;

impl Arena {
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

    /// Ends a cycle. How many bytes of free pages may stay.
    pub fn end_cycle(&self) -> usize {
        self.budget.note_live(self.phase_peak_bytes() as usize);
        self.spread.begin_cycle();
        self.begin_phase();
        let most = self.budget.end_cycle(self.in_use());
        most.saturating_add(self.budget.slack(most))
    }

    /// The most live bytes since the phase began.
    pub fn phase_peak_bytes(&self) -> u64 {
        self.phase_peak.load(Relaxed).max(0) as u64
    }
}
