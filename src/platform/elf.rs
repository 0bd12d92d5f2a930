//! What ELF files and their loader give: symbols in link order, and thread-local storage that needs no call.
//! Unsafe: calls into the loader, and reads the thread pointer.

use crate::broken::{self, Broken};
use core::arch::{asm, global_asm};
use core::ffi::{c_char, c_void, CStr};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// The next definition of `name` in link order, or null.
pub fn next_symbol(name: &CStr) -> *mut c_void {
    // SAFETY: `name` is a C string; RTLD_NEXT needs no handle.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// What the process calls by this name: the first definition in link order, or null.
pub fn first_symbol(name: &CStr) -> *mut c_void {
    // SAFETY: `name` is a C string; RTLD_DEFAULT needs no handle.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// True: this library defines what lies at the address.
pub fn is_own_code(address: *const c_void) -> bool {
    let object = |address| {
        let mut found = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: `found` is live; any address may be asked about.
        let known = unsafe { libc::dladdr(address, found.as_mut_ptr()) } != 0;
        // SAFETY: zeroed is a valid one.
        known.then(|| unsafe { found.assume_init() }.dli_fbase)
    };
    // A function that nobody else can define: it is not exported.
    object(address) == object(super::process_id as *const c_void)
}

/// Forgets a failed [`next_symbol`], so that the program's own `dlerror` does not find it.
pub fn clear_symbol_error() {
    // SAFETY: no arguments.
    unsafe { libc::dlerror() };
}

/// libc's own `pthread_create` and `pthread_join`, if [`find_thread_start`] has found them.
static LIBC_CREATE: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
static LIBC_JOIN: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Like `pthread_create`.
pub(super) type ThreadStart = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    extern "C" fn(*mut c_void) -> *mut c_void,
    *mut c_void,
) -> libc::c_int;

/// Like `pthread_join`.
pub(super) type ThreadJoin = unsafe extern "C" fn(libc::pthread_t, *mut *mut c_void) -> libc::c_int;

/// glibc's own account of the least stack, if [`find_thread_start`] has found it.
static LEAST_STACK: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Looks for libc's own `pthread_create` and `pthread_join`: those that a tool has put in front of them may take a lock
/// under which that tool asks for memory.
pub fn find_thread_start() {
    LEAST_STACK.store(first_symbol(c"__pthread_get_minstack"), Relaxed);
    clear_symbol_error();
    if cfg!(target_env = "gnu") && !broken::is(Broken::ThreadHook) {
        // SAFETY: a C string; nothing is loaded that is not.
        let libc = unsafe { libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if !libc.is_null() {
            // SAFETY: a handle that was just opened, and a C string.
            let find = |name: &CStr| unsafe { libc::dlsym(libc, name.as_ptr()) };
            LIBC_CREATE.store(find(c"pthread_create"), Relaxed);
            LIBC_JOIN.store(find(c"pthread_join"), Relaxed);
        }
        clear_symbol_error();
    }
}

/// What starts a thread.
pub(super) fn thread_start() -> ThreadStart {
    let found = LIBC_CREATE.load(Relaxed);
    if found.is_null() {
        libc::pthread_create
    } else {
        // SAFETY: the symbol of this name, of this C type.
        unsafe { core::mem::transmute::<*mut c_void, ThreadStart>(found) }
    }
}

/// What waits for the end of one.
pub(super) fn thread_join() -> ThreadJoin {
    let found = LIBC_JOIN.load(Relaxed);
    if found.is_null() {
        libc::pthread_join
    } else {
        // SAFETY: the symbol of this name, of this C type.
        unsafe { core::mem::transmute::<*mut c_void, ThreadJoin>(found) }
    }
}

/// The least stack that a thread with such attributes must have. glibc lays the program's thread-local variables, however
/// many, into the stack that is asked for, and `_SC_THREAD_STACK_MIN` does not count them.
pub(super) fn least_stack_bytes(attributes: *const libc::pthread_attr_t) -> usize {
    let found = LEAST_STACK.load(Relaxed);
    if found.is_null() || broken::is(Broken::StaticTls) {
        return super::unix::stack_min_bytes();
    }
    // SAFETY: the symbol of this name, of this C type (as the standard library's `std::thread` uses it).
    let least: unsafe extern "C" fn(*const libc::pthread_attr_t) -> usize = unsafe { core::mem::transmute(found) };
    // SAFETY: initialised attributes, which it may look at.
    unsafe { least(attributes) }.max(super::unix::stack_min_bytes())
}

/// The loader finds functions by name: all that the library exports, or none.
pub const MAY_MISS_FUNCTIONS: bool = false;

pub fn is_replaced(_name: &CStr) -> bool {
    true
}

pub fn exercise_allocator() {}

/// The array that `for_each_variable` reads.
pub(super) fn environment() -> *const *const c_char {
    extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: libc owns `environ`; it is read in the constructor, before the program can change it.
    unsafe { environ }
}

// Without std nobody names libc to the linker, where that is musl's.
#[cfg(target_env = "musl")]
#[link(name = "c")]
extern "C" {}

// Parts of `core` that were compiled for unwinding name this function of `std`. Panics abort here, so nobody calls it;
// hidden, so that the library does not export it.
#[cfg(not(test))]
global_asm!(
    ".pushsection .text.zkalloc_eh_personality,\"ax\"",
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    "rust_eh_personality:",
    ".popsection"
);

// One thread-local word, initial-exec: its offset from the thread pointer is read through the GOT, so that no access
// calls __tls_get_addr, which may allocate. `#[thread_local]` with a TLS model is not in stable Rust.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .tbss.zkalloc_thread_word,\"awT\",@nobits",
    ".p2align 3",
    ".hidden zkalloc_thread_word",
    ".globl zkalloc_thread_word",
    ".type zkalloc_thread_word,@object",
    ".size zkalloc_thread_word, 8",
    "zkalloc_thread_word:",
    ".zero 8",
    ".popsection"
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .tbss.zkalloc_thread_word,\"awT\",%nobits",
    ".p2align 3",
    ".hidden zkalloc_thread_word",
    ".globl zkalloc_thread_word",
    ".type zkalloc_thread_word,%object",
    ".size zkalloc_thread_word, 8",
    "zkalloc_thread_word:",
    ".zero 8",
    ".popsection"
);

#[inline(always)]
fn thread_word_location() -> *mut u64 {
    let location: *mut u64;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: computes an address; reads the GOT and the thread control block only.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + zkalloc_thread_word@GOTTPOFF]",
            "add {0}, qword ptr fs:[0]",
            out(reg) location,
            options(pure, nomem, nostack)
        )
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:zkalloc_thread_word",
            "ldr {0}, [{0}, #:gottprel_lo12:zkalloc_thread_word]",
            "mrs {1}, tpidr_el0",
            "add {0}, {0}, {1}",
            out(reg) location,
            out(reg) _,
            options(pure, nomem, nostack)
        )
    }
    location
}

/// The loader finds room for them, or does not load the library.
pub fn has_thread_words() -> bool {
    true
}

/// The calling thread's word: 0 in a new thread. Only `tls.rs` gives it a meaning.
#[inline(always)]
pub fn thread_word() -> u64 {
    // SAFETY: the location is this thread's own, valid while the thread runs. Volatile: a signal handler may change it.
    unsafe { thread_word_location().read_volatile() }
}

#[inline(always)]
pub fn set_thread_word(value: u64) {
    // SAFETY: as in `thread_word`.
    unsafe { thread_word_location().write_volatile(value) }
}
