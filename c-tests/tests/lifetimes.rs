//! Random lifetimes and sizes. A program of its own, which cargo runs alone: the library's thread competes with those of
//! the program, and not with another test's.

use c_tests::Build;

#[test]
fn random_lifetimes_stay_within_twice_what_is_live() {
    for args in [&["10", "1536"][..], &["5", "256"], &["5", "64"], &["5", "128", "starved"]] {
        Build::new("lifetimes.c").preloaded().args(args).finish().expect_quiet_success();
    }
}
