//! See `prover --help`.

#![forbid(unsafe_code)]

use prover::cli::{self, Options};
use prover::run;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options: Options = cli::parse_or_exit();
    match run::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prover: {error}");
            ExitCode::FAILURE
        }
    }
}
