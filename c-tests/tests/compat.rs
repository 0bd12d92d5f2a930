//! `scripts/compat` itself: it must notice when its results prove nothing.

use c_tests::{temporary_dir, Build, Run};

fn compat() -> Run {
    Run::new(env!("CARGO_BIN_EXE_compat"))
}

#[test]
fn a_library_that_is_not_at_work_is_noticed() {
    // The programs' results are equal then; only the missing statistics tell.
    let nothing = Build::shared("shim_nothing.c").program();
    // A failure leaves its files for the reader.
    let temporary = temporary_dir("compat");
    let outcome = compat().arg("node").env("ZKALLOC_LIB", nothing).env("TMPDIR", &temporary).finish();
    assert_eq!(outcome.status.code(), Some(1), "{outcome}");
    assert!(outcome.stderr.contains("left no statistics"), "{outcome}");
    assert!(outcome.stdout.lines().any(|line| line.starts_with("node") && line.contains("not engaged")), "{outcome}");
    std::fs::remove_dir_all(&temporary).unwrap_or_else(|error| panic!("{}: {error}", temporary.display()));
}

#[test]
fn a_program_equal_under_the_library_passes() {
    let outcome = compat().arg("node").finish().expect_success();
    let row = outcome.stdout.lines().nth(1).expect("a row below the heading");
    assert_eq!(row.matches(" ok ").count(), 3, "{outcome}");
}

#[test]
fn an_unknown_program_is_one_line() {
    let outcome = compat().arg("emacs").finish();
    assert_eq!(outcome.status.code(), Some(2), "{outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    assert!(outcome.stderr.contains("\"emacs\"") && outcome.stderr.contains("--list"), "{outcome}");
}
