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
/// Requests of less than this never wait for memory to be given back.
const WORTH_A_WAIT_BYTES: usize = 64 << 10;
/// From this much memory on it is worth a thread to give it back.
pub const WORTH_A_THREAD_BYTES: usize = 64 << 20;

/// What is worth a look by a thread that is there.
pub const WORTH_A_WATCH_BYTES: usize = 4 << 20;

/// A program that marks no phases is not asked more often than this whether it has finished something large: what looks
/// like an end may be a pause of one.
const SHORTEST_CYCLE_NS: u64 = 250_000_000;
/// When the last such cycle ended.
static CYCLE_ENDED_NS: AtomicU64 = AtomicU64::new(0);
/// When the arena was last used, without a background thread to watch it.
static LAST_USE_NS: AtomicU64 = AtomicU64::new(0);

/// Before a request is served.
#[inline]
pub fn before_alloc(arena: &Arena, bytes: usize) {
    if bytes > MEDIUM_MAX && !is_watched() {
        decay_inside_call(arena);
    }
}

/// After a request was served.
#[inline]
pub fn after_alloc(arena: &Arena, bytes: usize) {
    if bytes < WORTH_A_LOOK_BYTES {
        return;
    }
    if !background::is_running() && !broken::is(Broken::FreeStarts) {
        watch(arena);
    }
    search_if_due(arena, bytes);
}

/// True: a thread gives back what is not used. There may be none by the user's wish, or the system's, or not yet.
fn is_watched() -> bool {
    config::get(Key::Background) != 0 && (background::is_running() || broken::is(Broken::NoThread))
}

/// Has dead pages of spans given back, if there are too many. A caller that took so many bytes may wait for that.
#[inline]
fn search_if_due(arena: &Arena, bytes: usize) {
    if arena.is_spread() {
        search(arena, bytes);
    }
}

#[cold]
fn search(arena: &Arena, bytes: usize) {
    if arena.take_spread() {
        if config::get(Key::Background) == 0 || !background::search_soon() {
            arena.search_spread();
        }
    } else if bytes >= WORTH_A_WAIT_BYTES && background::is_running() && !broken::is(Broken::LateSearch) {
        arena.let_search_go_on();
    }
}

/// Starts the background thread once there is something to watch.
fn watch(arena: &Arena) {
    let is_wanted = config::get(Key::Background) != 0 && config::get(Key::DecayMs) != 0;
    let is_much = arena.has_held(WORTH_A_THREAD_BYTES) || arena.is_spread();
    if is_wanted && (is_much || broken::is(Broken::LateThread)) {
        background::ensure();
    }
}

/// After a block was freed, in a program that marks its proofs or does not.
#[inline]
pub fn after_free(arena: &'static Arena, bytes: usize, marks_phases: bool) {
    if let Some(keep) = cap_bytes() {
        if arena.free_resident_bytes() > keep {
            arena.purge_inside_call(keep);
        }
        arena.note_spread();
    }
    search_if_due(arena, 0);
    if heap_top::has_to_see(bytes) && !broken::is(Broken::ShowLarge) {
        heap_top::show(bytes);
    }
    if !marks_phases && arena.is_between_cycles() {
        after_inferred_cycle(arena);
    }
    if broken::is(Broken::FreeStarts) && arena.may_hold(WORTH_A_THREAD_BYTES) {
        background::ensure();
    }
    if is_watched() {
        if arena.may_hold(WORTH_A_WATCH_BYTES) {
            background::wake_to_watch();
        }
    } else if bytes > MEDIUM_MAX {
        decay_inside_call(arena);
    }
}

/// Tells a new arena what the user allows.
pub fn configure(arena: &Arena) {
    arena.cap_dead_pages(cap_bytes().unwrap_or(usize::MAX));
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
    arena.note_spread();
    search_if_due(arena, 0);
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
        pressure::look(arena);
        arena.prefault(bytes);
    }
}

/// In a forked child, which has used nothing yet.
pub fn forget_in_child() {
    LAST_USE_NS.store(0, Relaxed);
}

/// Decay without a thread: whoever comes after a long pause gives everything back first.
fn decay_inside_call(arena: &Arena) {
    if config::get(Key::DecayMs) == 0 {
        // Every free sees to it.
        return;
    }
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
