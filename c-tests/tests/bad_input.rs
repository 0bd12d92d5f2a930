//! Wrong settings and wrong calls: one line for each wrong setting, the default instead, and the program works.

use c_tests::{Build, Outcome, StatsFile};

/// Runs the program of soft failures in this environment. Whatever the environment, it works and prints the same.
fn run(env: &[(&str, &str)]) -> Outcome {
    let outcome = Build::new("bad_input.c").preloaded().envs(env).finish().expect_success();
    assert_eq!(outcome.stdout.lines().count(), 4, "{outcome}");
    outcome
}

/// Exactly one line on stderr, and it is the library's.
#[track_caller]
fn one_line(outcome: &Outcome) -> &str {
    assert_eq!(outcome.stderr.lines().count(), 1, "one line: {outcome}");
    assert!(outcome.stderr.starts_with("zkalloc: ") && outcome.stderr.ends_with('\n'), "{outcome}");
    outcome.stderr.trim_end()
}

/// Variable, values that are wrong for it, and what is used instead (nothing where the default is no plain value).
const WRONG: [(&str, &[&str], &str); 11] = [
    ("ZK_ALLOC_MODE", &["fast", "AUTO", "auto ", "1", "off,phase"], "auto"),
    ("ZK_ALLOC_MIN_BYTES", &["abc", "-1", "99999999999999999999999", "4k", "0x1000", "1.5", " 4096", "+"], "4096"),
    ("ZK_ALLOC_SLAB_GB", &["0", "65537", "-8", "8G", "18446744073709551617"], "8"),
    ("ZK_ALLOC_RETAIN_MB", &["-1", "much", "99999999999999999999999"], ""),
    ("ZK_ALLOC_DECAY_MS", &["-2", "soon", "10s", "99999999999999999999999"], "10000"),
    ("ZK_ALLOC_BACKGROUND", &["2", "yes", "-1"], "1"),
    ("ZK_ALLOC_THP", &["madvise", "1", "Always"], "auto"),
    ("ZK_ALLOC_PREFAULT_MB", &["-1", "all", "99999999999999999999999"], "0"),
    ("ZK_ALLOC_POISON", &["2", "yes", "-1"], "0"),
    ("ZK_ALLOC_WIPE", &["2", "on", "-1"], "0"),
    ("ZK_ALLOC_VERBOSE", &["2", "on", "-1"], "0"),
];

#[test]
fn a_wrong_value_is_one_line_and_the_default() {
    for (variable, values, default) in WRONG {
        for value in values {
            let outcome = run(&[(variable, value)]);
            let line = one_line(&outcome);
            let rest = line.replacen(variable, "", 1).replacen(value, "", 1);
            assert!(line.contains(variable) && line.contains(value), "{variable}={value}: {line}");
            assert!(rest.contains(default), "{variable}={value} should name {default:?}: {line}");
        }
    }
}

#[test]
fn several_wrong_values_are_as_many_lines() {
    let outcome = run(&[("ZK_ALLOC_MODE", "fast"), ("ZK_ALLOC_SLAB_GB", "0"), ("ZK_ALLOC_THP", "maybe")]);
    assert_eq!(outcome.stderr.lines().count(), 3, "{outcome}");
    assert!(outcome.stderr.lines().all(|line| line.starts_with("zkalloc: ")), "{outcome}");
}

/// A value must not be able to fake a line, or to send an escape sequence to the operator's terminal.
#[test]
fn control_characters_are_escaped() {
    for value in ["fa\nst", "fa\x1b[31mst", "fa\rst", "fa\tst", "\x07fast", "fast\x7f", "a\nzkalloc: fatal: no\n"] {
        let outcome = run(&[("ZK_ALLOC_MODE", value)]);
        let line = one_line(&outcome);
        assert!(line.contains("ZK_ALLOC_MODE") && line.contains('\\'), "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        for part in value.split(char::is_control) {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

/// A long value is still one line, and fits the buffer or is cut.
#[test]
fn a_long_value_is_one_line() {
    let long = "x".repeat(100_000);
    let outcome = run(&[("ZK_ALLOC_MIN_BYTES", &long)]);
    assert!(one_line(&outcome).contains("ZK_ALLOC_MIN_BYTES"), "{outcome}");
}

#[test]
fn empty_is_unset() {
    let names = WRONG.map(|(name, _, _)| name);
    for name in names.into_iter().chain(["ZK_ALLOC_STATS", "ZK_ALLOC_TRACE"]) {
        run(&[(name, "")]).expect_quiet_success();
    }
}

#[test]
fn right_values_are_silent() {
    for (name, values) in [
        ("ZK_ALLOC_MODE", &["auto", "phase", "off"][..]),
        ("ZK_ALLOC_MIN_BYTES", &["0", "1", "4096", "1048576", "1099511627776"]),
        ("ZK_ALLOC_SLAB_GB", &["1", "8", "65536"]),
        ("ZK_ALLOC_RETAIN_MB", &["0", "1", "100000"]),
        ("ZK_ALLOC_DECAY_MS", &["-1", "0", "1", "86400000"]),
        ("ZK_ALLOC_BACKGROUND", &["0", "1"]),
        ("ZK_ALLOC_THP", &["auto", "always", "never"]),
        ("ZK_ALLOC_PREFAULT_MB", &["0", "1", "16"]),
        ("ZK_ALLOC_POISON", &["0", "1"]),
        ("ZK_ALLOC_WIPE", &["0", "1"]),
        ("ZK_ALLOC_STATS", &["0"]),
        ("ZK_ALLOC_VERBOSE", &["0"]),
    ] {
        for value in values {
            run(&[(name, value)]).expect_quiet_success();
        }
    }
}

#[test]
fn an_unknown_name_is_one_line_with_the_nearest_known_one() {
    for (unknown, nearest) in [
        ("ZK_ALLOC_MOD", "ZK_ALLOC_MODE"),
        ("ZK_ALLOC_MODES", "ZK_ALLOC_MODE"),
        ("ZK_ALLOC_MINBYTES", "ZK_ALLOC_MIN_BYTES"),
        ("ZK_ALLOC_SLAB_MB", "ZK_ALLOC_SLAB_GB"),
        ("ZK_ALLOC_STAT", "ZK_ALLOC_STATS"),
        ("ZK_ALLOC_TRACES", "ZK_ALLOC_TRACE"),
        ("ZK_ALLOC_FOO", "ZK_ALLOC_"),
    ] {
        let outcome = run(&[(unknown, "1")]);
        let line = one_line(&outcome);
        assert!(line.contains(unknown), "{line}");
        assert!(line.replacen(unknown, "", 1).contains(nearest), "{unknown} should name {nearest}: {line}");
    }
}

#[test]
fn names_of_others_are_none_of_its_business() {
    run(&[("ZK_ALLOCATOR", "x"), ("ZK_OTHER", "x"), ("zk_alloc_mode", "x"), ("XZK_ALLOC_FOO", "x")])
        .expect_quiet_success();
}

/// A file that cannot be written costs its content and one line, not the program.
#[test]
fn an_output_that_cannot_be_written_is_one_line() {
    let nowhere = StatsFile::new("nowhere");
    let path = format!("{}/below/a/file", nowhere.path());
    for name in ["ZK_ALLOC_STATS", "ZK_ALLOC_TRACE"] {
        let outcome = run(&[(name, &path)]);
        assert!(one_line(&outcome).contains(&path), "{outcome}");
    }
}
