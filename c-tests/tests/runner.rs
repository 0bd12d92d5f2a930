//! The runner itself: a test suite that cannot fail proves nothing.

use c_tests::{library, Build, Run};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

fn panic_message(call: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("this should fail");
    payload.downcast_ref::<String>().cloned().expect("the runner's messages are strings")
}

#[test]
fn a_program_without_the_library_notices() {
    let run = Run::new(Build::new("pmr.cpp").program()).env("ZK_TEST_PRELOAD", "1");
    let message = panic_message(|| drop(run.finish().expect_success()));
    assert!(message.contains("check failed: preloaded()"), "{message}");
}

#[test]
fn a_program_with_the_library_notices() {
    let run = Run::new(Build::new("pmr.cpp").program()).preload().env("ZK_TEST_PRELOAD", "0");
    let message = panic_message(|| drop(run.finish().expect_success()));
    assert!(message.contains("check failed: preloaded()"), "{message}");
}

#[test]
fn an_unused_arena_is_noticed() {
    let run = Build::new("longjmp.c").preloaded().env("ZK_ALLOC_MODE", "off").env("ZK_TEST_ARENA", "used");
    let message = panic_message(|| drop(run.finish().expect_success()));
    assert!(message.contains("arena_allocs"), "{message}");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let start = Instant::now();
    let run = Run::new("sh").args(["-c", "sleep 1000 & wait"]).timeout(Duration::from_millis(200));
    let message = panic_message(|| drop(run.finish()));
    assert!(message.contains("killed after"), "{message}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn different_outputs_are_different() {
    let shell = |script: &str| Run::new("sh").args(["-c", script]).finish();
    shell("echo same").expect_same(&shell("echo same"));
    let message = panic_message(|| shell("echo a; echo b").expect_same(&shell("echo a; echo c")));
    assert!(message.contains("line 2 differs"), "{message}");
    panic_message(|| shell("echo a").expect_same(&shell("echo a; echo b")));
    panic_message(|| shell("exit 1").expect_same(&shell("exit 2")));
}

#[test]
fn settings_of_the_callers_shell_do_not_reach_a_program() {
    let outcome = Run::new("sh").args(["-c", "env"]).finish().expect_quiet_success();
    assert!(!outcome.stdout.contains("ZK_ALLOC_") && !outcome.stdout.contains("LD_PRELOAD"), "{}", outcome.stdout);
}

#[test]
fn the_library_is_there() {
    assert!(library().is_file());
}
