//! Linux: what becomes of pages, futex, processors.
//! Unsafe: every function here is a system call or a call into libc.

use super::mapping::at;
use super::unix::{errno, set_errno, with_errno_kept, without_cancellation};
use super::{ForkHandler, HugePages, Move};
use crate::broken::{self, Broken};
use crate::sync::{AtomicI64, AtomicU32, Ordering::Relaxed};
use core::ffi::c_int;
use core::ptr;

/// # Safety
/// None needed: every thread has an `errno`.
pub(super) unsafe fn raw_errno_location() -> *mut c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { libc::__errno_location() }
}

/// What `pthread_setcancelstate` takes.
pub(super) const CANCEL_DISABLE: c_int = 1;

/// What `reserve` asks for beyond what every Unix knows: no promise of memory.
pub(super) const RESERVE_FLAGS: c_int = libc::MAP_NORESERVE;
pub(super) const RESERVE_TAG: c_int = -1;

/// What to reserve, if it fits.
pub const RESERVE_BYTES: usize = 1 << 40;

/// SIGPIPE goes to the thread that writes, which blocks it.
pub(super) fn without_pipe_signal<R>(_fd: c_int, body: impl FnOnce() -> R) -> R {
    body()
}

/// Gives the pages of a range back to the system; they read as zero afterwards. False: they are still there.
pub fn purge(start: usize, bytes: usize) -> bool {
    advise(start, bytes, libc::MADV_DONTNEED)
}

/// How many bytes of whole pages are resident, as the kernel says, in about a millisecond for a GiB. `None`: it does
/// not, or a filter may not let it be asked.
pub fn resident(start: usize, bytes: usize) -> Option<usize> {
    let mut count = 0;
    for_each_resident(start, bytes, |_, bytes| count += bytes).then_some(count)
}

/// Visits the runs of resident pages in a range, each with its start and bytes. False: the kernel does not say which those
/// are, or a filter may not let it be asked.
pub fn for_each_resident(start: usize, bytes: usize, mut visit: impl FnMut(usize, usize)) -> bool {
    if is_newly_filtered() {
        return false;
    }
    let page = super::page_bytes();
    let mut pages = [0u8; 1024];
    for part in (start..start + bytes).step_by(pages.len() * page) {
        let length = (start + bytes - part).min(pages.len() * page);
        // SAFETY: a query; `pages` has a byte for each page of the range.
        if with_errno_kept(|| unsafe { libc::mincore(at(part), length, pages.as_mut_ptr()) }) != 0 {
            return false;
        }
        let mut from = part;
        for run in pages[..length.div_ceil(page)].chunk_by(|left, right| left & 1 == right & 1) {
            if run[0] & 1 != 0 {
                visit(from, run.len() * page);
            }
            from += run.len() * page;
        }
    }
    true
}

pub const MOVES_PAGES: bool = true;

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

/// True: the program has locked the pages of a range, as with `mlockall`. False also where the kernel may not be asked. Part of
/// a huge page would be split off by this.
pub fn is_locked(start: usize, bytes: usize) -> bool {
    with_errno_kept(|| {
        // SAFETY: a hint about pages that stay as they are.
        let refused = unsafe { libc::madvise(at(start), bytes, libc::MADV_COLD) } != 0;
        refused && errno() == libc::EINVAL
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

/// Like [`futex_wait`], for at most `timeout_ms`. False: the system does not let the caller wait.
pub fn futex_wait_for(word: &AtomicU32, expected: u32, timeout_ms: u64) -> bool {
    let timeout = libc::timespec { tv_sec: (timeout_ms / 1000) as _, tv_nsec: (timeout_ms % 1000 * 1_000_000) as _ };
    let saved = errno();
    // SAFETY: as in `futex_wait`; `timeout` outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::from_ref(&timeout),
        )
    };
    let waited = result == 0 || matches!(errno(), libc::EAGAIN | libc::EINTR | libc::ETIMEDOUT);
    set_errno(saved);
    waited
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

pub fn is_main_thread() -> bool {
    // SAFETY: takes no pointer.
    let thread = unsafe { libc::gettid() };
    thread as u32 == super::process_id()
}

/// The calling thread shares the program's open files no longer, and has none. Nothing, where an old kernel does not know
/// how to, or a filter may not know the call.
pub fn leave_descriptors() {
    if filters() >> 32 != 0 || is_newly_filtered() {
        return;
    }
    let unshare: libc::c_uint = 1 << 1;
    // SAFETY: only this thread's own table of descriptors is emptied.
    with_errno_kept(|| unsafe { libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, unshare) });
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

/// Whether libc's allocator keeps more where it sees large blocks freed.
pub const LEARNS_FROM_LARGE_BLOCKS: bool = cfg!(target_env = "gnu");

/// Has glibc give its free pages back, under its own locks. True: some went.
#[cfg(target_env = "gnu")]
pub fn trim_next_heap() -> bool {
    // SAFETY: takes no pointer.
    with_errno_kept(|| unsafe { libc::malloc_trim(0) }) != 0
}

/// Another libc is not made to keep anything.
#[cfg(not(target_env = "gnu"))]
pub fn trim_next_heap() -> bool {
    false
}

/// The NUMA node the calling thread runs on. No system call with glibc: a filter may forbid this one.
pub fn numa_node() -> usize {
    let mut node: libc::c_uint = 0;
    with_errno_kept(|| {
        // SAFETY: the first pointer may be null; `node` is live.
        unsafe { getcpu(ptr::null_mut(), ptr::from_mut(&mut node)) }
    });
    node as usize
}

#[cfg(not(target_env = "musl"))]
extern "C" {
    fn getcpu(cpu: *mut libc::c_uint, node: *mut libc::c_uint) -> c_int;
}

/// musl has no such function.
#[cfg(target_env = "musl")]
unsafe fn getcpu(cpu: *mut libc::c_uint, node: *mut libc::c_uint) -> libc::c_long {
    // SAFETY: the caller's pointers; the third is not used since Linux 2.6.24.
    unsafe { libc::syscall(libc::SYS_getcpu, cpu, node, ptr::null_mut::<libc::c_void>()) }
}

/// Registers the three fork handlers. May allocate.
pub fn at_fork(prepare: ForkHandler, parent: ForkHandler, child: ForkHandler) -> bool {
    // SAFETY: the handlers are functions of this library, which is never unloaded.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}
