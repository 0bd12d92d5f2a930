//! Threads, ownership, counters, giving back, overflow.

use c_tests::{Build, Run, StatsFile};

fn quiet(run: Run) {
    run.finish().expect_quiet_success();
}

#[test]
fn threads_come_and_go_while_their_blocks_live_on() {
    let threads = Build::new("threads.c");
    for args in [["40", "8", "100"], ["500", "4", "4"]] {
        quiet(threads.plain().args(args));
        quiet(threads.preloaded().args(args).env("ZK_TEST_ARENA", "used"));
        quiet(threads.preloaded().args(args).envs(&[("ZK_ALLOC_MIN_BYTES", "0"), ("ZK_ALLOC_DECAY_MS", "0")]));
        quiet(threads.preloaded().args(args).env("ZK_ALLOC_MODE", "phase").env("ZK_TEST_ARENA", "used"));
        quiet(threads.preloaded().args(args).env("ZK_ALLOC_MODE", "off").env("ZK_TEST_ARENA", "unused"));
    }
}

#[test]
fn modes_decide_who_owns_a_block() {
    for mode in ["auto", "phase", "off"] {
        quiet(Build::new("ownership.c").preloaded().arg(mode).env("ZK_ALLOC_MODE", mode));
    }
}

#[test]
fn counters_count_and_the_json_says_the_same() {
    let file = StatsFile::new("stats");
    let outcome = Build::new("stats.c").preloaded().env("ZK_ALLOC_STATS", file.path()).finish().expect_quiet_success();
    assert_eq!(outcome.stdout.lines().count(), 9, "{outcome}");
    for line in outcome.stdout.lines() {
        let (name, value) = line.split_once(' ').expect("name value");
        assert_eq!(file.counter(name).to_string(), value, "{name}");
    }
    let document = file.read();
    assert!(document["version"].is_string() && document["pid"].is_u64(), "{document}");
    let counters = document["stats"].as_object().expect("one flat object");
    assert_eq!(counters.len(), 20, "{document}");
    assert!(counters.values().all(serde_json::Value::is_u64), "{document}");
}

#[test]
fn the_timeline_is_json_with_every_phase() {
    let file = StatsFile::new("trace");
    quiet(Build::new("stats.c").preloaded().env("ZK_ALLOC_TRACE", file.path()));
    let document = file.read();
    let events = document.as_array().expect("one array of events");
    for event in events {
        for name in ["name", "ph", "ts", "pid", "tid"] {
            assert!(!event[name].is_null(), "{name} of {event}");
        }
    }
    let of_kind = |kind: &str| events.iter().filter(|event| event["ph"] == kind).count();
    assert!(of_kind("X") > 0, "no phase: {document}");
    assert!(of_kind("C") > of_kind("X"), "no counters: {document}");
    let phase = events.iter().find(|event| event["ph"] == "X").expect("a phase");
    assert_eq!(phase["name"], "phase 1");
    assert!(phase["args"]["peak_live_bytes"].is_u64(), "{phase}");
}

#[test]
fn the_summary_goes_to_stderr() {
    let outcome = Build::new("stats.c").preloaded().env("ZK_ALLOC_STATS", "1").finish().expect_success();
    assert!(outcome.stderr.contains("zkalloc"), "{outcome}");
}

#[test]
fn trim_gives_back_what_was_freed() {
    for thp in ["never", "auto", "always"] {
        let settings = [("ZK_ALLOC_BACKGROUND", "0"), ("ZK_ALLOC_DECAY_MS", "-1"), ("ZK_ALLOC_THP", thp)];
        quiet(Build::new("trim.c").preloaded().envs(&settings).env("ZK_TEST_ARENA", "used"));
    }
}

/// THP off: the program touches one page in each block, and should not pay for 2 MiB.
#[test]
fn overflow_goes_to_the_system_and_is_counted() {
    let overflow = || Build::new("overflow.c").preloaded().env("ZK_ALLOC_THP", "never");
    quiet(overflow().arg("slab").env("ZK_ALLOC_SLAB_GB", "1"));
    // A smaller arena is silent.
    for mebibytes in ["8192", "512"] {
        let outcome = overflow().args(["limit", mebibytes]).finish().expect_quiet_success();
        assert_eq!(outcome.stdout, "smaller arena\n", "{outcome}");
    }
    // So little that there may be none, which is one line.
    for mebibytes in ["64", "24"] {
        let outcome = overflow().args(["limit", mebibytes]).finish().expect_success();
        let lines = usize::from(outcome.stdout == "no arena\n");
        assert_eq!(outcome.stderr.lines().count(), lines, "{outcome}");
        assert!(outcome.stderr.lines().all(|line| line.starts_with("zkalloc: ")), "{outcome}");
    }
}

#[test]
fn the_next_allocators_first_request_may_come_from_two_threads() {
    let program = Build::new("first_use.c");
    quiet(program.preloaded().arg("1000").env("ZK_ALLOC_MIN_BYTES", "0"));
    quiet(program.preloaded().arg("100"));
}
