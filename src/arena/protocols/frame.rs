//! What the models begin and end with: a small arena whose pages are watched, blocks that carry a mark, and the state in
//! which everything must be when nobody holds anything.
#![forbid(unsafe_code)]

use super::world;
use crate::arena::pool::Which;
use crate::arena::region::Region;
use crate::arena::size::{self, UNIT};
use crate::arena::slot::{End, State};
use crate::arena::{Arena, Found, Misuse, Options, SLOT_NODES};
use crate::sync::model::{self, JoinHandle};
use crate::sync::Ordering::Relaxed;
use std::panic::resume_unwind;
use std::rc::Rc;

/// Bytes of a small block, and of a medium one: two of either to a span of one unit (under shuttle four of the small ones).
pub const SMALL: usize = 256 << 10;
pub const MEDIUM: usize = 1 << 20;
/// Bytes of a block with a slot of its own: one unit, or four.
pub const UNIT_BLOCK: usize = UNIT;
pub const LARGE: usize = 4 * UNIT;

/// A small arena without limits, and what its first slots may hold: pages that only who holds a block
/// may touch.
pub fn arena() -> Rc<Arena> {
    let options = Options { limit_bytes: usize::MAX, nodes: SLOT_NODES, huge_large: None, huge_small: None };
    let arena = Rc::new(Arena::new(Region::reserve().unwrap_or_else(|| panic!("MODEL: no addresses")), &options));
    know(&arena);
    for unit in arena.zones[0].start..arena.zones[0].start + 8 {
        let start = arena.region.unit_address(unit as usize);
        [0, SMALL, MEDIUM].into_iter().for_each(|offset| world::watch(start + offset));
    }
    for slot in 0..4 {
        let start = arena.region.unit_address(arena.zones[1].start as usize + 4 * slot);
        [0, UNIT, 2 * UNIT, 3 * UNIT].into_iter().for_each(|offset| world::watch(start + offset));
    }
    arena
}

/// An atomic that does not begin with zero must be known before there are threads: here, and where the arena moves to.
pub fn know(arena: &Arena) {
    for zone in &arena.zones {
        assert_eq!([zone.next.load(Relaxed), zone.unusable.load(Relaxed)], [zone.start; 2]);
    }
}

/// An arena, a cursor, and the two blocks of its span, which hold 1 and 2.
pub fn full_span(bytes: usize) -> (Rc<Arena>, u32, [usize; 2]) {
    let arena = arena();
    let cursor = arena.cursor();
    let blocks = [1, 2].map(|mark| arena.take(Some(cursor), bytes, mark));
    (arena, cursor, blocks)
}

/// An arena with blocks of a slot each, which hold 1, 2, ...
pub fn full_slots<const COUNT: usize>() -> (Rc<Arena>, [usize; COUNT]) {
    let arena = arena();
    let blocks = std::array::from_fn(|at| arena.take(None, UNIT_BLOCK, at as u64 + 1));
    (arena, blocks)
}

/// A thread that does `work` with the arena.
pub fn with<R: 'static>(arena: &Rc<Arena>, work: impl FnOnce(&Arena) -> R + 'static) -> JoinHandle<R> {
    let arena = arena.clone();
    model::spawn(move || work(&arena))
}

/// Waits for a thread of the model. What it has come to.
pub fn end<R>(thread: JoinHandle<R>) -> R {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

pub fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(end);
}

/// Frees a block without a cursor, which must still hold `mark`. The block is found now: that depends on nobody else, and
/// what follows can be explored further.
pub fn free_of(arena: &Arena, address: usize, mark: u64) -> impl FnOnce(&Arena) + 'static {
    let found = arena.find(address).unwrap_or_else(|misuse| panic!("{misuse:?}"));
    move |arena| {
        assert_eq!(world::read(address), mark, "overwritten");
        arena.free_found(None, found).unwrap_or_else(|misuse| panic!("{misuse:?}"));
    }
}

/// Two threads free the same block: exactly one succeeds.
pub fn free_twice(arena: &Rc<Arena>, cursor: Option<u32>, block: usize) {
    let other = with(arena, move |arena| arena.free(None, block));
    let mine = arena.free(cursor, block);
    assert!([(Ok(()), Err(Misuse::DoubleFree)), (Err(Misuse::DoubleFree), Ok(()))].contains(&(mine, end(other))));
}

impl Arena {
    pub fn cursor(&self) -> u32 {
        self.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"))
    }

