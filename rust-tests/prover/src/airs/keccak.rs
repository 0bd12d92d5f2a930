//! Keccak-f, 24 rows per permutation. Its trace is one zeroed block (`calloc`).

use super::stark::{config, Config, LOG_BLOWUP};
use super::Statement;
use p3_keccak_air::{generate_trace_rows, KeccakAir, NUM_ROUNDS};
use p3_koala_bear::KoalaBear;
use p3_uni_stark::{prove, verify, Proof};

pub struct Keccak;

impl Keccak {
    /// Proves the permutations of these inputs, which say what is proven, and so change the proof.
    pub fn prove_permutations(inputs: Vec<[u64; 25]>) -> Result<Proof<Config<KoalaBear>>, String> {
        let trace = generate_trace_rows(inputs, LOG_BLOWUP);
        prove(&config(), &KeccakAir {}, trace, &[]).map_err(|error| error.to_string())
    }
}

impl Statement for Keccak {
    type Proof = Proof<Config<KoalaBear>>;

    fn prove(rows_log2: u32) -> Result<Self::Proof, String> {
        let permutations = (1 << rows_log2) / NUM_ROUNDS;
        let trace = KeccakAir {}.generate_random_trace_rows(permutations, LOG_BLOWUP);
        prove(&config(), &KeccakAir {}, trace, &[]).map_err(|error| error.to_string())
    }

    fn verify(proof: &Self::Proof) -> Result<(), String> {
        verify(&config(), &KeccakAir {}, proof, &[]).map_err(|error| error.to_string())
    }
}
