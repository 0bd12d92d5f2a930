//! Linux: mappings, futex, processors, and thread-local storage that needs no call.
//! Unsafe: every function here is a system call, a call into libc, or the thread pointer.

use super::unix::{errno, set_errno, with_errno_kept, without_cancellation};
use super::{HugePages, Move, Reservation};
use crate::broken::{self, Broken};
use crate::sync::{AtomicI64, AtomicU32, Ordering::Relaxed};
use core::arch::{asm, global_asm};
use core::ffi::{c_int, c_void};
use core::ptr;

/// # Safety
/// None needed: every thread has an `errno`.
pub(super) unsafe fn raw_errno_location() -> *mut c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { libc::__errno_location() }
}

/// What `pthread_setcancelstate` takes.
pub(super) const CANCEL_DISABLE: c_int = 1;

/// Reserves `bytes` addresses aligned to `align`. They must be committed before they are used.
pub fn reserve(bytes: usize, align: usize) -> Option<Reservation> {
    let span = bytes.checked_add(align)?;
    let start = map(span)?;
    let base = start.next_multiple_of(align);
    release(start, base - start);
    release(base + bytes, start + span - (base + bytes));
    Some(Reservation { base, bytes })
}

/// Inaccessible: strict overcommit does not charge for that, and `mlockall` does not fault it in.
fn map(bytes: usize) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let access = if broken::is(Broken::Commit) { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
    let start = with_errno_kept(|| {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        unsafe { libc::mmap(ptr::null_mut(), bytes, access, flags, -1, 0) }
    });
    (start != libc::MAP_FAILED).then_some(start as usize)
}

/// Gives addresses back that [`reserve`] returned.
pub fn release(start: usize, bytes: usize) {
    if bytes == 0 {
        return;
    }
    with_errno_kept(|| {
        // SAFETY: I1: the caller hands over a part of its own reservation that holds no block.
        unsafe { libc::munmap(at(start), bytes) }
    });
}

/// Makes reserved pages usable; false when the system has no memory to promise.
pub fn commit(start: usize, bytes: usize) -> bool {
    with_errno_kept(|| {
        // SAFETY: I1: the range lies in the library's own reservation; more access never harms a block.
        unsafe { libc::mprotect(at(start), bytes, libc::PROT_READ | libc::PROT_WRITE) == 0 }
    })
}

/// Makes reserved pages readable: zeroes, which cost nothing.
pub fn make_readable(start: usize, bytes: usize) -> bool {
    with_errno_kept(|| {
        // SAFETY: I1: the range lies in the library's own reservation and was never writable.
        unsafe { libc::mprotect(at(start), bytes, libc::PROT_READ) == 0 }
    })
}

/// Gives the pages of a range back to the system; they read as zero afterwards. False: they are still there.
pub fn purge(start: usize, bytes: usize) -> bool {
    advise(start, bytes, libc::MADV_DONTNEED)
}

/// How many bytes of whole pages are resident, as the kernel says, in about a millisecond for a GiB. `None`: it does
/// not, or a filter may not let it be asked.
pub fn resident(start: usize, bytes: usize) -> Option<usize> {
    if is_newly_filtered() {
        return None;
    }
    let page = super::page_bytes();
    let mut pages = [0u8; 1024];
    let mut count = 0;
    for part in (start..start + bytes).step_by(pages.len() * page) {
        let length = (start + bytes - part).min(pages.len() * page);
        // SAFETY: a query; `pages` has a byte for each page of the range.
        if with_errno_kept(|| unsafe { libc::mincore(at(part), length, pages.as_mut_ptr()) }) != 0 {
            return None;
        }
        count += pages[..length.div_ceil(page)].iter().filter(|&&page| page & 1 != 0).count();
    }
    Some(count * page)
}

