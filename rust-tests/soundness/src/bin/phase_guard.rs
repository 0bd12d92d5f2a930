//! Every way a guard can end its phase: return, unwind, nesting, out of order, on another thread. The count of open
//! phases is right after each, and what was allocated inside is intact in later phases.
#![forbid(unsafe_code)]

use soundness::program::{require, require_depth, run};
use soundness::survivor::{Block, Survivors};
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::thread;
use zkalloc::PhaseGuard;

const ROUNDS: u64 = 12;

fn main() {
    run(|_| {
        let mut survivors = Survivors::new(&[1024, 8192]);
        let mut phases = 0;
        for _ in 0..ROUNDS {
            for way in [returns, unwinds, nests, ends_out_of_order, ends_elsewhere] {
                phases += way(&mut survivors);
                require_depth(0);
                zkalloc::phase(|| survivors.challenge());
                phases += 1;
            }
        }
        let unbalanced = zkalloc::end_phase();
        assert_eq!(unbalanced.is_err(), zkalloc::is_loaded(), "an end without a begin");
        require_depth(0);
        phases
    });
}

// Each way returns the number of phases it opened.

fn returns(survivors: &mut Survivors) -> u64 {
    let kept = zkalloc::phase(|| {
        require_depth(1);
        survivors.plant();
        Block::new(96 << 10)
    });
    require_depth(0);
    zkalloc::phase(|| survivors.challenge());
    kept.check("the result of a phase");
    2
}

fn unwinds(survivors: &mut Survivors) -> u64 {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _outer = PhaseGuard::new();
        let _inner = PhaseGuard::new();
        require_depth(2);
        survivors.plant();
        panic_any(Block::new(96 << 10));
    }));
    require_depth(0);
    zkalloc::phase(|| survivors.challenge());
    let payload = caught.err().and_then(|payload| payload.downcast::<Block>().ok());
    require(payload.is_some(), "the payload of a panic is gone");
    payload.into_iter().for_each(|block| block.check("the payload of a panic"));
    3
}

fn nests(survivors: &mut Survivors) -> u64 {
    let _outer = PhaseGuard::new();
    let inner = PhaseGuard::new();
    require_depth(2);
    survivors.plant();
    drop(inner);
    require_depth(1);
    survivors.challenge();
    2
}

fn ends_out_of_order(survivors: &mut Survivors) -> u64 {
    let first = PhaseGuard::new();
    survivors.plant();
    let second = PhaseGuard::new();
    drop(first);
    require_depth(1);
    survivors.challenge();
    drop(second);
    2
}

fn ends_elsewhere(survivors: &mut Survivors) -> u64 {
    let guard = PhaseGuard::new();
    survivors.plant();
    let elsewhere = thread::spawn(move || {
        let _overlapping = PhaseGuard::new();
        drop(guard);
        require_depth(1);
        Block::new(96 << 10)
    });
    let Ok(kept) = elsewhere.join() else {
        panic!("the other thread failed");
    };
    require_depth(0);
    zkalloc::phase(|| survivors.challenge());
    kept.check("the result of an ended thread");
    3
}
