//! Moving the pages of free slots to where pages are wanted: no fault, no zeroing, no copy.
#![forbid(unsafe_code)]

use super::size::{self, UNIT};
use super::slot::{End, State, Word, LARGE_CLASS};
use super::Arena;
use crate::broken::{self, Broken};
use crate::platform::{self, Move};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use Ordering::Relaxed;

/// Whether pages may be moved, and how many were.
pub struct Mover {
    /// The kernel refused, or cannot, or the process has too many mappings: surplus pages are given back instead.
    refused: AtomicBool,
    moves: AtomicU64,
    bytes: AtomicU64,
}

/// A move may leave a mapping behind at each of its four ends, and Linux allows a process 65,530 by default.
const MOST_MAPPINGS: usize = 20_000;
/// Units moved between two looks at the mappings: how many there are, and whether the program locks its memory.
const MOVES_PER_LOOK: u64 = 512;
/// With fewer carved units, each of which is one mapping at most, nothing is counted: a filter may forbid to open files.
const FEW_UNITS: usize = MOST_MAPPINGS / 2;

impl Mover {
    pub fn new() -> Self {
        Self { refused: AtomicBool::new(!platform::MOVES_PAGES), moves: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    pub fn moved_bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Of the unit at an address.
    fn may_move(&self, address: usize, carved_units: usize) -> bool {
        if self.refused.load(Relaxed) {
            return false;
        }
        let moves = self.moves.fetch_add(1, Relaxed) + 1;
        let must_count = moves % MOVES_PER_LOOK == 0 && carved_units > FEW_UNITS;
        if must_count && platform::mappings().is_none_or(|count| count > MOST_MAPPINGS) {
            self.refused.store(true, Relaxed);
        }
        // What pages are moved away from would be locked no longer.
        if moves % MOVES_PER_LOOK == 1 && platform::is_locked(address, UNIT) && !broken::is(Broken::LockedMove) {
            self.refused.store(true, Relaxed);
            return false;
        }
        true
    }
}

/// A unit of small pages of which no more is touched is not worth a move: most of it would be faulted in all the same. It
/// gives them back, and takes a whole unit in their place.
const FEW_PAGES_BYTES: usize = size::unless_model(UNIT / 2, 0, 0);

/// The slot's addresses were lost to a failed move.
pub struct Lost;

impl Arena {
    /// Moves whole units with pages from free slots into a slot that the caller holds, from its first unit with few pages on:
    /// at least `bytes`, unless there are too few. What is kept in the slot lies in front of that. The bytes moved, and given
    /// back: what the last unit of a donor has, if that is little.
    pub(super) fn move_in(&self, head: u32, bytes: usize) -> Result<usize, Lost> {
        let slot = &self.slots[head as usize];
        let first = slot.touched.load(Relaxed).saturating_sub(self.few_pages(head)).div_ceil(UNIT);
        let wanted = bytes.div_ceil(UNIT).min(slot.units() - first);
        let (mut moved, mut given) = (0, 0);
        if self.mover.refused.load(Relaxed) {
            return Ok(0);
        }
        for pool in self.pools.iter().rev() {
            while moved < wanted && given < bytes {
                let Some((donor, touched)) = self.take_resident(pool, FEW_PAGES_BYTES) else { break };
                if touched % UNIT <= self.few_pages(donor) {
                    given += self.purge_behind(donor, touched / UNIT * UNIT);
                }
                let (units, end) = self.move_from(donor, head, first + moved, wanted - moved);
                self.put_giver(donor, touched, End::Back);
                moved += units;
                given += units * UNIT;
                self.count_moved(units * UNIT);
                match end {
                    Move::Done => {}
                    Move::Refused => return Ok(given),
                    Move::Lost => return Err(Lost),
                }
            }
        }
        Ok(given)
    }

    /// Where pages are huge, none are few.
    fn few_pages(&self, head: u32) -> usize {
        if self.has_huge_pages(head) {
            0
        } else {
            FEW_PAGES_BYTES
        }
    }

    /// Moves the pages of a slot that the caller holds, from its unit `first` on, to free slots that have room for them.
    /// Does less, or nothing, when the kernel refuses.
    pub(super) fn move_out(&self, head: u32, first: usize) {
        let slot = &self.slots[head as usize];
        loop {
            let tail = slot.touched.load(Relaxed).div_ceil(UNIT).saturating_sub(first);
            if tail == 0 || self.mover.refused.load(Relaxed) {
                return;
            }
            let Some(home) = self.take_roomy(tail) else { return };
            let to = &self.slots[home as usize];
            let taken = to.touched.load(Relaxed).div_ceil(UNIT);
            let (units, end) = self.move_from(head, home, taken, tail.min(to.units() - taken));
            self.count_moved(units * UNIT);
            if end == Move::Lost {
                return self.forsake(home);
            }
            to.set_word(to.word().with_state(State::Limbo));
            self.put_slot(home, End::Back);
        }
    }

    /// Whoever has the addresses of a slot now keeps them: it is never used again.
    pub(super) fn forsake(&self, head: u32) {
        let slot = &self.slots[head as usize];
        self.set_touched(slot, 0);
        slot.set_word(Word::new(State::Uncarved, LARGE_CLASS, 0));
    }

    /// A slot without blocks and with room for pages, `Held`: a free one, or a new one with room for `units`.
    fn take_roomy(&self, units: usize) -> Option<u32> {
        for pool in self.pools.iter().rev() {
            if pool.end(End::Back) == 0 {
                continue;
            }
            let _guard = pool.lock.lock();
            // Slots that lost their pages queue at the back.
            let head = pool.end(End::Back);
            if head != 0 && self.slots[head as usize].touched.load(Relaxed) + UNIT <= self.slots[head as usize].bytes()
            {
                self.hold(pool, head);
                return Some(head);
            }
        }
        self.carve(size::class_of(units), self.node())
    }

    /// Moves the pages of one unit to another, whose own pages are gone then. Once this was refused nothing is moved any more.
    fn move_unit(&self, from: usize, to: usize) -> Move {
        if !self.mover.may_move(self.region.unit_address(from), self.carved_units()) {
            return Move::Refused;
        }
        let done = self.region.move_unit(from, to);
        if done != Move::Done {
            self.mover.refused.store(true, Relaxed);
        }
        // Moved pages keep what the kernel was told of huge ones where they come from.
        let is_foreign = self.is_huge(from as u32) != self.is_huge(to as u32) && !broken::is(Broken::MovedAdvice);
        if done != Move::Done || is_foreign {
            self.advise_zone(to);
        }
        done
    }

    /// Moves so many units, from a slot and a unit of it on to a slot and a unit of that, both in the caller's hands.
    /// How many were moved, and why no more.
    pub(super) fn move_units(&self, from: (u32, usize), to: (u32, usize), units: usize) -> (usize, Move) {
        let slot = &self.slots[to.0 as usize];
        slot.receiving(|| {
            for unit in 0..units {
                let done = self.move_unit(from.0 as usize + from.1 + unit, to.0 as usize + to.1 + unit);
                if done != Move::Done {
                    return (unit, done);
                }
                self.touch(slot, (to.1 + unit + 1) * UNIT);
            }
            (units, Move::Done)
        })
    }

    pub(super) fn count_moved(&self, bytes: usize) {
        self.mover.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Moves up to `most` units from a donor's end to a slot, from its unit `at` on. Those that were moved.
    fn move_from(&self, donor: u32, head: u32, at: usize, most: usize) -> (usize, Move) {
        self.dump_again(donor);
        let (from, to) = (&self.slots[donor as usize], &self.slots[head as usize]);
        let touched = from.touched.load(Relaxed).div_ceil(UNIT);
        let units = touched.min(most);
        let source = touched - units;
        // What lies behind the donor's last touched byte comes along.
        to.set_holes();
        let (moved, end) = self.move_units((donor, source), (head, at), units);
        if end != Move::Done {
            // What was moved already lay in front of what was not: the donor keeps its end, with holes before it.
            from.set_holes();
            return (moved, end);
        }
        self.set_touched(from, source * UNIT);
        if source == 0 {
            from.clear_holes();
        }
        (units, Move::Done)
    }
}
