//! Dead pages of a span: those of its free blocks go back to the system while its other blocks live: in a trim, and, when
//! the spread calls for a search (spread.rs), while the program goes on.
#![forbid(unsafe_code)]

use super::slot::State;
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

impl Arena {
    /// Purges dead pages of every span that has some. The caller holds `trimming`.
    pub(super) fn trim_spans(&self) -> usize {
        let mut given = 0;
        let dead = self.dead_bytes();
        if broken::is(Broken::DeadPages) {
            return given;
        }
        self.for_each_slot(|head, slot| {
            let word = slot.word();
            if matches!(word.state(), State::Owned | State::Full | State::Partial) {
                given += self.trim_span(head, usize::from(word.class()));
            }
        });
        self.purged_bytes.fetch_add(given as u64, Relaxed);
        self.note_searched(self.dead_bytes().min(dead.saturating_sub(given)));
        given
    }

    /// Bytes of the blocks in spans whose bits say that they were given back.
    pub(super) fn purged_blocks_bytes(&self) -> usize {
        let mut bytes = 0;
        self.for_each_slot(|head, slot| {
            let word = slot.word();
            if matches!(word.state(), State::Owned | State::Full | State::Partial) {
                let (_, table, shape) = self.span(head, usize::from(word.class()));
                bytes += table.count_purged(shape.blocks as usize) * shape.bytes as usize;
            }
        });
        bytes
    }

    /// A span ends: nothing of it counts as purged.
    pub(super) fn forget_purged(&self, head: u32, class: usize) {
        if cfg!(modelled) {
            return;
        }
        let (_, table, shape) = self.span(head, class);
        let blocks = shape.blocks as usize;
        let purged = table.count_purged(blocks);
        if purged > 0 {
            self.spread.add_purged(-((purged * shape.bytes as usize) as i64));
            table.forget_purged(blocks);
        }
    }

    /// A block of a span is used again whose pages had been given back.
    #[cold]
    pub(super) fn note_reuse(&self, bytes: usize) {
        self.spread.add_purged(-(bytes as i64));
        self.note_spread();
    }

    /// Purges the whole pages of free blocks. The caller holds `trimming`. The bytes given back.
    ///
    /// I1: the span is kept from being recycled by a count of one, as a live block would do, and a free block from
    /// being handed out by its live bit. What is live is never touched.
    pub(super) fn trim_span(&self, head: u32, class: usize) -> usize {
        let (slot, _, shape) = self.span(head, class);
        {
            let _guard = self.bins[class].lock.lock();
            let word = slot.word();
            let is_span = matches!(word.state(), State::Owned | State::Full | State::Partial);
            if !is_span || usize::from(word.class()) != class {
                return 0;
            }
            slot.shift(word.state(), word.state(), 1);
        }
        let touched = slot.touched.load(Relaxed).next_multiple_of(self.region.page_bytes());
        let given = self.purge_behind_blocks(head, class, touched) + self.purge_free_runs(head, class, touched);
        self.drop_counted(slot.drop_block(), head, class, shape);
        given
    }

    /// Purges what an earlier use of the slot has left behind the last block.
    fn purge_behind_blocks(&self, head: u32, class: usize, touched: usize) -> usize {
        let (slot, _, shape) = self.span(head, class);
        let base = self.region.unit_address(head as usize);
        let end = shape.offset(shape.blocks as usize).next_multiple_of(self.region.page_bytes());
        if touched <= end {
            return 0;
        }
        slot.set_holes();
        let purged = self.region.purge(base + end, base + touched);
        if purged > 0 || broken::is(Broken::RefusedPurge) {
            // The owner only ever raises this, and never beyond the last block.
            self.set_touched(slot, end);
        }
        purged
    }

    /// Purges runs of free blocks that have a byte on a touched page, each while its live bits are claimed.
    fn purge_free_runs(&self, head: u32, class: usize, touched: usize) -> usize {
        let (slot, table, shape) = self.span(head, class);
        let base = self.region.unit_address(head as usize);
        let all = shape.blocks as usize;
        let blocks = touched.div_ceil(shape.bytes as usize).min(all);
        let (mut given, mut index) = (0, 0);
        while index < blocks {
            let first = index;
            let mut is_resident = false;
            while index < blocks && (table.claim(index) || broken::is(Broken::TrimLive)) {
                is_resident |= !table.is_purged(index);
                index += 1;
                slot.keep(first, index - first);
            }
            if is_resident {
                slot.set_holes();
                let end = shape.offset(index);
                // With the last block goes the rest of its page.
                let end = if index == all { end.next_multiple_of(self.region.page_bytes()) } else { end };
                let purged = self.region.purge(base + shape.offset(first), base + end);
                given += purged;
                if purged > 0 {
                    let known = (first..index).filter(|&index| table.is_purged(index)).count();
                    self.spread.add_purged(((index - first - known) * shape.bytes as usize) as i64);
                    (first..index).for_each(|index| table.set_purged(index));
                }
            }
            // Before they can be handed out.
            slot.keep(0, 0);
            (first..index).for_each(|index| {
                table.clear(index);
            });
            index += 1;
        }
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
