//! A panic between begin and end leaves the phase open for good. Under a library that only reuses what was freed that
//! costs nothing: later phases nest in it, memory stays intact, and whoever notices can still end it.
#![forbid(unsafe_code)]

use soundness::program::{require, require_depth, run};
use soundness::survivor::{Block, Survivors};
use std::panic::{catch_unwind, AssertUnwindSafe};

const ROUNDS: u32 = 10;
const PHASES_AFTER: u32 = 4;

fn main() {
    run(|_| {
        let mut survivors = Survivors::new(&[512, 12 << 10]);
        for _ in 0..ROUNDS {
            let kept = panics_in_a_phase(&mut survivors);
            require_depth(1);
            for _ in 0..PHASES_AFTER {
                zkalloc::phase(|| {
                    require_depth(2);
                    survivors.challenge();
                    survivors.plant();
                });
                require_depth(1);
            }
            require(zkalloc::end_phase().is_ok(), "the phase left open is gone");
            require_depth(0);
            zkalloc::phase(|| survivors.challenge());
            kept.check("what the panic left behind");
        }
        u64::from(ROUNDS * (PHASES_AFTER + 2))
    });
}

fn panics_in_a_phase(survivors: &mut Survivors) -> Block {
    let mut kept = None;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        require(zkalloc::begin_phase().is_ok(), "no arena");
        survivors.plant();
        kept = Some(Block::new(96 << 10));
        panic!("without a guard");
    }));
    assert!(caught.is_err());
    kept.expect("set before the panic")
}
