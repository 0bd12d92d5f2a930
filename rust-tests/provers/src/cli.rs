//! The command line.

use clap::{Parser, ValueEnum};
use prover::cli::RunOptions;

/// Proves, verifies and drops the same statement N times, on the system allocator, and prints what each proof cost.
///
/// All inputs are fixed and all random numbers seeded. A statement gives the same proof, byte for byte, in every run,
/// on any number of threads and under any allocator, with one exception: the threads of winterfell and plonky2 race
/// for a proof of work, and its winner decides where the proof is opened. Their digest is of the part that comes
/// before.
///
/// Times, CPU and faults are those of making the witness and the proof. Circuits, keys and parameters are made before
/// the first proof and kept: they are in no time, but in RSS.
#[derive(Debug, Parser)]
#[command(name = "provers", version)]
pub struct Options {
    /// What proves; with rows: of how many when none are asked for
    #[arg(long, value_enum)]
    pub system: SystemName,

    #[command(flatten)]
    pub run: RunOptions,
}

/// The proof systems, each with its one statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SystemName {
    /// STARK: 64 chains of cubes over Goldilocks, Blake3; 2^16 rows
    Winterfell,
    /// PLONK and FRI: a chain of Poseidon over Goldilocks; 2^13 rows
    Plonky2,
    /// SNARK: a chain of products over BN254, arkworks; 2^16 constraints
    Groth16,
    /// PLONK and inner products: 8 chains of cubes over Pallas and Vesta, Zcash's Halo 2; 2^13 rows
    Halo2,
    /// Sum-check and inner products: a chain of products over Pallas, Nova's Spartan; 2^15 constraints
    Spartan,
}

impl SystemName {
    /// The name as the command line takes it.
    pub fn option_value(self) -> &'static str {
        match self {
            Self::Winterfell => "winterfell",
            Self::Plonky2 => "plonky2",
            Self::Groth16 => "groth16",
            Self::Halo2 => "halo2",
            Self::Spartan => "spartan",
        }
    }

    /// The size that is proven when none was asked for: meant for half a second to three seconds on two processors.
    pub fn default_rows_log2(self) -> u32 {
        match self {
            Self::Winterfell | Self::Groth16 => 16,
            Self::Plonky2 | Self::Halo2 => 13,
            Self::Spartan => 15,
        }
    }
}
