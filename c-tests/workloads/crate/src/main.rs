//! Sums what the build script made.
include!(concat!(env!("OUT_DIR"), "/table.rs"));

fn sum(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |sum, number| sum.wrapping_add(*number))
}

fn main() {
    let many: Vec<u64> = TABLE.iter().cycle().take(1 << 20).copied().collect();
    println!("{} {}", many.len(), sum(&many));
}

#[test]
fn sums() {
    assert_eq!(sum(&[1, 2, u64::MAX]), 2);
}
