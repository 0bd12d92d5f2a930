//! Runs a program of `adversary` under a library, and reads what it says it did.
#![forbid(unsafe_code)]

use crate::program::WITHOUT_LIBRARY;
use crate::runner::{self, Finished, Verdict};
use crate::work::grouped;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Within this every program must have failed under the build whose protection is off.
pub const CONTROL_LIMIT: Duration = Duration::from_secs(60);

/// A setting of the library under which a program must be clean, and what it is for.
pub struct Setting {
    pub name: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
}

pub const SETTINGS: [Setting; 3] = [
    Setting { name: "as shipped", environment: &[] },
    Setting { name: "every request", environment: &[("ZK_ALLOC_MIN_BYTES", "0")] },
    // The background thread trims all the time, and frees give back what they can.
    Setting {
        name: "giving back all the time",
        environment: &[("ZK_ALLOC_MIN_BYTES", "512"), ("ZK_ALLOC_DECAY_MS", "1"), ("ZK_ALLOC_RETAIN_MB", "16")],
    },
];

/// With only large blocks in the arena, and nothing of the libraries that a program uses, it lives to tell.
pub const CONTROL: Setting = Setting { name: "without protection", environment: &[("ZK_ALLOC_MIN_BYTES", "65536")] };

/// What a program says it did: `churn: 12 operations, 3 threads, digest 5e...`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub counts: Vec<(String, u64)>,
    pub digests: Vec<String>,
}

impl Report {
    pub fn parse(stdout: &str) -> Option<Self> {
        let (_, items) = stdout.trim_end().split_once(": ")?;
        let mut report = Self::default();
        for item in items.split(", ") {
            let (first, rest) = item.split_once(' ')?;
            if first == "digest" {
                report.digests.push(rest.to_owned());
            } else {
                report.counts.push((rest.to_owned(), first.replace(',', "").parse().ok()?));
            }
        }
        Some(report)
    }

    /// 0 where nothing was counted under this name.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.iter().find(|(other, _)| other == name).map_or(0, |&(_, count)| count)
    }

    /// Both together. The digests stay this one's.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            match self.counts.iter_mut().find(|(own, _)| own == name) {
                Some((_, sum)) => *sum += count,
                None => self.counts.push((name.clone(), *count)),
            }
        }
    }

    /// The counts in one line.
    pub fn counted(&self) -> String {
        self.counts.iter().map(|(name, count)| format!("{} {name}", grouped(*count))).collect::<Vec<_>>().join(", ")
    }
}

/// The program, and how to run it.
pub struct Trial<'a> {
    pub executable: PathBuf,
    pub name: &'a str,
    pub arguments: Vec<String>,
    pub limit: Duration,
}

impl Trial<'_> {
    pub fn run(&self, library: Option<&Path>, environment: &[(&str, &str)]) -> Finished {
        let mut command = runner::command(&self.executable, library);
        command.arg(self.name).args(&self.arguments).envs(environment.iter().copied());
        runner::run(&mut command, self.limit)
    }

    /// What it did under the good library. The error says how it failed.
    pub fn under(&self, library: &Path, setting: &Setting) -> Result<Report, String> {
        report(&self.run(Some(library), setting.environment))
    }

    /// What it does without any library.
    pub fn alone(&self) -> Result<Report, String> {
        let mut arguments = self.arguments.clone();
        arguments.push(WITHOUT_LIBRARY.to_owned());
        let trial = Trial { executable: self.executable.clone(), arguments, ..*self };
        report(&trial.run(None, &[]))
    }

    /// How it failed without protection. The error says what it did instead.
    pub fn control(&self, library: &Path, setting: &Setting) -> Result<String, String> {
        let finished = self.run(Some(library), setting.environment);
        match finished.verdict() {
            Verdict::Corruption(line) if finished.has_failed() => Ok(line),
            Verdict::Crash(why) if finished.has_failed() => Ok(why),
            other => Err(format!("{other:?}")),
        }
    }
}

fn report(finished: &Finished) -> Result<Report, String> {
    match finished.verdict() {
        Verdict::Clean => Report::parse(&finished.stdout).ok_or_else(|| format!("it said {:?}", finished.stdout)),
        Verdict::Corruption(line) => Err(line),
        other => Err(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_summed() {
        let mut report = Report::parse("churn: 1,234 operations, 3 forks, 5 of 7 blocks, digest ab\n").unwrap();
        assert_eq!((report.count("operations"), report.count("forks"), report.count("no such")), (1234, 3, 0));
        assert_eq!(report.digests, ["ab"]);
        report.add(&Report::parse("churn: 6 operations, 9 phases, digest cd").unwrap());
        assert_eq!(report.counted(), "1,240 operations, 3 forks, 5 of 7 blocks, 9 phases");
        assert_eq!(report.digests, ["ab"]);
        for bad in ["", "churn", "churn: many operations", "churn: 5"] {
            assert_eq!(Report::parse(bad), None, "{bad}");
        }
    }
}
