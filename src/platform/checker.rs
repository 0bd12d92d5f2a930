//! What differs between the model checkers. Their synchronisation has the same names.
//! Unsafe: tells shuttle that whatever a thread of a model has may go to another.
#![allow(unsafe_code)]

#[cfg(loom)]
pub use loom::{
    sync::{atomic, Condvar, Mutex, MutexGuard},
    thread::{current, spawn, JoinHandle, ThreadId},
    thread_local as checked_thread_local,
};
/// A word of the program's memory: whoever reads or writes it must not race with anybody.
#[cfg(loom)]
pub type Word = loom::cell::Cell<u64>;
#[cfg(shuttle)]
pub use {
    drawn::{spawn, JoinHandle, Word},
    shuttle::{
        sync::{atomic, Condvar, Mutex, MutexGuard},
        thread::{current, ThreadId},
        thread_local as checked_thread_local,
    },
};

#[cfg(shuttle)]
mod drawn {
    use shuttle::sync::atomic::{AtomicU64, Ordering::SeqCst};

    /// A word of the program's memory: whoever holds it sees what is in it.
    #[derive(Default)]
    pub struct Word(AtomicU64);

    impl Word {
        pub fn get(&self) -> u64 {
            self.0.load(SeqCst)
        }

        pub fn set(&self, value: u64) {
            self.0.store(value, SeqCst);
        }

        pub fn replace(&self, value: u64) -> u64 {
            self.0.swap(value, SeqCst)
        }
    }

    struct Here<T>(T);
    // SAFETY: all threads of a model are coroutines of one thread: nothing ever leaves it.
    unsafe impl<T> Send for Here<T> {}

    impl<T> Here<T> {
        /// The whole of it, for a closure, which would otherwise capture the field alone.
        fn take(self) -> T {
            self.0
        }
    }

    pub struct JoinHandle<R>(shuttle::thread::JoinHandle<Here<R>>);

    impl<R> JoinHandle<R> {
        pub fn join(self) -> std::thread::Result<R> {
            self.0.join().map(Here::take)
        }
    }

    pub fn spawn<R: 'static>(body: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
        let body = Here(body);
        JoinHandle(shuttle::thread::spawn(move || Here(body.take()())))
    }
}
