//! The contract programs print facts that every correct allocator shares: their output under the library must equal
//! plain libc's, in every mode and at every threshold.

use c_tests::{Build, Run};

/// Arguments, settings, and whether the arena then serves requests.
struct Setting {
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    arena: &'static str,
}

const fn setting(
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    arena: &'static str,
) -> Setting {
    Setting { args, env, arena }
}

const PHASE: &[&str] = &["phase"];

const MODES: [Setting; 8] = [
    setting(&[], &[], "used"),
    setting(&[], &[("ZK_ALLOC_MIN_BYTES", "0")], "used"),
    setting(&[], &[("ZK_ALLOC_MIN_BYTES", "65536"), ("ZK_ALLOC_DECAY_MS", "0")], "used"),
    setting(&[], &[("ZK_ALLOC_THP", "always"), ("ZK_ALLOC_BACKGROUND", "0")], "used"),
    setting(&[], &[("ZK_ALLOC_POISON", "1"), ("ZK_ALLOC_MIN_BYTES", "0")], "used"),
    setting(&[], &[("ZK_ALLOC_WIPE", "1"), ("ZK_ALLOC_MIN_BYTES", "0")], "used"),
    setting(&[], &[("ZK_ALLOC_MODE", "off")], "unused"),
    setting(&[], &[("ZK_ALLOC_MODE", "phase"), ("ZK_ALLOC_MIN_BYTES", "0")], "any"),
];

/// For the table alone: it opens a phase only when asked.
const TABLE_MODES: [Setting; 5] = [
    setting(PHASE, &[], "used"),
    setting(PHASE, &[("ZK_ALLOC_MODE", "phase")], "used"),
    setting(PHASE, &[("ZK_ALLOC_MODE", "phase"), ("ZK_ALLOC_MIN_BYTES", "0")], "used"),
    setting(PHASE, &[("ZK_ALLOC_MODE", "off")], "unused"),
    setting(&[], &[("ZK_ALLOC_MODE", "phase")], "unused"),
];

fn with_arena(run: Run, arena: &str) -> Run {
    match arena {
        "any" => run,
        _ => run.env("ZK_TEST_ARENA", arena),
    }
}

fn check(source: &'static str, settings: &[Setting]) {
    let build = Build::new(source);
    let plain = build.plain().finish().expect_quiet_success();
    assert!(plain.stdout.lines().count() > 10, "the program checked hardly anything: {plain}");
    for wrong in ["MISALIGNED", "TOO SMALL", "another errno"] {
        assert!(!plain.stdout.contains(wrong), "plain libc: {plain}");
    }
    for setting in settings {
        let run = build.preloaded().args(setting.args).envs(setting.env);
        let preloaded = with_arena(run, setting.arena).finish().expect_quiet_success();
        preloaded.expect_same(&plain);
    }
}

#[test]
fn every_function_at_every_size_and_alignment() {
    check("contract.c", &MODES);
}

#[test]
fn every_function_inside_and_outside_phases() {
    check("contract.c", &TABLE_MODES);
}

#[test]
fn realloc_keeps_contents() {
    check("contract_realloc.c", &MODES);
}

#[test]
fn memory_and_errno() {
    check("contract_memory.c", &MODES);
}

#[test]
fn buffers_of_libc() {
    check("contract_libc.c", &MODES);
}
