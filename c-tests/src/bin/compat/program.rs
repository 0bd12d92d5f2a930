//! The programs. What each does is in `c-tests/compat/NAME.sh`.
#![forbid(unsafe_code)]

/// When a program's processes use the arena, which the statistics must show. The library is loaded in any case.
#[derive(Clone, Copy)]
pub enum Use {
    /// At the default threshold: one of them asks for 1 MiB at once by itself.
    AtDefault,
    /// Only when the arena is made for them.
    AtZero,
    /// The executable brings an allocator of its own.
    Never,
}

pub struct Program {
    pub name: &'static str,
    /// Debian packages.
    pub packages: &'static [&'static str],
    /// What must be there to run it: commands, or paths.
    pub needs: &'static [&'static str],
    /// What its equal results show, in a few words.
    pub checks: &'static str,
    /// When its processes use the arena.
    pub arena: Use,
    /// Large: may be missing.
    pub optional: bool,
}

pub const PROGRAMS: &[Program] = &[
    Program {
        name: "python",
        packages: &["python3", "libpython3.11-testsuite"],
        needs: &["/usr/bin/python3", "/usr/lib/python3.11/test/test_json"],
        checks: "its own test suite: json, pickle, threading, subprocess, mmap, ctypes and more; PYTHONMALLOC=malloc",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "sqlite",
        packages: &["sqlite3"],
        needs: &["sqlite3"],
        checks: "520 transactions and savepoints, FTS5, vacuum, integrity_check, digest of the dump, two writers",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "postgres",
        packages: &["postgresql", "postgresql-contrib"],
        needs: &["/usr/lib/postgresql/*/bin/postgres", "/usr/lib/postgresql/*/bin/pgbench"],
        checks: "initdb, pgbench (books balance), sorts, parallel and compiled queries, dump, recovery from a crash",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "redis",
        packages: &["redis-server", "redis-tools"],
        needs: &["redis-server", "redis-benchmark"],
        checks: "benchmark, digest of 200,000 commands, forked saves, reload, restart; over jemalloc",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "nginx",
        packages: &["nginx-light", "apache2-utils", "curl", "procps"],
        needs: &["/usr/sbin/nginx", "ab", "curl", "pgrep"],
        checks: "ab: 31,508 requests, none failed; files, gzip, proxy, cache by digest; reload under load",
        arena: Use::AtZero,
        optional: false,
    },
    Program {
        name: "node",
        packages: &["nodejs"],
        needs: &["node"],
        checks: "zlib, brotli, crypto, JSON, workers, children, HTTP, WebAssembly: digests",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "git",
        packages: &["git"],
        needs: &["git"],
        checks: "1,500 commits: fast-import, gc --aggressive, fsck --strict, repack, clone, blame, merge, bundle",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "gcc",
        packages: &["gcc", "g++"],
        needs: &["gcc", "g++"],
        checks: "C, C++ templates, parallel LTO: objects equal to the byte, and what they print",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "rust",
        packages: &["gcc"],
        needs: &["rustc", "cargo", "cc"],
        checks: "50 crates with macros and build scripts, LTO: artefacts equal to the byte",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "ffmpeg",
        packages: &["ffmpeg"],
        needs: &["ffmpeg"],
        checks: "five video codecs, FLAC, filters, 4 threads: digests of files and frames",
        arena: Use::AtDefault,
        optional: true,
    },
    Program {
        name: "imagemagick",
        packages: &["imagemagick"],
        needs: &["convert", "identify", "montage", "compare"],
        checks: "16 operations and formats, 4 threads: signatures of pixels",
        arena: Use::AtDefault,
        optional: false,
    },
    Program {
        name: "libreoffice",
        packages: &["libreoffice-writer-nogui", "libreoffice-calc-nogui"],
        needs: &["/usr/lib/libreoffice/program/soffice.bin"],
        checks: "csv-xlsx-ods-csv and html-odt-docx-txt round trips, pages of two PDFs",
        arena: Use::AtDefault,
        optional: true,
    },
    Program {
        name: "chromium",
        packages: &["chromium-headless-shell"],
        needs: &["/usr/lib/chromium/chromium-headless-shell"],
        checks: "a page with scripts, canvas, 20,000 nodes, workers: the document that results",
        arena: Use::Never,
        optional: true,
    },
];

impl Program {
    /// What it needs and is not there.
    pub fn missing(&self) -> Option<&'static str> {
        self.needs.iter().copied().find(|need| !is_there(need))
    }
}

fn is_there(need: &str) -> bool {
    if need.contains('/') {
        return matches(need);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(need).is_file())
}

/// Whether a file matches a path in which one component may hold an asterisk.
fn matches(pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return std::path::Path::new(pattern).exists() };
    let (dir, prefix) = before.rsplit_once('/').expect("an absolute path");
    let rest = after.trim_start_matches('/');
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with(prefix) && entry.path().join(rest).exists())
}
