//! Phases: counts are exact, and the gate is open in every phase and closed after the last.
#![forbid(unsafe_code)]

use super::frame::{arena, join};
use super::process::{assert_open, read_options};
use super::{spawn, Change, Model, MutantLine};
use crate::arena::global;
use crate::arena::phase::Live;
use crate::router::{self, PHASES};
use loom::cell::Cell;
use std::rc::Rc;

fn install() {
    read_options();
    assert!(router::is_small(usize::MAX - 1));
    global::install(Rc::into_inner(arena()).unwrap_or_else(|| panic!("MODEL: shared")));
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
    Model::new("phases counted by two threads", count::<1>).mutants(GATE_MUTANTS).check();
}

#[test]
fn counted_by_three() {
    Model::new("phases counted by three threads", count::<2>).bounded(2).mutants(GATE_MUTANTS).check();
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
    Model::new("phases and the gate: two threads", route::<1>).bounded(2).mutants(GATE_MUTANTS).check();
}

#[test]
fn routed_by_three() {
    Model::new("phases and the gate: three threads", route::<2>).bounded(1).mutants(GATE_MUTANTS).check();
}
