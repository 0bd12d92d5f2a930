//! Runs a prover of this workspace and reads what it says.

use crate::runner;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far beyond any run of these tests, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(600);

/// What to prove.
#[derive(Clone, Copy)]
pub struct Task {
    /// Finds the program.
    pub program: fn() -> PathBuf,
    /// The option that chooses among its statements, and the value.
    pub statement: [&'static str; 2],
    pub rows_log2: u32,
    pub proofs: usize,
}

impl Task {
    /// A statement of `prover`.
    pub const fn air(air: &'static str, rows_log2: u32, proofs: usize) -> Self {
        Self { program: plonky3, statement: ["--air", air], rows_log2, proofs }
    }
}

fn plonky3() -> PathBuf {
    let build = "cargo build --release --manifest-path rust-tests/Cargo.toml --package prover";
    runner::built("ZKALLOC_PROVER", "rust-tests/target/release/prover", build)
}

/// Why there are no digests.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// The proofs may be right, but the library took no part in them.
    NotEngaged(String),
    /// A crash, or a proof that does not verify or that differs from the first.
    Proving(String),
}

/// The digests of the proofs made without the library.
pub fn reference(task: Task) -> Vec<String> {
    prove(task, None, &[]).expect("the prover works without the library")
}

/// The digests of the proofs made under `library`, with `environment`.
pub fn under(library: &Path, environment: &[(&str, &str)], task: Task) -> Result<Vec<String>, Failure> {
    let counters = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let path = counters.path().to_str().expect("the temporary directory's name is UTF-8");
    let digests = prove(task, Some(library), &[environment, &[("ZK_ALLOC_STATS", path)]].concat());
    let digests = digests.map_err(Failure::Proving)?;
    let json = fs::read_to_string(path).expect("the temporary file can be read");
    require_engaged(&json, task.proofs).map_err(Failure::NotEngaged)?;
    Ok(digests)
}

/// `json` is what ZK_ALLOC_STATS writes at exit.
fn require_engaged(json: &str, phases: usize) -> Result<(), String> {
    let root: Value = serde_json::from_str(json).map_err(|error| format!("ZK_ALLOC_STATS: {error}: {json:?}"))?;
    let counter = |name| root["stats"][name].as_u64();
    if counter("phases_begun") != Some(phases as u64) || counter("phases_ended") != Some(phases as u64) {
        return Err(format!("the library counted other phases than {phases}: {json}"));
    }
    if matches!(counter("arena_allocs"), None | Some(0)) {
        return Err(format!("the arena served nothing: {json}"));
    }
    Ok(())
}

fn prove(task: Task, library: Option<&Path>, environment: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let mut command = runner::command((task.program)(), library);
    command.args(task.statement);
    command.args(["--rows-log2", &task.rows_log2.to_string()]);
    command.args(["--iterations", &task.proofs.to_string()]);
    command.args(["--threads", "2", "--phase", "--tracing", "--digest", "--json"]);
    command.envs(environment.iter().copied());
    let finished = runner::run(&mut command, LIMIT);
    if !finished.status.is_some_and(|status| status.success()) {
        return Err(format!("{command:?}: {:?}\n{}", finished.status, finished.tail()));
    }
    read_digests(&finished.stdout, task.proofs)
}

/// `lines`: one JSON object per proof, then one for the run, which says how many proofs were verified.
fn read_digests(lines: &str, proofs: usize) -> Result<Vec<String>, String> {
    let records: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
    let records = records.map_err(|error| format!("the prover's output: {error}"))?;
    let digests: Vec<String> =
        records.iter().filter_map(|record| record["digest"].as_str()).map(str::to_owned).collect();
    if digests.len() != proofs {
        return Err(format!("{} digests for {proofs} proofs", digests.len()));
    }
    let verified = records.iter().find_map(|record| record["verified"].as_u64());
    if verified != Some(proofs as u64) {
        return Err(format!("{verified:?} of {proofs} proofs verified"));
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_only_when_all_proofs_are_verified() {
        let proof = r#"{"event":"proof","proof":1,"digest":"ab"}"#;
        let good = format!("{proof}\n{proof}\n{}", r#"{"event":"run","proofs":2,"verified":2}"#);
        assert_eq!(read_digests(&good, 2), Ok(vec!["ab".to_owned(); 2]));
        assert!(read_digests(&good, 3).is_err());
        assert!(read_digests(&good.replace("\"verified\":2", "\"verified\":1"), 2).is_err());
        assert!(read_digests(&good.replace("\"digest\":\"ab\"", "\"wall_ms\":1"), 2).is_err());
        assert!(read_digests("proof 1: fine", 1).is_err());
    }

    #[test]
    fn a_library_that_took_no_part_is_noticed() {
        let stats = r#"{"stats":{"phases_begun":3,"phases_ended":3,"arena_allocs":9}}"#;
        assert_eq!(require_engaged(stats, 3), Ok(()));
        assert!(require_engaged(stats, 2).is_err());
        assert!(require_engaged(&stats.replace(":9", ":0"), 3).is_err());
        assert!(require_engaged("", 3).is_err());
    }
}
