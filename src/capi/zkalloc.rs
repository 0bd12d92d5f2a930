//! The functions of include/zkalloc.h, which cbindgen makes from this file.
//! Unsafe: exports C symbols and writes to variables of the program.

use crate::{init, router, stats, VERSION_C};
use core::ffi::{c_char, c_int, c_uint, c_void};

/// What the library has done and holds, for this process and since its start. Bytes are bytes of blocks, as
/// `malloc_usable_size` gives them. New fields are only appended.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct zk_stats {
    /// In: `sizeof(zk_stats)`. Out: the bytes that were filled in.
    pub size: u32,
    /// Out: the layout of this structure, 1.
    pub version: u32,
    /// `zk_begin_phase` calls.
    pub phases_begun: u64,
    /// `zk_end_phase` calls that closed a phase.
    pub phases_ended: u64,
    /// Blocks that the arena has handed out.
    pub arena_allocs: u64,
    /// Blocks that were given back to it.
    pub arena_frees: u64,
    /// Blocks that the program holds.
    pub live_blocks: u64,
    /// Bytes of these.
    pub live_bytes: u64,
    /// The most there were at once, to about 16 MiB, or 256 KiB for each thread where more than 64 run: threads report
    /// what they hold in steps.
    pub peak_live_bytes: u64,
    /// Bytes of the arena that are in memory, as far as the library can know: at most this. A page that was only ever read
    /// counts, since `mincore` counts the system's page of zeroes.
    pub resident_bytes: u64,
    /// Addresses reserved for the arena.
    pub reserved_bytes: u64,
    /// Bytes handed out on pages that had been used before.
    pub reused_bytes: u64,
    /// Bytes handed out on untouched pages.
    pub fresh_bytes: u64,
    /// Bytes of free pages that were moved to where they were needed.
    pub moved_bytes: u64,
    /// Bytes of free pages that were given back to the system.
    pub returned_bytes: u64,
    /// Requests that the arena had no room for; the next allocator served them.
    pub overflow_count: u64,
    /// Bytes of these.
    pub overflow_bytes: u64,
    /// Requests of at least the threshold that went to the next allocator while a phase was open.
    pub system_allocs_in_phase: u64,
    /// Blocks that were alive when the last phase ended.
    pub survivor_blocks: u64,
    /// Bytes of these.
    pub survivor_bytes: u64,
    /// Threads that have used the arena.
    pub threads_seen: u64,
    /// Forks: one more in parent and child with each.
    pub forks: u64,
}

const HEADER_BYTES: usize = 2 * size_of::<u32>();
const _: () = assert!(size_of::<zk_stats>() == HEADER_BYTES + stats::NAMES.len() * size_of::<u64>());

/// Opens a phase: a proof begins. Phases count, process-wide; they may nest and overlap between threads.
///
/// Returns 0; ENOMEM: there is no address space for an arena, or the library has not been started yet (a constructor of
/// another one asks), and the phase counts all the same. Does not set `errno`.
/// Safe to call from any thread and in the child of a fork; not from a signal or fork handler.
#[no_mangle]
pub extern "C" fn zk_begin_phase() -> c_int {
    router::begin_phase()
}

/// Closes a phase: a proof has ended. Whatever the program still holds stays as it is.
///
/// Returns 0; EINVAL: no phase is open, and nothing changes. Does not set `errno`. Safe to call from any thread, also
/// from another one than began the phase, and in the child of a fork; not from a signal or fork handler.
#[no_mangle]
pub extern "C" fn zk_end_phase() -> c_int {
    router::end_phase()
}

/// Returns the number of open phases in the process. Safe to call anywhere.
#[no_mangle]
pub extern "C" fn zk_phase_depth() -> c_uint {
    router::PHASES.depth()
}

/// Lets the calling thread use the arena (`on` other than 0) or not (0); what it holds stays as it is. New threads may.
///
/// Returns the previous setting, 1 or 0. Safe to call from any thread.
#[no_mangle]
pub extern "C" fn zk_set_thread_enabled(on: c_int) -> c_int {
    c_int::from(router::set_thread_enabled(on != 0))
}

