//! macOS: what libSystem asks the owner of a block, on behalf of images whose calls the loader has not replaced, and its
//! hooks around fork. Also built for the unit tests elsewhere.
//! Unsafe: takes and returns C pointers, for which the program vouches.

use super::standard;
use crate::arena::global;
use crate::platform::zone::{Introspection, Statistics, Zone, ZonePointer, ZONE_VERSION};
use crate::{fork, router};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_uint, c_void};

struct Place(UnsafeCell<Zone>);
// SAFETY: after load libSystem alone writes to it, under its own lock.
unsafe impl Sync for Place {}

static ZONE: Place = Place(UnsafeCell::new(Zone {
    reserved: [0; 2],
    size,
    malloc,
    calloc,
    valloc,
    free,
    realloc,
    destroy,
    zone_name: c"zkalloc".as_ptr(),
    batch_malloc,
    batch_free,
    introspect: &INTROSPECTION.0,
    version: ZONE_VERSION,
    memalign,
    free_definite_size,
    pressure_relief,
    claimed_address,
}));

struct Shared(Introspection);
// SAFETY: never written to.
unsafe impl Sync for Shared {}

static INTROSPECTION: Shared = Shared(Introspection {
    enumerator,
    good_size,
    check,
    print,
    log,
    force_lock,
    force_unlock,
    statistics,
    zone_locked,
    discharge: [0; 4],
    reinit_lock,
    later: [0; 3],
});

#[cfg(interposes)]
pub fn register() {
    // SAFETY: a static, filled in above.
    unsafe { crate::platform::register_zone(ZONE.0.get()) };
}

pub fn pointer() -> ZonePointer {
    ZONE.0.get().cast()
}

/// The usable bytes of a live block of the arena; 0 for any other address.
pub fn usable_bytes(block: *const c_void) -> usize {
    router::owner(block.addr()).and_then(|arena| arena.usable(block.addr()).ok()).unwrap_or(0)
}

extern "C" fn size(_: ZonePointer, block: *const c_void) -> usize {
    usable_bytes(block)
}

extern "C" fn malloc(_: ZonePointer, bytes: usize) -> *mut c_void {
    standard::malloc(bytes)
}

extern "C" fn calloc(_: ZonePointer, count: usize, bytes: usize) -> *mut c_void {
    standard::calloc(count, bytes)
}

extern "C" fn valloc(_: ZonePointer, bytes: usize) -> *mut c_void {
    standard::valloc(bytes)
}

unsafe extern "C" fn free(_: ZonePointer, block: *mut c_void) {
    // SAFETY: the caller's block.
    unsafe { standard::free(block) }
}

unsafe extern "C" fn realloc(_: ZonePointer, block: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: the caller's block.
    unsafe { standard::realloc(block, bytes) }
}

extern "C" fn destroy(_: ZonePointer) {}

unsafe extern "C" fn batch_malloc(_: ZonePointer, bytes: usize, out: *mut *mut c_void, count: c_uint) -> c_uint {
    for made in 0..count {
        let block = standard::malloc(bytes);
        if block.is_null() {
            return made;
        }
        // SAFETY: the caller's array of `count`.
        let place = unsafe { out.add(made as usize) };
        // SAFETY: as above.
        unsafe { place.write(block) };
    }
    count
}

unsafe extern "C" fn batch_free(_: ZonePointer, blocks: *mut *mut c_void, count: c_uint) {
    for index in 0..count as usize {
        // SAFETY: the caller's array of `count`.
        let place = unsafe { blocks.add(index) };
        // SAFETY: as above.
        let block = unsafe { place.read() };
        // SAFETY: the caller's block, or null.
        unsafe { standard::free(block) };
    }
}

/// Frees the arena's blocks of an array, and closes the others up at its front, in their order. How many those are.
///
/// # Safety
/// An array of `count`, whose blocks the program frees.
pub unsafe fn free_own(blocks: *mut *mut c_void, count: c_uint) -> c_uint {
    let mut others = 0;
    for index in 0..count as usize {
        // SAFETY: the caller's array of `count`.
        let place = unsafe { blocks.add(index) };
        // SAFETY: as above.
        let block = unsafe { place.read() };
        if router::owner(block.addr()).is_some() {
            // SAFETY: the caller's block.
            unsafe { standard::free(block) };
            continue;
        }
        // SAFETY: no further back than the place just read.
        let front = unsafe { blocks.add(others as usize) };
        // SAFETY: as above.
        unsafe { front.write(block) };
        others += 1;
    }
    others
}

extern "C" fn memalign(_: ZonePointer, align: usize, bytes: usize) -> *mut c_void {
    standard::memalign(align, bytes)
}

unsafe extern "C" fn free_definite_size(_: ZonePointer, block: *mut c_void, _bytes: usize) {
    // SAFETY: the caller's block.
    unsafe { standard::free(block) }
}

/// The system is short of memory. The bytes given back.
extern "C" fn pressure_relief(_: ZonePointer, _goal: usize) -> usize {
    router::trim(0)
}

extern "C" fn claimed_address(_: ZonePointer, block: *mut c_void) -> c_uint {
    c_uint::from(router::owns(block.addr()))
}

