//! The shared object, opened, with its exported functions.
//! Unsafe: dlopen, and calls through pointers that dlsym returned.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `zk_stats` of include/zkalloc.h, written once more: the crate's own (feature `client`) would bring a second
/// libzkalloc.so into this workspace, beside the one that is tested. A field too many or too few shows in the size that
/// the library fills in, a field in the wrong place in the counters that `machine.rs` checks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub size: u32,
    pub version: u32,
    pub phases_begun: u64,
    pub phases_ended: u64,
    pub arena_allocs: u64,
    pub arena_frees: u64,
    pub live_blocks: u64,
    pub live_bytes: u64,
    pub peak_live_bytes: u64,
    pub resident_bytes: u64,
    pub reserved_bytes: u64,
    pub reused_bytes: u64,
    pub fresh_bytes: u64,
    pub moved_bytes: u64,
    pub returned_bytes: u64,
    pub overflow_count: u64,
    pub overflow_bytes: u64,
    pub system_allocs_in_phase: u64,
    pub survivor_blocks: u64,
    pub survivor_bytes: u64,
    pub threads_seen: u64,
    pub forks: u64,
}

// Addresses are numbers here: the interpreter compares and sorts them. In this ABI both are passed alike.
macro_rules! functions {
    ($($name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty;)*) => {
        /// The functions of the loaded library.
        #[derive(Clone, Copy)]
        pub struct Library {
            $($name: unsafe extern "C" fn($($type),*) -> $result,)*
        }

        impl Library {
            fn resolve(handle: *mut libc::c_void) -> Result<Self, String> {
                Ok(Self {
                    $($name: {
                        type Function = unsafe extern "C" fn($($type),*) -> $result;
                        let address = symbol(handle, stringify!($name))?;
                        // SAFETY: the function of this name has this C type in include/zkalloc.h or stdlib.h.
                        unsafe { std::mem::transmute::<usize, Function>(address) }
                    },)*
                })
            }

            $(
                pub(crate) fn $name(&self, $($argument: $type),*) -> $result {
                    // SAFETY: the interpreter passes live blocks and its own variables; `zk_owns` follows nothing.
                    unsafe { (self.$name)($($argument),*) }
                }
            )*
        }
    };
}

functions! {
    malloc(bytes: usize) -> usize;
    calloc(count: usize, bytes: usize) -> usize;
    realloc(block: usize, bytes: usize) -> usize;
    reallocarray(block: usize, count: usize, bytes: usize) -> usize;
    free(block: usize) -> ();
    posix_memalign(out: *mut usize, align: usize, bytes: usize) -> i32;
    aligned_alloc(align: usize, bytes: usize) -> usize;
    memalign(align: usize, bytes: usize) -> usize;
    valloc(bytes: usize) -> usize;
    pvalloc(bytes: usize) -> usize;
    malloc_usable_size(block: usize) -> usize;
    zk_begin_phase() -> i32;
    zk_end_phase() -> i32;
    zk_phase_depth() -> u32;
    zk_set_thread_enabled(on: i32) -> i32;
    zk_owns(address: usize) -> i32;
    zk_trim(keep: usize) -> usize;
    zk_prefault(bytes: usize) -> i32;
    zk_stats_get(out: *mut Stats) -> i32;
    zk_overflow_stats(count: *mut usize, bytes: *mut usize) -> ();
    zk_reset_overflow_stats() -> ();
    zk_min_arena_bytes() -> usize;
}

impl Library {
    /// Opens the shared object; it reads its settings (`ZK_ALLOC_*`) now, and stays for the life of the process.
    ///
    /// DEEPBIND: some of its functions call others by their exported names, as glibc's do (`reallocarray` calls
    /// `realloc`); these are to be its own, as they are where it is preloaded.
    pub fn load(path: &Path) -> Result<Self, String> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
        let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: a C string; the library's constructor may run here.
        let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
        if handle.is_null() {
            return Err(format!("{}\nBuild it first, or name another one in ZKALLOC_LIB.", load_error()));
        }
        Self::resolve(handle)
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats { size: size_of::<Stats>() as u32, ..Stats::default() };
        assert_eq!(self.zk_stats_get(&mut stats), 0, "zk_stats_get refused");
        assert_eq!((stats.size as usize, stats.version), (size_of::<Stats>(), 1), "zk_stats_get's header");
        stats
    }
}

fn symbol(handle: *mut libc::c_void, name: &str) -> Result<usize, String> {
    let text = CString::new(name).map_err(|error| format!("{name}: {error}"))?;
    // SAFETY: an open handle and a C string.
    match unsafe { libc::dlsym(handle, text.as_ptr()) } as usize {
        0 => Err(format!("the library has no symbol {name}")),
        address => Ok(address),
    }
}

fn load_error() -> String {
    // SAFETY: no arguments.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "dlopen failed".to_owned();
    }
    // SAFETY: dlerror returned a C string of this thread's.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// `$ZKALLOC_LIB`, else `target/release/libzkalloc.so` of this repository.
pub fn default_library() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("ZKALLOC_LIB")
        .filter(|path| path != OsStr::new(""))
        .map_or_else(|| here.with_file_name("target/release/libzkalloc.so"), PathBuf::from)
}
