//! Free memory stays out of core dumps: what a proof has left there is of no use to whoever looks for the crash, and not
//! for everybody's eyes.
//!
//! Not while the arena is in use, for that would cost two system calls with every large block: a slot that stays free
//! for a while is taken out of dumps, and in again before it is used.
#![forbid(unsafe_code)]

use super::slot::{End, State};
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

/// Each such slot may cost two mappings, and Linux allows a process 65,530 by default.
const MOST_SLOTS: usize = 8192;

impl Arena {
    /// Takes the pages of free slots out of core dumps.
    pub fn undump_free(&self) {
        if broken::is(Broken::CoreDump) {
            return;
        }
        self.for_each_slot(|head, slot| {
            let is_wanted = slot.touched.load(Relaxed) > 0 && !slot.is_undumped();
            if is_wanted && self.undumped_slots.load(Relaxed) < MOST_SLOTS && self.take_free(head) {
                // No lock is held here: allocation never waits for the kernel.
                if self.region.advise_dump(head as usize, slot.units(), false) {
                    slot.set_undumped(true);
                    self.undumped_slots.fetch_add(1, Relaxed);
                }
                slot.set_word(slot.word().with_state(State::Limbo));
                // Behind those without pages nobody would look for it.
                self.put_slot(head, End::Front);
            }
        });
    }

    /// Takes this very slot out of its pool, `Held`. False: it is not in one.
    fn take_free(&self, head: u32) -> bool {
        let pool = self.pool_of(head);
        let _guard = pool.lock.lock();
        let is_free = self.slots[head as usize].word().state() == State::Free;
        if is_free {
            self.hold(pool, head);
        }
        is_free
    }

    /// Before a slot is used again, or its pages, which take with them whether they are dumped.
    #[inline]
    pub(super) fn dump_again(&self, head: u32) {
        let slot = &self.slots[head as usize];
        if slot.is_undumped() {
            // Refused: then a dump lacks it, which harms nothing else.
            self.region.advise_dump(head as usize, slot.units(), true);
            slot.set_undumped(false);
            self.undumped_slots.fetch_sub(1, Relaxed);
        }
    }
}
