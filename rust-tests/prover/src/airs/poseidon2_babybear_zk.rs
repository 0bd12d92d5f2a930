//! Poseidon2 over BabyBear, with the published constants, under the hiding commitment scheme: random rows and columns
//! make its extension eight times as high as the trace.

use super::stark::{hiding_config, HidingConfig, LOG_BLOWUP_HIDING};
use super::{Statement, PERMUTATIONS_PER_ROW};
use p3_baby_bear::{
    BabyBear, GenericPoseidon2LinearLayersBabyBear, BABYBEAR_POSEIDON2_HALF_FULL_ROUNDS,
    BABYBEAR_POSEIDON2_PARTIAL_ROUNDS_16, BABYBEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    BABYBEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL, BABYBEAR_POSEIDON2_RC_16_INTERNAL, BABYBEAR_S_BOX_DEGREE,
};
use p3_poseidon2_air::{RoundConstants, VectorizedPoseidon2Air};
use p3_uni_stark::{prove, verify, Proof};

const WIDTH: usize = 16;
/// One register per S-box keeps the degree of the constraints at 3.
const SBOX_REGISTERS: usize = 1;

type Air = VectorizedPoseidon2Air<
    BabyBear,
    GenericPoseidon2LinearLayersBabyBear,
    WIDTH,
    BABYBEAR_S_BOX_DEGREE,
    SBOX_REGISTERS,
    BABYBEAR_POSEIDON2_HALF_FULL_ROUNDS,
    BABYBEAR_POSEIDON2_PARTIAL_ROUNDS_16,
    PERMUTATIONS_PER_ROW,
>;

pub struct Poseidon2BabyBearZk;

impl Statement for Poseidon2BabyBearZk {
    type Proof = Proof<HidingConfig<BabyBear>>;

    fn prove(rows_log2: u32) -> Result<Self::Proof, String> {
        let air = air();
        let trace = air.generate_vectorized_trace_rows(PERMUTATIONS_PER_ROW << rows_log2, LOG_BLOWUP_HIDING);
        prove(&hiding_config(), &air, trace, &[]).map_err(|error| error.to_string())
    }

    fn verify(proof: &Self::Proof) -> Result<(), String> {
        verify(&hiding_config(), &air(), proof, &[]).map_err(|error| error.to_string())
    }
}

fn air() -> Air {
    Air::new(RoundConstants::new(
        BABYBEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
        BABYBEAR_POSEIDON2_RC_16_INTERNAL,
        BABYBEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    ))
}