/// Tells whether an address lies in a live block of the arena.
///
/// `p` may be anything; it is not followed. Returns 1, or 0 for anything else. Safe to call from any thread; the answer
/// holds as long as the caller knows that nobody frees the block.
#[no_mangle]
pub extern "C" fn zk_owns(p: *const c_void) -> c_int {
    c_int::from(router::owns(p.addr()))
}

/// Gives free memory back to the system, now, until at most `keep_bytes` of the arena's free memory are resident.
///
/// Returns the bytes given back: 0 in a signal handler that interrupted the library, and in a fork handler. Safe to call
/// anywhere.
#[no_mangle]
pub extern "C" fn zk_trim(keep_bytes: usize) -> usize {
    router::trim(keep_bytes)
}

/// Has the background thread fault in `bytes` of memory for the arena, which is made if need be, so that a first proof
/// finds it ready. Returns at once, unless there is no background thread (`ZK_ALLOC_BACKGROUND=0`, or the system refuses
/// one): the calling thread does it then.
///
/// Returns 0; ENOMEM: there is no arena (mode off, no address space, or not started yet). Does not set `errno`. Safe to
/// call from any thread and in the child of a fork; not from a signal or fork handler.
#[no_mangle]
pub extern "C" fn zk_prefault(bytes: usize) -> c_int {
    router::prefault(bytes)
}

/// Fills in the counters, as far as `out->size` reaches.
///
/// Returns 0; EINVAL: `out` is NULL, or `out->size` has room for no counter. Does not set `errno`. Safe to call from
/// any thread; what other threads do meanwhile may be counted or not.
///
/// # Safety
/// `out` is NULL or points to `out->size` bytes.
#[no_mangle]
pub unsafe extern "C" fn zk_stats_get(out: *mut zk_stats) -> c_int {
    if out.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: `size` is the first field.
    let size = unsafe { out.cast::<u32>().read() } as usize;
    let count = size.saturating_sub(HEADER_BYTES) / size_of::<u64>();
    if count == 0 {
        return libc::EINVAL;
    }
    let values = stats::collect();
    let filled = &values[..count.min(values.len())];
    // SAFETY: the header lies within `size`.
    let fields = unsafe { out.byte_add(HEADER_BYTES) }.cast::<u64>();
    // SAFETY: `filled` reaches no further than `size` does.
    unsafe { fields.copy_from_nonoverlapping(filled.as_ptr(), filled.len()) };
    let header = [(HEADER_BYTES + size_of_val(filled)) as u32, stats::STATS_VERSION];
    // SAFETY: two u32 are the header.
    unsafe { out.cast::<[u32; 2]>().write(header) };
    0
}

/// Tells how many requests the arena had no room for since the start or the last reset, and their bytes.
///
/// `count` and `bytes` may be NULL. Safe to call from any thread.
///
/// # Safety
/// `count` and `bytes` are NULL or point to a `size_t` each.
#[no_mangle]
pub unsafe extern "C" fn zk_overflow_stats(count: *mut usize, bytes: *mut usize) {
    let (overflow_count, overflow_bytes) = stats::overflow();
    if !count.is_null() {
        // SAFETY: the caller's variable.
        unsafe { count.write(overflow_count as usize) };
    }
    if !bytes.is_null() {
        // SAFETY: the caller's variable.
        unsafe { bytes.write(overflow_bytes as usize) };
    }
}

/// Sets both overflow counters to 0, in `zk_stats` too. Safe to call from any thread.
#[no_mangle]
pub extern "C" fn zk_reset_overflow_stats() {
    stats::reset_overflow();
}

/// Returns the arena's limit per processor, in bytes (`ZK_ALLOC_SLAB_GB`). Safe to call anywhere.
#[no_mangle]
pub extern "C" fn zk_slab_size() -> usize {
    init::slab_bytes()
}

/// Returns the smallest request that the arena takes, in bytes (`ZK_ALLOC_MIN_BYTES`). Safe to call anywhere.
#[no_mangle]
pub extern "C" fn zk_min_arena_bytes() -> usize {
    router::min_arena_bytes()
}

/// Returns the version of the loaded library, for example "0.1.0": a constant, never freed. Safe to call anywhere.
#[no_mangle]
pub extern "C" fn zk_version() -> *const c_char {
    VERSION_C.as_ptr()
}
