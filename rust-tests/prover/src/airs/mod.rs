//! What can be proven: one file per statement, and the proof system that they share.

mod keccak;
mod poseidon1_babybear;
mod poseidon2_babybear_zk;
mod poseidon2_koalabear;
mod stark;

pub use keccak::Keccak;
pub use poseidon1_babybear::Poseidon1BabyBear;
pub use poseidon2_babybear_zk::Poseidon2BabyBearZk;
pub use poseidon2_koalabear::Poseidon2KoalaBear;

use crate::digest;
use crate::system::System;
use serde::Serialize;
use std::marker::PhantomData;

/// Permutations proven side by side in one row, as Plonky3's own examples do.
const PERMUTATIONS_PER_ROW: usize = 8;

/// A statement with fixed inputs. Nothing is kept between proofs: configuration, trace and random numbers are made anew
/// each time, so every proof of a statement is the same, byte for byte.
pub trait Statement {
    type Proof: Serialize;

    /// Makes the trace of 2^`rows_log2` rows and proves it.
    fn prove(rows_log2: u32) -> Result<Self::Proof, String>;

    fn verify(proof: &Self::Proof) -> Result<(), String>;
}

/// A statement of Plonky3, which keeps nothing between proofs.
pub struct Plonky3<S> {
    rows_log2: u32,
    statement: PhantomData<S>,
}

impl<S: Statement> System for Plonky3<S> {
    type Proof = S::Proof;

    fn prepare(rows_log2: u32) -> Result<Self, String> {
        Ok(Self { rows_log2, statement: PhantomData })
    }

    fn prove(&self) -> Result<Self::Proof, String> {
        S::prove(self.rows_log2)
    }

    fn verify(&self, proof: &Self::Proof) -> Result<(), String> {
        S::verify(proof)
    }

    fn serialize(&self, proof: &Self::Proof) -> Result<Vec<u8>, String> {
        digest::serialize(proof)
    }
}
