//! The memory cgroups that this process is in, version 1 or 2: how much they allow, and how much of that is left.
//!
//! Read through `/proc/self/cgroup`, below the usual places under `/sys/fs/cgroup`, anew each time: limits change, and a
//! process may be moved. A container that sees only its own part of the hierarchy finds its limit at the top of it.
#![forbid(unsafe_code)]

use crate::kernel_text::{number_after, stall_total, with_file, FILE_BYTES, PATH_BYTES};
use crate::platform;
use crate::report::Line;
use core::fmt::Write;

/// The names that the two versions have for the same things.
struct Version {
    /// Where its hierarchies are usually mounted, with the names of the files that hold limits.
    mounts: &'static [&'static str],
    limits: &'static [&'static str],
    used: &'static str,
    /// In `memory.stat`: what the kernel can take back at any time.
    reclaimable: [&'static str; 2],
    /// Which file counts how often a limit was met, and in which lines.
    events: &'static str,
    event_lines: &'static [&'static str],
}

const V1: Version = Version {
    mounts: &["/sys/fs/cgroup/memory"],
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    reclaimable: ["total_inactive_file", "total_active_file"],
    events: "memory.failcnt",
    event_lines: &[""],
};
const V2: Version = Version {
    mounts: &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    reclaimable: ["inactive_file", "active_file"],
    events: "memory.events",
    event_lines: &["high", "max", "oom"],
};

/// A memory cgroup. Its path is kept as it was found.
pub struct Cgroup {
    version: &'static Version,
    path: Line<PATH_BYTES>,
    /// Bytes of `path` that name the mount.
    mount_bytes: usize,
}

/// What a process and its cgroups may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that the tightest cgroup has left.
    pub bytes: usize,
    /// The limit of that one.
    pub limit_bytes: usize,
}

impl Cgroup {
    /// The cgroup that counts this process's memory. `None`: there is none, or it cannot be read.
    pub fn find() -> Option<Self> {
        let mut buffer = [0; FILE_BYTES];
        let text = platform::read_file(c"/proc/self/cgroup", &mut buffer)?;
        let (version, group) = memory_group(core::str::from_utf8(text).ok()?)?;
        version.mounts.iter().find_map(|mount| {
            // Memory may be counted further up only. And without a view of its own, a container's path leads nowhere, and
            // its cgroup is what it sees at the top.
            around(group.trim_end_matches('/'), 0).find_map(|group| {
                let mut path = Line::new();
                write!(path, "{mount}{group}").ok()?;
                let found = Self { version, path, mount_bytes: mount.len() };
                found.number(found.path(), version.used, "").map(|_| found)
            })
        })
    }

    /// The least room of this cgroup and those around it. `None`: none of them has a limit.
    pub fn room(&self) -> Option<Room> {
        let levels = self.levels();
        levels.filter_map(|path| self.room_at(path)).min_by_key(|room| room.bytes)
    }

    fn room_at(&self, path: &str) -> Option<Room> {
        let limits = self.version.limits.iter();
        let limit_bytes = limits.filter_map(|file| self.number(path, file, "")).min()?;
        // Version 1 has no word for "no limit", but a number beyond all memory.
        let limit_bytes = usize::try_from(limit_bytes).ok().filter(|&bytes| bytes < platform::memory_bytes())?;
        let used = self.number(path, self.version.used, "")? as usize;
        let bytes = limit_bytes.saturating_sub(used);
        // A look at what is in use costs more, so only where it matters.
        let cached = if bytes < limit_bytes / 4 { self.reclaimable_bytes(path) } else { 0 };
        Some(Room { bytes: bytes.saturating_add(cached), limit_bytes })
    }

    /// How much of what is used caches files.
    fn reclaimable_bytes(&self, path: &str) -> usize {
        let lines = self.version.reclaimable.iter();
        lines.filter_map(|line| self.number(path, "memory.stat", line)).sum::<u64>() as usize
    }

    /// How often the cgroup's own limit was met.
    pub fn events(&self) -> Option<u64> {
        let lines = self.version.event_lines.iter();
        lines.filter_map(|line| self.number(self.path(), self.version.events, line)).reduce(|sum, n| sum + n)
    }

    /// Microseconds for which some thread of the cgroup has waited for memory. `None`: the kernel does not say.
    pub fn stalled_us(&self) -> Option<u64> {
        with_file(format_args!("{}/memory.pressure", self.path()), stall_total)
    }

    fn path(&self) -> &str {
        core::str::from_utf8(self.path.as_bytes()).unwrap_or("")
    }

    /// Its path, and those of the cgroups around it.
    fn levels(&self) -> impl Iterator<Item = &str> {
        around(self.path(), self.mount_bytes)
    }

    fn number(&self, path: &str, file: &str, line: &str) -> Option<u64> {
        with_file(format_args!("{path}/{file}"), |text| number_after(text, line))
    }
}

/// A path and those of the directories around it, down to so many bytes.
fn around(path: &str, least: usize) -> impl Iterator<Item = &str> {
    core::iter::successors(Some(path), move |path| path.rfind('/').filter(|&at| at >= least).map(|at| &path[..at]))
}

/// Which version counts memory, and the path of the group: from lines like `4:memory:/path` or `0::/path`.
fn memory_group(text: &str) -> Option<(&'static Version, &str)> {
    let group_of = |wanted: &str| {
        text.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == wanted).then_some(path)
        })
    };
    group_of("memory").map(|path| (&V1, path)).or_else(|| group_of("").map(|path| (&V2, path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_that_counts_memory() {
        let group = |text| memory_group(text).map(|(version, path)| (version.used, path));
        for (text, expected) in [
            ("0::/user.slice/a:b\n", Some((V2.used, "/user.slice/a:b"))),
            ("0::/\n", Some((V2.used, "/"))),
            ("9:name=systemd:/x\n4:cpu,memory:/pod/c\n0::/\n", Some((V1.used, "/pod/c"))),
            ("4:cpu:/pod\n0::/v2\n", Some((V2.used, "/v2"))),
            ("4:cpu:/pod\n", None),
            ("", None),
            ("memory", None),
        ] {
            assert_eq!(group(text), expected, "{text}");
        }
    }

    #[test]
    fn levels_end_at_the_mount() {
        let mut path = Line::new();
        let _ = write!(path, "/sys/fs/cgroup/a/b");
        let group = Cgroup { version: &V2, path, mount_bytes: "/sys/fs/cgroup".len() };
        assert_eq!(group.levels().collect::<Vec<_>>(), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
    }
}
