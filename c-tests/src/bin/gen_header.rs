//! `cargo run -p c-tests --bin gen-header`: writes `include/zkalloc.h`.

fn main() -> std::io::Result<()> {
    let path = c_tests::header_path();
    std::fs::write(&path, c_tests::generate_header())?;
    println!("{}", path.display());
    Ok(())
}
