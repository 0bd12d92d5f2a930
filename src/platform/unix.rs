//! What POSIX gives on every supported system.
//! Unsafe: every function here is a call into libc.

use crate::broken::{self, Broken};
use core::ffi::{c_int, c_void, CStr};
use core::ptr;

/// Runs `body` and puts `errno` back to what it was before.
pub fn with_errno_kept<R>(body: impl FnOnce() -> R) -> R {
    let saved = errno();
    let result = body();
    if !broken::is(Broken::Errno) {
        set_errno(saved);
    }
    result
}

/// Like [`with_errno_kept`], for calls in which a cancelled thread would end: `malloc` and `free` are no such calls, and
/// may hold a lock.
pub fn without_cancellation<R>(body: impl FnOnce() -> R) -> R {
    extern "C" {
        fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    }
    if broken::is(Broken::Cancellation) {
        return with_errno_kept(body);
    }
    with_errno_kept(|| {
        let mut before = 0;
        // SAFETY: `before` is live.
        unsafe { pthread_setcancelstate(super::CANCEL_DISABLE, ptr::from_mut(&mut before)) };
        let result = body();
        // SAFETY: the old state may be null.
        unsafe { pthread_setcancelstate(before, ptr::null_mut()) };
        result
    })
}

pub fn errno() -> c_int {
    let at = errno_location();
    // SAFETY: libc guarantees that the location is this thread's, valid while the thread runs.
    unsafe { at.read() }
}

pub fn set_errno(value: c_int) {
    let at = errno_location();
    // SAFETY: as in `errno`.
    unsafe { at.write(value) }
}

fn errno_location() -> *mut c_int {
    // SAFETY: no arguments, always succeeds.
    unsafe { super::raw_errno_location() }
}

/// The size of a page, read at run time: 4, 16 or 64 KiB.
pub fn page_bytes() -> usize {
    // SAFETY: sysconf takes no pointers.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|_| !broken::is(Broken::PageSize)).unwrap_or(4096)
}

pub fn process_id() -> u32 {
    // SAFETY: no arguments, always succeeds.
    (unsafe { libc::getpid() }) as u32
}

/// Runs `body`, which writes, without the signals that a write may end the program by: nobody reads the pipe any more, or
/// the file would be larger than the process's limit.
fn without_write_signals<R>(body: impl FnOnce() -> Result<R, c_int>) -> Result<R, c_int> {
    if broken::is(Broken::WriteSignals) {
        return body();
    }
    let mut both = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: initialises `both`.
    unsafe { libc::sigemptyset(both.as_mut_ptr()) };
    for signal in WRITE_SIGNALS {
        // SAFETY: `both` is initialised.
        unsafe { libc::sigaddset(both.as_mut_ptr(), signal) };
    }
    // SAFETY: both sets are live, and `both` is initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, both.as_ptr(), before.as_mut_ptr()) };
    let result = body();
    if result.is_err() {
        // SAFETY: filled in above.
        WRITE_SIGNALS.into_iter().for_each(|signal| take_back(signal, unsafe { before.assume_init_ref() }));
    }
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}

const WRITE_SIGNALS: [c_int; 2] = [libc::SIGPIPE, libc::SIGXFSZ];

/// Removes a signal that waits for this thread. One that was blocked before is the program's own affair.
fn take_back(signal: c_int, before: &libc::sigset_t) {
    let mut set = core::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: a live set.
    if unsafe { libc::sigismember(ptr::from_ref(before), signal) } == 1 {
        return;
    }
    // SAFETY: fills `set` in.
    unsafe { libc::sigpending(set.as_mut_ptr()) };
    // SAFETY: a live set.
    if unsafe { libc::sigismember(set.as_ptr(), signal) } != 1 {
        return;
    }
    // SAFETY: initialises `set`.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: `set` is initialised.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    let mut taken = 0;
    without_cancellation(|| {
        // SAFETY: both are live. It does not wait: the signal is there, and blocked.
        unsafe { libc::sigwait(set.as_ptr(), ptr::from_mut(&mut taken)) };
    });
}

