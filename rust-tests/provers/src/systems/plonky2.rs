//! plonky2: a chain of Poseidon over Goldilocks, one permutation a row, under its standard configuration.

use plonky2::field::types::Field;
use plonky2::hash::hash_types::{HashOut, HashOutTarget};
use plonky2::hash::poseidon::PoseidonHash;
use plonky2::iop::generator::{ConstantGenerator, SimpleGenerator, WitnessGeneratorRef};
use plonky2::iop::witness::{PartialWitness, WitnessWrite};
use plonky2::plonk::circuit_builder::CircuitBuilder;
use plonky2::plonk::circuit_data::{CircuitConfig, CircuitData};
use plonky2::plonk::config::{GenericConfig, Hasher, PoseidonGoldilocksConfig};
use plonky2::plonk::proof::ProofWithPublicInputs;
use prover::system::System;

/// Degree of the extension that challenges are taken from.
const D: usize = 2;
/// Rows that are not links of the chain: public inputs and their hash, constants.
const OTHER_ROWS: usize = 16;

type Config = PoseidonGoldilocksConfig;
type F = <Config as GenericConfig<D>>::F;

pub struct Plonky2 {
    circuit: CircuitData<F, Config, D>,
    start: HashOutTarget,
    end: HashOut<F>,
}

fn start() -> HashOut<F> {
    HashOut { elements: [1, 2, 3, 4].map(F::from_canonical_u64) }
}

impl System for Plonky2 {
    type Proof = ProofWithPublicInputs<F, Config, D>;

    fn prepare(rows_log2: u32) -> Result<Self, String> {
        let links = (1 << rows_log2) - OTHER_ROWS;
        let mut builder = CircuitBuilder::new(without_grinding(CircuitConfig::standard_recursion_config()));
        let start_target = builder.add_virtual_hash();
        let end_target = (0..links)
            .fold(start_target, |link, _| builder.hash_n_to_hash_no_pad::<PoseidonHash>(link.elements.to_vec()));
        builder.register_public_inputs(&end_target.elements);
        let mut circuit = builder.build::<Config>();
        let built = circuit.common.degree_bits();
        if built != rows_log2 as usize {
            return Err(format!("the circuit has 2^{built} rows"));
        }
        without_random_wires(&mut circuit);
        let end = (0..links).fold(start(), |link, _| PoseidonHash::hash_no_pad(&link.elements));
        Ok(Self { circuit, start: start_target, end })
    }

    fn prove(&self) -> Result<Self::Proof, String> {
        let mut witness = PartialWitness::new();
        witness.set_hash_target(self.start, start()).map_err(|error| error.to_string())?;
        self.circuit.prove(witness).map_err(|error| error.to_string())
    }

    fn verify(&self, proof: &Self::Proof) -> Result<(), String> {
        if proof.public_inputs != self.end.elements {
            return Err("it proves another end of the chain".to_owned());
        }
        self.circuit.verify(proof.clone()).map_err(|error| error.to_string())
    }

    /// Without the openings and the proof of work that says where they are. Everything that was committed to is left.
    fn serialize(&self, proof: &Self::Proof) -> Result<Vec<u8>, String> {
        let mut before_openings = proof.clone();
        let fri = &mut before_openings.proof.opening_proof;
        fri.query_round_proofs.clear();
        fri.pow_witness = F::ZERO;
        Ok(before_openings.to_bytes())
    }
}

/// The proof of work takes a random time, and allocates nothing. More queries make up for the bits it was to give.
fn without_grinding(mut config: CircuitConfig) -> CircuitConfig {
    let fri = &mut config.fri_config;
    fri.num_query_rounds = config.security_bits.div_ceil(fri.rate_bits);
    fri.proof_of_work_bits = 0;
    config
}

/// The unused wires of the row of public inputs get random values that nobody can seed. They stay 0 here: another wire
/// is set to 0 instead of each, the last one of the last row, which is padding.
fn without_random_wires(circuit: &mut CircuitData<F, Config, D>) {
    let common = &circuit.common;
    let (row, wire_index) = (common.degree() - 1, common.config.num_wires - 1);
    for generator in &mut circuit.prover_only.generators {
        if generator.0.id() == "RandomValueGenerator" {
            let zero = ConstantGenerator { row, constant_index: 0, wire_index, constant: F::ZERO };
            *generator = WitnessGeneratorRef::new(zero.adapter());
        }
    }
}
