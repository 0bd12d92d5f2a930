//! The loop: prove, verify, drop, report.

use crate::cli::{RunOptions, TraceTo};
use crate::digest;
use crate::measure::{allocators, kernel, milliseconds, simd, Cost, Moment, Resident};
use crate::output::Output;
use crate::record::{Proof, Run};
use crate::system::System;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{io, process, thread};
use tracing_forest::printer::{Pretty, Printer};
use tracing_forest::ForestLayer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Makes the thread pool and the tracing layer that the command line asks for. Once per process, before any proof.
pub fn start(options: &RunOptions) -> Result<(), String> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global()
        .map_err(|error| format!("no thread pool of {}: {error}", options.threads))?;
    options.tracing.map_or(Ok(()), start_tracing)
}

/// What `main` returns: the reason goes to standard error, as one line.
pub fn exit_code(program: &str, result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// No filter: every span of every level is kept, because what is tested is the layer's memory, not its output.
fn start_tracing(to: TraceTo) -> Result<(), String> {
    let registry = tracing_subscriber::registry();
    let printer = Printer::new().formatter(Pretty);
    match to {
        TraceTo::Stderr => registry.with(ForestLayer::from(printer.writer(io::stderr))).try_init(),
        TraceTo::Sink => registry.with(ForestLayer::from(printer.writer(io::sink))).try_init(),
    }
    .map_err(|error| format!("tracing: {error}"))
}

/// Does what the command line asks for. The first proof that is wrong ends the run.
pub fn prove_all<S: System>(statement: &str, default_rows_log2: u32, options: &RunOptions) -> Result<(), String> {
    let mut output = Output::new(options.json);
    let mut first_digests = BTreeMap::new();
    let mut prepared = None;
    for number in 1..=options.iterations {
        if number > 1 && options.sleep_ms > 0 {
            thread::sleep(Duration::from_millis(options.sleep_ms));
        }
        let rows_log2 = options.rows_log2(number, default_rows_log2);
        let system = prepare::<S>(&mut prepared, rows_log2)?;
        let proof = prove_one(system, options, number, rows_log2)?;
        let (first, digest) = first_digests.entry(rows_log2).or_insert_with(|| (number, proof.digest.clone()));
        if proof.digest != *digest {
            return Err(format!("proof {number} differs from proof {first}"));
        }
        output.proof(proof)?;
    }
    thread::sleep(Duration::from_millis(options.idle_ms));
    output.run(Run {
        pid: process::id(),
        statement: statement.to_owned(),
        rows_log2: options.rows_log2(options.iterations, default_rows_log2),
        proofs: options.iterations,
        verified: if options.no_verify { 0 } else { options.iterations },
        threads: rayon::current_num_threads(),
        phase: options.phase,
        allocators: allocators()?,
        simd: simd().to_owned(),
        kernel: kernel()?,
    })
}

/// Keys of the last size are kept, those of another one are dropped before new ones are made.
fn prepare<S: System>(prepared: &mut Option<(u32, S)>, rows_log2: u32) -> Result<&S, String> {
    if prepared.as_ref().is_some_and(|(size, _)| *size != rows_log2) {
        *prepared = None;
    }
    if prepared.is_none() {
        let system = S::prepare(rows_log2).map_err(|error| format!("2^{rows_log2} cannot be set up: {error}"))?;
        *prepared = Some((rows_log2, system));
    }
    let (_, system) = prepared.as_ref().expect("just made where it was missing");
    Ok(system)
}

fn prove_one<S: System>(system: &S, options: &RunOptions, number: u32, rows_log2: u32) -> Result<Proof, String> {
    let start = Moment::now()?;
    let made = if options.phase { zkalloc::phase(|| system.prove()) } else { system.prove() };
    let Cost { wall_ms, user_ms, system_ms, minor_faults } = start.cost()?;
    let proof = made.map_err(|error| format!("proof {number} cannot be made: {error}"))?;

    // From here on the proof is used outside the phase that it was made in: if the library took its memory back at the
    // phase's end, it does not verify.
    let verify_ms = if options.no_verify {
        None
    } else {
        let start = Instant::now();
        system.verify(&proof).map_err(|error| format!("proof {number} does not verify: {error}"))?;
        Some(milliseconds(start.elapsed()))
    };
    let bytes = options.digest.then(|| system.serialize(&proof)).transpose()?;
    let fingerprint = bytes.map(|bytes| digest::of_bytes(&bytes));
    drop(proof);

    let resident = Resident::read()?;
    Ok(Proof {
        proof: number,
        rows_log2,
        wall_ms,
        user_ms,
        system_ms,
        minor_faults,
        rss_mib: resident.now,
        peak_rss_mib: resident.peak,
        verify_ms,
        proof_bytes: fingerprint.as_ref().map(|fingerprint| fingerprint.bytes),
        digest: fingerprint.map(|fingerprint| fingerprint.sha256),
    })
}
