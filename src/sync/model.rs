//! The atomics and the lock's shadow under the model checker (`--cfg loom`, tests only), and the mutants.
//!
//! loom's own atomics can be neither constants nor zero pages, and the library's tables are both. So an atomic here is
//! only its first value; what it holds lives in a loom atomic that is found by address and is new in every
//! interleaving. The library's code, its statics and its tables are checked as they are.
//!
//! loom explores one order of two operations only when they depend on each other, remembers only the last operation on
//! an object, and takes loads for independent of loads. So it does not see that a write of one thread may come before a
//! load of another when the first thread has loaded the object itself in between (arena/protocols/mod.rs has a test). Here every
//! load begins with a store to a gate of its atomic, so that loads depend on each other as well; not where nobody writes
//! while there are threads, which shows in a first round of exploring.
#![forbid(unsafe_code)]

use super::Ordering::{self, Relaxed};
use loom::sync::atomic as checked;
use loom::thread::ThreadId;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::rc::Rc;

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
    // All threads of a model are coroutines of one thread, so this is one world for them all.
    static MUTANT: Cell<Option<Mutant>> = const { Cell::new(None) };
    static MUTATIONS: Cell<u64> = const { Cell::new(0) };
    static CELLS: RefCell<Cells> = RefCell::default();
    static FORK: RefCell<Option<(ThreadId, Rc<checked::AtomicBool>)>> = const { RefCell::new(None) };
    // Atomics that are written while there are threads, by their number: so far, and as this round was begun.
    static WRITTEN: RefCell<HashSet<usize>> = RefCell::default();
    static GATES: RefCell<HashSet<usize>> = RefCell::default();
    static REAL_LOCKS: Cell<bool> = const { Cell::new(false) };
}

/// Loom's atomics by type and address.
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
    mutexes: HashMap<usize, &'static loom::sync::Mutex<()>>,
    /// Who holds them: a lock and its release may be in different functions.
    held: HashMap<usize, (ThreadId, loom::sync::MutexGuard<'static, ()>)>,
}

/// Begins an interleaving, in its main thread. `real_locks`: `Lock` runs its own code, not loom's mutex.
pub fn begin(mutant: Option<Mutant>, real_locks: bool) {
    MUTANT.set(mutant);
    REAL_LOCKS.set(real_locks);
    FORK.take();
    if WRITTEN.with_borrow(HashSet::len) > GATES.with_borrow(HashSet::len) {
        std::panic::resume_unwind(Box::new(NextRound));
    }
    CELLS.take();
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
pub fn spawn<R: 'static>(body: impl FnOnce() -> R + 'static) -> loom::thread::JoinHandle<R> {
    CELLS.with_borrow_mut(|cells| cells.is_shared = true);
    loom::thread::spawn(body)
}

/// How often the mutant has changed an operation of this process.
pub fn mutations() -> u64 {
    MUTATIONS.get()
}

