//! What stands for a function of the next allocator until that has been found, and where it has no such function.
//! Unsafe: takes and returns C pointers, for which the program vouches.

use super::bootstrap::{self, bootstrap, is_bootstrap};
use super::{
    aligned_alloc, calloc, free, is_found, malloc, malloc_usable_size, memalign, posix_memalign, realloc, resolve,
    ALIGNED_ALLOC, MALLOC_USABLE_SIZE, MEMALIGN, POSIX_MEMALIGN,
};
use crate::platform;
use crate::tls;
use core::ffi::{c_int, c_void};
use core::ptr;

/// Finds the next allocator for a stand-in. False: this thread is doing so already, and dlsym itself allocates. Where it
/// has been found, it lacks the function that the stand-in stands for.
fn resolve_first() -> bool {
    if is_found() {
        return true;
    }
    if tls::Thread::current().is_busy() {
        return false;
    }
    resolve();
    true
}

pub extern "C" fn first_malloc(bytes: usize) -> *mut c_void {
    if !resolve_first() {
        return bootstrap(bytes, 16);
    }
    // SAFETY: takes no pointer.
    unsafe { malloc(bytes) }
}

pub extern "C" fn first_calloc(count: usize, bytes: usize) -> *mut c_void {
    if !resolve_first() {
        // The buffer is handed out once, so it is still zero.
        return count.checked_mul(bytes).map_or(ptr::null_mut(), |bytes| bootstrap(bytes, 16));
    }
    // SAFETY: takes no pointer.
    unsafe { calloc(count, bytes) }
}

pub unsafe extern "C" fn first_free(block: *mut c_void) {
    if !block.is_null() && !is_bootstrap(block) && resolve_first() {
        // SAFETY: the caller's block.
        unsafe { free(block) }
    }
}

pub unsafe extern "C" fn first_realloc(block: *mut c_void, bytes: usize) -> *mut c_void {
    if !resolve_first() {
        let new = bootstrap(bytes, 16);
        if !new.is_null() && is_bootstrap(block) {
            // SAFETY: the block is one of the buffer's.
            unsafe { bootstrap::copy_out(block, new, bytes) };
        }
        return new;
    }
    // SAFETY: the caller's block.
    unsafe { realloc(block, bytes) }
}

pub unsafe extern "C" fn first_posix_memalign(out: *mut *mut c_void, align: usize, bytes: usize) -> c_int {
    let is_found = resolve_first();
    if is_found && POSIX_MEMALIGN.get() != first_posix_memalign as *mut c_void {
        // SAFETY: the caller's.
        return unsafe { posix_memalign(out, align, bytes) };
    }
    let block = if is_found { ptr::null_mut() } else { bootstrap(bytes, align) };
    if block.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: `out` is the caller's variable.
    unsafe { out.write(block) };
    0
}

pub extern "C" fn first_memalign(align: usize, bytes: usize) -> *mut c_void {
    if !resolve_first() {
        return bootstrap(bytes, align);
    }
    if MEMALIGN.get() != first_memalign as *mut c_void {
        // SAFETY: takes no pointer.
        return unsafe { memalign(align, bytes) };
    }
    let mut block = ptr::null_mut();
    // SAFETY: `block` is live.
    let error = unsafe { posix_memalign(&mut block, align.max(size_of::<usize>()), bytes) };
    if error != 0 {
        platform::set_errno(error);
        return ptr::null_mut();
    }
    block
}

pub extern "C" fn first_aligned_alloc(align: usize, bytes: usize) -> *mut c_void {
    if resolve_first() && ALIGNED_ALLOC.get() != first_aligned_alloc as *mut c_void {
        // SAFETY: takes no pointer.
        return unsafe { aligned_alloc(align, bytes) };
    }
    // SAFETY: takes no pointer.
    unsafe { memalign(align, bytes) }
}

pub unsafe extern "C" fn first_malloc_usable_size(block: *mut c_void) -> usize {
    if is_bootstrap(block) {
        // SAFETY: a block of the buffer.
        return unsafe { bootstrap::usable(block) };
    }
    if resolve_first() && MALLOC_USABLE_SIZE.get() != first_malloc_usable_size as *mut c_void {
        // SAFETY: the caller's block.
        return unsafe { malloc_usable_size(block) };
    }
    0
}

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::super::resolve_for_test;
    use super::*;
    use crate::tls::Busy;

    /// As macOS, which has no `memalign`, and as the router calls: marked as inside the library.
    #[test]
    fn a_missing_function_is_made_of_others_and_not_of_the_bootstrap_buffer() {
        let _alone = resolve_for_test();
        MEMALIGN.set(first_memalign as *mut c_void);
        ALIGNED_ALLOC.set(first_aligned_alloc as *mut c_void);
        let busy = Busy::enter();
        // SAFETY: takes no pointer.
        let blocks = [unsafe { memalign(4096, 100) }, unsafe { aligned_alloc(4096, 100) }];
        drop(busy);
        for block in blocks {
            assert!(!block.is_null() && block.addr() % 4096 == 0 && !is_bootstrap(block), "{block:?}");
            // SAFETY: just made.
            unsafe { free(block) };
        }
        platform::set_errno(0);
        // SAFETY: takes no pointer.
        assert!(unsafe { memalign(4096, usize::MAX / 2) }.is_null() && platform::errno() == libc::ENOMEM);
        POSIX_MEMALIGN.set(first_posix_memalign as *mut c_void);
        // SAFETY: takes no pointer.
        assert!(unsafe { memalign(4096, 100) }.is_null(), "not even of posix_memalign");
        resolve();
    }
}
