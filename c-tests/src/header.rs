//! Generates `include/zkalloc.h` from the C API's Rust source with cbindgen.

use crate::library::repository;
use std::path::PathBuf;

/// The committed header.
pub fn header_path() -> PathBuf {
    repository().join("include/zkalloc.h")
}

/// What the committed header says.
pub fn committed_header() -> String {
    let path = header_path();
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the header should say: `src/capi/zkalloc.rs` through `cbindgen.toml`.
///
/// # Panics
/// When either does not parse.
pub fn generate_header() -> String {
    let root = repository();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))
        .unwrap_or_else(|error| panic!("cbindgen.toml: {error}"));
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/capi/zkalloc.rs"))
        .generate()
        .unwrap_or_else(|error| panic!("src/capi/zkalloc.rs: {error}"));
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).expect("cbindgen writes UTF-8");
    // A heading of Rust's documentation; a C programmer reads a sentence.
    text.replace("# Safety\n", "The caller guarantees:\n")
}
