//! The loop: prove, verify, drop, report.

use crate::airs::{Keccak, Poseidon1BabyBear, Poseidon2BabyBearZk, Poseidon2KoalaBear, Statement};
use crate::cli::{AirName, Options, TraceTo};
use crate::digest;
use crate::measure::{allocators, kernel, milliseconds, simd, Cost, Moment, Resident};
use crate::output::Output;
use crate::record::{Proof, Run};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{io, process, thread};
use tracing_forest::printer::{Pretty, Printer};
use tracing_forest::ForestLayer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Does what the command line asks for. The first proof that is wrong ends the run.
pub fn run(options: &Options) -> Result<(), String> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global()
        .map_err(|error| format!("no thread pool of {}: {error}", options.threads))?;
    if let Some(to) = options.tracing {
        start_tracing(to)?;
    }
    match options.air {
        AirName::Poseidon1BabyBear => prove_all::<Poseidon1BabyBear>(options),
        AirName::Poseidon2KoalaBear => prove_all::<Poseidon2KoalaBear>(options),
        AirName::Poseidon2BabyBearZk => prove_all::<Poseidon2BabyBearZk>(options),
        AirName::Keccak => prove_all::<Keccak>(options),
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

fn prove_all<S: Statement>(options: &Options) -> Result<(), String> {
    let mut output = Output::new(options.json);
    let mut first_digests = BTreeMap::new();
    for number in 1..=options.iterations {
        if number > 1 && options.sleep_ms > 0 {
            thread::sleep(Duration::from_millis(options.sleep_ms));
        }
        let proof = prove_one::<S>(options, number)?;
        let (first, digest) = first_digests.entry(proof.rows_log2).or_insert_with(|| (number, proof.digest.clone()));
        if proof.digest != *digest {
            return Err(format!("proof {number} differs from proof {first}"));
        }
        output.proof(proof)?;
    }
    thread::sleep(Duration::from_millis(options.idle_ms));
    output.run(Run {
        pid: process::id(),
        air: options.air,
        rows_log2: options.rows_log2(options.iterations),
        proofs: options.iterations,
        verified: if options.no_verify { 0 } else { options.iterations },
        threads: rayon::current_num_threads(),
        phase: options.phase,
        allocators: allocators()?,
        simd: simd().to_owned(),
        kernel: kernel()?,
    })
}

fn prove_one<S: Statement>(options: &Options, number: u32) -> Result<Proof, String> {
    let start = Moment::now()?;
    let rows_log2 = options.rows_log2(number);
    let made = if options.phase { zkalloc::phase(|| S::prove(rows_log2)) } else { S::prove(rows_log2) };
    let Cost { wall_ms, user_ms, system_ms, minor_faults } = start.cost()?;
    let proof = made.map_err(|error| format!("proof {number} cannot be made: {error}"))?;

    // From here on the proof is used outside the phase that it was made in: if the library took its memory back at the
    // phase's end, it does not verify.
    let verify_ms = if options.no_verify {
        None
    } else {
        let start = Instant::now();
        S::verify(&proof).map_err(|error| format!("proof {number} does not verify: {error}"))?;
        Some(milliseconds(start.elapsed()))
    };
    let fingerprint = options.digest.then(|| digest::of(&proof)).transpose()?;
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
