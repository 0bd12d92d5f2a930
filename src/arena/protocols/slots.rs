//! Slots: handed over between threads, carved, freed twice.
#![forbid(unsafe_code)]

use super::frame::{arena, end, free_twice, full_slots, join, with, UNIT_BLOCK};
use super::{Change, Model};

/// A slot is freed while another thread takes one: it gets that slot, with what its last holder wrote, or the other one.
#[test]
fn hand_over() {
    Model::new("slot handed over from one thread to another", || {
        let (arena, [first, second]) = full_slots();
        arena.give(None, second, 2);
        let other = with(&arena, |arena| arena.take(None, UNIT_BLOCK, 3));
        arena.give(None, first, 1);
        let third = end(other);
        let fourth = arena.take(None, UNIT_BLOCK, 4);
        arena.give(None, third, 3);
        arena.give(None, fourth, 4);
        arena.assert_all_free();
    })
    .mutants(&[
        ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip),
        ("arena/mod.rs", "return Some(lock.lock());", Change::Skip),
    ])
    .check();
}

/// Two threads want the one free slot.
#[test]
fn competition() {
    Model::new("one free slot for two threads", || {
        let (arena, [first, second]) = full_slots();
        arena.give(None, first, 1);
        let other = with(&arena, |arena| arena.take(None, UNIT_BLOCK, 3));
        let fourth = arena.take(None, UNIT_BLOCK, 4);
        let third = end(other);
        for (block, mark) in [(second, 2), (third, 3), (fourth, 4)] {
            arena.give(None, block, mark);
        }
        arena.assert_all_free();
    })
    .mutants(&[("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip)])
    .check();
}

#[test]
fn double_free() {
    Model::new("double free of a large block", || {
        let (arena, [block]) = full_slots();
        free_twice(&arena, None, block);
        arena.assert_all_free();
    })
    .mutants(&[("arena/slot.rs", "self.word.compare_exchange(from.0, to.0, AcqRel, Relaxed)", Change::Split)])
    .check();
}

#[test]
fn carving() {
    Model::new("slots carved by two threads", || {
        let arena = arena();
        let other = with(&arena, |arena| arena.take(None, UNIT_BLOCK, 1));
        let second = arena.take(None, UNIT_BLOCK, 2);
        let first = end(other);
        arena.give(None, first, 1);
        arena.give(None, second, 2);
        arena.assert_all_free();
    })
    .mutants(&[("arena/zone.rs", "let _guard = self.frontier.lock();", Change::Skip)])
    .check();
}

/// Both threads free and take: more than can be explored completely.
#[test]
fn exchange() {
    Model::new("slots freed and taken by two threads", || {
        let (arena, [first]) = full_slots();
        let other = with(&arena, |arena| {
            let block = arena.take(None, UNIT_BLOCK, 2);
            arena.give(None, block, 2);
        });
        arena.give(None, first, 1);
        let third = arena.take(None, UNIT_BLOCK, 3);
        arena.give(None, third, 3);
        join([other]);
        arena.assert_all_free();
    })
    .bounded(1)
    .mutants(&[
        ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip),
        ("arena/mod.rs", "return Some(lock.lock());", Change::Skip),
    ])
    .check();
}
