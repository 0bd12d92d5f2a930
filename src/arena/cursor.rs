//! Cursors: what a thread holds of the arena, its current span of each class and its share of the counters. A cursor
//! outlives its thread and goes to the next one, so that 10^5 short-lived threads need no more than run at once.
#![forbid(unsafe_code)]

use super::size::BLOCK_CLASSES;
use super::Arena;
use crate::sync::{AtomicI64, AtomicU32, AtomicU64, Lock, Ordering};
use Ordering::{Acquire, Relaxed, Release};

/// Threads beyond this many at once work without a cursor: correct, but under a lock.
pub const MAX_CURSORS: usize = 16 << 10;

/// What has been counted, since the process started. One writer each (a cursor's) or many (the arena's own).
#[derive(Default)]
pub struct Counters {
    pub allocs: AtomicU64,
    pub frees: AtomicU64,
    pub alloc_bytes: AtomicU64,
    pub free_bytes: AtomicU64,
    /// Of `alloc_bytes`, those on pages never touched before.
    pub fresh_bytes: AtomicU64,
    /// Of `alloc_bytes`, those that blocks have grown by in place.
    pub grown_bytes: AtomicU64,
}

impl Counters {
    /// Adds to one of these counters, with others that may do so at the same time or without.
    #[inline]
    fn add(counter: &AtomicU64, value: u64, is_shared: bool) -> u64 {
        if is_shared {
            return counter.fetch_add(value, Relaxed);
        }
        let before = counter.load(Relaxed);
        counter.store(before.wrapping_add(value), Relaxed);
        before
    }
}

/// All zero is valid: a cursor that was never used.
#[repr(C, align(128))]
pub struct Cursor {
    /// This cursor's index plus one, once it has been used.
    number: AtomicU32,
    next_unused: AtomicU32,
    /// Live bytes that this thread has not yet added to the arena's total.
    pending: AtomicI64,
    pub counters: Counters,
    current: [AtomicU32; BLOCK_CLASSES],
    /// One bit a class: this thread has filled a span of it; it has filled two.
    filled: AtomicU64,
    filled_two: AtomicU64,
}
const _: () = assert!(BLOCK_CLASSES <= u64::BITS as usize);

impl Cursor {
    #[inline]
    pub fn number(&self) -> u32 {
        self.number.load(Relaxed)
    }

    #[inline]
    pub fn current(&self, class: usize) -> u32 {
        self.current[class].load(Relaxed)
    }

    /// The thread has filled a span of the class. A hint of its own, for no model to explore.
    pub fn note_filled(&self, class: usize) {
        if cfg!(loom) {
            return;
        }
        let filled = self.filled.load(Relaxed);
        self.filled_two.store(self.filled_two.load(Relaxed) | filled & 1 << class, Relaxed);
        self.filled.store(filled | 1 << class, Relaxed);
    }

    pub fn forget_filled(&self) {
        self.filled.store(0, Relaxed);
        self.filled_two.store(0, Relaxed);
    }

    /// True: the thread's next span of the class goes where huge pages are. These are half as far away in the page tables,
    /// and what stays untouched of the span is a part of what the thread holds already.
    pub fn fills_spans(&self, class: usize) -> bool {
        self.filled_two.load(Relaxed) & 1 << class != 0
    }

    #[inline]
    pub fn set_current(&self, class: usize, head: u32) {
        self.current[class].store(head, Relaxed);
    }
}

/// Cursors that have been used and are not in use now form a list through `next_unused`.
pub struct Registry {
    pub lock: Lock,
    table: &'static [Cursor],
    /// Cursors that have ever been used.
    used: AtomicU32,
    unused: AtomicU32,
    threads_seen: AtomicU64,
    /// What each thread may keep back of its live bytes.
    most_pending: AtomicI64,
}

impl Registry {
    pub fn new(table: &'static [Cursor]) -> Self {
        Self {
            lock: Lock::new(),
            table,
            used: AtomicU32::new(0),
            unused: AtomicU32::new(0),
            threads_seen: AtomicU64::new(0),
            most_pending: AtomicI64::new(0),
        }
    }

    #[inline]
    pub fn get(&self, index: u32) -> &Cursor {
        &self.table[index as usize]
    }

    /// A cursor for a new thread, unless too many threads are alive.
    pub fn take(&self) -> Option<u32> {
        let _guard = self.lock.lock();
        let number = self.unused.load(Relaxed);
        let index = if number != 0 {
            self.unused.store(self.get(number - 1).next_unused.load(Relaxed), Relaxed);
            number - 1
        } else {
            let index = self.used.load(Relaxed);
            let cursor = self.table.get(index as usize)?;
            cursor.number.store(index + 1, Relaxed);
            // Release: pairs with the Acquire in `iter`.
            self.used.store(index + 1, Release);
            let share = ALL_PENDING_BYTES / i64::from(index + 1);
            self.most_pending.store(share.clamp(LEAST_PENDING_BYTES, MOST_PENDING_BYTES), Relaxed);
            index
        };
        self.threads_seen.fetch_add(1, Relaxed);
        Some(index)
    }

