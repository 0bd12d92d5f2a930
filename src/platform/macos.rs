//! macOS: what becomes of pages, waiting and waking, processors, the next allocator. No page can be moved to another
//! address, there are no huge pages to ask for, and core dumps leave nothing out.
//! Unsafe: every function here is a call into libSystem.

mod interpose;
mod word;
mod zone;

pub use interpose::*;
pub use word::{has_thread_words, set_thread_word, thread_word};
pub use zone::*;

use super::mapping::at;
use super::unix::with_errno_kept;
use super::{ForkHandler, HugePages, Move};
use crate::sync::AtomicU32;
use core::ffi::{c_char, c_int, c_uint, c_void, CStr};
use core::ptr;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

extern "C" {
    fn _NSGetEnviron() -> *const *const *const c_char;
    fn issetugid() -> c_int;
    fn __ulock_wait(operation: u32, word: *const c_void, expected: u64, timeout_us: u32) -> c_int;
    fn __ulock_wake(operation: u32, word: *const c_void, value: u64) -> c_int;
}

// Without std nobody names libSystem to the linker.
#[link(name = "System")]
extern "C" {}

// As in elf.rs: named by parts of `core`, called by nobody.
#[cfg(not(test))]
core::arch::global_asm!(
    ".section __TEXT,__text",
    ".globl _rust_eh_personality",
    ".private_extern _rust_eh_personality",
    "_rust_eh_personality:",
    ".byte 0",
);

/// What `pthread_setcancelstate` takes.
pub(super) const CANCEL_DISABLE: c_int = 0;

/// Memory is promised when it is touched, here, so there is no flag for that; the tag shows in `vmmap`.
pub(super) const RESERVE_FLAGS: c_int = 0;
/// The kernel has an entry for every 128 MiB of a mapping here.
pub const RESERVE_BYTES: usize = 1 << 38;
/// `VM_MAKE_TAG(VM_MEMORY_APPLICATION_SPECIFIC_1)`.
pub(super) const RESERVE_TAG: c_int = (240u32 << 24) as c_int;

/// # Safety
/// None needed: every thread has an `errno`.
pub(super) unsafe fn raw_errno_location() -> *mut c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { libc::__error() }
}

/// SIGPIPE goes to the process, and so to a thread that has not blocked it. While `body` writes, this file sends none.
pub(super) fn without_pipe_signal<R>(fd: c_int, body: impl FnOnce() -> R) -> R {
    /// Of `<sys/fcntl.h>`.
    const F_GETNOSIGPIPE: c_int = 74;
    // SAFETY: takes no pointer. It fails where the descriptor is closed, as the write will.
    let set = |off: c_int| with_errno_kept(|| unsafe { libc::fcntl(fd, libc::F_SETNOSIGPIPE, off) });
    // SAFETY: as above.
    let before = with_errno_kept(|| unsafe { libc::fcntl(fd, F_GETNOSIGPIPE) });
    set(1);
    let result = body();
    if before == 0 {
        set(0);
    }
    result
}

/// The array that `for_each_variable` reads. A library cannot name `environ` itself here.
pub(super) fn environment() -> *const *const c_char {
    // SAFETY: always gives the place of the process's `environ`.
    let place = unsafe { _NSGetEnviron() };
    // SAFETY: as above; read in the constructor, before the program can change it.
    unsafe { place.read() }
}

/// Gives the pages of a range back to the system; they read as zero afterwards. False: they are still there.
///
/// New pages in place of the old (docs/decisions/0008-giving-pages-back-on-macos.md).
pub fn purge(start: usize, bytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    with_errno_kept(|| {
        // SAFETY: I1: the caller passes usable pages of the reservation in which no block lives. One step for the
        // kernel: nobody else can be given these addresses in between.
        unsafe { libc::mmap(at(start), bytes, access, flags, RESERVE_TAG, 0) == at(start) }
    })
}

/// Nothing is asked of the kernel: the library's own account is used.
pub fn resident(_start: usize, _bytes: usize) -> Option<usize> {
    None
}

pub fn for_each_resident(_start: usize, _bytes: usize, _visit: impl FnMut(usize, usize)) -> bool {
    false
}

pub const MOVES_PAGES: bool = false;

pub fn move_pages(_from: usize, _to: usize, _bytes: usize) -> Move {
    Move::Refused
}

pub fn is_locked(_start: usize, _bytes: usize) -> bool {
    false
}

pub fn mappings() -> Option<usize> {
    None
}

/// Faults a range in for writing; contents stay.
pub fn populate(start: usize, bytes: usize) -> bool {
    for page in (start..start + bytes).step_by(super::page_bytes()) {
        let byte: *mut u8 = at(page).cast();
        // SAFETY: I1: the range lies in usable pages of the reservation, and holds no block: nobody else writes to it.
        let byte = unsafe { AtomicU8::from_ptr(byte) };
        byte.fetch_or(0, Relaxed);
    }
    true
}

pub fn advise_huge(_start: usize, _bytes: usize, _wish: HugePages) -> bool {
    false
}

