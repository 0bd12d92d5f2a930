//! See `prover --help`.

#![forbid(unsafe_code)]

use prover::airs::{Keccak, Plonky3, Poseidon1BabyBear, Poseidon2BabyBearZk, Poseidon2KoalaBear, Statement};
use prover::cli::{self, AirName, Options, RunOptions};
use prover::run;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options: Options = cli::parse_or_exit();
    run::exit_code("prover", prove(&options))
}

fn prove(Options { air, run: options }: &Options) -> Result<(), String> {
    run::start(options)?;
    match air {
        AirName::Poseidon1BabyBear => prove_air::<Poseidon1BabyBear>(*air, options),
        AirName::Poseidon2KoalaBear => prove_air::<Poseidon2KoalaBear>(*air, options),
        AirName::Poseidon2BabyBearZk => prove_air::<Poseidon2BabyBearZk>(*air, options),
        AirName::Keccak => prove_air::<Keccak>(*air, options),
    }
}

fn prove_air<S: Statement>(air: AirName, options: &RunOptions) -> Result<(), String> {
    run::prove_all::<Plonky3<S>>(air.option_value(), air.default_rows_log2(), options)
}
