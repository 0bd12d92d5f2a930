//! The rows of `scripts/soundness` that come from the programs of `adversary`: each under every setting, beside a run
//! without the library where there are digests to compare, and without protection, where it must fail.
#![forbid(unsafe_code)]

use crate::runner;
use crate::trial::{Report, Setting, Trial, CONTROL, CONTROL_LIMIT, SETTINGS};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Row {
    program: &'static str,
    /// The program's own arguments, for each setting: a time when none is given, or a count.
    length: [&'static str; 2],
    /// What must not be 0.
    counts: &'static [&'static str],
    /// Proofs of the run without the library whose digest all others must have; 0: it has none.
    reference: u32,
}

const PROGRAMS: [Row; 5] = [
    Row {
        program: "churn",
        length: ["--minutes", "0.25"],
        counts: &["operations", "threads", "forks", "phases"],
        reference: 0,
    },
    Row {
        program: "survivors",
        length: ["--count", "1000"],
        counts: &["blocks checked", "phases", "survivors in the arena"],
        reference: 0,
    },
    Row { program: "recursion", length: ["--count", "40"], counts: &["proofs", "phases"], reference: 20 },
    Row { program: "two_provers", length: ["--count", "40"], counts: &["proofs", "phases"], reference: 5 },
    Row {
        program: "node",
        length: ["--minutes", "0.2"],
        counts: &["buffers", "phases", "proofs", "transactions", "values read back"],
        reference: 0,
    },
];

const PROOFS: [Row; 1] =
    [Row { program: "proof_churn", length: ["--count", "1000"], counts: &["proofs", "phases"], reference: 1000 }];

/// Beyond the time that a program is given: on a busy machine it may take its time to end. Programs without progress
/// end themselves.
const GRACE: Duration = Duration::from_secs(1200);

/// `check programs` or `check proofs`, and `--minutes N` for each program.
pub fn main() -> ExitCode {
    let (name, minutes) = match parse(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("check: {error}");
            return ExitCode::from(2);
        }
    };
    let rows: &[Row] = if name == "programs" { &PROGRAMS } else { &PROOFS };
    let checks: Vec<bool> = rows.iter().map(|row| print_row(row, minutes)).collect();
    ExitCode::from(u8::from(checks.contains(&false)))
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(String, Option<f64>), String> {
    let name = arguments.next().filter(|name| ["programs", "proofs"].contains(&name.as_str()));
    let name = name.ok_or("expected programs or proofs, then --minutes N")?;
    let minutes = match arguments.next().as_deref() {
        None => None,
        Some("--minutes") => {
            let value = arguments.next().and_then(|value| value.parse().ok());
            let value = value.filter(|&minutes| minutes > 0.0 && minutes < 1e6);
            Some(value.ok_or("--minutes needs a number above 0")?)
        }
        Some(other) => return Err(format!("unknown argument \"{other}\": expected --minutes N")),
    };
    match arguments.next() {
        None => Ok((name, minutes)),
        Some(more) => Err(format!("unknown argument \"{more}\"")),
    }
}

/// The executable beside this one.
fn executable() -> PathBuf {
    std::env::current_exe().expect("this process has an executable").with_file_name("adversary")
}

/// True: all is well.
fn print_row(row: &Row, minutes: Option<f64>) -> bool {
    let started = Instant::now();
    let result = explore(row, minutes);
    let seconds = started.elapsed().as_secs();
    let control = control(row);
    let (work, result) = match result {
        Ok(work) => (work, "ok"),
        Err(why) => {
            eprintln!("{}: {why}", row.program);
            ("-".to_owned(), "FAILED")
        }
    };
    println!("{}\t{work}\t{seconds}\t{result}\t{}", row.program, if control { "caught" } else { "MISSED" });
    result == "ok" && control
}

/// Under every setting. What was done, or what went wrong.
fn explore(row: &Row, minutes: Option<f64>) -> Result<String, String> {
    let library = runner::library();
    let reference = reference(row)?;
    let settings = settings(row);
    let mut total = Report::default();
    for setting in settings {
        let trial = trial(row, minutes.map(|minutes| minutes / settings.len() as f64));
        eprintln!("{}: {} ({})", row.program, setting.name, trial.arguments.join(" "));
        let failed = |why| format!("{}: {why}", setting.name);
        let report = trial.under(&library, setting).map_err(failed)?;
        require_full(row, &report).map_err(failed)?;
        if report.digests != reference {
            return Err(failed(format!("digests {:?} instead of {reference:?}", report.digests)));
        }
        total.add(&report);
    }
    Ok(total.counted())
}

/// A thousand proofs are long: under the setting with everything in the arena alone they are as many again.
fn settings(row: &Row) -> &'static [Setting] {
    if row.program == "proof_churn" {
        &SETTINGS[..2]
    } else {
        &SETTINGS
    }
}

/// A program that does not say that it did everything has not done it.
fn require_full(row: &Row, report: &Report) -> Result<(), String> {
    let missing = row.counts.iter().chain(&["blocks of the arena"]).find(|name| report.count(name) == 0);
    missing.map_or(Ok(()), |name| Err(format!("no {name}: {}", report.counted())))
}

/// The digests of a run without the library.
fn reference(row: &Row) -> Result<Vec<String>, String> {
    if row.reference == 0 {
        return Ok(Vec::new());
    }
    let arguments = vec!["--count".to_owned(), row.reference.to_string()];
    eprintln!("{}: without the library ({})", row.program, arguments.join(" "));
    let trial = Trial { executable: executable(), name: row.program, arguments, limit: GRACE };
    trial.alone().map(|report| report.digests).map_err(|why| format!("without the library: {why}"))
}

fn control(row: &Row) -> bool {
    eprintln!("{}: {}, must fail", row.program, CONTROL.name);
    let trial = Trial { limit: CONTROL_LIMIT, ..trial(row, Some(2.0)) };
    match trial.control(&runner::broken_library(), &CONTROL) {
        Ok(how) => {
            eprintln!("{}: it did: {}", row.program, how.lines().next_back().unwrap_or_default());
            true
        }
        Err(instead) => {
            eprintln!("{}: it did not: {instead}", row.program);
            false
        }
    }
}

fn trial(row: &Row, minutes: Option<f64>) -> Trial<'static> {
    let mut arguments = row.length.map(str::to_owned).to_vec();
    if let Some(minutes) = minutes {
        // A count is the least, however long that takes.
        if row.length[0] == "--minutes" {
            arguments.clear();
        }
        arguments.extend(["--minutes".to_owned(), minutes.to_string()]);
    }
    let limit = Duration::from_secs_f64(minutes.unwrap_or(0.0) * 60.0) + GRACE;
    Trial { executable: executable(), name: row.program, arguments, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let parse = |line: &str| parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(parse("programs"), Ok(("programs".to_owned(), None)));
        assert_eq!(parse("proofs --minutes 1.5"), Ok(("proofs".to_owned(), Some(1.5))));
        for bad in ["", "others", "programs 5", "programs --minutes", "proofs --minutes -1", "proofs --minutes 1 2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
