# Build a crate with a build script, run its test and its program, then fail on an error.
set -e
export CARGO_TARGET_DIR=$PWD/target CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
cp -r "$CRATE" crate
mv crate/Cargo.toml.in crate/Cargo.toml
cd crate
cargo build --quiet --offline
cargo run --quiet --offline
sha256sum "$CARGO_TARGET_DIR/debug/workload"
cargo test --quiet --offline >/dev/null
echo 'fn broken() -> u8 { "text" }' >>src/main.rs
cargo build --quiet --offline
