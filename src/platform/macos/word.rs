//! The thread's word, in a thread key. Thread-local variables would not do: the first use of one allocates
//! (`_tlv_bootstrap`), and a key's value lies in the thread's own structure.
//! Unsafe: calls into libSystem.

use crate::platform::NO_THREAD_WORD;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};
use Ordering::{AcqRel, Acquire};

const NO_KEY: u64 = u64::MAX;
/// There was none left.
const REFUSED: u64 = NO_KEY - 1;
static KEY: AtomicU64 = AtomicU64::new(NO_KEY);

/// The calling thread's word: 0 in a new thread. Only `tls.rs` gives it a meaning.
#[inline]
pub fn thread_word() -> u64 {
    // Acquire: pairs with the AcqRel in `create`.
    match KEY.load(Acquire) {
        NO_KEY => 0,
        REFUSED => NO_THREAD_WORD,
        // SAFETY: a key that is never deleted.
        key => unsafe { libc::pthread_getspecific(key) }.addr() as u64,
    }
}

#[inline]
pub fn set_thread_word(value: u64) {
    let key = match KEY.load(Acquire) {
        NO_KEY => create(),
        key => key,
    };
    if key == REFUSED {
        return;
    }
    // SAFETY: as above; the value is never dereferenced. This does not allocate.
    unsafe { libc::pthread_setspecific(key, ptr::without_provenance::<c_void>(value as usize)) };
}

/// False: no thread has a word of its own.
pub fn has_thread_words() -> bool {
    // Acquire: as in `thread_word`.
    KEY.load(Acquire) != REFUSED
}

/// At the library's first call, so that there is a key left.
#[cold]
fn create() -> u64 {
    let mut made: libc::pthread_key_t = 0;
    // SAFETY: `made` is live; `keep` is a function of this library, which is never unloaded.
    let error = unsafe { libc::pthread_key_create(&mut made, Some(keep)) };
    let key = if error == 0 { made } else { REFUSED };
    match KEY.compare_exchange(NO_KEY, key, AcqRel, Acquire) {
        Ok(_) => key,
        Err(first) => {
            // SAFETY: another thread was faster; nobody knows this key. (EINVAL where it is none.)
            unsafe { libc::pthread_key_delete(key) };
            first
        }
    }
}

/// As a thread ends, its keys' values are taken; the destructors that follow still need this one.
unsafe extern "C" fn keep(value: *mut c_void) {
    set_thread_word(value.addr() as u64);
}
