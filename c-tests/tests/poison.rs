//! Poison mode: a write after free is noticed when the memory is handed out again, and a program without one runs as
//! ever. Control: the same writes without the option.

use c_tests::{library, Build, Outcome, Run};
use std::os::unix::process::ExitStatusExt;

const POISON: (&str, &str) = ("ZK_ALLOC_POISON", "1");

const CASES: [&str; 20] = [
    "medium-first",
    "medium-middle",
    "medium-last",
    "smallest-last",
    "mebibyte-last",
    "large-first",
    "large-middle",
    "large-last",
    "medium-zeroes",
    "large-zeroes",
    "medium-calloc",
    "large-calloc",
    "medium-trimmed",
    "large-trimmed",
    "moved",
    "shrunk-grows",
    "shrunk-freed",
    "remote",
    "another-block",
    "child",
];

fn write(case: &str, env: &[(&str, &str)]) -> Outcome {
    // Nobody but the program gives pages back.
    Build::new("poison.c").preloaded().arg(case).env("ZK_ALLOC_BACKGROUND", "0").envs(env).finish()
}

/// What is wrong with a run that should have ended with the one line.
fn unnoticed(case: &str, env: &[(&str, &str)]) -> Option<String> {
    let outcome = write(case, env);
    let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
    let [block, at, usable] = words[..] else { return Some(format!("{case}: {outcome}\n")) };
    let expected = format!("zkalloc: fatal: write after free ({block}, byte {at} of {usable})\n");
    let right = outcome.status.signal() == Some(libc::SIGABRT) && outcome.stderr == expected;
    (!right).then(|| format!("{case}: expected {expected}{outcome}\n"))
}

#[test]
fn a_write_after_free_is_one_exact_line() {
    let wrong: Vec<String> = CASES.iter().filter_map(|case| unnoticed(case, &[POISON])).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn without_the_option_nobody_notices() {
    for env in [&[][..], &[("ZK_ALLOC_POISON", "0")], &[("ZK_ALLOC_POISON", "")]] {
        for case in CASES {
            let outcome = write(case, env).expect_quiet_success();
            assert!(outcome.stdout.ends_with("not noticed\n"), "{case}: {outcome}");
        }
    }
}

#[test]
fn freed_memory_holds_the_pattern_and_calloc_clears_it() {
    write("contents", &[POISON]).expect_quiet_success();
    let kept = write("contents", &[]);
    assert!(kept.stderr.contains("check failed: block[0] == PATTERN"), "{kept}");
}

fn clean(run: Run, more: (&str, &str)) {
    run.envs(&[POISON, more]).finish().expect_quiet_success();
}

/// Programs that check their own memory find it as it should be, and nothing is reported: threads that free each
/// other's blocks, forks, phases, realloc, trims, pages that are moved or that the kernel keeps.
#[test]
fn a_program_without_a_write_after_free_runs_clean() {
    for more in [
        ("ZK_ALLOC_MIN_BYTES", "0"),
        ("ZK_ALLOC_DECAY_MS", "0"),
        ("ZK_ALLOC_DECAY_MS", "20"),
        ("ZK_ALLOC_PREFAULT_MB", "64"),
    ] {
        clean(Build::new("threads.c").preloaded().args(["10", "8", "100"]), more);
        clean(Build::new("fork.c").preloaded().arg("5"), more);
        clean(Build::new("contract_realloc.c").preloaded(), more);
    }
    let plain = ("ZK_ALLOC_MODE", "auto");
    clean(Build::new("contract_memory.c").preloaded(), plain);
    clean(Build::new("trim.c").preloaded().env("ZK_ALLOC_BACKGROUND", "0"), plain);
    let preload = format!("{}:{}", Build::shared("shim_mremap.c").program().display(), library().display());
    for mremap in ["deny", "old", "stolen"] {
        let moves = Build::new("page_moves.c").preloaded().arg("blocks").env("LD_PRELOAD", &preload);
        clean(moves.env("ZK_TEST_MREMAP", mremap), plain);
    }
    // Children that are forked while pages are on their way between slots.
    let moves = Build::new("page_moves.c").preloaded().arg("fork").env("LD_PRELOAD", &preload);
    clean(moves.env("ZK_TEST_MREMAP", "slow"), plain);
    clean(Build::new("give_back.c").preloaded().arg("locked").env("ZK_ALLOC_DECAY_MS", "-1"), plain);
}

#[test]
fn containers_of_cpp_run_clean() {
    clean(Build::new("pmr.cpp").preloaded(), ("ZK_ALLOC_MODE", "auto"));
}
