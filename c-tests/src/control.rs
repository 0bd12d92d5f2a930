//! A negative control: a program that shows a promise, and how it must end where the protection behind the promise is
//! left out. A test that does not fail then shows nothing.

use crate::compile::Build;
use crate::library::{broken_library, is_root, library};
use crate::privileged::{Privileged, Rights};
use crate::process::{Outcome, Run};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// No program here takes more than a few seconds where nothing is wrong.
const LIMIT: Duration = Duration::from_secs(60);
/// What takes longer than this hangs, and longer than twice what it takes, shipped and with nothing left out, together.
const HANG: Duration = Duration::from_secs(15);

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Exit status 0 and nothing on standard error.
    Quiet,
    /// Exit status 0 and one line on standard error, with this in it.
    OneLine(&'static str),
    /// Exit status 0 and exactly this on standard output.
    Prints(&'static str),
    /// Exit status 0, nothing on standard error, and the same output as without the library.
    SameAsPlain,
    /// Another output than without the library, in a line that has this in it.
    OtherThanPlain(&'static str),
    /// Exit status 1, and this is the check that failed.
    CheckFails(&'static str),
    /// This exit status, and this in the last line on standard error.
    Exits(i32, &'static str),
    /// SIGABRT, and this message about a pointer.
    Aborts(&'static str),
    /// Ended by this signal.
    Signal(i32),
    /// No end in time.
    Hangs,
    /// Any of these.
    OneOf(&'static [Ending]),
}

/// A protection, the program that shows its promise, and how that must end with it and without it.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    pub promise: &'static str,
    /// As `src/broken.rs` names it.
    pub protection: &'static str,
    pub source: &'static str,
    pub args: &'static [&'static str],
    pub env: &'static [(&'static str, &'static str)],
    /// Shared objects to load in front of the library, and behind it.
    pub front: Option<&'static str>,
    pub behind: Option<&'static str>,
    /// Another, whose path the program finds in ZK_TEST_PLUGIN.
    pub plugin: Option<&'static str>,
    /// May take the right to lock all memory.
    pub locks_memory: bool,
    /// Runs with more rights than its user has, and linked with the library instead of preloaded.
    pub privileged: bool,
    pub with: Ending,
    pub without: Ending,
}

/// What one round of a control has shown. `Err` says how the program ended instead.
pub struct Verdict {
    /// It ends as it must with the shipped library, and with the broken one as long as nothing is left out.
    pub holds: Result<(), String>,
    /// It fails as it must without the protection.
    pub caught: Result<(), String>,
}

struct Seen {
    outcome: Outcome,
    in_time: bool,
}

impl Seen {
    fn of(run: Run) -> Self {
        let outcome = run.finish_or_kill();
        let in_time = outcome.killed_after.is_none();
        Self { outcome, in_time }
    }
}

impl Control {
    /// Starts from nothing but names; the other fields are set by struct update.
    pub const fn new(promise: &'static str, protection: &'static str, source: &'static str) -> Self {
        Self {
            promise,
            protection,
            source,
            args: &[],
            env: &[],
            front: None,
            behind: None,
            plugin: None,
            locks_memory: false,
            privileged: false,
            with: Ending::Quiet,
            without: Ending::Hangs,
        }
    }

    /// The program with its settings, but for those that only save time, and its arguments.
    pub fn program(&self) -> String {
        let settings = self.env.iter().filter(|(name, _)| name.starts_with("ZK_TEST_") || *name == "ZK_ALLOC_MODE");
        let settings = settings.map(|(name, value)| format!("{name}={value} "));
        settings.chain([[&[self.source], self.args].concat().join(" ")]).collect()
    }

    /// Runs the program three times: as shipped, with the broken build as such, and without the protection.
    pub fn check(&self) -> Verdict {
        let broken = broken_library();
        let begin = Instant::now();
        let shipped = self.look(&library(), None, LIMIT, self.with);
        let holds = shipped.and_then(|()| self.look(&broken, Some("nothing"), LIMIT, self.with));
        let limit = if self.without == Ending::Hangs { HANG.max(2 * begin.elapsed()) } else { LIMIT };
        Verdict { holds, caught: self.look(&broken, Some(self.protection), limit, self.without) }
    }

    fn look(&self, library: &Path, left_out: Option<&str>, limit: Duration, ending: Ending) -> Result<(), String> {
        let seen = self.run(library, left_out, limit);
        if self.is(ending, &seen) {
            return Ok(());
        }
        let time = if seen.in_time { String::new() } else { format!("\nkilled after {limit:?}") };
        let left_out = left_out.unwrap_or("(shipped library)");
        Err(format!("{} {}: expected {ending:?} of\n{}{time}", self.protection, left_out, seen.outcome))
    }

    fn run(&self, library: &Path, left_out: Option<&str>, limit: Duration) -> Seen {
        if self.privileged {
            let program =
                Privileged::new(self.source, library, Rights::SetUser).unwrap_or_else(|error| panic!("{error}"));
            let run = program.run().args(self.args).envs(self.env).timeout(limit);
            return Seen::of(left_out.into_iter().fold(run, |run, name| run.env("ZKALLOC_BROKEN", name)));
        }
        let shim = |source: Option<&'static str>| source.map(|source| Build::shared(source).program());
        let (front, behind) = (shim(self.front), shim(self.behind));
        let preload: Vec<String> = [front.as_deref(), Some(library), behind.as_deref()]
            .into_iter()
            .flatten()
            .map(|path| path.display().to_string())
            .collect();
        let mut variables = vec![("LD_PRELOAD", preload.join(":")), ("ZK_TEST_PRELOAD", "1".to_owned())];
        variables.extend(shim(self.plugin).map(|path| ("ZK_TEST_PLUGIN", path.display().to_string())));
        variables.extend(left_out.map(|name| ("ZKALLOC_BROKEN", name.to_owned())));
        variables.extend(self.env.iter().map(|&(name, value)| (name, value.to_owned())));
        let program = Build::new(self.source).program();
        let run = if self.locks_memory && !is_root() {
            let run = Run::new("sudo").args(["-n", "env"]);
            run.args(variables.iter().map(|(name, value)| format!("{name}={value}"))).arg(program)
        } else {
            variables.iter().fold(Run::new(program), |run, (name, value)| run.env(name, value))
        };
        Seen::of(run.args(self.args).timeout(limit))
    }

    fn is(&self, ending: Ending, seen: &Seen) -> bool {
        let Outcome { status, stdout, stderr, .. } = &seen.outcome;
        let silent = status.success() && stderr.is_empty();
        let plain = || Build::new(self.source).plain().args(self.args).finish().expect_quiet_success().stdout;
        seen.in_time != (ending == Ending::Hangs)
            && match ending {
                Ending::Hangs => true,
                Ending::OneOf(endings) => endings.iter().any(|&ending| self.is(ending, seen)),
                Ending::Quiet => silent,
                Ending::OneLine(text) => status.success() && stderr.lines().count() == 1 && stderr.contains(text),
                Ending::Prints(text) => status.success() && stdout == text,
                Ending::SameAsPlain => silent && *stdout == plain(),
                Ending::OtherThanPlain(text) => {
                    let plain = plain();
                    stdout.lines().any(|line| line.contains(text) && !plain.lines().any(|other| other == line))
                }
                Ending::CheckFails(check) => {
                    status.code() == Some(1) && stderr.contains(&format!("check failed: {check} (errno"))
                }
                Ending::Exits(code, text) => {
                    status.code() == Some(code) && stderr.lines().last().is_some_and(|line| line.contains(text))
                }
                Ending::Aborts(message) => {
                    status.signal() == Some(libc::SIGABRT)
                        && stderr.starts_with(&format!("zkalloc: fatal: {message} (0x"))
                }
                Ending::Signal(signal) => status.signal() == Some(signal),
            }
    }
}
