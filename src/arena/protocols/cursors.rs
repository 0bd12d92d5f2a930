//! Cursors: registered, handed on with their counters, summed by others.
#![forbid(unsafe_code)]

use super::{arena, join, spawn, Arena, Change, Model, SMALL};
use std::rc::Rc;

/// What a thread counts, with a cell that only the holder of the cursor may touch.
fn count_once(arena: &Arena, cells: &[loom::cell::Cell<u64>; 3]) {
    let index = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
    let cell = &cells[index as usize];
    cell.set(cell.get() + 1);
    arena.count_alloc(Some(arena.cursors.get(index)), SMALL, 0);
    arena.count_free(Some(arena.cursors.get(index)), SMALL);
    arena.leave_thread(index);
}

/// Three threads come and go while their counters are summed.
#[test]
fn registration() {
    Model {
        name: "cursors taken, given back and summed",
        body: || {
            let arena = arena();
            let cells: Rc<[loom::cell::Cell<u64>; 3]> = Rc::default();
            let others = [0; 2].map(|_| {
                let (arena, cells) = (arena.clone(), cells.clone());
                spawn(move || count_once(&arena, &cells))
            });
            let seen = arena.live_blocks();
            assert!(seen <= 2, "{seen}");
            count_once(&arena, &cells);
            join(others);
            assert_eq!((arena.sum(|counters| &counters.allocs), arena.live_blocks(), arena.live_bytes()), (3, 0, 0));
            assert_eq!((arena.cursors.threads_seen(), cells.iter().map(|cell| cell.get()).sum()), (3, 3));
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("arena/cursor.rs", "let _guard = self.lock.lock();", Change::Skip),
            ("arena/cursor.rs", "self.used.store(index + 1, Release);", Change::Skip),
        ],
    }
    .check();
}
