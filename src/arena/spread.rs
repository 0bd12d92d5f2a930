//! How far live blocks are spread over pages: whether there are so many more pages in use than bytes were live of late that
//! spans are searched for dead ones (docs/decisions/0010-dead-pages-while-the-program-goes-on.md).
#![forbid(unsafe_code)]

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
    pub(super) fn dead_bytes(&self) -> usize {
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

    /// A search has ended that left so many dead bytes: what was freed behind it is there for the next one.
    pub(super) fn note_searched(&self, left: usize) {
        if cfg!(modelled) {
            return;
        }
        self.spread.found.store(left, Relaxed);
        // Whoever was asked may be gone: any search will do.
        if self.spread.state.swap(QUIET, Relaxed) == AWAITED {
            platform::futex_wake(&self.spread.state, i32::MAX as u32);
        }
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
