//! `scripts/soundness` with checks made up for the purpose: what it must take for a failure, it does.

use soundness::runner::{self, Finished};
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const ROW: &str = r"printf 'one\t1,234 states\t5\tok\tcaught\n'";

/// One test at a time: a child of another one would have a script open for writing for a moment, which cannot be executed
/// then.
static ALONE: Mutex<()> = Mutex::new(());

struct Scripts {
    directory: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Scripts {
    type Target = TempDir;

    fn deref(&self) -> &TempDir {
        &self.directory
    }
}

/// A copy of the script beside these checks: name and shell commands.
fn script_with(checks: &[(&str, &str)]) -> Scripts {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/soundness");
    fs::copy(script, directory.path().join("soundness")).unwrap();
    fs::create_dir(directory.path().join("checks")).unwrap();
    for (name, commands) in checks {
        let file = directory.path().join("checks").join(name);
        fs::write(&file, format!("#!/bin/sh\n{commands}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Scripts { directory, _alone }
}

fn run(directory: &Scripts, arguments: &[&str]) -> (Option<i32>, Finished) {
    let mut command = runner::command(directory.path().join("soundness"), None);
    let finished = runner::run(command.args(arguments), Duration::from_secs(60));
    (finished.status.and_then(|status| status.code()), finished)
}

#[test]
fn rows_become_a_table() {
    let directory = script_with(&[("good", ROW), ("other", r"printf 'a longer name\t2\t0.5\tok\t-\n'")]);
    let (status, finished) = run(&directory, &[]);
    assert_eq!(status, Some(0), "{}", finished.stderr);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", finished.stdout);
    assert_eq!(lines[2], "one                  1,234 states        5  ok      caught");
    assert_eq!(lines[3], "a longer name        2                 0.5  ok      -");
    assert!(finished.stderr.contains("good (1 of 2"), "{}", finished.stderr);
}

#[test]
fn whatever_is_not_a_result_is_a_failure() {
    for (what, commands) in [
        ("a failure", r"printf 'one\t1\t5\tFAILED\tcaught\n'; exit 1"),
        ("a control that did not fail", r"printf 'one\t1\t5\tok\tMISSED\n'; exit 1"),
        ("a failure that the check does not report", r"printf 'one\t1\t5\tFAILED\t-\n'"),
        ("no row", "exit 0"),
        ("no row and a status", "exit 1"),
        ("a row and a status", &format!("{ROW}; exit 1")),
        ("a row among other lines", &format!("{ROW}; echo done")),
        ("a row without seconds", r"printf 'one\t1\tsoon\tok\tcaught\n'"),
        ("a row of another result", r"printf 'one\t1\t5\tperhaps\tcaught\n'"),
    ] {
        let directory = script_with(&[("bad", commands), ("good", ROW)]);
        let (status, finished) = run(&directory, &[]);
        assert_eq!(status, Some(1), "{what}: {}", finished.stdout);
        assert!(finished.stdout.contains("FAILED") || finished.stdout.contains("MISSED"), "{what}");
        // The others run all the same.
        assert!(finished.stdout.contains("1,234 states"), "{what}: {}", finished.stdout);
    }
}

#[test]
fn checks_are_chosen_and_told_how_long() {
    let told = r#"printf '%s\t1\t5\tok\tcaught\n' "told $*""#;
    let directory = script_with(&[("bad", "exit 1"), ("good", told)]);
    let (status, finished) = run(&directory, &["--minutes", "1.5", "good"]);
    assert_eq!(status, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("told --minutes 1.5 "), "{}", finished.stdout);
}

#[test]
fn only_what_is_between_the_marks_changes() {
    let directory = script_with(&[("good", ROW)]);
    let file = directory.path().join("README.md");
    fs::write(&file, "a\n<!-- soundness:begin -->\nold\n<!-- soundness:end -->\nz\n").unwrap();
    let (status, finished) = run(&directory, &["--markdown", file.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{}", finished.stderr);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("a\n<!-- soundness:begin -->\n| protocol or program"), "{text}");
    assert!(text.contains("| one ") && !text.contains("old"), "{text}");
    assert!(text.ends_with("\n<!-- soundness:end -->\nz\n"), "{text}");
}

#[test]
fn bad_arguments_are_one_line() {
    let directory = script_with(&[("good", ROW)]);
    let plain = directory.path().join("plain.md");
    fs::write(&plain, "no marks\n").unwrap();
    let plain = plain.to_str().unwrap();
    for arguments in [
        &["nobody"][..],
        &["../soundness"],
        &["--fast"],
        &["--minutes"],
        &["--minutes", "0"],
        &["--minutes", "x"],
        &["--markdown"],
        &["--markdown", "no-such-file.md"],
        &["--markdown", plain],
    ] {
        let (status, finished) = run(&directory, arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}
