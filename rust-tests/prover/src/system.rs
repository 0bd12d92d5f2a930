//! What the loop needs to know of a proof system.

/// A statement with fixed inputs, at one size. A proof depends on nothing else.
pub trait System: Sized {
    type Proof;

    /// Makes what a prover of this system makes once and keeps: circuit, keys, parameters. Not measured.
    fn prepare(rows_log2: u32) -> Result<Self, String>;

    /// Makes the witness and proves it. This is what is measured.
    fn prove(&self) -> Result<Self::Proof, String>;

    fn verify(&self, proof: &Self::Proof) -> Result<(), String>;

    /// What the digest is of: all of the proof that is the same in every run.
    fn serialize(&self, proof: &Self::Proof) -> Result<Vec<u8>, String>;
}
