//! Processes that the library should leave alone, and blocks that are not its own.

use c_tests::{
    impossible_here, library, repository, temporary_dir, Build, Outcome, Privileged, Rights, Run, StatsFile,
};
use std::fs;
use std::path::Path;
use std::time::Duration;

const STATIC: &[&str] = &["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-fno-builtin", "-static"];

fn installed(path: &str, package: &str) {
    assert!(Path::new(path).is_file(), "{path} is missing (Debian package {package}); scripts/test installs it");
}

/// Passes on what a program found impossible.
fn finish(run: Run) -> Outcome {
    let outcome = run.timeout(Duration::from_secs(60)).finish().expect_quiet_success();
    outcome.stdout.lines().filter_map(|line| line.strip_prefix("impossible here: ")).for_each(impossible_here);
    outcome
}

/// The same output and status with and without the library.
fn unchanged(program: &str, args: &[&str]) {
    let run = || Run::new(program).args(args).timeout(Duration::from_secs(120));
    let plain = run().finish().expect_success();
    assert!(!plain.stdout.is_empty(), "{plain}");
    for min_bytes in ["4096", "0"] {
        run().preload().env("ZK_ALLOC_MIN_BYTES", min_bytes).finish().expect_same(&plain);
    }
}

#[test]
fn static_binaries() {
    let program = Build::with_flags("static.c", STATIC).program();
    unchanged(program.to_str().expect("UTF-8"), &[]);
    installed("/bin/busybox", "busybox-static");
    unchanged("/bin/busybox", &["sh", "-c", "busybox seq 20000 | busybox sort -r | busybox sha256sum"]);
}

#[test]
fn go_binaries() {
    installed("/usr/bin/fzf", "fzf");
    unchanged("sh", &["-c", "seq 20000 | fzf --filter 777"]);
}

/// rustc exports its own jemalloc; fd is a Rust program on the system's.
#[test]
fn binaries_that_bring_jemalloc() {
    let dir = temporary_dir("bundled");
    let (source, output) = (dir.join("main.rs"), dir.join("main"));
    fs::write(&source, "fn main() { println!(\"{}\", (0..1000).map(|n: u64| n * n).sum::<u64>()); }\n").expect("ours");
    let script = format!("rustc -O {} -o {} && {}", source.display(), output.display(), output.display());
    unchanged("sh", &["-c", &script]);
    installed("/usr/bin/fdfind", "fd-find");
    let programs = repository().join("c-tests/programs");
    unchanged("sh", &["-c", &format!("fdfind . {} | sort", programs.display())]);
    fs::remove_dir_all(dir).expect("a directory of ours");
}

/// A program that is linked with the library, so that the loader brings it along, and has more rights than its user.
fn ignores_the_environment(rights: Rights) {
    let program = match Privileged::new("bystander.c", &library(), rights) {
        Ok(program) => program,
        Err(reason) => return impossible_here(&format!("AT_SECURE by {rights:?}: {reason}")),
    };
    // Where any user may write: that it is not written must be the library's choice.
    let report = std::env::temp_dir().join(format!("zk-privileged-{}.json", std::process::id()));
    let env = [("ZK_ALLOC_MODE", "off"), ("ZK_ALLOC_MIN_BYTES", "100000"), ("ZK_ALLOC_TYPO", "1")];
    program.run().arg("secure").envs(&env).env("ZK_ALLOC_STATS", &report).finish().expect_quiet_success();
    assert!(!report.exists(), "ZK_ALLOC_STATS was obeyed");
}

#[test]
fn setuid_programs_ignore_the_environment() {
    ignores_the_environment(Rights::SetUser);
}

#[test]
fn programs_with_file_capabilities_ignore_the_environment() {
    ignores_the_environment(Rights::Capability);
}

#[test]
fn a_program_that_must_be_single_threaded() {
    finish(Build::new("bystander.c").preloaded().arg("alone"));
    finish(Build::new("bystander.c").preloaded().arg("alone").env("ZK_ALLOC_DECAY_MS", "0"));
}

#[test]
fn bubblewrap() {
    installed("/usr/bin/bwrap", "bubblewrap");
    let args = ["--ro-bind", "/", "/", "--proc", "/proc", "--unshare-all", "sh", "-c", "echo inside"];
    let plain = Run::new("bwrap").args(args).finish();
    if !plain.status.success() {
        return impossible_here(&format!("bubblewrap, without the library: {}", plain.stderr.trim()));
    }
    for min_bytes in ["4096", "0"] {
        Run::new("bwrap").args(args).preload().env("ZK_ALLOC_MIN_BYTES", min_bytes).finish().expect_same(&plain);
    }
}

#[test]
fn blocks_of_libc_and_its_buffers() {
    // malloc_stats reports on standard error: it means the next allocator's.
    for min_bytes in ["4096", "0"] {
        let outcome = Build::new("bystander.c").preloaded().arg("early").env("ZK_ALLOC_MIN_BYTES", min_bytes).finish();
        let outcome = outcome.expect_success();
        assert!(outcome.stderr.contains("Arena 0:"), "{outcome}");
        assert_eq!(outcome.stdout.lines().count(), 5, "{outcome}");
    }
}

#[test]
fn a_name_with_many_addresses() {
    finish(Build::new("bystander.c").plain().arg("hosts"));
    for min_bytes in ["4096", "0"] {
        finish(Build::new("bystander.c").preloaded().arg("hosts").env("ZK_ALLOC_MIN_BYTES", min_bytes));
    }
}

#[test]
fn a_plugin_bound_to_libc() {
    let plugin = Build::shared("plugin.c").program();
    finish(Build::new("deepbind.c").preloaded().arg(plugin));
}

/// A preloaded shell: none of its children makes an arena or a thread.
#[test]
fn short_children_pay_nothing() {
    let children = "i=0; while [ $i -lt 334 ]; do ls / >/dev/null; cat /dev/null; sed p /dev/null; i=$((i+1)); done";
    let dir = temporary_dir("short-children");
    let run = Run::new("sh").args(["-c", children]).preload();
    run.env("ZK_ALLOC_STATS", dir.join("%p.json")).timeout(Duration::from_secs(120)).finish().expect_quiet_success();
    let mut processes = 0;
    for entry in fs::read_dir(&dir).expect("ours") {
        let text = fs::read_to_string(entry.expect("ours").path()).expect("a report");
        assert!(text.contains("\"reserved_bytes\": 0,") && text.contains("\"arena_allocs\": 0,"), "{text}");
        processes += 1;
    }
    assert!(processes > 1000, "{processes} processes reported");
    fs::remove_dir_all(dir).expect("a directory of ours");
    // A background thread would be a clone with CLONE_THREAD.
    let file = StatsFile::new("strace");
    let script = "ls / >/dev/null; cat /dev/null; sed p /dev/null";
    let traced = Run::new("strace").args(["-f", "-e", "trace=clone,clone3", "-o", file.path(), "-E"]);
    let traced = traced.arg(format!("LD_PRELOAD={}", library().display())).args(["sh", "-c", script]);
    traced.finish().expect_success();
    let trace = fs::read_to_string(file.path()).expect("strace wrote it");
    assert!(trace.contains("exited with 0") && !trace.contains("CLONE_THREAD"), "{trace}");
}