    /// Takes back the cursor of a thread that has let go of its spans.
    pub fn put(&self, index: u32) {
        let _guard = self.lock.lock();
        self.get(index).next_unused.store(self.unused.load(Relaxed), Relaxed);
        self.unused.store(index + 1, Relaxed);
    }

    /// In a forked child: every cursor but the survivor's is unused; their counters stay, and the arena counts what is live.
    pub fn keep_only(&self, survivor: Option<u32>) {
        self.unused.store(0, Relaxed);
        for (index, cursor) in self.iter().enumerate() {
            cursor.pending.store(0, Relaxed);
            if survivor != Some(index as u32) {
                cursor.current.iter().for_each(|head| head.store(0, Relaxed));
                self.put(index as u32);
            }
        }
    }

    pub fn iter(&self) -> core::slice::Iter<'_, Cursor> {
        // Acquire: pairs with the Release in `take`.
        self.table[..self.used.load(Acquire) as usize].iter()
    }

    pub fn threads_seen(&self) -> u64 {
        self.threads_seen.load(Relaxed)
    }
}

/// A thread adds its live bytes to the arena's total when they differ by more than so much: no shared line on the medium
/// path. All threads together keep back about `ALL_PENDING_BYTES` at most, or the least for each where that is more.
const ALL_PENDING_BYTES: i64 = 16 << 20;
const LEAST_PENDING_BYTES: i64 = 256 << 10;
const MOST_PENDING_BYTES: i64 = 1 << 20;
/// A thread that frees medium blocks looks at what is free each time it has freed so much.
const LOOK_BYTES: u64 = 256 << 10;

impl Arena {
    #[inline]
    pub(super) fn count_alloc(&self, cursor: Option<&Cursor>, bytes: usize, reused: usize) {
        let counters = cursor.map_or(&self.counters, |cursor| &cursor.counters);
        let is_shared = cursor.is_none();
        Counters::add(&counters.allocs, 1, is_shared);
        Counters::add(&counters.alloc_bytes, bytes as u64, is_shared);
        if reused < bytes {
            Counters::add(&counters.fresh_bytes, (bytes - reused) as u64, is_shared);
        }
        self.count_live(cursor, bytes as i64);
    }

    /// True: with these bytes the thread has freed so much that it is worth a look what is free.
    #[inline]
    pub(super) fn count_free(&self, cursor: Option<&Cursor>, bytes: usize) -> bool {
        let counters = cursor.map_or(&self.counters, |cursor| &cursor.counters);
        let is_shared = cursor.is_none();
        Counters::add(&counters.frees, 1, is_shared);
        let before = Counters::add(&counters.free_bytes, bytes as u64, is_shared);
        self.count_live(cursor, -(bytes as i64));
        before / LOOK_BYTES != before.wrapping_add(bytes as u64) / LOOK_BYTES
    }

    /// A block that changed its size in place.
    pub(super) fn count_resize(&self, cursor: Option<&Cursor>, from: usize, to: usize) {
        let counters = cursor.map_or(&self.counters, |cursor| &cursor.counters);
        let is_shared = cursor.is_none();
        let (grown, shrunk) = (to.saturating_sub(from) as u64, from.saturating_sub(to) as u64);
        Counters::add(&counters.alloc_bytes, grown, is_shared);
        Counters::add(&counters.grown_bytes, grown, is_shared);
        Counters::add(&counters.free_bytes, shrunk, is_shared);
        self.count_live(cursor, to as i64 - from as i64);
    }

    #[inline]
    fn count_live(&self, cursor: Option<&Cursor>, delta: i64) {
        let delta = match cursor {
            None => delta,
            Some(cursor) => {
                let pending = cursor.pending.load(Relaxed) + delta;
                let most = self.cursors.most_pending.load(Relaxed);
                if -most < pending && pending < most {
                    cursor.pending.store(pending, Relaxed);
                    return;
                }
                cursor.pending.store(0, Relaxed);
                pending
            }
        };
        self.add_live(delta);
    }

    /// What the thread has not yet added to the total: it ends.
    pub(super) fn settle_live(&self, cursor: &Cursor) {
        self.add_live(cursor.pending.swap(0, Relaxed));
    }

    #[inline]
    fn add_live(&self, delta: i64) {
        let live = self.live.fetch_add(delta, Relaxed) + delta;
        if live > self.phase_peak.load(Relaxed) {
            self.phase_peak.fetch_max(live, Relaxed);
            self.peak.fetch_max(live, Relaxed);
        }
    }

    pub(super) fn sum(&self, field: fn(&Counters) -> &AtomicU64) -> u64 {
        let own = field(&self.counters).load(Relaxed);
        self.cursors.iter().fold(own, |sum, cursor| sum.wrapping_add(field(&cursor.counters).load(Relaxed)))
    }
}
