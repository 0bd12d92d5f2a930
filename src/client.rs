//! Unsafe only because `dlsym` gives untyped addresses: they must be given a type before they can be called.
//!
//! The Rust API for programs: marks phases, reads statistics, gives memory back. It interposes nothing. The loaded
//! `libzkalloc.so` is looked up once, at the first call; without it every call is a no-op that gives `Ok`, 0, `false`
//! or `None`, so that one binary runs with and without the library.
//!
//! Every function may be called from any thread at any time, except from a signal handler. After `fork` both processes
//! may go on calling, each with its own counters; only the very first call of a process (the lookup) must not run in
//! one thread while another forks, so a program of many threads that forks calls [`is_loaded`] once before.

use libc::{c_int, c_uint, c_void, size_t};
use std::ffi::CStr;
use std::sync::OnceLock;
use std::{error, fmt, mem};

/// The symbols of the loaded library: a struct of function pointers, and how to find them all.
macro_rules! symbols {
    ($($field:ident = $symbol:literal: $signature:ty;)*) => {
        struct Library {
            $($field: $signature,)*
        }

        impl Library {
            /// None where a symbol is missing: then no library is loaded, or one too old to be used.
            fn find() -> Option<Self> {
                Some(Self {
                    $($field: {
                        let address = address_of($symbol)?;
                        // SAFETY: include/zkalloc.h, from the same source tree as this table, declares the symbol
                        // with this signature, and names that begin with zk_ are this library's alone; the address is
                        // not null, and a preloaded library is never unloaded.
                        unsafe { mem::transmute::<*mut c_void, $signature>(address) }
                    },)*
                })
            }
        }
    };
}

// Only zk_stats_get writes through its argument; the others take any value (zk_owns compares, it never dereferences).
symbols! {
    begin_phase = c"zk_begin_phase": extern "C" fn() -> c_int;
    end_phase = c"zk_end_phase": extern "C" fn() -> c_int;
    phase_depth = c"zk_phase_depth": extern "C" fn() -> c_uint;
    set_thread_enabled = c"zk_set_thread_enabled": extern "C" fn(c_int) -> c_int;
    owns = c"zk_owns": extern "C" fn(*const c_void) -> c_int;
    trim = c"zk_trim": extern "C" fn(size_t) -> size_t;
    stats_get = c"zk_stats_get": unsafe extern "C" fn(*mut Stats) -> c_int;
}

fn address_of(symbol: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends in a NUL (CStr), and dlsym only reads it.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(Library::find).as_ref()
}

/// Why [`begin_phase`] or [`end_phase`] could not do all of its work. The program may always go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseError {
    /// There is no arena (ENOMEM): memory comes from the system. The phase was counted and must be ended all the same.
    NoArena,
    /// No phase was open (EINVAL): nothing was changed.
    NotOpen,
}

impl fmt::Display for PhaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoArena => "no arena: the phase counts, memory comes from the system",
            Self::NotOpen => "no phase is open",
        })
    }
}

impl error::Error for PhaseError {}

/// Opens a phase for the whole process: from now until the matching [`end_phase`] every thread's large requests are
/// served from the arena. Phases nest and overlap between threads; the last end closes. [`phase`] and [`PhaseGuard`]
/// cannot forget that end, so prefer them.
///
/// # Errors
/// [`PhaseError::NoArena`]: no memory could be reserved. The phase counts all the same.
pub fn begin_phase() -> Result<(), PhaseError> {
    match library() {
        Some(library) if (library.begin_phase)() != 0 => Err(PhaseError::NoArena),
        _ => Ok(()),
    }
}

/// Ends a phase. What is still allocated stays valid, for as long as the program keeps it.
///
/// # Errors
/// [`PhaseError::NotOpen`]: no phase is open; nothing was changed.
pub fn end_phase() -> Result<(), PhaseError> {
    match library() {
        Some(library) if (library.end_phase)() != 0 => Err(PhaseError::NotOpen),
        _ => Ok(()),
    }
}

/// A phase for as long as this value lives: ends it on drop, which a panic that unwinds reaches too. It may be dropped
/// on another thread. A guard that `fork` copies ends the phase once in each process.
///
/// ```
/// let proof = {
///     let _phase = zkalloc::PhaseGuard::new();
///     vec![7u8; 1 << 20]
/// };
/// assert_eq!(proof[0], 7); // outlives its phase
/// ```
#[derive(Debug)]
#[must_use = "the phase ends when the guard is dropped"]
pub struct PhaseGuard {
    // Keeps the guard from being made by anything but `new`.
    _private: (),
}

impl PhaseGuard {
    /// Opens a phase. Cannot fail: without an arena ([`PhaseError::NoArena`]) the phase counts and must end too.
    pub fn new() -> Self {
        let _ = begin_phase();
        Self { _private: () }
    }
}

impl Default for PhaseGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PhaseGuard {
    fn drop(&mut self) {
        // Fails only where the program ended this phase behind the guard's back: then nothing is left to end.
        let _ = end_phase();
    }
}

/// Runs `work` in a phase, which ends when `work` returns or unwinds, and gives its result.
///
/// ```
/// let proof = zkalloc::phase(|| vec![1u64; 1 << 17]);
/// assert_eq!(proof.iter().sum::<u64>(), 1 << 17); // outlives its phase
/// ```
pub fn phase<R>(work: impl FnOnce() -> R) -> R {
    let _phase = PhaseGuard::new();
    work()
}

/// How many phases are open in the process. 0 without the library.
pub fn phase_depth() -> u32 {
    library().map_or(0, |library| (library.phase_depth)())
}

