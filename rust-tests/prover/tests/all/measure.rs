//! What a process has used, and which allocators it has loaded.

use prover::measure::{allocators_in, Moment, Resident};

#[test]
fn allocators_are_found_once_and_in_order() {
    let maps = "7f00-7f01 r-xp 0 0:1 7 /opt/a/libzkalloc.so\n7f01-7f02 r--p 0 0:1 7 /opt/a/libzkalloc.so\n\
                7f02-7f03 r-xp 0 0:1 8 /usr/lib/libjemalloc.so.2 (deleted)\n7f03-7f04 rw-p 0 0:0 0 [heap]\n\
                7f04-7f05 r-xp 0 0:1 9 /home/libzkalloc/prover\n";
    assert_eq!(allocators_in(maps), ["libzkalloc.so", "libjemalloc.so.2"]);
    assert_eq!(allocators_in("7f00-7f01 r-xp 0 0:1 7 /usr/lib/libc.so.6\n"), ["glibc"]);
}

#[test]
fn resident_memory_is_read() {
    let resident = Resident::read().unwrap();
    assert!(resident.now > 0.0 && resident.peak >= 1.0);
}

#[test]
fn cost_counts_what_happened() {
    let start = Moment::now().unwrap();
    let touched = vec![1u8; 64 << 20];
    assert_eq!(touched.iter().map(|&byte| usize::from(byte)).sum::<usize>(), 64 << 20);
    let cost = start.cost().unwrap();
    assert!(cost.wall_ms > 0.0 && cost.user_ms + cost.system_ms > 0.0 && cost.minor_faults > 0);
}
