//! Deferred garbage: crossbeam-epoch keeps closures, bags of 64 of them and the records of its threads, until every
//! thread has moved on, which may be many phases after they were allocated.
#![forbid(unsafe_code)]

use crossbeam_epoch as epoch;
use soundness::program::{require, run};
use soundness::survivor::{Block, Survivors};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A sealed bag in the global queue: 64 closures of 32 bytes, their count, the epoch and a link.
const BAG_BYTES: usize = 64 * 32 + 3 * 8;
const CYCLES: u64 = 40;
/// Phases for which a pinned thread holds all garbage back.
const PHASES_HELD: u64 = 5;
const THREADS: usize = 2;
/// Not a multiple of a bag, so that every thread leaves a bag half full.
const DEFERRED_PER_THREAD: usize = 150;

static EXECUTED: AtomicUsize = AtomicUsize::new(0);

fn main() {
    run(|_| {
        let mut survivors = Survivors::new(&[BAG_BYTES]);
        let mut deferred = 0;
        for cycle in 0..CYCLES / PHASES_HELD {
            let pinned = epoch::pin();
            for _ in 0..PHASES_HELD {
                zkalloc::phase(|| {
                    survivors.challenge();
                    deferred += defer_on_threads();
                    survivors.plant();
                });
            }
            drop(pinned);
            if cycle % 2 == 0 {
                collect(deferred);
            } else {
                zkalloc::phase(|| survivors.challenge());
            }
        }
        collect(deferred);
        CYCLES + CYCLES / PHASES_HELD / 2
    });
}

/// Returns the number of closures deferred by threads that have ended since.
fn defer_on_threads() -> usize {
    let defer_all = || {
        let guard = epoch::pin();
        for index in 0..DEFERRED_PER_THREAD {
            let block = Block::new([48, 1024, 4096][index % 3]);
            guard.defer(move || {
                block.check("deferred garbage");
                // Relaxed: a counter, read after the thread that executes was joined or is the reader itself.
                EXECUTED.fetch_add(1, Ordering::Relaxed);
            });
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(defer_all);
        }
    });
    THREADS * DEFERRED_PER_THREAD
}

/// Executes all closures deferred so far. The epoch advances by one step at a time, and each flush runs a few bags.
fn collect(deferred: usize) {
    const ENOUGH: usize = 100_000;
    let mut flushes = 0;
    while EXECUTED.load(Ordering::Relaxed) < deferred && flushes < ENOUGH {
        epoch::pin().flush();
        flushes += 1;
    }
    let executed = EXECUTED.load(Ordering::Relaxed);
    require(executed == deferred, "deferred closures were lost or run twice");
}
