//! When free memory goes back to the system: the options, applied at the moments that matter.
#![forbid(unsafe_code)]

use crate::arena::size::MEDIUM_MAX;
use crate::arena::Arena;
use crate::background;
use crate::broken::{self, Broken};
use crate::config::{self, Key, FROM_BUDGET};
use crate::platform;
use crate::pressure;
use crate::sync::{AtomicU64, Ordering};
use crate::system::heap_top;
use Ordering::Relaxed;

/// Requests and frees of less than this are followed by nothing here.
pub const WORTH_A_LOOK_BYTES: usize = 4096;
/// From this much memory on it is worth a thread to give it back.
pub const WORTH_A_THREAD_BYTES: usize = 64 << 20;

/// A program that marks no phases is not asked more often than this whether it has finished something large: what looks
/// like an end may be a pause of one.
const SHORTEST_CYCLE_NS: u64 = 1_000_000_000;
/// When the last such cycle ended.
static CYCLE_ENDED_NS: AtomicU64 = AtomicU64::new(0);
/// When the arena was last used, without a background thread to watch it.
static LAST_USE_NS: AtomicU64 = AtomicU64::new(0);

/// Before a request is served.
#[inline]
pub fn before_alloc(arena: &Arena, bytes: usize) {
    if config::get(Key::Background) == 0 && bytes > MEDIUM_MAX {
        decay_inside_call(arena);
    }
}

/// After a request was served.
#[inline]
pub fn after_alloc(arena: &Arena, bytes: usize) {
    if bytes >= WORTH_A_LOOK_BYTES && !background::is_running() && !broken::is(Broken::FreeStarts) {
        watch(arena);
    }
}

/// Starts the background thread once there is something to watch.
fn watch(arena: &Arena) {
    let is_wanted = config::get(Key::Background) != 0 && config::get(Key::DecayMs) != 0;
    if is_wanted && (arena.has_held(WORTH_A_THREAD_BYTES) || broken::is(Broken::LateThread)) {
        background::ensure();
    }
}

/// After a block was freed, in a program that marks its proofs or does not.
#[inline]
pub fn after_free(arena: &'static Arena, bytes: usize, marks_phases: bool) {
    if let Some(keep) = cap_bytes().filter(|&keep| arena.free_resident_bytes() > keep) {
        arena.purge_inside_call(keep);
    }
    if heap_top::has_to_see(bytes) && !broken::is(Broken::ShowLarge) {
        heap_top::show(bytes);
    }
    if !marks_phases && arena.is_between_cycles() {
        after_inferred_cycle(arena);
    }
    if config::get(Key::Background) == 0 {
        if bytes > MEDIUM_MAX {
            decay_inside_call(arena);
        }
    } else if config::get(Key::DecayMs) != 0 && arena.may_hold(WORTH_A_THREAD_BYTES) {
        if broken::is(Broken::FreeStarts) {
            background::ensure();
        }
        background::wake_to_watch();
    }
}

/// What the user allows to stay resident at any time: `ZK_ALLOC_RETAIN_MB`, and nothing when decay is at once.
fn cap_bytes() -> Option<usize> {
    let retain_mb = config::get(Key::RetainMb);
    if config::get(Key::DecayMs) == 0 {
        Some(0)
    } else if retain_mb == FROM_BUDGET || broken::is(Broken::Retain) {
        None
    } else {
        Some((retain_mb as usize).saturating_mul(1 << 20))
    }
}

/// Next to nothing is live any more, in a program that marks no phases.
#[cold]
fn after_inferred_cycle(arena: &'static Arena) {
    let (last, now) = (CYCLE_ENDED_NS.load(Relaxed), platform::now_ns());
    let is_due = last == 0 || now.saturating_sub(last) >= SHORTEST_CYCLE_NS;
    if is_due && CYCLE_ENDED_NS.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
        give_back(arena, arena.end_inferred_cycle());
    }
}

/// After the last open phase: gives back what the next one is not expected to need.
pub fn end_phase(arena: &'static Arena) {
    give_back(arena, arena.end_cycle());
}

fn give_back(arena: &'static Arena, keep: usize) {
    let keep = keep.min(cap_bytes().unwrap_or(usize::MAX));
    if arena.free_resident_bytes() <= keep || broken::is(Broken::Budget) {
        return;
    }
    if config::get(Key::Background) == 0 || !background::purge_soon(keep) {
        arena.purge_inside_call(keep);
    }
}

/// Faults memory in: in the background, or at once without it.
pub fn prefault(arena: &'static Arena, bytes: usize) {
    if config::get(Key::Background) == 0 || !background::prefault_soon(bytes) {
        arena.prefault(bytes);
    }
}

/// Decay without a thread: whoever comes after a long pause gives everything back first.
fn decay_inside_call(arena: &Arena) {
    if arena.may_hold(WORTH_A_THREAD_BYTES) {
        pressure::look(arena);
    }
    let Ok(decay_ms) = u64::try_from(config::get(Key::DecayMs)) else { return };
    let now = platform::now_ns();
    let last = LAST_USE_NS.swap(now, Relaxed);
    if last != 0 && now.saturating_sub(last) >= decay_ms * 1_000_000 {
        arena.trim(0);
    }
}