/// After an interleaving that failed: what it has left cannot be dropped any more.
pub fn abandon() {
    std::mem::forget(CELLS.take());
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

/// Payload of the panic that ends a thread which a forked child does not have.
pub struct NotInChild;

/// Begins a model of fork: from `enter_child` on, only the calling thread is there.
pub fn begin_fork() {
    let in_child = Rc::new(checked::AtomicBool::new(false));
    FORK.set(Some((loom::thread::current().id(), in_child)));
}

/// Every other thread stops before its next operation.
pub fn enter_child() {
    if let Some((_, in_child)) = FORK.with_borrow(Clone::clone) {
        // Not a store: loom would let later `fetch_or`s of other threads overtake it.
        in_child.swap(true, Relaxed);
    }
}

/// The other threads are gone; the child may start its own.
pub fn end_fork() {
    FORK.take();
}

/// True: the calling thread does not exist in the child.
pub fn is_not_in_child() -> bool {
    let Some((survivor, in_child)) = FORK.with_borrow(Clone::clone) else { return false };
    // Reads the latest value, unlike a load: no thread outlives the fork by more than the operation it is about to do.
    loom::thread::current().id() != survivor && in_child.fetch_or(false, Relaxed)
}

/// Ends a thread that does not exist in the child. True: it is ending already, and its operations do nothing.
pub fn is_gone() -> bool {
    if FORK.with_borrow(Option::is_none) {
        return false;
    }
    if std::thread::panicking() {
        return true;
    }
    if is_not_in_child() {
        std::panic::resume_unwind(Box::new(NotInChild));
    }
    false
}

trait Checked {
    type Loom: 'static;
    const NAME: &'static str;
    fn is_zero(&self) -> bool;
    fn make(&self) -> Self::Loom;
}

/// An atomic of loom, and what makes all loads of it depend on each other.
struct Gated<L> {
    atomic: L,
    gate: checked::AtomicBool,
    /// `None`: made by a thread, always gated.
    number: Option<usize>,
}

impl<L> Gated<L> {
    fn for_load(&self) -> &L {
        if self.number.is_none_or(|number| GATES.with_borrow(|gates| gates.contains(&number))) {
            self.gate.store(true, Relaxed);
        }
        &self.atomic
    }

    fn for_write(&self) -> &L {
        let is_shared = CELLS.with_borrow(|cells| cells.is_shared && !cells.is_over);
        if let Some(number) = self.number.filter(|_| is_shared) {
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

fn cell<T: Checked>(atomic: &T) -> Rc<Gated<T::Loom>> {
    let key = (T::NAME, std::ptr::from_ref(atomic).addr());
    let found = CELLS.with_borrow(|cells| cells.by_address.get(&key).cloned());
    let any = found.unwrap_or_else(|| {
        let new = if CELLS.with_borrow(|cells| cells.is_shared) {
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

fn relaxed(change: Option<Change>, order: Ordering) -> Ordering {
    if change == Some(Change::Relax) {
        Relaxed
    } else {
        order
    }
}

macro_rules! atomic {
    ($name:ident: $value:ty { $($fetch:ident($operation:expr))* }) => {
        #[derive(Default, Debug)]
        #[repr(transparent)]
        pub struct $name {
            first: $value,
        }

        impl Checked for $name {
            type Loom = checked::$name;
            const NAME: &'static str = stringify!($name);

            fn is_zero(&self) -> bool {
                self.first == <$value>::default()
            }

            fn make(&self) -> Self::Loom {
                checked::$name::new(self.first)
            }
        }

        impl $name {
            pub const fn new(first: $value) -> Self {
                Self { first }
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let change = change();
                if is_gone() {
                    return self.first;
                }
                cell(self).for_load().load(relaxed(change, order))
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let change = change();
                if !is_gone() && change != Some(Change::Skip) {
                    cell(self).for_write().store(value, relaxed(change, order));
                }
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let change = change();
                self.modify(change, |_| value, |cell| cell.swap(value, relaxed(change, order)))
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let change = change();
                if is_gone() {
                    return Err(self.first);
                }
                let cell = cell(self);
                let cell = cell.for_write();
                if matches!(change, Some(Change::Split | Change::Skip)) {
                    let old = cell.load(failure);
                    if old != from {
                        return Err(old);
                    }
                    if change == Some(Change::Split) {
                        cell.store(to, success);
                    }
                    return Ok(old);
                }
                cell.compare_exchange(from, to, relaxed(change, success), relaxed(change, failure))
            }

            $(
                #[track_caller]
                pub fn $fetch(&self, value: $value, order: Ordering) -> $value {
                    let change = change();
                    let operation: fn($value, $value) -> $value = $operation;
                    self.modify(change, |old| operation(old, value), |cell| cell.$fetch(value, relaxed(change, order)))
                }
            )*

            #[allow(dead_code)]
            #[track_caller]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                cell(self).for_write().fetch_update(set, fetch, update)
            }

            fn modify(
                &self,
                change: Option<Change>,
                new: impl FnOnce($value) -> $value,
                normal: impl FnOnce(&checked::$name) -> $value,
            ) -> $value {
                if is_gone() {
                    return self.first;
                }
                let cell = cell(self);
                let cell = cell.for_write();
                match change {
                    Some(Change::Skip) => cell.load(Ordering::SeqCst),
                    Some(Change::Split) => {
                        let old = cell.load(Ordering::SeqCst);
                        cell.store(new(old), Ordering::SeqCst);
                        old
                    }
                    Some(Change::Relax) | None => normal(cell),
                }
            }
        }
    };
}

macro_rules! integers {
    ($($name:ident: $value:ty,)*) => {
        $(atomic!($name: $value {
            fetch_add(|old, value| old.wrapping_add(value))
            fetch_sub(|old, value| old.wrapping_sub(value))
            fetch_and(|old, value| old & value)
            fetch_or(|old, value| old | value)
            fetch_max(|old, value| old.max(value))
        });)*
    };
}

integers! {
    AtomicI64: i64,
    AtomicU32: u32,
    AtomicU64: u64,
    AtomicU8: u8,
    AtomicUsize: usize,
}
atomic!(AtomicBool: bool {});

/// The lock: its own code in the models of the lock and of fork; in all others loom's mutex, which is what those show
/// it to be, and makes them much smaller.
#[derive(Default)]
#[repr(transparent)]
pub struct Lock {
    real: super::lock::Lock,
}

/// Keeps a [`Lock`] until dropped.
pub struct Guard<'a> {
    lock: &'a Lock,
}

impl Lock {
    pub const fn new() -> Self {
        Self { real: super::lock::Lock::new() }
    }

    #[track_caller]
    pub fn lock(&self) -> Guard<'_> {
        self.acquire();
        Guard { lock: self }
    }

    pub fn try_lock(&self) -> Option<Guard<'_>> {
        let won = if REAL_LOCKS.get() {
            self.real.try_lock().map(std::mem::forget).is_some()
        } else {
            self.mutex().try_lock().is_ok_and(|guard| self.keep(guard))
        };
        won.then_some(Guard { lock: self })
    }

    #[track_caller]
    pub fn acquire(&self) {
        if change() == Some(Change::Skip) {
        } else if REAL_LOCKS.get() {
            self.real.acquire();
        } else {
            self.keep(self.mutex().lock().unwrap_or_else(|_| panic!("poisoned")));
        }
    }

    pub fn release(&self) {
        if REAL_LOCKS.get() {
            self.real.release();
            return;
        }
        let me = loom::thread::current().id();
        // A mutant that has left the locking out has nothing to release.
        let guard = CELLS.with_borrow_mut(|cells| {
            cells
                .held
                .get(&self.addr())
                .is_some_and(|(holder, _)| *holder == me)
                .then(|| cells.held.remove(&self.addr()))
        });
        // Outside of the borrow: other threads may run now.
        drop(guard);
    }

    fn addr(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn keep(&self, guard: loom::sync::MutexGuard<'static, ()>) -> bool {
        let me = loom::thread::current().id();
        CELLS.with_borrow_mut(|cells| cells.held.insert(self.addr(), (me, guard)));
        true
    }

    fn mutex(&self) -> &'static loom::sync::Mutex<()> {
        let found = CELLS.with_borrow(|cells| cells.mutexes.get(&self.addr()).copied());
        found.unwrap_or_else(|| {
            // Leaked, a few dozen bytes in each interleaving: its guards are kept in a table.
            let new: &'static _ = Box::leak(Box::new(loom::sync::Mutex::new(())));
            CELLS.with_borrow_mut(|cells| cells.mutexes.insert(self.addr(), new));
            new
        })
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.lock.release();
    }
}
