//! Requests on both sides of every threshold, from the pool's workers and freed by another thread, beside a 64 KiB block
//! that survives every phase and vectors that `realloc` carries across thresholds and phase boundaries.
#![forbid(unsafe_code)]

use soundness::program::{require, run};
use soundness::survivor::{Block, Survivors};
use std::hint::black_box;

const CYCLES: u64 = 100;
const JOINS: usize = 200;
/// Around the thresholds of the tests and the size classes below a page.
const JOB_BYTES: [usize; 12] = [8, 64, 120, 512, 1016, 1520, 2048, 4088, 4096, 6400, 65_528, 65_536];

fn main() {
    run(|_| {
        let mut survivors = Survivors::new(&[64 << 10, 4096, 4088]);
        let mut outsider = Migrant::default();
        let mut insider = zkalloc::phase(Migrant::default);
        for cycle in 0..CYCLES {
            outsider.change(cycle);
            zkalloc::phase(|| {
                survivors.challenge();
                join_and_free();
                outsider.change(cycle);
                insider.change(cycle);
                survivors.plant();
            });
            insider.change(cycle);
        }
        zkalloc::phase(|| survivors.challenge());
        CYCLES + 2
    });
}

/// Each job's block is allocated by a worker and freed here.
fn join_and_free() {
    for join in 0..JOINS {
        let left_bytes = JOB_BYTES[join % JOB_BYTES.len()];
        let right_bytes = JOB_BYTES[(join + join / JOB_BYTES.len()) % JOB_BYTES.len()];
        let (left, right) = rayon::join(|| Block::new(left_bytes), || Block::new(right_bytes));
        left.check("a job's block");
        right.check("a job's block");
    }
}

/// A vector that grows by a factor in some cycles and shrinks in others, so that `realloc` meets every combination of
/// old size, new size, old owner and open or ended phase.
#[derive(Default)]
struct Migrant {
    values: Vec<u64>,
}

impl Migrant {
    const MOST_VALUES: usize = 1 << 17;

    fn change(&mut self, cycle: u64) {
        let old = self.values.len();
        if old > Self::MOST_VALUES || cycle % 23 == 22 {
            self.values.truncate(old / 1000);
            self.values.shrink_to_fit();
        } else {
            self.values.extend(old as u64..(old + old / 2 + 5) as u64);
        }
        let values = black_box(&self.values);
        let intact = (0..).zip(values).all(|(index, &value): (u64, _)| index == value);
        require(intact, "a vector carried along by realloc has lost its content");
    }
}
