//! Proves with and without libzkalloc.so and prints what the difference is. `scripts/demo` builds everything and calls it.

#![forbid(unsafe_code)]

mod arm;
mod child;
mod compare;
mod machine;
mod markdown;
mod options;
mod progress;
mod report;
mod table;
mod touch;

use options::{Command, Options};
use prover::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options: Options = cli::parse_or_exit();
    let done = match &options.command {
        Some(Command::Touch { mib }) => touch::touch(*mib),
        None => demo(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(options: &Options) -> Result<(), String> {
    if let Some(file) = &options.markdown {
        // Before minutes are spent on what could not be written.
        markdown::check(file)?;
    }
    let report = compare::compare(options)?;
    println!("{}", table::for_terminal(&report));
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    if let Some(file) = &options.markdown {
        markdown::replace(file, &table::for_markdown(&report))?;
    }
    Ok(())
}
