//! The atomics and the lock that everything here uses; under `--cfg loom` (tests only) the model checker's.
#![forbid(unsafe_code)]

mod lock;
#[cfg(loom)]
pub mod model;

pub use core::sync::atomic::Ordering;
#[cfg(loom)]
pub use model::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Guard, Lock};
#[cfg(not(loom))]
pub use {
    core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicU8, AtomicUsize},
    lock::{Guard, Lock},
};
