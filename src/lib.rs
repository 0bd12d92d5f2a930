//! libzkalloc: a memory allocator for zero-knowledge provers, preloaded into unmodified programs.
//!
//! The way of a call reads top to bottom: `capi/standard.rs`, `router.rs`, `arena/` or `system.rs`, `platform/`.
//! With the feature `client` this crate is the Rust API for programs instead, and interposes nothing.
#![cfg_attr(not(any(feature = "client", test)), no_std)]
// Without the entry points, most of the library is out of reach.
#![cfg_attr(test, allow(dead_code))]
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]

#[cfg(all(feature = "client", feature = "interpose"))]
compile_error!("features `client` and `interpose` exclude each other: use default-features = false with `client`");
#[cfg(all(feature = "interpose", not(target_pointer_width = "64")))]
compile_error!("libzkalloc needs the address space of a 64-bit processor");

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
pub use client::*;

#[cfg(feature = "interpose")]
mod arena;
#[cfg(feature = "interpose")]
mod background;
#[cfg(feature = "interpose")]
mod block;
#[cfg(feature = "interpose")]
mod broken;
#[cfg(feature = "interpose")]
mod capi;
#[cfg(feature = "interpose")]
mod cgroup;
#[cfg(feature = "interpose")]
mod config;
#[cfg(feature = "interpose")]
mod fork;
#[cfg(feature = "interpose")]
mod init;
#[cfg(feature = "interpose")]
mod kernel_text;
#[cfg(feature = "interpose")]
mod platform;
#[cfg(feature = "interpose")]
mod prefault;
#[cfg(feature = "interpose")]
mod pressure;
#[cfg(feature = "interpose")]
mod report;
#[cfg(feature = "interpose")]
mod retention;
#[cfg(feature = "interpose")]
mod router;
#[cfg(feature = "interpose")]
mod stats;
#[cfg(feature = "interpose")]
mod sync;
#[cfg(feature = "interpose")]
mod system;
#[cfg(feature = "interpose")]
mod tls;
#[cfg(feature = "interpose")]
mod trace;

/// The library's version.
#[cfg(feature = "interpose")]
const VERSION: &str = env!("CARGO_PKG_VERSION");
#[cfg(feature = "interpose")]
const VERSION_C: &core::ffi::CStr =
    match core::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("no null byte in a version"),
    };

/// A bug of the library: said in one line, then the end.
#[cfg(all(feature = "interpose", not(test)))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report::fatal(format_args!("bug: {info}"))
}
