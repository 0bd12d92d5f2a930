//! The atomics and the lock that everything here uses; under `--cfg loom` or `--cfg shuttle` (tests only) the
//! model checker's.
#![forbid(unsafe_code)]

mod apart;
mod lock;
#[cfg(modelled)]
pub mod model;

pub use apart::Apart;
pub use core::sync::atomic::Ordering;
#[cfg(modelled)]
pub use model::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Guard, Lock};
#[cfg(not(modelled))]
pub use {
    core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicU8, AtomicUsize},
    lock::{Guard, Lock},
};
