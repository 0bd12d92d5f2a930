//! Under system call filters: the calls that the library makes after start, and each of them refused.

use c_tests::{Build, Outcome, Run};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

const STAGES: [&str; 2] = ["early", "late"];

fn sandbox(run: Run, filter: &str, stage: &str) -> Outcome {
    run.args([filter, stage]).timeout(Duration::from_secs(60)).finish()
}

/// Anything but mmap, munmap, mremap, madvise, mprotect, futex and what starts a thread kills the process.
#[test]
fn after_start_an_allocators_calls_are_enough() {
    for stage in STAGES {
        for env in [("ZK_ALLOC_MIN_BYTES", "4096"), ("ZK_ALLOC_MIN_BYTES", "0"), ("ZK_ALLOC_DECAY_MS", "0")] {
            let run = Build::new("sandbox.c").preloaded().envs(&[env]);
            sandbox(run, "strict", stage).expect_quiet_success();
        }
    }
}

/// The filter bites: a file to write at exit is not an allocator's call.
#[test]
fn the_filter_kills() {
    let file = c_tests::StatsFile::new("sandbox");
    let run = Build::new("sandbox.c").preloaded().env("ZK_ALLOC_STATS", file.path());
    let outcome = sandbox(run, "strict", "late");
    assert_eq!(outcome.status.signal(), Some(libc::SIGSYS), "{outcome}");
}

/// The background thread ends where it may not sleep, and locks are waited for all the same; where it cannot be started,
/// give-back happens inside calls. (What libc itself does without these calls is another matter.)
#[test]
fn without_a_thread_and_without_futex() {
    for call in ["clone", "futex"] {
        for stage in STAGES {
            for env in [("ZK_ALLOC_DECAY_MS", "200"), ("ZK_ALLOC_DECAY_MS", "-1"), ("ZK_ALLOC_RETAIN_MB", "0")] {
                sandbox(Build::new("sandbox.c").preloaded().envs(&[env]), call, stage).expect_quiet_success();
            }
        }
    }
}

#[test]
fn each_call_refused() {
    for call in ["mmap", "munmap", "mremap", "madvise", "mprotect"] {
        for stage in STAGES {
            for env in [("ZK_ALLOC_RETAIN_MB", "4096"), ("ZK_ALLOC_RETAIN_MB", "0"), ("ZK_ALLOC_THP", "always")] {
                let run = Build::new("sandbox.c").preloaded().envs(&[env, ("ZK_ALLOC_BACKGROUND", "0")]);
                let outcome = sandbox(run, call, stage).expect_success();
                // No arena is one line; everything else is silent.
                let no_arena = stage == "early" && matches!(call, "mmap" | "mprotect");
                assert_eq!(outcome.stderr.lines().count(), usize::from(no_arena), "{call}, {stage}: {outcome}");
            }
        }
    }
}
