//! The corpus, replayed with any toolchain against the library as users build it (`ZKALLOC_LIB`, else
//! `target/release/libzkalloc.so`), in each of the fuzzer's settings and in mode off; and against the broken build, which must fail.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// As in scripts/fuzz, and mode off.
const SETTINGS: [&[(&str, &str)]; 6] = [
    &[],
    &[("ZK_FUZZ_PHASES", "0")],
    &[("ZK_ALLOC_MODE", "phase"), ("ZK_ALLOC_MIN_BYTES", "0")],
    &[("ZK_FUZZ_PHASES", "0"), ("ZK_ALLOC_BACKGROUND", "0"), ("ZK_ALLOC_DECAY_MS", "1"), ("ZK_ALLOC_MIN_BYTES", "0")],
    &[("ZK_ALLOC_SLAB_GB", "1"), ("ZK_ALLOC_RETAIN_MB", "0"), ("ZK_ALLOC_THP", "always")],
    &[("ZK_ALLOC_MODE", "off")],
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/c_api")
}

fn replay(library: Option<PathBuf>, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"ZK_") {
            command.env_remove(name);
        }
    }
    if let Some(library) = library {
        command.env("ZKALLOC_LIB", library);
    }
    command.envs(settings.iter().copied()).arg(corpus()).output().expect("the program was built with this test")
}

#[test]
fn every_input_passes_in_every_setting() {
    let count = std::fs::read_dir(corpus()).expect("the corpus").count();
    assert!(count >= 20, "only {count} inputs");
    for settings in SETTINGS {
        let output = replay(None, settings);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{settings:?}: {}\n{errors}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{count} inputs\n"), "{settings:?}: {errors}");
    }
}

/// The negative control: `ZKALLOC_BROKEN_LIB`, else `target/broken/release/libzkalloc.so`.
#[test]
fn the_broken_build_fails() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let broken = std::env::var_os("ZKALLOC_BROKEN_LIB")
        .map_or_else(|| here.with_file_name("target/broken/release/libzkalloc.so"), PathBuf::from);
    assert!(broken.is_file(), "{}: build it first, see scripts/checks/fuzz", broken.display());
    for settings in [SETTINGS[0], SETTINGS[2], SETTINGS[4]] {
        let output = replay(Some(broken.clone()), settings);
        let errors = String::from_utf8_lossy(&output.stderr);
        // By a failed check of the interpreter's (101) or of the library's (a signal); 2 would be a usage error.
        assert_ne!(output.status.code(), Some(0), "{settings:?}: the corpus has not noticed\n{errors}");
        assert_ne!(output.status.code(), Some(2), "{settings:?}: {errors}");
    }
}
