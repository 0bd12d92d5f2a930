//! 64 threads that come and go, blocks from 1 byte to 64 MiB that one thread allocates and another frees, phases opened
//! and closed from four of them, forks from two.
#![forbid(unsafe_code)]

use crate::pattern::{How, Patterned};
use crate::process;
use crate::random::Random;
use crate::work::{open_phase, phase, Pace, FORKS, STEPS, THREADS};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, Scope, ScopedJoinHandle};

const WORKERS: usize = 64;
/// The first workers open and close phases, the next ones fork.
const OPENERS: usize = 4;
const FORKERS: usize = 2;
/// Operations of a thread before it ends and another takes its place.
const LIFE: std::ops::Range<usize> = 5..150;
/// Blocks that a thread keeps for itself, and that wait in its queue for it to free them.
const KEPT_MOST: usize = 24;
const QUEUE_MOST: usize = 48;

const PAGE: usize = 4096;
const SMALL: usize = 64 << 10;
const MEDIUM: usize = 1 << 20;
const LARGE: usize = 64 << 20;
/// All blocks together: no request is too large for a small machine.
const LIVE_MOST: usize = 512 << 20;

struct Churn {
    pace: Pace,
    /// What others have left for a worker to free.
    queues: Vec<Mutex<Vec<Patterned>>>,
    live: AtomicUsize,
}

pub fn run(pace: Pace) -> String {
    let queues = (0..WORKERS).map(|_| Mutex::new(Vec::with_capacity(QUEUE_MOST))).collect();
    let churn = Churn { pace, queues, live: AtomicUsize::new(0) };
    thread::scope(|scope| keep_alive(scope, &churn));
    for queue in &churn.queues {
        queue.lock().expect("no worker panics").drain(..).for_each(|block| churn.free(block));
    }
    assert_eq!(churn.live.into_inner(), 0, "the program itself has lost a block");
    String::new()
}

/// Starts a thread for every worker, and another whenever one ends.
fn keep_alive<'scope>(scope: &'scope Scope<'scope, '_>, churn: &'scope Churn) {
    let mut random = Random::new(churn.pace.seed);
    let (ended, endings) = mpsc::channel();
    let mut start = |place: usize| {
        let (worker, ended) = (Worker::new(churn, place, random.number()), ended.clone());
        THREADS.add(1);
        scope.spawn(move || worker.live(ended))
    };
    let mut workers: Vec<Option<ScopedJoinHandle<'scope, ()>>> = (0..WORKERS).map(|at| Some(start(at))).collect();
    let mut alive = WORKERS;
    while alive > 0 {
        let place = endings.recv().expect("a worker lives");
        if let Some(worker) = workers[place].take() {
            worker.join().expect("no worker panics");
        }
        if churn.pace.goes_on() {
            workers[place] = Some(start(place));
        } else {
            alive -= 1;
        }
    }
}

impl Churn {
    /// A new block, of a size that still fits.
    fn allocate(&self, random: &mut Random) -> Patterned {
        let mut bytes = match random.below(256) {
            0..=1 => random.size(MEDIUM, LARGE),
            2..=31 => random.size(SMALL, MEDIUM),
            32..=159 => random.size(PAGE, SMALL),
            _ => random.size(1, PAGE),
        };
        if !self.reserve(bytes) {
            bytes = random.size(1, 4096);
            // So little that it does not count.
            self.live.fetch_add(bytes, Ordering::Relaxed);
        }
        Patterned::new(How::random(random), bytes)
    }

    fn reserve(&self, bytes: usize) -> bool {
        // Relaxed: a counter.
        let fits = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes <= LIVE_MOST;
        if !fits {
            self.live.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn free(&self, block: Patterned) {
        block.check("at free");
        self.live.fetch_sub(block.bytes(), Ordering::Relaxed);
    }

    fn queue(&self, place: usize) -> MutexGuard<'_, Vec<Patterned>> {
        self.queues[place].lock().expect("no worker panics")
    }

    /// Leaves a block for another worker to free, unless that one is busy or has enough: nobody waits for a fork.
    fn give(&self, place: usize, block: Patterned) {
        if let Ok(mut queue) = self.queues[place].try_lock() {
            if queue.len() < QUEUE_MOST {
                return queue.push(block);
            }
        }
        self.free(block);
    }
}

/// One thread.
struct Worker<'a> {
    churn: &'a Churn,
    place: usize,
    random: Random,
    kept: Vec<Patterned>,
}

impl<'a> Worker<'a> {
    fn new(churn: &'a Churn, place: usize, seed: u64) -> Self {
        Self { churn, place, random: Random::new(seed), kept: Vec::with_capacity(KEPT_MOST + 1) }
    }

