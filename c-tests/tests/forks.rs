//! fork in hostile surroundings: a storm of them, nested, against the very first allocation, in shared memory.

use c_tests::Build;
use std::time::Duration;

/// A deadlock ends here; the children end themselves after a minute. Ten thousand forks take 200 s of processor time, and
/// on a machine that is busy with other things ten times as long.
const TIMEOUT: Duration = Duration::from_secs(2400);

const EVERYTHING: &[(&str, &str)] = &[("ZK_ALLOC_MIN_BYTES", "0")];
const AT_ONCE: &[(&str, &str)] = &[("ZK_ALLOC_DECAY_MS", "0")];

/// Runs one case; the arena must have been used.
fn forks(args: &[&str], env: &[(&str, &str)]) {
    let run = Build::new("forks.c").preloaded().args(args).envs(env).env("ZK_TEST_ARENA", "used");
    run.timeout(TIMEOUT).finish().expect_quiet_success();
}

#[test]
fn ten_thousand_forks_among_64_threads_in_phases() {
    forks(&["storm", "64", "4", "10000"], &[]);
}

#[test]
fn a_storm_with_everything_in_the_arena() {
    forks(&["storm", "64", "4", "400"], EVERYTHING);
    forks(&["storm", "16", "4", "400"], AT_ONCE);
}

#[test]
fn nested_forks() {
    for env in [&[], EVERYTHING, AT_ONCE] {
        forks(&["nested", "12"], env);
    }
}

#[test]
fn the_first_allocation_races_a_fork() {
    forks(&["first", "1000"], &[]);
    forks(&["first", "300"], EVERYTHING);
}

#[test]
fn children_in_the_parents_memory() {
    for env in [&[], EVERYTHING, AT_ONCE] {
        forks(&["clone", "100"], env);
    }
}

#[test]
fn spawn_system_and_popen_from_many_threads() {
    forks(&["spawn", "16", "10"], &[]);
    forks(&["spawn", "8", "10"], EVERYTHING);
}

#[test]
fn a_phase_of_the_parent_and_one_of_the_child() {
    Build::new("forks.c").plain().arg("phase").timeout(TIMEOUT).finish().expect_quiet_success();
    for env in [&[], EVERYTHING, &[("ZK_ALLOC_MODE", "phase")][..]] {
        forks(&["phase"], env);
    }
}
