//! Pools: where free slots queue, per class and node, last in first out, and keep their pages.
#![forbid(unsafe_code)]

use super::size::{self, SLOT_CLASSES};
use super::slot::{End, SlotList, State};
use super::span_use::FEW_BYTES;
use super::zone::HUGE_UNITS;
use super::{Arena, SLOT_NODES};
use crate::sync::Ordering::Relaxed;

/// Pools of a node: those of slots too small for the zone of huge pages that lie there all the same, and all others.
pub const POOLS: usize = DENSE_POOLS + SLOT_CLASSES;
const DENSE_POOLS: usize = HUGE_UNITS - 1;

/// Free slots that a search for one with few pages looks at. They queue at the back.
const MOST_LOOKED_AT: usize = 256;

/// What of a pool will do: its front slot as it is, or only with its pages. Where it has none, the zone decides what comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Any,
    Resident,
}
use Which::{Any, Resident};

/// What a search has come to.
enum Cold {
    Found(u32),
    None,
    MayBeThere,
}

impl Arena {
    /// Where slots of a class queue in their own zone.
    pub(super) fn pool(&self, class: usize, node: usize) -> &SlotList {
        &self.pools[node * POOLS + DENSE_POOLS + class]
    }

    /// Where slots of a small class queue in the zone of huge pages.
    fn dense_pool(&self, class: usize, node: usize) -> &SlotList {
        &self.pools[node * POOLS + class]
    }

    /// Where a slot queues when it is free.
    pub(super) fn pool_of(&self, head: u32) -> &SlotList {
        let slot = &self.slots[head as usize];
        let (class, node) = (size::class_of(slot.units()), slot.node() % SLOT_NODES);
        if class < DENSE_POOLS && self.is_huge(head) {
            self.dense_pool(class, node)
        } else {
            self.pool(class, node)
        }
    }

    /// An unused slot of the class, `Held` by the caller: the one freed last on this node, else on any other, else a
    /// resident one among huge pages, else a new one, else, when the zone has no addresses left, what there is.
    pub(super) fn take_slot(&self, class: usize) -> Option<u32> {
        let here = self.node();
        self.pop_near(here, Any, |node| self.pool(class, node))
            .or_else(|| self.pop_dense(class, here, Resident))
            .or_else(|| self.carve(class, here))
            .or_else(|| self.pop_dense(class, here, Any))
            .or_else(|| self.carve_elsewhere(class, here))
            .or_else(|| {
                let mut larger = class + 1..SLOT_CLASSES;
                larger.find_map(|class| {
                    self.pop_near(here, Any, |node| self.pool(class, node)).or_else(|| self.pop_dense(class, here, Any))
                })
            })
    }

    /// The same where huge pages are, for what will fill them; one that is resident elsewhere will do, too.
    pub(super) fn take_dense_slot(&self, class: usize) -> Option<u32> {
        if class >= DENSE_POOLS {
            return self.take_slot(class);
        }
        let here = self.node();
        self.pop_dense(class, here, Any)
            .or_else(|| self.pop_near(here, Resident, |node| self.pool(class, node)))
            .or_else(|| self.carve_dense(class, here))
            .or_else(|| self.take_slot(class))
    }

    /// A slot for few blocks, which leave most of its pages untouched: a free one that has few, else a new one.
    pub(super) fn take_cold_slot(&self, class: usize) -> Option<u32> {
        let here = self.node();
        let pool = self.pool(class, here);
        match self.pop_cold(pool) {
            Cold::Found(head) => Some(head),
            // Else there would be ever more slots.
            Cold::MayBeThere => self.take_slot(class),
            Cold::None => self.carve(class, here).or_else(|| self.take_slot(class)),
        }
    }

    fn pop_cold(&self, pool: &SlotList) -> Cold {
        if pool.end(End::Back) == 0 {
            return Cold::None;
        }
        let search = pool.lock.lock();
        let mut head = pool.end(End::Back);
        for _ in 0..MOST_LOOKED_AT {
            if head == 0 {
                return Cold::None;
            }
            if self.slots[head as usize].touched.load(Relaxed) <= FEW_BYTES {
                self.hold(pool, head);
                drop(search);
                self.dump_again(head);
                return Cold::Found(head);
            }
            head = pool.before(self.slots, head);
        }
        Cold::MayBeThere
    }

    /// Queues a slot that was used: where few pages are looked for, if it has few.
    pub(super) fn put_emptied(&self, head: u32) {
        let has_few = FEW_BYTES > 0 && self.slots[head as usize].touched.load(Relaxed) <= FEW_BYTES;
        self.put_slot(head, if has_few { End::Back } else { End::Front });
    }

    /// Takes the front slot of a node's pool, or else of the next one's, if it will do.
    fn pop_near<'a>(&'a self, here: usize, which: Which, pool: impl Fn(usize) -> &'a SlotList) -> Option<u32> {
        (0..self.nodes).find_map(|node| self.pop(pool((here + node) % self.nodes), which))
    }

    /// The same of small slots among huge pages.
    fn pop_dense(&self, class: usize, here: usize, which: Which) -> Option<u32> {
        if class >= DENSE_POOLS {
            return None;
        }
        self.pop_near(here, which, |node| self.dense_pool(class, node))
    }

    pub(super) fn pop(&self, pool: &SlotList, which: Which) -> Option<u32> {
        // A glance without the lock: an empty pool costs a load. Whoever frees a slot just now is not waited for.
        if pool.end(End::Front) == 0 {
            return None;
        }
        let guard = pool.lock.lock();
        let head = pool.end(End::Front);
        if head == 0 || (which == Resident && !self.is_resident(head)) {
            return None;
        }
        self.hold(pool, head);
        drop(guard);
        self.dump_again(head);
        Some(head)
    }

    /// True: most of the slot has pages.
    fn is_resident(&self, head: u32) -> bool {
        let slot = &self.slots[head as usize];
        self.resident_in(head, slot.touched.load(Relaxed)) * 2 >= slot.bytes()
    }

    /// Takes a slot out of its pool, whose lock the caller holds: a child forked before it leaves the count of free bytes
    /// would count it twice.
    pub(super) fn hold(&self, pool: &SlotList, head: u32) {
        pool.remove(self.slots, head);
        let slot = &self.slots[head as usize];
        slot.set_word(slot.word().with_state(State::Held));
        self.free_resident.fetch_sub(slot.touched.load(Relaxed), Relaxed);
    }

    /// Queues a slot in `Limbo`. What is not in `Limbo` any more was queued by somebody else.
    pub(super) fn put_slot(&self, head: u32, end: End) {
        let slot = &self.slots[head as usize];
        let pool = self.pool_of(head);
        let Some(guard) = self.lock_unless_nested(&pool.lock) else { return };
        let word = slot.word();
        if word.state() == State::Limbo {
            self.free_resident.fetch_add(slot.touched.load(Relaxed), Relaxed);
            slot.set_word(word.with_state(State::Free));
            pool.push(self.slots, head, end);
        }
        drop(guard);
    }
}
