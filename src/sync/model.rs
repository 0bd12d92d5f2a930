//! The atomics and the lock's shadow under a model checker (`--cfg loom` or `--cfg shuttle`, tests only), and the mutants.
//!
//! A checker's own atomics cannot be zero pages, as the library's tables are. So an atomic here is only its first value;
//! what it holds lives in a checker's atomic that is found by address and is new in every interleaving. The library's
//! code, its statics and its tables are checked as they are.
//!
//! loom explores one order of two operations only when they depend on each other, remembers only the last operation on
//! an object, and takes loads for independent of loads. So it does not see that a write of one thread may come before a
//! load of another when the first thread has loaded the object itself in between (arena/protocols/mod.rs has a test).
//! Here every load begins with a store to a gate of its atomic, so that loads depend on each other as well; not where nobody writes
//! while there are threads, which shows in a first round of exploring.
#![forbid(unsafe_code)]

mod atomic;
mod cell;
mod fork;
mod lock;
mod mutant;

pub use crate::platform::checker::{checked_thread_local, Condvar, JoinHandle, Mutex, Word};
pub use atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicU8, AtomicUsize};
pub use cell::{end_threads, spawn};
#[cfg(loom)]
pub use cell::{next_round, NextRound};
pub use fork::{begin_fork, end_fork, enter_child, is_gone, is_not_in_child, NotInChild};
pub use lock::{Guard, Lock};
pub use mutant::{change, mutations, Change, Mutant};

/// Begins an interleaving, in its main thread. `real_locks`: `Lock` runs its own code, not loom's mutex.
pub fn begin(mutant: Option<Mutant>, real_locks: bool) {
    mutant::become_mutant(mutant);
    end_fork();
    lock::begin(real_locks);
    cell::begin();
}

/// After an interleaving that failed: what it has left cannot be dropped any more.
pub fn abandon() {
    cell::abandon();
    lock::abandon();
}
