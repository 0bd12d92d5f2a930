//! The background thread: gives memory back and faults it in, so that no proof waits for that.
//!
//! It is started by a request for memory once the arena holds much, has every signal blocked, holds no lock while it waits,
//! and dies with fork: the child starts its own. `free` starts none: libc frees under the locks that starting one takes.
#![forbid(unsafe_code)]

use crate::arena::{global, Arena};
use crate::broken::{self, Broken};
use crate::config::{self, Key};
use crate::platform;
use crate::prefault;
use crate::pressure::{self, LOOK_MS};
use crate::report;
use crate::retention::{WORTH_A_THREAD_BYTES, WORTH_A_WATCH_BYTES};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::system::heap_top;
use crate::tls::Busy;
use core::ffi::c_void;
use core::ptr;
use Ordering::{AcqRel, Acquire, Relaxed, Release};

static RUNNING: AtomicBool = AtomicBool::new(false);
/// Somebody is just starting the thread: there is none yet, and there may be none in the end.
static STARTING: AtomicBool = AtomicBool::new(false);
/// What the system calls the thread; or `NO_THREAD`, or `RETIRED`.
static THREAD: AtomicUsize = AtomicUsize::new(NO_THREAD);
const NO_THREAD: usize = 0;
/// The main thread has ended: whoever starts the thread all the same has to wait for its end.
const RETIRED: usize = usize::MAX;
/// Changed with every wish; the thread sleeps on it.
static WISHES: AtomicU32 = AtomicU32::new(0);
/// True while nothing but a wish would wake the thread.
static ASLEEP: AtomicBool = AtomicBool::new(false);
/// The process that this memory is of.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// When it may be tried again to start the thread, after a refusal.
static NEXT_START_NS: AtomicU64 = AtomicU64::new(0);
/// Time stands still in a model.
const RESTART_NS: u64 = if cfg!(loom) { 0 } else { 1_000_000_000 };
const NOTHING: usize = usize::MAX;
/// Bytes of free memory to keep; `NOTHING`: no wish.
static PURGE_TO: AtomicUsize = AtomicUsize::new(NOTHING);
/// Bytes to fault in; 0: no wish.
static PREFAULT: AtomicUsize = AtomicUsize::new(0);

#[inline]
pub fn is_running() -> bool {
    RUNNING.load(Relaxed) || broken::is(Broken::HalfStarted) && STARTING.load(Relaxed)
}

/// Much memory is in use: somebody has to watch what becomes of it.
pub fn ensure() {
    if !is_running() {
        start_once();
    }
}

/// Much memory is free: it may be used again, or wanted elsewhere. Called after every large free.
#[inline]
pub fn wake_to_watch() {
    if ASLEEP.load(Relaxed) && is_running() {
        wake();
    }
}

/// Has free memory beyond `keep` bytes given back. False: there is no thread to do it.
pub fn purge_soon(keep: usize) -> bool {
    // Acquire: pairs with the Release in `start_once`.
    if !RUNNING.load(Acquire) {
        return false;
    }
    // No store, for which loom knows no place among swaps.
    PURGE_TO.swap(keep, Relaxed);
    wake();
    true
}

/// Has spans searched for dead pages. False: there is no thread to do it.
pub fn search_soon() -> bool {
    let is_there = is_running();
    if is_there {
        wake();
    }
    is_there
}

/// Has memory faulted in. False: there is no thread to do it, and none can be started, or somebody is just about to.
pub fn prefault_soon(bytes: usize) -> bool {
    if !start_once() {
        return false;
    }
    PREFAULT.fetch_max(bytes, Relaxed);
    wake();
    true
}

/// The main thread ends, perhaps while others go on. libc ends the process with its last thread, which runs the program's
/// exit handlers and must be the program's: so the main thread ends after the library's.
pub fn retire() {
    if broken::is(Broken::Retire) {
        return;
    }
    config::set(Key::Background, 0);
    // AcqRel: whoever is just starting the thread finds this, or is found.
    let thread = THREAD.swap(RETIRED, AcqRel);
    if thread != NO_THREAD && thread != RETIRED {
        end(thread);
    }
}

/// Waits for the end of the thread, which has been told.
fn end(thread: usize) {
    wake();
    if !broken::is(Broken::Unjoined) {
        platform::join_thread(thread);
    }
}