pub fn advise_dump(_start: usize, _bytes: usize, _dumped: bool) -> bool {
    false
}

pub fn processors() -> usize {
    // SAFETY: takes no pointers.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).unwrap_or(1).max(1)
}

/// Memory that nobody has used for a while: next to none is free for long here. (Purgeable pages are among these.)
pub fn unused_memory_bytes() -> usize {
    extern "C" {
        /// The kernel counts in these: a translated program believes in smaller pages.
        static vm_kernel_page_size: usize;
        fn mach_host_self() -> c_uint;
        fn host_statistics64(host: c_uint, flavor: c_int, out: *mut c_int, count: *mut c_uint) -> c_int;
    }
    let mut found = core::mem::MaybeUninit::<libc::vm_statistics64>::zeroed();
    let mut count = libc::HOST_VM_INFO64_COUNT;
    // SAFETY: takes no pointer. Every task has the right.
    let host = unsafe { mach_host_self() };
    // SAFETY: `found` has `count` words.
    unsafe { host_statistics64(host, libc::HOST_VM_INFO64, found.as_mut_ptr().cast(), &mut count) };
    // SAFETY: zeroed is a valid one: then there is none.
    let found = unsafe { found.assume_init() };
    let pages = found.free_count as usize + found.inactive_count as usize;
    // SAFETY: set before any constructor runs.
    pages.saturating_mul(unsafe { vm_kernel_page_size })
}

pub fn numa_nodes(_most: usize) -> usize {
    1
}

pub fn numa_node() -> usize {
    0
}

/// True in a setuid or otherwise privileged process, whose environment is not to be believed.
pub fn is_privileged() -> bool {
    // SAFETY: takes no pointers.
    unsafe { issetugid() != 0 }
}

/// Tells the processor that the caller spins.
pub fn relax() {
    core::hint::spin_loop();
}

/// `UL_COMPARE_AND_WAIT`, with which the system's own C++ library waits, and `ULF_NO_ERRNO`.
const WAIT: u32 = 1 | 0x0100_0000;
/// `ULF_WAKE_ALL`.
const ALL: u32 = 0x100;

/// Sleeps while `*word == expected`; may return at any time.
pub fn futex_wait(word: &AtomicU32, expected: u32) {
    // SAFETY: the word lives in the library's own metadata, which is never unmapped. A timeout of 0 is none.
    unsafe { __ulock_wait(WAIT, ptr::from_ref(word).cast(), u64::from(expected), 0) };
}

/// Like [`futex_wait`], for at most `timeout_ms`. False: the system does not let the caller wait.
pub fn futex_wait_for(word: &AtomicU32, expected: u32, timeout_ms: u64) -> bool {
    let timeout_us = u32::try_from(timeout_ms.saturating_mul(1000)).unwrap_or(u32::MAX).max(1);
    // SAFETY: as in `futex_wait`.
    let result = unsafe { __ulock_wait(WAIT, ptr::from_ref(word).cast(), u64::from(expected), timeout_us) };
    // With ULF_NO_ERRNO the error is the result, negated.
    result >= 0 || matches!(-result, libc::EINTR | libc::ETIMEDOUT | libc::EFAULT)
}

/// Wakes one thread that sleeps on `word`, or all if `count` is more than 1.
pub fn futex_wake(word: &AtomicU32, count: u32) {
    let operation = if count > 1 { WAIT | ALL } else { WAIT };
    // SAFETY: the kernel only uses the address as a key.
    unsafe { __ulock_wake(operation, ptr::from_ref(word).cast(), 0) };
}

/// Names the calling thread, for debuggers.
pub fn name_thread(name: &CStr) {
    // SAFETY: a C string.
    unsafe { libc::pthread_setname_np(name.as_ptr()) };
}

pub fn note_filters() {}

/// What a sandbox forbids here is not memory.
pub fn is_newly_filtered() -> bool {
    false
}

pub fn is_main_thread() -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::pthread_main_np() != 0 }
}

/// Nobody stands in front of libSystem's own functions.
pub fn find_thread_start() {}

/// Thread-local variables are not in the stack.
pub(super) fn least_stack_bytes(_attributes: *const libc::pthread_attr_t) -> usize {
    super::unix::stack_min_bytes()
}

pub(super) fn thread_start() -> unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    extern "C" fn(*mut c_void) -> *mut c_void,
    *mut c_void,
) -> c_int {
    libc::pthread_create
}

pub(super) fn thread_join() -> unsafe extern "C" fn(libc::pthread_t, *mut *mut c_void) -> c_int {
    libc::pthread_join
}

/// Every thread shares the process's open files here.
pub fn leave_descriptors() {}

pub const LEARNS_FROM_LARGE_BLOCKS: bool = false;

/// Its own allocator is not made to keep anything.
pub fn trim_next_heap() -> bool {
    false
}

/// Nothing to register: libSystem calls the fork hooks of the library's zone, after everybody's handlers and its own.
pub fn at_fork(_prepare: ForkHandler, _parent: ForkHandler, _child: ForkHandler) -> bool {
    true
}