extern "C" fn enumerator(_: c_uint, _: *mut c_void, _: c_uint, _: usize, _: *const c_void, _: *const c_void) -> c_int {
    0
}

extern "C" fn good_size(_: ZonePointer, bytes: usize) -> usize {
    bytes
}

extern "C" fn check(_: ZonePointer) -> c_uint {
    1
}

extern "C" fn print(_: ZonePointer, _: c_uint) {}

extern "C" fn log(_: ZonePointer, _: *mut c_void) {}

extern "C" fn force_lock(_: ZonePointer) {
    fork::prepare();
}

extern "C" fn force_unlock(_: ZonePointer) {
    fork::in_parent();
}

extern "C" fn reinit_lock(_: ZonePointer) {
    fork::in_child();
}

extern "C" fn zone_locked(_: ZonePointer) -> c_uint {
    0
}

unsafe extern "C" fn statistics(_: ZonePointer, out: *mut Statistics) {
    let filled = global::get().map_or(Statistics::default(), |arena| Statistics {
        blocks_in_use: arena.live_blocks() as c_uint,
        size_in_use: arena.live_bytes() as usize,
        max_size_in_use: arena.phase_peak_bytes() as usize,
        size_allocated: arena.live_bytes() as usize + arena.free_resident_bytes(),
    });
    // SAFETY: the caller's structure.
    unsafe { out.write(filled) };
}

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::*;
    use crate::init;

    /// libSystem, as far as it has to do with zones.
    struct System(&'static Zone);

    impl System {
        fn new() -> Self {
            // SAFETY: nobody writes to it here.
            Self(unsafe { &*ZONE.0.get() })
        }

        /// `free` of an image that the loader has left alone. False: no zone knows the block.
        fn free(&self, block: *mut c_void) -> bool {
            let known = (self.0.size)(pointer(), block) > 0;
            if known {
                // SAFETY: the test's block.
                unsafe { (self.0.free)(pointer(), block) };
            }
            known
        }

        fn fork(&self, is_child: bool) {
            // SAFETY: never written to.
            let hooks = unsafe { &*self.0.introspect };
            (hooks.force_lock)(pointer());
            // libSystem's own handlers may allocate and free in between; nothing of that waits, or comes from the arena.
            let block = standard::malloc(1 << 20);
            assert!(!block.is_null() && usable_bytes(block) == 0);
            // SAFETY: made above.
            unsafe { standard::free(block) };
            if is_child && self.0.version >= 9 {
                (hooks.reinit_lock)(pointer());
            } else {
                (hooks.force_unlock)(pointer());
            }
        }

        fn statistics(&self) -> Statistics {
            let mut found = Statistics::default();
            // SAFETY: never written to.
            let hooks = unsafe { &*self.0.introspect };
            // SAFETY: live.
            unsafe { (hooks.statistics)(pointer(), &mut found) };
            found
        }
    }

    /// One test: it uses the process's arena.
    #[test]
    fn a_zone_owns_the_arenas_blocks_and_survives_forks() {
        let _alone = crate::system::resolve_for_test();
        let system = System::new();
        assert!(init::engage().is_some());
        let block = standard::malloc(3 << 20);
        assert!(usable_bytes(block) >= 3 << 20, "not the arena's");
        assert_eq!((system.0.claimed_address)(pointer(), block), 1);
        assert_eq!(system.statistics().blocks_in_use, 1);
        // Addresses that are no blocks of the arena.
        let inside = block.wrapping_byte_add(4096);
        let local = 0u8;
        for other in [inside, core::ptr::null_mut(), core::ptr::from_ref(&local).cast_mut().cast()] {
            assert!(!system.free(other), "{other:?}");
        }
        for is_child in [false, true, false] {
            system.fork(is_child);
            assert!(usable_bytes(block) > 0);
            let new = (system.0.memalign)(pointer(), 8192, 2 << 20);
            assert!(new.addr() % 8192 == 0 && usable_bytes(new) > 0, "no arena after a fork");
            assert!(system.free(new));
        }
        assert!(system.free(block));
        assert!(!system.free(block), "a freed block is nobody's");
        let mut blocks = [core::ptr::null_mut(); 3];
        // SAFETY: an array of three.
        assert_eq!(unsafe { (system.0.batch_malloc)(pointer(), 1 << 16, blocks.as_mut_ptr(), 3) }, 3);
        assert_eq!(system.statistics().blocks_in_use, 3);
        // SAFETY: as above; the blocks were made there.
        unsafe { (system.0.batch_free)(pointer(), blocks.as_mut_ptr(), 3) };
        assert_eq!(system.statistics().blocks_in_use, 0);
        // What `malloc_zone_batch_free` is given may be anybody's.
        let (first, second) = (standard::malloc(100), standard::malloc(200));
        let mut blocks = [standard::malloc(3 << 20), first, core::ptr::null_mut(), standard::malloc(3 << 20), second];
        // SAFETY: an array of five, of blocks just made and of none.
        assert_eq!(unsafe { free_own(blocks.as_mut_ptr(), 5) }, 3);
        assert_eq!((system.statistics().blocks_in_use, &blocks[..3]), (0, &[first, core::ptr::null_mut(), second][..]));
        for block in [first, second] {
            // SAFETY: made above, and still there.
            unsafe { standard::free(block) };
        }
    }
}
