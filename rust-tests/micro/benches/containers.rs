//! What Rust programs do with memory, on whatever allocator is preloaded: `scripts/bench rust` runs it under each.

#![forbid(unsafe_code)]

use criterion::{criterion_group, criterion_main, BatchSize, Criterion};
use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::thread;

const MIB: usize = 1 << 20;

/// Vectors of a prover's sizes: made and dropped, filled, grown element by element.
fn vectors(criterion: &mut Criterion) {
    // The first request of 1 MiB is what engages the arena of libzkalloc.
    drop(black_box(vec![1u8; 2 * MIB]));
    criterion.bench_function("vec-zeroed-16k", |bencher| bencher.iter(|| black_box(vec![0u8; 16 << 10])));
    criterion.bench_function("vec-zeroed-64m", |bencher| bencher.iter(|| black_box(vec![0u8; 64 * MIB])));
    criterion.bench_function("vec-filled-256k", |bencher| bencher.iter(|| black_box(vec![1u8; 256 << 10])));
    criterion.bench_function("vec-filled-16m", |bencher| bencher.iter(|| black_box(vec![1u8; 16 * MIB])));
    criterion.bench_function("vec-pushed-8m", |bencher| {
        bencher.iter(|| {
            let mut values = Vec::new();
            for value in 0..MIB as u64 {
                values.push(black_box(value));
            }
            values
        });
    });
}

/// A matrix of rows that are vectors of their own, as many provers build them: many medium blocks, dropped together.
fn rows(criterion: &mut Criterion) {
    criterion.bench_function("rows-512-of-32k", |bencher| {
        bencher.iter(|| black_box((0..512).map(|row| vec![row as u32; 8 << 10]).collect::<Vec<_>>()));
    });
    criterion.bench_function("rows-dropped-512-of-32k", |bencher| {
        bencher.iter_batched(
            || (0..512).map(|row| vec![row as u32; 8 << 10]).collect::<Vec<_>>(),
            drop,
            BatchSize::PerIteration,
        );
    });
}

/// One thread makes vectors, another drops them.
fn handed_over(criterion: &mut Criterion) {
    criterion.bench_function("handed-over-256-of-128k", |bencher| {
        bencher.iter(|| {
            let (sender, receiver) = sync_channel::<Vec<u8>>(16);
            let consumer = thread::spawn(move || receiver.into_iter().map(|block| block.len()).sum::<usize>());
            for _ in 0..256 {
                sender.send(vec![1u8; 128 << 10]).expect("the consumer takes all");
            }
            drop(sender);
            consumer.join().expect("the consumer counts to the end")
        });
    });
}

criterion_group!(benches, vectors, rows, handed_over);
criterion_main!(benches);
