//! Provers of other systems than Plonky3, for measuring allocators: the same command line, loop and records as the
//! package `prover`, one file per system. docs/provers.md says what each proves and what its sizes mean.

#![forbid(unsafe_code)]

pub mod cli;
pub mod systems;

use crate::cli::{Options, SystemName};
use crate::systems::{Groth16, Halo2, Plonky2, Spartan, Winterfell};
use prover::run;

/// Does what the command line asks for.
pub fn prove(Options { system, run: options }: &Options) -> Result<(), String> {
    run::start(options)?;
    let (name, rows_log2) = (system.option_value(), system.default_rows_log2());
    match system {
        SystemName::Winterfell => run::prove_all::<Winterfell>(name, rows_log2, options),
        SystemName::Plonky2 => run::prove_all::<Plonky2>(name, rows_log2, options),
        SystemName::Groth16 => run::prove_all::<Groth16>(name, rows_log2, options),
        SystemName::Halo2 => run::prove_all::<Halo2>(name, rows_log2, options),
        SystemName::Spartan => run::prove_all::<Spartan>(name, rows_log2, options),
    }
}
