//! Link options of the preloadable library, and how its functions come before those of the system.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The loader replaces function by function, as a table says; else it takes the first of a name.
    println!("cargo::rustc-check-cfg=cfg(interposes)");
    // Tests under a model checker: `--cfg loom` or `--cfg shuttle`.
    println!("cargo::rustc-check-cfg=cfg(modelled)");
    if ["CARGO_CFG_LOOM", "CARGO_CFG_SHUTTLE"].iter().any(|checker| std::env::var_os(checker).is_some()) {
        println!("cargo::rustc-cfg=modelled");
    }
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => {
            // Threads hold exit functions of the library and blocks of its arena: it must never be unloaded.
            println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
            // Every symbol is resolved at load: no lazy binding, which may allocate, inside a call.
            println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
            println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libzkalloc.so");
        }
        Ok("macos") => {
            println!("cargo::rustc-cfg=interposes");
            // Nothing is loaded that nothing comes from (the libc crate asks for libiconv).
            println!("cargo::rustc-cdylib-link-arg=-Wl,-dead_strip_dylibs");
            println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libzkalloc.dylib");
        }
        _ => {}
    }
}