    fn live(mut self, ended: Sender<usize>) {
        let opens = self.place < OPENERS;
        let forks = (OPENERS..OPENERS + FORKERS).contains(&self.place);
        let mut phases = Vec::with_capacity(2);
        for _ in 0..LIFE.start + self.random.below(LIFE.len()) {
            if !self.churn.pace.goes_on() {
                break;
            }
            if opens && self.random.once_in(6) {
                // Mostly some phase is open, and often the last one ends.
                match phases.len() {
                    0 => phases.push(open_phase()),
                    1 if self.random.once_in(3) => phases.push(open_phase()),
                    _ => drop(phases.pop()),
                }
            }
            if forks && self.random.once_in(12) {
                self.fork();
            }
            self.step();
            STEPS.add(1);
        }
        drop(phases);
        self.leave();
        ended.send(self.place).expect("the main thread waits for it");
    }

    fn step(&mut self) {
        let Self { churn, random, kept, .. } = self;
        match random.below(32) {
            0..=11 => kept.push(churn.allocate(random)),
            12..=17 => {
                let other = random.below(WORKERS);
                random.take(kept).into_iter().for_each(|block| churn.give(other, block));
            }
            18..=23 => {
                let batch = 1 + random.below(4);
                let mut queue = churn.queue(self.place);
                let first = queue.len().saturating_sub(batch);
                let blocks: Vec<Patterned> = queue.drain(first..).collect();
                drop(queue);
                blocks.into_iter().for_each(|block| churn.free(block));
            }
            24..=26 => random.take(kept).into_iter().for_each(|block| churn.free(block)),
            27..=28 => self.realloc(),
            29 => kept.iter().for_each(|block| block.check("while it is kept")),
            30 => kept.first_mut().into_iter().for_each(Patterned::fill_anew),
            _ => self.rare(),
        }
        if self.kept.len() > KEPT_MOST {
            self.random.take(&mut self.kept).into_iter().for_each(|block| self.churn.free(block));
        }
    }

    /// To anything from half to twice the size, or to any size.
    fn realloc(&mut self) {
        let Some(block) = self.random.take(&mut self.kept) else { return };
        let old = block.bytes();
        let new = if self.random.once_in(3) {
            self.random.size(1, MEDIUM)
        } else {
            (old / 2 + self.random.below(old + old / 2 + 1)).clamp(1, LARGE)
        };
        if !self.churn.reserve(new) {
            self.kept.push(block);
            return;
        }
        self.churn.live.fetch_sub(old, Ordering::Relaxed);
        self.kept.push(block.realloc(new));
    }

    fn rare(&mut self) {
        match self.random.below(8) {
            0 => {
                zkalloc::trim(self.random.below(LIVE_MOST));
            }
            1 => {
                zkalloc::set_thread_enabled(self.random.once_in(2));
            }
            _ => thread::yield_now(),
        }
    }

    /// The child finds every block of this thread, and of its queue, as the parent left them, and can go on from there.
    fn fork(&mut self) {
        FORKS.add(1);
        let Self { churn, place, random, kept } = self;
        // The queue's blocks come from other threads; with the lock held, none of them is being changed.
        let queue = churn.queue(*place);
        let mut child_random = Random::new(random.number());
        let exit_handlers = random.once_in(2);
        process::fork(exit_handlers, || {
            let inherited = std::mem::take(kept);
            queue.iter().chain(&inherited).for_each(|block| block.check("inherited by a forked child"));
            work_alone(inherited, &mut child_random);
            queue.iter().for_each(|block| block.check("at the end of a forked child"));
        });
    }

    /// Half of what an ending thread holds is freed by others.
    fn leave(&mut self) {
        for (index, block) in std::mem::take(&mut self.kept).into_iter().enumerate() {
            if index % 2 == 0 {
                self.churn.free(block);
            } else {
                self.churn.give(self.random.below(WORKERS), block);
            }
        }
    }
}

/// What a forked child does: it allocates and frees, its own and what it inherited, in a phase and outside.
fn work_alone(mut blocks: Vec<Patterned>, random: &mut Random) {
    let some = |random: &mut Random, blocks: &mut Vec<Patterned>| {
        for _ in 0..12 {
            blocks.push(Patterned::new(How::random(random), random.size(1, 2 * MEDIUM)));
            random.take(blocks).into_iter().for_each(|block| block.check("in a forked child"));
        }
    };
    some(random, &mut blocks);
    phase(|| some(random, &mut blocks));
    zkalloc::trim(0);
    blocks.iter().for_each(|block| block.check("in a forked child, after trim"));
}
