//! Start and end of life: of the process, of its threads, and of the library's own loading.

use c_tests::{library, Build, Run};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The same with and without the library, and at every threshold.
fn same_as_plain(build: &Build, args: &[&str]) {
    let run = |run: Run| run.args(args).timeout(TIMEOUT).finish().expect_quiet_success();
    let plain = run(build.plain());
    assert!(!plain.stdout.is_empty(), "{plain}");
    for env in [[("ZK_ALLOC_MIN_BYTES", "4096")], [("ZK_ALLOC_MIN_BYTES", "0")], [("ZK_ALLOC_DECAY_MS", "0")]] {
        run(build.preloaded().envs(&env).env("ZK_TEST_ARENA", "used")).expect_same(&plain);
    }
}

fn case(name: &str) {
    same_as_plain(&Build::new("lifecycle.c"), &[name]);
}

/// From `.preinit_array`, before any constructor.
#[test]
fn blocks_from_before_the_constructor() {
    case("before-main");
}

#[test]
fn threads_that_never_allocate() {
    case("silent-threads");
}

#[test]
fn destructors_of_thread_keys_before_and_after_ours() {
    case("thread-keys");
}

#[test]
fn handlers_at_exit() {
    case("atexit");
}

#[test]
fn thread_local_and_static_destructors() {
    same_as_plain(&Build::new("lifecycle.cpp"), &[]);
}

#[test]
fn every_thread_key_is_taken() {
    same_as_plain(&Build::new("lifecycle.c"), &["keys-used-up"]);
}

/// Opened by `dlopen` while threads allocate, closed while they are inside it.
#[test]
fn opened_late_and_closed_early() {
    let late =
        Build::with_flags("late.c", &["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-pthread"]);
    Run::new(late.program()).arg(library()).timeout(TIMEOUT).finish().expect_quiet_success();
}
