//! Phases: proofs, as the program marks them. They count, process-wide; they may nest and overlap between threads.
#![forbid(unsafe_code)]

use crate::sync::{AtomicU32, AtomicU64, Lock, Ordering};
use Ordering::Relaxed;

/// What is alive in the arena at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    pub blocks: u64,
    pub bytes: u64,
}

#[derive(Default)]
pub struct Phases {
    /// Guards the transitions between no phase and one: what they switch on and off must not be reordered.
    pub lock: Lock,
    depth: AtomicU32,
    begun: AtomicU64,
    ended: AtomicU64,
    survivor_blocks: AtomicU64,
    survivor_bytes: AtomicU64,
}

/// No phase is open.
#[derive(Debug, PartialEq, Eq)]
pub struct NotOpen;

impl Phases {
    pub const fn new() -> Self {
        Self {
            lock: Lock::new(),
            depth: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            survivor_blocks: AtomicU64::new(0),
            survivor_bytes: AtomicU64::new(0),
        }
    }

    /// Opens a phase; `on_first` runs, under the lock, if none was open.
    pub fn begin(&self, on_first: impl FnOnce()) {
        let _guard = self.lock.lock();
        self.begun.fetch_add(1, Relaxed);
        if self.depth.fetch_add(1, Relaxed) == 0 {
            on_first();
        }
    }

    /// Closes a phase; `on_last` runs, under the lock, if it was the only one, and says what is still alive.
    pub fn end(&self, on_last: impl FnOnce() -> Live) -> Result<(), NotOpen> {
        let _guard = self.lock.lock();
        let depth = self.depth.load(Relaxed);
        if depth == 0 {
            return Err(NotOpen);
        }
        self.depth.store(depth - 1, Relaxed);
        if depth == 1 {
            let survivors = on_last();
            self.survivor_blocks.store(survivors.blocks, Relaxed);
            self.survivor_bytes.store(survivors.bytes, Relaxed);
        }
        self.ended.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Open phases.
    pub fn depth(&self) -> u32 {
        self.depth.load(Relaxed)
    }

    /// Phases begun and ended since the process started.
    pub fn counts(&self) -> (u64, u64) {
        (self.begun.load(Relaxed), self.ended.load(Relaxed))
    }

    /// What was alive when the last phase ended.
    pub fn survivors(&self) -> Live {
        Live { blocks: self.survivor_blocks.load(Relaxed), bytes: self.survivor_bytes.load(Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn phases_nest_and_only_the_outermost_switches() {
        let phases = Phases::new();
        let (first, last) = (Cell::new(0), Cell::new(0));
        let begin = || phases.begin(|| first.set(first.get() + 1));
        let end = || {
            phases.end(|| {
                last.set(last.get() + 1);
                Live { blocks: 3, bytes: 4 }
            })
        };
        assert_eq!(end(), Err(NotOpen));
        begin();
        begin();
        assert_eq!((phases.depth(), first.get()), (2, 1));
        assert_eq!(end(), Ok(()));
        assert_eq!((last.get(), phases.survivors()), (0, Live::default()));
        assert_eq!(end(), Ok(()));
        assert_eq!(end(), Err(NotOpen));
        assert_eq!((phases.depth(), first.get(), last.get()), (0, 1, 1));
        assert_eq!(phases.counts(), (2, 2));
        assert_eq!(phases.survivors(), Live { blocks: 3, bytes: 4 });
    }
}