/// Writes all of `bytes` to `fd`. The error is the `errno`; what cannot be written is dropped.
pub fn write_all(fd: c_int, bytes: &[u8]) -> Result<(), c_int> {
    without_write_signals(|| super::without_pipe_signal(fd, || write_all_of(fd, bytes)))
}

fn write_all_of(fd: c_int, mut bytes: &[u8]) -> Result<(), c_int> {
    without_cancellation(|| {
        while !bytes.is_empty() {
            // SAFETY: pointer and length are those of a live slice.
            let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
            match usize::try_from(n) {
                Ok(n) if n > 0 => bytes = bytes.get(n..).unwrap_or(&[]),
                Ok(_) => return Err(libc::EIO),
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return Err(errno()),
            }
        }
        Ok(())
    })
}

/// The directory that relative paths start from. `None`: it is gone, or its name is too long for `buffer`.
pub fn current_dir(buffer: &mut [u8]) -> Option<&[u8]> {
    // SAFETY: pointer and length are those of a live slice.
    let found = with_errno_kept(|| unsafe { libc::getcwd(buffer.as_mut_ptr().cast(), buffer.len()) });
    let name = CStr::from_bytes_until_nul(buffer).ok()?.to_bytes();
    (!found.is_null()).then_some(name)
}

/// How [`open_file`] treats a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Replace,
    Append,
    /// Nothing is written.
    Keep,
}

/// Opens a file for writing, mode 0644 less the umask, closed on exec. The error is the `errno`. Nobody waits for the
/// reader of a pipe: not in `malloc`, and not at exit.
pub fn open_file(path: &CStr, existing: Existing) -> Result<c_int, c_int> {
    let flags = libc::O_WRONLY
        | libc::O_CLOEXEC
        | libc::O_NONBLOCK
        | libc::O_NOCTTY
        | match existing {
            Existing::Replace => libc::O_CREAT | libc::O_TRUNC,
            Existing::Append => libc::O_APPEND,
            Existing::Keep => libc::O_CREAT | libc::O_EXCL,
        };
    without_cancellation(|| {
        // SAFETY: `path` is a C string.
        let fd = unsafe { libc::open(path.as_ptr(), flags, 0o644 as libc::c_uint) };
        if fd < 0 {
            Err(errno())
        } else {
            Ok(fd)
        }
    })
}

/// What a file holds, as much of it as there is room for. `None`: it cannot be read.
pub fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    without_cancellation(|| {
        // SAFETY: `path` is a C string.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if fd < 0 {
            return None;
        }
        let mut used = 0;
        let error = loop {
            let room = &mut buffer[used..];
            // SAFETY: pointer and length are those of a live slice.
            let n = unsafe { libc::read(fd, room.as_mut_ptr().cast(), room.len()) };
            match usize::try_from(n) {
                Ok(0) => break false,
                Ok(n) => used += n.min(room.len()),
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => break true,
            }
        };
        close_file(fd);
        (!error).then_some(&buffer[..used])
    })
}

/// Memory of the machine.
pub fn memory_bytes() -> usize {
    // SAFETY: takes no pointers.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    usize::try_from(pages).unwrap_or(0).saturating_mul(page_bytes())
}

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    pub device: u64,
    pub inode: u64,
    /// Of a regular file.
    pub bytes: Option<u64>,
}

pub fn identify_file(fd: c_int) -> Option<FileIdentity> {
    let mut found = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `found` is a live stat structure.
    let error = with_errno_kept(|| unsafe { libc::fstat(fd, found.as_mut_ptr()) });
    // SAFETY: zeroed is a valid one.
    let found = unsafe { found.assume_init() };
    let is_regular = found.st_mode & libc::S_IFMT == libc::S_IFREG;
    (error == 0).then_some(FileIdentity {
        device: device_number(found.st_dev),
        inode: found.st_ino,
        bytes: is_regular.then_some(found.st_size as u64),
    })
}

/// Signed on some systems.
#[allow(clippy::unnecessary_cast)]
fn device_number(device: libc::dev_t) -> u64 {
    device as u64
}

pub fn close_file(fd: c_int) {
    // SAFETY: closing a descriptor that the library opened itself.
    without_cancellation(|| unsafe { libc::close(fd) });
}

