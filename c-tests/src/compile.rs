//! Compiles the programs of `programs/` with the compiler that the `cc` crate finds (`CC`, `CXX` are honoured).

use crate::library::{repository, scratch_dir};
use crate::process::Run;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const COMPILE_TIMEOUT: Duration = Duration::from_secs(120);

/// Flags of every program. `-fno-builtin` keeps the compiler from removing a malloc whose block is only freed.
const FLAGS: [&str; 8] =
    ["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-builtin", "-D_GNU_SOURCE", "-fno-omit-frame-pointer"];

/// A program to compile: one source of `programs/`.
pub struct Build {
    source: &'static str,
    flags: Vec<&'static str>,
}

impl Build {
    /// `source` (.c or .cpp) with the common flags and, for C, C11.
    pub fn new(source: &'static str) -> Self {
        let standard = if is_cpp(source) { "-std=c++17" } else { "-std=gnu11" };
        let mut flags = FLAGS.to_vec();
        flags.extend([standard, "-pthread"]);
        Self { source, flags }
    }

    /// `source` (.c) as a shared object, to be preloaded next to the library.
    pub fn shared(source: &'static str) -> Self {
        let mut build = Self::new(source);
        build.flags.extend(["-shared", "-fPIC"]);
        build
    }

    /// `source` with exactly these flags.
    pub fn with_flags(source: &'static str, flags: &[&'static str]) -> Self {
        Self { source, flags: flags.to_vec() }
    }

    /// The program's path. Compiled once per test process.
    pub fn program(&self) -> PathBuf {
        static DONE: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
        // A test that panicked while compiling leaves the map as it was.
        let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.file_name();
        if let Some(path) = done.as_ref().and_then(|map| map.get(&key)) {
            return path.clone();
        }
        let path = self.compile(&key);
        done.get_or_insert_default().insert(key, path.clone());
        path
    }

    /// Runs the program without the library.
    pub fn plain(&self) -> Run {
        Run::program(self.program()).env("ZK_TEST_PRELOAD", "0")
    }

    /// Runs the program under the library. The program itself checks that it is (`programs/check.h`).
    pub fn preloaded(&self) -> Run {
        Run::program(self.program()).preload().env("ZK_TEST_PRELOAD", "1")
    }

    fn compile(&self, name: &str) -> PathBuf {
        let programs = repository().join("c-tests/programs");
        let output = scratch_dir().join(name);
        // Another test process may be running the old file: a rename replaces it, a write in place would fail.
        let fresh = scratch_dir().join(format!("{name}.{}", std::process::id()));
        Run::from_command(compiler(is_cpp(self.source)))
            .args(self.flags.iter())
            .arg(format!("-I{}", repository().join("include").display()))
            .arg(programs.join(self.source))
            .arg("-o")
            .arg(&fresh)
            .timeout(COMPILE_TIMEOUT)
            .finish()
            .expect_quiet_success();
        std::fs::rename(&fresh, &output).unwrap_or_else(|error| panic!("{}: {error}", output.display()));
        output
    }

    /// The source's name and whatever flags differ from the usual ones, as a file name.
    fn file_name(&self) -> String {
        let usual = Self::new(self.source);
        let mut name = self.source.replace('.', "_");
        for flag in self.flags.iter().filter(|flag| !usual.flags.contains(flag)) {
            name.push_str(&flag.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        }
        name
    }
}

fn is_cpp(source: &str) -> bool {
    source.ends_with(".cpp")
}

/// The C or C++ compiler, without any flags.
fn compiler(cpp: bool) -> std::process::Command {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cc::Build::new()
        .cargo_metadata(false)
        .cpp(cpp)
        .target(&target)
        .host(&target)
        .opt_level(1)
        .no_default_flags(true)
        .try_get_compiler()
        .unwrap_or_else(|error| panic!("no C/C++ compiler (Debian packages gcc and g++): {error}"))
        .to_command()
}
