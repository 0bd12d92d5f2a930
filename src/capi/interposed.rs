//! macOS: which functions of libSystem the library replaces, and those of them that no other system has.
//! Unsafe: takes and returns C pointers, for which the program vouches.
//!
//! Left alone: `malloc_zone_malloc` and its like, whose callers ask for a zone and get it: what these return is the
//! system's, wherever freed. And the typed `malloc_type_malloc` and its like: libmalloc passes them on to the plain ones,
//! and so to the library, where it finds those replaced and not one that is typed (its `_malloc_detect_interposition`).

use super::{standard, zone};
use crate::platform::{self, real};
use crate::router;
use core::ffi::{c_uint, c_void};

platform::interpose! {
    malloc by standard::malloc;
    calloc by standard::calloc;
    realloc by standard::realloc;
    reallocf by reallocf;
    free by standard::free;
    vfree by standard::free;
    valloc by standard::valloc;
    posix_memalign by standard::posix_memalign;
    aligned_alloc by standard::aligned_alloc;
    malloc_size by malloc_size;
    malloc_zone_from_ptr by malloc_zone_from_ptr;
    malloc_zone_free by malloc_zone_free;
    malloc_zone_realloc by malloc_zone_realloc;
    malloc_zone_batch_free by malloc_zone_batch_free;
}

/// `realloc` that frees the block where it fails.
unsafe extern "C" fn reallocf(block: *mut c_void, bytes: usize) -> *mut c_void {
    if router::owner(block.addr()).is_none() {
        // SAFETY: the caller's block, and not the arena's.
        return unsafe { real::reallocf(block, bytes) };
    }
    // SAFETY: the caller's block.
    let new = unsafe { standard::realloc(block, bytes) };
    if new.is_null() && bytes != 0 {
        // SAFETY: it failed, so the block is still there.
        unsafe { standard::free(block) };
    }
    new
}

/// The usable bytes of a block; 0 for any other address.
unsafe extern "C" fn malloc_size(block: *const c_void) -> usize {
    match router::owner(block.addr()) {
        Some(_) => zone::usable_bytes(block),
        // SAFETY: the caller's.
        None => unsafe { real::malloc_size(block) },
    }
}

unsafe extern "C" fn malloc_zone_from_ptr(block: *const c_void) -> *mut c_void {
    if zone::usable_bytes(block) > 0 {
        return zone::pointer();
    }
    // SAFETY: the caller's.
    unsafe { real::malloc_zone_from_ptr(block) }
}

/// Whatever zone is named: a block of the arena may have been taken for the default zone's.
unsafe extern "C" fn malloc_zone_free(zone: *mut c_void, block: *mut c_void) {
    match router::owner(block.addr()) {
        // SAFETY: the caller's block.
        Some(_) => unsafe { standard::free(block) },
        // SAFETY: the caller's.
        None => unsafe { real::malloc_zone_free(zone, block) },
    }
}

/// As `malloc_zone_free`.
unsafe extern "C" fn malloc_zone_realloc(zone: *mut c_void, block: *mut c_void, bytes: usize) -> *mut c_void {
    match router::owner(block.addr()) {
        // SAFETY: the caller's block.
        Some(_) => unsafe { standard::realloc(block, bytes) },
        // SAFETY: the caller's.
        None => unsafe { real::malloc_zone_realloc(zone, block, bytes) },
    }
}

/// As `malloc_zone_free`, for many. As it says in the manual, the array may be written to.
unsafe extern "C" fn malloc_zone_batch_free(zone: *mut c_void, blocks: *mut *mut c_void, count: c_uint) {
    // SAFETY: the caller's.
    let others = unsafe { zone::free_own(blocks, count) };
    // SAFETY: the caller's, less the arena's.
    unsafe { real::malloc_zone_batch_free(zone, blocks, others) };
}
