//! Fork: the library's own handlers around a fork at any moment of another thread. From that moment on the other thread
//! does nothing more, what it has written is there, and the forking thread goes on alone, as the child.
//!
//! Not modelled: fork with more than one other thread, what other libraries' handlers do, and the kernel's copying.
#![forbid(unsafe_code)]

use super::background::{install, serve_until_done};
use super::frame::{SMALL, UNIT_BLOCK};
use super::{model, spawn, world, Arena, Change, Model, MutantLine};
use crate::arena::slot::State::{self, Full, Owned, Partial};
use crate::sync::model::NotInChild;
use crate::sync::Ordering::Relaxed;
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
            Owned => assert_eq!(word.count() + i64::from(slot.charged.load(Relaxed) as i32), bits, "{head}"),
            Full | Partial => {
                assert_eq!((word.count(), slot.owner.load(Relaxed)), (bits, 0), "{head}");
                assert!(bits > 0 && (bits == 2) == (word.state() == Full), "{head}: {word:?}, {bits} live");
            }
            State::Free => free += slot.touched.load(Relaxed),
            State::Large => {}
            State::Uncarved | State::Limbo | State::Held => panic!("slot {head} was lost: {word:?}"),
        }
    });
    assert_eq!(arena.free_resident_bytes(), free);
}

/// The forking thread's own blocks, in its own span.
fn forking_thread(arena: &Arena) -> (u32, [usize; 2]) {
    let cursor = arena.cursor();
    tls::set_cursor(CursorState::Ready(cursor));
    (cursor, [1, 2].map(|mark| arena.take(Some(cursor), SMALL, mark)))
}

/// What the child can do: everything.
fn live_on(arena: &Arena, cursor: u32, block: usize) {
    assert_consistent(arena);
    let third = arena.take(Some(cursor), SMALL, 8);
    let unit = arena.take(None, UNIT_BLOCK, 9);
    let heir = arena.cursor();
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

/// What the child makes right in spans, left out.
const OWNED: MutantLine =
    ("arena/span.rs", "slot.set_word(Word::new(State::Owned, word.class(), count));", Change::Skip);
const FULL: MutantLine = ("arena/span.rs", "slot.set_word(Word::new(State::Full, word.class(), count));", Change::Skip);
const LIMBO: MutantLine =
    ("arena/span.rs", "\n                    slot.set_word(word.with_state(State::Limbo));", Change::Skip);
const CURSORS: MutantLine =
    ("arena/cursor.rs", "cursor.current.iter().for_each(|head| head.store(0, Relaxed));", Change::Skip);

#[test]
fn during_remote_free() {
    Model {
        name: "fork while another thread frees",
        body: || during_work_on_blocks(|arena, first, _, _| arena.give(None, first, 1)),
        preemptions: None,
        real_locks: true,
        mutants: &[OWNED],
    }
    .check();
}

#[test]
fn during_allocation() {
    Model {
        name: "fork while another thread allocates",
        body: || {
            during_work_on_blocks(|arena, _, other, _| {
                arena.take(Some(other), SMALL, 4);
            })
        },
        preemptions: None,
        real_locks: true,
        mutants: &[FULL, CURSORS],
    }
    .check();
}

#[test]
fn during_exit() {
    Model {
        name: "fork while another thread ends",
        body: || during_work_on_blocks(|arena, _, other, _| arena.leave_thread(other)),
        preemptions: None,
        real_locks: true,
        mutants: &[FULL, CURSORS],
    }
    .check();
}

#[test]
fn during_blocks() {
    Model {
        name: "fork while another thread allocates, frees and ends",
        body: || {
            during_work_on_blocks(|arena, first, other, theirs| {
                arena.give(None, first, 1);
                arena.take(Some(other), SMALL, 4);
                arena.give(Some(other), theirs, 3);
                arena.leave_thread(other);
            });
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[OWNED, FULL, CURSORS],
    }
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
    Model {
        name: "fork while another thread purges",
        body: || {
            during_work_on_slots(|arena| {
                arena.purge_slots(0);
            });
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[LIMBO],
    }
    .check();
}

#[test]
fn during_slots() {
    Model {
        name: "fork while another thread purges, prefaults and allocates large",
        body: || {
            during_work_on_slots(|arena| {
                arena.purge_slots(0);
                arena.prefault(UNIT_BLOCK);
                let block = arena.take(None, UNIT_BLOCK, 3);
                arena.give(None, block, 3);
            });
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[LIMBO, ("arena/slot.rs", "let guard = pool.lock.lock();", Change::Skip)],
    }
    .check();
}

/// The child starts a thread of its own, and what that does has its own model: here the child does it itself.
fn wish_and_serve(arena: &'static Arena) {
    world::set_thread_body(|| ());
    assert!(background::purge_soon(0));
    assert_eq!(world::join_threads(), 1);
    background::serve(arena, || false);
    assert_eq!(arena.free_resident_bytes(), 0);
    assert_consistent(arena);
}

/// The background thread is in the middle of serving a wish.
#[test]
fn during_background_work() {
    Model {
        name: "fork while the background thread works",
        body: || {
            let arena = install();
            // No thread can be had yet: the wish waits for one.
            assert!(!background::purge_soon(0));
            fork_during(move || background::serve(arena, || false));
            wish_and_serve(arena);
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[LIMBO],
    }
    .check();
}

/// The background thread falls asleep, or sleeps.
#[test]
fn during_background_sleep() {
    Model {
        name: "fork while the background thread falls asleep",
        body: || {
            let arena = install();
            // Started, for all that the library knows: what it does is below.
            world::set_thread_body(|| ());
            background::wake_to_watch();
            assert_eq!(world::join_threads(), 1);
            fork_during(move || background::serve(arena, || true));
            wish_and_serve(arena);
        },
        preemptions: None,
        real_locks: true,
        mutants: &[("background.rs", "RUNNING.store(false, Relaxed);", Change::Skip)],
    }
    .check();
}

/// The child's own background thread serves both wishes.
fn wish_in_child(arena: &'static Arena) {
    serve_until_done(arena);
    assert!(background::purge_soon(0));
    assert!(background::prefault_soon(UNIT_BLOCK));
    assert_eq!(world::join_threads(), 1);
}

const PHASES_LOCK: MutantLine = ("fork.rs", "router::PHASES.lock.acquire();", Change::Skip);

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
    Model {
        name: "fork while another thread begins a phase",
        body: || {
            during_phases(|_| {
                router::begin_phase();
            });
        },
        preemptions: None,
        real_locks: true,
        mutants: &[PHASES_LOCK],
    }
    .check();
}

#[test]
fn during_phases_and_wishes() {
    Model {
        name: "fork while another thread opens phases and wakes the background thread",
        body: || {
            wish_in_child(during_phases(|arena| {
                router::begin_phase();
                router::end_phase();
                arena.trim(usize::MAX);
            }));
        },
        preemptions: Some(3),
        real_locks: true,
        mutants: &[PHASES_LOCK],
    }
    .check();
}
