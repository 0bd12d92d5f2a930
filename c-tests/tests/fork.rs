//! New processes: fork among threads that allocate, vfork, posix_spawn, system, popen.

use c_tests::{Build, Run};
use std::time::Duration;

fn quiet(run: Run) {
    run.finish().expect_quiet_success();
}

#[test]
fn fork_in_the_middle_of_allocating_threads() {
    let fork = Build::new("fork.c");
    let long = Duration::from_secs(300);
    quiet(fork.preloaded().arg("200").timeout(long).env("ZK_TEST_ARENA", "used"));
    quiet(fork.preloaded().arg("40").timeout(long).env("ZK_ALLOC_MIN_BYTES", "0"));
    quiet(fork.preloaded().arg("40").timeout(long).env("ZK_ALLOC_DECAY_MS", "0"));
    quiet(fork.preloaded().arg("40").timeout(long).env("ZK_ALLOC_MODE", "phase"));
    quiet(fork.preloaded().arg("10").timeout(long).env("ZK_ALLOC_MODE", "off"));
    quiet(fork.plain().arg("10").timeout(long));
}

#[test]
fn vfork_spawn_system_and_popen() {
    let spawn = Build::new("spawn.c");
    quiet(spawn.plain());
    quiet(spawn.preloaded().env("ZK_TEST_ARENA", "used"));
    quiet(spawn.preloaded().env("ZK_ALLOC_MIN_BYTES", "0").env("ZK_TEST_ARENA", "used"));
}
