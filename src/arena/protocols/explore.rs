//! Exploring a model with loom: completely, or up to so many preemptions.
#![forbid(unsafe_code)]

use super::frame::join;
use super::{describe, model, spawn, world, Model, Mutant, Outcome};
use crate::sync::model::NextRound;
use crate::sync::AtomicU32;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Model {
    /// `MODEL_MORE_PREEMPTIONS` raises the bound; `all` takes it away.
    fn bound(&self) -> Option<usize> {
        match std::env::var("MODEL_MORE_PREEMPTIONS").as_deref() {
            Ok("all") => None,
            Ok(more) => self.preemptions.map(|bound| bound + more.parse::<usize>().unwrap_or(0)),
            Err(_) => self.preemptions,
        }
    }

    pub fn explore(&self, mutant: Option<Mutant>, limit: Option<Duration>) -> Outcome {
        // A model that is small enough to be explored completely is, whatever that takes.
        let limit = limit.or_else(|| self.preemptions.and_then(|_| super::limit()));
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
        let extent = match (is_complete, self.bound()) {
            (false, _) if failure.is_some() => "interleavings (failed)".to_owned(),
            (false, _) => "interleavings (stopped by the clock)".to_owned(),
            (true, None) => "interleavings (all)".to_owned(),
            (true, Some(bound)) => format!("interleavings (all of up to {bound} preemptions)"),
        };
        Outcome { count: count.load(Relaxed), extent, failure, mutations }
    }
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
    let model = Model::new("checker", body);
    assert!(model.explore(None, None).failure.is_none());
    assert_eq!(SEEN.load(Relaxed), 3);
}
