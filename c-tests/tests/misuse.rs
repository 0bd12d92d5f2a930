//! Misuse that the library can prove ends the process with SIGABRT and exactly one line.

use c_tests::Build;

const DOUBLE_FREE: [&str; 14] = [
    "double-medium",
    "double-smallest",
    "double-mebibyte",
    "double-large",
    "double-medium-alone",
    "double-large-alone",
    "double-span-died",
    "double-medium-trimmed",
    "double-large-trimmed",
    "double-remote-local",
    "double-remote-remote",
    "double-after-realloc",
    "double-after-growth",
    "double-in-child",
];

const INVALID_POINTER: [&str; 10] = [
    "interior-medium",
    "interior-medium-odd",
    "interior-medium-page",
    "interior-large",
    "interior-large-odd",
    "interior-large-unit",
    "interior-large-end",
    "interior-medium-freed",
    "interior-large-freed",
    "interior-disengaged",
];

/// Every case through every call; reports all that went wrong.
fn check(cases: &[&str], message: &str) {
    let mut wrong = Vec::new();
    for case in cases {
        for call in ["free", "realloc", "usable"] {
            let outcome = Build::new("misuse.c").preloaded().args([case, call]).finish();
            let expected = format!("zkalloc: fatal: {message} ({})\n", outcome.stdout.trim_end());
            let aborted = std::os::unix::process::ExitStatusExt::signal(&outcome.status) == Some(libc::SIGABRT);
            if !aborted || outcome.stderr != expected || !outcome.stdout.starts_with("0x") {
                wrong.push(format!("{case} {call}: expected {expected}{outcome}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 3 * cases.len(), wrong.join("\n"));
}

#[test]
fn double_free() {
    check(&DOUBLE_FREE, "double free");
}

#[test]
fn invalid_pointer() {
    check(&INVALID_POINTER, "invalid pointer");
}
