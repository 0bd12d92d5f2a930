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
        name: "slots handed over between three threads",
        body: || {
            let (arena, block) = full_slot();
            let others = [user(&arena, 2), user(&arena, 3)];
            arena.give(None, block, 1);
            join(others);
            arena.assert_all_free();
        },
        preemptions: Some(1),
        real_locks: false,
        mutants: &[
            ("arena/slot.rs", "let guard = pool.lock.lock();", Change::Skip),
            ("arena/mod.rs", "return Some(lock.lock());", Change::Skip),
            ("arena/slot.rs", "let _guard = self.frontier.lock();", Change::Skip),
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
