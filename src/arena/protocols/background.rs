//! The background thread: one is started, and no wish is lost.
#![forbid(unsafe_code)]

use super::frame::{arena, join, with, UNIT_BLOCK};
use super::process::{install, serve_until_done};
use super::{spawn, world, Change, Model};
use crate::arena::prefault::Prefault;
use crate::background;
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn wishes() {
    Model::new("background thread: start, wishes and wake-ups", || {
        let arena = install();
        serve_until_done(arena);
        // Whoever comes while another starts the thread is told that there is none.
        let is_told = Rc::new(Cell::new(false));
        let other = {
            let is_told = is_told.clone();
            spawn(move || is_told.set(background::prefault_soon(UNIT_BLOCK)))
        };
        background::ensure();
        let is_wished = background::purge_soon(0);
        join([other]);
        assert!(is_told.get() || background::prefault_soon(UNIT_BLOCK));
        assert!(is_wished || background::purge_soon(0));
        assert_eq!(world::join_threads(), 1);
    })
    .bounded(2)
    .mutants(&[
        ("background.rs", "WISHES.fetch_add(1, Release);", Change::Skip),
        ("background.rs", "platform::futex_wake(&WISHES, 1);", Change::Skip),
        ("background.rs", "STARTING.swap(true, Acquire)", Change::Split),
        ("background.rs", "PREFAULT.swap(0, Relaxed)", Change::Split),
    ])
    .check();
}

/// Two threads fault memory in: each unit is faulted in once, and all of them lie in a free slot in the end.
#[test]
fn prefault_by_two() {
    Model::new("memory faulted in by two threads", || {
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
    })
    .mutants(&[
        ("arena/prefault.rs", "job.next.fetch_add(1, Relaxed);", Change::Split),
        ("arena/prefault.rs", "job.end.fetch_max(unit + 1, Relaxed);", Change::Skip),
    ])
    .check();
}
