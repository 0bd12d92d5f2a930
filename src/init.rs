//! Start-up order, and what is made on demand: the arena, and a thread's cursor.
#![forbid(unsafe_code)]

use crate::arena::freed::Freed;
use crate::arena::region::Region;
use crate::arena::{global, Arena, Options, SLOT_NODES};
use crate::broken::{self, Broken};
use crate::config::{self, Key, MODE_OFF, THP_ALWAYS, THP_AUTO};
use crate::platform::{self, HugePages};
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Lock, Ordering};
use crate::system::interposed::Interposed;
use crate::system::{front, heap_top};
use crate::tls::{self, Busy, CursorState};
use crate::{background, fork, report, retention, router, stats, system, trace};
use core::ffi::c_void;
use Ordering::Relaxed;

/// Guards the making of the arena.
pub static LOCK: Lock = Lock::new();
/// The arena could not be made: nobody tries again.
static FAILED: AtomicBool = AtomicBool::new(false);
const NO_KEY: u32 = u32::MAX;
/// What runs as a thread ends. `NO_KEY`: nothing does, and threads go without a cursor.
static EXIT_KEY: AtomicU32 = AtomicU32::new(NO_KEY);

/// Of the machine, as the process may use it.
static PROCESSORS: AtomicUsize = AtomicUsize::new(1);
static NODES: AtomicUsize = AtomicUsize::new(1);

/// The environment has been read: there may be an arena.
static STARTED: AtomicBool = AtomicBool::new(cfg!(test));

/// The library was loaded. Until this has run, everything goes to the next allocator.
pub fn start() {
    let _busy = Busy::enter();
    report::look_at_stderr();
    system::resolve();
    #[cfg(feature = "broken")]
    broken::read_environment();
    front::look();
    system::warm_up();
    platform::find_thread_start();
    if platform::MAY_MISS_FUNCTIONS {
        look_at_loader();
    }
    if !platform::has_thread_words() {
        do_without();
    }
    config::read_environment();
    if front::is_bypassed() && !broken::is(Broken::PastUs) {
        config::set(Key::Mode, MODE_OFF);
        if config::get(Key::Verbose) == 1 {
            report::line(format_args!("the process's malloc and free go past the library: it serves nothing"));
        }
    }
    if config::get(Key::Poison) == 1 && config::get(Key::Wipe) == 1 {
        report::line(format_args!(
            "ZK_ALLOC_POISON=1 overrides ZK_ALLOC_WIPE=1: freed memory is overwritten with a pattern, not with zeroes"
        ));
    }
    stats::prepare_report();
    fork::register();
    if let Some(key) = platform::create_exit_key(leave_thread) {
        // Here, and not with the arena: by then the program may have taken every key there is.
        EXIT_KEY.store(key, Relaxed);
        if platform::is_main_thread() {
            enter_main_thread();
        }
    }
    background::note_process();
    // Here, and not with the arena: by then a filter may forbid these calls.
    platform::note_filters();
    PROCESSORS.store(platform::processors(), Relaxed);
    NODES.store(platform::numa_nodes(SLOT_NODES), Relaxed);
    STARTED.store(true, Relaxed);
    if broken::is(Broken::OnDemand) {
        make_arena();
    }
    router::start();
}

/// No thread could say that it is inside the library: none asks the arena for anything.
fn do_without() {
    FAILED.store(true, Relaxed);
    report::line(format_args!("no thread key is left: every request goes to the next allocator"));
}

/// Without either `malloc` or `free` of the other images there is no use in an arena.
fn look_at_loader() {
    let interposed = Interposed::look(platform::is_replaced, platform::exercise_allocator);
    FAILED.store(interposed != Interposed::Both, Relaxed);
    if let Some(complaint) = interposed.complaint() {
        report::line(format_args!("{complaint}: every request goes to the next allocator"));
    }
}

/// The process ends; the program's own destructors have run.
pub fn finish() {
    let _busy = Busy::enter();
    trace::finish();
    stats::report();
}

/// True: there is no arena, but the first large request may make one.
pub fn arena_may_come() -> bool {
    !FAILED.load(Relaxed)
}

/// Makes the arena for a request, and opens the gate.
#[cold]
pub fn engage() -> Option<&'static Arena> {
    let arena = make_arena();
    let _guard = router::PHASES.lock.lock();
    router::set_gate();
    arena
}

