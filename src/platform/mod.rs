//! The platform contract: everything the library asks of the operating system, as safe functions over addresses.
//! The only place in the tree that may name an operating system.

#[cfg(modelled)]
pub mod checker;
#[cfg(target_os = "linux")]
mod elf;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod mapping;
#[cfg(modelled)]
pub mod model;
mod unix;
#[cfg(any(interposes, test))]
pub mod zone;

#[cfg(target_os = "linux")]
pub use elf::*;
#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(target_os = "macos")]
pub use macos::*;
pub use mapping::*;
pub use unix::*;
// These come before those of the same names above.
#[cfg(modelled)]
pub use model::{
    advise_huge, at_fork, commit, futex_wait, futex_wait_for, futex_wake, is_locked, join_thread, move_pages,
    name_thread, now_ns, numa_node, populate, purge, relax, release, reserve, resident, set_thread_word, start_thread,
    thread_word, unused_memory_bytes,
};

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!("libzkalloc: no platform layer for this operating system");

/// The word of every thread, where none has one of its own: all that `tls.rs` knows is set, and one more level fits in.
#[cfg(any(interposes, test))]
pub const NO_THREAD_WORD: u64 = u64::MAX >> 1;

/// Runs before or after a fork.
pub type ForkHandler = extern "C" fn();

/// A range of addresses that belongs to the library alone.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    pub base: usize,
    pub bytes: usize,
}

/// What became of a move of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Done,
    /// Nothing has changed, but that the target's pages are gone and it has lost its huge-page advice.
    Refused,
    /// The target's addresses may belong to somebody else now: they must never be used again.
    Lost,
}

/// What to tell the kernel about huge pages in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    Prefer,
    Avoid,
}
