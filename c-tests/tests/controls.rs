//! Negative controls: each program that shows a promise passes with the shipped library, and fails, in the way that it
//! should, with a build that leaves the protection behind that promise out.

use c_tests::{broken_library, Build, Control, Ending, CONTROLS};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

/// Every control of this protection. Those that end in a hang, which nothing but a wait shows, are waited for at once.
fn check(protection: &str) {
    let controls = CONTROLS.iter().filter(|control| control.protection == protection);
    let (hanging, ending): (Vec<_>, Vec<_>) = controls.partition(|control| control.without == Ending::Hangs);
    assert!(hanging.len() + ending.len() > 0, "no control for {protection}");
    std::thread::scope(|scope| {
        for control in hanging {
            scope.spawn(move || show(control));
        }
        ending.into_iter().for_each(show);
    });
}

fn show(control: &Control) {
    let verdict = control.check();
    verdict.holds.unwrap_or_else(|instead| panic!("{}: {instead}", control.promise));
    verdict.caught.unwrap_or_else(|instead| panic!("{}: the fault was not caught: {instead}", control.promise));
}

macro_rules! controls {
    ($($test:ident = $protection:literal;)*) => {
        $(#[test]
        fn $test() {
            check($protection);
        })*

        const TESTED: &[&str] = &[$($protection),*];
    };
}

controls! {
    i1_reset = "reset";
    i1_torn_down = "torn-down";
    i1_lost_growth = "lost-growth";
    i1_sticky = "sticky";
    i1_trim_live = "trim-live";
    i2_zeroing = "zeroing";
    i2_refused_purge = "refused-purge";
    i2_i5_half_moved = "half-moved";
    i3_busy = "busy";
    i3_i5_nested = "nested";
    i3_bootstrap = "bootstrap";
    i4_usable = "usable";
    i4_page_size = "page-size";
    i4_in_front = "in-front";
    i3_reentry = "reentry";
    i4_errno = "errno";
    i4_cancellation = "cancellation";
    i4_product = "product";
    i4_alignment = "alignment";
    i4_misuse = "misuse";
    i4_trim_kept = "trim-kept";
    i4_locked_move = "locked-move";
    i4_wipe_swapped = "wipe-swapped";
    i5_fork_locks = "fork-locks";
    i5_fork_rebuild = "fork-rebuild";
    i5_fork_gate = "fork-gate";
    i5_fork_thread = "fork-thread";
    i6_mode_off = "mode-off";
    i6_forwarding = "forwarding";
    i6_show_large = "show-large";
    i6_threshold = "threshold";
    i6_privileged = "privileged";
    i6_late_thread = "late-thread";
    i6_retire = "retire";
    i6_unjoined = "unjoined";
    i6_main_in_child = "main-in-child";
    i6_free_starts = "free-starts";
    i6_thread_hook = "thread-hook";
    i5_shared_memory = "shared-memory";
    i6_descriptors = "descriptors";
    i6_past_us = "past-us";
    i6_early = "early";
    i7_sleepless = "sleepless";
    i7_write_signals = "write-signals";
    i7_impatient = "impatient";
    i8_half_started = "half-started";
    i6_signal_mask = "signal-mask";
    i7_thread_exit = "thread-exit";
    i7_commit = "commit";
    i7_tables = "tables";
    i7_on_demand = "on-demand";
    i7_halving = "halving";
    i7_half_left = "half-left";
    i7_overflow = "overflow";
    i7_refused_move = "refused-move";
    i7_lost_move = "lost-move";
    i7_filter = "filter";
    i8_give_back = "give-back";
    i8_dead_pages = "dead-pages";
    i8_decay = "decay";
    i8_computing = "computing";
    i8_heap_top = "heap-top";
    i6_long_trim = "long-trim";
    i8_spread = "spread";
    i8_late_search = "late-search";
    i8_cut_off = "cut-off";
    i8_aligned_gap = "aligned-gap";
    i8_moved_advice = "moved-advice";
    i8_make_way = "make-way";
    i8_few_blocks = "few-blocks";
    i8_churn = "churn";
    i8_tails = "tails";
    i8_static_tls = "static-tls";
    i8_no_thread = "no-thread";
    i8_light_use = "light-use";
    i8_wipe_untouched = "wipe-untouched";
    i8_pinned = "pinned";
    i8_budget = "budget";
    i8_retain = "retain";
    i8_prefault = "prefault";
    i8_prefault_in_use = "prefault-in-use";
    i8_cgroup_limit = "cgroup-limit";
    i8_pressure = "pressure";
    i8_core_dump = "core-dump";
    i8_surplus = "surplus";
}

/// A name that is none ends the process with one line, which lists them all: these, and no others, are tested.
#[test]
fn every_protection_has_its_control() {
    let run = Build::new("recursion.c").preloaded().env("LD_PRELOAD", broken_library());
    let outcome = run.env("ZKALLOC_BROKEN", "no\nthing").finish();
    assert_eq!(outcome.status.signal(), Some(libc::SIGABRT), "{outcome}");
    let names = outcome.stderr.strip_prefix("zkalloc: fatal: ZKALLOC_BROKEN=\"no\\nthing\": it takes nothing, ");
    let names = names.and_then(|names| names.strip_suffix('\n')).unwrap_or_else(|| panic!("{outcome}"));
    let known: BTreeSet<&str> = names.split(", ").collect();
    assert_eq!(known, TESTED.iter().copied().collect());
    assert_eq!(known, CONTROLS.iter().map(|control| control.protection).collect());
}

/// Without the variable, the build does what the ancestor did.
#[test]
fn a_broken_build_resets_by_default() {
    let outcome = Build::new("survivors.c").preloaded().env("LD_PRELOAD", broken_library()).finish();
    assert_eq!(outcome.status.code(), Some(1), "{outcome}");
    assert!(outcome.stderr.contains("check failed: has_pattern"), "{outcome}");
}

/// A protection that is not left out is a fault that is not caught, and a promise that is not kept is seen.
#[test]
fn a_control_can_miss() {
    let env = &[("ZK_ALLOC_MIN_BYTES", "0")];
    let control = Control { env, behind: Some("shim_keys.c"), ..Control::new("I3", "nothing", "recursion.c") };
    for (with, without, holds, caught) in [
        (Ending::Quiet, Ending::Signal(libc::SIGSEGV), true, false),
        (Ending::Quiet, Ending::Hangs, true, false),
        (Ending::Quiet, Ending::Quiet, true, true),
        (Ending::Signal(libc::SIGSEGV), Ending::OneOf(&[Ending::Hangs, Ending::Exits(1, "")]), false, false),
    ] {
        let verdict = Control { with, without, ..control }.check();
        assert_eq!((verdict.holds.is_ok(), verdict.caught.is_ok()), (holds, caught), "{with:?} {without:?}");
    }
}

/// All eight promises are covered.
#[test]
fn every_promise_has_a_control() {
    let promises: BTreeSet<&str> = CONTROLS.iter().map(|control| control.promise).collect();
    assert_eq!(promises.into_iter().collect::<Vec<_>>(), ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"]);
}
