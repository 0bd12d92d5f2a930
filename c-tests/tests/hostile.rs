//! What other programs' allocators were broken by, as their issue trackers tell.

use c_tests::{library, Build, Run, StatsFile};
use std::time::Duration;

/// Nearly all that can go wrong here is a deadlock.
const TIMEOUT: Duration = Duration::from_secs(240);

/// The same as without the library: as it is, with every request in the arena, and with all that it can write.
fn same_as_plain(args: &[&str]) {
    let hostile = Build::new("hostile.c");
    let run = |run: Run| run.args(args).timeout(TIMEOUT).finish().expect_success();
    let plain = run(hostile.plain());
    assert!(!plain.stdout.is_empty() && plain.stderr.is_empty(), "{plain}");
    for env in [[("ZK_ALLOC_MIN_BYTES", "4096")], [("ZK_ALLOC_MIN_BYTES", "0")], [("ZK_ALLOC_DECAY_MS", "0")]] {
        let quiet = run(hostile.preloaded().envs(&env).env("ZK_TEST_ARENA", "used"));
        assert!(quiet.stderr.is_empty(), "{quiet}");
        quiet.expect_same(&plain);
    }
    let file = StatsFile::new("hostile");
    let verbose = hostile.preloaded().env("ZK_ALLOC_TRACE", file.path()).env("ZK_ALLOC_VERBOSE", "1");
    run(verbose).expect_same(&plain);
}

#[test]
fn the_smallest_stacks() {
    same_as_plain(&["small-stack"]);
}

#[test]
fn a_change_of_user_waits_for_every_thread() {
    same_as_plain(&["setuid"]);
}

#[test]
fn no_mapping_is_left() {
    same_as_plain(&["no-mappings"]);
}

#[test]
fn no_file_can_be_opened() {
    same_as_plain(&["no-descriptors"]);
}

#[test]
fn exit_while_other_threads_allocate() {
    same_as_plain(&["exit"]);
}

#[test]
fn stacks_in_the_arena() {
    same_as_plain(&["stacks"]);
}

#[test]
fn a_plugin_in_a_namespace_of_its_own() {
    let plugin = Build::shared("plugin.c").program();
    same_as_plain(&["namespace", plugin.to_str().expect("UTF-8")]);
}

/// Whatever the loader and the kernel were told about the process.
#[test]
fn other_address_spaces_and_loaders() {
    for setting in [&["setarch", "-X"][..], &["setarch", "-R", "-L"], &["setarch", "-R", "--3gb"]] {
        let run = Run::new(setting[0]).args(&setting[1..]).arg(Build::new("chain.c").program()).arg("fork");
        run.preload().env("ZK_TEST_PRELOAD", "1").env("ZK_TEST_ARENA", "used").finish().expect_quiet_success();
    }
    for env in [
        ("LD_BIND_NOW", "1"),
        ("LD_DYNAMIC_WEAK", "1"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.perturb=85:glibc.malloc.hugetlb=1"),
    ] {
        let run = Build::new("chain.c").preloaded().arg("fork").envs(&[env]).env("ZK_TEST_ARENA", "used");
        run.finish().expect_quiet_success();
    }
}

/// A clock that goes back: nothing lasts for five hundred years, and no debug build dies of it.
#[test]
fn a_clock_that_goes_back() {
    let clock = Build::shared("shim_clock.c").program();
    let file = StatsFile::new("clock");
    let run = Build::new("chain.c").preloaded().env("ZK_ALLOC_TRACE", file.path());
    let preload = format!("{}:{}", clock.display(), library().display());
    run.env("LD_PRELOAD", preload).timeout(TIMEOUT).finish().expect_quiet_success();
    let document = file.read();
    let events = document.as_array().expect("one array of events");
    let durations: Vec<f64> = events.iter().filter_map(|event| event["dur"].as_f64()).collect();
    assert!(!durations.is_empty() && durations.iter().all(|&micros| micros < 1e9), "{document}");
}
