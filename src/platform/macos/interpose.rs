//! How the loader is told to put the library's functions in front of libSystem's, and those of libSystem that the library
//! calls itself: dyld leaves the references of the image that replaces a function alone.
//! Unsafe: names and calls functions of libSystem.

use core::ffi::{c_char, c_int, c_void, CStr};
use core::ptr;

/// An entry of the section that dyld reads.
#[repr(C)]
pub struct Pair {
    pub replacement: *const c_void,
    pub replaced: *const c_void,
}
// SAFETY: addresses of functions.
unsafe impl Sync for Pair {}

/// Puts functions of the library in front of those of libSystem.
macro_rules! interpose {
    ($($replaced:ident by $replacement:path;)*) => {
        #[used]
        #[link_section = "__DATA,__interpose"]
        static PAIRS: [$crate::platform::Pair; [$(stringify!($replaced)),*].len()] = [$($crate::platform::Pair {
            replacement: $replacement as *const core::ffi::c_void,
            replaced: $crate::platform::real::$replaced as *const core::ffi::c_void,
        }),*];
    };
}
pub(crate) use interpose;

/// libSystem's own.
pub mod real {
    use core::ffi::{c_int, c_uint, c_void};
    extern "C" {
        pub fn malloc(bytes: usize) -> *mut c_void;
        pub fn calloc(count: usize, bytes: usize) -> *mut c_void;
        pub fn realloc(block: *mut c_void, bytes: usize) -> *mut c_void;
        pub fn reallocf(block: *mut c_void, bytes: usize) -> *mut c_void;
        pub fn free(block: *mut c_void);
        pub fn vfree(block: *mut c_void);
        pub fn valloc(bytes: usize) -> *mut c_void;
        pub fn posix_memalign(out: *mut *mut c_void, align: usize, bytes: usize) -> c_int;
        pub fn aligned_alloc(align: usize, bytes: usize) -> *mut c_void;
        pub fn malloc_size(block: *const c_void) -> usize;
        pub fn malloc_zone_from_ptr(block: *const c_void) -> *mut c_void;
        pub fn malloc_zone_free(zone: *mut c_void, block: *mut c_void);
        pub fn malloc_zone_realloc(zone: *mut c_void, block: *mut c_void, bytes: usize) -> *mut c_void;
        pub fn malloc_zone_batch_free(zone: *mut c_void, blocks: *mut *mut c_void, count: c_uint);
    }
}

/// libSystem's function of this name, or null. (`dlsym` gives what it was replaced by.)
pub fn next_symbol(name: &CStr) -> *mut c_void {
    match name.to_bytes() {
        b"malloc" => real::malloc as *mut c_void,
        b"calloc" => real::calloc as *mut c_void,
        b"realloc" => real::realloc as *mut c_void,
        b"free" => real::free as *mut c_void,
        b"posix_memalign" => real::posix_memalign as *mut c_void,
        b"aligned_alloc" => real::aligned_alloc as *mut c_void,
        b"malloc_usable_size" => real::malloc_size as *mut c_void,
        _ => ptr::null_mut(),
    }
}

/// Null: among those who replace a function, nobody stands in front.
pub fn first_symbol(_name: &CStr) -> *mut c_void {
    ptr::null_mut()
}

pub fn is_own_code(_address: *const c_void) -> bool {
    true
}

pub fn clear_symbol_error() {}

/// The loader replaces function by function, and one version of macOS was reported to leave `malloc` out.
pub const MAY_MISS_FUNCTIONS: bool = true;

/// True: what programs get by this name is not libSystem's own. `dlsym` looks into the same table as the binding of an
/// image does (dyld's `Loader::interpose`).
pub fn is_replaced(name: &CStr) -> bool {
    // SAFETY: a C string; RTLD_DEFAULT needs no handle.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    !found.is_null() && !ptr::eq(found, next_symbol(name))
}

/// Has libSystem make one small block and free it, on its own behalf: a tree of one node. Where libSystem calls the typed
/// `malloc`, that calls the plain one, which arrives here, if libmalloc has noticed at start that it was replaced.
pub fn exercise_allocator() {
    extern "C" fn compare(_: *const c_void, _: *const c_void) -> c_int {
        0
    }
    type Compare = extern "C" fn(*const c_void, *const c_void) -> c_int;
    extern "C" {
        fn tsearch(key: *const c_void, root: *mut *mut c_void, compare: Compare) -> *mut c_void;
        fn tdelete(key: *const c_void, root: *mut *mut c_void, compare: Compare) -> *mut c_void;
    }
    let key: *const c_char = c"zkalloc".as_ptr();
    let mut root = ptr::null_mut();
    // SAFETY: the root is live, and empty; the key outlives the tree.
    unsafe { tsearch(key.cast(), &mut root, compare) };
    // SAFETY: as above.
    unsafe { tdelete(key.cast(), &mut root, compare) };
}
