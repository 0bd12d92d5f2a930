//! Reports (`ZK_ALLOC_STATS`, `ZK_ALLOC_TRACE`, lines on standard error) in programs that do as they like with files and
//! descriptors: what cannot be written is one line, nobody waits, and nothing goes into the program's own files.

use c_tests::{library, temporary_dir, Build, Outcome, Run};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A report that waits for somebody ends here.
const TIMEOUT: Duration = Duration::from_secs(60);
const PAYLOAD: &str = "PAYLOAD\n";

fn reports(args: &[&str]) -> Run {
    Build::new("reports.c").preloaded().args(args).env("ZK_TEST_ARENA", "used").timeout(TIMEOUT)
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}:\n{text}", path.display()))
}

/// The events of a timeline that are phases.
fn phases(path: &Path) -> usize {
    json(path).as_array().expect("one array of events").iter().filter(|event| event["ph"] == "X").count()
}

/// One line for each of the two reports, which names the error.
fn two_lines(outcome: &Outcome, error: i32) {
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    for variable in ["ZK_ALLOC_TRACE", "ZK_ALLOC_STATS"] {
        let expected = format!("zkalloc: cannot write {variable}=");
        let named =
            lines.iter().filter(|line| line.starts_with(&expected) && line.contains(&format!("errno {error})")));
        assert_eq!(named.count(), 1, "{variable}: {outcome}");
    }
    assert_eq!(lines.len(), 2, "{outcome}");
}

#[test]
fn what_cannot_be_written_is_one_line() {
    let dir = temporary_dir("reports");
    let pipe = dir.join("pipe");
    Run::new("mkfifo").arg(&pipe).finish().expect_quiet_success();
    // Nobody reads the pipe: waiting for that would be the program's end, in the middle of `zk_end_phase`.
    for (path, error) in [(pipe.as_path(), libc::ENXIO), (&dir, libc::EISDIR), (Path::new("/dev/full"), libc::ENOSPC)] {
        let outcome = reports(&["work"]).env("ZK_ALLOC_STATS", path).env("ZK_ALLOC_TRACE", path).finish();
        two_lines(&outcome.expect_success(), error);
    }
    let file = dir.join("file");
    let no_room = reports(&["no-room"]).env("ZK_ALLOC_STATS", &file).env("ZK_ALLOC_TRACE", &file).finish();
    two_lines(&no_room.expect_success(), libc::EFBIG);
    fs::remove_dir_all(dir).expect("a directory of ours");
}

/// A line that nobody reads is no reason to end.
#[test]
fn a_closed_pipe_ends_nobody() {
    for (stats, trace) in [("1", ""), ("/dev/full", "/dev/full")] {
        let run = reports(&["unheard"]).env("ZK_ALLOC_VERBOSE", "1");
        let outcome = run.env("ZK_ALLOC_STATS", stats).env("ZK_ALLOC_TRACE", trace).finish().expect_success();
        assert_eq!(outcome.stdout, "unheard: survived\n", "{outcome}");
    }
}

#[test]
fn a_pipe_with_a_reader_gets_the_report() {
    let dir = temporary_dir("reader");
    let pipe = dir.join("pipe");
    Run::new("mkfifo").arg(&pipe).finish().expect_quiet_success();
    // The shell holds both ends open, so that there is no moment without a reader.
    let script = "exec 3<>pipe; LD_PRELOAD=$0 ZK_ALLOC_STATS=pipe \"$@\"; head -n 1 <&3";
    let program = Build::new("reports.c").program();
    let run = Run::new("sh").args(["-c", script]).arg(library()).arg(program).arg("work").dir(&dir);
    let outcome = run.env("ZK_TEST_PRELOAD", "1").timeout(TIMEOUT).finish().expect_quiet_success();
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    assert_eq!(document["stats"]["phases_ended"], 3, "{outcome}");
    fs::remove_dir_all(dir).expect("a directory of ours");
}

