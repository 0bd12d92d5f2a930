//! The arena: one address range, slots of one size class each, spans of smaller blocks in some of them.
//!
//! This file is the facade: allocate, release, resize, owns. It knows addresses, not pointers; no environment, no libc.
#![deny(unsafe_code)]

mod block_table;
#[cfg(any(test, feature = "broken"))]
mod broken_reset;
mod budget;
pub mod cursor;
mod cycle;
mod dead_pages;
mod dump;
pub mod freed;
pub mod global;
mod grow;
mod large;
mod mover;
pub mod phase;
mod pool;
pub mod prefault;
#[cfg(all(test, modelled))]
mod protocols;
mod purge;
#[cfg(test)]
mod reference;
pub mod region;
mod resident;
mod retain;
pub mod size;
mod slot;
mod snapshot;
mod span;
mod span_use;
mod spread;
#[cfg(all(test, not(modelled)))]
mod tests;
mod zone;

use crate::platform::HugePages;
use crate::sync::{Apart, AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Guard, Lock, Ordering};
use crate::tls::{self, CursorState, Thread};
use block_table::BlockTable;
use budget::Budget;
use cursor::{Counters, Registry};
use freed::Freed;
use mover::Mover;
use region::Region;
use size::{BLOCK_CLASS, BLOCK_CLASSES};
use slot::{Slot, SlotList, State};
use span_use::SpanUse;
use spread::Spread;
use zone::Zone;
use Ordering::{Relaxed, Release};

/// Free slots queue by the NUMA node that touched them first; nodes beyond this share queues.
pub const SLOT_NODES: usize = size::unless_model(8, 1, 2);

/// What an arena is made with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Live bytes it does not exceed by more than what threads have not yet reported (cursor.rs), or ask for at once.
    pub limit_bytes: usize,
    /// NUMA nodes, 1 to [`SLOT_NODES`].
    pub nodes: usize,
    /// What to ask for where large blocks lie, and where the others do. `None`: leave it to the system.
    pub huge_large: Option<HugePages>,
    pub huge_small: Option<HugePages>,
}

/// A block that the arena hands out.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    pub address: usize,
    pub usable: usize,
    /// This many bytes from the start may hold old data; the rest reads as zero.
    pub dirty: usize,
}

/// A block that the program has freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    pub usable: usize,
    /// There may be more free pages now than are wanted.
    pub is_worth_a_look: bool,
}

/// What only a broken program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The block was freed and not handed out since.
    DoubleFree,
    /// No block starts at the address.
    InvalidPointer,
    /// Byte `at` of a block was changed while it was free (only noticed where free memory is poisoned).
    WriteAfterFree { at: usize, usable: usize },
}

/// A live block, found by its address.
#[derive(Clone, Copy)]
enum Found {
    Medium { head: u32, class: usize, index: usize },
    Large { head: u32 },
}

pub struct Arena {
    region: Region,
    slots: &'static [Slot],
    heads: &'static [AtomicU32],
    blocks: &'static [BlockTable],
    /// Partly free spans, by class of blocks.
    bins: &'static [SlotList],
    /// Free slots, by node and class of slots.
    pools: &'static [SlotList],
    nodes: usize,
    /// Ordinary pages, and huge ones.
    zones: [Zone; 2],
    frontier: Lock,
    cursors: Registry,
    counters: Counters,
    limit_bytes: usize,
    freed: Freed,
    live: Apart<AtomicI64>,
    peak: AtomicI64,
    phase_peak: AtomicI64,
    /// The least that was live since a cycle ended that nobody has marked; `NO_TAIL` from the beginning of the next.
    low: AtomicI64,
    /// Touched bytes of the slots in the pools.
    free_resident: Apart<AtomicUsize>,
    /// Touched bytes of free slots that give pages away just now, or are being faulted in: in no pool, and not in use either.
    giving: AtomicUsize,
    /// The sum of `Slot::touched`.
    touched: Apart<AtomicUsize>,
    budget: Budget,
    spread: Spread,
    span_use: SpanUse,
    purged_bytes: AtomicU64,
    /// Slots whose pages are kept out of core dumps.
    undumped_slots: AtomicUsize,
    mover: Mover,
    /// Guards walks that keep blocks from their owners for a moment.
    trimming: Lock,
    /// A nested call could not take a lock: a slot waits in the wrong state for the next sweep.
    unsettled: AtomicBool,
}

