//! The next allocator in link order, and a little memory until it has been found.
//! Unsafe: calls through pointers that dlsym returned, and hands out a static buffer.

pub mod heap_top;
pub mod interposed;

use crate::broken::{self, Broken};
use crate::platform;
use crate::report;
use crate::sync::{AtomicUsize, Ordering};
use crate::tls::{self, Busy};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void, CStr};
use core::ptr;
use core::sync::atomic::AtomicPtr;
use interposed::Interposed;
use Ordering::{Acquire, Relaxed, Release};

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
    let has_bootstrap = BOOTSTRAP_USED.load(Relaxed) > 0;
    // `malloc` last: who sees it found sees all of them.
    for ((slot, _), symbol) in slots().into_iter().zip(found).rev().filter(|(_, symbol)| !symbol.is_null()) {
        match filters().into_iter().find(|(filtered, ..)| has_bootstrap && ptr::eq(*filtered, slot)) {
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

/// `free` and `realloc` as the process calls them, where they are not this library's: an allocator stands in front of it,
/// or in the program itself. Null otherwise.
static FOREIGN_FREE: Next = Next::new(ptr::null_mut());
static FOREIGN_REALLOC: Next = Next::new(ptr::null_mut());

/// Finds out who stands in front of the library.
pub fn look_ahead() {
    for (slot, name) in [(&FOREIGN_FREE, c"free"), (&FOREIGN_REALLOC, c"realloc")] {
        let symbol = platform::first_symbol(name);
        if !symbol.is_null() && !platform::is_own_code(symbol) && !broken::is(Broken::InFront) {
            slot.set(symbol);
        }
    }
    platform::clear_symbol_error();
}

/// True: what the process calls `malloc` or `free` is neither the library's nor passes on to it. A wrapper in front does pass
/// on; but a program, or a library in front, that takes its memory elsewhere would be handed arena blocks by those functions
/// of the family that it does not define.
pub fn is_bypassed() -> bool {
    let front = [c"malloc", c"free"].map(platform::first_symbol);
    let is_foreign = front.iter().any(|symbol| !symbol.is_null() && !platform::is_own_code(*symbol));
    platform::clear_symbol_error();
    if !is_foreign || front.iter().any(|symbol| symbol.is_null()) {
        return false;
    }
    let [malloc, free] = front;
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
    let foreign = FOREIGN_FREE.get();
    if foreign.is_null() {
        // SAFETY: the caller's block, and nobody in front to have made it.
        return unsafe { free(block) };
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
pub unsafe fn realloc_in_front(block: *mut c_void, bytes: usize) -> Option<*mut c_void> {
    let foreign = Some(FOREIGN_REALLOC.get()).filter(|foreign| !foreign.is_null())?;
    // SAFETY: the symbol of this name, of this C type.
    let foreign: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void = unsafe { core::mem::transmute(foreign) };
    // SAFETY: the caller's block.
    Some(unsafe { foreign(block, bytes) })
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

extern "C" fn first_malloc(bytes: usize) -> *mut c_void {
    if !resolve_first() {
        return bootstrap(bytes, 16);
    }
    // SAFETY: takes no pointer.
    unsafe { malloc(bytes) }
}

extern "C" fn first_calloc(count: usize, bytes: usize) -> *mut c_void {
    if !resolve_first() {
        // The buffer is handed out once, so it is still zero.
        return count.checked_mul(bytes).map_or(ptr::null_mut(), |bytes| bootstrap(bytes, 16));
    }
    // SAFETY: takes no pointer.
    unsafe { calloc(count, bytes) }
}

unsafe extern "C" fn first_free(block: *mut c_void) {
    if !block.is_null() && !is_bootstrap(block) && resolve_first() {
        // SAFETY: the caller's block.
        unsafe { free(block) }
    }
}

unsafe extern "C" fn first_realloc(block: *mut c_void, bytes: usize) -> *mut c_void {
    if !resolve_first() {
        let new = bootstrap(bytes, 16);
        if !new.is_null() && is_bootstrap(block) {
            // SAFETY: the block is one of the buffer's.
            unsafe { copy_out(block, new, bytes) };
        }
        return new;
    }
    // SAFETY: the caller's block.
    unsafe { realloc(block, bytes) }
}

unsafe extern "C" fn first_posix_memalign(out: *mut *mut c_void, align: usize, bytes: usize) -> c_int {
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

extern "C" fn first_memalign(align: usize, bytes: usize) -> *mut c_void {
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

extern "C" fn first_aligned_alloc(align: usize, bytes: usize) -> *mut c_void {
    if resolve_first() && ALIGNED_ALLOC.get() != first_aligned_alloc as *mut c_void {
        // SAFETY: takes no pointer.
        return unsafe { aligned_alloc(align, bytes) };
    }
    // SAFETY: takes no pointer.
    unsafe { memalign(align, bytes) }
}

unsafe extern "C" fn first_malloc_usable_size(block: *mut c_void) -> usize {
    if is_bootstrap(block) {
        // SAFETY: a block of the buffer.
        return unsafe { bootstrap_bytes(block) };
    }
    if resolve_first() && MALLOC_USABLE_SIZE.get() != first_malloc_usable_size as *mut c_void {
        // SAFETY: the caller's block.
        return unsafe { malloc_usable_size(block) };
    }
    0
}

static REAL_FREE: Next = Next::new(ptr::null_mut());
static REAL_REALLOC: Next = Next::new(ptr::null_mut());
static REAL_USABLE_SIZE: Next = Next::new(ptr::null_mut());

/// What stands in front of the functions that take a block: slot, where the next allocator's goes, filter.
fn filters() -> [(&'static Next, &'static Next, *mut c_void); 3] {
    [
        (&FREE, &REAL_FREE, filtered_free as *mut c_void),
        (&REALLOC, &REAL_REALLOC, filtered_realloc as *mut c_void),
        (&MALLOC_USABLE_SIZE, &REAL_USABLE_SIZE, filtered_usable_size as *mut c_void),
    ]
}

unsafe extern "C" fn filtered_free(block: *mut c_void) {
    if is_bootstrap(block) {
        return;
    }
    // SAFETY: set before this function was reachable.
    let real: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(REAL_FREE.get()) };
    // SAFETY: the caller's block.
    unsafe { real(block) }
}

unsafe extern "C" fn filtered_realloc(block: *mut c_void, bytes: usize) -> *mut c_void {
    if is_bootstrap(block) {
        // SAFETY: takes no pointer.
        let new = unsafe { malloc(bytes) };
        if !new.is_null() {
            // SAFETY: the block is one of the buffer's, the new one holds `bytes`.
            unsafe { copy_out(block, new, bytes) };
        }
        return new;
    }
    // SAFETY: set before this function was reachable.
    let real: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void =
        unsafe { core::mem::transmute(REAL_REALLOC.get()) };
    // SAFETY: the caller's block.
    unsafe { real(block, bytes) }
}

unsafe extern "C" fn filtered_usable_size(block: *mut c_void) -> usize {
    if is_bootstrap(block) {
        // SAFETY: a block of the buffer.
        return unsafe { bootstrap_bytes(block) };
    }
    // SAFETY: set before this function was reachable.
    let real: unsafe extern "C" fn(*mut c_void) -> usize = unsafe { core::mem::transmute(REAL_USABLE_SIZE.get()) };
    // SAFETY: the caller's block.
    unsafe { real(block) }
}

const BOOTSTRAP_BYTES: usize = 64 << 10;
/// In front of each block of the buffer: its size.
const BOOTSTRAP_HEADER: usize = 16;

#[repr(align(4096))]
struct Buffer(UnsafeCell<[u8; BOOTSTRAP_BYTES]>);
// SAFETY: every byte is handed out at most once, by the atomic below.
unsafe impl Sync for Buffer {}

/// What the loader and dlsym get while the next allocator is being found. Never given back.
static BUFFER: Buffer = Buffer(UnsafeCell::new([0; BOOTSTRAP_BYTES]));
static BOOTSTRAP_USED: AtomicUsize = AtomicUsize::new(0);

fn bootstrap(bytes: usize, align: usize) -> *mut c_void {
    let base: *mut u8 = BUFFER.0.get().cast();
    let align = align.max(BOOTSTRAP_HEADER);
    let place = |used: usize| {
        let start = (base.addr() + used + BOOTSTRAP_HEADER).checked_next_multiple_of(align)? - base.addr();
        let end = start.checked_add(bytes)?.checked_next_multiple_of(BOOTSTRAP_HEADER)?;
        (end <= BOOTSTRAP_BYTES).then_some((start, end))
    };
    let taken = BOOTSTRAP_USED.fetch_update(Relaxed, Relaxed, |used| place(used).map(|(_, end)| end));
    let Some((start, _)) = taken.ok().and_then(place) else {
        platform::set_errno(libc::ENOMEM);
        return ptr::null_mut();
    };
    // SAFETY: the header lies in the part of the buffer just taken.
    let header = unsafe { base.add(start - BOOTSTRAP_HEADER) };
    // SAFETY: as above; aligned to 16.
    unsafe { header.cast::<usize>().write(bytes) };
    // SAFETY: `start` lies in the buffer.
    unsafe { base.add(start) }.cast()
}

fn is_bootstrap(block: *mut c_void) -> bool {
    !broken::is(Broken::Bootstrap) && block.addr().wrapping_sub(BUFFER.0.get().addr()) < BOOTSTRAP_BYTES
}

/// # Safety
/// `block` is a block of the buffer.
unsafe fn bootstrap_bytes(block: *mut c_void) -> usize {
    // SAFETY: `bootstrap` left room for a header in front of every block.
    let header = unsafe { block.byte_sub(BOOTSTRAP_HEADER) }.cast::<usize>();
    // SAFETY: and wrote it.
    unsafe { header.read() }
}

/// # Safety
/// `block` is a block of the buffer; `new` holds `bytes`.
unsafe fn copy_out(block: *mut c_void, new: *mut c_void, bytes: usize) {
    // SAFETY: a block of the buffer.
    let old = unsafe { bootstrap_bytes(block) };
    // SAFETY: both hold the smaller of the two sizes.
    unsafe { new.cast::<u8>().copy_from_nonoverlapping(block.cast(), old.min(bytes)) };
}

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::*;

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
