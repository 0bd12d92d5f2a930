//! A chain of proofs: each is returned from the phase that it was made in, verified, and is the input of the next one,
//! in the next phase. Older links are kept, and must verify as they did.
#![forbid(unsafe_code)]

use crate::program::{corruption, require};
use crate::survivor::{note_where, Block};
use crate::work::{phase, Pace, STEPS};
use prover::airs::{Keccak, Statement};
use prover::digest;
use std::collections::VecDeque;

const PERMUTATIONS: usize = 10;
/// The link whose digest is told, the same however long the chain is, and so its least length.
const TOLD: u64 = 20;
/// Links that are kept after the next one was made.
const KEPT: usize = 6;

/// A proof, and everything that was made with it in the same phase.
struct Link {
    proof: <Keccak as Statement>::Proof,
    /// The serialized proof: the next one's input.
    bytes: Vec<u8>,
    digest: String,
    /// Beside the proof, of the size of its largest parts.
    companion: Block,
}

pub fn run(pace: Pace) -> String {
    let mut kept: VecDeque<Link> = VecDeque::with_capacity(KEPT + 2);
    let mut input = Vec::new();
    let mut told = String::new();
    while pace.goes_on() || STEPS.get() < TOLD {
        let link = phase(|| {
            kept.back().into_iter().for_each(|link| link.check("in the next phase"));
            prove(&input)
        });
        link.check("after its phase");
        input.clone_from(&link.bytes);
        if STEPS.get() < TOLD {
            told.clone_from(&link.digest);
        }
        kept.push_back(link);
        if kept.len() > KEPT {
            kept.pop_front().into_iter().for_each(|link| link.check("many phases later"));
        }
        STEPS.add(1);
    }
    format!("digest {told}")
}

fn prove(input: &[u8]) -> Link {
    let proof = Keccak::prove_permutations(absorb(input)).unwrap_or_else(|error| cannot_prove(&error));
    // What grew from a small block is the system's: the copy is asked for in one piece.
    let serialized = digest::serialize(&proof).unwrap_or_else(|error| cannot_prove(&error));
    let bytes = serialized.clone();
    let digest = digest::sha256(&bytes);
    note_where(bytes.as_ptr());
    Link { proof, bytes, digest, companion: Block::new(1 << 20) }
}

fn cannot_prove(error: &str) -> ! {
    corruption(format_args!("a proof cannot be made: {error}"));
}

/// Every byte counts: one that changed gives other proofs from here on.
fn absorb(input: &[u8]) -> Vec<[u64; 25]> {
    let mut states = vec![[1u64; 25]; PERMUTATIONS];
    for (index, chunk) in input.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let lane = &mut states[index / 25 % PERMUTATIONS][index % 25];
        *lane = lane.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from_le_bytes(word);
    }
    states
}

impl Link {
    fn check(&self, when: &str) {
        self.companion.check(when);
        require(digest::sha256(&self.bytes) == self.digest, "a serialized proof has changed");
        if let Err(error) = Keccak::verify(&self.proof) {
            corruption(format_args!("a proof does not verify {when}: {error}"));
        }
        let again = digest::of(&self.proof).map(|fingerprint| fingerprint.sha256);
        require(again.as_ref() == Ok(&self.digest), "a proof has changed");
    }
}

#[cfg(test)]
mod tests {
    use super::absorb;

    #[test]
    fn every_byte_of_the_input_counts() {
        let input: Vec<u8> = (0..5003).map(|index| (index % 251) as u8).collect();
        let states = absorb(&input);
        for at in (0..input.len()).step_by(97).chain([5002]) {
            let mut other = input.clone();
            other[at] ^= 1;
            assert_ne!(absorb(&other), states, "{at}");
        }
    }
}