#[cold]
fn wake() {
    ASLEEP.store(false, Relaxed);
    // Release: pairs with the Acquire in `run`, so that the wish is seen with the change.
    WISHES.fetch_add(1, Release);
    platform::futex_wake(&WISHES, 1);
}

/// True: there is a thread.
#[cold]
fn start_once() -> bool {
    if is_running() {
        return true;
    }
    let now_ns = platform::now_ns();
    // Whoever asks for memory asks again, and each refusal costs a stack.
    if now_ns < NEXT_START_NS.load(Relaxed) && !broken::is(Broken::Impatient) {
        return false;
    }
    // Acquire: pairs with the Release below, so that a thread that was started meanwhile is seen.
    if STARTING.swap(true, Acquire) {
        return false;
    }
    let is_there = RUNNING.load(Relaxed) || start(now_ns);
    if is_there {
        RUNNING.store(true, Release);
    }
    // No store, for which loom knows no place among swaps.
    STARTING.swap(false, Release);
    is_there
}

/// False: the system refuses.
fn start(now_ns: u64) -> bool {
    if is_in_shared_memory() && !broken::is(Broken::SharedMemory) {
        return false;
    }
    let Some(thread) = platform::start_thread(run) else {
        NEXT_START_NS.store(now_ns.saturating_add(RESTART_NS), Relaxed);
        return false;
    };
    // AcqRel: as in `retire`.
    if THREAD.compare_exchange(NO_THREAD, thread, AcqRel, Acquire).is_err() {
        end(thread);
    }
    true
}

/// The library was loaded into this process.
pub fn note_process() {
    PROCESS.store(platform::process_id(), Relaxed);
}

/// True: the caller is a child that shares the parent's memory, as after vfork, and would take a thread along when it ends.
/// Not asked where a filter may forbid it.
fn is_in_shared_memory() -> bool {
    !platform::is_newly_filtered() && platform::process_id() != PROCESS.load(Relaxed)
}

/// In a forked child, which has no such thread.
pub fn forget_in_child() {
    note_process();
    RUNNING.store(false, Relaxed);
    STARTING.store(false, Relaxed);
    THREAD.store(NO_THREAD, Relaxed);
    ASLEEP.store(false, Relaxed);
    NEXT_START_NS.store(0, Relaxed);
    PURGE_TO.store(NOTHING, Relaxed);
    PREFAULT.store(0, Relaxed);
}

extern "C" fn run(_: *mut c_void) -> *mut c_void {
    // Nothing that this thread asks for goes to the arena.
    let _busy = Busy::enter();
    platform::name_thread(c"zkalloc");
    if config::get(Key::Verbose) == 0 && !broken::is(Broken::Descriptors) {
        // What it reads must not take a number that the program expects to get.
        platform::leave_descriptors();
    }
    if let Some(arena) = global::get() {
        serve(arena, || true);
    }
    ptr::null_mut()
}

/// Does what is wished for, and sleeps in between. `goes_on` is asked before it sleeps.
pub fn serve(arena: &Arena, goes_on: impl Fn() -> bool) {
    let mut idle = Idle::default();
    loop {
        let seen = WISHES.load(Acquire);
        let keep = PURGE_TO.swap(NOTHING, Relaxed);
        if keep != NOTHING {
            arena.purge_slots(keep);
        }
        if arena.is_search_wanted() {
            arena.search_spread();
        }
        let bytes = PREFAULT.swap(0, Relaxed);
        if bytes != 0 {
            pressure::look(arena);
            prefault::run(arena, bytes);
        }
        if !goes_on() || config::get(Key::Background) == 0 {
            return;
        }
        let may_sleep = match idle.look(arena) {
            Some(wait_ms) => platform::futex_wait_for(&WISHES, seen, wait_ms),
            None => {
                ASLEEP.store(true, Relaxed);
                let may_sleep = platform::futex_wait_for(&WISHES, seen, ASLEEP_MS);
                ASLEEP.store(false, Relaxed);
                may_sleep
            }
        };
        if !may_sleep && !broken::is(Broken::Sleepless) {
            // A filter: better no thread than one that never sleeps.
            config::set(Key::Background, 0);
            return;
        }
    }
}

/// Watches whether the arena is used.
#[derive(Default)]
struct Idle {
    activity: u64,
    allocated_bytes: u64,
    since_ns: u64,
    /// How long the program had computed by then.
    cpu_ns: u64,
    /// Free memory was taken out of core dumps.
    is_undumped: bool,
}

