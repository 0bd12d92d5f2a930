//! Fork: the library's own handlers around a fork at any moment of another thread. From that moment on the other thread
//! does nothing more, what it has written is there, and the forking thread goes on alone, as the child.
//!
//! Not modelled: fork with more than one other thread, what other libraries' handlers do, and the kernel's copying.
#![forbid(unsafe_code)]

use super::frame::{SMALL, UNIT_BLOCK};
use super::process::{
    assert_consistent, fork_among, forking_thread, install, live_on, serve_until_done, CURSORS, FIRST_BLOCK, FULL,
    LIMBO, OWNED, PHASES_LOCK,
};
use super::{world, Arena, Change, Model};
use crate::{background, router};

/// Forks while another thread does `work`. The caller is the child afterwards.
fn fork_during(work: impl FnOnce() + 'static) {
    fork_among(vec![Box::new(work)]);
}

/// Another thread does `work` with the forking thread's first block, a cursor, and a block in that one's span, which
/// hold 1 and 3. The child goes on with its second block.
fn during_work_on_blocks(work: fn(&Arena, usize, u32, usize)) {
    let arena = install();
    let (cursor, [first, second]) = forking_thread(arena);
    let other = arena.cursor();
    let theirs = arena.take(Some(other), SMALL, 3);
    fork_during(move || work(arena, first, other, theirs));
    live_on(arena, cursor, second);
}

#[test]
fn during_remote_free() {
    Model::new("fork while another thread frees", || {
        during_work_on_blocks(|arena, first, _, _| arena.give(None, first, 1))
    })
    .with_real_locks()
    .mutants(&[OWNED])
    .check();
}

#[test]
fn during_allocation() {
    Model::new("fork while another thread allocates", || {
        during_work_on_blocks(|arena, _, other, _| {
            arena.take(Some(other), SMALL, 4);
        })
    })
    .with_real_locks()
    .mutants(&[FULL, CURSORS])
    .check();
}

#[test]
fn during_new_span() {
    Model::new("fork while another thread begins a span", || {
        let arena = install();
        let (cursor, [_, second]) = forking_thread(arena);
        let other = arena.cursor();
        fork_during(move || {
            arena.take(Some(other), SMALL, 3);
        });
        live_on(arena, cursor, second);
    })
    .bounded(3)
    .with_real_locks()
    .mutants(&[FULL, FIRST_BLOCK])
    .check();
}

#[test]
fn during_exit() {
    Model::new("fork while another thread ends", || {
        during_work_on_blocks(|arena, _, other, _| arena.leave_thread(other))
    })
    .with_real_locks()
    .mutants(&[FULL, CURSORS])
    .check();
}

#[test]
fn during_blocks() {
    Model::new("fork while another thread allocates, frees and ends", || {
        during_work_on_blocks(|arena, first, other, theirs| {
            arena.give(None, first, 1);
            arena.take(Some(other), SMALL, 4);
            arena.give(Some(other), theirs, 3);
            arena.leave_thread(other);
        });
    })
    .bounded(3)
    .with_real_locks()
    .mutants(&[OWNED, FULL, CURSORS])
    .check();
}

/// Another thread does `work` while the forking thread holds one of the two blocks of its span.
fn during_work_on_slots(work: fn(&Arena)) {
    let arena = install();
    let (cursor, [first, second]) = forking_thread(arena);
    arena.give(Some(cursor), first, 1);
    let block = arena.take(None, UNIT_BLOCK, 3);
    arena.give(None, block, 3);
    fork_during(move || work(arena));
    live_on(arena, cursor, second);
}

#[test]
fn during_purge() {
    Model::new("fork while another thread purges", || {
        during_work_on_slots(|arena| {
            arena.purge_slots(0);
        });
    })
    .bounded(3)
    .with_real_locks()
    .mutants(&[LIMBO])
    .check();
}

#[test]
fn during_slots() {
    Model::new("fork while another thread purges, prefaults and allocates large", || {
        during_work_on_slots(|arena| {
            arena.purge_slots(0);
            arena.prefault(UNIT_BLOCK);
            let block = arena.take(None, UNIT_BLOCK, 3);
            arena.give(None, block, 3);
        });
    })
    .bounded(3)
    .with_real_locks()
    .mutants(&[LIMBO, ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip)])
    .check();
}

/// A thread has been started, for all that the library knows.
fn start_nothing() {
    world::set_thread_body(|| ());
    background::ensure();
    assert_eq!(world::join_threads(), 1);
}

/// The child starts a thread of its own, and what that does has its own model: here the child does it itself.
fn wish_and_serve(arena: &'static Arena) {
    start_nothing();
    assert!(background::purge_soon(0));
    background::serve(arena, || false);
    assert_eq!(arena.free_resident_bytes(), 0);
    assert_consistent(arena);
}

/// The background thread is in the middle of serving a wish.
#[test]
fn during_background_work() {
    Model::new("fork while the background thread works", || {
        let arena = install();
        start_nothing();
        assert!(background::purge_soon(0));
        fork_during(move || background::serve(arena, || false));
        wish_and_serve(arena);
    })
    .with_real_locks()
    .mutants(&[LIMBO])
    .check();
}

/// The background thread falls asleep, or sleeps.
#[test]
fn during_background_sleep() {
    Model::new("fork while the background thread falls asleep", || {
        let arena = install();
        start_nothing();
        fork_during(move || background::serve(arena, || true));
        wish_and_serve(arena);
    })
    .with_real_locks()
    .mutants(&[("background.rs", "RUNNING.store(false, Relaxed);", Change::Skip)])
    .check();
}

/// The child's own background thread serves both wishes.
fn wish_in_child(arena: &'static Arena) {
    serve_until_done(arena);
    background::ensure();
    assert!(background::purge_soon(0));
    assert!(background::prefault_soon(UNIT_BLOCK));
    assert_eq!(world::join_threads(), 1);
}

/// Another thread does `work` with phases; the child opens one.
fn during_phases(work: fn(&Arena)) -> &'static Arena {
    let arena = install();
    // The running average is there from the first phase on.
    router::begin_phase();
    router::end_phase();
    fork_during(move || work(arena));
    let (begun, ended) = router::PHASES.counts();
    assert_eq!(begun - ended, u64::from(router::PHASES.depth()), "a phase is half begun");
    router::begin_phase();
    assert!(!router::is_small(router::min_arena_bytes()));
    router::end_phase();
    arena
}

#[test]
fn during_phase_begin() {
    Model::new("fork while another thread begins a phase", || {
        during_phases(|_| {
            router::begin_phase();
        });
    })
    .with_real_locks()
    .mutants(&[PHASES_LOCK])
    .check();
}

#[test]
fn during_phases_and_wishes() {
    Model::new("fork while another thread opens phases and wakes the background thread", || {
        wish_in_child(during_phases(|arena| {
            // None can be had; in the child it can.
            background::ensure();
            router::begin_phase();
            router::end_phase();
            arena.trim(usize::MAX);
        }));
    })
    .bounded(3)
    .with_real_locks()
    .mutants(&[PHASES_LOCK])
    .check();
}
