//! The one decision, arena or next allocator, and its inverse, from an address to its owner.
//!
//! The small path is a load and a compare: `GATE` is the smallest request that the arena is asked for now, and
//! `usize::MAX` while it is asked for nothing.
#![forbid(unsafe_code)]

use crate::arena::phase::{Live, NotOpen, Phases};
use crate::arena::size::GRANULE;
use crate::arena::{global, Arena, Misuse};
use crate::block::Block;
use crate::broken::{self, Broken};
use crate::config::{self, Key, MODE_AUTO, MODE_OFF};
use crate::retention::{self, WORTH_A_LOOK_BYTES};
use crate::sync::{AtomicUsize, Ordering};
use crate::tls::{self, Busy, CursorState, Thread};
use crate::{init, report, stats, trace};
use core::ffi::c_int;
use Ordering::Relaxed;

/// In mode auto, the request that shows that a program is worth an arena.
pub const ENGAGE_BYTES: usize = 1 << 20;

static GATE: AtomicUsize = AtomicUsize::new(usize::MAX);
pub static PHASES: Phases = Phases::new();

/// True: a request of this size goes to the next allocator, whatever else holds.
#[inline]
pub fn is_small(bytes: usize) -> bool {
    bytes < GATE.load(Relaxed)
}

/// The environment has been read. Phases may be open: constructors of other libraries have run.
pub fn start() {
    let arena = if PHASES.depth() > 0 { init::make_arena() } else { None };
    let _guard = PHASES.lock.lock();
    if PHASES.depth() > 0 {
        first_phase_begins(arena);
    } else {
        set_gate();
    }
}

/// Sets the gate to what mode, phases and arena ask for. Under the phases' lock.
pub fn set_gate() {
    let depth = PHASES.depth();
    let phases_decide = config::get(Key::Mode) != MODE_AUTO || PHASES.counts().0 > 0;
    let gate = match (global::get(), phases_decide) {
        _ if config::get(Key::Mode) == MODE_OFF && !broken::is(Broken::ModeOff) => usize::MAX,
        (None, false) if init::arena_may_come() => ENGAGE_BYTES,
        (Some(_), false) => min_arena_bytes(),
        (Some(_), true) if depth > 0 => min_arena_bytes(),
        _ => usize::MAX,
    };
    GATE.store(if broken::is(Broken::Threshold) && gate == min_arena_bytes() { 0 } else { gate }, Relaxed);
}

/// The smallest request that the arena takes.
pub fn min_arena_bytes() -> usize {
    config::get(Key::MinBytes) as usize
}

/// A block from the arena for a request that is not small; `None`: it is the next allocator's.
#[inline(never)]
pub fn allocate(bytes: usize, align: usize, zeroed: bool) -> Option<Block> {
    let block = try_allocate(bytes, align, zeroed);
    if block.is_none() && PHASES.depth() > 0 && !Thread::current().is_busy() {
        stats::count_system_alloc_in_phase();
    }
    block
}

#[inline]
fn try_allocate(bytes: usize, align: usize, zeroed: bool) -> Option<Block> {
    // More than any object may have: the next allocator says so as its users expect.
    if bytes > isize::MAX as usize {
        return None;
    }
    let thread = Thread::current();
    if thread.is_busy() || thread.is_excluded() {
        return None;
    }
    let _busy = Busy::enter();
    let arena = match global::get() {
        Some(arena) => arena,
        None => init::engage()?,
    };
    if is_small(bytes) {
        // The gate was the engagement's, or has just been closed.
        return None;
    }
    retention::before_alloc(arena, bytes);
    let Some(grant) = arena.allocate(cursor(arena, thread), bytes, align.max(GRANULE)) else {
        stats::count_overflow(bytes);
        return None;
    };
    retention::after_alloc(arena, bytes);
    if arena.is_poisoned() {
        arena.look_for_writes(&grant).unwrap_or_else(|misuse| misused(misuse, grant.address));
    }
    let mut block = Block::from_arena(grant.address)?;
    if zeroed && !broken::is(Broken::Zeroing) {
        // Also what lies behind the bytes asked for: `malloc_usable_size` says that it is the program's, too.
        block.zero(grant.dirty);
    }
    Some(block)
}

/// While a request that is not small is the next allocator's. musl serves some functions through others that it exports:
/// these calls come here, and are neither asked of the arena again nor counted twice.
#[inline]
pub fn forward(bytes: usize) -> Option<Busy> {
    (!is_small(bytes) && !broken::is(Broken::Reentry)).then(Busy::enter)
}

/// The arena, if the block at `address` is one of its. Everything else is the next allocator's.
#[inline]
pub fn owner(address: usize) -> Option<&'static Arena> {
    global::owner(address)
}

/// Counts a request that stays in the next allocator because its block is there.
#[inline]
pub fn note_system_request(bytes: usize) {
    if !is_small(bytes) && PHASES.depth() > 0 {
        stats::count_system_alloc_in_phase();
    }
}

/// Frees a block of the arena.
pub fn release(arena: &'static Arena, block: Block) {
    let thread = Thread::current();
    let _busy = Busy::enter();
    let address = block.address();
    if arena.marks_freed() {
        arena.mark_freed(address);
    }
    let is_nested = tls::is_nested();
    let cursor = if is_nested { None } else { cursor(arena, thread) };
    match arena.release(cursor, address) {
        // A nested call waits for no lock.
        Ok(block)
            if block.usable >= WORTH_A_LOOK_BYTES
                && (block.is_worth_a_look || arena.caps_dead_pages())
                && !is_nested =>
        {
            retention::after_free(arena, block.usable, PHASES.counts().0 > 0)
        }
        Ok(_) => {}
        // After a broken reset every block looks freed: the ancestor's `free` did nothing either.
        Err(_) if broken::is(Broken::Reset) || broken::is(Broken::Misuse) => {}
        Err(misuse) => misused(misuse, address),
    }
}

