//! Prints the records, for people or as JSON lines.

use crate::record::{Line, Proof, Run};
use std::io::{self, Write};

/// Writes to standard output, and flushes every record: whoever reads along shows progress.
pub struct Output {
    json: bool,
    header_due: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json, header_due: !json }
    }

    pub fn proof(&mut self, proof: Proof) -> Result<(), String> {
        if self.json {
            return json_line(&Line::Proof(proof));
        }
        if std::mem::take(&mut self.header_due) {
            print("proof    wall ms    user ms  system ms  minor faults   RSS MiB  peak MiB  verify ms  digest")?;
        }
        print(&format!(
            "{:5} {:10.0} {:10.0} {:10.0} {:13} {:9.0} {:9.0} {:>10}  {}",
            proof.proof,
            proof.wall_ms,
            proof.user_ms,
            proof.system_ms,
            proof.minor_faults,
            proof.rss_mib,
            proof.peak_rss_mib,
            proof.verify_ms.map_or("-".to_owned(), |ms| format!("{ms:.0}")),
            proof.digest.as_deref().unwrap_or("-"),
        ))
    }

    pub fn run(&self, run: Run) -> Result<(), String> {
        if self.json {
            return json_line(&Line::Run(run));
        }
        print(&format!(
            "{}, 2^{} rows: {} proofs, {} verified; allocator {}; {} threads; SIMD {}; Linux {}",
            run.statement,
            run.rows_log2,
            run.proofs,
            run.verified,
            run.allocators.join(" + "),
            run.threads,
            run.simd,
            run.kernel,
        ))
    }
}

fn json_line(line: &Line) -> Result<(), String> {
    print(&serde_json::to_string(line).map_err(|error| error.to_string())?)
}

fn print(line: &str) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|error| format!("standard output: {error}"))
}
