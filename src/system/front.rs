//! Allocators in front of the library: in a library that was preloaded before it, or in the program itself.
//! Unsafe: calls through pointers that dlsym returned.

use super::interposed::Interposed;
use super::Next;
use crate::broken::{self, Broken};
use crate::platform;
use core::ffi::c_void;
use core::ptr;

/// `free` and `realloc` as the process calls them, where they are not this library's. Null otherwise.
static FREE: Next = Next::new(ptr::null_mut());
static REALLOC: Next = Next::new(ptr::null_mut());

/// Finds out who stands in front of the library.
pub fn look() {
    for (slot, name) in [(&FREE, c"free"), (&REALLOC, c"realloc")] {
        let symbol = platform::first_symbol(name);
        if is_foreign(symbol) && !broken::is(Broken::InFront) {
            slot.set(symbol);
        }
    }
    platform::clear_symbol_error();
}

fn is_foreign(symbol: *mut c_void) -> bool {
    !symbol.is_null() && !platform::is_own_code(symbol)
}

/// True: what the process calls `malloc` or `free` is neither the library's nor passes on to it. A wrapper in front does pass
/// on; but a program, or a library in front, that takes its memory elsewhere would be handed arena blocks by those functions
/// of the family that it does not define.
pub fn is_bypassed() -> bool {
    let [malloc, free] = [c"malloc", c"free"].map(platform::first_symbol);
    platform::clear_symbol_error();
    if malloc.is_null() || free.is_null() || !(is_foreign(malloc) || is_foreign(free)) {
        return false;
    }
    // SAFETY: the symbol of this name, of this C type.
    let malloc: extern "C" fn(usize) -> *mut c_void = unsafe { core::mem::transmute(malloc) };
    // SAFETY: as above.
    let free: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(free) };
    // SAFETY: the block just made, or null.
    Interposed::look(|_| false, || unsafe { free(malloc(1)) }) != Interposed::Both
}

/// Frees a block that may be of an allocator in front of the library, which does not export the function that the program
/// called: glibc's own functions of that kind call whatever `free` the process has, too.
///
/// # Safety
/// `block` is null or a live block of any allocator but the arena.
pub unsafe fn free_anywhere(block: *mut c_void) {
    let foreign = FREE.get();
    if foreign.is_null() {
        // SAFETY: the caller's block, and nobody in front to have made it.
        return unsafe { super::free(block) };
    }
    // SAFETY: the symbol of this name, of this C type.
    let foreign: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(foreign) };
    // SAFETY: the caller's block.
    unsafe { foreign(block) }
}

/// `realloc` for an allocator in front of the library, as in [`free_anywhere`]. `None`: there is none.
///
/// # Safety
/// As for [`free_anywhere`].
pub unsafe fn realloc(block: *mut c_void, bytes: usize) -> Option<*mut c_void> {
    let foreign = Some(REALLOC.get()).filter(|foreign| !foreign.is_null())?;
    // SAFETY: the symbol of this name, of this C type.
    let foreign: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void = unsafe { core::mem::transmute(foreign) };
    // SAFETY: the caller's block.
    Some(unsafe { foreign(block, bytes) })
}
