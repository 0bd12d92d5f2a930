//! Fork: every lock is held across it, in one order, so that the child finds nothing half done; what the threads that
//! the child lacks held is taken over.
//!
//! Lock order: phases, init, trace, then the arena's own (`Arena::locks`).
#![forbid(unsafe_code)]

use crate::arena::global;
use crate::broken::{self, Broken};
use crate::sync::{AtomicU64, Ordering};
use crate::{background, init, platform, retention, router, stats, tls, trace};
use Ordering::Relaxed;

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Forks of this process: one more in parent and child with each.
pub fn count() -> u64 {
    FORKS.load(Relaxed)
}

pub fn register() {
    platform::at_fork(prepare, in_parent, in_child);
}

/// Runs after the handlers of everybody who registered later. Until the other two have run, what this thread asks for
/// goes to the next allocator, and what it frees takes no lock.
pub extern "C" fn prepare() {
    // First: a signal handler that frees while this waits for a lock must not wait for those that it has.
    tls::set_busy();
    if !broken::is(Broken::ForkLocks) {
        acquire();
    }
    // Again: nested in a call of its own, so that no lock is waited for.
    tls::set_busy();
}

fn acquire() {
    router::PHASES.lock.acquire();
    init::LOCK.acquire();
    trace::LOCK.acquire();
    if let Some(arena) = global::get() {
        arena.lock_for_fork();
    }
}

fn release() {
    if let Some(arena) = global::get() {
        arena.unlock_after_fork();
    }
    trace::LOCK.release();
    init::LOCK.release();
    router::PHASES.lock.release();
}

fn leave() {
    tls::clear_busy();
    if !broken::is(Broken::ForkLocks) {
        release();
    }
    FORKS.fetch_add(1, Relaxed);
}

pub extern "C" fn in_parent() {
    leave();
    tls::clear_busy();
}

pub extern "C" fn in_child() {
    if !broken::is(Broken::ForkThread) {
        background::forget_in_child();
        retention::forget_in_child();
    }
    trace::forget_in_child();
    if !broken::is(Broken::ForkGate) {
        // Another thread may have been about to, with an arena that it had just made.
        router::set_gate();
    }
    leave();
    if let Some(arena) = global::get().filter(|_| !broken::is(Broken::ForkRebuild)) {
        arena.rebuild_in_child();
    }
    stats::note_fork_in_child();
    init::enter_main_thread();
    tls::clear_busy();
}
