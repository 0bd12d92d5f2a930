//! The command line.

use clap::error::ErrorKind;
use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Proves, verifies and drops the same statement N times, on the system allocator, and prints what each proof cost.
///
/// All inputs are fixed: a statement gives the same proof, byte for byte, in every run, on any number of threads and
/// under any allocator. Times, CPU and faults are those of making the trace and the proof; verifying is timed apart.
#[derive(Debug, Parser)]
#[command(name = "prover", version)]
pub struct Options {
    /// What is proven; with rows: of how many when none are asked for
    #[arg(long, value_enum, default_value_t = AirName::Poseidon2KoalaBear)]
    pub air: AirName,

    #[command(flatten)]
    pub run: RunOptions,
}

/// What every prover is asked in the same words.
#[derive(Args, Debug)]
pub struct RunOptions {
    /// Height of the trace or size of the circuit, as a power of two; of several, one for each proof in turn, and the
    /// last one for the rest [default: that of the statement, see above]
    #[arg(long, value_name = "LOG2,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(8..=24))]
    pub rows_log2: Vec<u32>,

    /// How many proofs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: u32,

    /// Size of rayon's thread pool; 0: one thread per processor
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,

    /// Make every proof inside a zkalloc phase (it is verified, digested and dropped outside). Does nothing where
    /// libzkalloc is not loaded
    #[arg(long)]
    pub phase: bool,

    /// Record every span of the prover with a tree-building tracing layer, and print the trees there
    #[arg(long, value_enum, value_name = "TO", num_args = 0..=1, require_equals = true, default_missing_value = "stderr")]
    pub tracing: Option<TraceTo>,

    /// Print the SHA-256 of each serialized proof, and fail if a proof differs from the first one of its size
    #[arg(long)]
    pub digest: bool,

    /// Verify each proof (the default)
    #[arg(long, overrides_with = "no_verify")]
    pub verify: bool,

    /// Do not verify the proofs
    #[arg(long, overrides_with = "verify")]
    pub no_verify: bool,

    /// One JSON object per line on standard output: one per proof, and one for the run at the end
    #[arg(long)]
    pub json: bool,

    /// Pause between proofs, as a prover that waits for the next block does
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub sleep_ms: u64,

    /// Pause after the last proof, as a prover that has nothing to do
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub idle_ms: u64,
}

impl RunOptions {
    /// Size of the `number`th proof; the first one is 1. `default`: where none was asked for.
    pub fn rows_log2(&self, number: u32, default: u32) -> u32 {
        let index = number as usize - 1;
        let size = self.rows_log2.get(index).or(self.rows_log2.last());
        size.copied().unwrap_or(default)
    }
}

/// The statements, each with its field and commitment scheme.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub enum AirName {
    /// Poseidon1 over BabyBear, 2^16 rows
    #[serde(rename = "poseidon1-babybear")]
    #[value(name = "poseidon1-babybear")]
    Poseidon1BabyBear,
    /// Poseidon2 over KoalaBear, 2^17 rows
    #[serde(rename = "poseidon2-koalabear")]
    #[value(name = "poseidon2-koalabear")]
    Poseidon2KoalaBear,
    /// Poseidon2 over BabyBear, hiding, 2^14 rows
    #[serde(rename = "poseidon2-babybear-zk")]
    #[value(name = "poseidon2-babybear-zk")]
    Poseidon2BabyBearZk,
    /// Keccak over KoalaBear, 2^16 rows
    Keccak,
}

impl AirName {
    /// The name as the command line takes it.
    pub fn option_value(self) -> &'static str {
        match self {
            Self::Poseidon1BabyBear => "poseidon1-babybear",
            Self::Poseidon2KoalaBear => "poseidon2-koalabear",
            Self::Poseidon2BabyBearZk => "poseidon2-babybear-zk",
            Self::Keccak => "keccak",
        }
    }

    /// The height that is proven when none was asked for: it takes 1 to 3 GiB.
    pub fn default_rows_log2(self) -> u32 {
        match self {
            Self::Poseidon2KoalaBear => 17,
            Self::Poseidon1BabyBear | Self::Keccak => 16,
            Self::Poseidon2BabyBearZk => 14,
        }
    }
}

/// For people: "Poseidon2 over KoalaBear".
impl fmt::Display for AirName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Poseidon1BabyBear => "Poseidon1 over BabyBear",
            Self::Poseidon2KoalaBear => "Poseidon2 over KoalaBear",
            Self::Poseidon2BabyBearZk => "Poseidon2 over BabyBear, hiding",
            Self::Keccak => "Keccak over KoalaBear",
        })
    }
}

/// Where the trees of spans go.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum TraceTo {
    /// Printed on standard error
    Stderr,
    /// Recorded and built all the same, but not printed
    Sink,
}

/// Parses the command line. A bad one gives one line on standard error and status 2, where clap would give a paragraph.
pub fn parse_or_exit<T: Parser>() -> T {
    T::try_parse().unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => {
            eprintln!("{}: {}", T::command().get_name(), one_line(&error.to_string()));
            std::process::exit(2);
        }
    })
}

/// The part of clap's message that says what is wrong: up to the usage and the advice, joined to one line.
fn one_line(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
