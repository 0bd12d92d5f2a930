//! `check programs` and `check proofs`: see `soundness::check`. `scripts/checks` builds and calls it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    soundness::check::main()
}
