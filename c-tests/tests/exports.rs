//! What the library's ELF file says: its exported symbols, no dynamic TLS, never unloaded.

use c_tests::{broken_library, committed_header, library, repository, Build, Run};
use std::collections::BTreeSet;
use std::path::Path;

/// Static TLS that a library loaded late may count on is scarce, and shared by all libraries.
const MOST_STATIC_TLS_BYTES: u64 = 64;

fn binutil(name: &str, args: &[&str]) -> String {
    binutil_of(name, args, &library())
}

fn binutil_of(name: &str, args: &[&str], library: &Path) -> String {
    Run::new(name).args(args).arg(library).finish().expect_success().stdout
}

/// The names in include/exports.txt.
fn listed() -> BTreeSet<String> {
    let path = repository().join("include/exports.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn exported() -> BTreeSet<String> {
    // "0000000000012340 T malloc"; a versioned symbol would be "malloc@@VERSION", which is not in the list.
    let symbols = binutil("nm", &["-D", "--defined-only"]);
    symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect()
}

#[test]
fn exported_are_exactly_the_listed_symbols() {
    let (listed, exported) = (listed(), exported());
    assert!(listed.contains("malloc") && listed.contains("zk_begin_phase"), "include/exports.txt lists {listed:?}");
    let missing: Vec<_> = listed.difference(&exported).collect();
    let surplus: Vec<_> = exported.difference(&listed).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "listed in include/exports.txt, not exported: {missing:?}\nexported, not listed: {surplus:?}"
    );
}

#[test]
fn the_header_declares_exactly_the_listed_zk_functions() {
    let header = committed_header();
    let declared: BTreeSet<String> = header
        .lines()
        .filter(|line| line.starts_with("ZK_API "))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .map(str::to_owned)
        .collect();
    let listed: BTreeSet<String> = listed().into_iter().filter(|name| name.starts_with("zk_")).collect();
    assert_eq!(declared, listed);
}

/// What is wrong with a library's thread-local storage, if anything. `__tls_get_addr` may allocate, through us.
fn tls_faults(library: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    if binutil_of("nm", &["-D", "--undefined-only"], library).contains("__tls_get_addr") {
        faults.push("it imports __tls_get_addr".to_owned());
    }
    let relocations = binutil_of("readelf", &["-W", "--relocs"], library);
    let dynamic = ["DTPMOD", "DTPOFF", "TLSDESC"].into_iter().filter(|kind| relocations.contains(kind));
    faults.extend(dynamic.map(|kind| format!("relocation {kind}")));
    let segments = binutil_of("readelf", &["-W", "--segments"], library);
    // "  TLS  0x012345 0x... 0x... 0x000000 0x000010 R 0x8": the sixth field is the size in memory.
    let sizes: Vec<u64> = segments
        .lines()
        .filter(|line| line.trim_start().starts_with("TLS "))
        .map(|line| {
            let field = line.split_whitespace().nth(5).and_then(|field| field.strip_prefix("0x"));
            let size = field.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            size.unwrap_or_else(|| panic!("readelf's segment table changed: {line}"))
        })
        .collect();
    assert_eq!(sizes.len(), 1, "one TLS segment for the per-thread cursor\n{segments}");
    if sizes[0] > MOST_STATIC_TLS_BYTES {
        faults.push(format!("{} bytes of static TLS", sizes[0]));
    }
    faults
}

#[test]
fn thread_local_storage_is_static_and_small() {
    assert_eq!(tls_faults(&library()), [""; 0]);
}

/// The control: what a compiler makes of a large `__thread` variable unless it is told otherwise.
#[test]
fn dynamic_thread_local_storage_is_noticed() {
    let faults = tls_faults(&Build::shared("shim_tls.c").program());
    let expected: &[&str] = match std::env::consts::ARCH {
        "aarch64" => &["relocation TLSDESC", "100 bytes of static TLS"],
        _ => &["it imports __tls_get_addr", "relocation DTPMOD", "relocation DTPOFF", "100 bytes of static TLS"],
    };
    assert_eq!(faults, expected);
}

/// The negative controls leave no trace in what is shipped: no variable, no code.
#[test]
fn no_protection_can_be_left_out() {
    let mentions = |library: &Path, text: &str| {
        let bytes = std::fs::read(library).unwrap_or_else(|error| panic!("{}: {error}", library.display()));
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    for text in ["ZKALLOC_BROKEN", "refused-purge", "broken_reset"] {
        assert!(!mentions(&library(), text), "{text}");
        assert!(mentions(&broken_library(), text), "the broken library itself lacks \"{text}\"");
    }
}

/// After `dlclose` its blocks would still be in use.
#[test]
fn it_is_never_unloaded() {
    let dynamic = binutil("readelf", &["-W", "--dynamic"]);
    let flags: Vec<_> = dynamic.lines().filter(|line| line.contains("(FLAGS_1)")).collect();
    assert!(flags.len() == 1 && flags[0].contains("NODELETE"), "{dynamic}");
}

/// The next allocator is glibc's, the loader's, or none: nothing else is pulled into a stranger's process.
#[test]
fn it_needs_only_libc() {
    let dynamic = binutil("readelf", &["-W", "--dynamic"]);
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let allowed = ["[libc.so.6]", "[libgcc_s.so.1]", "[ld-linux-x86-64.so.2]", "[ld-linux-aarch64.so.1]"];
        assert!(allowed.iter().any(|name| line.contains(name)), "{line}");
    }
}
