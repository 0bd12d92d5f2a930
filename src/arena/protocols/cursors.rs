//! Cursors: registered, handed on with their counters, summed by others.
#![forbid(unsafe_code)]

use super::frame::{arena, join, with};
use super::{Arena, Change, Model};
use std::rc::Rc;

/// So few that a thread keeps them to itself.
const COUNTED_BYTES: usize = 64;

/// One for each cursor, which only its holder may touch.
type Cells = [loom::cell::Cell<u64>; 3];

fn count_once(arena: &Arena, cells: &Cells) {
    let index = arena.cursor();
    let cell = &cells[index as usize];
    cell.set(cell.get() + 1);
    arena.count_alloc(Some(arena.cursors.get(index)), COUNTED_BYTES, 0);
    arena.count_free(Some(arena.cursors.get(index)), COUNTED_BYTES);
    arena.leave_thread(index);
}

fn assert_counted(arena: &Arena, cells: &Cells, threads: u64) {
    assert_eq!((arena.sum(|counters| &counters.allocs), arena.live_blocks(), arena.live_bytes()), (threads, 0, 0));
    assert_eq!((arena.cursors.threads_seen(), cells.iter().map(|cell| cell.get()).sum()), (threads, threads));
}

/// Two threads come and go.
#[test]
fn hand_on() {
    Model::new("cursors taken and given back by two threads", || {
        let (arena, cells) = (arena(), Rc::<Cells>::default());
        let other = {
            let cells = cells.clone();
            with(&arena, move |arena| count_once(arena, &cells))
        };
        count_once(&arena, &cells);
        join([other]);
        assert_counted(&arena, &cells, 2);
    })
    .mutants(&[("arena/cursor.rs", "let _guard = self.lock.lock();", Change::Skip)])
    .check();
}

/// A thread comes while the counters are summed.
#[test]
fn sum() {
    Model::new("a new cursor against the sum of all", || {
        let (arena, cells) = (arena(), Rc::<Cells>::default());
        let other = {
            let cells = cells.clone();
            with(&arena, move |arena| count_once(arena, &cells))
        };
        let seen = arena.live_blocks();
        assert!(seen <= 1, "{seen}");
        join([other]);
        assert_counted(&arena, &cells, 1);
    })
    .mutants(&[("arena/cursor.rs", "self.used.store(index + 1, Release);", Change::Skip)])
    .check();
}

/// Three threads come and go while the counters are summed.
#[test]
fn all_at_once() {
    Model::new("cursors taken, given back and summed by three threads", || {
        let (arena, cells) = (arena(), Rc::<Cells>::default());
        let others = [0; 2].map(|_| {
            let cells = cells.clone();
            with(&arena, move |arena| count_once(arena, &cells))
        });
        let seen = arena.live_blocks();
        assert!(seen <= 2, "{seen}");
        count_once(&arena, &cells);
        join(others);
        assert_counted(&arena, &cells, 3);
    })
    .bounded(2)
    .mutants(&[
        ("arena/cursor.rs", "let _guard = self.lock.lock();", Change::Skip),
        ("arena/cursor.rs", "self.used.store(index + 1, Release);", Change::Skip),
    ])
    .check();
}
