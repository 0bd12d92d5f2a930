//! Places that threads write while others read what lies beside them.
#![forbid(unsafe_code)]

use core::ops::Deref;

/// A value on a cache line of its own, or on two: some processors have lines of 128 bytes, others fetch two.
#[repr(align(128))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
