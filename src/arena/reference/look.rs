//! What must hold of an arena at rest, next to its model.
#![forbid(unsafe_code)]

use super::machine::{ensure, Check, Machine, PENDING_BYTES};
use super::op::Who;
use crate::arena::slot::State;
use crate::arena::Misuse;
use crate::sync::Ordering::Relaxed;
use std::collections::BTreeMap;

impl Machine {
    /// The accounts, to the byte, and the state of every slot.
    pub fn look(&self) -> Check {
        self.look_at_accounts()?;
        self.look_at_slots()
    }

    fn look_at_accounts(&self) -> Check {
        let (blocks, bytes) = (self.arena.live_blocks(), self.arena.live_bytes());
        let expected = (self.live.len() as u64, self.live_bytes as u64);
        ensure!((blocks, bytes) == expected, "{blocks} blocks, {bytes} bytes live instead of {expected:?}");
        let seen = self.arena.snapshot();
        let counted = (seen.allocs, seen.frees);
        ensure!(counted == (self.allocs, self.frees), "{counted:?} counted: {} and {}", self.allocs, self.frees);
        // Every cursor may keep some bytes back from the peak; the last block may overstep the limit by its rounding.
        let slack = PENDING_BYTES * (self.arena.cursors.iter().count() + 1);
        let peak = seen.peak_live_bytes as usize;
        ensure!(peak.abs_diff(self.peak_bytes) <= slack, "peak of {peak} instead of {}", self.peak_bytes);
        ensure!(
            self.live_bytes <= self.setup.limit + 2 * slack,
            "{} live, limit {}",
            self.live_bytes,
            self.setup.limit
        );
        let free = self.arena.free_resident_bytes();
        let touched = self.arena.touched.load(Relaxed);
        ensure!(self.live_bytes + free <= touched, "{} live and {free} free of {touched} touched", self.live_bytes);
        let depth = self.phases.depth();
        ensure!(depth == self.depth, "phase depth {depth} instead of {}", self.depth);
        Ok(())
    }

    /// The live blocks that each slot has, by the slot's first unit.
    fn live_by_slot(&self) -> BTreeMap<u32, i64> {
        let mut counts = BTreeMap::new();
        for &address in self.live.keys() {
            *counts.entry(self.arena.head(address).unwrap_or(0)).or_default() += 1;
        }
        counts
    }

    fn look_at_slots(&self) -> Check {
        let mut expected = self.live_by_slot();
        let unsettled = self.arena.unsettled.load(Relaxed);
        let (mut free, mut wrong) = (0, None);
        self.arena.for_each_slot(|head, slot| {
            let word = slot.word();
            let live = expected.remove(&head).unwrap_or(0);
            let right = match word.state() {
                State::Free => {
                    free += slot.touched.load(Relaxed);
                    live == 0
                }
                State::Large => live == 1,
                State::Owned => {
                    let charged = i64::from(slot.charged.load(Relaxed) as i32);
                    self.arena.blocks[head as usize].count() == live && word.count() + charged == live
                }
                State::Full | State::Partial => {
                    let bits = self.arena.blocks[head as usize].count();
                    bits == live && word.count() == live && (live > 0 || unsettled)
                }
                State::Limbo => live == 0 && unsettled,
                State::Held | State::Uncarved => false,
            };
            if !right {
                wrong =
                    Some(format!("slot {head} is {:?}, counts {}, holds {live} blocks", word.state(), word.count()));
            }
        });
        ensure!(wrong.is_none(), "{}", wrong.unwrap_or_default());
        ensure!(expected.is_empty(), "blocks in no slot: {expected:?}");
        let counted = self.arena.free_resident_bytes();
        ensure!(counted == free, "{counted} bytes in free slots counted, {free} found");
        let (counted, mut found) = (self.arena.touched.load(Relaxed), 0);
        self.arena.for_each_slot(|_, slot| found += slot.touched.load(Relaxed));
        ensure!(counted == found, "{counted} bytes touched counted, {found} found");
        let (counted, found) = (self.arena.spread.purged_bytes(), self.arena.purged_blocks_bytes());
        ensure!(counted == found, "{counted} bytes of spans given back counted, {found} found");
        Ok(())
    }

    /// After everything was freed and trimmed.
    pub fn look_at_nothing(&self) -> Check {
        let mut wrong = None;
        self.arena.for_each_slot(|head, slot| {
            if slot.word().state() != State::Free || slot.touched.load(Relaxed) != 0 {
                wrong = Some(format!("slot {head} is {:?}", slot.word().state()));
            }
        });
        ensure!(wrong.is_none(), "{}", wrong.unwrap_or_default());
        let resident = self.arena.snapshot().resident_bytes;
        ensure!(resident == 0, "{resident} bytes are resident");
        Ok(())
    }

    /// What every lookup says of an address, against the model. It changes nothing.
    pub fn ask(&mut self, by: Who, address: usize) -> Check {
        let block = self.live.range(..=address).next_back().filter(|(start, block)| address < *start + block.usable);
        let owns = self.arena.owns(address);
        ensure!(owns == block.is_some(), "owns({address:#x}) is {owns}");
        let usable = self.arena.usable(address);
        if let Some((_, block)) = block.filter(|(&start, _)| start == address) {
            ensure!(usable == Ok(block.usable), "usable({address:#x}) is {usable:?} instead of {}", block.usable);
            return Ok(());
        }
        let expected = match (block, self.freed.get(&address)) {
            (Some(_), _) | (None, None) => Some(Misuse::InvalidPointer),
            (None, Some(true)) => Some(Misuse::DoubleFree),
            // Something else has been in the slot since: which of the two it is may be forgotten.
            (None, Some(false)) => None,
        };
        let expected = expected.filter(|_| block.is_some() || !self.covered.contains(&address));
        let cursor = self.cursor(by);
        for (call, result) in [
            ("usable", usable.map(|_| ())),
            ("resize", self.arena.resize(cursor, address, 4096).map(|_| ())),
            ("release", self.arena.release(cursor, address).map(|_| ())),
        ] {
            let right = result.is_err_and(|misuse| expected.is_none_or(|expected| expected == misuse));
            ensure!(right, "{call}({address:#x}) is {result:?}, expected {expected:?}");
        }
        Ok(())
    }
}