/// A relative path is one of the directory in which the program was started.
#[test]
fn reports_stay_where_the_program_began() {
    let dir = temporary_dir("elsewhere");
    let elsewhere = dir.join("daemon");
    fs::create_dir(&elsewhere).expect("a directory of ours");
    let run = reports(&["chdir", "daemon"]).dir(&dir);
    run.env("ZK_ALLOC_STATS", "stats.json").env("ZK_ALLOC_TRACE", "trace-%p.json").finish().expect_quiet_success();
    assert_eq!(fs::read_dir(&elsewhere).expect("ours").count(), 0);
    let stats = json(&dir.join("stats.json"));
    assert_eq!(stats["stats"]["phases_ended"], 3, "{stats}");
    assert_eq!(phases(&dir.join(format!("trace-{}.json", stats["pid"]))), 3);
    fs::remove_dir_all(dir).expect("a directory of ours");
}

/// A directory whose name leaves no room for the path: it stays relative, and works as long as nobody goes elsewhere.
#[test]
fn a_deep_directory_is_no_obstacle() {
    let dir = temporary_dir("deep");
    let deep = (0..4).fold(dir.clone(), |path, _| path.join("d".repeat(240)));
    fs::create_dir_all(&deep).expect("a directory of ours");
    let name = format!("{}.json", "s".repeat(100));
    reports(&["work"]).dir(&deep).env("ZK_ALLOC_STATS", &name).finish().expect_quiet_success();
    assert_eq!(json(&deep.join(&name))["stats"]["phases_ended"], 3);
    fs::remove_dir_all(dir).expect("a directory of ours");
}

#[test]
fn nothing_goes_into_the_programs_files() {
    let dir = temporary_dir("own-files");
    let file = dir.join("data");
    let check = |outcome: Outcome| {
        let outcome = outcome.expect_success();
        assert_eq!(fs::read_to_string(&file).expect("the program wrote it"), PAYLOAD, "{outcome}");
    };
    let path = file.to_str().expect("UTF-8");
    check(reports(&["own-files", path]).env("ZK_ALLOC_STATS", "1").finish());
    // Started without a standard error, so that its file gets that number.
    let script = "LD_PRELOAD=$0 ZK_ALLOC_STATS=1 ZK_ALLOC_VERBOSE=1 ZK_ALLOC_TRACE=/dev/full exec \"$@\" 2>&-";
    let program = Build::new("reports.c").program();
    let run = Run::new("sh").args(["-c", script]).arg(library()).arg(program).args(["own-file", path]);
    check(run.env("ZK_TEST_PRELOAD", "1").timeout(TIMEOUT).finish());
    fs::remove_dir_all(dir).expect("a directory of ours");
}

/// Destructors that run after the library's own, and threads that outlive `main`, record nothing any more.
#[test]
fn the_timeline_ends_with_the_program() {
    let around = Build::shared("shim_around.c").program();
    let dir = temporary_dir("ends");
    let file = dir.join("trace.json");
    // Phases that overlap count as one, and that one may never end.
    for (args, least) in [(["work"], 3), (["beside"], 0)] {
        for preload in [vec![around.clone(), library()], vec![library(), around.clone()]] {
            let preload: Vec<String> = preload.iter().map(|path| path.display().to_string()).collect();
            let run = reports(&args).env("LD_PRELOAD", preload.join(":")).env("ZK_ALLOC_TRACE", &file);
            run.finish().expect_quiet_success();
            assert!(phases(&file) >= least, "{args:?}");
        }
    }
    fs::remove_dir_all(dir).expect("a directory of ours");
}

/// Another library's constructor, which runs before the library's own, begins phases.
#[test]
fn the_environment_holds_for_constructors_too() {
    let around = Build::shared("shim_around.c").program();
    for (case, wish, mode) in [("phase", "phase", "auto"), ("open", "open", "phase"), ("off", "phase", "off")] {
        let run = Build::new("around.c").preloaded().arg(case).env("ZK_TEST_AROUND", wish).env("ZK_ALLOC_MODE", mode);
        let run = run.env("ZK_ALLOC_MIN_BYTES", "8192").timeout(TIMEOUT);
        run.env("LD_PRELOAD", format!("{}:{}", library().display(), around.display())).finish().expect_quiet_success();
    }
}
