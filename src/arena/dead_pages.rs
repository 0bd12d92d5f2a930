//! Dead pages of a span: those of its free blocks go back to the system while its other blocks live: in a trim, and, when
//! there are far more pages in use than bytes were live of late, while the program goes on.
#![forbid(unsafe_code)]

use super::slot::State;
use super::Arena;
use crate::broken::{self, Broken};
use crate::platform;
use crate::sync::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use Ordering::Relaxed;

/// Pages in use that are no sign of dead ones: those of half-used spans, some of them one per thread and class.
const SLACK_BYTES: usize = 40 << 20;
/// After a look it takes so many more, or this part more, until the next one.
const STEP_BYTES: usize = 16 << 20;
const STEP_PART: usize = 8;

/// Whether spans are to be searched for dead pages.
pub struct Spread {
    /// Bytes of free blocks in spans whose pages were given back.
    purged: AtomicI64,
    /// What was in use and not live after the last search.
    found: AtomicUsize,
    /// Dead bytes that the user allows, `usize::MAX` for no limit.
    cap: AtomicUsize,
    state: AtomicU32,
}

const QUIET: u32 = 0;
const DUE: u32 = 1;
/// Somebody has been asked to do it.
const ASKED: u32 = 2;
/// The same, and somebody waits until it is done.
const AWAITED: u32 = 3;

impl Spread {
    pub const fn new() -> Self {
        Self {
            purged: AtomicI64::new(0),
            found: AtomicUsize::new(0),
            cap: AtomicUsize::new(usize::MAX),
            state: AtomicU32::new(QUIET),
        }
    }

    /// False: there are too many dead pages, and a search has not ended yet.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        // The models search without being asked.
        cfg!(modelled) || self.state.load(Relaxed) == QUIET
    }

    /// Another cycle begins, with its own peak.
    pub fn begin_cycle(&self) {
        self.found.store(0, Relaxed);
    }

    pub fn add_purged(&self, bytes: i64) {
        if !cfg!(modelled) && bytes != 0 {
            self.purged.fetch_add(bytes, Relaxed);
        }
    }

    #[inline]
    pub fn purged_bytes(&self) -> usize {
        if cfg!(modelled) {
            return 0;
        }
        self.purged.load(Relaxed).max(0) as usize
    }

    /// In a forked child.
    pub fn rebuild(&self, purged: usize) {
        self.purged.store(purged as i64, Relaxed);
        self.state.store(QUIET, Relaxed);
    }
}

/// The longest that whoever takes pages waits for a search that does not keep up.
const WAIT_MS: u64 = 10;

/// How much may be resident while a search is worth its time: half as much again as was live of late.
fn most_resident(most_live: usize) -> usize {
    most_live + most_live / 2 + SLACK_BYTES
}

/// How much may be in use before whoever takes more waits for the search: a quarter of the way from there to what is promised,
/// twice what is live and 64 MiB, for live bytes may fall at any moment. A thread that shares few processors with many would come too late otherwise.
fn most_unsearched(most_live: usize) -> usize {
    (3 * most_resident(most_live) + 2 * most_live + (64 << 20)) / 4
}

/// How much may be in use and not live: no more than the user's cap, and no less than the last search has left, for another
/// would find nothing new.
fn most_dead(live: usize, most_live: usize, cap: usize, found: usize) -> usize {
    let usual = most_resident(most_live).saturating_sub(live);
    let again = if found == 0 { 0 } else { found + (found / STEP_PART).max(STEP_BYTES) };
    usual.min(cap.saturating_add(STEP_BYTES)).max(again)
}

impl Arena {
    /// Dead pages of spans are kept within so many bytes, too.
    pub fn cap_dead_pages(&self, bytes: usize) {
        self.spread.cap.store(bytes, Relaxed);
    }

    /// True: the user has set a cap, so that every free matters.
    #[inline]
    pub fn caps_dead_pages(&self) -> bool {
        self.spread.cap.load(Relaxed) != usize::MAX
    }

