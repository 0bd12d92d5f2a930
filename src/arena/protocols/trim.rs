//! Giving memory back, and moving pages, against allocation: what is live is not touched, what is given back reads as
//! zero, and what is said to be fresh is.
#![forbid(unsafe_code)]

use super::frame::{arena, end, free_of, full_slots, full_span, join, with, LARGE, SMALL, UNIT_BLOCK};
use super::{world, Arena, Change, Model};

/// The dead pages of a span are given back while its owner allocates.
#[test]
fn dead_pages_against_owner() {
    Model::new("trim of a span against its owner", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        let head = arena.head(first).unwrap_or(0);
        let trimmer = with(&arena, move |arena| arena.trim_span(head, 0));
        let third = arena.take(Some(cursor), SMALL, 3);
        end(trimmer);
        arena.give(Some(cursor), third, 3);
        arena.give(Some(cursor), first, 1);
        arena.exit(cursor);
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Split),
        ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Relax),
        ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax),
    ])
    .check();
}

/// Dead pages are given back while a span begins in a slot with pages: its owner gets a block of it, whatever a trim holds.
#[test]
fn dead_pages_of_a_new_span() {
    Model::new("trim against the beginning of a span", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        let head = arena.head(first).unwrap_or(0);
        arena.give(Some(cursor), first, 1);
        arena.give(Some(cursor), second, 2);
        arena.exit(cursor);
        let trimmer = with(&arena, move |arena| arena.trim_span(head, 0));
        let third = arena.take(Some(cursor), SMALL, 3);
        end(trimmer);
        arena.give(Some(cursor), third, 3);
        arena.exit(cursor);
        arena.assert_all_free();
    })
    .mutants(&[("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Skip)])
    .check();
}

/// The dead pages of a span without owner are given back while its last block is freed: it is recycled once.
#[test]
fn dead_pages_against_recycling() {
    Model::new("trim of a span against remote free and recycling", || {
        let arena = arena();
        let cursor = arena.cursor();
        let first = arena.take(Some(cursor), SMALL, 1);
        arena.exit(cursor);
        let (head, free) = (arena.head(first).unwrap_or(0), free_of(&arena, first, 1));
        let trimmer = with(&arena, move |arena| arena.trim_span(head, 0));
        free(&arena);
        arena.use_free_slot();
        end(trimmer);
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/dead_pages.rs", "let _guard = self.bins[class].lock.lock();", Change::Skip),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Split),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Skip),
    ])
    .check();
}

/// A span of two blocks: the second is free, the first is freed by another thread, the owner allocates and ends, and its
/// dead pages are given back, all at once.
#[test]
fn dead_pages_of_a_span() {
    Model::new("trim of a span against its owner's exit and a remote free", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        let head = arena.head(first).unwrap_or(0);
        let trimmer = with(&arena, move |arena| arena.trim_span(head, 0));
        let other = with(&arena, move |arena| arena.give(None, first, 1));
        let third = arena.take(Some(cursor), SMALL, 3);
        arena.exit(cursor);
        arena.give(None, third, 3);
        end(trimmer);
        join([other]);
        arena.assert_all_free();
    })
    .bounded(1)
    .mutants(&[
        ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Split),
        ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Relax),
        ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax),
        ("arena/dead_pages.rs", "let _guard = self.bins[class].lock.lock();", Change::Skip),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Split),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Skip),
    ])
    .check();
}

/// The pages of a free slot are given back while another thread allocates it.
#[test]
fn purge_against_allocation() {
    Model::new("purge of a free slot against allocation", || {
        let (arena, [first]) = full_slots();
        arena.give(None, first, 1);
        let purger = with(&arena, |arena| arena.purge_slots(0));
        arena.use_free_slot();
        end(purger);
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/purge.rs", "let _guard = pool.lock.lock();", Change::Skip),
        ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip),
    ])
    .check();
}

/// A slot is freed while free slots are given back: nothing stays that the books do not know.
#[test]
fn purge_against_free() {
    Model::new("purge of free slots against free", || {
        let (arena, [first]) = full_slots();
        let purger = with(&arena, |arena| arena.purge_slots(0));
        arena.give(None, first, 1);
        end(purger);
        arena.purge_slots(0);
        assert_eq!((arena.free_resident_bytes(), arena.resident_bytes(), world::read(first)), (0, 0, 0));
        arena.assert_all_free();
    })
    .mutants(&[("arena/mod.rs", "return Some(lock.lock());", Change::Skip)])
    .check();
}

