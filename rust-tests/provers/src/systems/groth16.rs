//! Groth16 of arkworks over BN254: a chain of products, one constraint each. What it computes is multi-scalar
//! multiplications over keys that are there already, and a few transforms.

use ark_bn254::{Bn254, Fr};
use ark_groth16::{prepare_verifying_key, Groth16 as Scheme, PreparedVerifyingKey, Proof, ProvingKey};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use ark_relations::lc;
use ark_serialize::CanonicalSerialize;
use ark_snark::SNARK;
use prover::system::System;
use rand_08::rngs::StdRng;
use rand_08::SeedableRng;

/// The public input and the constant 1 take two places of the domain.
const INSTANCE: usize = 2;

pub struct Groth16 {
    chain: Chain,
    key: ProvingKey<Bn254>,
    verifying_key: PreparedVerifyingKey<Bn254>,
}

/// x, x (x + 5), ...: public is the end.
#[derive(Clone, Copy)]
struct Chain {
    links: usize,
}

impl Chain {
    fn start() -> Fr {
        Fr::from(3u64)
    }

    fn next(value: Fr) -> Fr {
        value * (value + Fr::from(5u64))
    }

    fn end(self) -> Fr {
        (0..self.links).fold(Self::start(), |value, _| Self::next(value))
    }
}

impl ConstraintSynthesizer<Fr> for Chain {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let end = system.new_input_variable(|| Ok(self.end()))?;
        let mut value = Self::start();
        let mut variable = system.new_witness_variable(|| Ok(value))?;
        for link in 1..=self.links {
            let factor = variable;
            value = Self::next(value);
            variable = if link == self.links { end } else { system.new_witness_variable(|| Ok(value))? };
            system.enforce_r1cs_constraint(
                || lc!() + factor,
                || lc!() + factor + (Fr::from(5u64), ark_relations::gr1cs::Variable::One),
                || lc!() + variable,
            )?;
        }
        Ok(())
    }
}

impl System for Groth16 {
    type Proof = Proof<Bn254>;

    /// Keys from a seed, which a key that must be trusted never comes from.
    fn prepare(rows_log2: u32) -> Result<Self, String> {
        let chain = Chain { links: (1 << rows_log2) - INSTANCE };
        let mut random = StdRng::seed_from_u64(1);
        let (key, verifying_key) =
            Scheme::<Bn254>::circuit_specific_setup(chain, &mut random).map_err(|error| error.to_string())?;
        Ok(Self { chain, key, verifying_key: prepare_verifying_key(&verifying_key) })
    }

    fn prove(&self) -> Result<Self::Proof, String> {
        let mut random = StdRng::seed_from_u64(2);
        Scheme::<Bn254>::prove(&self.key, self.chain, &mut random).map_err(|error| error.to_string())
    }

    fn verify(&self, proof: &Self::Proof) -> Result<(), String> {
        match Scheme::<Bn254>::verify_with_processed_vk(&self.verifying_key, &[self.chain.end()], proof) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the pairings do not match".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn serialize(&self, proof: &Self::Proof) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        proof.serialize_compressed(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}