/// Moves the pages of one range to another of the same size, whose own pages are dropped; the first reads as zero
/// afterwards. The first must be one mapping: older kernels refuse more, after they have unmapped the second.
pub fn move_pages(from: usize, to: usize, bytes: usize) -> Move {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
    with_errno_kept(|| {
        // SAFETY: I1: both ranges lie in slots that the caller holds alone and in which no block lives.
        let moved = unsafe { libc::mremap(at(from), bytes, bytes, flags, at(to)) };
        if moved != libc::MAP_FAILED || broken::is(Broken::RefusedMove) {
            return Move::Done;
        }
        if matches!(errno(), libc::EPERM | libc::ENOSYS | libc::EINVAL) {
            // Refused at the door: a filter, or a kernel that does not know the flag.
            return Move::Refused;
        }
        // The kernel may have unmapped the target before it failed.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: maps only what is not mapped.
        let back = unsafe { libc::mmap(at(to), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if back == at(to) || broken::is(Broken::LostMove) {
            Move::Refused
        } else {
            Move::Lost
        }
    })
}

/// Mappings of this process, or `None` if that cannot be read. Reads at most a few megabytes of text.
pub fn mappings() -> Option<usize> {
    without_cancellation(|| {
        // SAFETY: a C string.
        let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if file < 0 {
            return None;
        }
        let mut lines = 0;
        let mut text = [0u8; 4096];
        loop {
            // SAFETY: pointer and length are those of a live array.
            let n = unsafe { libc::read(file, text.as_mut_ptr().cast(), text.len()) };
            match usize::try_from(n) {
                Ok(n) if n > 0 => lines += text[..n.min(text.len())].iter().filter(|&&byte| byte == b'\n').count(),
                _ => break,
            }
        }
        // SAFETY: opened above.
        unsafe { libc::close(file) };
        Some(lines)
    })
}

/// Faults a range in for writing; contents stay. False: not possible here, or no memory.
pub fn populate(start: usize, bytes: usize) -> bool {
    advise(start, bytes, libc::MADV_POPULATE_WRITE)
}

pub fn advise_huge(start: usize, bytes: usize, wish: HugePages) -> bool {
    let advice = match wish {
        HugePages::Prefer => libc::MADV_HUGEPAGE,
        HugePages::Avoid => libc::MADV_NOHUGEPAGE,
    };
    advise(start, bytes, advice)
}

/// Keeps a range out of core dumps, or takes it in again.
pub fn advise_dump(start: usize, bytes: usize, dumped: bool) -> bool {
    advise(start, bytes, if dumped { libc::MADV_DODUMP } else { libc::MADV_DONTDUMP })
}

fn advise(start: usize, bytes: usize, advice: c_int) -> bool {
    with_errno_kept(|| {
        // SAFETY: I1, I2: callers pass ranges of the reservation, and ask for DONTNEED only where no block lives.
        unsafe { libc::madvise(at(start), bytes, advice) == 0 }
    })
}

fn at(address: usize) -> *mut c_void {
    ptr::with_exposed_provenance_mut(address)
}

/// Processors this process may run on.
pub fn processors() -> usize {
    let mut set = core::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    let size = core::mem::size_of::<libc::cpu_set_t>();
    let error = with_errno_kept(|| {
        // SAFETY: `set` is `size` bytes long.
        unsafe { libc::sched_getaffinity(0, size, set.as_mut_ptr()) }
    });
    // SAFETY: zeroed is a valid set.
    let set = unsafe { set.assume_init() };
    // SAFETY: a live set.
    let count = unsafe { libc::CPU_COUNT(&set) };
    if error != 0 || count < 1 {
        // More processors than the set has bits (1,024).
        // SAFETY: takes no pointers.
        let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        return usize::try_from(online).unwrap_or(1).max(1);
    }
    count as usize
}

/// Memory that nobody uses now.
pub fn unused_memory_bytes() -> usize {
    // SAFETY: takes no pointers.
    let pages = unsafe { libc::sysconf(libc::_SC_AVPHYS_PAGES) };
    usize::try_from(pages).unwrap_or(0).saturating_mul(super::unix::page_bytes())
}

/// NUMA nodes of the machine, at most `most`.
pub fn numa_nodes(most: usize) -> usize {
    let mut path = *b"/sys/devices/system/node/node0\0";
    let digit = path.len() - 2;
    for node in 1..most.min(10) {
        path[digit] = b'0' + node as u8;
        // SAFETY: `path` ends with a null byte.
        if with_errno_kept(|| unsafe { libc::access(path.as_ptr().cast(), libc::F_OK) }) != 0 {
            return node;
        }
    }
    most
}

/// True in a setuid or otherwise privileged process, whose environment is not to be believed.
pub fn is_privileged() -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Tells the processor that the caller spins.
pub fn relax() {
    core::hint::spin_loop();
}

/// Sleeps while `*word == expected`; may return at any time.
pub fn futex_wait(word: &AtomicU32, expected: u32) {
    let saved = errno();
    // SAFETY: the word lives in the library's own metadata, which is never unmapped.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::null::<libc::timespec>(),
        )
    };
    set_errno(saved);
}

/// Like [`futex_wait`], for at most `timeout_ms`.
pub fn futex_wait_for(word: &AtomicU32, expected: u32, timeout_ms: u64) {
    let timeout =
        libc::timespec { tv_sec: (timeout_ms / 1000) as libc::time_t, tv_nsec: (timeout_ms % 1000 * 1_000_000) as _ };
    let saved = errno();
    // SAFETY: as in `futex_wait`; `timeout` outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::from_ref(&timeout),
        )
    };
    set_errno(saved);
}

/// Wakes up to `count` threads that sleep on `word`.
pub fn futex_wake(word: &AtomicU32, count: u32) {
    let saved = errno();
    // SAFETY: the kernel only uses the address as a key.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, count) };
    set_errno(saved);
}

/// Names the calling thread, for ps and debuggers: at most 15 bytes.
pub fn name_thread(name: &core::ffi::CStr) {
    // SAFETY: a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// What the thread that loaded the library was allowed.
static FILTERS_AT_LOAD: AtomicI64 = AtomicI64::new(0);

pub fn note_filters() {
    FILTERS_AT_LOAD.store(filters(), Relaxed);
}

/// True: the calling thread has come under a filter of system calls since the library was loaded, which may not know the
/// calls that allocators seldom make.
pub fn is_newly_filtered() -> bool {
    filters() != FILTERS_AT_LOAD.load(Relaxed) && !broken::is(Broken::Filter)
}

/// Changes with a filter: where one is installed without privileges, "no new privileges" comes first.
fn filters() -> i64 {
    with_errno_kept(|| {
        // SAFETY: takes no pointers.
        let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) };
        // SAFETY: takes no pointers.
        let no_new_privileges = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) };
        i64::from(mode) << 32 | i64::from(no_new_privileges)
    })
}

/// The NUMA node the calling thread runs on. No system call: a filter may forbid this one.
pub fn numa_node() -> usize {
    extern "C" {
        fn getcpu(cpu: *mut libc::c_uint, node: *mut libc::c_uint) -> c_int;
    }
    let mut node: libc::c_uint = 0;
    with_errno_kept(|| {
        // SAFETY: both pointers may be null; `node` is live.
        unsafe { getcpu(ptr::null_mut(), ptr::from_mut(&mut node)) }
    });
    node as usize
}

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
