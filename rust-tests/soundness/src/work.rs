//! What a long program has done so far, how long it goes on, and who notices that it stands still.
#![forbid(unsafe_code)]

use crate::process::exit_now;
use crate::program::HANG;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use zkalloc::PhaseGuard;

/// A counter of the whole process.
pub struct Count(AtomicU64);

// Relaxed throughout: counters that guard no other memory.
impl Count {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whatever the program counts: what `--count` limits, and what the watchdog looks at.
pub static STEPS: Count = Count(AtomicU64::new(0));
pub static THREADS: Count = Count(AtomicU64::new(0));
pub static FORKS: Count = Count(AtomicU64::new(0));
pub static PHASES: Count = Count(AtomicU64::new(0));

/// Opens a phase and counts it.
pub fn open_phase() -> PhaseGuard {
    PHASES.add(1);
    PhaseGuard::new()
}

/// Runs `work` in a phase, which is counted.
pub fn phase<R>(work: impl FnOnce() -> R) -> R {
    let _phase = open_phase();
    work()
}

/// How long to go on: until both are reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    pub time: Duration,
    pub count: u64,
}

impl Length {
    pub const fn time(time: Duration) -> Self {
        Self { time, count: 0 }
    }

    pub const fn count(count: u64) -> Self {
        Self { time: Duration::ZERO, count }
    }
}

/// The length, from the moment it was started.
#[derive(Clone, Copy)]
pub struct Pace {
    length: Length,
    started: Instant,
    pub seed: u64,
}

impl Pace {
    pub fn start(length: Length, seed: u64) -> Self {
        Self { length, started: Instant::now(), seed }
    }

    pub fn goes_on(&self) -> bool {
        self.goes_on_after(STEPS.get())
    }

    /// For a program whose length is counted in something else than its steps.
    pub fn goes_on_after(&self, done: u64) -> bool {
        done < self.length.count || self.started.elapsed() < self.length.time
    }
}

/// Nothing in these programs takes nearly as long, on a busy machine either.
const STANDS_STILL: Duration = Duration::from_secs(50);

/// Starts a thread that ends the process when no step was made for long.
pub fn watch() {
    thread::spawn(|| {
        let (mut seen, mut since) = (STEPS.get(), Instant::now());
        loop {
            thread::sleep(Duration::from_millis(500));
            let steps = STEPS.get();
            if steps != seen {
                (seen, since) = (steps, Instant::now());
            } else if since.elapsed() > STANDS_STILL {
                eprintln!("hang: nothing has moved for {} s after {steps} steps", STANDS_STILL.as_secs());
                exit_now(HANG);
            }
        }
    });
}

/// 1234567 as "1,234,567".
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Everything counted that is not 0, the steps by their name.
pub fn summary(steps: &str) -> String {
    let counts = [(&STEPS, steps), (&THREADS, "threads"), (&FORKS, "forks"), (&PHASES, "phases")];
    let counted = counts.iter().filter(|(count, _)| count.get() > 0);
    counted.map(|(count, name)| format!("{} {name}", grouped(count.get()))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn a_pace_ends() {
        assert!(Pace::start(Length::time(Duration::from_secs(600)), 1).goes_on());
        assert!(!Pace::start(Length::time(Duration::ZERO), 1).goes_on());
        assert!(!Pace::start(Length::count(0), 1).goes_on());
        assert!(Pace::start(Length { time: Duration::ZERO, count: u64::MAX }, 1).goes_on());
    }
}
