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
        let head = self.take_slot(size::slot_class(end)?)?;
        let slot = &self.slots[head as usize];
        // Moved pages keep what the kernel was told about huge pages where they come from.
        let is_alike = self.zone_of(from).start == self.zone_of(head).start;
        match if is_alike { self.take_along(from, head, used) } else { Ok(false) } {
            Ok(true) => {}
            Ok(false) => {
                slot.set_word(slot.word().with_state(State::Limbo));
                self.put_slot(head, super::slot::End::Front);
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

    /// Moves the units of a live block, and what lies behind it, to the same place in a slot that the caller holds. Where
    /// that has pages of its own, these are written to instead. False: the block is as it was.
    fn take_along(&self, from: u32, head: u32, used: usize) -> Result<bool, Lost> {
        let (old, new) = (&self.slots[from as usize], &self.slots[head as usize]);
        let kept = new.touched.load(Relaxed).div_ceil(UNIT);
        let end = old.touched.load(Relaxed).div_ceil(UNIT);
        if kept * UNIT >= used {
            return Ok(false);
        }
        new.set_holes();
        let (units, done) = self.move_units((from, kept), (head, kept), end - kept);
        if done != Move::Done {
            if !broken::is(Broken::LostGrowth) {
                self.region.copy(head as usize + kept, from as usize + kept, units * UNIT);
            }
            return if done == Move::Lost { Err(Lost) } else { Ok(false) };
        }
        self.region.copy(from as usize, head as usize, kept * UNIT);
        self.set_touched(old, kept * UNIT);
        self.count_moved((end - kept) * UNIT);
        Ok(true)
    }
}
