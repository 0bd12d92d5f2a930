//! The timeline of `ZK_ALLOC_TRACE`, in Chrome's trace event format (JSON array): phases, and what the arena holds at
//! each of their ends. Events are rare, so each is appended with an open, a write and a close of its own: no
//! descriptor stays open that a program might close and use for something else.
#![forbid(unsafe_code)]

use crate::arena::phase::Live;
use crate::arena::Arena;
use crate::config::{self, Key, PATH};
use crate::platform::{self, Existing};
use crate::report::{self, Escaped, Line};
use crate::sync::{AtomicBool, AtomicU64, Lock, Ordering};
use crate::tls;
use core::ffi::CStr;
use core::fmt::{self, Write};
use Ordering::Relaxed;

pub static LOCK: Lock = Lock::new();
/// The file has its first event. Under `LOCK`.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Bytes of the file so far. Under `LOCK`.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
/// A fork's child, or a file that cannot be written: nothing more is recorded.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// When the open phase began. Under the phases' lock.
static PHASE_BEGAN_NS: AtomicU64 = AtomicU64::new(0);
static PHASE_NUMBER: AtomicU64 = AtomicU64::new(0);

const EVENT_BYTES: usize = 512;

fn is_on() -> bool {
    config::get(Key::Trace) == PATH && !STOPPED.load(Relaxed)
}

/// The first open phase begins.
pub fn phase_begins() {
    if is_on() {
        PHASE_BEGAN_NS.store(platform::now_ns(), Relaxed);
    }
}

/// The last open phase has ended.
pub fn phase_ends(arena: &Arena, survivors: Live) {
    if !is_on() {
        return;
    }
    let began_ns = PHASE_BEGAN_NS.load(Relaxed);
    let number = PHASE_NUMBER.fetch_add(1, Relaxed) + 1;
    emit(format_args!(
        "{{\"name\": \"phase {number}\", \"cat\": \"phase\", \"ph\": \"X\", \"ts\": {}, \"dur\": {}, \"pid\": {}, \
         \"tid\": 0, \"args\": {{\"peak_live_bytes\": {}, \"survivor_blocks\": {}, \"survivor_bytes\": {}}}}}",
        Micros(began_ns),
        Micros(platform::now_ns().saturating_sub(began_ns)),
        platform::process_id(),
        arena.phase_peak_bytes(),
        survivors.blocks,
        survivors.bytes,
    ));
    counters(arena, c"phase end");
}

/// What the arena holds at this moment.
pub fn counters(arena: &Arena, moment: &CStr) {
    if !is_on() {
        return;
    }
    let now = Micros(platform::now_ns());
    let pid = platform::process_id();
    let held = arena.snapshot();
    emit(format_args!(
        "{{\"name\": \"{}\", \"ph\": \"i\", \"ts\": {now}, \"pid\": {pid}, \"tid\": 0, \"s\": \"p\"}},\n\
         {{\"name\": \"arena\", \"ph\": \"C\", \"ts\": {now}, \"pid\": {pid}, \"tid\": 0, \"args\": \
         {{\"live_bytes\": {}, \"resident_bytes\": {}}}}}",
        moment.to_str().unwrap_or("?"),
        held.live_bytes,
        held.resident_bytes,
    ));
}

/// Closes the array. Destructors and threads that still run record nothing any more.
pub fn finish() {
    // A signal handler may call `exit` in the middle of an event.
    let guard = if tls::is_nested() { LOCK.try_lock() } else { Some(LOCK.lock()) };
    if guard.is_some() && is_on() && STARTED.load(Relaxed) {
        append(b"\n]\n");
    }
    STOPPED.store(true, Relaxed);
}

/// A child without a file of its own (`%p`) records nothing: the file is its parent's.
pub fn forget_in_child() {
    STARTED.store(false, Relaxed);
    WRITTEN.store(0, Relaxed);
    if is_on() && !config::path_is_per_process(Key::Trace) {
        STOPPED.store(true, Relaxed);
    }
}

fn emit(event: fmt::Arguments<'_>) {
    let _guard = LOCK.lock();
    if !is_on() {
        return;
    }
    let mut text = Line::<EVENT_BYTES>::new();
    let before = if STARTED.load(Relaxed) { ",\n" } else { "[\n" };
    if write!(text, "{before}{event}").is_ok() {
        append(text.as_bytes());
    }
}

fn append(text: &[u8]) {
    let existing = if STARTED.swap(true, Relaxed) { Existing::Append } else { Existing::Replace };
    let write = |path: &CStr| {
        let error = match write(path, existing, text) {
            Ok(true) => return,
            Ok(false) => None,
            Err(error) => Some(error),
        };
        STOPPED.store(true, Relaxed);
        let path = Escaped(path.to_bytes());
        match error {
            None => report::line(format_args!(
                "another process writes to ZK_ALLOC_TRACE=\"{path}\" too: this one stops; %p in the path is the process id"
            )),
            Some(error) => report::line(format_args!(
                "cannot write ZK_ALLOC_TRACE=\"{path}\" (errno {error}): no timeline is recorded"
            )),
        }
    };
    if config::with_path(Key::Trace, write).is_none() {
        STOPPED.store(true, Relaxed);
        report::line(format_args!("the path of ZK_ALLOC_TRACE is too long: no timeline is recorded"));
    }
}

/// False: another process with the same environment has begun the file anew.
fn write(path: &CStr, existing: Existing, text: &[u8]) -> Result<bool, i32> {
    let fd = platform::open_file(path, existing)?;
    let before = platform::identify_file(fd).and_then(|file| file.bytes);
    let is_ours = before.is_none_or(|bytes| bytes == WRITTEN.load(Relaxed));
    let written = if is_ours { platform::write_all(fd, text) } else { Ok(()) };
    platform::close_file(fd);
    WRITTEN.fetch_add(text.len() as u64, Relaxed);
    written.map(|()| is_ours)
}

/// Nanoseconds, shown in microseconds.
#[derive(Clone, Copy)]
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