/// Whether the library is loaded. False also where the loaded one lacks a function that this crate needs.
pub fn is_loaded() -> bool {
    library().is_some()
}

/// Whether `ptr` points into a live block of the arena. Any pointer may be asked about; it is not read through.
pub fn owns<T: ?Sized>(ptr: *const T) -> bool {
    library().is_some_and(|library| (library.owns)(ptr.cast()) != 0)
}

/// Gives free arena memory back to the system until at most `keep_bytes` of it stay resident; returns the number of
/// bytes given back.
pub fn trim(keep_bytes: usize) -> usize {
    library().map_or(0, |library| (library.trim)(keep_bytes))
}

/// Lets the calling thread allocate from the arena (`true`, how every thread starts) or not; returns its previous
/// setting, false without the library. What the thread has already allocated is not affected.
pub fn set_thread_enabled(enabled: bool) -> bool {
    library().is_some_and(|library| (library.set_thread_enabled)(c_int::from(enabled)) != 0)
}

/// Defines [`Stats`]: two u32 of layout, then the counters of the table, one u64 each.
macro_rules! stats {
    ($($counter:ident: $meaning:literal;)*) => {
        /// Counters of this process since its start, as `zk_stats` in `zkalloc.h`: the same fields in the same order.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            /// Bytes that the library filled in. Counters beyond it, which an older library does not know, are 0.
            pub size: u32,
            /// Version of the layout.
            pub version: u32,
            $(#[doc = $meaning] pub $counter: u64,)*
        }
    };
}

stats! {
    phases_begun: "Phases opened.";
    phases_ended: "Phases ended.";
    arena_allocs: "Blocks served from the arena.";
    arena_frees: "Arena blocks freed.";
    live_blocks: "Arena blocks alive.";
    live_bytes: "Usable bytes of the arena blocks alive.";
    peak_live_bytes: "The most `live_bytes` has been, to about 16 MiB (see zkalloc.h).";
    resident_bytes: "Bytes of the arena that occupy memory.";
    reserved_bytes: "Bytes of address space reserved.";
    reused_bytes: "Bytes served from pages that were used before.";
    fresh_bytes: "Bytes served from pages never touched before.";
    moved_bytes: "Bytes of pages moved to where they were needed.";
    returned_bytes: "Bytes given back to the system.";
    overflow_count: "Requests that the arena was too full for.";
    overflow_bytes: "Bytes of those requests.";
    system_allocs_in_phase: "Requests of at least the threshold that went to the system while a phase was open.";
    survivor_blocks: "Blocks alive when the last phase ended.";
    survivor_bytes: "Usable bytes of those blocks.";
    threads_seen: "Threads that have used the arena.";
    forks: "Times that the process forked; a child counts its own birth.";
}

/// The library's counters at this moment; None without the library.
pub fn stats() -> Option<Stats> {
    let library = library()?;
    let size = mem::size_of::<Stats>() as u32;
    let mut stats = Stats { size, ..Stats::default() };
    // SAFETY: `stats` is this function's own zk_stats, and the library writes at most the `size` bytes announced (I4).
    let status = unsafe { (library.stats_get)(&mut stats) };
    (status == 0).then_some(stats)
}

/// Makes rayon free the queue memory that the phase just ended left behind: 256 joins of nothing.
///
/// A job that comes from outside the pool goes through rayon's injector, a linked list of blocks of 63 jobs (about
/// 1.5 KB each). A block is freed only when all of its jobs have been taken, and the last one always stays: one born in
/// a phase outlives it by up to 63 jobs. 256 jobs fill and drain four blocks, so every block that existed at the call
/// is gone. Under libzkalloc such a survivor is sound, merely a small block that keeps its span in use; under an arena
/// that is reset it is a corruption. To be called between phases, and not from a worker of the pool (a worker's joins
/// never see the injector). Blocks until the pool has run them: about a millisecond, more where it is busy.
#[cfg(feature = "rayon")]
pub fn flush_rayon() {
    const JOBS: usize = 256;
    for _ in 0..JOBS {
        rayon::join(|| (), || ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_have_the_layout_of_the_header() {
        assert_eq!(mem::size_of::<Stats>(), 2 * 4 + 20 * 8);
        assert_eq!(mem::offset_of!(Stats, phases_begun), 8);
        assert_eq!(mem::offset_of!(Stats, forks), 2 * 4 + 19 * 8);
    }

    #[test]
    fn without_the_library_nothing_happens() {
        assert!(!is_loaded(), "these tests are to run without LD_PRELOAD");
        assert_eq!(begin_phase(), Ok(()));
        assert_eq!(phase_depth(), 0);
        assert_eq!(end_phase(), Ok(()));
        assert_eq!(end_phase(), Ok(()));
        assert_eq!(stats(), None);
        assert!(!owns(&0u8));
        assert_eq!(trim(0), 0);
        assert!(!set_thread_enabled(false));
    }

    #[test]
    fn a_phase_gives_the_result_and_passes_a_panic_on() {
        assert_eq!(phase(|| 7), 7);
        let message = "from inside";
        let caught = std::panic::catch_unwind(|| phase(|| std::panic::panic_any(message)));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&message));
    }

    #[test]
    fn an_unknown_symbol_has_no_address() {
        assert_eq!(address_of(c"zk_no_such_function"), None);
        assert!(address_of(c"malloc").is_some());
    }

    #[cfg(feature = "rayon")]
    #[test]
    fn flushing_returns() {
        flush_rayon();
    }
}
