//! Faulting memory in ahead of its use, by any number of threads. What was faulted in lies in a free slot afterwards,
//! from where it is moved to the blocks that want it.
#![forbid(unsafe_code)]

use super::size::{self, UNIT};
use super::slot::{End, Slot, State};
use super::Arena;
use crate::broken::{self, Broken};
use crate::platform;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};
use Ordering::{Acquire, Relaxed, Release};

/// A slot in nobody's use, whose units are faulted in one by one.
pub struct Prefault {
    head: AtomicU32,
    units: AtomicUsize,
    /// The first unit that nobody has taken on.
    next: AtomicUsize,
    /// Behind the last unit that is resident.
    end: AtomicUsize,
}

impl Prefault {
    pub const fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
            units: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
        }
    }
}

impl Arena {
    /// Faults memory in, alone. The bytes that are resident now.
    pub fn prefault(&self, bytes: usize) -> usize {
        let job = Prefault::new();
        if !self.begin_prefault(&job, bytes) {
            return 0;
        }
        self.take_part(&job, true);
        self.end_prefault(&job)
    }

    /// Takes a slot for so many bytes, but for no more than the arena may hold, nor than the machine or the cgroup has left.
    pub fn begin_prefault(&self, job: &Prefault, bytes: usize) -> bool {
        let left = self.budget.room(self.touched_bytes()).min(platform::unused_memory_bytes() / 4 * 3);
        let bytes = bytes.min(self.limit_bytes).min(left);
        if bytes == 0 {
            return false;
        }
        let Some(head) = size::slot_class(bytes).and_then(|class| self.take_slot(class)) else { return false };
        let slot = &self.slots[head as usize];
        slot.set_holes();
        self.note_nobodys(|giving| giving.fetch_add(slot.touched.load(Relaxed), Relaxed));
        job.head.store(head, Relaxed);
        job.next.store(0, Relaxed);
        job.end.store(0, Relaxed);
        // Release: pairs with the Acquire in `take_part`.
        job.units.store(bytes.div_ceil(UNIT), Release);
        true
    }

    /// Faults units in until none is left, or the system has no memory. Whoever began does this too.
    pub fn take_part(&self, job: &Prefault, began: bool) {
        let head = job.head.load(Relaxed);
        loop {
            // Unit by unit, so that a limit is met gently.
            let unit = job.next.fetch_add(1, Relaxed);
            if unit >= job.units.load(Acquire) {
                return;
            }
            if !self.region.populate(self.region.unit_address(head as usize + unit), UNIT) {
                job.units.store(0, Relaxed);
                return;
            }
            job.end.fetch_max(unit + 1, Relaxed);
            if began {
                self.note_prefaulted(&self.slots[head as usize], (unit + 1) * UNIT);
            }
        }
    }

    /// So much of a slot is resident, and in nobody's use: the pages are no dead ones of the program's, either.
    fn note_prefaulted(&self, slot: &Slot, end: usize) {
        self.note_nobodys(|giving| giving.fetch_add(end.saturating_sub(slot.touched.load(Relaxed)), Relaxed));
        self.touch(slot, end);
    }

    fn note_nobodys(&self, change: impl FnOnce(&AtomicUsize) -> usize) {
        if !broken::is(Broken::PrefaultInUse) {
            change(&self.giving);
        }
    }

    /// Nobody takes part any more. The bytes that are resident now.
    pub fn end_prefault(&self, job: &Prefault) -> usize {
        let head = job.head.load(Relaxed);
        let slot = &self.slots[head as usize];
        self.note_prefaulted(slot, job.end.load(Relaxed) * UNIT);
        let resident = slot.touched.load(Relaxed);
        if !broken::is(Broken::Prefault) {
            // It counts as needed in this cycle: the first block to come would have most of it given back otherwise.
            self.budget.note(self.in_use() + resident);
        }
        slot.set_word(slot.word().with_state(State::Limbo));
        self.put_slot(head, End::Back);
        self.note_nobodys(|giving| giving.fetch_sub(resident, Relaxed));
        resident
    }
}
