//! Mutants: a line of the library whose operations are changed, to show that a model notices.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::panic::Location;

/// What a mutant does to the operations of one line of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Every ordering becomes Relaxed.
    Relax,
    /// A read-modify-write becomes a load and a store.
    Split,
    /// What writes does not write; what locks does not lock.
    Skip,
}

/// A line of the library, changed.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    pub file: &'static str,
    pub line: u32,
    pub change: Change,
}

thread_local! {
    static MUTANT: Cell<Option<Mutant>> = const { Cell::new(None) };
    static MUTATIONS: Cell<u64> = const { Cell::new(0) };
}

/// What the library is from now on.
pub fn become_mutant(mutant: Option<Mutant>) {
    MUTANT.set(mutant);
}

/// How often the mutant has changed an operation of this process.
pub fn mutations() -> u64 {
    MUTATIONS.get()
}

/// What the mutant does to the operation that the caller's caller asks for.
#[track_caller]
pub fn change() -> Option<Change> {
    let mutant = MUTANT.get()?;
    let here = Location::caller();
    let hit = here.line() == mutant.line && here.file().ends_with(mutant.file);
    MUTATIONS.set(MUTATIONS.get() + u64::from(hit));
    hit.then_some(mutant.change)
}