impl Arena {
    pub fn new(region: Region, options: &Options) -> Self {
        let tables = region.tables();
        let units = region.units() as u32;
        // A quarter for spans and small slots: live bytes are limited well below it, and neither can starve the other,
        // since each carves from the other's part when its own is used up. Unit 0 is no slot: 0 means none.
        let middle = units / 4;
        let zones = [Zone::new(1, middle, options.huge_small), Zone::new(middle, units, options.huge_large)];
        for zone in &zones {
            if let Some(wish) = zone.huge {
                // A kernel without huge pages refuses; nothing depends on it.
                region.advise_huge(zone.start as usize, zone.end as usize, wish);
            }
        }
        Self {
            slots: tables.slots,
            heads: tables.heads,
            blocks: tables.blocks,
            bins: tables.bins,
            pools: tables.pools,
            nodes: options.nodes.clamp(1, SLOT_NODES),
            zones,
            frontier: Lock::new(),
            cursors: Registry::new(tables.cursors),
            counters: Counters::default(),
            limit_bytes: options.limit_bytes,
            freed: Freed::Kept,
            live: Apart(AtomicI64::new(0)),
            peak: AtomicI64::new(0),
            phase_peak: AtomicI64::new(0),
            low: AtomicI64::new(cycle::NO_TAIL),
            free_resident: Apart(AtomicUsize::new(0)),
            giving: AtomicUsize::new(0),
            touched: Apart(AtomicUsize::new(0)),
            budget: Budget::default(),
            spread: Spread::new(),
            // Where every page is a huge one, few blocks take as many pages as a full span.
            span_use: SpanUse::new(options.huge_small != Some(HugePages::Prefer)),
            purged_bytes: AtomicU64::new(0),
            undumped_slots: AtomicUsize::new(0),
            mover: Mover::new(),
            trimming: Lock::new(),
            unsettled: AtomicBool::new(false),
            region,
        }
    }

    /// A block of at least `bytes` at a multiple of `align` (a power of two), or `None`: the arena is full.
    #[inline]
    pub fn allocate(&self, cursor: Option<u32>, bytes: usize, align: usize) -> Option<Grant> {
        if !self.has_room(bytes) {
            return None;
        }
        let cursor = cursor.map(|index| self.cursors.get(index));
        let grant = match size::block_class(bytes, align) {
            Some(class) => self.allocate_block(cursor, class)?,
            None => self.allocate_large(bytes, align)?,
        };
        self.count_alloc(cursor, grant.usable, grant.dirty);
        Some(grant)
    }

    #[inline]
    fn has_room(&self, bytes: usize) -> bool {
        self.live.load(Relaxed).max(0) as usize + bytes <= self.limit_bytes
    }

    /// Frees the block at an address inside the arena.
    #[inline]
    pub fn release(&self, cursor: Option<u32>, address: usize) -> Result<Released, Misuse> {
        let cursor = cursor.map(|index| self.cursors.get(index));
        let (usable, is_slot_free) = match self.find(address)? {
            Found::Medium { head, class, index } => {
                let is_slot_free = self.release_block(cursor, head, class, index)?;
                (BLOCK_CLASS[class].bytes as usize, is_slot_free)
            }
            Found::Large { head } => (self.release_large(head)?, true),
        };
        let is_much = self.count_free(cursor, usable);
        Ok(Released { usable, is_worth_a_look: is_slot_free | is_much })
    }

    /// The usable bytes of the live block at an address inside the arena.
    #[inline]
    pub fn usable(&self, address: usize) -> Result<usize, Misuse> {
        Ok(match self.find(address)? {
            Found::Medium { class, .. } => BLOCK_CLASS[class].bytes as usize,
            Found::Large { head } => self.slots[head as usize].usable.load(Relaxed),
        })
    }

    /// Changes the size of a live block where it lies, if the new size fits and fills at least half of its room.
    pub fn resize(&self, cursor: Option<u32>, address: usize, bytes: usize) -> Result<bool, Misuse> {
        match self.find(address)? {
            Found::Medium { class, .. } => {
                let room = BLOCK_CLASS[class].bytes as usize;
                Ok(bytes <= room && bytes >= room / 2)
            }
            Found::Large { head } => Ok(self.resize_large(head, bytes)?.is_some_and(|(before, after)| {
                self.count_resize(cursor.map(|index| self.cursors.get(index)), before, after);
                true
            })),
        }
    }

