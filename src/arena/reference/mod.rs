//! Random sequences of operations on the arena, against a simple model of it. A failure is shrunk to the few operations
//! that it takes, and its seed is kept in `proptest-regressions/`.
//!
//! `ZK_TEST_REFERENCE_OPERATIONS` and `ZK_TEST_REFERENCE_SECONDS` say how long to look (`scripts/checks/reference`).

mod defect;
mod look;
mod machine;
mod memory;
mod op;
mod sequence;

use super::freed::Freed;
use super::size::{self, BLOCK_CLASS, UNIT};
use defect::Defect;
use machine::Machine;
use op::{Op, Setup, Who};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use sequence::{Sequence, Sequences};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Sequences drawn from one seed.
const BATCH: u32 = 8;
/// A few seconds in a debug build.
const DEFAULT_OPERATIONS: u64 = 10_000;
/// After so many, every path must have been met.
const MANY_OPERATIONS: u64 = 100_000;

/// What a run has done: a model that never meets the rare paths proves little.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Blocks handed out, freed or asked about.
    pub operations: u64,
    pub refused: u64,
    pub moved_bytes: u64,
    pub returned_bytes: u64,
}

impl Work {
    pub fn and(self, other: Self) -> Self {
        Self {
            operations: self.operations + other.operations,
            refused: self.refused + other.refused,
            moved_bytes: self.moved_bytes + other.moved_bytes,
            returned_bytes: self.returned_bytes + other.returned_bytes,
        }
    }
}

fn config() -> Config {
    Config { cases: BATCH, max_shrink_iters: 20_000, source_file: Some(file!()), ..Config::default() }
}

/// Runs sequences, adding up what they have done.
fn explore(config: Config, defect: Option<Defect>, work: &Cell<Work>) -> Result<(), TestError<Sequence>> {
    TestRunner::new(config).run(&Sequences::new(), |sequence| {
        let done = Machine::run(&sequence, defect).map_err(TestCaseError::fail)?;
        work.set(work.get().and(done));
        Ok(())
    })
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

#[test]
fn sequences_match_the_model() {
    let least = number("ZK_TEST_REFERENCE_OPERATIONS", DEFAULT_OPERATIONS);
    let time = Duration::from_secs(number("ZK_TEST_REFERENCE_SECONDS", 0));
    let (start, work) = (Instant::now(), Cell::new(Work::default()));
    let mut sequences = 0;
    while work.get().operations < least || start.elapsed() < time {
        if let Err(error) = explore(config(), None, &work) {
            panic!("{error}");
        }
        sequences += BATCH;
        eprint!("\r{} operations in {sequences} sequences, {} s ", work.get().operations, start.elapsed().as_secs());
    }
    let Work { operations, refused, moved_bytes, returned_bytes } = work.get();
    eprintln!("\n{refused} refused, {} MiB moved, {} MiB returned", moved_bytes >> 20, returned_bytes >> 20);
    println!("model: {operations} operations in {sequences} sequences");
    let met_all = refused > 0 && moved_bytes > 0 && returned_bytes > 0;
    assert!(operations < MANY_OPERATIONS || met_all, "rare paths were not met: {:?}", work.get());
}

/// What random sequences have found, and was mended.
#[test]
fn earlier_findings_stay_mended() {
    let by = Who(0);
    let setup = Setup { reserved: 256 << 20, limit: 128 << 20, nodes: 1, freed: Freed::Kept };
    for ops in [
        // A block that an earlier use of its slot had touched in part only was counted as purged in whole.
        vec![
            Op::Allocate { by, bytes: 114_687, align: 1, zeroed: false },
            Op::Realloc { by, block: 0, bytes: 5121 },
            Op::Trim { keep: 0 },
        ],
        // And blocks that lie behind what was ever touched, but on the same page.
        vec![
            Op::Allocate { by, bytes: 127, align: 1, zeroed: false },
            Op::Free { by, block: 0 },
            Op::Trim { keep: 0 },
            Op::Allocate { by, bytes: 65, align: 1, zeroed: false },
        ],
    ] {
        let sequence = Sequence { setup, ops };
        assert_eq!(Machine::run(&sequence, None).err(), None, "{sequence:?}");
    }
}

/// Every class of blocks is asked for at its edge and one byte beyond, every class of slots too, and every alignment.
#[test]
fn every_edge_is_drawn() {
    let mut runner = TestRunner::deterministic();
    let (sizes, aligns) = (op::bytes(), op::align());
    let mut draw = |strategy: &dyn Fn(&mut TestRunner) -> usize| -> BTreeSet<usize> {
        (0..20_000).map(|_| strategy(&mut runner)).collect()
    };
    let sizes = draw(&|runner| sizes.new_tree(runner).expect("a size").current());
    let aligns = draw(&|runner| aligns.new_tree(runner).expect("an alignment").current());
    for shape in &BLOCK_CLASS {
        assert!(sizes.contains(&(shape.bytes as usize)) && sizes.contains(&(shape.bytes as usize + 1)));
    }
    for class in 0..=size::class_of(op::MOST_BYTES / UNIT) {
        let bytes = size::size_of_class(class) * UNIT;
        assert!(sizes.contains(&bytes) && (sizes.contains(&(bytes + 1)) || bytes == op::MOST_BYTES), "{bytes}");
    }
    assert!((0..=op::MOST_ALIGN_SHIFT).all(|shift| aligns.contains(&(1 << shift))));
}

/// The control: an arena with a defect does not get through, and the counterexample is one that a reader grasps.
#[test]
fn defects_are_found_and_shrunk() {
    /// Enough to find each of them, from any seed.
    const CASES: u32 = 100;
    const MOST_OPS: usize = 4;
    for defect in Defect::ALL {
        let config = Config { cases: CASES, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..config() };
        let Err(TestError::Fail(reason, found)) = explore(config, Some(defect), &Cell::new(Work::default())) else {
            panic!("{defect:?} was not found");
        };
        println!("model control: {defect:?} found: {reason}\n{found:?}");
        assert!(found.ops.len() <= MOST_OPS, "{defect:?}: {found:?}");
        assert!(Machine::run(&found, Some(defect)).is_err(), "{defect:?} does not fail again");
        assert_eq!(Machine::run(&found, None).err(), None, "{defect:?}: it was not the defect");
    }
}
