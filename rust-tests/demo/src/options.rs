//! The command line.

use clap::{Parser, Subcommand};
use prover::cli::AirName;
use std::path::PathBuf;

/// Proves with and without libzkalloc.so, interleaved, checks that the proofs are the same, and prints one table.
#[derive(Debug, Parser)]
#[command(name = "demo", version, args_override_self = true)]
pub struct Options {
    /// What is proven
    #[arg(long, value_enum, default_value_t = AirName::Poseidon2KoalaBear)]
    pub air: AirName,

    /// Height of the trace, as a power of two [default: the prover's, which is 17 for
    /// Poseidon2/KoalaBear; 3 less with --quick]
    #[arg(long, value_name = "LOG2", value_parser = clap::value_parser!(u32).range(8..=24))]
    pub rows_log2: Option<u32>,

    /// Proofs per process: the first one is cold, the third and later ones are warm
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..))]
    pub iterations: u32,

    /// How often four processes run: without, with, with, without the library [default: 2, or 1 where that would take
    /// more than four minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,

    /// Threads of the prover
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: u32,

    /// A small statement, one round: shows that it works, in seconds, not how fast it is
    #[arg(long)]
    pub quick: bool,

    /// Mark every proof as a phase
    #[arg(long)]
    pub phase: bool,

    /// Also put the table into this file, between `<!-- demo:begin -->` and `<!-- demo:end -->`
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// Also write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// The prover [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub prover: Option<PathBuf>,

    /// The library to preload
    #[arg(long, value_name = "FILE", default_value = "target/release/libzkalloc.so")]
    pub library: PathBuf,

    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Options {
    pub fn rows_log2(&self) -> u32 {
        let full = self.air.default_rows_log2();
        self.rows_log2.unwrap_or(if self.quick { full - 3 } else { full })
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Touches this much memory in huge pages and exits: what the demo calls before every run
    #[command(hide = true)]
    Touch { mib: u64 },
}
