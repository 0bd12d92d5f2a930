//! Where things are: the repository, the library under test, scratch space.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("c-tests lies inside the repository").to_path_buf()
}

pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), |dir| repository().join(dir))
}

/// The library under test: `$ZKALLOC_LIB`, else `target/release/libzkalloc.so`.
///
/// # Panics
/// When there is no such file: a test that ran without the library would prove nothing.
pub fn library() -> PathBuf {
    built("ZKALLOC_LIB", "release/libzkalloc.so", "cargo build --release")
}

/// The library that can leave protections out (`src/broken.rs`): `$ZKALLOC_BROKEN_LIB`, else one in `target/broken`.
///
/// # Panics
/// When there is no such file.
pub fn broken_library() -> PathBuf {
    let command = "cargo build --release --features broken --target-dir target/broken";
    built("ZKALLOC_BROKEN_LIB", "broken/release/libzkalloc.so", command)
}

fn built(variable: &str, default: &str, command: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| target_dir().join(default), PathBuf::from);
    path.canonicalize().unwrap_or_else(|error| {
        panic!("{}: {error}\nBuild it first: `{command}`, or name another one in {variable}.", path.display())
    })
}

/// Directory for compiled programs, shared by all tests: `$ZKALLOC_SCRATCH`, which another compiler's programs need,
/// else `target/c-tests`.
pub fn scratch_dir() -> PathBuf {
    let dir = env::var_os("ZKALLOC_SCRATCH").map_or_else(|| target_dir().join("c-tests"), PathBuf::from);
    fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    dir
}

/// A new empty directory, its name made of `label`, the process and a count. Whoever asked
/// removes it when all went well; after a failure it stays for the reader.
pub fn temporary_dir(label: &str) -> PathBuf {
    // Relaxed: only uniqueness matters.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = scratch_dir().join(format!("{label}-{}-{count}", std::process::id()));
    let _absent_is_fine = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    dir
}

pub fn is_root() -> bool {
    // SAFETY: takes no arguments, always succeeds.
    unsafe { libc::geteuid() == 0 }
}
