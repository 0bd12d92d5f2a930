//! Exploring a model with shuttle: schedules that are drawn, half of them anywhere, half with few preemptions (PCT). The
//! same seed draws the same schedules, and the same steps (`shuttle::rand`).
#![forbid(unsafe_code)]

use super::{describe, model, world, Model, Mutant, Outcome};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

/// Schedules of each kind, unless there is a time for them.
const SCHEDULES: usize = 10_000;
/// Preemptions of a PCT schedule: most defects need one or two.
const DEPTH: usize = 3;

/// What `MODEL_SEED` says.
fn seed() -> u64 {
    std::env::var("MODEL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

impl Model {
    pub fn explore(&self, mutant: Option<Mutant>, _: Option<Duration>) -> Outcome {
        let (limit, seed) = (super::limit(), seed());
        let schedules = if limit.is_some() { usize::MAX } else { SCHEDULES };
        let count = Arc::new(AtomicU64::new(0));
        let (counter, body) = (count.clone(), self.body);
        // In a thread of its own: what a failed schedule leaves behind is left there.
        let thread = std::thread::spawn(move || {
            let explored = std::panic::catch_unwind(AssertUnwindSafe(|| {
                run(RandomScheduler::new_from_seed(seed, schedules), limit, mutant, body, &counter);
                run(PctScheduler::new_from_seed(seed, DEPTH, schedules), limit, mutant, body, &counter);
            }));
            model::abandon();
            world::abandon();
            (explored.err().map(describe), model::mutations())
        });
        let (failure, mutations) = thread.join().unwrap_or_else(|error| (Some(describe(error)), 0));
        let extent = format!("schedules (random and PCT, seed {seed})");
        Outcome { count: count.load(Relaxed), extent, failure, mutations }
    }
}

fn run(
    scheduler: impl Scheduler + 'static,
    limit: Option<Duration>,
    mutant: Option<Mutant>,
    body: fn(),
    count: &Arc<AtomicU64>,
) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    // Orderings are loom's.
    config.silence_warnings = true;
    config.max_time = limit.map(|limit| limit / 2);
    config.failure_persistence = FailurePersistence::None;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    let count = count.clone();
    Runner::new(scheduler, config).run(move || {
        model::begin(mutant, true);
        count.fetch_add(1, Relaxed);
        world::begin();
        body();
    });
}
