//! A thousand proofs of one statement, all the same, while another thread churns the arena and writes to its own blocks
//! all the time: whatever it writes to of the prover's would change a proof, or not verify.
#![forbid(unsafe_code)]

use crate::pattern::{How, Patterned};
use crate::program::{corruption, require};
use crate::random::Random;
use crate::survivor::{note_where, Block};
use crate::work::{phase, Pace, STEPS, THREADS};
use prover::airs::{Poseidon2KoalaBear, Statement};
use prover::digest;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const ROWS_LOG2: u32 = 8;
/// The churning thread's blocks: the sizes that a proof asks for, and some beyond.
const CHURN_BYTES: (usize, usize) = (1024, 8 << 20);
const CHURN_BLOCKS: usize = 48;
/// Proofs made in the last phases that are still held.
const KEPT: usize = 4;

static WRITTEN: AtomicU64 = AtomicU64::new(0);

pub fn run(pace: Pace) -> String {
    let over = AtomicBool::new(false);
    let first = thread::scope(|scope| {
        THREADS.add(1);
        scope.spawn(|| churn(pace.seed, &over));
        let first = prove_all(pace);
        // Relaxed: a flag.
        over.store(true, Ordering::Relaxed);
        first
    });
    format!("{} MiB written beside them, digest {first}", WRITTEN.load(Ordering::Relaxed) >> 20)
}

fn prove_all(pace: Pace) -> String {
    let mut held = Vec::with_capacity(KEPT);
    let mut first: Option<String> = None;
    for number in 0.. {
        if !pace.goes_on() {
            break;
        }
        let made = phase(|| Poseidon2KoalaBear::prove(ROWS_LOG2).map(|proof| (proof, Block::new(96 << 10))));
        let (proof, companion) = made.unwrap_or_else(|error| corruption(format_args!("no proof: {error}")));
        note_where(companion.as_ptr());
        // The very first one is the measure. Whoever compares it with a run without the library finds it out.
        let digest = first.get_or_insert_with(|| digest_of(&proof));
        let verify = |proof: &_, companion: &Block| {
            companion.check("a block made with a proof");
            if let Err(error) = Poseidon2KoalaBear::verify(proof) {
                corruption(format_args!("a proof does not verify: {error}"));
            }
            require(digest_of(proof) == *digest, "a proof verifies and is not the one that was proven first");
        };
        verify(&proof, &companion);
        if held.len() == KEPT {
            let (proof, companion) = held.swap_remove(number % KEPT);
            verify(&proof, &companion);
        }
        held.push((proof, companion));
        STEPS.add(1);
    }
    first.unwrap_or_default()
}

fn digest_of(proof: &<Poseidon2KoalaBear as Statement>::Proof) -> String {
    digest::of(proof).unwrap_or_else(|error| corruption(format_args!("{error}"))).sha256
}

/// Allocates, writes, checks and frees, inside the prover's phases and between them.
fn churn(seed: u64, over: &AtomicBool) {
    let mut random = Random::new(seed);
    let mut blocks: Vec<Patterned> = Vec::with_capacity(CHURN_BLOCKS + 1);
    let (least, most) = CHURN_BYTES;
    while !over.load(Ordering::Relaxed) {
        let block = Patterned::new(How::random(&mut random), random.size(least, most));
        WRITTEN.fetch_add(block.bytes() as u64, Ordering::Relaxed);
        blocks.push(block);
        for _ in 0..4 {
            let at = random.below(blocks.len());
            let block = &mut blocks[at];
            block.check("a block of the churning thread");
            block.fill_anew();
            WRITTEN.fetch_add(block.bytes() as u64, Ordering::Relaxed);
        }
        if blocks.len() > CHURN_BLOCKS || random.once_in(3) {
            random.take(&mut blocks).into_iter().for_each(|block| block.check("a block of the churning thread"));
        }
    }
}
