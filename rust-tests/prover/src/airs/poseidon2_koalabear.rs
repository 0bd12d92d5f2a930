//! Poseidon2 over KoalaBear, with the published constants: the statement that most figures of this project are for. At
//! 2^17 rows its trace and the trace's extension are one block of 1.3 GiB.

use super::stark::{config, Config, LOG_BLOWUP};
use super::{Statement, PERMUTATIONS_PER_ROW};
use p3_koala_bear::{
    GenericPoseidon2LinearLayersKoalaBear, KoalaBear, KOALABEAR_POSEIDON2_HALF_FULL_ROUNDS,
    KOALABEAR_POSEIDON2_PARTIAL_ROUNDS_16, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL, KOALABEAR_POSEIDON2_RC_16_INTERNAL, KOALABEAR_S_BOX_DEGREE,
};
use p3_poseidon2_air::{RoundConstants, VectorizedPoseidon2Air};
use p3_uni_stark::{prove, verify, Proof};

const WIDTH: usize = 16;
/// The S-box is a cube: its constraint needs no register to stay at degree 3.
const SBOX_REGISTERS: usize = 0;

type Air = VectorizedPoseidon2Air<
    KoalaBear,
    GenericPoseidon2LinearLayersKoalaBear,
    WIDTH,
    KOALABEAR_S_BOX_DEGREE,
    SBOX_REGISTERS,
    KOALABEAR_POSEIDON2_HALF_FULL_ROUNDS,
    KOALABEAR_POSEIDON2_PARTIAL_ROUNDS_16,
    PERMUTATIONS_PER_ROW,
>;

pub struct Poseidon2KoalaBear;

impl Statement for Poseidon2KoalaBear {
    type Proof = Proof<Config<KoalaBear>>;

    fn prove(rows_log2: u32) -> Result<Self::Proof, String> {
        let air = air();
        let trace = air.generate_vectorized_trace_rows(PERMUTATIONS_PER_ROW << rows_log2, LOG_BLOWUP);
        prove(&config(), &air, trace, &[]).map_err(|error| error.to_string())
    }

    fn verify(proof: &Self::Proof) -> Result<(), String> {
        verify(&config(), &air(), proof, &[]).map_err(|error| error.to_string())
    }
}

fn air() -> Air {
    Air::new(RoundConstants::new(
        KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
        KOALABEAR_POSEIDON2_RC_16_INTERNAL,
        KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    ))
}
