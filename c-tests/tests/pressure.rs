//! Memory that others want, or should not see.

use c_tests::{library, Build, Run};
use std::time::Duration;

fn pressure(args: [&str; 2]) -> Run {
    let shim = Build::shared("shim_files.c").program();
    let preload = format!("{}:{}", shim.display(), library().display());
    let run = Build::new("pressure.c").preloaded().args(args).env("LD_PRELOAD", preload);
    run.env("ZK_ALLOC_DECAY_MS", "-1").timeout(Duration::from_secs(120))
}

#[test]
fn free_memory_goes_before_a_cgroups_limit_is_met() {
    for version in ["v1", "v2", "container", "above", "spans", "prefault"] {
        pressure(["limit", version]).finish().expect_quiet_success();
    }
    pressure(["limit", "v2"]).env("ZK_ALLOC_BACKGROUND", "0").finish().expect_quiet_success();
}

#[test]
fn free_memory_goes_when_threads_wait_for_memory() {
    for who in ["cgroup", "machine", "events-v1", "events-v2"] {
        pressure(["stall", who]).finish().expect_quiet_success();
    }
}

#[test]
fn decisions_are_told() {
    let outcome = pressure(["limit", "v2"]).env("ZK_ALLOC_VERBOSE", "1").finish().expect_success();
    assert!(outcome.stderr.contains("zkalloc: cgroup: a limit of 1024 MiB\n"), "{outcome}");
    let outcome = pressure(["stall", "cgroup"]).env("ZK_ALLOC_VERBOSE", "1").finish().expect_success();
    assert!(outcome.stderr.contains("zkalloc: memory pressure: "), "{outcome}");
}

#[test]
fn free_memory_is_kept_out_of_core_dumps() {
    for thp in ["auto", "never"] {
        let run = Build::new("undumped.c").preloaded().env("ZK_ALLOC_DECAY_MS", "-1").env("ZK_ALLOC_THP", thp);
        run.finish().expect_quiet_success();
    }
    let run = Build::new("undumped.c").preloaded().arg("computing").env("ZK_ALLOC_DECAY_MS", "-1");
    run.finish().expect_quiet_success();
}

#[test]
fn prefault_takes_several_threads_and_nobody_waits_for_it() {
    let run = Build::new("give_back.c").preloaded().arg("parallel").env("ZK_ALLOC_DECAY_MS", "-1");
    run.timeout(Duration::from_secs(120)).finish().expect_quiet_success();
}
