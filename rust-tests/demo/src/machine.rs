//! What the figures were measured on.

use serde::Serialize;
use std::fmt;
use std::fs;
use std::thread::available_parallelism;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub kernel: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    /// /sys/kernel/mm/transparent_hugepage/enabled: always, madvise, never, or none.
    pub thp: String,
    pub virtual_machine: bool,
    /// Processes that wanted a core in the minute before: what is above 0 has slowed both sides down.
    pub load_before: f64,
}

impl Machine {
    pub fn read() -> Result<Self, String> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim())
        };
        let thp = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            kernel: prover::measure::kernel()?,
            cpu: field("model name").unwrap_or("unknown processor").to_owned(),
            cores: available_parallelism().map_err(|error| format!("processors cannot be counted: {error}"))?.get(),
            memory_gib: (meminfo_mib("MemTotal:")? + 512) / 1024,
            thp: chosen(&thp).unwrap_or("none").to_owned(),
            virtual_machine: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            load_before: load.split(' ').next().and_then(|minute| minute.parse().ok()).unwrap_or(0.0),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cpu, cores, memory_gib, thp, virtual_machine, load_before } = self;
        let kind = if *virtual_machine { "virtual machine, " } else { "" };
        write!(formatter, "{kind}{cores} cores of {cpu}, {memory_gib} GiB, Linux {kernel}, ")?;
        write!(formatter, "transparent huge pages {thp}, load {load_before:.1} before the run")
    }
}

/// What may still be used without swapping.
pub fn available_mib() -> Result<u64, String> {
    meminfo_mib("MemAvailable:")
}

fn meminfo_mib(name: &str) -> Result<u64, String> {
    let meminfo = fs::read_to_string("/proc/meminfo").map_err(|error| format!("/proc/meminfo: {error}"))?;
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib / 1024)
        .ok_or_else(|| format!("/proc/meminfo has no usable {name}"))
}

/// The word in brackets.
fn chosen(setting: &str) -> Option<&str> {
    Some(setting.split_once('[')?.1.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_setting_is_in_brackets() {
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen(""), None);
    }

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::read().unwrap();
        assert!(machine.cores >= 1 && !machine.kernel.is_empty());
        assert!(available_mib().unwrap() > 0);
    }
}