/// The usable bytes of a block of the arena.
pub fn usable(arena: &Arena, block: &Block) -> usize {
    let usable = arena.usable(block.address()).unwrap_or_else(|misuse| misused(misuse, block.address()));
    if broken::is(Broken::Usable) {
        usable + 64
    } else {
        usable
    }
}

/// Changes the size of a block of the arena where it lies; false: it must move.
pub fn resize(arena: &'static Arena, block: &Block, bytes: usize) -> bool {
    let thread = Thread::current();
    let _busy = Busy::enter();
    let cursor = if tls::is_nested() { None } else { cursor(arena, thread) };
    arena.resize(cursor, block.address(), bytes).unwrap_or_else(|misuse| misused(misuse, block.address()))
}

/// A new block with the contents of one that is to have more bytes, and that the caller frees. `None`: they are to be
/// copied to wherever `malloc` takes the bytes from.
pub fn grow(arena: &'static Arena, block: &Block, bytes: usize) -> Option<Block> {
    let thread = Thread::current();
    if bytes > isize::MAX as usize || thread.is_busy() || thread.is_excluded() || is_small(bytes) {
        return None;
    }
    let _busy = Busy::enter();
    retention::before_alloc(arena, bytes);
    let grant = arena.grow(cursor(arena, thread), block.address(), bytes)?;
    retention::after_alloc(arena, bytes);
    Block::from_arena(grant.address)
}

#[cold]
fn misused(misuse: Misuse, address: usize) -> ! {
    match misuse {
        Misuse::DoubleFree => report::fatal(format_args!("double free ({address:#x})")),
        Misuse::InvalidPointer => report::fatal(format_args!("invalid pointer ({address:#x})")),
        Misuse::WriteAfterFree { at, usable } => {
            report::fatal(format_args!("write after free ({address:#x}, byte {at} of {usable})"))
        }
    }
}

/// The calling thread's cursor, made if it has none yet.
#[inline]
fn cursor(arena: &'static Arena, thread: Thread) -> Option<u32> {
    match thread.cursor() {
        CursorState::Ready(index) => Some(index),
        CursorState::Uninit => init::enter_thread(arena),
        CursorState::TornDown => None,
    }
}

/// Opens a phase. 0, or ENOMEM: there is no arena.
pub fn begin_phase() -> c_int {
    let _busy = Busy::enter();
    let arena = init::make_arena();
    PHASES.begin(|| first_phase_begins(arena));
    if arena.is_some() || config::get(Key::Mode) == MODE_OFF {
        0
    } else {
        libc::ENOMEM
    }
}

/// Under the phases' lock.
fn first_phase_begins(arena: Option<&Arena>) {
    if let Some(arena) = arena {
        arena.begin_phase();
    }
    set_gate();
    trace::phase_begins();
}

/// Closes a phase. 0, or EINVAL: none is open.
pub fn end_phase() -> c_int {
    let _busy = Busy::enter();
    let mut ended = None;
    let result = PHASES.end(|| {
        set_gate();
        ended = global::get();
        ended.map_or(Live::default(), last_phase_ends)
    });
    // The lock is free again: this may start a thread.
    if let Some(arena) = ended {
        retention::end_phase(arena);
    }
    match result {
        Ok(()) => 0,
        Err(NotOpen) => libc::EINVAL,
    }
}

/// Takes stock as the last open phase ends, under the phases' lock.
fn last_phase_ends(arena: &Arena) -> Live {
    let live = Live { blocks: arena.live_blocks(), bytes: arena.live_bytes() };
    trace::phase_ends(arena, live);
    if config::get(Key::Verbose) == 1 {
        report::line(format_args!(
            "phase {} ended: peak {} MiB live, survivors {} blocks, {} KiB",
            PHASES.counts().1 + 1,
            arena.phase_peak_bytes() >> 20,
            live.blocks,
            live.bytes >> 10
        ));
    }
    #[cfg(feature = "broken")]
    if broken::is(Broken::Reset) {
        arena.broken_reset();
    }
    live
}

/// Lets the calling thread use the arena, or not. True: it might before.
pub fn set_thread_enabled(enabled: bool) -> bool {
    !tls::set_excluded(!enabled)
}

/// True: the address lies in a live block of the arena.
pub fn owns(address: usize) -> bool {
    owner(address).is_some_and(|arena| arena.owns(address))
}

/// Gives free memory back until at most `keep` bytes of it are resident. The bytes given back.
pub fn trim(keep: usize) -> usize {
    let _busy = Busy::enter();
    if tls::is_nested() {
        // In a handler that interrupted the library, or runs inside fork: this thread itself may hold the locks.
        return 0;
    }
    let Some(arena) = global::get() else { return 0 };
    let given = arena.trim(keep);
    trace::counters(arena, c"trim");
    given
}

/// Makes the arena if need be, and has memory faulted in for it. 0, or ENOMEM: there is no arena.
pub fn prefault(bytes: usize) -> c_int {
    let _busy = Busy::enter();
    // Opens the gate, too: once there is an arena, no later request would.
    let Some(arena) = init::engage() else { return libc::ENOMEM };
    retention::prefault(arena, bytes);
    0
}
