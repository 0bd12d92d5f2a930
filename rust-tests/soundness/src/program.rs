//! How a program of this package starts, ends, and says what it saw.

use crate::process::exit_now;
use crate::survivor;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Exit code of a program that saw its memory change under it. Anything else but 0, 2 and 3 is a crash.
pub const CORRUPTION: i32 = 1;
/// Exit code where the run proves nothing, because the library was not loaded or took no part.
pub const NOT_ENGAGED: i32 = 2;
/// Exit code for arguments that are not understood.
pub const USAGE: i32 = 3;
/// Exit code of a program in which nothing has moved for long.
pub const HANG: i32 = 4;

/// The flag that allows a run without the library, to test the program itself.
pub const WITHOUT_LIBRARY: &str = "--without-library";

/// Runs `body`, which returns how many phases it opened and ended, and then asks the library whether it took part.
/// `body` gets the number given on the command line, if any.
pub fn run(body: impl FnOnce(Option<usize>) -> u64) {
    let mut number = None;
    let mut library_expected = true;
    for argument in std::env::args().skip(1) {
        if argument == WITHOUT_LIBRARY {
            library_expected = false;
        } else if let Ok(value) = argument.parse() {
            number = Some(value);
        } else {
            eprintln!("usage: [{WITHOUT_LIBRARY}] [NUMBER]");
            process::exit(USAGE);
        }
    }
    let phases = body(number);
    if library_expected {
        require_engaged(phases);
    }
    println!("clean: {phases} phases");
}

/// Ends the process at once: nothing may be unwound, freed or even allocated on a heap known to be corrupt, or the
/// finding would drown in a crash.
pub fn corruption(what: std::fmt::Arguments<'_>) -> ! {
    // Relaxed: set before the first thread is started.
    match SEED.load(Ordering::Relaxed) {
        0 => eprintln!("corruption: {what}"),
        seed => eprintln!("corruption: {what} (--seed {seed})"),
    }
    exit_now(CORRUPTION)
}

/// 0: the program does the same every time.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Has every finding name the seed that it was made with.
pub fn set_seed(seed: u64) {
    SEED.store(seed, Ordering::Relaxed);
}

/// Ends the process with a finding unless `intact`.
pub fn require(intact: bool, what: &str) {
    if !intact {
        corruption(format_args!("{what}"));
    }
}

/// Panics unless `expected` phases are open; without the library there never is one.
pub fn require_depth(expected: u32) {
    let expected = if zkalloc::is_loaded() { expected } else { 0 };
    assert_eq!(zkalloc::phase_depth(), expected, "number of open phases");
}

/// Ends the process unless the library is loaded, counted as many phases as the program did, and served some of it.
pub fn require_engaged(phases: u64) {
    let Some(stats) = zkalloc::stats() else {
        not_engaged("libzkalloc is not loaded");
    };
    if (stats.phases_begun, stats.phases_ended) != (phases, phases) {
        not_engaged("the library did not count the phases");
    }
    if stats.arena_allocs == 0 {
        not_engaged("the arena served nothing");
    }
    if !survivor::any_in_arena() {
        not_engaged("no survivor lay in the arena");
    }
}

fn not_engaged(why: &str) -> ! {
    eprintln!("not engaged: {why}");
    process::exit(NOT_ENGAGED);
}
