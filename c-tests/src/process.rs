//! Runs a program with a time limit and a clean environment, and captures what it did.

use crate::library::library;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// A command line longer than this is cut in messages.
const LONGEST_LABEL: usize = 1000;
const POLL: Duration = Duration::from_millis(2);

/// A program about to run. Without the library and without any of its settings unless asked for.
pub struct Run {
    command: Command,
    timeout: Duration,
    /// The command is `$ZKALLOC_RUNNER`, which starts the program.
    through_runner: bool,
}

impl Run {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from_command(Command::new(program))
    }

    /// A program for the library under test: started by `$ZKALLOC_RUNNER`, if that is set, because this machine cannot
    /// (scripts/cross-check). What the runner is to preload into it stands in `ZKALLOC_RUNNER_PRELOAD`.
    pub fn program(program: impl AsRef<OsStr>) -> Self {
        match std::env::var_os("ZKALLOC_RUNNER") {
            None => Self::new(program),
            Some(runner) => Self { through_runner: true, ..Self::new(runner).arg(program) },
        }
    }

    pub fn from_command(mut command: Command) -> Self {
        // What the caller's shell happens to set must not change a result.
        for (name, _) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b"ZK_") || bytes.starts_with(b"MALLOC_") || bytes == b"ZKALLOC_BROKEN" {
                command.env_remove(&name);
            }
        }
        command.env_remove("LD_PRELOAD").env_remove("GLIBC_TUNABLES").env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a time-out also ends what the program started.
        command.process_group(0);
        Self { command, timeout: DEFAULT_TIMEOUT, through_runner: false }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn envs(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Loads the library under test into the program and everything it starts.
    pub fn preload(self) -> Self {
        let library = library();
        self.env("LD_PRELOAD", library)
    }

    /// Runs it. A program that exceeds its time is killed and fails the test, whatever the test expected.
    pub fn finish(self) -> Outcome {
        let outcome = self.finish_or_kill();
        if let Some(limit) = outcome.killed_after {
            panic!("{outcome}\nkilled after {limit:?}");
        }
        outcome
    }

    /// Runs it. A program that exceeds its time is killed, which the outcome tells.
    pub fn finish_or_kill(mut self) -> Outcome {
        if self.through_runner {
            self.preload_through_runner();
        }
        let label: String = format!("{:?}", self.command).chars().take(LONGEST_LABEL).collect();
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {label}: {error}"));
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let status = wait(&mut child, self.timeout);
        // Nothing of the program outlives its run, or the pipes would stay open.
        kill_group(child.id());
        Outcome {
            status: status.unwrap_or_else(|| child.wait().expect("the child was not waited for yet")),
            stdout: stdout.join().expect("the reader does not panic"),
            stderr: stderr.join().expect("the reader does not panic"),
            killed_after: status.is_none().then_some(self.timeout),
            label,
        }
    }

    /// The runner is this machine's own program, and must not load the library itself.
    fn preload_through_runner(&mut self) {
        let preload = self.command.get_envs().find(|(name, _)| *name == "LD_PRELOAD");
        if let Some(preload) = preload.and_then(|(_, value)| value).map(OsStr::to_owned) {
            self.command.env_remove("LD_PRELOAD").env("ZKALLOC_RUNNER_PRELOAD", preload);
        }
    }
}

fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait().expect("waiting for a child of ours") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(POLL);
    }
}

fn kill_group(leader: u32) {
    let group = libc::pid_t::try_from(leader).expect("a pid fits pid_t");
    // SAFETY: kill touches no memory. The group is the one `process_group(0)` made for this child; it may be empty.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("reading a pipe of ours");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What a program did.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// It ran longer than this.
    pub killed_after: Option<Duration>,
    label: String,
}

impl Outcome {
    /// Exit status 0.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Exit status 0 and nothing on stderr.
    #[track_caller]
    pub fn expect_quiet_success(self) -> Self {
        let outcome = self.expect_success();
        assert!(outcome.stderr.is_empty(), "nothing should be on stderr: {outcome}");
        outcome
    }

    /// The same output and exit status as `other`.
    #[track_caller]
    pub fn expect_same(&self, other: &Self) {
        if let Some(difference) = self.difference(other) {
            panic!("{difference}");
        }
    }

    /// How output or exit status differ from those of `other`: the first line that does.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mut lines = self.stdout.lines().zip(other.stdout.lines()).enumerate();
        if let Some((number, (ours, theirs))) = lines.find(|(_, (ours, theirs))| ours != theirs) {
            let number = number + 1;
            return Some(format!(
                "line {number} differs:\n  {ours}\n  {theirs}\nof\n  {}\n  {}",
                self.label, other.label
            ));
        }
        if self.stdout.len() != other.stdout.len() {
            return Some(format!("one output is longer:\n{self}\n{other}"));
        }
        (self.status != other.status).then(|| format!("{self}\n{other}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}\n{}\n-- stdout (end)\n{}\n-- stderr (end)\n{}",
            self.label,
            self.status,
            tail(&self.stdout),
            tail(&self.stderr)
        )
    }
}

/// The last lines of `text`; a failure shows the end of an output.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
