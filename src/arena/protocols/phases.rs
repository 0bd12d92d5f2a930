//! Phases: counts are exact, and the gate is open in every phase and closed after the last.
#![forbid(unsafe_code)]

use super::frame::{arena, join};
use super::{spawn, Change, Model, MutantLine};
use crate::arena::global;
use crate::arena::phase::Live;
use crate::config::{self, Key, OPTIONS};
use crate::router::{self, PHASES};
use loom::cell::Cell;
use std::rc::Rc;

/// What has been read of the options before threads start can be read by them.
pub fn read_options() {
    let keys = [Key::Mode, Key::MinBytes, Key::SlabGb, Key::RetainMb, Key::DecayMs, Key::Background, Key::Thp];
    keys.into_iter().chain([Key::PrefaultMb, Key::Stats, Key::Trace, Key::Verbose]).for_each(|key| {
        assert_eq!(config::get(key), OPTIONS[key as usize].default);
    });
}

fn install() {
    read_options();
    assert!(router::is_small(usize::MAX - 1));
    global::install(Rc::into_inner(arena()).unwrap_or_else(|| panic!("MODEL: shared")));
}

fn assert_open() {
    assert!(PHASES.depth() > 0, "a phase is open, but is not counted");
    assert!(!router::is_small(router::min_arena_bytes()), "a phase is open, but the gate is not");
}

/// All phases have ended.
fn assert_closed(phases: u64) {
    assert_eq!((PHASES.depth(), PHASES.counts()), (0, (phases, phases)));
    assert!(router::is_small(usize::MAX - 1), "no phase is open, but the gate is");
    assert_eq!(router::end_phase(), libc::EINVAL);
}

fn one_phase() {
    assert_eq!(router::begin_phase(), 0);
    assert_open();
    assert_eq!(router::end_phase(), 0);
}

const GATE_MUTANTS: &[MutantLine] = &[
    ("arena/phase.rs", "let _guard = self.lock.lock();", Change::Skip),
    ("router.rs", "GATE.store(if broken::is", Change::Skip),
];

/// The counting and the gate alone, and a cell that only whoever begins the first phase or ends the last one may touch.
fn count<const OTHERS: usize>() {
    install();
    let switch = Rc::new(Cell::new(false));
    let phase = {
        let switch = switch.clone();
        move || {
            PHASES.begin(|| {
                assert!(!switch.replace(true));
                router::set_gate();
            });
            assert_open();
            let end = PHASES.end(|| {
                assert!(switch.replace(false));
                router::set_gate();
                Live::default()
            });
            assert_eq!(end, Ok(()));
        }
    };
    let others = [(); OTHERS].map(|()| spawn(phase.clone()));
    phase();
    join(others);
    assert!(!switch.get());
    assert_closed(OTHERS as u64 + 1);
}

#[test]
fn counted_by_two() {
    Model {
        name: "phases counted by two threads",
        body: count::<1>,
        preemptions: None,
        real_locks: false,
        mutants: GATE_MUTANTS,
    }
    .check();
}

#[test]
fn counted_by_three() {
    Model {
        name: "phases counted by three threads",
        body: count::<2>,
        preemptions: Some(2),
        real_locks: false,
        mutants: GATE_MUTANTS,
    }
    .check();
}

/// Through the functions of the router, by so many threads.
fn route<const OTHERS: usize>() {
    install();
    // The running average is there from the first phase on.
    one_phase();
    let others = [(); OTHERS].map(|()| spawn(one_phase));
    one_phase();
    join(others);
    assert_closed(OTHERS as u64 + 2);
}

#[test]
fn routed_by_two() {
    Model {
        name: "phases and the gate: two threads",
        body: route::<1>,
        preemptions: Some(2),
        real_locks: false,
        mutants: GATE_MUTANTS,
    }
    .check();
}

#[test]
fn routed_by_three() {
    Model {
        name: "phases and the gate: three threads",
        body: route::<2>,
        preemptions: Some(1),
        real_locks: false,
        mutants: GATE_MUTANTS,
    }
    .check();
}
