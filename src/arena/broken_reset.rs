//! A negative control, never shipped (`broken.rs`): what a bump arena does when a phase ends.
#![forbid(unsafe_code)]

use super::slot::{End, State, Word};
use super::Arena;
use crate::sync::Ordering::Relaxed;

impl Arena {
    /// Frees every block, whatever the program still holds.
    pub fn broken_reset(&self) {
        self.for_each_slot(|head, slot| {
            let word = slot.word();
            match word.state() {
                State::Large => {
                    slot.set_word(word.with_state(State::Limbo));
                    self.put_slot(head, End::Front);
                }
                State::Owned => {
                    self.blocks[head as usize].reset();
                    slot.charged.store(0, Relaxed);
                    slot.set_word(Word::new(State::Owned, word.class(), 0));
                }
                State::Full | State::Partial => {
                    self.blocks[head as usize].reset();
                    let class = usize::from(word.class());
                    if word.state() == State::Partial {
                        self.bins[class].remove(self.slots, head);
                    }
                    slot.set_word(Word::new(State::Full, word.class(), 0));
                    self.settle_unowned(head, class);
                }
                _ => {}
            }
        });
    }
}
