//! Places that threads write while others read what lies beside them.
#![forbid(unsafe_code)]

use core::ops::Deref;

/// A value on a cache line of its own.
#[repr(align(64))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
