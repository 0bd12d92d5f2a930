//! The next allocator in link order.
//! Unsafe: calls through pointers that dlsym returned.

mod bootstrap;
pub mod front;
pub mod heap_top;
pub mod interposed;
mod stand_in;

use crate::platform;
use crate::report;
use crate::sync::Ordering::{Acquire, Release};
use crate::tls::Busy;
use core::ffi::{c_int, c_void, CStr};
use core::ptr;
use core::sync::atomic::AtomicPtr;
use stand_in::{
    first_aligned_alloc, first_calloc, first_free, first_malloc, first_malloc_usable_size, first_memalign,
    first_posix_memalign, first_realloc,
};

/// A function of the next allocator. Until that is found, the pointer leads to a stand-in that finds it and calls it:
/// forwarding costs a load and a jump, and no test.
struct Next(AtomicPtr<c_void>);

impl Next {
    const fn new(stand_in: *mut c_void) -> Self {
        Self(AtomicPtr::new(stand_in))
    }

    fn set(&self, function: *mut c_void) {
        // Release: pairs with the Acquire in `get`.
        self.0.store(function, Release);
    }

    #[inline]
    fn get(&self) -> *mut c_void {
        // Acquire: pairs with the Release in `set` (what dlsym loaded is seen; free on x86-64).
        self.0.load(Acquire)
    }
}

macro_rules! forward {
    ($($(#[$meta:meta])* $function:ident ( $($argument:ident : $type:ty),* ) -> $result:ty = $slot:ident / $stand_in:ident / $symbol:literal;)*) => {
        $(
            static $slot: Next = Next::new($stand_in as *mut c_void);

            $(#[$meta])*
            ///
            /// # Safety
            /// As for the C function: pointers are null or live blocks of the next allocator.
            #[inline]
            pub unsafe fn $function($($argument: $type),*) -> $result {
                let function = $slot.get();
                type Function = unsafe extern "C" fn($($type),*) -> $result;
                // SAFETY: the slot holds either the stand-in or the symbol of this name, both of this C type.
                let function = unsafe { core::mem::transmute::<*mut c_void, Function>(function) };
                // SAFETY: the caller's.
                unsafe { function($($argument),*) }
            }
        )*

        /// The symbols, in the order in which they are looked up.
        fn slots() -> [(&'static Next, &'static CStr); forward!(@count $($slot)*)] {
            [$((&$slot, $symbol)),*]
        }
    };
    (@count $($slot:ident)*) => { 0 $(+ forward!(@one $slot))* };
    (@one $slot:ident) => { 1 };
}

forward! {
    /// `malloc` of the next allocator.
    malloc(bytes: usize) -> *mut c_void = MALLOC / first_malloc / c"malloc";
    /// `free` of the next allocator.
    free(block: *mut c_void) -> () = FREE / first_free / c"free";
    /// `calloc` of the next allocator.
    calloc(count: usize, bytes: usize) -> *mut c_void = CALLOC / first_calloc / c"calloc";
    /// `realloc` of the next allocator.
    realloc(block: *mut c_void, bytes: usize) -> *mut c_void = REALLOC / first_realloc / c"realloc";
    /// `posix_memalign` of the next allocator.
    posix_memalign(out: *mut *mut c_void, align: usize, bytes: usize) -> c_int
        = POSIX_MEMALIGN / first_posix_memalign / c"posix_memalign";
    /// `memalign` of the next allocator.
    memalign(align: usize, bytes: usize) -> *mut c_void = MEMALIGN / first_memalign / c"memalign";
    /// `aligned_alloc` of the next allocator.
    aligned_alloc(align: usize, bytes: usize) -> *mut c_void
        = ALIGNED_ALLOC / first_aligned_alloc / c"aligned_alloc";
    /// `malloc_usable_size` of the next allocator.
    malloc_usable_size(block: *mut c_void) -> usize
        = MALLOC_USABLE_SIZE / first_malloc_usable_size / c"malloc_usable_size";
}

/// Finds the next allocator. Idempotent: threads that come here together find the same.
#[cold]
pub fn resolve() {
    let _busy = Busy::enter();
    // All are found before any is used: where dlsym is hooked, and the hook allocates, it frees what it was given here.
    let found = slots().map(|(_, name)| platform::next_symbol(name));
    let has_bootstrap = bootstrap::is_used();
    // `malloc` last: who sees it found sees all of them.
    for ((slot, _), symbol) in slots().into_iter().zip(found).rev().filter(|(_, symbol)| !symbol.is_null()) {
        match bootstrap::filters().into_iter().find(|(filtered, ..)| has_bootstrap && ptr::eq(*filtered, slot)) {
            // Blocks of the buffer are about: what takes a block back must tell them from the next allocator's.
            Some((_, real, filter)) => {
                real.set(symbol);
                slot.set(filter);
            }
            None => slot.set(symbol),
        }
    }
    if !is_found() || FREE.get() == first_free as *mut c_void {
        report::fatal(format_args!("no allocator to forward to: dlsym(RTLD_NEXT, \"malloc\") found nothing"));
    }
    platform::clear_symbol_error();
}

/// As the constructor does. The slots are the test's alone until it drops what this returns.
#[cfg(test)]
pub fn resolve_for_test() -> std::sync::MutexGuard<'static, ()> {
    static SLOTS: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = SLOTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    resolve();
    guard
}

/// Makes the next allocator's first request while there is one thread. glibc initialises itself then, without a lock,
/// and relies on `pthread_create` allocating before there are two threads; but what that asks for may go to the arena.
pub fn warm_up() {
    // SAFETY: takes no pointer.
    let block = unsafe { malloc(1) };
    // SAFETY: null, or the block just made.
    unsafe { free(block) };
}

fn is_found() -> bool {
    MALLOC.get() != first_malloc as *mut c_void
}
