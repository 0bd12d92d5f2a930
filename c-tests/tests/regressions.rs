//! What a hostile review found, each as a program that failed then.

use c_tests::{library, temporary_dir, Build, Run, StatsFile};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

/// A defect here is often a deadlock: end it soon.
const TIMEOUT: Duration = Duration::from_secs(40);

fn quiet(run: Run) {
    run.timeout(TIMEOUT).finish().expect_quiet_success();
}

/// Preloads both, in this order.
fn preload_both(run: Run, first: &Path, second: &Path) -> Run {
    run.env("LD_PRELOAD", format!("{}:{}", first.display(), second.display()))
}

fn give_back(case: &str, decay_ms: &str) {
    quiet(Build::new("give_back.c").preloaded().arg(case).env("ZK_ALLOC_DECAY_MS", decay_ms));
}

fn edges(case: &str) -> Run {
    Build::new("process_edges.c").preloaded().arg(case).timeout(TIMEOUT)
}

fn page_moves(case: &str, mremap: &str) {
    let shim = Build::shared("shim_mremap.c").program();
    let run = Build::new("page_moves.c").preloaded().arg(case).env("ZK_TEST_MREMAP", mremap);
    quiet(preload_both(run, &shim, &library()));
}

#[test]
fn a_fork_handler_frees_under_the_locks() {
    let handler = Build::shared("shim_atfork.c").program();
    quiet(preload_both(Build::new("prepare_frees.c").preloaded(), &library(), &handler));
}

#[test]
fn realloc_stays_below_a_wrapper() {
    let wrapper = Build::shared("shim_header.c").program();
    quiet(preload_both(Build::new("wrapped.c").preloaded(), &wrapper, &library()));
}

#[test]
fn contents_outlive_a_refused_move() {
    for mremap in ["deny", "old", "stolen"] {
        page_moves("blocks", mremap);
    }
}

/// Without the library too, and by copying where nothing can be moved.
#[test]
fn contents_outlive_growth() {
    let plain = Build::new("growth.c").plain().finish().expect_quiet_success().stdout;
    assert_eq!(Build::new("growth.c").preloaded().finish().expect_quiet_success().stdout, plain);
    let shim = Build::shared("shim_mremap.c").program();
    for mremap in ["deny", "old", "stolen"] {
        // At the first unit of a block's, in its middle, in later blocks'.
        for good_moves in ["0", "2", "9", "17"] {
            let run = Build::new("growth.c").preloaded();
            let run = run.envs(&[("ZK_TEST_MREMAP", mremap), ("ZK_TEST_GOOD_MOVES", good_moves)]);
            quiet(preload_both(run, &shim, &library()));
        }
    }
}

#[test]
fn memory_that_the_program_locked_keeps_no_other() {
    give_back("pinned", "-1");
}

#[test]
fn a_child_forked_during_a_move_gets_zeros() {
    page_moves("fork", "slow");
}

#[test]
fn calloc_is_zero_where_the_kernel_kept_locked_pages() {
    give_back("locked", "-1");
}

#[test]
fn freed_medium_blocks_go_back_when_idle() {
    give_back("medium", "300");
}

#[test]
fn a_program_that_computes_in_the_middle_of_a_proof_is_not_idle() {
    give_back("computing", "1000");
    give_back("light", "2000");
}

#[test]
fn blocks_freed_during_a_trim_go_back_too() {
    give_back("during-trim", "100");
}

#[test]
fn an_arena_made_by_prefault_serves_medium_requests() {
    quiet(Build::new("ownership.c").preloaded().arg("prefault"));
}

#[test]
fn prefaulted_memory_is_counted_and_goes_back() {
    give_back("prefault", "-1");
    give_back("prefault-idle", "2000");
}

#[test]
fn prefaulted_memory_is_there_for_whatever_comes_first() {
    let run = Build::new("give_back.c").preloaded().arg("prefault-option").env("ZK_ALLOC_DECAY_MS", "-1");
    quiet(run.env("ZK_ALLOC_PREFAULT_MB", "1024"));
    give_back("prefault-kept", "-1");
}

#[test]
fn the_background_thread_runs_none_of_the_programs_handlers() {
    give_back("signals", "10000");
}

#[test]
fn the_summary_stays_out_of_the_programs_files() {
    let dir = temporary_dir("own-file");
    let file = dir.join("data.bin");
    edges("own-file").arg(&file).env("ZK_ALLOC_STATS", "1").finish().expect_success();
    assert_eq!(std::fs::read_to_string(&file).expect("the program wrote it"), "PAYLOAD\n");
    std::fs::remove_dir_all(dir).expect("a directory of ours");
}

#[test]
fn small_blocks_are_not_faulted_in_again() {
    for blocks in ["proofs", "huge"] {
        quiet(Build::new("small_heap.c").preloaded().args([blocks]));
    }
}

#[test]
fn what_glibc_was_made_to_keep_goes_back_if_that_is_soon_done() {
    for heap in ["idle", "large"] {
        quiet(Build::new("small_heap.c").preloaded().args([heap]).env("ZK_ALLOC_DECAY_MS", "200"));
    }
}

#[test]
fn a_cancelled_thread_does_not_end_inside_malloc() {
    edges("cancel").env("ZK_ALLOC_VERBOSE", "1").finish().expect_success();
}

#[test]
fn the_timeline_stays_json_with_a_child() {
    for case in ["trace-fork", "trace-exec"] {
        let file = StatsFile::new(case);
        edges(case).env("ZK_ALLOC_TRACE", file.path()).finish().expect_success();
        let document = file.read();
        assert!(document.as_array().is_some_and(|events| !events.is_empty()), "{case}: {document}");
    }
}

#[test]
fn free_keeps_errno_when_no_thread_can_be_started() {
    edges("errno").finish().expect_success();
}

#[test]
fn many_thread_local_variables_leave_room_for_the_librarys_thread() {
    quiet(Build::new("static_tls.c").preloaded().env("ZK_ALLOC_DECAY_MS", "1000"));
}

#[test]
fn a_thread_that_cannot_be_started_is_not_asked_for_with_every_free() {
    let shim = Build::shared("shim_threads.c").program();
    let run = Build::new("no_threads.c").preloaded().env("ZK_TEST_ARENA", "used").env("ZK_ALLOC_DECAY_MS", "500");
    quiet(preload_both(run, &shim, &library()));
}

#[test]
fn a_double_free_is_one_after_the_slot_served_another_block() {
    let outcome = edges("double-free").finish();
    assert_eq!(outcome.status.signal(), Some(libc::SIGABRT), "{outcome}");
    let block = outcome.stdout.lines().last().expect("the block's address");
    assert_eq!(outcome.stderr, format!("zkalloc: fatal: double free ({block})\n"), "{outcome}");
}

#[test]
fn a_signal_handler_frees_in_the_middle_of_a_free() {
    quiet(edges("signal").env("ZK_ALLOC_RETAIN_MB", "0"));
    quiet(edges("signal-trim").env("ZK_ALLOC_RETAIN_MB", "0"));
}
