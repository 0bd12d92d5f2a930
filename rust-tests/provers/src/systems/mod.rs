//! One file per proof system.

mod groth16;
mod halo2;
mod plonky2;
mod spartan;
mod winterfell;

pub use groth16::Groth16;
pub use halo2::Halo2;
pub use plonky2::Plonky2;
pub use spartan::Spartan;
pub use winterfell::Winterfell;
