//! See `provers --help`.

#![forbid(unsafe_code)]

use prover::{cli, run};
use provers::cli::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options: Options = cli::parse_or_exit();
    run::exit_code("provers", provers::prove(&options))
}
