//! `include/zkalloc.h`: what cbindgen makes of the source, clean in every dialect, and its guards work with and without
//! the library.

use c_tests::{committed_header, generate_header, Build};

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

fn dialect(source: &'static str, flags: &[&'static str]) {
    let mut all = STRICT.to_vec();
    all.extend(flags);
    let build = Build::with_flags(source, &all);
    let plain = build.plain().finish().expect_quiet_success();
    assert_eq!(plain.stdout, "no library\n");
    for mode in ["auto", "phase", "off"] {
        let preloaded = build.preloaded().env("ZK_ALLOC_MODE", mode).finish().expect_quiet_success();
        let version = preloaded.stdout.trim_end();
        assert!(version.split('.').count() == 3, "{version} is no version");
    }
}

#[test]
fn c99() {
    dialect("header.c", &["-std=c99", "-O0"]);
    dialect("header.c", &["-std=c99", "-O2"]);
}

#[test]
fn c11() {
    dialect("header.c", &["-std=c11", "-O0"]);
    dialect("header.c", &["-std=c11", "-O2"]);
}

#[test]
fn cpp17() {
    dialect("header.cpp", &["-std=c++17", "-O0"]);
    dialect("header.cpp", &["-std=c++17", "-O2"]);
}

/// In a program at a fixed address a plain weak function would be settled as null when linking.
#[test]
fn at_a_fixed_address() {
    dialect("header.c", &["-std=c11", "-fno-pie", "-no-pie"]);
    dialect("header.cpp", &["-std=c++17", "-fno-pie", "-no-pie", "-O2"]);
}

/// As on macOS.
#[test]
fn looked_up_when_called() {
    dialect("header.c", &["-std=c99", "-DZK_USE_DLSYM"]);
    dialect("header.c", &["-std=c11", "-O2", "-DZK_USE_DLSYM", "-D_GNU_SOURCE"]);
    dialect("header.cpp", &["-std=c++17", "-O2", "-DZK_USE_DLSYM"]);
}

#[test]
fn the_committed_header_is_current() {
    let committed = committed_header();
    let generated = generate_header();
    let first = committed.lines().zip(generated.lines()).find(|(old, new)| old != new);
    assert!(
        committed == generated,
        "include/zkalloc.h is not what src/capi/zkalloc.rs says (first difference {first:?}); run\n    \
         cargo run -p c-tests --bin gen-header"
    );
}