/// Whoever frees something while the thread is just falling asleep may miss to wake it: it looks again after this.
const ASLEEP_MS: u64 = 60_000;
/// How often to look.
const LOOKS_PER_DECAY: u64 = 8;
const MOST_BETWEEN_LOOKS_MS: u64 = 1000;
/// In the middle of a proof, a program that computes may make no request for so many times as long as one that idles.
const DECAYS_OF_COMPUTING: u64 = 6;
/// It computes if its threads have run for this part of the time of one processor: others may want the rest.
const COMPUTING_PART: u64 = 16;
/// Requests for less than this part of what is free are no use of it: a server that asks for a buffer now and then idles.
const LIGHT_PART: u64 = 16;
/// Free memory that was not used for so long is kept out of core dumps.
const UNDUMP_AFTER_MS: u64 = 1000;

impl Idle {
    /// Gives everything back after `ZK_ALLOC_DECAY_MS` without a request, and under memory pressure. How long to wait
    /// until the next look; `None`: until somebody has freed something.
    fn look(&mut self, arena: &Arena) -> Option<u64> {
        let now_ns = platform::now_ns();
        let activity = arena.activity();
        let allocated_bytes = arena.allocated_bytes();
        let is_used = self.since_ns == 0 || (activity != self.activity && !self.is_light(arena, allocated_bytes));
        if is_used {
            *self = Self { activity, allocated_bytes, since_ns: now_ns, cpu_ns: cpu_ns(), is_undumped: false };
        }
        let idle_ns = now_ns.saturating_sub(self.since_ns);
        let idle_ms = idle_ns / 1_000_000;
        let decay_ms = u64::try_from(config::get(Key::DecayMs)).ok().filter(|_| !broken::is(Broken::Decay));
        let is_over = |least_ms| {
            idle_ms >= least_ms
                && (idle_ms / DECAYS_OF_COMPUTING >= least_ms || !self.computes(idle_ns) || !arena.may_be_in_cycle())
        };
        if !is_used && decay_ms.is_some_and(is_over) {
            let given = arena.trim(0);
            // The models have no heap beside the arena.
            let is_heap_trimmed = !cfg!(modelled) && heap_top::give_back(arena.live_bytes() as usize);
            if (given > 0 || is_heap_trimmed) && config::get(Key::Verbose) == 1 {
                let heap = if is_heap_trimmed { ", and what glibc's heap kept" } else { "" };
                report::line(format_args!("idle for {idle_ms} ms: {} MiB given back{heap}", given >> 20));
            }
            if arena.activity() == activity {
                return None;
            }
        } else if !is_used && !arena.may_hold(WORTH_A_WATCH_BYTES) {
            return None;
        }
        let is_watching = pressure::look(arena);
        if !self.is_undumped && is_over(UNDUMP_AFTER_MS) {
            arena.undump_free();
            self.is_undumped = true;
        }
        let decay_look_ms = decay_ms.map(|decay_ms| (decay_ms / LOOKS_PER_DECAY).clamp(1, MOST_BETWEEN_LOOKS_MS));
        let pressure_look_ms = (is_watching && arena.spare_bytes() >= WORTH_A_THREAD_BYTES).then_some(LOOK_MS);
        let next_ms = decay_look_ms.into_iter().chain(pressure_look_ms).min();
        let is_settled = !is_used && self.is_undumped;
        next_ms.or((!is_settled).then_some(MOST_BETWEEN_LOOKS_MS))
    }

    /// True: of all that is free the program has not used much since then.
    fn is_light(&self, arena: &Arena, allocated_bytes: u64) -> bool {
        let used = allocated_bytes.saturating_sub(self.allocated_bytes);
        used < arena.free_resident_bytes() as u64 / LIGHT_PART && !broken::is(Broken::LightUse)
    }

    /// True: the program has computed since its last request.
    fn computes(&self, idle_ns: u64) -> bool {
        cpu_ns().saturating_sub(self.cpu_ns) >= idle_ns / COMPUTING_PART && !broken::is(Broken::Computing)
    }
}

/// How long the program's threads have run, unless a filter may forbid to ask.
fn cpu_ns() -> u64 {
    // The models have no clocks.
    if cfg!(loom) || platform::is_newly_filtered() {
        0
    } else {
        platform::cpu_ns()
    }
}
