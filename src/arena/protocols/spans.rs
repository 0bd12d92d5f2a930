//! Spans: remote frees against the owner's allocation and against recycling; thread exit with live blocks, and adoption.
#![forbid(unsafe_code)]

use super::frame::{arena, end, free_of, free_twice, full_span, join, with, LARGE, MEDIUM, SMALL, UNIT_BLOCK};
use super::{Arena, Change, Model, MutantLine};
use crate::arena::slot::End;
use crate::sync::Ordering::Release;
use crate::tls;

/// Another thread frees a block while the owner of its span allocates: the owner gets that block, or another one, but
/// never one that is still held.
#[test]
fn remote_free_against_allocation() {
    Model::new("remote free against the owner's allocation", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        let other = with(&arena, move |arena| arena.give(None, first, 1));
        let third = arena.take(Some(cursor), SMALL, 3);
        let fourth = arena.take(Some(cursor), SMALL, 4);
        join([other]);
        for (block, mark) in [(third, 3), (fourth, 4)] {
            arena.give(Some(cursor), block, mark);
        }
        arena.exit(cursor);
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Relax),
        ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax),
        ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split),
        ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Split),
    ])
    .check();
}

/// The owner frees its block while another thread frees the other one of the span.
#[test]
fn remote_free_against_owners_free() {
    Model::new("remote free against the owner's free and allocation", || {
        let (arena, cursor, [first, second]) = full_span(MEDIUM);
        let other = with(&arena, move |arena| arena.give(None, first, 1));
        arena.give(Some(cursor), second, 2);
        let third = arena.take(Some(cursor), MEDIUM, 3);
        let large = arena.take(None, LARGE, 4);
        join([other]);
        arena.give(Some(cursor), third, 3);
        arena.give(None, large, 4);
        arena.exit(cursor);
        arena.assert_all_free();
    })
    .mutants(&[("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split)])
    .check();
}

const RECYCLING_MUTANTS: &[MutantLine] = &[
    ("arena/slot.rs", "Word(self.word.fetch_sub(ONE, AcqRel))", Change::Relax),
    ("arena/slot.rs", "Word(self.word.fetch_sub(ONE, AcqRel))", Change::Split),
    ("arena/span.rs", "slot.shift(State::Owned, State::Full, i64::from(charged));", Change::Split),
    ("arena/span.rs", "slot.shift(State::Full, State::Partial, 0);", Change::Split),
    ("arena/mod.rs", "return Some(lock.lock());", Change::Skip),
];

/// Another thread frees a block of a span, which may be its last, while the owner ends: one of them recycles the span,
/// and its pages become another block's.
#[test]
fn remote_free_against_recycling() {
    Model::new("remote free against the owner's exit and recycling", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        let other = with(&arena, free_of(&arena, first, 1));
        arena.exit(cursor);
        let unit = arena.take(None, UNIT_BLOCK, 3);
        join([other]);
        arena.give(None, unit, 3);
        arena.assert_all_free();
    })
    .mutants(RECYCLING_MUTANTS)
    .check();
}

/// Two threads free the last blocks of a span without owner: whoever is last recycles it.
#[test]
fn last_two_frees() {
    Model::new("the last two frees of a span without owner", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.exit(cursor);
        let other = with(&arena, free_of(&arena, first, 1));
        arena.give(None, second, 2);
        join([other]);
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/slot.rs", "Word(self.word.fetch_sub(ONE, AcqRel))", Change::Split),
        ("arena/span.rs", "slot.shift(State::Full, State::Partial, 0);", Change::Split),
    ])
    .check();
}

/// Two threads free the last blocks of a span while its owner ends; its pages become a large block's.
#[test]
fn remote_frees_against_recycling() {
    Model::new("two remote frees against the owner's exit and recycling", || {
        let (arena, cursor, [first, second]) = full_span(MEDIUM);
        let others =
            [(first, 1), (second, 2)].map(|(block, mark)| with(&arena, move |arena| arena.give(None, block, mark)));
        arena.exit(cursor);
        let large = arena.take(None, LARGE, 3);
        join(others);
        arena.give(None, large, 3);
        arena.assert_all_free();
    })
    .bounded(2)
    .mutants(RECYCLING_MUTANTS)
    .check();
}

/// A thread ends with live blocks, one of which is freed just then, while a new thread looks for a span.
#[test]
fn exit_and_adoption() {
    Model::new("thread exit with live blocks, and adoption", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        let heir = arena.cursor();
        let other = with(&arena, move |arena| arena.give(None, first, 1));
        let adopter = with(&arena, move |arena| {
            let third = arena.take(Some(heir), SMALL, 3);
            assert_ne!(third, second);
            arena.give(Some(heir), third, 3);
        });
        arena.exit(cursor);
        join([other, adopter]);
        arena.give(None, second, 2);
        arena.exit(heir);
        arena.assert_all_free();
    })
    .mutants(&[("arena/span.rs", "let guard = self.bins[class].lock.lock();", Change::Skip)])
    .check();
}

