//! Dead pages of a span: those of its free blocks go back to the system while its other blocks live.
#![forbid(unsafe_code)]

use super::slot::State;
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

impl Arena {
    /// Purges the whole pages of free blocks. The caller holds `trimming`. The bytes given back.
    ///
    /// I1: the span is kept from being recycled by a count of one, as a live block would do, and a free block from
    /// being handed out by its live bit. What is live is never touched.
    pub(super) fn trim_span(&self, head: u32, class: usize) -> usize {
        let (slot, table, shape) = self.span(head, class);
        {
            let _guard = self.bins[class].lock.lock();
            let word = slot.word();
            let is_span = matches!(word.state(), State::Owned | State::Full | State::Partial);
            if !is_span || usize::from(word.class()) != class {
                return 0;
            }
            slot.shift(word.state(), word.state(), 1);
        }
        let page_bytes = self.region.page_bytes();
        let base = self.region.unit_address(head as usize);
        // Behind the last block lies what an earlier use of the slot has left.
        let end = shape.offset(shape.blocks as usize);
        let touched = slot.touched.load(Relaxed).next_multiple_of(page_bytes);
        let mut given = 0;
        let end_page = end.next_multiple_of(page_bytes);
        if touched > end_page {
            slot.set_holes();
            let purged = self.region.purge(base + end_page, base + touched);
            if purged > 0 || broken::is(Broken::RefusedPurge) {
                // The owner only ever raises this, and never beyond `end`.
                self.set_touched(slot, end_page);
            }
            given += purged;
        }
        // Every block that has a byte on a touched page.
        let blocks = touched.div_ceil(shape.bytes as usize).min(shape.blocks as usize);
        let mut index = 0;
        while index < blocks {
            let first = index;
            let mut is_resident = false;
            while index < blocks && (table.claim(index) || broken::is(Broken::TrimLive)) {
                is_resident |= !table.is_purged(index);
                index += 1;
            }
            if is_resident {
                slot.set_holes();
                let last = index == shape.blocks as usize;
                let run_end = if last { end_page } else { shape.offset(index) };
                let purged = self.region.purge(base + shape.offset(first), base + run_end);
                given += purged;
                if purged > 0 {
                    (first..index).for_each(|index| table.set_purged(index));
                }
            }
            (first..index).for_each(|index| {
                table.clear(index);
            });
            index += 1;
        }
        self.drop_counted(slot.drop_block(), head, class, shape);
        given
    }

    /// Bytes of a span that were given back and not handed out since.
    pub(super) fn purged_in_span(&self, head: u32, class: usize) -> usize {
        let (slot, table, shape) = self.span(head, class);
        let bytes = shape.bytes as usize;
        // What lies beyond was never resident, also where the page it begins on was given back.
        let touched = slot.touched.load(Relaxed);
        let blocks = touched.div_ceil(bytes).min(shape.blocks as usize);
        let in_part = blocks > 0 && shape.offset(blocks) > touched && table.is_purged(blocks - 1);
        let untouched = if in_part { shape.offset(blocks) - touched } else { 0 };
        // With the last block went the rest of its page.
        let end = shape.offset(shape.blocks as usize);
        let last = touched > end && table.is_purged(shape.blocks as usize - 1);
        let rest = if last { end.next_multiple_of(self.region.page_bytes()) - end } else { 0 };
        // Saturating: the owner may hand blocks out meanwhile.
        (table.count_purged(blocks) * bytes + rest).saturating_sub(untouched)
    }
}
