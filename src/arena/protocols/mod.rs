//! The arena's concurrent protocols, explored by loom: every interleaving, and every value that a load may see, of the
//! code itself with few and small tables. scripts/checks/loom runs them.
//!
//! Each model comes with mutants: a line of the library with its orderings weakened, its atomicity taken or its write
//! left out. A model that stays content with a mutant has missed it, and fails.
#![forbid(unsafe_code)]

mod background;
mod cursors;
mod fork;
mod frame;
mod lock;
mod phases;
mod slots;
mod spans;
mod trim;

use super::Arena;
use crate::platform::model as world;
use crate::sync::model::{self, spawn, Change, Mutant, NextRound};
use crate::sync::AtomicU32;
use frame::join;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A protocol, and how far it is explored.
struct Model {
    name: &'static str,
    body: fn(),
    /// Switches away from a thread that could go on, in one interleaving. `None`: as many as there are.
    preemptions: Option<usize>,
    real_locks: bool,
    mutants: &'static [MutantLine],
}

/// File below `src/`, text of the line, and what happens to it.
type MutantLine = (&'static str, &'static str, Change);

/// What exploring came to.
struct Outcome {
    interleavings: u64,
    is_complete: bool,
    failure: Option<String>,
    mutations: u64,
}

impl Model {
    /// Explores the model, then each of its mutants, and prints the row that scripts/checks/loom collects.
    fn check(&self) {
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
                    Some(why) => eprintln!("{}: {what}: caught: {}", self.name, why.lines().next().unwrap_or("")),
                    None => missed.push(format!("{what}: {:?}, {} times", outcome.failure, outcome.mutations)),
                }
            }
        }
        std::panic::set_hook(hook);
        let bound = match (sound.is_complete, self.bound()) {
            (false, _) => "stopped by the clock".to_owned(),
            (true, None) => "all".to_owned(),
            (true, Some(bound)) => format!("all of up to {bound} preemptions"),
        };
        println!(
            "\nLOOM\t{}\t{}\t{bound}\t{seconds:.1}\t{}\t{}",
            self.name,
            sound.interleavings,
            if sound.failure.is_none() { "ok" } else { "FAILED" },
            if missed.is_empty() { "caught" } else { "MISSED" },
        );
        assert!(sound.failure.is_none(), "{}: {}", self.name, sound.failure.unwrap_or_default());
        assert!(missed.is_empty(), "{}: missed: {missed:#?}", self.name);
        assert!(!self.mutants.is_empty(), "{}: no mutant", self.name);
    }

    /// `MODEL_MORE_PREEMPTIONS` raises the bound; `all` takes it away.
    fn bound(&self) -> Option<usize> {
        match std::env::var("MODEL_MORE_PREEMPTIONS").as_deref() {
            Ok("all") => None,
            Ok(more) => self.preemptions.map(|bound| bound + more.parse::<usize>().unwrap_or(0)),
            Err(_) => self.preemptions,
        }
    }

    fn explore(&self, mutant: Option<Mutant>, limit: Option<Duration>) -> Outcome {
        let seconds = std::env::var("MODEL_SECONDS").ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let limit = limit.or(seconds);
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 20_000;
        builder.preemption_bound = self.bound();
        builder.checkpoint_interval = 1000;
        builder.max_duration = limit;
        let count = Arc::new(AtomicU64::new(0));
        let (counter, body, real_locks) = (count.clone(), self.body, self.real_locks);
        // In a thread of its own: what a failed interleaving leaves behind is left there.
        let thread = std::thread::spawn(move || {
            let explored = loop {
                let counter = counter.clone();
                counter.store(0, Relaxed);
                let explored = std::panic::catch_unwind(AssertUnwindSafe(|| {
                    builder.check(move || {
                        model::begin(mutant, real_locks);
                        counter.fetch_add(1, Relaxed);
                        world::begin();
                        body();
                    });
                }));
                model::abandon();
                world::abandon();
                let is_new = model::next_round();
                match explored {
                    Err(panic) if panic.is::<NextRound>() => {}
                    Ok(()) if is_new => {}
                    explored => break explored,
                }
            };
            (explored.err().map(describe), model::mutations())
        });
        let begin = Instant::now();
        let (failure, mutations) = thread.join().unwrap_or_else(|error| (Some(describe(error)), 0));
        let is_complete = failure.is_none() && limit.is_none_or(|limit| begin.elapsed() < limit);
        Outcome { interleavings: count.load(Relaxed), is_complete, failure, mutations }
    }
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

/// The checker itself: a write that comes after a load of the same thread is explored before another thread's load.
#[test]
fn the_checker_sees_both_orders() {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let body = || {
        let word = Rc::new(AtomicU32::new(0));
        let other = {
            let word = word.clone();
            spawn(move || {
                word.load(Relaxed);
                word.fetch_or(1, Relaxed);
            })
        };
        SEEN.fetch_or(1 << word.load(Relaxed), Relaxed);
        join([other]);
    };
    let model = Model { name: "checker", body, preemptions: None, real_locks: false, mutants: &[] };
    assert!(model.explore(None, None).failure.is_none());
    assert_eq!(SEEN.load(Relaxed), 3);
}
