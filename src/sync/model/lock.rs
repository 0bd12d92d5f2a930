//! The lock: its own code under shuttle, and in loom's models of the lock and of fork; in all others loom's mutex, which is
//! what those show it to be, and makes them much smaller.
#![forbid(unsafe_code)]

use super::mutant::{change, Change};
use crate::platform::checker::{current, Mutex, MutexGuard, ThreadId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

thread_local! {
    static REAL_LOCKS: Cell<bool> = const { Cell::new(false) };
    static LOCKS: RefCell<Locks> = RefCell::default();
}

/// Loom's mutexes by address.
#[derive(Default)]
struct Locks {
    mutexes: HashMap<usize, &'static Mutex<()>>,
    /// Who holds them: a lock and its release may be in different functions.
    held: HashMap<usize, (ThreadId, MutexGuard<'static, ()>)>,
}

/// Begins an interleaving. `real_locks`: `Lock` runs its own code, not loom's mutex.
pub fn begin(real_locks: bool) {
    REAL_LOCKS.set(real_locks || cfg!(shuttle));
    LOCKS.take();
}

/// See `cell::abandon`.
pub fn abandon() {
    std::mem::forget(LOCKS.take());
}

#[derive(Default)]
#[repr(transparent)]
pub struct Lock {
    real: crate::sync::lock::Lock,
}

/// Keeps a [`Lock`] until dropped.
pub struct Guard<'a> {
    lock: &'a Lock,
}

impl Lock {
    pub const fn new() -> Self {
        Self { real: crate::sync::lock::Lock::new() }
    }

    #[track_caller]
    pub fn lock(&self) -> Guard<'_> {
        self.acquire();
        Guard { lock: self }
    }

    pub fn try_lock(&self) -> Option<Guard<'_>> {
        let won = if REAL_LOCKS.get() {
            self.real.try_lock().map(std::mem::forget).is_some()
        } else {
            self.mutex().try_lock().is_ok_and(|guard| self.keep(guard))
        };
        // Lazily: a guard that was never won must not be dropped.
        won.then(|| Guard { lock: self })
    }

    #[track_caller]
    pub fn acquire(&self) {
        if change() == Some(Change::Skip) {
        } else if REAL_LOCKS.get() {
            self.real.acquire();
        } else {
            self.keep(self.mutex().lock().unwrap_or_else(|_| panic!("poisoned")));
        }
    }

    pub fn release(&self) {
        if REAL_LOCKS.get() {
            self.real.release();
            return;
        }
        let me = current().id();
        // A mutant that has left the locking out has nothing to release.
        let guard = LOCKS.with_borrow_mut(|locks| {
            locks
                .held
                .get(&self.addr())
                .is_some_and(|(holder, _)| *holder == me)
                .then(|| locks.held.remove(&self.addr()))
        });
        // Outside of the borrow: other threads may run now.
        drop(guard);
    }

    fn addr(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn keep(&self, guard: MutexGuard<'static, ()>) -> bool {
        let me = current().id();
        LOCKS.with_borrow_mut(|locks| locks.held.insert(self.addr(), (me, guard)));
        true
    }

    fn mutex(&self) -> &'static Mutex<()> {
        let found = LOCKS.with_borrow(|locks| locks.mutexes.get(&self.addr()).copied());
        found.unwrap_or_else(|| {
            // Leaked, a few dozen bytes in each interleaving: its guards are kept in a table.
            let new: &'static _ = Box::leak(Box::new(Mutex::new(())));
            LOCKS.with_borrow_mut(|locks| locks.mutexes.insert(self.addr(), new));
            new
        })
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.lock.release();
    }
}
