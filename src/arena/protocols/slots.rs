//! Slots: handed over between threads, carved, freed twice.
#![forbid(unsafe_code)]

use super::{arena, join, spawn, watch, Arena, Change, Misuse, Model, UNIT_BLOCK};
use std::rc::Rc;

fn full_slot() -> (Rc<Arena>, usize) {
    let arena = arena();
    watch(&arena);
    let block = arena.take(None, UNIT_BLOCK, 1);
    (arena, block)
}

/// Takes a block and gives it back.
fn user(arena: &Rc<Arena>, mark: u64) -> loom::thread::JoinHandle<()> {
    let arena = arena.clone();
    spawn(move || {
        let block = arena.take(None, UNIT_BLOCK, mark);
        arena.give(None, block, mark);
    })
}

#[test]
fn hand_over() {
    Model {
        name: "slots handed over between two threads",
        body: || {
            let (arena, block) = full_slot();
            let other = user(&arena, 2);
            arena.give(None, block, 1);
            let next = arena.take(None, UNIT_BLOCK, 3);
            arena.give(None, next, 3);
            join([other]);
            arena.assert_all_free();
        },
        preemptions: Some(1),
        real_locks: false,
        mutants: &[
            ("arena/slot.rs", "let guard = pool.lock.lock();", Change::Skip),
            ("arena/mod.rs", "return Some(lock.lock());", Change::Skip),
        ],
    }
    .check();
}

#[test]
fn double_free() {
    Model {
        name: "double free of a large block",
        body: || {
            let (arena, block) = full_slot();
            let other = {
                let arena = arena.clone();
                spawn(move || arena.free(None, block))
            };
            let mine = arena.free(None, block);
            let theirs = other.join().unwrap_or_else(|_| panic!("MODEL: a panic"));
            assert!([(Ok(()), Err(Misuse::DoubleFree)), (Err(Misuse::DoubleFree), Ok(()))].contains(&(mine, theirs)));
            arena.assert_all_free();
        },
        preemptions: None,
        real_locks: false,
        mutants: &[("arena/slot.rs", "self.word.compare_exchange(from.0, to.0, AcqRel, Relaxed)", Change::Split)],
    }
    .check();
}

#[test]
fn carving() {
    Model {
        name: "slots carved by two threads",
        body: || {
            let arena = arena();
            watch(&arena);
            let other = user(&arena, 1);
            let block = arena.take(None, UNIT_BLOCK, 2);
            join([other]);
            arena.give(None, block, 2);
            arena.assert_all_free();
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[("arena/slot.rs", "let _guard = self.frontier.lock();", Change::Skip)],
    }
    .check();
}
