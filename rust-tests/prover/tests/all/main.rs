//! All tests of this package in one program: each program takes as long to link as the prover does.

mod airs;
mod command_line;
mod measure;
