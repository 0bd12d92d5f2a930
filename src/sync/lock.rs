//! The one lock: a futex mutex.
#![forbid(unsafe_code)]

use super::{AtomicU32, Ordering};
use crate::platform;
use Ordering::{Acquire, Relaxed, Release};

const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// Turns a waiter spends looking before it asks the kernel to sleep. Critical sections are a few dozen instructions.
const SPINS: u32 = if cfg!(modelled) { 1 } else { 100 };

/// A futex mutex of one word; all zero bits mean unlocked, so that it can live in fresh pages.
///
/// No poisoning, no allocation, no call into another library (I3). Not recursive.
#[derive(Default)]
pub struct Lock {
    word: AtomicU32,
}

/// Keeps a [`Lock`] until dropped.
pub struct Guard<'a> {
    lock: &'a Lock,
}

impl Lock {
    pub const fn new() -> Self {
        Self { word: AtomicU32::new(UNLOCKED) }
    }

    #[inline]
    pub fn lock(&self) -> Guard<'_> {
        self.acquire();
        Guard { lock: self }
    }

    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_>> {
        // Acquire: pairs with the Release in `release`.
        let won = self.word.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_ok();
        // Lazily: a guard that was never won must not be dropped.
        won.then(|| Guard { lock: self })
    }

    /// Locks without a guard: for the fork handlers, which lock in one function and unlock in another.
    #[inline]
    pub fn acquire(&self) {
        // Acquire: pairs with the Release in `release`.
        if self.word.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_err() {
            self.acquire_contended();
        }
    }

    #[cold]
    fn acquire_contended(&self) {
        for _ in 0..SPINS {
            if self.word.load(Relaxed) == UNLOCKED
                && self.word.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_ok()
            {
                return;
            }
            platform::relax();
        }
        // Whoever sleeps leaves CONTENDED behind, so that the holder knows that it must wake somebody.
        while self.word.swap(CONTENDED, Acquire) != UNLOCKED {
            platform::futex_wait(&self.word, CONTENDED);
        }
    }

    /// The other half of [`Lock::acquire`].
    #[inline]
    pub fn release(&self) {
        // Release: pairs with the Acquire of the next holder.
        if self.word.swap(UNLOCKED, Release) == CONTENDED {
            platform::futex_wake(&self.word, 1);
        }
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::AtomicU64;

    #[test]
    fn a_failed_try_does_not_unlock() {
        let lock = Lock::new();
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock().is_none(), "the first failure has released the lock");
        drop(guard);
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn it_excludes() {
        let lock = Lock::new();
        let count = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let _guard = lock.lock();
                        count.store(count.load(Relaxed) + 1, Relaxed);
                    }
                });
            }
        });
        assert_eq!(count.load(Relaxed), 80_000);
    }
}
