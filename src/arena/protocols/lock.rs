//! The futex mutex: it excludes, passes on what was written, and loses no wake-up.
#![forbid(unsafe_code)]

use super::frame::join;
use super::{spawn, Change, Model, MutantLine};
use crate::sync::Lock;
use std::rc::Rc;

/// Each thread counts under the lock, one of them twice; whoever finds the lock taken sleeps.
fn count_under(threads: usize, rounds: usize) {
    let lock = Rc::new(Lock::new());
    let count = Rc::new(loom::cell::Cell::new(0));
    drop(lock.lock());
    let body = |rounds: usize| {
        let (lock, count) = (lock.clone(), count.clone());
        move || {
            for _ in 0..rounds {
                let _guard = lock.lock();
                count.set(count.get() + 1);
            }
        }
    };
    let others: Vec<_> = (1..threads).map(|_| spawn(body(1))).collect();
    body(rounds)();
    join(others);
    assert_eq!(count.get(), threads - 1 + rounds);
}

const MUTANTS: &[MutantLine] = &[
    ("sync/lock.rs", "if self.word.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_err()", Change::Relax),
    ("sync/lock.rs", "if self.word.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_err()", Change::Split),
    ("sync/lock.rs", "while self.word.swap(CONTENDED, Acquire)", Change::Relax),
    ("sync/lock.rs", "while self.word.swap(CONTENDED, Acquire)", Change::Split),
    ("sync/lock.rs", "if self.word.swap(UNLOCKED, Release)", Change::Relax),
    ("sync/lock.rs", "platform::futex_wake(&self.word, 1)", Change::Skip),
];

#[test]
fn lock() {
    Model::new("lock: two threads, three turns", || count_under(2, 2)).with_real_locks().mutants(MUTANTS).check();
}

#[test]
fn lock_of_three() {
    Model::new("lock: three threads", || count_under(3, 1))
        .bounded(3)
        .with_real_locks()
        .mutants(&[("sync/lock.rs", "platform::futex_wake(&self.word, 1)", Change::Skip)])
        .check();
}
