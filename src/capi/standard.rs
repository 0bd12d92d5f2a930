//! malloc and its family, with the semantics of C11, POSIX and glibc (I4).
//! Unsafe: takes and returns C pointers, for which the program vouches.
//!
//! Every function: small requests, and blocks that are not the arena's, go to the next allocator as they are; what is
//! said of them in its manual holds. `errno` is ENOMEM where a block is refused, and is kept by `free`. Safe to call
//! from any thread, after fork, and before the library's constructor has run.

// Where the loader replaces function by function (capi/interposed.rs), it does so with fewer.
#![cfg_attr(interposes, allow(dead_code))]

use super::checks;
use crate::arena::Arena;
use crate::block::{self, Block};
use crate::broken::{self, Broken};
use crate::{platform, router, system};
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub extern "C" fn malloc(bytes: usize) -> *mut c_void {
    allocate(bytes)
}

/// `malloc` without its symbol, which may be another library's that wraps this one.
#[inline(always)]
fn allocate(bytes: usize) -> *mut c_void {
    if !router::is_small(bytes) {
        if let Some(block) = router::allocate(bytes, 1, false) {
            return block.into_pointer();
        }
        if broken::is(Broken::Overflow) {
            return ptr::null_mut();
        }
    }
    // SAFETY: takes no pointer.
    unsafe { system::malloc(bytes) }
}

#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub extern "C" fn calloc(count: usize, bytes: usize) -> *mut c_void {
    // A product that overflows is the next allocator's to refuse.
    let Some(total) = checks::array_bytes(count, bytes).filter(|&total| !router::is_small(total)) else {
        // SAFETY: takes no pointer.
        return unsafe { system::calloc(count, bytes) };
    };
    if let Some(block) = router::allocate(total, 1, true) {
        return block.into_pointer();
    }
    let _forwarding = router::forward(total);
    // SAFETY: takes no pointer.
    unsafe { system::calloc(count, bytes) }
}

/// # Safety
/// `pointer` is null or a live block.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn free(pointer: *mut c_void) {
    match router::owner(pointer.addr()) {
        // SAFETY: the program's block.
        Some(arena) => unsafe { free_in_arena(arena, pointer) },
        // SAFETY: not the arena's, so null or the next allocator's.
        None => unsafe { system::free(pointer) },
    }
}

/// # Safety
/// `pointer` lies in the arena, and the program frees it.
unsafe fn free_in_arena(arena: &'static Arena, pointer: *mut c_void) {
    let Some(pointer) = NonNull::new(pointer) else { return };
    // SAFETY: the program hands its block over.
    let block = unsafe { Block::from_program(pointer) };
    router::release(arena, block);
}

/// # Safety
/// `pointer` is null or a live block.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn realloc(pointer: *mut c_void, bytes: usize) -> *mut c_void {
    let Some(block) = NonNull::new(pointer) else { return allocate(bytes) };
    match router::owner(pointer.addr()) {
        Some(arena) => {
            // SAFETY: the program hands its block over.
            let block = unsafe { Block::from_program(block) };
            realloc_in_arena(arena, block, bytes)
        }
        None if broken::is(Broken::Sticky) && !router::is_small(bytes) => {
            // SAFETY: the caller's block, and not the arena's.
            unsafe { move_into_arena(pointer, bytes) }
        }
        None => {
            router::note_system_request(bytes);
            // SAFETY: not the arena's, so the next allocator's: it stays there at every size.
            unsafe { system::realloc(pointer, bytes) }
        }
    }
}

/// What `realloc` must not do ([`Broken::Sticky`]).
///
/// # Safety
/// `pointer` is a live block of the next allocator.
unsafe fn move_into_arena(pointer: *mut c_void, bytes: usize) -> *mut c_void {
    let new = allocate(bytes);
    if !new.is_null() {
        // SAFETY: the caller's block.
        let before = unsafe { system::malloc_usable_size(pointer) };
        // SAFETY: both blocks hold so much.
        unsafe { new.cast::<u8>().copy_from_nonoverlapping(pointer.cast(), before.min(bytes)) };
        // SAFETY: the caller's block, which nobody uses any more.
        unsafe { system::free(pointer) };
    }
    new
}

