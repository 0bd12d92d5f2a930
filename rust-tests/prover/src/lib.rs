//! A Plonky3 prover for measuring allocators: it proves the same statement again and again on the system allocator,
//! verifies each proof, drops it, and says what it cost. The program is `main.rs`; the demo shares [`record`], the lines
//! that it prints, and [`cli`]. The provers of other systems, in the package `provers`, share all but [`airs`]: what they
//! have in common is a [`system::System`].

#![forbid(unsafe_code)]

pub mod airs;
pub mod cli;
pub mod digest;
pub mod measure;
pub mod output;
pub mod record;
pub mod run;
pub mod system;
