//! Moving the pages of free slots to where pages are wanted: no fault, no zeroing, no copy.
#![forbid(unsafe_code)]

use super::size::UNIT;
use super::slot::{End, State};
use super::Arena;
use crate::platform;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use Ordering::Relaxed;

/// Whether pages may be moved, and how many were.
#[derive(Default)]
pub struct Mover {
    /// The kernel refused, or the process has too many mappings: surplus pages are given back instead.
    refused: AtomicBool,
    moves: AtomicU64,
    bytes: AtomicU64,
}

/// A move may leave a mapping behind at each of its four ends, and Linux allows a process 65,530 by default.
const MOST_MAPPINGS: usize = 20_000;
/// Moves between two counts of the mappings.
const MOVES_PER_COUNT: u64 = 1024;

impl Mover {
    pub fn moved_bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn may_move(&self) -> bool {
        if self.refused.load(Relaxed) {
            return false;
        }
        let moves = self.moves.fetch_add(1, Relaxed) + 1;
        if moves % MOVES_PER_COUNT == 0 && platform::mappings().is_none_or(|count| count > MOST_MAPPINGS) {
            self.refused.store(true, Relaxed);
        }
        true
    }
}

impl Arena {
    /// Moves whole units with pages from free slots into a slot that the caller holds, from its first untouched unit
    /// on: at least `bytes`, unless there are too few. The bytes moved.
    pub(super) fn move_in(&self, head: u32, bytes: usize) -> usize {
        let slot = &self.slots[head as usize];
        let mut target = slot.touched.load(Relaxed).div_ceil(UNIT);
        let mut wanted = bytes.div_ceil(UNIT).min(slot.units() - target);
        let mut moved = 0;
        for pool in self.pools.iter().rev() {
            while wanted > 0 {
                let Some(donor) = self.take_resident(pool) else { break };
                let from = &self.slots[donor as usize];
                let touched = from.touched.load(Relaxed).div_ceil(UNIT);
                let units = touched.min(wanted);
                let source = donor as usize + touched - units;
                let done = self.mover.may_move() && self.region.move_units(source, head as usize + target, units);
                if done {
                    from.touched.store((touched - units) * UNIT, Relaxed);
                    target += units;
                    slot.touched.store(target * UNIT, Relaxed);
                    wanted -= units;
                    moved += units * UNIT;
                }
                from.set_word(from.word().with_state(State::Limbo));
                self.put_slot(donor, End::Back);
                if !done {
                    self.mover.refused.store(true, Relaxed);
                    return moved;
                }
            }
        }
        self.mover.bytes.fetch_add(moved as u64, Relaxed);
        moved
    }
}
