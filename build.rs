//! Link options of the preloadable library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Threads hold exit functions of the library and blocks of its arena: it must never be unloaded.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Every symbol is resolved at load: no lazy binding, which may allocate, inside a call.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libzkalloc.so");
    }
}
