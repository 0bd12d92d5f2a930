//! Generates a table for the program.
use std::fmt::Write;

fn main() {
    let mut table = String::from("pub const TABLE: &[u64] = &[");
    for number in 0u64..20_000 {
        write!(table, "{},", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).expect("a String takes all");
    }
    table.push_str("];");
    let path = std::path::Path::new(&std::env::var("OUT_DIR").expect("set by cargo")).join("table.rs");
    std::fs::write(path, table).expect("OUT_DIR is writable");
}
