# rustc and cargo: this repository's test runner with its fifty dependencies, procedural macros and build scripts.
# rustc brings jemalloc in its own executable, so the library is in the process and is left out: nothing may break.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { rustc --version | cut -d' ' -f2; }

run() {
    export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
    local options=(--quiet --offline --locked --manifest-path "$REPOSITORY/Cargo.toml" --target-dir "$PWD/target")
    tracked cargo build --package c-tests --lib --bin gen-header "${options[@]}"
    sha256sum target/debug/gen-header target/debug/deps/*.rlib | sed "s,$PWD/,,"
    tracked cargo build --release --package zkalloc "${options[@]}"
    sha256sum target/release/libzkalloc.so | cut -d' ' -f1
    echo 'fn main() { let x: u8 = "text"; }' >wrong.rs
    rustc wrong.rs 2>&1 && die "wrong.rs compiled"
    return 0
}

"$@"
