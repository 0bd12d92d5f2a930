//! The counters: one table, read by `zk_stats_get` and by the report at exit.
#![forbid(unsafe_code)]
#![allow(non_camel_case_types)]

use crate::arena::{global, Arena};
use crate::config::{self, Key, PATH};
use crate::platform::{self, Existing};
use crate::report::{self, Escaped, Line};
use crate::router::PHASES;
use crate::sync::{AtomicI64, AtomicU64, Ordering};
use crate::{fork, VERSION};
use core::ffi::CStr;
use core::fmt::{self, Write};
use Ordering::Relaxed;

/// Layout of `zk_stats`: 1 for the fields below. New fields are only appended, and do not change it.
pub const STATS_VERSION: u32 = 1;

/// The names of the fields of [`crate::capi::zkalloc::zk_stats`] behind `size` and `version`, in their order; also
/// those of the JSON. c-tests compare them with the header.
pub const NAMES: [&str; 20] = [
    "phases_begun",
    "phases_ended",
    "arena_allocs",
    "arena_frees",
    "live_blocks",
    "live_bytes",
    "peak_live_bytes",
    "resident_bytes",
    "reserved_bytes",
    "reused_bytes",
    "fresh_bytes",
    "moved_bytes",
    "returned_bytes",
    "overflow_count",
    "overflow_bytes",
    "system_allocs_in_phase",
    "survivor_blocks",
    "survivor_bytes",
    "threads_seen",
    "forks",
];

static OVERFLOW_COUNT: AtomicU64 = AtomicU64::new(0);
static OVERFLOW_BYTES: AtomicU64 = AtomicU64::new(0);
static SYSTEM_ALLOCS_IN_PHASE: AtomicU64 = AtomicU64::new(0);

/// A request that the arena had no room for.
#[cold]
pub fn count_overflow(bytes: usize) {
    OVERFLOW_BYTES.fetch_add(bytes as u64, Relaxed);
    if OVERFLOW_COUNT.fetch_add(1, Relaxed) == 0 && config::get(Key::Verbose) == 1 {
        report::line(format_args!("the arena is full: requests overflow to the next allocator"));
    }
}

/// Requests that overflowed, and their bytes.
pub fn overflow() -> (u64, u64) {
    (OVERFLOW_COUNT.load(Relaxed), OVERFLOW_BYTES.load(Relaxed))
}

pub fn reset_overflow() {
    OVERFLOW_COUNT.store(0, Relaxed);
    OVERFLOW_BYTES.store(0, Relaxed);
}

/// A request of at least the threshold that went to the next allocator while a phase was open.
pub fn count_system_alloc_in_phase() {
    SYSTEM_ALLOCS_IN_PHASE.fetch_add(1, Relaxed);
}

/// The value of every field in [`NAMES`]. What other threads do meanwhile may be in it or not.
pub fn collect() -> [u64; NAMES.len()] {
    let (phases_begun, phases_ended) = PHASES.counts();
    let survivors = PHASES.survivors();
    let arena = global::get().map(|arena| arena.snapshot()).unwrap_or_default();
    let (overflow_count, overflow_bytes) = overflow();
    [
        phases_begun,
        phases_ended,
        arena.allocs,
        arena.frees,
        arena.allocs.saturating_sub(arena.frees),
        arena.live_bytes,
        arena.peak_live_bytes,
        arena.resident_bytes,
        arena.reserved_bytes,
        arena.reused_bytes,
        arena.fresh_bytes,
        arena.moved_bytes,
        arena.returned_bytes,
        overflow_count,
        overflow_bytes,
        SYSTEM_ALLOCS_IN_PHASE.load(Relaxed),
        survivors.blocks,
        survivors.bytes,
        arena.threads_seen,
        fork::count(),
    ]
}

/// Where the summary goes: a copy of standard error, for programs that close theirs before the destructors run.
static SUMMARY_FD: AtomicI64 = AtomicI64::new(2);
/// Device and inode of that copy: a program may close every descriptor and open its own files in their place.
static SUMMARY_FILE: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

