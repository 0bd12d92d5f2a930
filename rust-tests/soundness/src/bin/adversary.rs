//! The programs of `soundness::adversary`, one of which its first argument names.
#![forbid(unsafe_code)]

fn main() {
    soundness::adversary::main();
}
