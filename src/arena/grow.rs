//! A large block that outgrows its slot takes its pages along: nothing is copied, and nothing is resident twice.
#![forbid(unsafe_code)]

use super::mover::Lost;
use super::size::{self, UNIT};
use super::slot::State;
use super::{Arena, Found, Grant};
use crate::broken::{self, Broken};
use crate::platform::Move;
use crate::sync::Ordering::Relaxed;

/// Copying less than this is as fast.
const WORTH_A_MOVE_BYTES: usize = 2 * UNIT;

impl Arena {
    /// A new block for the contents of a live large one that is to have more bytes, with these contents in it already.
    /// The caller frees the old block, which has lost them. `None`: it has them still, and they are to be copied.
    pub fn grow(&self, cursor: Option<u32>, address: usize, bytes: usize) -> Option<Grant> {
        let Ok(Found::Large { head: from }) = self.find(address) else { return None };
        let old = &self.slots[from as usize];
        let offset = old.offset.load(Relaxed);
        let used = offset + old.usable.load(Relaxed);
        let end = bytes.checked_add(offset)?;
        // What is overwritten as it is freed has to be there still.
        if used < WORTH_A_MOVE_BYTES || end <= old.bytes() || self.marks_freed() || !self.has_room(bytes) {
            return None;
        }
        // Moved pages keep what the kernel was told about huge pages where they come from.
        let class = size::slot_class(end)?;
        let head = if self.is_huge(from) { self.take_dense_slot(class) } else { self.take_slot(class) }?;
        let slot = &self.slots[head as usize];
        let is_alike = self.zone_of(from).start == self.zone_of(head).start;
        match if is_alike { self.take_along(from, head, end) } else { Ok(false) } {
            Ok(true) => {}
            Ok(false) => {
                slot.set_word(slot.word().with_state(State::Limbo));
                self.put_emptied(head);
                return None;
            }
            Err(Lost) => {
                self.forsake(head);
                return None;
            }
        }
        let usable = bytes.next_multiple_of(self.region.page_bytes()).min(slot.bytes() - offset);
        if self.make_room(head, offset + usable).is_err() {
            self.touch(old, used);
            self.region.copy(head as usize, from as usize, used);
            self.forsake(head);
            return None;
        }
        let grant = self.hand_out(head, offset, usable);
        self.count_alloc(cursor.map(|index| self.cursors.get(index)), grant.usable, grant.dirty);
        Some(grant)
    }

    /// Moves the units of a live block, and what lies behind it, to the same place in a slot that the caller holds, which
    /// will be used up to `end`. False: the block is as it was.
    fn take_along(&self, from: u32, head: u32, end: usize) -> Result<bool, Lost> {
        let (old, new) = (&self.slots[from as usize], &self.slots[head as usize]);
        let units = old.touched.load(Relaxed).div_ceil(UNIT);
        new.set_holes();
        let (mut moved, mut done) = (0, self.make_way(head, units, end.div_ceil(UNIT)));
        if done == Move::Done {
            (moved, done) = self.move_units((from, 0), (head, 0), units);
        }
        if done != Move::Done {
            if !broken::is(Broken::LostGrowth) {
                self.region.copy(head as usize, from as usize, moved * UNIT);
            }
            return if done == Move::Lost { Err(Lost) } else { Ok(false) };
        }
        self.set_touched(old, 0);
        self.count_moved(units * UNIT);
        Ok(true)
    }

    /// Moves the pages of the first `front` units of a slot that the caller holds behind them: they will be wanted there,
    /// and would be dropped, or be resident beside those that come. What there is no room for up to unit `end` goes to
    /// free slots.
    fn make_way(&self, head: u32, front: usize, end: usize) -> Move {
        if !broken::is(Broken::MakeWay) {
            self.move_out(head, end - front);
        }
        let kept = self.slots[head as usize].touched.load(Relaxed).div_ceil(UNIT);
        if kept + front > end {
            return Move::Refused;
        }
        let (moved, done) = self.move_units((head, 0), (head, kept.max(front)), kept.min(front));
        self.count_moved(moved * UNIT);
        done
    }
}
