//! Giving memory back, and moving pages, against allocation: what is live is not touched, what is given back reads as
//! zero, and what is said to be fresh is.
#![forbid(unsafe_code)]

use super::{arena, join, spawn, watch, world, Arena, Change, Model, LARGE, SMALL, UNIT_BLOCK};
use std::rc::Rc;

fn trimmer(arena: &Rc<Arena>, work: impl Fn(&Arena) + 'static) -> loom::thread::JoinHandle<()> {
    let arena = arena.clone();
    spawn(move || work(&arena))
}

/// A span of two blocks: the second is free, the first is freed by another thread, the owner allocates, and its dead
/// pages are purged, all at once.
#[test]
fn dead_pages_of_a_span() {
    Model {
        name: "trim of a span against its owner and a remote free",
        body: || {
            let arena = arena();
            watch(&arena);
            let cursor = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
            let [first, second] = [1, 2].map(|mark| arena.take(Some(cursor), SMALL, mark));
            arena.give(Some(cursor), second, 2);
            let (head, class) = (arena.head(first).unwrap_or(0), 0);
            let trimmer = trimmer(&arena, move |arena| {
                arena.trim_span(head, class);
            });
            let other = trimmer_free(&arena, first);
            let third = arena.take(Some(cursor), SMALL, 3);
            arena.exit(cursor);
            arena.give(None, third, 3);
            join([trimmer, other]);
            arena.assert_all_free();
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Split),
            ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Relax),
            ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax),
            ("arena/span.rs", "let _guard = self.bins[class].lock.lock();", Change::Skip),
            ("arena/span.rs", "slot.shift(word.state(), word.state(), 1);", Change::Split),
            ("arena/span.rs", "slot.shift(word.state(), word.state(), 1);", Change::Skip),
        ],
    }
    .check();
}

fn trimmer_free(arena: &Rc<Arena>, block: usize) -> loom::thread::JoinHandle<()> {
    trimmer(arena, move |arena| arena.give(None, block, 1))
}

/// Pages of free slots are given back while two threads allocate and free.
#[test]
fn purge_of_free_slots() {
    Model {
        name: "purge of free slots against allocation",
        body: || {
            let arena = arena();
            watch(&arena);
            let blocks = [1, 2].map(|mark| arena.take(None, UNIT_BLOCK, mark));
            arena.give(None, blocks[0], 1);
            let trimmer = trimmer(&arena, |arena| {
                arena.purge_slots(0);
            });
            let other = trimmer_use(&arena);
            arena.give(None, blocks[1], 2);
            join([trimmer, other]);
            arena.purge_slots(0);
            assert_eq!((arena.free_resident_bytes(), arena.resident_bytes()), (0, 0));
            assert_eq!(blocks.map(world::read), [0, 0]);
            arena.assert_all_free();
        },
        preemptions: Some(1),
        real_locks: false,
        mutants: &[
            ("arena/retain.rs", "let _guard = pool.lock.lock();", Change::Skip),
            ("arena/slot.rs", "let guard = pool.lock.lock();", Change::Skip),
        ],
    }
    .check();
}

fn trimmer_use(arena: &Rc<Arena>) -> loom::thread::JoinHandle<()> {
    trimmer(arena, |arena| {
        let block = arena.take(None, UNIT_BLOCK, 3);
        arena.give(None, block, 3);
    })
}

/// A large block takes the pages of free slots, which another thread gives back.
#[test]
fn moves() {
    Model {
        name: "moving pages against purge",
        body: || {
            let arena = arena();
            watch(&arena);
            let blocks = [1, 2].map(|mark| arena.take(None, UNIT_BLOCK, mark));
            blocks.into_iter().zip([1, 2]).for_each(|(block, mark)| arena.give(None, block, mark));
            let trimmer = trimmer(&arena, |arena| {
                arena.purge_slots(0);
            });
            let large = arena.take(None, LARGE, 4);
            join([trimmer]);
            arena.give(None, large, 4);
            arena.assert_all_free();
        },
        preemptions: Some(1),
        real_locks: false,
        mutants: &[("arena/retain.rs", "let _guard = pool.lock.lock();", Change::Skip)],
    }
    .check();
}

/// The whole of `trim` while a thread ends and another frees its last block.
#[test]
fn trim_against_exit() {
    Model {
        name: "trim of everything against exit and remote free",
        body: || {
            let arena = arena();
            watch(&arena);
            let cursor = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
            let [first, second] = [1, 2].map(|mark| arena.take(Some(cursor), SMALL, mark));
            arena.give(Some(cursor), second, 2);
            let trimmer = trimmer(&arena, |arena| {
                arena.trim(0);
            });
            arena.exit(cursor);
            arena.give(None, first, 1);
            join([trimmer]);
            arena.trim(0);
            assert_eq!(arena.resident_bytes(), 0);
            assert_eq!([first, second].map(world::read), [0, 0]);
            arena.assert_all_free();
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("arena/span.rs", "let _guard = self.bins[class].lock.lock();", Change::Skip),
            ("arena/span.rs", "slot.shift(word.state(), word.state(), 1);", Change::Split),
        ],
    }
    .check();
}
