//! Fork: the library's own handlers around a fork at any moment of another thread. From that moment on the other thread
//! does nothing more, what it has written is there, and the forking thread goes on alone, as the child.
//!
//! Not modelled: fork with more than one other thread, what other libraries' handlers do, and the kernel's copying.
#![forbid(unsafe_code)]

use super::background::{install, serve_until_done};
use super::{model, spawn, world, Arena, Change, Model, State, SMALL, UNIT_BLOCK};
use crate::arena::slot::State::{Full, Owned, Partial};
use crate::sync::model::NotInChild;
use crate::tls::{self, CursorState};
use crate::{background, fork, router};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// Forks while another thread does `work`. The caller is the child afterwards.
fn fork_during(work: impl FnOnce() + 'static) {
    fork::register();
    let [prepare, _, in_child] = world::fork_handlers();
    model::begin_fork();
    let other = spawn(|| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            if !panic.is::<NotInChild>() {
                resume_unwind(panic);
            }
        }
    });
    prepare();
    world::fork();
    assert!(other.join().is_ok());
    model::end_fork();
    in_child();
}

/// What must hold when nobody is in the middle of anything: words, lists and sums agree with the live bits.
fn assert_consistent(arena: &Arena) {
    let mut free = 0;
    arena.for_each_slot(|head, slot| {
        let (word, bits) = (slot.word(), arena.blocks[head as usize].count());
        match word.state() {
            Owned => assert_eq!(word.count() + i64::from(slot.charged.load(super::Relaxed) as i32), bits, "{head}"),
            Full | Partial => {
                assert_eq!((word.count(), slot.owner.load(super::Relaxed)), (bits, 0), "{head}");
                assert!(bits > 0 && (bits == 2) == (word.state() == Full), "{head}: {word:?}, {bits} live");
            }
            State::Free => free += slot.touched.load(super::Relaxed),
            State::Large => {}
            State::Uncarved | State::Limbo | State::Held => panic!("slot {head} was lost: {word:?}"),
        }
    });
    assert_eq!(arena.free_resident_bytes(), free);
}

/// The forking thread's own blocks, in its own span.
fn forking_thread(arena: &Arena) -> (u32, [usize; 2]) {
    let cursor = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
    tls::set_cursor(CursorState::Ready(cursor));
    (cursor, [1, 2].map(|mark| arena.take(Some(cursor), SMALL, mark)))
}

/// What the child can do: everything.
fn live_on(arena: &Arena, cursor: u32, block: usize) {
    assert_consistent(arena);
    let third = arena.take(Some(cursor), SMALL, 8);
    let unit = arena.take(None, UNIT_BLOCK, 9);
    let heir = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
    assert_ne!(heir, cursor);
    let fourth = arena.take(Some(heir), SMALL, 10);
    arena.give(Some(cursor), third, 8);
    arena.give(None, unit, 9);
    arena.give(Some(cursor), fourth, 10);
    arena.give(Some(cursor), block, 2);
    arena.exit(heir);
    arena.exit(cursor);
    assert_consistent(arena);
}

#[test]
fn during_blocks() {
    Model {
        name: "fork while another thread allocates, frees and ends",
        body: || {
            let arena = install();
            let (cursor, [first, second]) = forking_thread(arena);
            let other = arena.enter_thread().unwrap_or_else(|| panic!("MODEL: no cursor"));
            let theirs = arena.take(Some(other), SMALL, 3);
            fork_during(move || {
                arena.give(None, first, 1);
                arena.take(Some(other), SMALL, 4);
                arena.give(Some(other), theirs, 3);
                arena.leave_thread(other);
            });
            live_on(arena, cursor, second);
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[
            ("arena/span.rs", "slot.set_word(Word::new(State::Full, word.class(), count));", Change::Skip),
            ("arena/span.rs", "slot.set_word(Word::new(State::Owned, word.class(), count));", Change::Skip),
            ("arena/cursor.rs", "cursor.current.iter().for_each(|head| head.store(0, Relaxed));", Change::Skip),
        ],
    }
    .check();
}

#[test]
fn during_slots() {
    Model {
        name: "fork while another thread purges, prefaults and allocates large",
        body: || {
            let arena = install();
            let (cursor, [first, second]) = forking_thread(arena);
            arena.give(Some(cursor), first, 1);
            fork_during(move || {
                arena.purge_slots(0);
                arena.prefault(UNIT_BLOCK);
                let block = arena.take(None, UNIT_BLOCK, 3);
                arena.give(None, block, 3);
            });
            live_on(arena, cursor, second);
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[
            ("arena/span.rs", "\n                    slot.set_word(word.with_state(State::Limbo));", Change::Skip),
            ("arena/slot.rs", "let guard = pool.lock.lock();", Change::Skip),
        ],
    }
    .check();
}

#[test]
fn during_phases_and_wishes() {
    Model {
        name: "fork while another thread opens phases and wakes the background thread",
        body: || {
            let arena = install();
            // The running average is there from the first phase on.
            router::begin_phase();
            router::end_phase();
            fork_during(move || {
                router::begin_phase();
                router::end_phase();
                arena.trim(usize::MAX);
            });
            router::begin_phase();
            assert!(!router::is_small(router::min_arena_bytes()));
            router::end_phase();
            serve_until_done(arena);
            assert!(background::purge_soon(0));
            assert!(background::prefault_soon(UNIT_BLOCK));
            assert_eq!(world::join_threads(), 1);
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[("fork.rs", "router::PHASES.lock.acquire();", Change::Skip)],
    }
    .check();
}
