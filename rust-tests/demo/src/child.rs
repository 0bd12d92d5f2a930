//! One process of the prover, on one side of the comparison.

use crate::arm::Arm;
use crate::options::Options;
use prover::record::{Line, Proof, Run};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How all of them are started.
pub struct Launcher<'a> {
    pub options: &'a Options,
    pub prover: PathBuf,
    pub library: PathBuf,
    /// A directory for files that nobody needs afterwards.
    pub scratch: &'a Path,
}

/// What one process did. Every proof of it was verified, and all were the same.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub arm: Arm,
    pub proofs: Vec<Proof>,
    pub run: Run,
    /// Of the library, at exit; none under glibc.
    pub zkalloc: Option<LibraryStats>,
}

/// The JSON that the library writes at exit.
#[derive(Debug, Deserialize, Serialize)]
pub struct LibraryStats {
    pub version: String,
    pub pid: u32,
    pub stats: serde_json::Map<String, serde_json::Value>,
}

impl Launcher<'_> {
    /// Runs the prover to its end and checks that it ran as `arm` says.
    pub fn run(&self, arm: Arm, iterations: u32, on_proof: impl Fn(&Proof)) -> Result<Outcome, String> {
        let errors = self.scratch.join("stderr");
        let stats = self.scratch.join("stats.json");
        let _ = fs::remove_file(&stats); // of the process before, if any
        let mut child = self.spawn(arm, iterations, &errors, &stats)?;
        let read = read_lines(&mut child, on_proof);
        let status = child.wait().map_err(|error| format!("the prover cannot be waited for: {error}"))?;
        let (proofs, run) = read?;

        let complaint = fs::read_to_string(&errors).unwrap_or_default();
        let complaint = complaint.lines().rfind(|line| !line.trim().is_empty());
        let complaint = complaint.map_or(String::new(), |line| format!(": {line}"));
        if !status.success() {
            return Err(format!("the prover failed under {} ({status}){complaint}", arm.name()));
        }
        let run = run.ok_or("the prover ended without its last line")?;
        if run.verified != iterations || proofs.len() != iterations as usize {
            return Err(format!("{} of {iterations} proofs were verified under {}", run.verified, arm.name()));
        }
        let zkalloc = match arm {
            Arm::Glibc if run.allocators == ["glibc"] => None,
            Arm::Glibc => return Err(format!("the baseline is not glibc but {}", run.allocators.join(" + "))),
            Arm::Libzkalloc => {
                Some(engaged(&run, &stats).map_err(|why| format!("libzkalloc was not engaged, {why}{complaint}"))?)
            }
        };
        Ok(Outcome { arm, proofs, run, zkalloc })
    }

    fn spawn(&self, arm: Arm, iterations: u32, errors: &Path, stats: &Path) -> Result<Child, String> {
        let errors = File::create(errors).map_err(|error| format!("{}: {error}", errors.display()))?;
        let Options { air, threads, phase, .. } = self.options;
        let mut command = Command::new(&self.prover);
        command.args(["--json", "--digest", "--air", air.option_value()]);
        command.args(["--rows-log2", &self.options.rows_log2().to_string()]);
        command.args(["--iterations", &iterations.to_string(), "--threads", &threads.to_string()]);
        if *phase {
            command.arg("--phase");
        }
        // Defaults against defaults: what the caller's environment says about allocators counts for neither side.
        for (name, _) in std::env::vars_os().filter(|(name, _)| sets_an_allocator(name)) {
            command.env_remove(name);
        }
        if arm == Arm::Libzkalloc {
            command.env("LD_PRELOAD", &self.library).env("ZK_ALLOC_STATS", stats);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.prover.display()))
    }
}

fn sets_an_allocator(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name == "LD_PRELOAD" || name == "GLIBC_TUNABLES" || name.starts_with("MALLOC_") || name.starts_with("ZK_ALLOC_")
}

fn read_lines(child: &mut Child, on_proof: impl Fn(&Proof)) -> Result<(Vec<Proof>, Option<Run>), String> {
    let stdout = child.stdout.take().expect("it was piped");
    let mut proofs = Vec::new();
    let mut run = None;
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(|error| format!("the prover's output cannot be read: {error}"))?;
        match serde_json::from_str(&line).map_err(|error| format!("the prover said {line:?}: {error}"))? {
            Line::Proof(proof) => {
                on_proof(&proof);
                proofs.push(proof);
            }
            Line::Run(end) => run = Some(end),
        }
    }
    Ok((proofs, run))
}

/// That the library is mapped is not enough: it must have served memory, in that very process.
fn engaged(run: &Run, stats: &Path) -> Result<LibraryStats, String> {
    if !run.allocators.iter().any(|file| file.starts_with("libzkalloc")) {
        return Err(format!("the prover has mapped {}", run.allocators.join(" + ")));
    }
    let json = fs::read(stats).map_err(|error| format!("it wrote no statistics ({error})"))?;
    let written: LibraryStats = serde_json::from_slice(&json).map_err(|error| format!("its statistics: {error}"))?;
    if written.pid != run.pid {
        return Err(format!("its statistics are of process {}, the prover was {}", written.pid, run.pid));
    }
    match written.stats.get("arena_allocs").and_then(serde_json::Value::as_u64) {
        Some(1..) => Ok(written),
        _ => Err("its arena has served nothing".to_owned()),
    }
}
