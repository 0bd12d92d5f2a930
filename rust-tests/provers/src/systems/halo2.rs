//! Zcash's Halo 2: chains of cubes side by side, whose ends are public, under inner products over Vesta.

use halo2_proofs::arithmetic::Field;
use halo2_proofs::circuit::{AssignedCell, Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::pasta::{EqAffine, Fp};
use halo2_proofs::plonk::{
    create_proof, keygen_pk, keygen_vk, verify_proof, Advice, Circuit, Column, ConstraintSystem, Error, Expression,
    Instance, ProvingKey, Selector, SingleVerifier,
};
use halo2_proofs::poly::commitment::Params;
use halo2_proofs::poly::Rotation;
use halo2_proofs::transcript::{Blake2bRead, Blake2bWrite, Challenge255};
use prover::system::System;
use rand::rngs::StdRng;
use rand::SeedableRng;

const COLUMNS: usize = 8;
/// Rows that hold random numbers, so that the proof is zero knowledge, and a few to spare.
const OTHER_ROWS: usize = 16;

type Row<T> = [T; COLUMNS];

fn start() -> Row<Fp> {
    std::array::from_fn(|column| Fp::from(column as u64 + 1))
}

/// The cube of each plus its neighbour.
fn next(row: Row<Fp>) -> Row<Fp> {
    std::array::from_fn(|column| row[column].cube() + row[(column + 1) % COLUMNS])
}

#[derive(Clone)]
struct Columns {
    values: Row<Column<Advice>>,
    is_link: Selector,
    ends: Column<Instance>,
}

#[derive(Clone, Copy)]
struct Chains {
    links: usize,
}

impl Chains {
    fn ends(self) -> Row<Fp> {
        (0..self.links).fold(start(), |row, _| next(row))
    }
}

impl Circuit<Fp> for Chains {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;

    fn without_witnesses(&self) -> Self {
        *self
    }

    fn configure(system: &mut ConstraintSystem<Fp>) -> Columns {
        let columns = Columns {
            values: std::array::from_fn(|_| system.advice_column()),
            is_link: system.selector(),
            ends: system.instance_column(),
        };
        columns.values.iter().for_each(|&column| system.enable_equality(column));
        system.enable_equality(columns.ends);
        system.create_gate("link", |cells| {
            let is_link = cells.query_selector(columns.is_link);
            let from: Row<Expression<Fp>> = columns.values.map(|column| cells.query_advice(column, Rotation::cur()));
            let to = columns.values.map(|column| cells.query_advice(column, Rotation::next()));
            let links = to.into_iter().enumerate().map(|(column, to)| {
                let value = from[column].clone();
                value.clone() * value.clone() * value + from[(column + 1) % COLUMNS].clone() - to
            });
            links.map(|link| is_link.clone() * link).collect::<Vec<_>>()
        });
        columns
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fp>) -> Result<(), Error> {
        let ends = layouter.assign_region(
            || "chains",
            |mut region| {
                let mut row = start();
                let mut last = Vec::new();
                for offset in 0..=self.links {
                    let cells = columns.values.iter().zip(row).map(|(&column, value)| {
                        region.assign_advice(|| "value", column, offset, || Value::known(value))
                    });
                    last = cells.collect::<Result<Vec<AssignedCell<Fp, Fp>>, Error>>()?;
                    if offset < self.links {
                        columns.is_link.enable(&mut region, offset)?;
                        row = next(row);
                    }
                }
                Ok(last)
            },
        )?;
        ends.iter().enumerate().try_for_each(|(row, end)| layouter.constrain_instance(end.cell(), columns.ends, row))
    }
}

pub struct Halo2 {
    chains: Chains,
    ends: Row<Fp>,
    parameters: Params<EqAffine>,
    key: ProvingKey<EqAffine>,
}

impl System for Halo2 {
    type Proof = Vec<u8>;

    fn prepare(rows_log2: u32) -> Result<Self, String> {
        let chains = Chains { links: (1 << rows_log2) - OTHER_ROWS };
        let parameters = Params::new(rows_log2);
        let verifying_key = keygen_vk(&parameters, &chains).map_err(|error| error.to_string())?;
        let key = keygen_pk(&parameters, verifying_key, &chains).map_err(|error| error.to_string())?;
        Ok(Self { chains, ends: chains.ends(), parameters, key })
    }

    fn prove(&self) -> Result<Vec<u8>, String> {
        let mut transcript = Blake2bWrite::<_, EqAffine, Challenge255<_>>::init(Vec::new());
        let random = StdRng::seed_from_u64(1);
        create_proof(&self.parameters, &self.key, &[self.chains], &[&[&self.ends]], random, &mut transcript)
            .map_err(|error| error.to_string())?;
        Ok(transcript.finalize())
    }

    fn verify(&self, proof: &Vec<u8>) -> Result<(), String> {
        let mut transcript = Blake2bRead::<_, EqAffine, Challenge255<_>>::init(&proof[..]);
        let strategy = SingleVerifier::new(&self.parameters);
        verify_proof(&self.parameters, self.key.get_vk(), strategy, &[&[&self.ends]], &mut transcript)
            .map_err(|error| error.to_string())
    }

    fn serialize(&self, proof: &Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(proof.clone())
    }
}
