//! Start and end of life: of the process, of its threads, and of the library's own loading.

use c_tests::{library, temporary_dir, Build, Outcome, Run};
use std::path::Path;
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
fn destructors_after_ours_beside_a_new_thread() {
    case("late-destructor");
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

fn open_late_and_close_early(library: &Path) -> Outcome {
    let late =
        Build::with_flags("late.c", &["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-pthread"]);
    Run::program(late.program()).arg(library).timeout(TIMEOUT).finish()
}

/// Opened by `dlopen` while threads allocate, closed while they are inside it.
#[test]
fn opened_late_and_closed_early() {
    open_late_and_close_early(&library()).expect_quiet_success();
}

/// The control: what says that the library is never unloaded is one bit in the file, and without that it is.
#[test]
fn without_its_flag_it_is_unloaded() {
    let mut file = std::fs::read(library()).expect("the library");
    let entry = dynamic_entry(&file, DT_FLAGS_1);
    assert_ne!(file[entry] & DF_1_NODELETE, 0, "the flag is in the first byte of the value");
    file[entry] &= !DF_1_NODELETE;
    let dir = temporary_dir("unloadable");
    let copy = dir.join("libzkalloc.so");
    std::fs::write(&copy, file).expect("a directory of ours");
    let outcome = open_late_and_close_early(&copy);
    assert!(!outcome.status.success(), "{outcome}");
    std::fs::remove_dir_all(dir).expect("a directory of ours");
}

const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DF_1_NODELETE: u8 = 8;

/// Where in a 64-bit little-endian ELF file the value of a dynamic entry lies.
fn dynamic_entry(file: &[u8], tag: u64) -> usize {
    const PT_DYNAMIC: u64 = 2;
    let number = |at: usize, bytes: usize| {
        file[at..at + bytes].iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte))
    };
    let headers = (0..number(0x38, 2) as usize).map(|index| number(0x20, 8) as usize + index * 56);
    let dynamic = headers.into_iter().find(|&at| number(at, 4) == PT_DYNAMIC).expect("a dynamic segment");
    let (start, bytes) = (number(dynamic + 8, 8) as usize, number(dynamic + 32, 8) as usize);
    let mut entries = (start..start + bytes).step_by(16);
    entries.find(|&at| number(at, 8) == tag).expect("an entry of this tag") + 8
}
