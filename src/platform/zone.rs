//! The C layout of a `malloc_zone_t` of version 10 and what belongs to it, as <malloc/malloc.h> of macOS has them. Also
//! built for the unit tests elsewhere.
#![forbid(unsafe_code)]

use core::ffi::{c_char, c_int, c_uint, c_void};

/// Version 9 brought `reinit_lock`, version 10 `claimed_address`.
pub const ZONE_VERSION: c_uint = 10;

pub type ZonePointer = *mut c_void;

#[repr(C)]
pub struct Zone {
    pub reserved: [usize; 2],
    pub size: extern "C" fn(ZonePointer, *const c_void) -> usize,
    pub malloc: extern "C" fn(ZonePointer, usize) -> *mut c_void,
    pub calloc: extern "C" fn(ZonePointer, usize, usize) -> *mut c_void,
    pub valloc: extern "C" fn(ZonePointer, usize) -> *mut c_void,
    pub free: unsafe extern "C" fn(ZonePointer, *mut c_void),
    pub realloc: unsafe extern "C" fn(ZonePointer, *mut c_void, usize) -> *mut c_void,
    pub destroy: extern "C" fn(ZonePointer),
    pub zone_name: *const c_char,
    pub batch_malloc: unsafe extern "C" fn(ZonePointer, usize, *mut *mut c_void, c_uint) -> c_uint,
    pub batch_free: unsafe extern "C" fn(ZonePointer, *mut *mut c_void, c_uint),
    pub introspect: *const Introspection,
    pub version: c_uint,
    pub memalign: extern "C" fn(ZonePointer, usize, usize) -> *mut c_void,
    pub free_definite_size: unsafe extern "C" fn(ZonePointer, *mut c_void, usize),
    pub pressure_relief: extern "C" fn(ZonePointer, usize) -> usize,
    pub claimed_address: extern "C" fn(ZonePointer, *mut c_void) -> c_uint,
}

#[repr(C)]
pub struct Introspection {
    /// Blocks of this zone are shown to no tool.
    pub enumerator: extern "C" fn(c_uint, *mut c_void, c_uint, usize, *const c_void, *const c_void) -> c_int,
    pub good_size: extern "C" fn(ZonePointer, usize) -> usize,
    pub check: extern "C" fn(ZonePointer) -> c_uint,
    pub print: extern "C" fn(ZonePointer, c_uint),
    pub log: extern "C" fn(ZonePointer, *mut c_void),
    pub force_lock: extern "C" fn(ZonePointer),
    pub force_unlock: extern "C" fn(ZonePointer),
    pub statistics: unsafe extern "C" fn(ZonePointer, *mut Statistics),
    pub zone_locked: extern "C" fn(ZonePointer) -> c_uint,
    /// Discharge checking: the zone has none.
    pub discharge: [usize; 4],
    pub reinit_lock: extern "C" fn(ZonePointer),
    /// Of later versions; null: not there.
    pub later: [usize; 3],
}

/// `malloc_statistics_t`.
#[repr(C)]
#[derive(Default)]
pub struct Statistics {
    pub blocks_in_use: c_uint,
    pub size_in_use: usize,
    pub max_size_in_use: usize,
    pub size_allocated: usize,
}

// Where libSystem looks for them.
const _: () = assert!(core::mem::offset_of!(Zone, introspect) == 12 * 8);
const _: () = assert!(core::mem::offset_of!(Zone, memalign) == 14 * 8);
const _: () = assert!(core::mem::offset_of!(Zone, claimed_address) == 17 * 8);
const _: () = assert!(core::mem::offset_of!(Introspection, reinit_lock) == 13 * 8);
