//! The lines of `--json`: what every prover writes and the demo reads.

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    Proof(Proof),
    Run(Run),
}

/// One proof. Times, CPU and faults cover the trace (or witness) and the proof, on all threads.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Proof {
    /// 1 for the first proof of the process.
    pub proof: u32,
    pub rows_log2: u32,
    pub wall_ms: f64,
    pub user_ms: f64,
    pub system_ms: f64,
    pub minor_faults: u64,
    /// Once the proof is dropped.
    pub rss_mib: f64,
    /// The most since the process started.
    pub peak_rss_mib: f64,
    /// Wall time; absent with `--no-verify`, and then the proof was not verified.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verify_ms: Option<f64>,
    /// SHA-256 of the serialized proof, with `--digest`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proof_bytes: Option<usize>,
}

/// The whole run, printed last and only when every proof was right.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    pub pid: u32,
    /// As the command line takes it: of `--air`, or of `--system`.
    pub statement: String,
    /// Of the last proof.
    pub rows_log2: u32,
    pub proofs: u32,
    pub verified: u32,
    pub threads: usize,
    pub phase: bool,
    /// From /proc/self/maps: file names, or `glibc`.
    pub allocators: Vec<String>,
    /// Vector instructions that the prover was compiled for.
    pub simd: String,
    pub kernel: String,
}
