//! `rayon::join` from a thread outside the pool puts its job into an injector, whose blocks (63 jobs) outlive the phase
//! that allocated them; a reset hands them out again while the pool still reads them.
#![forbid(unsafe_code)]

use soundness::program::{require, run};
use soundness::survivor::Survivors;

/// One block of crossbeam-deque's injector: a link and 63 slots of a job (16 bytes) and a state.
const INJECTOR_BLOCK_BYTES: usize = 8 + 63 * 24;
const CYCLES: u64 = 80;
/// More than one injector block, and not a multiple of one, so that every phase leaves a block half used.
const JOINS: u64 = 100;

fn main() {
    run(|_| {
        let mut survivors = Survivors::new(&[INJECTOR_BLOCK_BYTES]);
        for cycle in 0..CYCLES {
            zkalloc::phase(|| {
                survivors.challenge();
                join_from_outside(cycle);
                survivors.plant();
            });
            if cycle % 8 == 7 {
                zkalloc::flush_rayon();
            }
        }
        zkalloc::phase(|| survivors.challenge());
        CYCLES + 1
    });
}

fn join_from_outside(cycle: u64) {
    for join in 0..JOINS {
        let (left, right) = rayon::join(|| cycle * JOINS + join, || (cycle, join));
        let intact = left == cycle * JOINS + join && right == (cycle, join);
        require(intact, "a join gave the result of another");
    }
}
