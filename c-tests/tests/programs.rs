//! Programs of every day under preload: the same output and exit status as without it. Each workload is deterministic
//! and ends with an exit status of its own.

use c_tests::{repository, temporary_dir, Outcome, Run, StatsFile};
use std::path::{Path, PathBuf};
use std::time::Duration;

struct Workload {
    program: &'static str,
    package: &'static str,
    /// In `workloads/`; becomes the last argument, or the input of a program that reads it.
    file: &'static str,
    args: &'static [&'static str],
    /// What it exits with, with and without the library.
    status: i32,
    /// Whether the process that exits last itself asks for 1 MiB at once.
    engages: bool,
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn workload_path(file: &str) -> PathBuf {
    repository().join("c-tests/workloads").join(file)
}

impl Workload {
    /// In `dir`, emptied before: a path that differs would be seen in debug information.
    fn run(&self, dir: &Path) -> Run {
        let _absent_is_fine = std::fs::remove_dir_all(dir);
        std::fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        Run::new(self.program)
            .args(self.args)
            .arg(workload_path(self.file))
            .env("CRATE", workload_path("crate"))
            .dir(dir)
            .timeout(Duration::from_secs(180))
    }

    fn check(&self) {
        assert!(
            installed(self.program),
            "{} is not installed (Debian package {}); scripts/test installs it",
            self.program,
            self.package
        );
        let temporary = temporary_dir(&format!("workload-{}", self.file));
        let dir = temporary.join("work");
        let plain = self.run(&dir).finish();
        assert_eq!(plain.status.code(), Some(self.status), "without the library: {plain}");
        assert!(plain.stdout.lines().count() > 1, "the workload did hardly anything: {plain}");
        for min_bytes in ["4096", "0"] {
            let stats = StatsFile::new(&format!("stats-{}", self.file));
            let run = self.run(&dir).preload().env("ZK_ALLOC_STATS", stats.path());
            self.compare(&run.env("ZK_ALLOC_MIN_BYTES", min_bytes).finish(), &plain, &stats);
        }
        std::fs::remove_dir_all(&temporary).unwrap_or_else(|error| panic!("{}: {error}", temporary.display()));
    }

    fn compare(&self, preloaded: &Outcome, plain: &Outcome, stats: &StatsFile) {
        preloaded.expect_same(plain);
        assert_eq!(preloaded.stderr, plain.stderr, "{preloaded}\n{plain}");
        // The file also proves that the library was there.
        let allocs = stats.counter("arena_allocs");
        assert!(!self.engages || allocs > 0, "the arena was never used: {}", stats.read());
    }
}

const BASH: &str = "bash";

#[test]
fn bash() {
    Workload { program: BASH, package: "bash", file: "bash.sh", args: &[], status: 7, engages: true }.check();
}

#[test]
fn python3() {
    Workload { program: "python3", package: "python3", file: "python.py", args: &[], status: 5, engages: true }.check();
}

#[test]
fn git() {
    assert!(installed("git"), "git is not installed (Debian package git); scripts/test installs it");
    Workload { program: BASH, package: "bash", file: "git.sh", args: &[], status: 3, engages: false }.check();
}

#[test]
fn gcc() {
    assert!(installed("gcc"), "gcc is not installed (Debian package gcc); scripts/test installs it");
    Workload { program: BASH, package: "bash", file: "gcc.sh", args: &[], status: 1, engages: false }.check();
}

#[test]
fn sqlite3() {
    // `.read` gets the file's name as one argument of the shell's command.
    assert!(installed("sqlite3"), "sqlite3 is not installed (Debian package sqlite3); scripts/test installs it");
    let args = &["-c", r#"exec sqlite3 -batch -init /dev/null work.db ".read $0""#];
    Workload { program: BASH, package: "bash", file: "sqlite.sql", args, status: 1, engages: true }.check();
}

#[test]
fn node() {
    Workload { program: "node", package: "nodejs", file: "node.js", args: &[], status: 9, engages: true }.check();
}

#[test]
fn cargo() {
    assert!(installed("cargo"), "cargo is not installed (see rustup.rs)");
    Workload { program: BASH, package: "bash", file: "cargo.sh", args: &[], status: 101, engages: false }.check();
}
