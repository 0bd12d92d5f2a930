//! The order of events: one proof to see what is needed, then rounds of both sides.

use crate::arm::Arm;
use crate::child::{Launcher, Outcome};
use crate::machine::{available_mib, Machine};
use crate::options::Options;
use crate::progress::Progress;
use crate::report::{Report, Summary};
use crate::touch;
use prover::record::Proof;
use std::path::{Path, PathBuf};

/// With the build done, the demo is to take less than five minutes: two rounds only where they fit into four.
const TWO_ROUNDS_WITHIN_MS: f64 = 240_000.0;

pub fn compare(options: &Options) -> Result<Report, String> {
    let scratch = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    let launcher = Launcher {
        options,
        prover: existing(&prover_path(options)?)?,
        library: existing(&options.library)?,
        scratch: scratch.path(),
    };
    let machine = Machine::read()?;
    let progress = Progress::new(1);

    progress.doing("one proof to see how much time and memory it takes".to_owned());
    let trial = launcher.run(Arm::Glibc, 1, |_| progress.proof_done())?;
    let trial_proof = trial.proofs.first().ok_or("the first run made no proof")?;
    let needed_mib = memory_for(trial_proof)?;
    let rounds = options.rounds.unwrap_or_else(|| rounds_for(trial_proof, options));

    let count = Arm::ROUND.len() as u32 * rounds;
    progress.grow(u64::from(count * options.iterations));
    let mut processes: Vec<Outcome> = Vec::new();
    for (index, arm) in (0..rounds).flat_map(|_| Arm::ROUND).enumerate() {
        progress.doing(format!("process {} of {count}: {}", index + 1, arm.name()));
        touch::in_other_process(needed_mib)?;
        let process = launcher.run(arm, options.iterations, |_| progress.proof_done())?;
        same_proofs(trial_proof, &process)?;
        processes.push(process);
    }

    Ok(Report {
        machine,
        simd: trial.run.simd,
        air: options.air,
        rows_log2: trial.run.rows_log2,
        threads: trial.run.threads,
        phase: options.phase,
        processes_per_arm: processes.len() / 2,
        proofs_per_process: options.iterations,
        digest: trial_proof.digest.clone().ok_or("the prover printed no digest")?,
        glibc: Summary::of(Arm::Glibc, &processes)?,
        libzkalloc: Summary::of(Arm::Libzkalloc, &processes)?,
        processes,
    })
}

fn prover_path(options: &Options) -> Result<PathBuf, String> {
    match &options.prover {
        Some(path) => Ok(path.clone()),
        None => std::env::current_exe()
            .map(|demo| demo.with_file_name("prover"))
            .map_err(|error| format!("this program cannot be found: {error}")),
    }
}

/// Absolute, because the loader searches its own directories for a name without a slash.
fn existing(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

/// A quarter more than the proof took under glibc, for what the library may keep besides.
fn memory_for(trial: &Proof) -> Result<u64, String> {
    let needed = (trial.peak_rss_mib * 1.25).ceil() as u64;
    let available = available_mib()?;
    if needed > available {
        return Err(format!("{needed} MiB of memory are needed, {available} MiB are available: try --quick"));
    }
    Ok(needed)
}

fn rounds_for(trial: &Proof, options: &Options) -> u32 {
    let proofs = 2 * Arm::ROUND.len() as u32 * options.iterations;
    if options.quick || trial.wall_ms * f64::from(proofs) > TWO_ROUNDS_WITHIN_MS {
        1
    } else {
        2
    }
}

/// The prover has compared the proofs of one process; this compares processes.
fn same_proofs(trial: &Proof, process: &Outcome) -> Result<(), String> {
    match process.proofs.iter().find(|proof| proof.digest != trial.digest) {
        None => Ok(()),
        Some(proof) => Err(format!(
            "proofs differ: under {} proof {} is not the one that glibc gave",
            process.arm.name(),
            proof.proof
        )),
    }
}
