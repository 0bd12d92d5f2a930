//! What this process has used so far, as the kernel counts it.

use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::time::TimeValLike;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The counters of the whole process, all threads, at one moment.
pub struct Moment {
    at: Instant,
    user_us: i64,
    system_us: i64,
    minor_faults: u64,
}

/// What was used between two moments.
pub struct Cost {
    pub wall_ms: f64,
    pub user_ms: f64,
    pub system_ms: f64,
    pub minor_faults: u64,
}

impl Moment {
    pub fn now() -> Result<Self, String> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| format!("getrusage: {error}"))?;
        Ok(Self {
            at: Instant::now(),
            user_us: usage.user_time().num_microseconds(),
            system_us: usage.system_time().num_microseconds(),
            minor_faults: usage.minor_page_faults().try_into().unwrap_or(0),
        })
    }

    /// What has been used since then.
    pub fn cost(&self) -> Result<Cost, String> {
        let now = Self::now()?;
        Ok(Cost {
            wall_ms: milliseconds(now.at.duration_since(self.at)),
            user_ms: (now.user_us - self.user_us) as f64 / 1e3,
            system_ms: (now.system_us - self.system_us) as f64 / 1e3,
            minor_faults: now.minor_faults - self.minor_faults,
        })
    }
}

/// To the microsecond, which is as fine as the kernel's own counters are.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// Resident memory in MiB.
pub struct Resident {
    pub now: f64,
    /// The most since exec.
    pub peak: f64,
}

impl Resident {
    /// From /proc, not from getrusage, whose peak a process inherits from whoever started it.
    pub fn read() -> Result<Self, String> {
        if !has_proc() {
            return Self::at_most();
        }
        let status = fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc/self/status: {error}"))?;
        Ok(Self { now: field_mib(&status, "VmRSS:")?, peak: field_mib(&status, "VmHWM:")? })
    }

    /// macOS, which counts bytes there: the peak stands for both.
    fn at_most() -> Result<Self, String> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| format!("getrusage: {error}"))?;
        let peak = usage.max_rss() as f64 / f64::from(1 << 20);
        Ok(Self { now: peak, peak })
    }
}

fn field_mib(status: &str, name: &str) -> Result<f64, String> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.parse::<f64>().ok())
        .map(|kib| kib / 1024.0)
        .ok_or_else(|| format!("/proc/self/status has no usable {name}"))
}

/// The file names of the preloaded or linked allocators that this process has mapped; `glibc` if there is none.
pub fn allocators() -> Result<Vec<String>, String> {
    if !has_proc() {
        return Ok(vec![if zkalloc::is_loaded() { "libzkalloc" } else { "the system's" }.to_owned()]);
    }
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| format!("/proc/self/maps: {error}"))?;
    Ok(allocators_in(&maps))
}

/// Those of this text of /proc/PID/maps.
pub fn allocators_in(maps: &str) -> Vec<String> {
    const KNOWN: [&str; 5] = ["libzkalloc", "libjemalloc", "libmimalloc", "libtcmalloc", "libsnmalloc"];
    let mut found: Vec<String> = Vec::new();
    for line in maps.lines() {
        let Some((_, file)) = line.rsplit_once('/') else { continue };
        let file = file.trim_end_matches(" (deleted)");
        if KNOWN.iter().any(|name| file.starts_with(name)) && !found.iter().any(|other| other == file) {
            found.push(file.to_owned());
        }
    }
    if found.is_empty() {
        found.push("glibc".to_owned());
    }
    found
}

/// The vector instructions that Plonky3 was compiled for. They change how long a proof takes, never the proof.
pub fn simd() -> &'static str {
    if cfg!(target_feature = "avx512f") {
        "AVX-512"
    } else if cfg!(target_feature = "avx2") {
        "AVX2"
    } else if cfg!(target_feature = "neon") {
        "NEON"
    } else {
        "none"
    }
}

/// The release of the running kernel.
pub fn kernel() -> Result<String, String> {
    let names = nix::sys::utsname::uname().map_err(|error| format!("uname: {error}"))?;
    Ok(names.release().to_string_lossy().into_owned())
}

/// Not so on macOS.
fn has_proc() -> bool {
    Path::new("/proc/self").exists()
}
