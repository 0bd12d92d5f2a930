//! What the programs in `src/bin` and the tests that preload a library into them have in common.
//!
//! A bump arena that is reset at the end of a phase hands out memory that the program still uses. Each program is one
//! way in which that happened to a real prover; each must be clean under libzkalloc and must fail under the build whose
//! protection is off (feature `broken`), or it would prove nothing.
//!
//! `adversary` holds programs that try everything at once, for seconds or for hours.
#![deny(unsafe_code)]

pub mod adversary;
pub mod check;
pub mod pattern;
pub mod process;
pub mod program;
pub mod prover;
pub mod random;
pub mod runner;
pub mod survivor;
pub mod trial;
pub mod work;
