//! Phases, through the functions of the router: counts are exact, and the gate is open in every phase and closed after
//! the last.
#![forbid(unsafe_code)]

use super::{arena, join, spawn, Change, Model};
use crate::arena::global;
use crate::config::{self, Key, OPTIONS};
use crate::router::{self, PHASES};
use std::rc::Rc;

/// What has been read of the options before threads start can be read by them.
pub fn read_options() {
    let keys = [Key::Mode, Key::MinBytes, Key::SlabGb, Key::RetainMb, Key::DecayMs, Key::Background, Key::Thp];
    keys.into_iter().chain([Key::PrefaultMb, Key::Stats, Key::Trace, Key::Verbose]).for_each(|key| {
        assert_eq!(config::get(key), OPTIONS[key as usize].default);
    });
}

fn one_phase() {
    assert_eq!(router::begin_phase(), 0);
    assert!(PHASES.depth() > 0, "a phase is open, but is not counted");
    assert!(!router::is_small(router::min_arena_bytes()), "a phase is open, but the gate is not");
    assert_eq!(router::end_phase(), 0);
}

#[test]
fn phases() {
    Model {
        name: "phases begun and ended by three threads",
        body: || {
            read_options();
            assert!(router::is_small(usize::MAX - 1));
            global::install(Rc::into_inner(arena()).unwrap_or_else(|| panic!("MODEL: shared")));
            // The running average is there from the first phase on.
            one_phase();
            let others = [spawn(one_phase), spawn(one_phase)];
            one_phase();
            join(others);
            assert_eq!((PHASES.depth(), PHASES.counts()), (0, (4, 4)));
            assert!(router::is_small(usize::MAX - 1), "no phase is open, but the gate is");
            assert_eq!(router::end_phase(), libc::EINVAL);
        },
        preemptions: Some(2),
        real_locks: false,
        mutants: &[
            ("arena/phase.rs", "let _guard = self.lock.lock();", Change::Skip),
            ("router.rs", "GATE.store(if broken::is", Change::Skip),
        ],
    }
    .check();
}
