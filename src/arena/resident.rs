//! How much memory is resident: as the arena counts it, and as the kernel says.
#![forbid(unsafe_code)]

use super::size::UNIT;
use super::slot::State;
use super::Arena;
use crate::sync::Ordering::Relaxed;

impl Arena {
    /// Bytes of the arena that are resident, as the kernel says, or, where it may not be asked, that may be.
    pub(super) fn resident_bytes(&self) -> usize {
        let mut bytes = 0;
        self.for_each_slot(|head, slot| {
            let touched = slot.touched.load(Relaxed);
            if touched == 0 {
                return;
            }
            let start = self.region.unit_address(head as usize);
            bytes += self.region.resident(start, touched.next_multiple_of(UNIT)).unwrap_or_else(|| {
                let word = slot.word();
                let purged = match word.state() {
                    State::Owned | State::Full | State::Partial => self.purged_in_span(head, usize::from(word.class())),
                    _ => 0,
                };
                self.resident_in(head, touched).saturating_sub(purged)
            });
        });
        bytes
    }

    /// How much of a slot may be resident when so much was touched: where huge pages are, whole ones.
    pub(super) fn resident_in(&self, head: u32, touched: usize) -> usize {
        if self.has_huge_pages(head) {
            touched.next_multiple_of(UNIT)
        } else {
            touched
        }
    }

    /// Free bytes that are resident in slots that no block uses.
    pub fn free_resident_bytes(&self) -> usize {
        self.free_resident.load(Relaxed)
    }

    /// True: so much may be free and resident that it is worth giving back when nobody uses the arena.
    #[inline]
    pub fn may_hold(&self, bytes: usize) -> bool {
        let freed = self.peak.load(Relaxed).saturating_sub(self.live.load(Relaxed));
        freed >= bytes as i64 || self.free_resident.load(Relaxed) >= bytes
    }

    /// Bytes of pages of slots that are not free, less what was given back of spans.
    pub(super) fn in_use(&self) -> usize {
        let others = self.free_resident.load(Relaxed) + self.giving.load(Relaxed) + self.spread.purged_bytes();
        self.touched.load(Relaxed).saturating_sub(others)
    }

    /// Bytes of pages that may be resident, in use or free.
    pub fn touched_bytes(&self) -> usize {
        self.touched.load(Relaxed)
    }
}