/// Pages of free slots are given back while two threads allocate and free.
#[test]
fn purge_of_free_slots() {
    Model::new("purge of free slots against two threads", || {
        let (arena, [first, second]) = full_slots();
        arena.give(None, first, 1);
        let purger = with(&arena, |arena| arena.purge_slots(0));
        let other = with(&arena, |arena| {
            let block = arena.take(None, UNIT_BLOCK, 3);
            arena.give(None, block, 3);
        });
        arena.give(None, second, 2);
        end(purger);
        join([other]);
        arena.purge_slots(0);
        assert_eq!((arena.free_resident_bytes(), arena.resident_bytes()), (0, 0));
        assert_eq!([first, second].map(world::read), [0, 0]);
        arena.assert_all_free();
    })
    .bounded(1)
    .mutants(&[
        ("arena/purge.rs", "let _guard = pool.lock.lock();", Change::Skip),
        ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip),
    ])
    .check();
}

/// A slot gets the pages of a free one, which another thread uses: they come as they were, once, or not at all.
#[test]
fn moves_against_allocation() {
    Model::new("moving pages against allocation", || {
        let (arena, [first]) = full_slots();
        arena.give(None, first, 1);
        let held = arena.take_slot(3).unwrap_or_else(|| panic!("MODEL: no slot"));
        let other = with(&arena, Arena::use_free_slot);
        let moved = arena.move_in(held, UNIT_BLOCK).unwrap_or_else(|_| panic!("lost"));
        let found = world::read(arena.region.unit_address(held as usize));
        assert!([(0, 0), (UNIT_BLOCK, 101), (UNIT_BLOCK, 200)].contains(&(moved, found)), "{found} in {moved} bytes");
        end(other);
        arena.put_held(held);
        arena.assert_all_free();
    })
    .mutants(&[("arena/purge.rs", "let _guard = pool.lock.lock();", Change::Skip)])
    .check();
}

/// A large block takes the pages of free slots, which another thread gives back.
#[test]
fn moves_against_purge() {
    Model::new("moving pages against purge", || {
        let (arena, [first, second]) = full_slots();
        arena.give(None, first, 1);
        arena.give(None, second, 2);
        let purger = with(&arena, |arena| arena.purge_slots(0));
        let large = arena.take(None, LARGE, 4);
        end(purger);
        arena.give(None, large, 4);
        arena.assert_all_free();
    })
    .bounded(1)
    .mutants(&[("arena/purge.rs", "let _guard = pool.lock.lock();", Change::Skip)])
    .check();
}

/// The whole of `trim` while a thread ends and another frees its last block.
#[test]
fn trim_against_exit() {
    Model::new("trim of everything against exit and remote free", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        let trimmer = with(&arena, |arena| arena.trim(0));
        arena.exit(cursor);
        arena.give(None, first, 1);
        end(trimmer);
        arena.trim(0);
        assert_eq!(arena.resident_bytes(), 0);
        assert_eq!([first, second].map(world::read), [0, 0]);
        arena.assert_all_free();
    })
    .bounded(2)
    .mutants(&[
        ("arena/dead_pages.rs", "let _guard = self.bins[class].lock.lock();", Change::Skip),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Split),
    ])
    .check();
}

/// A cycle ends, and gives back what is beyond the budget, while a slot is taken and makes room for its pages.
#[test]
fn budget_against_allocation() {
    Model::new("the end of a cycle and its budget against allocation", || {
        let (arena, [first]) = full_slots();
        arena.give(None, first, 1);
        // The next end forgets the peak, and nothing may stay.
        for _ in 0..3 {
            arena.end_cycle();
        }
        let ender = with(&arena, |arena| {
            let keep = arena.end_cycle();
            arena.purge_inside_call(keep)
        });
        arena.use_free_slot_within_budget();
        end(ender);
        arena.purge_slots(0);
        assert_eq!((arena.free_resident_bytes(), arena.resident_bytes(), world::read(first)), (0, 0, 0));
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/purge.rs", "let _guard = pool.lock.lock();", Change::Skip),
        ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip),
    ])
    .check();
}
