//! The library's zone, registered with libSystem, and what libSystem's zone functions do.
//! Unsafe: calls into libSystem.

use crate::platform::zone::Zone;
use core::ffi::c_void;

extern "C" {
    fn malloc_zone_register(zone: *mut c_void);
}

/// libSystem asks a registered zone whose a block is, and tells it of forks.
///
/// # Safety
/// `zone` is filled in, may be written to by libSystem, and lives as long as the process.
pub unsafe fn register_zone(zone: *mut Zone) {
    // SAFETY: the caller's.
    unsafe { malloc_zone_register(zone.cast()) };
}
