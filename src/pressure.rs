//! Memory pressure: free pages go back before the cgroup's limit is met, and when threads wait for memory.
//!
//! Files are read for this, by the background thread while there is something to give back. A program that has come
//! under a filter of system calls since the library was loaded may not allow that: then nothing is read.
#![forbid(unsafe_code)]

use crate::arena::Arena;
use crate::broken::{self, Broken};
use crate::cgroup::{Cgroup, Room};
use crate::config::{self, Key};
use crate::kernel_text::{number_after, stall_total, with_file};
use crate::platform;
use crate::report;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};
use Ordering::Relaxed;

/// How often to look.
pub const LOOK_MS: u64 = 250;
/// This part of a limit is left free: other memory of the process and of its neighbours grows between two looks.
const LEFT_OF_LIMIT: usize = 16;
/// Threads that wait for memory for a tenth of the time are under pressure: the threshold of systemd's protocol for
/// memory pressure (200 ms in 2 s).
const STALL_PART: u64 = 10;

/// A machine with less than this part of its memory available is short of it.
const SHORT_PART: u64 = 8;

/// What was read last: when, how long threads had waited, how often limits had been met; and the limit.
static LOOKED_NS: AtomicU64 = AtomicU64::new(0);
static STALLED_US: AtomicU64 = AtomicU64::new(u64::MAX);
static EVENTS: AtomicU64 = AtomicU64::new(u64::MAX);
static LIMIT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Looks, unless somebody else has just done so, and gives back what has to go. False: there is nothing to look at.
pub fn look(arena: &Arena) -> bool {
    if cfg!(modelled) {
        // The models have no files.
        return false;
    }
    let (last, now) = (LOOKED_NS.load(Relaxed), platform::now_ns());
    let elapsed_us = now.saturating_sub(last) / 1000;
    let is_due = last == 0 || elapsed_us >= LOOK_MS * 900;
    if !is_due || LOOKED_NS.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
        return true;
    }
    if platform::is_newly_filtered() {
        return false;
    }
    let cgroup = Cgroup::find();
    if !broken::is(Broken::CgroupLimit) {
        keep_within(arena, cgroup.as_ref().and_then(Cgroup::room));
    }
    let is_pressing = is_pressing(cgroup.as_ref(), elapsed_us);
    if is_pressing == Some(true) && !broken::is(Broken::Pressure) {
        let given = arena.trim(0);
        if given > 0 && config::get(Key::Verbose) == 1 {
            report::line(format_args!("memory pressure: {} MiB given back", given >> 20));
        }
    }
    is_pressing.is_some() || cgroup.is_some()
}

/// Caps what may be resident, and gives back what is too much already.
fn keep_within(arena: &Arena, room: Option<Room>) {
    let limit_bytes = room.map_or(0, |room| room.limit_bytes);
    if LIMIT_BYTES.swap(limit_bytes, Relaxed) != limit_bytes && config::get(Key::Verbose) == 1 {
        match room {
            Some(room) => report::line(format_args!("cgroup: a limit of {} MiB", room.limit_bytes >> 20)),
            None => report::line(format_args!("cgroup: no limit any more")),
        }
    }
    let Some(room) = room else { return arena.set_ceiling(usize::MAX) };
    let left = room.limit_bytes / LEFT_OF_LIMIT;
    arena.set_ceiling((arena.touched_bytes() + room.bytes).saturating_sub(left));
    let missing = left.saturating_sub(room.bytes);
    if missing > 0 {
        match arena.free_resident_bytes().checked_sub(missing) {
            Some(keep) => arena.purge_slots(keep),
            // Dead pages of spans, too.
            None => arena.trim(0),
        };
    }
}

/// True: since the last look threads have waited for memory, or, where the kernel does not count that, limits were met.
/// `None`: neither is counted.
fn is_pressing(cgroup: Option<&Cgroup>, elapsed_us: u64) -> Option<bool> {
    let grown = |last: &AtomicU64, now: u64| now.saturating_sub(last.swap(now, Relaxed));
    let is_long = |stalled_us| grown(&STALLED_US, stalled_us) > elapsed_us / STALL_PART;
    if let Some(stalled_us) = cgroup.and_then(Cgroup::stalled_us) {
        return Some(is_long(stalled_us));
    }
    if let Some(stalled_us) = with_file(format_args!("/proc/pressure/memory"), stall_total) {
        return Some(is_long(stalled_us) && machine_is_short());
    }
    let events = cgroup.and_then(Cgroup::events)?;
    Some(grown(&EVENTS, events) > 0)
}

/// True: the machine has little memory left. Where it has, threads of other cgroups wait for their own limits.
fn machine_is_short() -> bool {
    let number = |line: &str| with_file(format_args!("/proc/meminfo"), |text| number_after(text, line));
    let (Some(total), Some(available)) = (number("MemTotal:"), number("MemAvailable:")) else { return true };
    available < total / SHORT_PART
}
