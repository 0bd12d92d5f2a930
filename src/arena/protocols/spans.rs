//! Spans: remote frees against the owner's allocation and against recycling; thread exit with live blocks, and adoption.
#![forbid(unsafe_code)]

use super::{arena, join, spawn, watch, Arena, Change, Misuse, Model, LARGE, MEDIUM, SMALL, UNIT_BLOCK};
use crate::tls;
use std::rc::Rc;

/// An arena, a cursor, and the two blocks of its span, which hold 1 and 2.
fn full_span(bytes: usize) -> (Rc<Arena>, u32, [usize; 2]) {
    let arena = arena();
    watch(&arena);
    let cursor = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
    let blocks = [1, 2].map(|mark| arena.take(Some(cursor), bytes, mark));
    (arena, cursor, blocks)
}

fn giver(arena: &Rc<Arena>, block: usize, mark: u64) -> loom::thread::JoinHandle<()> {
    let arena = arena.clone();
    spawn(move || arena.give(None, block, mark))
}

/// Another thread frees a block while the owner of its span allocates: the owner gets that block, or another one, but
/// never one that is still held.
#[test]
fn remote_free_against_allocation() {
    Model {
        name: "remote free against the owner's allocation",
        body: || {
            let (arena, cursor, [first, second]) = full_span(SMALL);
            arena.give(Some(cursor), second, 2);
            let other = giver(&arena, first, 1);
            let third = arena.take(Some(cursor), SMALL, 3);
            let fourth = arena.take(Some(cursor), SMALL, 4);
            join([other]);
            for (block, mark) in [(third, 3), (fourth, 4)] {
                arena.give(Some(cursor), block, mark);
            }
            arena.exit(cursor);
            arena.assert_all_free();
        },
        preemptions: None,
        real_locks: false,
        mutants: &[
            ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Relax),
            ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax),
            ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split),
            ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Split),
        ],
    }
    .check();
}

/// Two threads free the last blocks of a span while its owner ends; whoever is last recycles it, and its pages become a
/// large block's.
#[test]
fn remote_frees_against_recycling() {
    Model {
        name: "remote frees against the owner's exit and recycling",
        body: || {
            let (arena, cursor, [first, second]) = full_span(MEDIUM);
            let others = [giver(&arena, first, 1), giver(&arena, second, 2)];
            arena.exit(cursor);
            let large = arena.take(None, LARGE, 3);
            join(others);
            arena.give(None, large, 3);
            arena.assert_all_free();
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("arena/slot.rs", "Word(self.word.fetch_sub(ONE, AcqRel))", Change::Relax),
            ("arena/slot.rs", "Word(self.word.fetch_sub(ONE, AcqRel))", Change::Split),
            ("arena/span.rs", "slot.shift(State::Owned, State::Full, i64::from(charged));", Change::Split),
            ("arena/span.rs", "slot.shift(State::Full, State::Partial, 0);", Change::Split),
            ("arena/mod.rs", "return Some(lock.lock());", Change::Skip),
        ],
    }
    .check();
}

