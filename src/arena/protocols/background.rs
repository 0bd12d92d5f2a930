//! The background thread: one is started, and no wish is lost.
#![forbid(unsafe_code)]

use super::frame::{arena, join, know, with, UNIT_BLOCK};
use super::phases::read_options;
use super::{spawn, world, Arena, Change, Model};
use crate::arena::global;
use crate::arena::prefault::Prefault;
use crate::{background, init, router};
use std::rc::Rc;

/// The process's arena, with a free slot that has pages.
pub fn install() -> &'static Arena {
    read_options();
    background::forget_in_child();
    let arena = arena();
    global::install(Rc::into_inner(arena).unwrap_or_else(|| panic!("MODEL: shared")));
    let arena = global::get().unwrap_or_else(|| panic!("MODEL: no arena"));
    know(arena);
    assert_eq!(init::processors(), 1);
    assert!(router::is_small(usize::MAX - 1));
    let block = arena.take(None, UNIT_BLOCK, 1);
    arena.give(None, block, 1);
    arena
}

/// The body of the thread that the library starts: `serve`, until both wishes have come true. Without a timeout: a wish
/// that is missed leaves everybody waiting.
pub fn serve_until_done(arena: &'static Arena) {
    world::set_thread_body(move || {
        background::serve(arena, || {
            let (purged, populated) = world::work_done();
            purged == 0 || populated == 0
        });
    });
}

#[test]
fn wishes() {
    Model {
        name: "background thread: start, wishes and wake-ups",
        body: || {
            let arena = install();
            serve_until_done(arena);
            let other = spawn(|| assert!(background::prefault_soon(UNIT_BLOCK)));
            assert!(background::purge_soon(0));
            join([other]);
            assert_eq!(world::join_threads(), 1);
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("background.rs", "WISHES.fetch_add(1, Release);", Change::Skip),
            ("background.rs", "platform::futex_wake(&WISHES, 1);", Change::Skip),
            ("background.rs", "if !RUNNING.swap(true, AcqRel)", Change::Split),
            ("background.rs", "PREFAULT.swap(0, Relaxed)", Change::Split),
        ],
    }
    .check();
}

/// Two threads fault memory in: each unit is faulted in once, and all of them lie in a free slot in the end.
#[test]
fn prefault_by_two() {
    Model {
        name: "memory faulted in by two threads",
        body: || {
            let (arena, job) = (arena(), Rc::new(Prefault::new()));
            assert!(arena.begin_prefault(&job, 2 * UNIT_BLOCK));
            let helper = {
                let job = job.clone();
                with(&arena, move |arena| arena.take_part(&job, false))
            };
            arena.take_part(&job, true);
            join([helper]);
            assert_eq!((arena.end_prefault(&job), world::work_done().1), (2 * UNIT_BLOCK, 2 * UNIT_BLOCK));
            arena.assert_all_free();
        },
        preemptions: None,
        real_locks: false,
        mutants: &[
            ("arena/prefault.rs", "job.next.fetch_add(1, Relaxed);", Change::Split),
            ("arena/prefault.rs", "job.end.fetch_max(unit + 1, Relaxed);", Change::Skip),
        ],
    }
    .check();
}