fn identity(fd: i32) -> [u64; 2] {
    platform::identify_file(fd).map_or([0, 0], |file| [file.device, file.inode])
}

pub fn prepare_report() {
    if config::get(Key::Stats) == 1 {
        let fd = platform::duplicate_stderr();
        SUMMARY_FD.store(i64::from(fd), Relaxed);
        for (place, value) in SUMMARY_FILE.iter().zip(identity(fd)) {
            place.store(value, Relaxed);
        }
    }
}

/// The copy of standard error, or where that was closed standard error itself. `None`: neither is what it was at load.
fn summary_fd() -> Option<i32> {
    let known = [SUMMARY_FILE[0].load(Relaxed), SUMMARY_FILE[1].load(Relaxed)];
    [SUMMARY_FD.load(Relaxed) as i32, 2].into_iter().find(|&fd| known != [0, 0] && identity(fd) == known)
}

/// Requests and phases that a forked child has inherited from its parent.
static INHERITED: AtomicU64 = AtomicU64::new(0);

fn activity() -> u64 {
    global::get().map_or(0, Arena::activity) + PHASES.counts().0
}

/// In a forked child: what has been counted so far was its parent's.
pub fn note_fork_in_child() {
    INHERITED.store(activity(), Relaxed);
}

/// True: this process itself has used the arena or opened a phase. A preloaded shell and its `sed` have not: they keep
/// quiet, and do not overwrite what a prover has written.
fn was_used() -> bool {
    activity() != INHERITED.load(Relaxed)
}

/// At exit: what `ZK_ALLOC_STATS` asks for.
pub fn report() {
    match config::get(Key::Stats) {
        1 if was_used() => summarise(),
        1 if config::get(Key::Verbose) == 1 => report::line(format_args!("the arena was not used")),
        PATH if config::with_path(Key::Stats, write_json).is_none() => {
            report::line(format_args!("the path of ZK_ALLOC_STATS is too long: no statistics were written"));
        }
        _ => {}
    }
}

fn summarise() {
    let mut text = Line::<2048>::new();
    let _ = writeln!(text, "zkalloc {VERSION}, process {}:", platform::process_id());
    for (name, value) in NAMES.iter().zip(collect()) {
        let _ = writeln!(text, "  {name:<24} {value}");
    }
    if let Some(fd) = summary_fd() {
        // There is nobody to tell of an error.
        let _ = platform::write_all(fd, text.as_bytes());
    }
}

/// `{"version": "0.1.0", "pid": 1, "stats": {"phases_begun": 0, ...}}`
fn write_json(path: &CStr) {
    let values = collect();
    let mut text = Line::<2048>::new();
    let _ = json(&mut text, &values);
    let existing = if was_used() { Existing::Replace } else { Existing::Keep };
    let written = platform::open_file(path, existing).and_then(|fd| {
        let written = platform::write_all(fd, text.as_bytes());
        platform::close_file(fd);
        written
    });
    match written {
        Ok(()) => {}
        Err(error) if existing == Existing::Keep && error == libc::EEXIST => {}
        Err(error) => report::line(format_args!(
            "cannot write ZK_ALLOC_STATS=\"{}\" (errno {error}): no statistics were written",
            Escaped(path.to_bytes())
        )),
    }
}

fn json(out: &mut impl Write, values: &[u64]) -> fmt::Result {
    write!(out, "{{\"version\": \"{VERSION}\", \"pid\": {}, \"stats\": {{", platform::process_id())?;
    for (at, (name, value)) in NAMES.iter().zip(values).enumerate() {
        let before = if at == 0 { "" } else { ", " };
        write!(out, "{before}\"{name}\": {value}")?;
    }
    out.write_str("}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_report_fits() {
        let mut text = Line::<2048>::new();
        assert!(json(&mut text, &[u64::MAX; NAMES.len()]).is_ok());
        assert!(text.as_bytes().ends_with(b"18446744073709551615}}\n"));
    }
}
