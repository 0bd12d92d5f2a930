//! Fork: from a moment on, only the calling thread is there.
#![forbid(unsafe_code)]

use crate::platform::checker::atomic::AtomicBool;
use crate::platform::checker::{current, ThreadId};
use crate::sync::Ordering::Relaxed;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// The forking thread, and whether it is the child already.
    static FORK: RefCell<Option<(ThreadId, Rc<AtomicBool>)>> = const { RefCell::new(None) };
}

/// Payload of the panic that ends a thread which a forked child does not have.
pub struct NotInChild;

/// Begins a model of fork: from `enter_child` on, only the calling thread is there.
pub fn begin_fork() {
    let in_child = Rc::new(AtomicBool::new(false));
    FORK.set(Some((current().id(), in_child)));
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
    current().id() != survivor && in_child.fetch_or(false, Relaxed)
}

/// Ends a thread that does not exist in the child. True: it is ending already, and its operations do nothing.
pub fn is_gone() -> bool {
    if cfg!(shuttle) && std::thread::panicking() {
        // A model that has failed: shuttle runs what is left of the thread, which must not panic again.
        return true;
    }
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
