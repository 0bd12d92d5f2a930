//! Leaving a phase by a C++ exception or by longjmp, and the C++ allocators: the same output with and without the
//! library, in every mode.

use c_tests::Build;

fn check(source: &'static str) {
    let build = Build::new(source);
    let plain = build.plain().finish().expect_quiet_success();
    assert!(!plain.stdout.is_empty());
    for (mode, min_bytes, arena) in
        [("auto", "4096", "used"), ("auto", "0", "used"), ("phase", "4096", "used"), ("off", "4096", "unused")]
    {
        let run = build.preloaded().env("ZK_ALLOC_MODE", mode).env("ZK_ALLOC_MIN_BYTES", min_bytes);
        run.env("ZK_TEST_ARENA", arena).finish().expect_quiet_success().expect_same(&plain);
    }
}

#[test]
fn exceptions() {
    check("unwind.cpp");
}

#[test]
fn longjmp() {
    check("longjmp.c");
}

#[test]
fn pmr_and_new() {
    check("pmr.cpp");
}
