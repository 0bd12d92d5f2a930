//! Poseidon over BabyBear, with the published constants.

use super::stark::{config, Config, LOG_BLOWUP};
use super::{Statement, PERMUTATIONS_PER_ROW};
use p3_baby_bear::{
    BabyBear, MDSBabyBearData, BABYBEAR_POSEIDON1_HALF_FULL_ROUNDS, BABYBEAR_POSEIDON1_PARTIAL_ROUNDS_16,
    BABYBEAR_POSEIDON1_RC_16, BABYBEAR_S_BOX_DEGREE,
};
use p3_monty_31::MDSUtils;
use p3_poseidon1::Poseidon1Constants;
use p3_poseidon1_air::VectorizedPoseidon1Air;
use p3_uni_stark::{prove, verify, Proof};

const WIDTH: usize = 16;
/// One register per S-box keeps the degree of the constraints at 3.
const SBOX_REGISTERS: usize = 1;

type Air = VectorizedPoseidon1Air<
    BabyBear,
    WIDTH,
    BABYBEAR_S_BOX_DEGREE,
    SBOX_REGISTERS,
    BABYBEAR_POSEIDON1_HALF_FULL_ROUNDS,
    BABYBEAR_POSEIDON1_PARTIAL_ROUNDS_16,
    PERMUTATIONS_PER_ROW,
>;

pub struct Poseidon1BabyBear;

impl Statement for Poseidon1BabyBear {
    type Proof = Proof<Config<BabyBear>>;

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
    let (full, partial) = Poseidon1Constants {
        rounds_f: 2 * BABYBEAR_POSEIDON1_HALF_FULL_ROUNDS,
        rounds_p: BABYBEAR_POSEIDON1_PARTIAL_ROUNDS_16,
        mds_circ_col: MDSBabyBearData::MATRIX_CIRC_MDS_16_COL,
        round_constants: BABYBEAR_POSEIDON1_RC_16.to_vec(),
    }
    .to_optimized();
    Air::new(full, partial)
}