    /// True: there are too many dead pages, and nobody has been asked for a search, or it goes on.
    #[inline]
    pub fn is_spread(&self) -> bool {
        !self.spread.is_quiet()
    }

    /// True, to one caller: it is to call [`Arena::search_spread`], or ask somebody to.
    pub fn take_spread(&self) -> bool {
        self.spread.state.compare_exchange(DUE, ASKED, Relaxed, Relaxed).is_ok()
    }

    /// True: somebody has asked for a search.
    pub fn is_search_wanted(&self) -> bool {
        !cfg!(modelled) && self.spread.state.load(Relaxed) >= ASKED
    }

    /// Waits for the end of the search that somebody was asked for, if it does not keep up, and not for long.
    pub fn let_search_go_on(&self) {
        let state = &self.spread.state;
        if self.in_use() > most_unsearched(self.most_live_of_late()) {
            let is_asked = state.compare_exchange(ASKED, AWAITED, Relaxed, Relaxed);
            if is_asked.is_ok() || is_asked == Err(AWAITED) {
                platform::futex_wait_for(state, AWAITED, WAIT_MS);
            }
        }
    }

    /// Pages have come into use, or blocks were freed.
    pub fn note_spread(&self) {
        if cfg!(modelled) || broken::is(Broken::Spread) || !self.spread.is_quiet() {
            return;
        }
        let live = self.live.load(Relaxed).max(0) as usize;
        let (cap, found) = (self.spread.cap.load(Relaxed), self.spread.found.load(Relaxed));
        if self.dead_bytes() > most_dead(live, self.most_live_of_late(), cap, found) {
            self.spread.state.store(DUE, Relaxed);
        }
    }

    fn most_live_of_late(&self) -> usize {
        let live = self.live.load(Relaxed).max(self.phase_peak.load(Relaxed)).max(0) as usize;
        self.budget.most_live().max(live)
    }

    /// Bytes of pages in use beyond those of live blocks.
    fn dead_bytes(&self) -> usize {
        self.in_use().saturating_sub(self.live.load(Relaxed).max(0) as usize)
    }

    /// Bytes of pages that no live block has, in use or free.
    pub fn spare_bytes(&self) -> usize {
        self.free_resident_bytes() + self.dead_bytes()
    }

    /// Gives the dead pages of all spans back, and free slots that would be too many beside what is in use then: what was
    /// in use until now would stay within the budget as free pages.
    pub fn search_spread(&self) {
        let _guard = self.trimming.lock();
        self.trim_spans();
        self.purge_inside_call(most_resident(self.most_live_of_late()).saturating_sub(self.in_use()));
    }

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
        if !cfg!(modelled) {
            // What was freed behind the search is there for the next one.
            self.spread.found.store(self.dead_bytes().min(dead.saturating_sub(given)), Relaxed);
            // Whoever was asked may be gone: any search will do.
            if self.spread.state.swap(QUIET, Relaxed) == AWAITED {
                platform::futex_wake(&self.spread.state, i32::MAX as u32);
            }
        }
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
                    let known = (first..index).filter(|&index| table.is_purged(index)).count();
                    self.spread.add_purged(((index - first - known) * shape.bytes as usize) as i64);
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

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_due_when_it_may_find_much() {
        const MB: usize = 1 << 20;
        let most = |live, most_live, cap, found| {
            most_dead(live * MB, most_live * MB, if cap == usize::MAX { cap } else { cap * MB }, found * MB) / MB
        };
        assert_eq!(most(10, 100, usize::MAX, 0), 180);
        assert_eq!(most(206, 100, usize::MAX, 0), 0);
        assert_eq!(most(10, 100, 32, 0), 48, "a cap is one on what is dead");
        assert_eq!(most(10, 100, 0, 40), 56, "not before there is something new");
        assert_eq!(most(10, 100, usize::MAX, 800), 900);
        assert_eq!(most(10, 100, usize::MAX, 100), 180);
    }
}
