//! A little memory until the next allocator has been found: what the loader and dlsym themselves ask for.
//! Unsafe: hands out a static buffer, and takes back C pointers, for which the program vouches.

use super::{malloc, Next, FREE, MALLOC_USABLE_SIZE, REALLOC};
use crate::broken::{self, Broken};
use crate::platform;
use crate::sync::{AtomicUsize, Ordering::Relaxed};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;

const BYTES: usize = 64 << 10;
/// In front of each block of the buffer: its size.
const HEADER: usize = 16;

#[repr(align(4096))]
struct Buffer(UnsafeCell<[u8; BYTES]>);
// SAFETY: every byte is handed out at most once, by the atomic below.
unsafe impl Sync for Buffer {}

/// Never given back.
static BUFFER: Buffer = Buffer(UnsafeCell::new([0; BYTES]));
static USED: AtomicUsize = AtomicUsize::new(0);

/// True: some of it has been handed out.
pub fn is_used() -> bool {
    USED.load(Relaxed) > 0
}

/// A block of the buffer, or null with `errno` set.
pub fn bootstrap(bytes: usize, align: usize) -> *mut c_void {
    let base: *mut u8 = BUFFER.0.get().cast();
    let align = align.max(HEADER);
    let place = |used: usize| {
        let start = (base.addr() + used + HEADER).checked_next_multiple_of(align)? - base.addr();
        let end = start.checked_add(bytes)?.checked_next_multiple_of(HEADER)?;
        (end <= BYTES).then_some((start, end))
    };
    let taken = USED.fetch_update(Relaxed, Relaxed, |used| place(used).map(|(_, end)| end));
    let Some((start, _)) = taken.ok().and_then(place) else {
        platform::set_errno(libc::ENOMEM);
        return ptr::null_mut();
    };
    // SAFETY: the header lies in the part of the buffer just taken.
    let header = unsafe { base.add(start - HEADER) };
    // SAFETY: as above; aligned to 16.
    unsafe { header.cast::<usize>().write(bytes) };
    // SAFETY: `start` lies in the buffer.
    unsafe { base.add(start) }.cast()
}

pub fn is_bootstrap(block: *mut c_void) -> bool {
    !broken::is(Broken::Bootstrap) && block.addr().wrapping_sub(BUFFER.0.get().addr()) < BYTES
}

/// # Safety
/// `block` is a block of the buffer.
pub unsafe fn usable(block: *mut c_void) -> usize {
    // SAFETY: `bootstrap` left room for a header in front of every block.
    let header = unsafe { block.byte_sub(HEADER) }.cast::<usize>();
    // SAFETY: and wrote it.
    unsafe { header.read() }
}

/// # Safety
/// `block` is a block of the buffer; `new` holds `bytes`.
pub unsafe fn copy_out(block: *mut c_void, new: *mut c_void, bytes: usize) {
    // SAFETY: a block of the buffer.
    let old = unsafe { usable(block) };
    // SAFETY: both hold the smaller of the two sizes.
    unsafe { new.cast::<u8>().copy_from_nonoverlapping(block.cast(), old.min(bytes)) };
}

static REAL_FREE: Next = Next::new(ptr::null_mut());
static REAL_REALLOC: Next = Next::new(ptr::null_mut());
static REAL_USABLE_SIZE: Next = Next::new(ptr::null_mut());

/// What stands in front of the functions that take a block once some are the buffer's: slot, where the next allocator's
/// goes, filter.
pub fn filters() -> [(&'static Next, &'static Next, *mut c_void); 3] {
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
        return unsafe { usable(block) };
    }
    // SAFETY: set before this function was reachable.
    let real: unsafe extern "C" fn(*mut c_void) -> usize = unsafe { core::mem::transmute(REAL_USABLE_SIZE.get()) };
    // SAFETY: the caller's block.
    unsafe { real(block) }
}