    /// Allocates without counting: the counters have a model of their own. A block said to be fresh must read as zero
    /// (I2); then its holder writes `mark` to it.
    pub fn take(&self, cursor: Option<u32>, bytes: usize, mark: u64) -> usize {
        let cursor = cursor.map(|index| self.cursors.get(index));
        let grant = match size::block_class(bytes, 1) {
            Some(class) => self.allocate_block(cursor, class),
            None => self.allocate_large(bytes, 1),
        };
        let grant = grant.unwrap_or_else(|| panic!("MODEL: the arena is full"));
        let found = world::read(grant.address);
        assert!(grant.dirty > 0 || found == 0, "a fresh block holds {found}");
        world::write(grant.address, mark);
        grant.address
    }

    /// Frees a block, which must still hold `mark` (I1).
    pub fn give(&self, cursor: Option<u32>, address: usize, mark: u64) {
        assert_eq!(world::read(address), mark, "overwritten");
        world::write(address, mark + 100);
        self.free(cursor, address).unwrap_or_else(|misuse| panic!("{misuse:?}"));
    }

    pub fn free(&self, cursor: Option<u32>, address: usize) -> Result<(), Misuse> {
        self.free_found(cursor, self.find(address)?)
    }

    fn free_found(&self, cursor: Option<u32>, found: Found) -> Result<(), Misuse> {
        let cursor = cursor.map(|index| self.cursors.get(index));
        match found {
            Found::Medium { head, class, index } => self.release_block(cursor, head, class, index).map(drop),
            Found::Large { head } => self.release_large(head).map(|_| ()),
        }
    }

    /// Takes a free slot of one unit, if there is one, and writes to it, as a block in it would. What else an allocation
    /// does has models of its own.
    pub fn use_free_slot(&self) {
        self.use_slot(|_| ());
    }

    /// The same, and before it is written to, all pages are brought within the budget.
    #[cfg(loom)]
    pub fn use_free_slot_within_budget(&self) {
        self.use_slot(|head| assert!(self.make_room(head, UNIT).is_ok()));
    }

    fn use_slot(&self, prepare: impl FnOnce(u32)) {
        let Some(head) = self.pop(self.pool(0, 0), Which::Any) else { return };
        prepare(head);
        let (slot, start) = (&self.slots[head as usize], self.region.unit_address(head as usize));
        let found = world::read(start);
        assert!(self.touch(slot, UNIT) > 0 || found == 0, "a fresh slot holds {found}");
        world::write(start, 200);
        self.put_held(head);
    }

    /// Puts a slot that the caller holds into its pool.
    pub fn put_held(&self, head: u32) {
        let slot = &self.slots[head as usize];
        slot.set_word(slot.word().with_state(State::Limbo));
        self.put_slot(head, End::Front);
    }

    pub fn exit(&self, cursor: u32) {
        self.give_up_all(self.cursors.get(cursor));
    }

    /// When all is freed and nobody owns a span: every slot is in its pool, once, and the books balance.
    pub fn assert_all_free(&self) {
        model::end_threads();
        let (mut slots, mut touched) = (0, 0);
        self.for_each_slot(|head, slot| {
            assert_eq!(slot.word().state(), State::Free, "slot {head}");
            assert_eq!(self.blocks[head as usize].count(), 0, "slot {head}");
            slots += 1;
            touched += slot.touched.load(Relaxed);
        });
        assert_eq!(self.free_resident_bytes(), touched);
        let pooled = self.pools.iter().map(|pool| std::iter::from_fn(|| self.pop(pool, Which::Any)).count());
        assert_eq!(pooled.sum::<usize>(), slots);
    }

    /// While nobody takes or frees: no span that has a free block passes for full.
    #[cfg(loom)]
    pub fn assert_no_block_is_lost(&self) {
        self.for_each_slot(|head, slot| {
            let word = slot.word();
            let is_full = || word.count() == i64::from(size::BLOCK_CLASS[usize::from(word.class())].blocks);
            assert!(word.state() != State::Full || is_full(), "slot {head}");
        });
    }

    /// The sums of touched bytes are those of the slots, and nobody gives pages away.
    pub fn assert_books_balance(&self) {
        let mut touched = 0;
        self.for_each_slot(|_, slot| touched += slot.touched.load(Relaxed));
        assert_eq!((self.touched.load(Relaxed), self.giving.load(Relaxed)), (touched, 0));
    }
}
