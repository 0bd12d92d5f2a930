//! Starts a program with or without a preloaded library, and says how it ended.

use crate::program::{CORRUPTION, NOT_ENGAGED};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What Rust's runtime exits with after a panic in `main`.
const PANICKED: i32 = 101;

/// The library under test: $ZKALLOC_LIB, or where `cargo build --release` puts it.
pub fn library() -> PathBuf {
    built("ZKALLOC_LIB", "target/release/libzkalloc.so", "cargo build --release")
}

/// The build whose protection is off: $ZKALLOC_BROKEN_LIB, or target/broken.
pub fn broken_library() -> PathBuf {
    built(
        "ZKALLOC_BROKEN_LIB",
        "target/broken/release/libzkalloc.so",
        "cargo build --release --features broken --target-dir target/broken",
    )
}

/// The file named by `variable`, else the one at `default` in the repository. Panics where it is missing: a test that
/// cannot run has failed.
pub fn built(variable: &str, default: &str, build_command: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = std::env::var_os(variable).map_or_else(|| repository.join(default), PathBuf::from);
    path.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}. Build it with `{build_command}` in the repository's root, or set {variable}",
            path.display()
        )
    })
}

/// A command in an environment without anything that would change which allocator it uses or how, then with `library`.
pub fn command(program: impl AsRef<OsStr>, library: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name == "LD_PRELOAD" || name.to_string_lossy().starts_with("ZK_ALLOC_") {
            command.env_remove(name);
        }
    }
    // The programs panic on purpose, and a backtrace would walk a heap that may be corrupt.
    command.env("RUST_BACKTRACE", "0");
    if let Some(library) = library {
        command.env("LD_PRELOAD", library);
    }
    command
}

/// A program that has ended.
pub struct Finished {
    /// None: it did not end in time and was killed.
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
}

/// How a program of this package ended.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Clean,
    /// It saw its memory change; with its line.
    Corruption(String),
    /// A signal, a panic or no end in time.
    Crash(String),
    NotEngaged(String),
    /// Not by the program's own doing: wrong arguments, a library that cannot be loaded.
    Unexpected(String),
}

impl Finished {
    /// True: memory was seen to change, or the program did not outlive that. Not so where it had to be killed.
    pub fn has_failed(&self) -> bool {
        self.status.is_some() && matches!(self.verdict(), Verdict::Corruption(_) | Verdict::Crash(_))
    }

    pub fn verdict(&self) -> Verdict {
        let line_of = |start: &str| {
            let line = self.stderr.lines().find(|line| line.starts_with(start));
            line.unwrap_or("(no line says why)").to_owned()
        };
        let Some(status) = self.status else {
            return Verdict::Crash(format!("no end in time; {}", self.tail()));
        };
        match status.code() {
            Some(0) => Verdict::Clean,
            Some(CORRUPTION) => Verdict::Corruption(line_of("corruption: ")),
            Some(NOT_ENGAGED) => Verdict::NotEngaged(line_of("not engaged: ")),
            Some(PANICKED) => Verdict::Crash(self.tail()),
            None if status.signal().is_some() => Verdict::Crash(format!("{status}; {}", self.tail())),
            _ => Verdict::Unexpected(format!("{status}; {}", self.tail())),
        }
    }

    /// The end of standard error, which is where a reason is, without the longest type names.
    pub fn tail(&self) -> String {
        let lines: Vec<String> = self.stderr.lines().map(|line| line.chars().take(240).collect()).collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// Runs `command` to its end, or kills it after `limit`. Panics where it cannot be started.
pub fn run(command: &mut Command, limit: Duration) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // Read while it runs: a full pipe would stop it.
    let stdout = read_all(child.stdout.take());
    let stderr = read_all(child.stderr.take());
    let status = wait(&mut child, limit);
    Finished {
        status,
        stdout: stdout.join().expect("the reader of standard output"),
        stderr: stderr.join().expect("the reader of standard error"),
    }
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.expect("piped").read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child ends");
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Finished {
        run(command("sh", None).args(["-c", script]), limit)
    }

    #[test]
    fn every_end_has_its_verdict() {
        let verdict = |script| shell(script, Duration::from_secs(20)).verdict();
        assert_eq!(verdict("exit 0"), Verdict::Clean);
        let corrupt = verdict("echo noise >&2; echo 'corruption: x' >&2; exit 1");
        assert_eq!(corrupt, Verdict::Corruption("corruption: x".to_owned()));
        let idle = verdict("echo 'not engaged: y' >&2; exit 2");
        assert_eq!(idle, Verdict::NotEngaged("not engaged: y".to_owned()));
        assert!(matches!(verdict("kill -SEGV $$"), Verdict::Crash(_)));
        assert!(matches!(verdict("exit 101"), Verdict::Crash(_)));
        assert!(matches!(verdict("exit 127"), Verdict::Unexpected(_)));
    }

    #[test]
    fn only_what_broke_by_itself_has_failed() {
        let has_failed = |script| shell(script, Duration::from_secs(20)).has_failed();
        assert!(has_failed("exit 1") && has_failed("exit 101") && has_failed("kill -ABRT $$"));
        assert!(!has_failed("exit 0") && !has_failed("exit 2") && !has_failed("exit 3") && !has_failed("exit 4"));
    }

    #[test]
    fn a_hanging_program_is_killed() {
        let finished = shell("exec sleep 600", Duration::from_millis(50));
        assert_eq!(finished.status, None);
        assert!(!finished.has_failed());
        assert!(matches!(finished.verdict(), Verdict::Crash(_)));
    }

    #[test]
    #[should_panic(expected = "Build it with `make it`")]
    fn a_missing_file_names_the_command_that_makes_it() {
        built("ZKALLOC_NO_SUCH_VARIABLE", "target/no/such/file", "make it");
    }
}
