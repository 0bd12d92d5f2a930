//! The arena's concurrent protocols under two model checkers. loom explores the code itself, with few and small tables,
//! completely: every interleaving, and every value that a load may see. shuttle draws schedules of larger models (`crowd`): it
//! takes every atomic for sequentially consistent. scripts/checks/loom and scripts/checks/shuttle run them.
//!
//! Each model comes with mutants: a line of the library with its orderings weakened, its atomicity taken or its write
//! left out. A model that stays content with a mutant has missed it, and fails.
#![forbid(unsafe_code)]

#[cfg(loom)]
mod background;
#[cfg(shuttle)]
mod crowd;
#[cfg(loom)]
mod cursors;
#[cfg(shuttle)]
mod draw;
#[cfg(loom)]
mod explore;
#[cfg(loom)]
mod fork;
mod frame;
#[cfg(loom)]
mod lock;
#[cfg(loom)]
mod phases;
mod process;
#[cfg(loom)]
mod slots;
#[cfg(loom)]
mod spans;
#[cfg(loom)]
mod trim;

use super::Arena;
use crate::platform::model as world;
use crate::sync::model::{self, spawn, Change, Mutant};
use std::time::{Duration, Instant};

/// A protocol, and how far it is explored.
#[derive(Clone, Copy)]
struct Model {
    name: &'static str,
    body: fn(),
    /// For loom: switches away from a thread that could go on, in one interleaving. `None`: as many as there are.
    preemptions: Option<usize>,
    real_locks: bool,
    mutants: &'static [MutantLine],
}

/// File below `src/`, text of the line, and what happens to it.
type MutantLine = (&'static str, &'static str, Change);

/// What exploring came to.
struct Outcome {
    count: u64,
    /// What of, and how far that is.
    extent: String,
    failure: Option<String>,
    mutations: u64,
}

impl Model {
    const fn new(name: &'static str, body: fn()) -> Self {
        Self { name, body, preemptions: None, real_locks: false, mutants: &[] }
    }

    /// Too large to be explored completely: only up to so many preemptions.
    #[cfg(loom)]
    const fn bounded(self, preemptions: usize) -> Self {
        Self { preemptions: Some(preemptions), ..self }
    }

    /// `Lock` runs its own code, not loom's mutex.
    #[cfg(loom)]
    const fn with_real_locks(self) -> Self {
        Self { real_locks: true, ..self }
    }

    const fn mutants(self, mutants: &'static [MutantLine]) -> Self {
        Self { mutants, ..self }
    }

    /// Explores the model, then each of its mutants, and prints the row that scripts/models collects.
    fn check(self) {
        let begin = Instant::now();
        let sound = self.explore(None, None);
        let seconds = begin.elapsed().as_secs_f64();
        // A mutant's panic is what it should come to.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let mut missed = Vec::new();
        for &(file, text, change) in self.mutants {
            for line in lines_of(file, text) {
                let mutant = Mutant { file, line, change };
                let outcome = self.explore(Some(mutant), Some(Duration::from_secs(60)));
                let caught = outcome.failure.as_ref().filter(|why| outcome.mutations > 0 && !why.starts_with("MODEL"));
                let what = format!("{change:?} {file}:{line}: {}", text.trim());
                match caught {
                    Some(why) => {
                        let why = why.lines().next().unwrap_or("");
                        eprintln!("{}: {what}: caught in {}: {why}", self.name, outcome.count);
                    }
                    None => missed.push(format!("{what}: {:?}, {} times", outcome.failure, outcome.mutations)),
                }
            }
        }
        std::panic::set_hook(hook);
        println!(
            "\nMODEL\t{}\t{} {}\t{seconds:.1}\t{}\t{}",
            self.name,
            sound.count,
            sound.extent,
            if sound.failure.is_none() { "ok" } else { "FAILED" },
            if missed.is_empty() { "caught" } else { "MISSED" },
        );
        assert!(sound.failure.is_none(), "{}: {}", self.name, sound.failure.unwrap_or_default());
        assert!(missed.is_empty(), "{}: missed: {missed:#?}", self.name);
        assert!(!self.mutants.is_empty(), "{}: no mutant", self.name);
    }
}

/// How long a model may take, if scripts/models says so.
fn limit() -> Option<Duration> {
    std::env::var("MODEL_SECONDS").ok().and_then(|text| text.parse().ok()).map(Duration::from_secs)
}

fn describe(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "panic".to_owned())
}

/// The lines of a file of the library in which `text` stands; there must be one. A line feed: the line's start.
fn lines_of(file: &str, text: &str) -> Vec<u32> {
    let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines: Vec<u32> =
        (1..).zip(source.lines()).filter(|(_, line)| format!("\n{line}").contains(text)).map(|(at, _)| at).collect();
    assert!(!lines.is_empty(), "{path}: a mutant's line is gone: {text}");
    lines
}
