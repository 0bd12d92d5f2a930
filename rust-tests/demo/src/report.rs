//! Everything that was measured, and its medians.

use crate::arm::Arm;
use crate::child::Outcome;
use crate::machine::Machine;
use prover::cli::AirName;
use prover::record::Proof;
use serde::Serialize;
use std::fs;
use std::path::Path;

#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub simd: String,
    pub air: AirName,
    pub rows_log2: u32,
    pub threads: usize,
    pub phase: bool,
    pub processes_per_arm: usize,
    pub proofs_per_process: u32,
    /// SHA-256 of every single proof.
    pub digest: String,
    pub glibc: Summary,
    pub libzkalloc: Summary,
    pub processes: Vec<Outcome>,
}

impl Report {
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let mut json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        json.push('\n');
        fs::write(file, json).map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// One side.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Over the first proofs of all processes.
    pub cold: Medians,
    /// Over the third and later proofs of all processes.
    pub warm: Medians,
    /// Over all processes.
    pub peak_rss_mib: f64,
    /// As the prover saw them in /proc/self/maps.
    pub allocators: Vec<String>,
    pub zkalloc_version: Option<String>,
}

/// The median of each figure by itself: the median of the sum need not be the sum of the medians.
#[derive(Debug, Serialize)]
pub struct Medians {
    pub wall_ms: f64,
    pub cpu_ms: f64,
    pub user_ms: f64,
    pub system_ms: f64,
    pub minor_faults: f64,
}

impl Summary {
    pub fn of(arm: Arm, processes: &[Outcome]) -> Result<Self, String> {
        let processes: Vec<&Outcome> = processes.iter().filter(|process| process.arm == arm).collect();
        let first = processes.first().ok_or_else(|| format!("nothing ran under {}", arm.name()))?;
        let proofs = || processes.iter().flat_map(|process| &process.proofs);
        Ok(Self {
            cold: Medians::of(proofs().filter(|proof| proof.proof == 1)),
            warm: Medians::of(proofs().filter(|proof| proof.proof >= 3)),
            peak_rss_mib: median(
                processes.iter().flat_map(|process| process.proofs.last()).map(|last| last.peak_rss_mib),
            ),
            allocators: first.run.allocators.clone(),
            zkalloc_version: first.zkalloc.as_ref().map(|library| library.version.clone()),
        })
    }
}

impl Medians {
    fn of<'a>(proofs: impl Iterator<Item = &'a Proof>) -> Self {
        let proofs: Vec<&Proof> = proofs.collect();
        let over = |figure: fn(&Proof) -> f64| median(proofs.iter().map(|proof| figure(proof)));
        Self {
            wall_ms: over(|proof| proof.wall_ms),
            cpu_ms: over(|proof| proof.user_ms + proof.system_ms),
            user_ms: over(|proof| proof.user_ms),
            system_ms: over(|proof| proof.system_ms),
            minor_faults: over(|proof| proof.minor_faults as f64),
        }
    }
}

/// Of an even number of values the mean of the middle two; of none NaN.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 1) => values[middle],
        (middle, _) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5);
        assert_eq!(median([7.0].into_iter()), 7.0);
        assert!(median([].into_iter()).is_nan());
    }
}