/// A private copy of standard error, out of the way of programs that close or redirect descriptor 2 before they exit.
pub fn duplicate_stderr() -> c_int {
    // SAFETY: takes no pointers.
    let fd = with_errno_kept(|| unsafe { libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 100) });
    if fd < 0 {
        2
    } else {
        fd
    }
}

pub fn abort() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::abort() }
}

/// Nanoseconds of a clock that never goes back.
pub fn now_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds for which the threads of this process have run. A system call.
pub fn cpu_ns() -> u64 {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Calls `visit` with name and value of every environment variable.
pub fn for_each_variable(mut visit: impl FnMut(&[u8], &[u8])) {
    let mut entry = super::environment();
    if entry.is_null() {
        return;
    }
    loop {
        // SAFETY: the array ends with a null pointer, which is not passed.
        let text = unsafe { entry.read() };
        if text.is_null() {
            return;
        }
        // SAFETY: every entry is a C string.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        let at = text.iter().position(|&byte| byte == b'=').unwrap_or(text.len());
        visit(&text[..at], text.get(at + 1..).unwrap_or(&[]));
        // SAFETY: this entry was not the last.
        entry = unsafe { entry.add(1) };
    }
}

/// Lets `release` run in every thread that gave a value to [`at_thread_exit`], when it ends. Once per process.
pub fn create_exit_key(release: extern "C" fn(*mut c_void)) -> Option<u32> {
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is live; `release` is a function of this library, which is never unloaded.
    let error = unsafe { libc::pthread_key_create(&mut key, Some(release)) };
    #[allow(clippy::unnecessary_cast)]
    (error == 0).then_some(key as u32)
}

/// Arms the exit function of `key` for the calling thread. May allocate.
pub fn at_thread_exit(key: u32, value: usize) -> bool {
    // SAFETY: the key was made by `create_exit_key`; the value is never dereferenced.
    unsafe { libc::pthread_setspecific(key as libc::pthread_key_t, ptr::without_provenance(value)) == 0 }
}

/// What the system wants of a stack, in any case.
pub(super) fn stack_min_bytes() -> usize {
    // SAFETY: takes no pointers.
    let least = unsafe { libc::sysconf(libc::_SC_THREAD_STACK_MIN) };
    usize::try_from(least).unwrap_or(0)
}

/// Starts a thread with every signal blocked and a small stack, for [`join_thread`]. May allocate. `None`: the system
/// refused.
pub fn start_thread(entry: extern "C" fn(*mut c_void) -> *mut c_void) -> Option<usize> {
    with_errno_kept(|| try_start_thread(entry))
}

/// Waits until a thread of [`start_thread`] has ended, and libc counts it no longer.
pub fn join_thread(thread: usize) {
    without_cancellation(|| {
        // SAFETY: `start_thread` gave it, and nobody else waits for it.
        unsafe { super::thread_join()(thread as libc::pthread_t, ptr::null_mut()) };
    });
}

fn try_start_thread(entry: extern "C" fn(*mut c_void) -> *mut c_void) -> Option<usize> {
    let mut all = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut old = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = core::mem::MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: initialises `all`.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: initialises `attributes`.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    // Beside what the system needs: the thread's frames are small.
    let stack_bytes = (super::least_stack_bytes(attributes.as_ptr()) + (64 << 10)).next_multiple_of(page_bytes());
    // SAFETY: `attributes` is initialised.
    unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack_bytes) };
    let how = if broken::is(Broken::SignalMask) { libc::SIG_UNBLOCK } else { libc::SIG_SETMASK };
    // SAFETY: both sets are live and `all` is initialised. The new thread inherits the mask.
    unsafe { libc::pthread_sigmask(how, all.as_ptr(), old.as_mut_ptr()) };
    // SAFETY: `attributes` is initialised, `entry` ignores its argument.
    let error = unsafe { super::thread_start()(thread.as_mut_ptr(), attributes.as_ptr(), entry, ptr::null_mut()) };
    // SAFETY: `old` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), ptr::null_mut()) };
    // SAFETY: `attributes` is initialised and not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    // SAFETY: filled in where there was no error.
    (error == 0).then(|| unsafe { thread.assume_init() } as usize)
}
