//! Spartan as Nova has it, without preprocessing: a chain of products, one constraint each. Sum-checks, and one
//! opening by inner products over Pallas.

use nova_snark::frontend::num::AllocatedNum;
use nova_snark::frontend::r1cs::{NovaShape, NovaWitness};
use nova_snark::frontend::shape_cs::ShapeCS;
use nova_snark::frontend::solver::SatisfyingAssignment;
use nova_snark::frontend::{ConstraintSystem, SynthesisError};
use nova_snark::provider::ipa_pc::EvaluationEngine;
use nova_snark::provider::PallasEngine;
use nova_snark::r1cs::{R1CSShape, RelaxedR1CSInstance, RelaxedR1CSWitness};
use nova_snark::spartan::snark::RelaxedR1CSSNARK;
use nova_snark::traits::commitment::CommitmentEngineTrait;
use nova_snark::traits::snark::RelaxedR1CSSNARKTrait;
use nova_snark::traits::Engine;
use prover::digest;
use prover::system::System;
use rand_08::rngs::StdRng;
use rand_08::SeedableRng;

type E = PallasEngine;
type Scalar = <E as Engine>::Scalar;
type Commitments = <E as Engine>::CE;
type Commitment = <Commitments as CommitmentEngineTrait<E>>::Commitment;
type CommitmentKey = <Commitments as CommitmentEngineTrait<E>>::CommitmentKey;
type Snark = RelaxedR1CSSNARK<E, EvaluationEngine<E>>;
type ProverKey = <Snark as RelaxedR1CSSNARKTrait<E>>::ProverKey;
type VerifierKey = <Snark as RelaxedR1CSSNARKTrait<E>>::VerifierKey;

pub struct Spartan {
    links: usize,
    end: Scalar,
    shape: R1CSShape<E>,
    commitment_key: CommitmentKey,
    prover_key: ProverKey,
    verifier_key: VerifierKey,
}

/// The squares of squares of 3; public is the end, which takes a constraint too.
fn synthesize(links: usize, system: &mut impl ConstraintSystem<Scalar>) -> Result<(), SynthesisError> {
    let mut value = AllocatedNum::alloc(system.namespace(|| "start"), || Ok(start()))?;
    for link in 0..links {
        value = value.square(system.namespace(|| format!("link {link}")))?;
    }
    value.inputize(system.namespace(|| "end"))
}

fn start() -> Scalar {
    Scalar::from(3)
}

impl System for Spartan {
    type Proof = (Commitment, Snark);

    fn prepare(rows_log2: u32) -> Result<Self, String> {
        let links = (1 << rows_log2) - 1;
        let mut system: ShapeCS<E> = ShapeCS::new();
        synthesize(links, &mut system).map_err(|error| error.to_string())?;
        let shape = system.r1cs_shape().map_err(|error| error.to_string())?;
        let commitment_key =
            R1CSShape::commitment_key(&[&shape], &[&*Snark::ck_floor()]).map_err(|error| error.to_string())?;
        let (prover_key, verifier_key) = Snark::setup(&commitment_key, &shape).map_err(|error| error.to_string())?;
        let end = (0..links).fold(start(), |value, _| value.square());
        Ok(Self { links, end, shape, commitment_key, prover_key, verifier_key })
    }

    /// As Nova's `DirectSNARK` does, which takes its blinding from the system: that is then taken off again.
    fn prove(&self) -> Result<Self::Proof, String> {
        let mut system = SatisfyingAssignment::<E>::new();
        synthesize(self.links, &mut system).map_err(|error| error.to_string())?;
        let mut random = StdRng::seed_from_u64(1);
        let (instance, witness) = system
            .r1cs_instance_and_witness(&self.shape, &self.commitment_key, &mut random)
            .map_err(|error| error.to_string())?;
        let (witness, blind_w, blind_e) = RelaxedR1CSWitness::from_r1cs_witness(&self.shape, &witness).derandomize();
        let unblinding = Commitments::derand_key(&self.commitment_key);
        let instance = RelaxedR1CSInstance::from_r1cs_instance_unchecked(instance.comm_W(), instance.X()).derandomize(
            &unblinding,
            &blind_w,
            &blind_e,
        );
        let snark = Snark::prove(&self.commitment_key, &self.prover_key, &self.shape, &instance, &witness)
            .map_err(|error| error.to_string())?;
        Ok((*instance.comm_W(), snark))
    }

    fn verify(&self, (commitment, snark): &Self::Proof) -> Result<(), String> {
        let instance = RelaxedR1CSInstance::from_r1cs_instance_unchecked(commitment, &[self.end]);
        snark.verify(&self.verifier_key, &instance).map_err(|error| error.to_string())
    }

    fn serialize(&self, proof: &Self::Proof) -> Result<Vec<u8>, String> {
        digest::serialize(proof)
    }
}