/// The arena, made if there is none yet. `None`: mode off, or there is no address space for it, which is said once; or
/// another library's constructor asks before the environment was read.
pub fn make_arena() -> Option<&'static Arena> {
    if global::get().is_some() || config::get(Key::Mode) == MODE_OFF && !broken::is(Broken::ModeOff) {
        return global::get();
    }
    if !STARTED.load(Relaxed) && !broken::is(Broken::Early) {
        return None;
    }
    let made = make_arena_once();
    let arena = global::get()?;
    if made && heap_top::has_to_see(router::ENGAGE_BYTES) && !broken::is(Broken::ShowLarge) {
        // Here, and not under the lock.
        heap_top::show(router::ENGAGE_BYTES);
    }
    let prefault_bytes = (config::get(Key::PrefaultMb) as usize).saturating_mul(1 << 20);
    if made && prefault_bytes > 0 {
        retention::prefault(arena, prefault_bytes);
    }
    Some(arena)
}

/// True: this call has made it.
#[cold]
fn make_arena_once() -> bool {
    let _guard = LOCK.lock();
    if global::get().is_some() || FAILED.load(Relaxed) {
        return false;
    }
    let Some(region) = Region::reserve() else {
        FAILED.store(true, Relaxed);
        report::line(format_args!("no address space for an arena: every request goes to the next allocator"));
        return false;
    };
    let options = options();
    if config::get(Key::Verbose) == 1 {
        report::line(format_args!(
            "arena of {} GiB of addresses at {:#x}, limit {} GiB live",
            region.bytes() >> 30,
            region.base(),
            options.limit_bytes >> 30
        ));
    }
    let arena = Arena::new(region, &options).with_freed(freed());
    retention::configure(&arena);
    trace::counters(&arena, c"arena made");
    global::install(arena);
    true
}

fn options() -> Options {
    let slab_bytes = slab_bytes();
    let (huge_large, huge_small) = match config::get(Key::Thp) {
        // Spans and small slots keep ordinary pages: one live block must not hold 2 MiB.
        THP_AUTO => (Some(HugePages::Prefer), Some(HugePages::Avoid)),
        THP_ALWAYS => (Some(HugePages::Prefer), Some(HugePages::Prefer)),
        _ => (Some(HugePages::Avoid), Some(HugePages::Avoid)),
    };
    Options {
        limit_bytes: slab_bytes.saturating_mul(processors() + 4),
        nodes: NODES.load(Relaxed),
        huge_large,
        huge_small,
    }
}

/// What becomes of freed blocks. Poison wins: it overwrites all that wiping would.
fn freed() -> Freed {
    match (config::get(Key::Poison), config::get(Key::Wipe)) {
        (0, 0) => Freed::Kept,
        (0, _) => Freed::Wiped,
        _ => Freed::Poisoned,
    }
}

/// How many processors the process may run on, when the library was loaded.
pub fn processors() -> usize {
    PROCESSORS.load(Relaxed)
}

/// The arena's limit per processor.
pub fn slab_bytes() -> usize {
    (config::get(Key::SlabGb) as usize) << 30
}

/// A cursor for the calling thread's first request. `None`: it goes without one.
#[cold]
pub fn enter_thread(arena: &'static Arena) -> Option<u32> {
    let index = arena.enter_thread()?;
    // Never 0, which would mean that there is nothing to run.
    if !at_thread_exit(index as usize + 1) {
        arena.leave_thread(index);
        return None;
    }
    tls::set_cursor(CursorState::Ready(index));
    Some(index)
}

/// The calling thread is the process's main one. Its end matters whether it ever has a cursor or not.
pub fn enter_main_thread() {
    tls::set_main();
    if tls::Thread::current().cursor() == CursorState::Uninit && !broken::is(Broken::MainInChild) {
        at_thread_exit(1);
    }
}

/// Has [`leave_thread`] run as the calling thread ends. False: it cannot be had.
fn at_thread_exit(value: usize) -> bool {
    // No model has a key.
    let key = if cfg!(modelled) { NO_KEY } else { EXIT_KEY.load(Relaxed) };
    // Not every libc looks whether there is such a key.
    key != NO_KEY && platform::at_thread_exit(key, value)
}

/// Runs as a thread ends, among the destructors of its other keys: those that come later do without a cursor.
extern "C" fn leave_thread(_: *mut c_void) {
    let _busy = Busy::enter();
    if tls::Thread::current().is_main() {
        background::retire();
    }
    let CursorState::Ready(index) = tls::Thread::current().cursor() else { return };
    if broken::is(Broken::ThreadExit) {
        return;
    }
    if !broken::is(Broken::TornDown) {
        tls::set_cursor(CursorState::TornDown);
    }
    if let Some(arena) = global::get() {
        arena.leave_thread(index);
    }
}
