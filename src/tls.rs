//! What the library keeps per thread, in one word: the cursor (Uninit, Ready, TornDown), and how deep it is inside the
//! library.
#![forbid(unsafe_code)]

use crate::broken::{self, Broken};
use crate::platform;

/// No arena calls from this thread (`zk_set_thread_enabled(0)`).
const EXCLUDED: u64 = 1 << 32;
/// The process's main thread.
const MAIN: u64 = 1 << 33;
/// One level of being inside the library: what the thread asks for meanwhile goes to the next allocator.
const BUSY: u64 = 1 << 40;
const BUSY_DEPTH: u64 = !0 << 40;
const CURSOR: u64 = 0xffff_ffff;
const TORN_DOWN: u64 = CURSOR;

/// Where a thread stands with its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorState {
    /// It has not asked the arena for anything yet.
    Uninit,
    /// It owns the cursor of this index.
    Ready(u32),
    /// Its cursor was given back as it ended; whatever its last destructors ask for goes without one.
    TornDown,
}

/// The calling thread's state, read once per call.
#[derive(Clone, Copy)]
pub struct Thread(u64);

impl Thread {
    #[inline]
    pub fn current() -> Self {
        Self(platform::thread_word())
    }

    #[inline]
    pub fn is_excluded(self) -> bool {
        self.0 & EXCLUDED != 0
    }

    pub fn is_main(self) -> bool {
        self.0 & MAIN != 0
    }

    #[inline]
    pub fn is_busy(self) -> bool {
        self.0 & BUSY_DEPTH != 0 && !broken::is(Broken::Busy)
    }

    #[inline]
    pub fn cursor(self) -> CursorState {
        match self.0 & CURSOR {
            0 => CursorState::Uninit,
            TORN_DOWN => CursorState::TornDown,
            index => CursorState::Ready(index as u32 - 1),
        }
    }
}

pub fn set_cursor(state: CursorState) {
    let value = match state {
        CursorState::Uninit => 0,
        CursorState::Ready(index) => u64::from(index) + 1,
        CursorState::TornDown => TORN_DOWN,
    };
    platform::set_thread_word(platform::thread_word() & !CURSOR | value);
}

/// The calling thread is the process's main one.
pub fn set_main() {
    platform::set_thread_word(platform::thread_word() | MAIN);
}

/// The previous setting.
pub fn set_excluded(excluded: bool) -> bool {
    let word = platform::thread_word();
    platform::set_thread_word(if excluded { word | EXCLUDED } else { word & !EXCLUDED });
    word & EXCLUDED != 0
}

/// Marks the calling thread as inside the library until dropped.
///
/// A signal handler that interrupts the library, or a function of another library that the library calls, sees the mark:
/// its requests go to the next allocator, and what it frees takes the path of a foreign thread.
#[must_use]
pub struct Busy(());

impl Busy {
    #[inline]
    pub fn enter() -> Self {
        set_busy();
        Self(())
    }
}

impl Drop for Busy {
    #[inline]
    fn drop(&mut self) {
        clear_busy();
    }
}

/// True inside a call that interrupted, or was made by, another call of this thread.
#[inline]
pub fn is_nested() -> bool {
    platform::thread_word() & BUSY_DEPTH >= 2 * BUSY && !broken::is(Broken::Nested)
}

/// What [`Busy`] does, for the fork handlers, which begin in one function and end in another.
#[inline]
pub fn set_busy() {
    platform::set_thread_word(platform::thread_word() + BUSY);
}

#[inline]
pub fn clear_busy() {
    platform::set_thread_word(platform::thread_word() - BUSY);
}

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_a_word_of_its_own_asks_the_arena_for_nothing() {
        let thread = Thread(platform::NO_THREAD_WORD);
        assert!(thread.is_busy() && thread.is_excluded());
        assert_eq!(thread.cursor(), CursorState::TornDown);
        assert!(platform::NO_THREAD_WORD.checked_add(BUSY).is_some());
    }
}
