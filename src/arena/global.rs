//! The one arena of the process.
//! Unsafe: writes it once, in place, and reads it afterwards without a lock.
#![allow(unsafe_code)]

use super::Arena;
use crate::sync::{AtomicUsize, Ordering};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use Ordering::{Acquire, Relaxed, Release};

struct Place(UnsafeCell<MaybeUninit<Arena>>);
// SAFETY: written by `install` alone, before `BYTES` says that it is there; afterwards only shared references exist.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));
static BASE: AtomicUsize = AtomicUsize::new(0);
/// 0: there is no arena yet.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Makes `arena` the process's arena. The caller sees to it that this happens once (`init.rs`, under its lock).
pub fn install(arena: Arena) {
    assert!(BYTES.load(Relaxed) == 0);
    let (base, bytes) = (arena.region().base(), arena.region().bytes());
    // SAFETY: nobody reads the place before `BYTES` is set, and nobody writes it twice.
    let place = unsafe { &mut *PLACE.0.get() };
    place.write(arena);
    BASE.store(base, Relaxed);
    // Release: pairs with the Acquire in `get` and `owner`.
    BYTES.store(bytes, Release);
}

/// The arena, once there is one.
#[inline]
pub fn get() -> Option<&'static Arena> {
    // Acquire: pairs with the Release in `install`.
    if BYTES.load(Acquire) == 0 {
        return None;
    }
    // SAFETY: never written again once `BYTES` is set.
    let place = unsafe { &*PLACE.0.get() };
    // SAFETY: written before `BYTES` was, and never dropped.
    Some(unsafe { place.assume_init_ref() })
}

/// The arena, if `address` lies in its reservation. The small path of `free`: two loads, a subtraction, a compare.
#[inline]
pub fn owner(address: usize) -> Option<&'static Arena> {
    // Acquire: pairs with the Release in `install`, so that `BASE` belongs to it.
    let bytes = BYTES.load(Acquire);
    if address.wrapping_sub(BASE.load(Relaxed)) >= bytes {
        return None;
    }
    get()
}
