//! winterfell: chains of cubes side by side over Goldilocks, under Merkle trees of Blake3.

use prover::system::System;
use winter_utils::Serializable;
use winterfell::crypto::hashers::Blake3_256;
use winterfell::crypto::{DefaultRandomCoin, MerkleTree};
use winterfell::math::fields::f64::BaseElement;
use winterfell::math::{FieldElement, ToElements};
use winterfell::matrix::ColMatrix;
use winterfell::{
    AcceptableOptions, Air, AirContext, Assertion, AuxRandElements, BatchingMethod, CompositionPoly,
    CompositionPolyTrace, ConstraintCompositionCoefficients, DefaultConstraintCommitment, DefaultConstraintEvaluator,
    DefaultTraceLde, EvaluationFrame, FieldExtension, PartitionOptions, Proof, ProofOptions, Prover, StarkDomain,
    Trace, TraceInfo, TracePolyTable, TraceTable, TransitionConstraintDegree,
};

const COLUMNS: usize = 64;
/// As winterfell's examples do, but without grinding: the proof of work takes a random time, and allocates nothing.
const OPTIONS: ProofOptions =
    ProofOptions::new(32, 8, 0, FieldExtension::Quadratic, 8, 31, BatchingMethod::Linear, BatchingMethod::Linear);

type Hash = Blake3_256<BaseElement>;
type Tree = MerkleTree<Hash>;
type Coin = DefaultRandomCoin<Hash>;

/// What the columns end with. They start with their numbers.
#[derive(Clone)]
pub struct Ends([BaseElement; COLUMNS]);

impl ToElements<BaseElement> for Ends {
    fn to_elements(&self) -> Vec<BaseElement> {
        self.0.to_vec()
    }
}

fn starts() -> [BaseElement; COLUMNS] {
    std::array::from_fn(|column| BaseElement::new(column as u64 + 1))
}

fn next<E: FieldElement<BaseField = BaseElement>>(value: E) -> E {
    value.cube() + E::from(42u32)
}

pub struct Chains {
    context: AirContext<BaseElement>,
    ends: Ends,
}

impl Air for Chains {
    type BaseField = BaseElement;
    type PublicInputs = Ends;

    fn new(trace: TraceInfo, ends: Ends, options: ProofOptions) -> Self {
        let degrees = vec![TransitionConstraintDegree::new(3); COLUMNS];
        Self { context: AirContext::new(trace, degrees, 2 * COLUMNS, options), ends }
    }

    fn context(&self) -> &AirContext<BaseElement> {
        &self.context
    }

    fn evaluate_transition<E: FieldElement<BaseField = BaseElement>>(
        &self,
        frame: &EvaluationFrame<E>,
        _periodic_values: &[E],
        result: &mut [E],
    ) {
        for ((result, &from), &to) in result.iter_mut().zip(frame.current()).zip(frame.next()) {
            *result = to - next(from);
        }
    }

    fn get_assertions(&self) -> Vec<Assertion<BaseElement>> {
        let last = self.trace_length() - 1;
        let starts = starts().into_iter().enumerate().map(|(column, start)| Assertion::single(column, 0, start));
        let ends = self.ends.0.iter().enumerate().map(|(column, &end)| Assertion::single(column, last, end));
        starts.chain(ends).collect()
    }
}

struct ChainsProver;

impl Prover for ChainsProver {
    type BaseField = BaseElement;
    type Air = Chains;
    type Trace = TraceTable<BaseElement>;
    type HashFn = Hash;
    type VC = Tree;
    type RandomCoin = Coin;
    type TraceLde<E: FieldElement<BaseField = BaseElement>> = DefaultTraceLde<E, Hash, Tree>;
    type ConstraintCommitment<E: FieldElement<BaseField = BaseElement>> = DefaultConstraintCommitment<E, Hash, Tree>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = BaseElement>> = DefaultConstraintEvaluator<'a, Chains, E>;

    fn get_pub_inputs(&self, trace: &Self::Trace) -> Ends {
        Ends(std::array::from_fn(|column| trace.get(column, trace.length() - 1)))
    }

    fn options(&self) -> &ProofOptions {
        &OPTIONS
    }

    fn new_trace_lde<E: FieldElement<BaseField = BaseElement>>(
        &self,
        info: &TraceInfo,
        trace: &ColMatrix<BaseElement>,
        domain: &StarkDomain<BaseElement>,
        partitions: PartitionOptions,
    ) -> (Self::TraceLde<E>, TracePolyTable<E>) {
        DefaultTraceLde::new(info, trace, domain, partitions)
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = BaseElement>>(
        &self,
        air: &'a Chains,
        random: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self::ConstraintEvaluator<'a, E> {
        DefaultConstraintEvaluator::new(air, random, coefficients)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = BaseElement>>(
        &self,
        trace: CompositionPolyTrace<E>,
        columns: usize,
        domain: &StarkDomain<BaseElement>,
        partitions: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        DefaultConstraintCommitment::new(trace, columns, domain, partitions)
    }
}

pub struct Winterfell {
    rows: usize,
    ends: Ends,
}

impl System for Winterfell {
    type Proof = Proof;

    fn prepare(rows_log2: u32) -> Result<Self, String> {
        let rows = 1 << rows_log2;
        let ends = Ends(starts().map(|start| (1..rows).fold(start, |value, _| next(value))));
        Ok(Self { rows, ends })
    }

    fn prove(&self) -> Result<Proof, String> {
        let mut trace = TraceTable::new(COLUMNS, self.rows);
        let first = |row: &mut [BaseElement]| row.copy_from_slice(&starts());
        trace.fill(first, |_, row| row.iter_mut().for_each(|value| *value = next(*value)));
        ChainsProver.prove(trace).map_err(|error| error.to_string())
    }

    fn verify(&self, proof: &Proof) -> Result<(), String> {
        let accepted = AcceptableOptions::OptionSet(vec![OPTIONS]);
        winterfell::verify::<Chains, Hash, Coin, Tree>(proof.clone(), self.ends.clone(), &accepted)
            .map_err(|error| error.to_string())
    }

    /// Without the openings and the proof of work that says where they are: threads race for it, and with nothing to
    /// find the first to come wins all the same. Everything that was committed to is left.
    fn serialize(&self, proof: &Proof) -> Result<Vec<u8>, String> {
        Ok([proof.context.to_bytes(), proof.commitments.to_bytes(), proof.ood_frame.to_bytes()].concat())
    }
}
