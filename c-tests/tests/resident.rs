//! Resident memory stays near what is live and goes back, and the library tells the truth about it.

use c_tests::Build;

fn stays_bounded(args: &[&str]) {
    let outcome = Build::new("resident.c").preloaded().args(args).finish();
    outcome.expect_quiet_success();
}

#[test]
fn an_exceptional_proof_is_forgotten_after_three_others() {
    stays_bounded(&["exception"]);
    stays_bounded(&["inferred"]);
}

#[test]
fn survivors_pin_their_own_pages_only() {
    stays_bounded(&["pinned"]);
    stays_bounded(&["survivors", "1000"]);
}

#[test]
fn many_threads_with_many_classes_hold_little_more_than_they_use() {
    stays_bounded(&["classes"]);
}

#[test]
fn pages_beside_live_blocks_go_back() {
    let bounds = |case: &str| Build::new("bounds.c").preloaded().arg(case).env("ZK_ALLOC_DECAY_MS", "-1");
    for case in ["classes", "shrunk", "aligned", "moved", "grown", "few", "turns", "tails"] {
        bounds(case).finish().expect_quiet_success();
    }
    bounds("capped").env("ZK_ALLOC_RETAIN_MB", "32").finish().expect_quiet_success();
    bounds("capped").env("ZK_ALLOC_DECAY_MS", "0").finish().expect_quiet_success();
    bounds("classes").env("ZK_ALLOC_BACKGROUND", "0").finish().expect_quiet_success();
}

#[test]
fn a_phase_that_stays_open_reuses_its_memory() {
    stays_bounded(&["volume", "64"]);
}

#[test]
fn what_the_library_says_of_its_memory_is_what_the_kernel_says() {
    stays_bounded(&["truth"]);
}
