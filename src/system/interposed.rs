//! Whether the loader has put the library in front of `malloc` and `free`, where it may do so with one and not the other.
//! Unsafe: stands in front of functions that take and return C pointers.
//!
//! Neither half alone corrupts anything: `free` goes by the address of a block, and what the library does not see stays
//! with the system. But it has no use either, and is a sign that this system's loader works otherwise than thought.
//!
//! Asked in two ways, and missing is what both miss. What the loader finds by a name is what it gives to the program, but
//! for a change in how it does so; and calls of another image are counted, but such an image may have been compiled to call
//! a typed `malloc` instead.

use super::{Next, FREE, MALLOC};
use crate::sync::{AtomicUsize, Ordering};
use core::ffi::{c_void, CStr};
use core::ptr;
use Ordering::Relaxed;

/// What of other images' calls reaches the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interposed {
    Both,
    /// As where a program has opened the library late.
    Neither,
    MallocAlone,
    FreeAlone,
}

static REAL_MALLOC: Next = Next::new(ptr::null_mut());
static REAL_FREE: Next = Next::new(ptr::null_mut());
static MALLOCS: AtomicUsize = AtomicUsize::new(0);
static FREES: AtomicUsize = AtomicUsize::new(0);

impl Interposed {
    /// Asks `is_replaced` for both names, and counts the calls that arrive while `exercise` has another image make a small
    /// block and free it. Nothing is counted at any other time: the small path is as short as ever.
    pub fn look(is_replaced: impl Fn(&CStr) -> bool, exercise: impl FnOnce()) -> Self {
        REAL_MALLOC.set(MALLOC.get());
        REAL_FREE.set(FREE.get());
        let before = (MALLOCS.load(Relaxed), FREES.load(Relaxed));
        MALLOC.set(counted_malloc as *mut c_void);
        FREE.set(counted_free as *mut c_void);
        exercise();
        MALLOC.set(REAL_MALLOC.get());
        FREE.set(REAL_FREE.get());
        let counted = (MALLOCS.load(Relaxed) > before.0, FREES.load(Relaxed) > before.1);
        match (counted.0 || is_replaced(c"malloc"), counted.1 || is_replaced(c"free")) {
            (true, true) => Self::Both,
            (false, false) => Self::Neither,
            (true, false) => Self::MallocAlone,
            (false, true) => Self::FreeAlone,
        }
    }

    /// What to say on standard error.
    pub fn complaint(self) -> Option<&'static str> {
        match self {
            Self::Both | Self::Neither => None,
            Self::MallocAlone => Some("the loader has replaced malloc, but not free"),
            Self::FreeAlone => Some("the loader has replaced free, but not malloc"),
        }
    }
}

extern "C" fn counted_malloc(bytes: usize) -> *mut c_void {
    MALLOCS.fetch_add(1, Relaxed);
    // SAFETY: what the slot of this name held, of this C type.
    let real: extern "C" fn(usize) -> *mut c_void = unsafe { core::mem::transmute(REAL_MALLOC.get()) };
    real(bytes)
}

unsafe extern "C" fn counted_free(block: *mut c_void) {
    FREES.fetch_add(1, Relaxed);
    // SAFETY: as above.
    let real: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(REAL_FREE.get()) };
    // SAFETY: the caller's block.
    unsafe { real(block) }
}

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::super::{free, malloc};
    use super::*;

    /// Loaders: what reaches the library is what goes through its slots.
    #[test]
    fn loaders_are_told_apart() {
        let _alone = super::super::resolve_for_test();
        // SAFETY: takes no pointer.
        let make = || unsafe { malloc(100) };
        // SAFETY: a block just made, or null.
        let drop_block = |block| unsafe { free(block) };
        // SAFETY: takes no pointer.
        let make_unseen = || unsafe { libc::malloc(100) };
        // SAFETY: as above: of the same allocator.
        let drop_unseen = |block| unsafe { libc::free(block) };
        let look = |exercise: &mut dyn FnMut()| Interposed::look(|_| false, exercise);
        assert_eq!(look(&mut || drop_block(make())), Interposed::Both);
        assert_eq!(look(&mut || drop_unseen(make_unseen())), Interposed::Neither);
        // Under a sanitizer the two are not the same allocator.
        let (mut seen, unseen) = (ptr::null_mut(), make_unseen());
        assert_eq!(look(&mut || seen = make()), Interposed::MallocAlone);
        assert_eq!(look(&mut || drop_block(seen)), Interposed::FreeAlone);
        assert_eq!(look(&mut || drop_unseen(unseen)), Interposed::Neither);
        // And as if nothing had been.
        assert_eq!(look(&mut || ()), Interposed::Neither);
        drop_block(make());
        // What the loader gives out by a name counts as well as what arrives.
        let block = make();
        assert_eq!(Interposed::look(|name| name == c"malloc", || drop_block(block)), Interposed::Both);
        assert_eq!(Interposed::look(|name| name == c"free", || ()), Interposed::FreeAlone);
        assert_eq!(Interposed::look(|_| true, || ()), Interposed::Both);
        let lines = [Interposed::MallocAlone, Interposed::FreeAlone].map(Interposed::complaint);
        assert!(lines.iter().all(Option::is_some) && lines[0] != lines[1]);
    }
}
