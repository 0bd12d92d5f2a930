//! Programs that try everything at once, each for as long as it is told: `adversary churn --minutes 60`.
//!
//! Each ends with one line that says what it did, or at the first damaged byte with one line that says where.
#![forbid(unsafe_code)]

mod churn;
mod node;
mod node_store;
mod proof_churn;
mod recursion;
mod survivors;
mod two_provers;

use crate::process::exit_now;
use crate::program::{require_engaged, set_seed, USAGE, WITHOUT_LIBRARY};
use crate::work::{self, Length, Pace, PHASES};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{panic, process};

struct Adversary {
    name: &'static str,
    /// What its steps are called. `--count` counts them, but for the survivors, where it counts phases.
    steps: &'static str,
    /// When nothing else was asked for: at most a minute on two processors.
    length: Length,
    /// What it has to add to the count of what it did, "" for nothing.
    run: fn(Pace) -> String,
}

/// Seconds on two processors.
const TWENTY_SECONDS: Length = Length::time(Duration::from_secs(20));

const ADVERSARIES: [Adversary; 6] = [
    Adversary { name: "churn", steps: "operations", length: TWENTY_SECONDS, run: churn::run },
    Adversary { name: "survivors", steps: "blocks checked", length: Length::count(1000), run: survivors::run },
    Adversary { name: "recursion", steps: "proofs", length: Length::count(100), run: recursion::run },
    Adversary { name: "two_provers", steps: "proofs", length: Length::count(120), run: two_provers::run },
    Adversary { name: "node", steps: "buffers", length: TWENTY_SECONDS, run: node::run },
    Adversary { name: "proof_churn", steps: "proofs", length: Length::count(1000), run: proof_churn::run },
];

/// The whole program.
pub fn main() {
    let options = Options::parse(std::env::args().skip(1)).unwrap_or_else(|error| {
        eprintln!("adversary: {error}");
        process::exit(USAGE);
    });
    let Options { adversary, length, seed, library_expected } = options;
    set_seed(seed);
    end_at_the_first_panic();
    eprintln!("{}: seed {seed}", adversary.name);
    work::watch();
    let more = (adversary.run)(Pace::start(length, seed));
    if library_expected {
        require_engaged(PHASES.get());
    }
    let blocks = zkalloc::stats().map_or(0, |stats| stats.arena_allocs);
    let separator = if more.is_empty() { "" } else { ", " };
    let (name, summary, blocks) = (adversary.name, work::summary(adversary.steps), work::grouped(blocks));
    println!("{name}: {summary}, {blocks} blocks of the arena{separator}{more}");
}

/// A thread that panics must not leave the others waiting for it.
fn end_at_the_first_panic() {
    panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        exit_now(101);
    }));
}

struct Options {
    adversary: &'static Adversary,
    length: Length,
    seed: u64,
    library_expected: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let names = ADVERSARIES.map(|adversary| adversary.name).join(", ");
        let usage = format!("one of {names}, then --minutes N, --count N, --seed N or {WITHOUT_LIBRARY}");
        let name = arguments.next().ok_or_else(|| format!("expected {usage}"))?;
        let adversary = ADVERSARIES.iter().find(|adversary| adversary.name == name);
        let adversary = adversary.ok_or_else(|| format!("no program \"{name}\": expected {usage}"))?;
        let mut options = Self { adversary, length: Length::count(0), seed: any_seed(), library_expected: true };
        while let Some(option) = arguments.next() {
            let mut number = |what| {
                let value = arguments.next().and_then(|value| value.parse::<f64>().ok());
                let value = value.filter(|&value| value > 0.0 && value < 1e15);
                value.ok_or_else(|| format!("{option} needs a number of {what} above 0"))
            };
            match option.as_str() {
                "--minutes" => options.length.time = Duration::from_secs_f64(number("minutes")? * 60.0),
                "--count" => options.length.count = number(adversary.steps)? as u64,
                "--seed" => options.seed = number("a seed")? as u64,
                WITHOUT_LIBRARY => options.library_expected = false,
                _ => return Err(format!("unknown option \"{option}\": expected {usage}")),
            }
        }
        if options.length == Length::count(0) {
            options.length = adversary.length;
        }
        Ok(options)
    }
}

fn any_seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.subsec_nanos());
    u64::from(time) % 1_000_000 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn lengths_are_read() {
        let length = |line| parse(line).map(|options| options.length);
        assert_eq!(length("churn --minutes 0.5"), Ok(Length::time(Duration::from_secs(30))));
        assert_eq!(length("recursion --count 7 --seed 3"), Ok(Length::count(7)));
        let both = Length { time: Duration::from_secs(60), count: 7 };
        assert_eq!(length("recursion --minutes 1 --count 7"), Ok(both));
        assert_eq!(length("recursion"), Ok(Length::count(100)));
        assert_eq!(parse("node --seed 3").map(|options| options.seed), Ok(3));
    }

    #[test]
    fn bad_arguments_are_one_line() {
        for line in ["", "nobody", "churn --minutes", "churn --minutes x", "churn --count 0", "churn --fast", "node 5"]
        {
            let error = parse(line).err().expect(line);
            assert!(!error.contains('\n') && !error.is_empty(), "{error}");
        }
    }
}
