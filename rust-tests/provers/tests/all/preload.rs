//! Proofs of each system with phases: all verified, and each with the digest of those made without the library.

use soundness::prover::{self, Task};
use soundness::runner;
use std::path::PathBuf;

const PROOFS: usize = 3;

/// The smallest size that the command line takes.
const ROWS_LOG2: u32 = 8;

fn proves_the_same(system: &'static str) {
    let program = || PathBuf::from(env!("CARGO_BIN_EXE_provers"));
    let task = Task { program, statement: ["--system", system], rows_log2: ROWS_LOG2, proofs: PROOFS };
    let expected = prover::reference(task);
    for threshold in ["4096", "0"] {
        let digests = prover::under(&runner::library(), &[("ZK_ALLOC_MIN_BYTES", threshold)], task);
        assert_eq!(digests.as_ref(), Ok(&expected), "ZK_ALLOC_MIN_BYTES={threshold}");
    }
}

#[test]
fn winterfell() {
    proves_the_same("winterfell");
}

#[test]
fn plonky2() {
    proves_the_same("plonky2");
}

#[test]
fn groth16() {
    proves_the_same("groth16");
}

#[test]
fn halo2() {
    proves_the_same("halo2");
}

#[test]
fn spartan() {
    proves_the_same("spartan");
}