    /// True: the address lies in a live block.
    pub fn owns(&self, address: usize) -> bool {
        let Some(head) = self.head(address) else { return false };
        let slot = &self.slots[head as usize];
        let offset = address - self.region.unit_address(head as usize);
        let word = slot.word();
        match word.state() {
            State::Large => {
                let start = slot.offset.load(Relaxed);
                offset >= start && offset - start < slot.usable.load(Relaxed)
            }
            State::Owned | State::Full | State::Partial => {
                let (_, table, shape) = self.span(head, usize::from(word.class()));
                let end = shape.offset(shape.blocks as usize);
                let index = shape.index(offset);
                offset < end && table.is_live(index) && !slot.is_kept(index)
            }
            _ => false,
        }
    }

    /// The first unit of the slot that an address of the arena lies in.
    #[inline]
    fn head(&self, address: usize) -> Option<u32> {
        let head = self.heads[self.region.unit(address)?].load(Relaxed);
        (head != 0).then_some(head)
    }

    #[inline(always)]
    fn find(&self, address: usize) -> Result<Found, Misuse> {
        let head = self.head(address).ok_or(Misuse::InvalidPointer)?;
        let slot = &self.slots[head as usize];
        let offset = address - self.region.unit_address(head as usize);
        let word = slot.word();
        let live = match word.state() {
            State::Uncarved => return Err(Misuse::InvalidPointer),
            State::Large => return self.find_large(slot, head, offset, true),
            State::Owned | State::Full | State::Partial => true,
            State::Free | State::Limbo | State::Held if word.class() == slot::LARGE_CLASS => {
                return self.find_large(slot, head, offset, false);
            }
            State::Free | State::Limbo | State::Held => false,
        };
        let class = usize::from(word.class());
        let (_, table, shape) = self.span(head, class);
        let index = shape.index(offset);
        if shape.offset(index) != offset || index >= slot.handed.load(Relaxed) as usize {
            return Err(Misuse::InvalidPointer);
        }
        if !live || !table.is_live(index) || slot.is_kept(index) {
            return Err(Misuse::DoubleFree);
        }
        Ok(Found::Medium { head, class, index })
    }

    /// The NUMA node of the calling thread.
    fn node(&self) -> usize {
        if self.nodes == 1 {
            0
        } else {
            crate::platform::numa_node() % self.nodes
        }
    }

    /// Waits for the lock, but not in a call nested in another (from a signal handler, or between the fork handlers):
    /// what it wanted to do is left to the next sweep.
    fn lock_unless_nested<'a>(&self, lock: &'a Lock) -> Option<Guard<'a>> {
        if !tls::is_nested() {
            return Some(lock.lock());
        }
        let guard = lock.try_lock();
        if guard.is_none() {
            // Release: pairs with the Acquire in `sweep`, which must see what was left. No store, for which loom knows
            // no place among swaps.
            self.unsettled.swap(true, Release);
        }
        guard
    }

    /// A cursor for a new thread, unless too many threads are alive.
    pub fn enter_thread(&self) -> Option<u32> {
        self.cursors.take()
    }

    /// A thread ends: its spans and its cursor go to others.
    pub fn leave_thread(&self, cursor: u32) {
        let leaving = self.cursors.get(cursor);
        self.give_up_all(leaving);
        self.settle_live(leaving);
        self.cursors.put(cursor);
    }

    /// Every lock, in the one order in which they nest.
    fn locks(&self) -> impl Iterator<Item = &Lock> {
        [&self.trimming, &self.cursors.lock]
            .into_iter()
            .chain(self.bins.iter().map(|bin| &bin.lock))
            .chain(self.pools.iter().map(|pool| &pool.lock))
            .chain([&self.frontier])
    }

    pub fn lock_for_fork(&self) {
        self.locks().for_each(Lock::acquire);
    }

    pub fn unlock_after_fork(&self) {
        self.locks().for_each(Lock::release);
    }

    /// In a forked child, with only the calling thread left.
    pub fn rebuild_in_child(&self) {
        let survivor = match Thread::current().cursor() {
            CursorState::Ready(index) => Some(index),
            _ => None,
        };
        self.cursors.keep_only(survivor);
        self.rebuild_spans(survivor.map(|index| index + 1));
        let mut touched = 0;
        self.for_each_slot(|_, slot| touched += slot.touched.load(Relaxed));
        self.touched.store(touched, Relaxed);
        self.spread.rebuild(self.purged_blocks_bytes());
        self.live.store(self.live_bytes() as i64, Relaxed);
        // Whoever was giving pages away is gone.
        self.giving.store(0, Relaxed);
    }

    pub fn region(&self) -> &Region {
        &self.region
    }
}
