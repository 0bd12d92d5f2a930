//! Preloaded together with others: allocators, a tracer, hooks on what the library calls, an auditor. Before and behind.

use c_tests::{library, temporary_dir, Build, Run};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);

fn installed(path: impl Into<PathBuf>, package: &str) -> PathBuf {
    let path = path.into();
    assert!(path.is_file(), "{} is missing (Debian package {package}); scripts/test installs it", path.display());
    path
}

/// A library of a Debian package.
fn of_debian(file: &str, package: &str) -> PathBuf {
    installed(format!("/usr/lib/{}-linux-gnu/{file}", std::env::consts::ARCH), package)
}

fn chain() -> Build {
    Build::new("chain.c")
}

fn preload(run: Run, libraries: &[&Path]) -> Run {
    let list: Vec<String> = libraries.iter().map(|library| library.display().to_string()).collect();
    run.env("LD_PRELOAD", list.join(":")).timeout(TIMEOUT)
}

/// Both orders, each at three thresholds. Behind us, the arena serves; in front of us it need not.
fn both_orders(other: &Path) {
    for min_bytes in ["4096", "0", "1048576"] {
        let run = || chain().preloaded().arg("fork").env("ZK_ALLOC_MIN_BYTES", min_bytes);
        let behind = preload(run().env("ZK_TEST_ARENA", "used"), &[&library(), other]);
        behind.finish().expect_quiet_success();
        preload(run(), &[other, &library()]).finish().expect_quiet_success();
    }
}

/// An allocator works alone, and with us on either side.
fn allocator(file: &str, package: &str) {
    let other = of_debian(file, package);
    preload(chain().plain(), &[&other]).finish().expect_quiet_success();
    both_orders(&other);
}

#[test]
fn jemalloc() {
    allocator("libjemalloc.so.2", "libjemalloc2");
}

#[test]
fn mimalloc() {
    allocator("libmimalloc.so.2", "libmimalloc2.0");
}

#[test]
fn tcmalloc() {
    allocator("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4");
}

/// glibc's own checker. In front of the library it does not get every block back: `dlsym` hides what it defines.
#[test]
fn libc_malloc_debug() {
    let other = of_debian("libc_malloc_debug.so.0", "libc6");
    for (tunables, first, second) in [("3", &library(), &other), ("0", &library(), &other), ("0", &other, &library())] {
        let run = chain().preloaded().arg("fork").env("GLIBC_TUNABLES", format!("glibc.malloc.check={tunables}"));
        preload(run, &[first, second]).finish().expect_quiet_success();
    }
}

/// They hook what programs ask of files, and look their own functions up meanwhile.
#[test]
fn fakeroot_and_eatmydata() {
    for (file, package) in [("libfakeroot/libfakeroot-sysv.so", "libfakeroot"), ("libeatmydata.so", "libeatmydata1")] {
        both_orders(&of_debian(file, package));
    }
}

/// A clock that allocates and goes back, as libfaketime's may.
#[test]
fn a_bad_clock() {
    both_orders(&Build::shared("shim_clock.c").program());
}

/// An allocator that lacks functions which the library has.
#[test]
fn an_allocator_without_reallocarray() {
    both_orders(&Build::shared("shim_allocator.c").program());
}

/// Linked in and preloaded, from two places: two arenas, one behind the other.
#[test]
fn the_library_twice() {
    let dir = temporary_dir("twice");
    let copy = dir.join("libzkalloc.so");
    std::fs::copy(library(), &copy).expect("a directory of ours");
    both_orders(&copy);
    std::fs::remove_dir_all(dir).expect("a directory of ours");
}

/// Without forks: a lock of its own may be held by its timer's thread then, with plain libc as well.
#[test]
fn heaptrack() {
    let other = installed("/usr/lib/heaptrack/libheaptrack_preload.so", "heaptrack");
    for order in [[&library(), &other], [&other, &library()]] {
        let run = chain().preloaded().env("DUMP_HEAPTRACK_OUTPUT", "/dev/null");
        preload(run, &[order[0], order[1]]).finish().expect_success();
    }
}

#[test]
fn hooks_that_allocate() {
    let hooks = Build::shared("shim_hooks.c").program();
    preload(chain().plain(), &[&hooks]).finish().expect_quiet_success();
    both_orders(&hooks);
}

#[test]
fn an_auditor() {
    let auditor = Build::shared("shim_audit.c").program();
    chain().plain().arg("fork").env("LD_AUDIT", &auditor).timeout(TIMEOUT).finish().expect_quiet_success();
    for min_bytes in ["4096", "0"] {
        let run = chain().preloaded().arg("fork").env("LD_AUDIT", &auditor).env("ZK_ALLOC_MIN_BYTES", min_bytes);
        run.env("ZK_TEST_ARENA", "used").timeout(TIMEOUT).finish().expect_quiet_success();
    }
}
