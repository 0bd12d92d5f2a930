//! Limits of the system, and of what a process may have: the library degrades, and nothing dies.

use c_tests::{impossible_here, library, Build, Outcome, Run};
use std::time::Duration;

fn limits(args: &[&str]) -> Run {
    Build::new("limits.c").preloaded().args(args).env("ZK_TEST_ARENA", "used").timeout(Duration::from_secs(400))
}

/// Passes on what a program found impossible.
fn finish(run: Run) -> Outcome {
    let outcome = run.finish().expect_quiet_success();
    if let Some(reason) = outcome.stdout.lines().find_map(|line| line.strip_prefix("impossible here: ")) {
        impossible_here(reason);
    }
    outcome
}

#[test]
fn mappings_stay_bounded_over_100_000_phases_with_partial_trims() {
    finish(limits(&["phases", "100000"]).env("ZK_ALLOC_THP", "never"));
    finish(limits(&["phases", "5000"]).env("ZK_ALLOC_RETAIN_MB", "16"));
}

#[test]
fn a_hundred_thousand_short_threads_in_one_phase() {
    finish(limits(&["short", "100000"]));
    finish(limits(&["short", "2000"]).env("ZK_ALLOC_DECAY_MS", "0"));
}

#[test]
fn ten_thousand_threads_alive() {
    finish(limits(&["alive", "10000"]).env("ZK_ALLOC_THP", "never"));
}

#[test]
fn an_address_space_of_39_bits() {
    finish(limits(&["narrow"]));
}

/// A late limit on addresses finds those of the arena (docs/SUPPORTED.md); on data it does not, and there is a way out.
#[test]
fn a_limit_that_comes_late() {
    let late = |resource| Build::new("limits.c").preloaded().args(["late", resource]);
    finish(late("data"));
    finish(late("as").env("ZK_ALLOC_MODE", "off"));
    assert!(!late("as").finish().status.success(), "docs/SUPPORTED.md says that this cannot work");
}

/// `vm.overcommit_memory=2` charges a process as RLIMIT_DATA does: for writable memory, touched or not.
#[test]
fn writable_memory_is_scarce() {
    for mebibytes in ["96", "256", "1024"] {
        finish(limits(&["data", mebibytes]).env("ZK_ALLOC_THP", "never"));
    }
}

/// The setting is the whole machine's, so nobody changes it here: tests/machine.rs tries all of them.
#[test]
fn overcommit_as_it_is_set_here() {
    let run = Build::new("overflow.c").preloaded().args(["limit", "8192"]).env("ZK_ALLOC_THP", "never");
    run.finish().expect_quiet_success();
}

/// What a memory cgroup of 1.3 times one proof counts: resident memory, at its most. (tests/machine.rs has such cgroups.)
#[test]
fn big_and_small_proofs_in_turn_stay_within_1_3_times_the_big_one() {
    for thp in ["auto", "never"] {
        finish(limits(&["proofs", "512"]).env("ZK_ALLOC_THP", thp));
    }
}

#[test]
fn page_sizes_are_read_at_run_time() {
    let shim = Build::shared("shim_page.c").program();
    for bytes in ["4096", "16384", "65536"] {
        let run = limits(&["pages", bytes]).env("ZK_TEST_PAGE", bytes);
        finish(run.env("LD_PRELOAD", format!("{}:{}", library().display(), shim.display())));
    }
}

#[test]
fn four_times_more_threads_than_processors() {
    finish(limits(&["busy"]));
    finish(limits(&["busy"]).env("ZK_ALLOC_DECAY_MS", "0"));
}

/// What the library asks for, and what a process may forbid itself; tests/machine.rs varies the machine's setting.
#[test]
fn huge_pages_wanted_and_forbidden() {
    for thp in ["auto", "always", "never"] {
        finish(limits(&["huge"]).env("ZK_ALLOC_THP", thp));
        finish(limits(&["busy"]).env("ZK_ALLOC_THP", thp));
    }
}