fn realloc_in_arena(arena: &'static Arena, block: Block, bytes: usize) -> *mut c_void {
    let usable = router::usable(arena, &block);
    if bytes == 0 {
        // Whatever the next allocator makes of it.
        // SAFETY: takes no pointer.
        let stand_in = unsafe { system::malloc(1) };
        // SAFETY: null or a block that the next allocator has just handed out.
        let result = unsafe { system::realloc(stand_in, 0) };
        router::release(arena, block);
        return result;
    }
    if router::resize(arena, &block, bytes) {
        return block.into_pointer();
    }
    if let Some(new) = router::grow(arena, &block, bytes) {
        router::release(arena, block);
        return new.into_pointer();
    }
    let new = allocate(bytes);
    let Some(target) = NonNull::new(new) else { return ptr::null_mut() };
    // SAFETY: the old block holds `usable` bytes, the new one `bytes`.
    unsafe { block::copy(&block, target, usable.min(bytes)) };
    router::release(arena, block);
    new
}

/// # Safety
/// `pointer` is null or a live block.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn reallocarray(pointer: *mut c_void, count: usize, bytes: usize) -> *mut c_void {
    match checks::array_bytes(count, bytes) {
        Some(total) => {
            if router::owner(pointer.addr()).is_none() {
                // SAFETY: the caller's block, and not the arena's.
                if let Some(new) = unsafe { system::front::realloc(pointer, total) } {
                    return new;
                }
            }
            // SAFETY: the caller's block.
            unsafe { realloc(pointer, total) }
        }
        None => {
            platform::set_errno(libc::ENOMEM);
            ptr::null_mut()
        }
    }
}

/// # Safety
/// `out` points to a pointer.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, bytes: usize) -> c_int {
    if !router::is_small(bytes) && checks::is_posix_alignment(align) {
        if let Some(block) = router::allocate(bytes, align, false) {
            // SAFETY: the caller's variable.
            unsafe { out.write(block.into_pointer()) };
            return 0;
        }
    }
    let _forwarding = router::forward(bytes);
    // SAFETY: the caller's variable.
    unsafe { system::posix_memalign(out, align, bytes) }
}

#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, bytes: usize) -> *mut c_void {
    if !router::is_small(bytes) && checks::is_alignment(align) {
        if let Some(block) = router::allocate(bytes, align, false) {
            return block.into_pointer();
        }
    }
    // SAFETY: takes no pointer.
    unsafe { system::aligned_alloc(align, bytes) }
}

#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub extern "C" fn memalign(align: usize, bytes: usize) -> *mut c_void {
    if !router::is_small(bytes) && checks::is_alignment(align) {
        if let Some(block) = router::allocate(bytes, align, false) {
            return block.into_pointer();
        }
    }
    let align = if broken::is(Broken::Forwarding) { 1 } else { align };
    let _forwarding = router::forward(bytes);
    // SAFETY: takes no pointer.
    unsafe { system::memalign(align, bytes) }
}

#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub extern "C" fn valloc(bytes: usize) -> *mut c_void {
    memalign(platform::page_bytes(), bytes)
}

#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub extern "C" fn pvalloc(bytes: usize) -> *mut c_void {
    let page_bytes = platform::page_bytes();
    match checks::whole_pages(bytes, page_bytes) {
        Some(bytes) => memalign(page_bytes, bytes),
        None => {
            platform::set_errno(libc::ENOMEM);
            ptr::null_mut()
        }
    }
}

/// # Safety
/// `pointer` is null or a live block.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(pointer: *mut c_void) -> usize {
    match router::owner(pointer.addr()).zip(NonNull::new(pointer)) {
        Some((arena, pointer)) => {
            // SAFETY: the program's block.
            let block = unsafe { Block::from_program(pointer) };
            router::usable(arena, &block)
        }
        // SAFETY: not the arena's, so null or the next allocator's.
        None => unsafe { system::malloc_usable_size(pointer) },
    }
}

/// # Safety
/// As `free`.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn cfree(pointer: *mut c_void) {
    // SAFETY: the caller's.
    unsafe { free_anywhere(pointer) }
}

/// C23: `free`, with the size that was asked for, which nothing here needs.
///
/// # Safety
/// As `free`.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn free_sized(pointer: *mut c_void, _bytes: usize) {
    // SAFETY: the caller's.
    unsafe { free_anywhere(pointer) }
}

/// C23: `free`, with the alignment and the size that were asked for.
///
/// # Safety
/// As `free`.
#[cfg_attr(not(any(interposes, test)), no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(pointer: *mut c_void, _align: usize, _bytes: usize) {
    // SAFETY: the caller's.
    unsafe { free_anywhere(pointer) }
}

/// `free` under a name that an allocator in front of the library may lack.
///
/// # Safety
/// As `free`.
unsafe fn free_anywhere(pointer: *mut c_void) {
    match router::owner(pointer.addr()) {
        // SAFETY: the program's block.
        Some(arena) => unsafe { free_in_arena(arena, pointer) },
        // SAFETY: not the arena's.
        None => unsafe { system::front::free_anywhere(pointer) },
    }
}
