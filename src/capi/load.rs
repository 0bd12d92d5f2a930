//! What the loader calls, and asks for.
//! Unsafe: functions that run before and after `main`.

use crate::init;

#[ctor::ctor(unsafe)]
fn constructor() {
    init::start();
}

#[dtor::dtor(unsafe)]
fn destructor() {
    init::finish();
}

// Parts of `core` that were compiled for unwinding name this function of `std`. Panics abort here, so nobody calls it;
// hidden, so that the library does not export it.
core::arch::global_asm!(
    ".pushsection .text.zkalloc_eh_personality,\"ax\"",
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    "rust_eh_personality:",
    ".popsection"
);
