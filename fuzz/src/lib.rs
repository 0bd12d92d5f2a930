//! Bytes as calls of the loaded libzkalloc.so.
//!
//! The library is opened with dlopen and called through its exported symbols, so that what is tested is the shared
//! object that users preload, and nothing but these calls reaches its arena: the counters must balance exactly.

mod aligned;
mod history;
mod input;
mod library;
mod machine;
mod memory;
mod model;
mod worker;

pub use history::{read_history, History};
pub use library::{default_library, Library};
pub use machine::Machine;
