//! The checker's atomics, found by the addresses of the library's own, and the gates that make all loads depend on each
//! other for loom.
#![forbid(unsafe_code)]

use super::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize};
use crate::platform::checker::{self, atomic as checked, JoinHandle};
use crate::sync::Ordering::Relaxed;
use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

thread_local! {
    // All threads of a model are coroutines of one thread, so this is one world for them all.
    static CELLS: RefCell<Cells> = RefCell::default();
    // Atomics that are written while there are threads, by their number: so far, and as this round was begun.
    static WRITTEN: RefCell<HashSet<usize>> = RefCell::default();
    static GATES: RefCell<HashSet<usize>> = RefCell::default();
}

/// The checker's atomics by type and address.
#[derive(Default)]
struct Cells {
    /// Other threads may run by now.
    is_shared: bool,
    /// They have all ended.
    is_over: bool,
    /// Atomics made before there were threads.
    made: usize,
    by_address: HashMap<(&'static str, usize), Rc<dyn Any>>,
    /// Made by the main thread before any other ran: loom would otherwise take the making for a racing write.
    spare: HashMap<&'static str, Vec<Rc<dyn Any>>>,
}

/// Begins an interleaving, in its main thread.
pub fn begin() {
    if WRITTEN.with_borrow(HashSet::len) > GATES.with_borrow(HashSet::len) {
        std::panic::resume_unwind(Box::new(NextRound));
    }
    CELLS.take();
    if !cfg!(loom) {
        return;
    }
    reserve::<AtomicBool>(2);
    reserve::<AtomicI64>(8);
    reserve::<AtomicU32>(48);
    reserve::<AtomicU64>(40);
    reserve::<AtomicUsize>(16);
}

/// Payload of the panic that ends a round: something is written that was not known to be.
pub struct NextRound;

/// Begins a round of exploring. False: the last one had every gate that it needs, if it has ended.
pub fn next_round() -> bool {
    let written = WRITTEN.with_borrow(Clone::clone);
    let is_new = written.len() > GATES.with_borrow(HashSet::len);
    GATES.set(written);
    is_new
}

/// All threads have ended: what is written now needs no gate.
pub fn end_threads() {
    CELLS.with_borrow_mut(|cells| cells.is_over = true);
}

/// Starts a thread of the model.
pub fn spawn<R: 'static>(body: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    CELLS.with_borrow_mut(|cells| cells.is_shared = true);
    checker::spawn(body)
}

/// After an interleaving that failed.
pub fn abandon() {
    std::mem::forget(CELLS.take());
}

/// An atomic of the library, and which of the checker's it is.
pub trait Checked {
    type Atomic: 'static;
    const NAME: &'static str;
    fn is_zero(&self) -> bool;
    fn make(&self) -> Self::Atomic;
}

/// An atomic of the checker, and what makes all loads of it depend on each other.
pub struct Gated<L> {
    atomic: L,
    gate: checked::AtomicBool,
    /// `None`: made by a thread, always gated.
    number: Option<usize>,
}

impl<L> Gated<L> {
    pub fn for_load(&self) -> &L {
        if cfg!(loom) && self.number.is_none_or(|number| GATES.with_borrow(|gates| gates.contains(&number))) {
            self.gate.store(true, Relaxed);
        }
        &self.atomic
    }

    pub fn for_write(&self) -> &L {
        let is_shared = CELLS.with_borrow(|cells| cells.is_shared && !cells.is_over);
        if let Some(number) = self.number.filter(|_| cfg!(loom) && is_shared) {
            WRITTEN.with_borrow_mut(|written| written.insert(number));
        }
        &self.atomic
    }
}

fn make<T: Checked>(atomic: &T, number: Option<usize>) -> Rc<dyn Any> {
    Rc::new(Gated { atomic: atomic.make(), gate: checked::AtomicBool::new(false), number })
}

fn reserve<T: Checked + Default>(count: usize) {
    let spare = (0..count).map(|_| make(&T::default(), None)).collect();
    CELLS.with_borrow_mut(|cells| cells.spare.insert(T::NAME, spare));
}

/// The atomic of the checker that stands for one of the library.
pub fn cell<T: Checked>(atomic: &T) -> Rc<Gated<T::Atomic>> {
    let key = (T::NAME, std::ptr::from_ref(atomic).addr());
    let found = CELLS.with_borrow(|cells| cells.by_address.get(&key).cloned());
    let any = found.unwrap_or_else(|| {
        let new = if cfg!(loom) && CELLS.with_borrow(|cells| cells.is_shared) {
            assert!(atomic.is_zero(), "MODEL: read this {} once before the threads start", T::NAME);
            let spare = CELLS.with_borrow_mut(|cells| cells.spare.get_mut(T::NAME).and_then(Vec::pop));
            spare.unwrap_or_else(|| panic!("MODEL: reserve more of {}", T::NAME))
        } else {
            let number = CELLS.with_borrow_mut(|cells| {
                cells.made += 1;
                cells.made
            });
            make(atomic, Some(number))
        };
        CELLS.with_borrow_mut(|cells| cells.by_address.insert(key, new.clone()));
        new
    });
    any.downcast().unwrap_or_else(|_| unreachable!("one type per key"))
}