/// The owner frees its block while another thread frees the other one of the span.
#[test]
fn remote_free_against_owners_free() {
    Model {
        name: "remote free against the owner's free and allocation",
        body: || {
            let (arena, cursor, [first, second]) = full_span(MEDIUM);
            let other = giver(&arena, first, 1);
            arena.give(Some(cursor), second, 2);
            let third = arena.take(Some(cursor), MEDIUM, 3);
            let large = arena.take(None, LARGE, 4);
            join([other]);
            arena.give(Some(cursor), third, 3);
            arena.give(None, large, 4);
            arena.exit(cursor);
            arena.assert_all_free();
        },
        preemptions: None,
        real_locks: false,
        mutants: &[("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split)],
    }
    .check();
}

/// A thread ends with live blocks, one of which is freed just then, while a new thread looks for a span.
#[test]
fn exit_and_adoption() {
    Model {
        name: "thread exit with live blocks, and adoption",
        body: || {
            let (arena, cursor, [first, second]) = full_span(SMALL);
            let heir = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
            let other = giver(&arena, first, 1);
            let adopter = {
                let arena = arena.clone();
                spawn(move || {
                    let third = arena.take(Some(heir), SMALL, 3);
                    assert_ne!(third, second);
                    arena.give(Some(heir), third, 3);
                })
            };
            arena.exit(cursor);
            join([other, adopter]);
            arena.give(None, second, 2);
            arena.exit(heir);
            arena.assert_all_free();
        },
        preemptions: Some(3),
        real_locks: false,
        mutants: &[("arena/span.rs", "let guard = self.bins[class].lock.lock();", Change::Skip)],
    }
    .check();
}

/// A thread adopts a span while its two blocks are freed by others: it is the heir's or recycled, never both.
#[test]
fn adoption_against_recycling() {
    Model {
        name: "adoption against remote frees and recycling",
        body: || {
            let (arena, cursor, [first, second]) = full_span(SMALL);
            let heir = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
            arena.give(Some(cursor), second, 2);
            arena.exit(cursor);
            let other = giver(&arena, first, 1);
            let third = arena.take(Some(heir), SMALL, 3);
            let unit = arena.take(None, UNIT_BLOCK, 4);
            join([other]);
            arena.give(Some(heir), third, 3);
            arena.give(None, unit, 4);
            arena.exit(heir);
            arena.assert_all_free();
        },
        preemptions: None,
        real_locks: false,
        mutants: &[("arena/span.rs", "\n            let guard = bin.lock.lock();", Change::Skip)],
    }
    .check();
}

/// Two threads without cursors share spans through the bin while a third frees.
#[test]
fn without_cursors() {
    Model {
        name: "allocation without cursors against remote free",
        body: || {
            let (arena, cursor, [first, second]) = full_span(SMALL);
            arena.exit(cursor);
            let other = giver(&arena, first, 1);
            let taker = {
                let arena = arena.clone();
                spawn(move || {
                    let third = arena.take(None, SMALL, 3);
                    arena.give(None, third, 3);
                })
            };
            let fourth = arena.take(None, SMALL, 4);
            join([other, taker]);
            arena.give(None, fourth, 4);
            arena.give(None, second, 2);
            arena.assert_all_free();
        },
        preemptions: Some(3),
        real_locks: false,
        mutants: &[
            ("arena/span.rs", "let _guard = bin.lock.lock();", Change::Skip),
            ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax),
        ],
    }
    .check();
}

/// Of two frees of a block, exactly one wins, whoever owns the span.
#[test]
fn double_free() {
    Model {
        name: "double free of a block in a span",
        body: || {
            let (arena, cursor, [first, second]) = full_span(SMALL);
            let other = {
                let arena = arena.clone();
                spawn(move || arena.free(None, first))
            };
            let mine = arena.free(Some(cursor), first);
            let theirs = other.join().unwrap_or_else(|_| panic!("MODEL: a panic"));
            assert!([(Ok(()), Err(Misuse::DoubleFree)), (Err(Misuse::DoubleFree), Ok(()))].contains(&(mine, theirs)));
            arena.give(None, second, 2);
            arena.exit(cursor);
            arena.assert_all_free();
        },
        preemptions: None,
        real_locks: false,
        mutants: &[("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split)],
    }
    .check();
}

/// A call nested in another waits for no lock: what it could not do, the next sweep does.
#[test]
fn nested_frees_and_the_sweep() {
    Model {
        name: "nested frees, which wait for no lock, and the sweep",
        body: || {
            let (arena, cursor, [first, second]) = full_span(SMALL);
            let unit = arena.take(None, UNIT_BLOCK, 3);
            arena.give(Some(cursor), second, 2);
            arena.exit(cursor);
            let nested = {
                let arena = arena.clone();
                spawn(move || {
                    tls::set_busy();
                    tls::set_busy();
                    arena.give(None, unit, 3);
                    arena.give(None, first, 1);
                })
            };
            let large = arena.take(None, UNIT_BLOCK, 4);
            arena.give(None, large, 4);
            arena.sweep();
            join([nested]);
            arena.sweep();
            arena.assert_all_free();
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("arena/mod.rs", "self.unsettled.swap(true, Release);", Change::Relax),
            ("arena/retain.rs", "self.unsettled.swap(false, Acquire)", Change::Relax),
        ],
    }
    .check();
}