/// A thread adopts a span while its last block is freed by another: it is the heir's or recycled, never both.
#[test]
fn adoption_against_recycling() {
    Model::new("adoption against remote free and recycling", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        let heir = arena.cursor();
        arena.give(Some(cursor), second, 2);
        arena.exit(cursor);
        let other = with(&arena, move |arena| arena.give(None, first, 1));
        let third = arena.take(Some(heir), SMALL, 3);
        let unit = arena.take(None, UNIT_BLOCK, 4);
        join([other]);
        arena.give(Some(heir), third, 3);
        arena.give(None, unit, 4);
        arena.exit(heir);
        arena.assert_all_free();
    })
    .mutants(&[("arena/span.rs", "\n            let guard = bin.lock.lock();", Change::Skip)])
    .check();
}

const SHARED_BIN: MutantLine = ("arena/span.rs", "let _guard = bin.lock.lock();", Change::Skip);
/// Without it two new spans are queued at once.
const NEW_IN_BIN: MutantLine = ("arena/span.rs", "let shared = bin.lock.lock();", Change::Skip);

/// A thread without a cursor takes a block of a span through the bin while another frees the last one in it.
#[test]
fn without_cursor() {
    Model::new("allocation without a cursor against remote free", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        arena.exit(cursor);
        let other = with(&arena, free_of(&arena, first, 1));
        let third = arena.take(None, SMALL, 3);
        join([other]);
        arena.assert_no_block_is_lost();
        arena.give(None, third, 3);
        arena.assert_all_free();
    })
    .mutants(&[
        SHARED_BIN,
        ("arena/span.rs", "slot.shift(State::Partial, State::Partial, 1)", Change::Split),
        ("arena/span.rs", "slot.shift(State::Partial, State::Full, 0);", Change::Split),
        ("arena/span.rs", "slot.shift(State::Full, State::Partial, 0);", Change::Skip),
    ])
    .check();
}

/// Two threads without cursors share spans through the bin while a third frees.
#[test]
fn two_without_cursors() {
    Model::new("two allocations without cursors against remote free", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.exit(cursor);
        let other = with(&arena, move |arena| arena.give(None, first, 1));
        let taker = with(&arena, move |arena| {
            let third = arena.take(None, SMALL, 3);
            arena.give(None, third, 3);
        });
        let fourth = arena.take(None, SMALL, 4);
        join([other, taker]);
        arena.give(None, fourth, 4);
        arena.give(None, second, 2);
        arena.assert_all_free();
    })
    .bounded(3)
    .mutants(&[NEW_IN_BIN, ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Relax)])
    .check();
}

/// Of two frees of a block, exactly one wins, whoever owns the span.
#[test]
fn double_free() {
    Model::new("double free of a block in a span", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        free_twice(&arena, Some(cursor), first);
        arena.give(None, second, 2);
        arena.exit(cursor);
        arena.assert_all_free();
    })
    .mutants(&[("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split)])
    .check();
}

const NESTING_MUTANTS: &[MutantLine] = &[
    ("arena/mod.rs", "self.unsettled.swap(true, Release);", Change::Relax),
    ("arena/purge.rs", "self.unsettled.swap(false, Acquire)", Change::Relax),
];

/// From here on, the calling thread is in a call nested in another.
fn nest() {
    tls::set_busy();
    tls::set_busy();
}

/// A call nested in another waits for no lock: what it could not do, the next sweep does.
#[test]
fn nested_free() {
    Model::new("nested free, which waits for no lock, and the sweep", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        arena.give(Some(cursor), second, 2);
        arena.exit(cursor);
        let free = free_of(&arena, first, 1);
        let nested = with(&arena, |arena| {
            nest();
            free(arena);
        });
        let guard = arena.bins[0].lock.lock();
        // Something to do meanwhile.
        arena.bins[0].end(End::Front);
        drop(guard);
        arena.sweep();
        join([nested]);
        arena.sweep();
        arena.assert_all_free();
    })
    .mutants(NESTING_MUTANTS)
    .check();
}

#[test]
fn nested_frees() {
    Model::new("nested frees of a span and a slot, and the sweep", || {
        let (arena, cursor, [first, second]) = full_span(SMALL);
        let unit = arena.take(None, UNIT_BLOCK, 3);
        arena.give(Some(cursor), second, 2);
        arena.exit(cursor);
        let nested = with(&arena, move |arena| {
            nest();
            arena.give(None, unit, 3);
            arena.give(None, first, 1);
        });
        let large = arena.take(None, UNIT_BLOCK, 4);
        arena.give(None, large, 4);
        arena.sweep();
        join([nested]);
        arena.sweep();
        arena.assert_all_free();
    })
    .bounded(2)
    .mutants(NESTING_MUTANTS)
    .check();
}

/// A sweep looks at a span whose last block is freed meanwhile, and whose pages become a large block's.
#[test]
fn sweep_against_recycling() {
    Model::new("the sweep against recycling of the span", || {
        let arena = arena();
        let cursor = arena.cursor();
        let first = arena.take(Some(cursor), SMALL, 1);
        arena.exit(cursor);
        // As if a nested call had left something.
        arena.unsettled.swap(true, Release);
        let sweeper = with(&arena, Arena::sweep);
        arena.give(None, first, 1);
        let large = arena.take(None, UNIT_BLOCK, 2);
        end(sweeper);
        arena.give(None, large, 2);
        arena.assert_all_free();
    })
    .bounded(3)
    .mutants(&[("arena/mod.rs", "return Some(lock.lock());", Change::Skip)])
    .check();
}
