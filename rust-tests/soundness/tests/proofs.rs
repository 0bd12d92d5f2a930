//! A hundred proofs of each statement with phases and full tracing: all verified, and each the same, byte for byte, as
//! those made without the library.

use soundness::prover::{self, Task};
use soundness::runner;

const PROOFS: usize = 100;

/// The trace's height is chosen for time: a hundred proofs of each statement in 10 to 30 seconds on two processors.
fn proves_the_same(air: &'static str, rows_log2: u32) {
    // Two are enough: inputs are fixed, and the prover fails where a proof differs from its first.
    let expected = prover::reference(Task::air(air, rows_log2, 2));
    let digests = prover::under(&runner::library(), &[], Task::air(air, rows_log2, PROOFS));
    assert_eq!(digests, Ok(vec![expected[0].clone(); PROOFS]));
}

#[test]
fn poseidon1_babybear() {
    proves_the_same("poseidon1-babybear", 10);
}

#[test]
fn poseidon2_koalabear() {
    proves_the_same("poseidon2-koalabear", 10);
}

#[test]
fn poseidon2_babybear_zk() {
    proves_the_same("poseidon2-babybear-zk", 8);
}

#[test]
fn keccak() {
    proves_the_same("keccak", 8);
}
