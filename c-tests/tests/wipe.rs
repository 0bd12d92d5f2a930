//! `ZK_ALLOC_WIPE=1`: what a program frees is zero before anybody can have it. Control: without it, the contents are
//! still there.

use c_tests::{Build, Outcome, Run};

/// Nobody but the program gives pages back: purged pages are zero anyway.
fn look(env: &[(&str, &str)]) -> Outcome {
    Build::new("wipe.c").preloaded().env("ZK_ALLOC_DECAY_MS", "-1").envs(env).finish().expect_success()
}

#[test]
fn freed_memory_is_zero() {
    for more in [("ZK_ALLOC_MIN_BYTES", "4096"), ("ZK_ALLOC_THP", "always"), ("ZK_ALLOC_BACKGROUND", "0")] {
        let outcome = look(&[("ZK_ALLOC_WIPE", "1"), more]).expect_quiet_success();
        assert_eq!(outcome.stdout, "wiped\n", "{outcome}");
    }
}

#[test]
fn without_the_option_it_is_kept() {
    for env in [&[][..], &[("ZK_ALLOC_WIPE", "0")], &[("ZK_ALLOC_WIPE", "")]] {
        let outcome = look(env).expect_quiet_success();
        assert_eq!(outcome.stdout, "kept\n", "{outcome}");
    }
}

#[test]
fn poison_wins_and_says_so() {
    let outcome = look(&[("ZK_ALLOC_WIPE", "1"), ("ZK_ALLOC_POISON", "1")]);
    assert_eq!(outcome.stdout, "overwritten\n", "{outcome}");
    let line = "zkalloc: ZK_ALLOC_POISON=1 overrides ZK_ALLOC_WIPE=1: freed memory is overwritten with a pattern, not \
                with zeroes\n";
    assert_eq!(outcome.stderr, line, "{outcome}");
}

#[test]
fn programs_run_as_ever() {
    let quiet = |run: Run| run.env("ZK_ALLOC_WIPE", "1").finish().expect_quiet_success();
    quiet(Build::new("threads.c").preloaded().args(["10", "8", "100"]));
    quiet(Build::new("fork.c").preloaded().arg("5"));
    quiet(Build::new("contract_realloc.c").preloaded().env("ZK_ALLOC_MIN_BYTES", "0"));
    quiet(Build::new("trim.c").preloaded().env("ZK_ALLOC_BACKGROUND", "0"));
}
