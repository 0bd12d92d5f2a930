//! Which program must fail without which protection. Every protection of `src/broken.rs` is here
//! (`tests/controls.rs` compares).

use crate::control::{Control, Ending};
use Ending::{Aborts, CheckFails, Exits, Hangs, OneLine, OneOf, OtherThanPlain, Prints, SameAsPlain, Signal};

const NO_DECAY: &[(&str, &str)] = &[("ZK_ALLOC_DECAY_MS", "-1")];
const RETAIN: &[(&str, &str)] = &[("ZK_ALLOC_RETAIN_MB", "32"), ("ZK_ALLOC_DECAY_MS", "-1")];
const TRIM: &[(&str, &str)] = &[("ZK_ALLOC_BACKGROUND", "0"), ("ZK_ALLOC_DECAY_MS", "-1"), ("ZK_ALLOC_THP", "never")];
/// The overflow program touches one page in each block, and should not pay for 2 MiB.
const SMALL_PAGES: &[(&str, &str)] = &[("ZK_ALLOC_THP", "never")];
const ITEM_INTACT: &str = "has_pattern(item.block, item.size, item.seed)";
const NO_SPACE: &str = "no address space for an arena";

pub const CONTROLS: &[Control] = &[
    Control { without: CheckFails(ITEM_INTACT), ..Control::new("I1", "reset", "survivors.c") },
    Control {
        args: &["40", "8", "100"],
        // realloc finds the block freed, or another where it was; or its contents are another's.
        without: OneOf(&[
            CheckFails(ITEM_INTACT),
            CheckFails("has_pattern(item.block, size < item.size ? size : item.size, item.seed)"),
            CheckFails("item.block && all_zero(item.block, item.size)"),
            Aborts("double free"),
            Aborts("invalid pointer"),
            Signal(libc::SIGSEGV),
        ]),
        ..Control::new("I1", "reset", "threads.c")
    },
    Control { with: SameAsPlain, without: Aborts("double free"), ..Control::new("I1", "reset", "contract_realloc.c") },
    Control {
        env: TRIM,
        without: CheckFails("has_pattern(blocks[i], size, i)"),
        ..Control::new("I1", "trim-live", "trim.c")
    },
    Control {
        args: &["late-destructor"],
        with: SameAsPlain,
        // Counts that two threads change at once; or a block that both of them get.
        without: OneOf(&[
            CheckFails("stats.live_blocks == 0 && stats.live_bytes == 0"),
            CheckFails("stats.arena_allocs == stats.arena_frees"),
            CheckFails("has_pattern(blocks[i], 100, seed + i)"),
            Aborts("double free"),
            Aborts("invalid pointer"),
        ]),
        ..Control::new("I1", "torn-down", "lifecycle.c")
    },
    Control {
        args: &["auto"],
        with: Prints("auto: as designed\n"),
        without: CheckFails("moved && !zk_owns(moved) && !zk_owns((char *)moved + GROWTH[i] - 1)"),
        ..Control::new("I1", "sticky", "ownership.c")
    },
    Control {
        with: SameAsPlain,
        without: CheckFails("all_zero(blocks[i], round % 2 ? SIZES[s] : SIZES[s] - SIZES[s] / 8)"),
        ..Control::new("I2", "zeroing", "contract_memory.c")
    },
    Control {
        args: &["locked"],
        env: NO_DECAY,
        without: CheckFails("zeroed != NULL && all_zero(zeroed, 2 * MIB)"),
        ..Control::new("I2", "refused-purge", "give_back.c")
    },
    Control {
        args: &["move"],
        env: NO_DECAY,
        front: Some("shim_slow.c"),
        without: CheckFails("zk_owns(block) && all_zero(block, TARGET)"),
        ..Control::new("I2", "half-moved", "fork_window.c")
    },
    Control {
        args: &["hole"],
        env: NO_DECAY,
        front: Some("shim_slow.c"),
        without: CheckFails("status == 0"),
        ..Control::new("I5", "half-moved", "fork_window.c")
    },
    Control { args: &["main-exit"], ..Control::new("I6", "retire", "background.c") },
    Control {
        args: &["main-last"],
        // A thread that may say something keeps the descriptors that a failed check is reported to.
        env: &[("ZK_ALLOC_DECAY_MS", "100"), ("ZK_ALLOC_VERBOSE", "1")],
        front: Some("shim_slow.c"),
        with: Prints("buffered until the end\n"),
        without: CheckFails("gettid() == getpid()"),
        ..Control::new("I6", "unjoined", "background.c")
    },
    Control { args: &["main-forked"], ..Control::new("I6", "main-in-child", "background.c") },
    Control {
        args: &["plugin"],
        plugin: Some("plugin_tls.c"),
        // The child waits for itself; SIGALRM is blocked by then.
        without: Hangs,
        ..Control::new("I6", "free-starts", "background.c")
    },
    Control {
        args: &["hook"],
        front: Some("shim_thread_hook.c"),
        without: Hangs,
        ..Control::new("I6", "thread-hook", "background.c")
    },
    Control {
        args: &["vfork"],
        env: &[("ZK_ALLOC_DECAY_MS", "200")],
        without: CheckFails("falls_below(64 * MIB, WAIT_MS)"),
        ..Control::new("I5", "shared-memory", "background.c")
    },
    Control {
        args: &["descriptors"],
        env: NO_DECAY,
        front: Some("shim_slow.c"),
        without: CheckFails("again == file"),
        ..Control::new("I6", "descriptors", "background.c")
    },
    Control { without: Signal(libc::SIGABRT), ..Control::new("I6", "past-us", "own_malloc.c") },
    Control {
        args: &["pinned"],
        env: NO_DECAY,
        without: CheckFails("resident_bytes() < 32 * MIB"),
        ..Control::new("I8", "pinned", "give_back.c")
    },
    Control {
        env: &[("ZK_ALLOC_MIN_BYTES", "0")],
        behind: Some("shim_keys.c"),
        without: Signal(libc::SIGSEGV),
        ..Control::new("I3", "busy", "recursion.c")
    },
    Control {
        args: &["signal"],
        env: &[("ZK_ALLOC_RETAIN_MB", "0")],
        without: Hangs,
        ..Control::new("I3", "nested", "process_edges.c")
    },
    Control {
        args: &["signal-trim"],
        env: &[("ZK_ALLOC_RETAIN_MB", "0")],
        without: Hangs,
        ..Control::new("I3", "nested", "process_edges.c")
    },
    Control {
        behind: Some("shim_hooks.c"),
        with: Prints("contents kept\n"),
        without: Signal(libc::SIGABRT),
        ..Control::new("I3", "bootstrap", "chain.c")
    },
    Control {
        args: &["madvise", "late"],
        env: &[("ZK_ALLOC_RETAIN_MB", "0"), ("ZK_ALLOC_BACKGROUND", "0")],
        with: Prints("madvise, late: survived\n"),
        without: CheckFails("errno == 77"),
        ..Control::new("I4", "errno", "sandbox.c")
    },
    Control {
        with: SameAsPlain,
        without: OneOf(&[
            CheckFails("all_zero(blocks[i], round % 2 ? SIZES[s] : SIZES[s] - SIZES[s] / 8)"),
            CheckFails("!zk_owns || !zk_owns(blocks[i]) || all_zero(blocks[i], malloc_usable_size(blocks[i]))"),
        ]),
        ..Control::new("I4", "usable", "contract_memory.c")
    },
    Control {
        args: &["pages", "16384"],
        env: &[("ZK_TEST_PAGE", "16384")],
        behind: Some("shim_page.c"),
        without: CheckFails("malloc_usable_size(large) % page == 0 && zk_owns(large)"),
        ..Control::new("I4", "page-size", "limits.c")
    },
    Control {
        front: Some("shim_allocator.c"),
        with: Prints("contents kept\n"),
        without: Signal(libc::SIGABRT),
        ..Control::new("I4", "in-front", "chain.c")
    },
    Control {
        behind: Some("shim_musl.c"),
        without: CheckFails("after.system_allocs_in_phase == before.system_allocs_in_phase + 6"),
        ..Control::new("I3", "reentry", "stats.c")
    },
    Control { args: &["errno"], without: CheckFails("errno == 77"), ..Control::new("I4", "errno", "process_edges.c") },
    Control {
        args: &["cancel"],
        env: &[("ZK_ALLOC_VERBOSE", "1")],
        with: Prints("cancel: as designed\n"),
        without: CheckFails("returned == 1"),
        ..Control::new("I4", "cancellation", "process_edges.c")
    },
    Control {
        env: &[("ZK_ALLOC_MIN_BYTES", "0")],
        with: SameAsPlain,
        without: OtherThanPlain("calloc(4294967296, 4294967296): block"),
        ..Control::new("I4", "product", "contract_memory.c")
    },
    Control {
        with: SameAsPlain,
        without: OtherThanPlain("posix_memalign(1, 4096): block"),
        ..Control::new("I4", "alignment", "contract.c")
    },
    Control {
        args: &["double-medium", "free"],
        with: Aborts("double free"),
        without: Exits(3, "survived free"),
        ..Control::new("I4", "misuse", "misuse.c")
    },
    Control {
        args: &["interior-large", "free"],
        with: Aborts("invalid pointer"),
        without: Exits(3, "survived free"),
        ..Control::new("I4", "misuse", "misuse.c")
    },
    Control {
        args: &["double-in-trim", "free"],
        env: NO_DECAY,
        front: Some("shim_slow.c"),
        with: Aborts("double free"),
        without: Exits(3, "survived free"),
        ..Control::new("I4", "trim-kept", "misuse.c")
    },
    Control {
        args: &["swapped"],
        env: &[("ZK_ALLOC_WIPE", "1"), ("ZK_ALLOC_DECAY_MS", "-1")],
        front: Some("shim_swap.c"),
        with: Prints("wiped\n"),
        without: Prints("kept\n"),
        ..Control::new("I4", "wipe-swapped", "wipe.c")
    },
    Control {
        args: &["moves"],
        env: NO_DECAY,
        locks_memory: true,
        without: CheckFails("status_bytes(\"VmLck\") >= locked"),
        ..Control::new("I4", "locked-move", "mlock.c")
    },
    Control {
        args: &["first"],
        front: Some("shim_slow.c"),
        without: CheckFails("!(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)"),
        ..Control::new("I5", "fork-locks", "fork_window.c")
    },
    Control {
        args: &["carve"],
        front: Some("shim_slow.c"),
        without: CheckFails("!(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)"),
        ..Control::new("I5", "fork-locks", "fork_window.c")
    },
    Control {
        args: &["trim"],
        front: Some("shim_slow.c"),
        without: CheckFails("!(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)"),
        ..Control::new("I5", "fork-locks", "fork_window.c")
    },
    Control {
        args: &["signal"],
        front: Some("shim_slow.c"),
        without: Hangs,
        ..Control::new("I5", "nested", "fork_window.c")
    },
    Control {
        args: &["first"],
        front: Some("shim_slow.c"),
        without: CheckFails("status == 0"),
        ..Control::new("I5", "fork-gate", "fork_window.c")
    },
    Control {
        args: &["reuse"],
        without: CheckFails("after < before + before / 4"),
        ..Control::new("I5", "fork-rebuild", "fork_window.c")
    },
    Control {
        args: &["child"],
        env: &[("ZK_ALLOC_DECAY_MS", "300")],
        without: CheckFails("falls_below(64 * MIB, WAIT_MS)"),
        ..Control::new("I5", "fork-thread", "give_back.c")
    },
    Control { behind: Some("shim_atfork.c"), without: Hangs, ..Control::new("I5", "nested", "prepare_frees.c") },
    Control {
        args: &["off"],
        env: &[("ZK_ALLOC_MODE", "off")],
        with: Prints("off: as designed\n"),
        without: CheckFails("!arena_takes(SIZES[i])"),
        ..Control::new("I6", "mode-off", "ownership.c")
    },
    Control {
        env: &[("ZK_ALLOC_MODE", "off")],
        with: SameAsPlain,
        without: OtherThanPlain("MISALIGNED"),
        ..Control::new("I6", "forwarding", "contract.c")
    },
    Control {
        args: &["auto"],
        with: Prints("auto: as designed\n"),
        without: CheckFails("!arena_takes(1) && !arena_takes(4095) && arena_takes(4096) && arena_takes(4097)"),
        ..Control::new("I6", "threshold", "ownership.c")
    },
    Control {
        args: &["secure"],
        env: &[("ZK_ALLOC_MIN_BYTES", "100000")],
        privileged: true,
        without: CheckFails("zk_version && zk_min_arena_bytes() == 4096"),
        ..Control::new("I6", "privileged", "bystander.c")
    },
    Control {
        args: &["alone"],
        without: CheckFails("threads() == 1"),
        ..Control::new("I6", "late-thread", "bystander.c")
    },
    Control {
        args: &["phase"],
        env: &[("ZK_TEST_AROUND", "phase"), ("ZK_ALLOC_MIN_BYTES", "8192")],
        behind: Some("shim_around.c"),
        with: Prints("phase: as it should be\n"),
        without: CheckFails("!zk_owns(block)"),
        ..Control::new("I6", "early", "around.c")
    },
    Control {
        args: &["futex", "early"],
        env: NO_DECAY,
        with: Prints("futex, early: survived\n"),
        without: CheckFails("tenths < 100"),
        ..Control::new("I7", "sleepless", "sandbox.c")
    },
    Control {
        args: &["unheard"],
        env: &[("ZK_ALLOC_VERBOSE", "1")],
        with: Prints("unheard: survived\n"),
        without: Signal(libc::SIGPIPE),
        ..Control::new("I7", "write-signals", "reports.c")
    },
    Control {
        env: &[("ZK_ALLOC_DECAY_MS", "500")],
        front: Some("shim_threads.c"),
        without: CheckFails("*refused <= 2 * seconds + 2"),
        ..Control::new("I7", "impatient", "no_threads.c")
    },
    Control {
        env: &[("ZK_ALLOC_DECAY_MS", "500")],
        front: Some("shim_threads.c"),
        without: CheckFails("resident_bytes() < 100 * MIB"),
        ..Control::new("I8", "no-thread", "no_threads.c")
    },
    Control {
        env: &[("ZK_ALLOC_DECAY_MS", "1000")],
        without: CheckFails("falls_below(64 * MIB, 5000)"),
        ..Control::new("I8", "static-tls", "static_tls.c")
    },
    Control {
        args: &["light"],
        env: &[("ZK_ALLOC_DECAY_MS", "2000")],
        without: CheckFails("resident_bytes() < 64 * MIB"),
        ..Control::new("I8", "light-use", "give_back.c")
    },
    Control {
        args: &["classes"],
        env: NO_DECAY,
        without: CheckFails("stays_within(2 * most_live + 64 * MIB)"),
        ..Control::new("I8", "spread", "bounds.c")
    },
    Control {
        args: &["starting"],
        env: NO_DECAY,
        front: Some("shim_threads.c"),
        without: CheckFails("stays_within(2 * most_live + 64 * MIB)"),
        ..Control::new("I8", "half-started", "bounds.c")
    },
    Control {
        args: &["shrunk"],
        env: NO_DECAY,
        without: CheckFails("stays_within(BLOCKS * 65 * MIB / 2 * 3 + 64 * MIB)"),
        ..Control::new("I8", "cut-off", "bounds.c")
    },
    Control {
        args: &["aligned"],
        env: NO_DECAY,
        without: CheckFails("stays_within((size_t)BLOCKS * BYTES + 64 * MIB)"),
        ..Control::new("I8", "aligned-gap", "bounds.c")
    },
    Control {
        args: &["moved"],
        env: NO_DECAY,
        without: CheckFails("slack == 0 || resident_bytes() <= before + read_stats().live_bytes + slack"),
        ..Control::new("I8", "moved-advice", "bounds.c")
    },
    Control {
        args: &["grown"],
        env: NO_DECAY,
        without: CheckFails("read_stats().resident_bytes <= 432 * MIB"),
        ..Control::new("I8", "make-way", "bounds.c")
    },
    Control {
        args: &["few"],
        env: NO_DECAY,
        without: CheckFails("read_stats().resident_bytes <= read_stats().live_bytes + 16 * MIB"),
        ..Control::new("I8", "few-blocks", "bounds.c")
    },
    Control {
        args: &["turns"],
        env: NO_DECAY,
        without: CheckFails("read_stats().moved_bytes - before <= 2048 * MIB"),
        ..Control::new("I8", "churn", "bounds.c")
    },
    Control {
        args: &["tails"],
        env: NO_DECAY,
        without: CheckFails("read_stats().resident_bytes <= BLOCKS * 3 * MIB + 64 * MIB"),
        ..Control::new("I8", "tails", "bounds.c")
    },
    Control {
        env: &[("ZK_ALLOC_WIPE", "1"), ("ZK_ALLOC_DECAY_MS", "-1")],
        with: Prints("wiped\n"),
        without: CheckFails("resident_bytes() <= before + 4 * MIB"),
        ..Control::new("I8", "wipe-untouched", "wipe.c")
    },
    Control {
        args: &["signals"],
        without: CheckFails("!handled_elsewhere && !handled"),
        ..Control::new("I6", "signal-mask", "give_back.c")
    },
    Control {
        args: &["short", "20000"],
        without: CheckFails("stats.threads_seen >= count && stats.resident_bytes <= 64 * MIB"),
        ..Control::new("I7", "thread-exit", "limits.c")
    },
    Control {
        args: &["data", "2048"],
        env: SMALL_PAGES,
        without: CheckFails("read_stats().reserved_bytes >= 64 * GIB"),
        ..Control::new("I7", "commit", "overflow.c")
    },
    Control {
        args: &["all"],
        locks_memory: true,
        without: CheckFails("status_bytes(\"VmRSS\") <= 300 * MIB"),
        ..Control::new("I7", "commit", "mlock.c")
    },
    Control {
        args: &["all-new"],
        locks_memory: true,
        without: CheckFails("status_bytes(\"VmRSS\") <= 300 * MIB"),
        ..Control::new("I7", "commit", "mlock.c")
    },
    Control {
        args: &["tables"],
        locks_memory: true,
        without: CheckFails("status_bytes(\"VmRSS\") <= 200 * MIB"),
        ..Control::new("I7", "tables", "mlock.c")
    },
    Control {
        args: &["modest"],
        with: OneLine(NO_SPACE),
        without: CheckFails("mlockall(MCL_CURRENT | MCL_FUTURE) == 0"),
        ..Control::new("I7", "on-demand", "mlock.c")
    },
    Control {
        args: &["limit", "8192"],
        env: SMALL_PAGES,
        with: Prints("smaller arena\n"),
        without: Prints("no arena\n"),
        ..Control::new("I7", "halving", "overflow.c")
    },
    Control {
        args: &["limit", "6144"],
        env: SMALL_PAGES,
        with: Prints("smaller arena\n"),
        without: CheckFails("reserved <= limit / 2"),
        ..Control::new("I7", "half-left", "overflow.c")
    },
    Control {
        args: &["slab"],
        env: &[("ZK_ALLOC_THP", "never"), ("ZK_ALLOC_SLAB_GB", "1")],
        without: CheckFails("overflows > 0"),
        ..Control::new("I7", "overflow", "overflow.c")
    },
    Control {
        args: &["blocks"],
        env: &[("ZK_TEST_MREMAP", "deny")],
        front: Some("shim_mremap.c"),
        without: CheckFails("!zeroed || all_zero(held[i].block, held[i].size)"),
        ..Control::new("I7", "refused-move", "page_moves.c")
    },
    Control {
        args: &["blocks"],
        env: &[("ZK_TEST_MREMAP", "old")],
        front: Some("shim_mremap.c"),
        without: Signal(libc::SIGSEGV),
        ..Control::new("I7", "refused-move", "page_moves.c")
    },
    Control {
        args: &["blocks"],
        env: &[("ZK_TEST_MREMAP", "stolen")],
        front: Some("shim_mremap.c"),
        without: OneOf(&[
            CheckFails("!zeroed || all_zero(held[i].block, held[i].size)"),
            CheckFails("(*stolen)[0] == 0x5A && memcmp(*stolen, *stolen + 1, *bytes - 1) == 0"),
        ]),
        ..Control::new("I7", "lost-move", "page_moves.c")
    },
    Control {
        // The third of the first block's three units, so that two have gone.
        env: &[("ZK_TEST_MREMAP", "old"), ("ZK_TEST_GOOD_MOVES", "2")],
        front: Some("shim_mremap.c"),
        with: SameAsPlain,
        without: CheckFails("is_stamped(block, before)"),
        ..Control::new("I1", "lost-growth", "growth.c")
    },
    Control {
        args: &["idle"],
        env: &[("ZK_ALLOC_DECAY_MS", "200")],
        without: CheckFails("is_gone == goes_back"),
        ..Control::new("I8", "heap-top", "small_heap.c")
    },
    Control {
        args: &["large"],
        env: &[("ZK_ALLOC_DECAY_MS", "200")],
        without: CheckFails("is_gone == goes_back"),
        ..Control::new("I6", "long-trim", "small_heap.c")
    },
    Control {
        args: &["proofs"],
        without: CheckFails("round < 2 || faults() - before < 100"),
        ..Control::new("I6", "show-large", "small_heap.c")
    },
    Control {
        args: &["limit", "v2"],
        env: NO_DECAY,
        front: Some("shim_files.c"),
        with: Prints("limit, v2: as designed\n"),
        without: CheckFails("falls(HELD)"),
        ..Control::new("I8", "cgroup-limit", "pressure.c")
    },
    Control {
        args: &["limit", "spans"],
        env: NO_DECAY,
        front: Some("shim_files.c"),
        with: Prints("limit, spans: as designed\n"),
        without: CheckFails("falls(64 * MIB)"),
        ..Control::new("I8", "dead-pages", "pressure.c")
    },
    Control {
        args: &["limit", "prefault"],
        env: NO_DECAY,
        front: Some("shim_files.c"),
        with: Prints("limit, prefault: as designed\n"),
        without: CheckFails("resident_bytes() >= 100 * MIB && resident_bytes() <= 156 * MIB"),
        ..Control::new("I8", "cgroup-limit", "pressure.c")
    },
    Control {
        args: &["stall", "cgroup"],
        env: NO_DECAY,
        front: Some("shim_files.c"),
        with: Prints("stall, cgroup: as designed\n"),
        without: CheckFails("falls(64 * MIB)"),
        ..Control::new("I8", "pressure", "pressure.c")
    },
    Control {
        args: &["strict", "early"],
        with: Prints("strict, early: survived\n"),
        without: Signal(libc::SIGSYS),
        ..Control::new("I7", "filter", "sandbox.c")
    },
    Control {
        env: NO_DECAY,
        without: CheckFails("is_dumped(blocks[1]) == 0 && is_dumped(blocks[i]) == 0"),
        ..Control::new("I8", "core-dump", "undumped.c")
    },
    Control { env: TRIM, without: Exits(1, "RSS fell by"), ..Control::new("I8", "give-back", "trim.c") },
    Control { env: TRIM, without: Exits(1, "1 of 16 kept: freed"), ..Control::new("I8", "dead-pages", "trim.c") },
    Control {
        args: &["medium"],
        env: &[("ZK_ALLOC_DECAY_MS", "300")],
        without: CheckFails("falls_below(64 * MIB, WAIT_MS)"),
        ..Control::new("I8", "decay", "give_back.c")
    },
    Control {
        args: &["phases"],
        env: NO_DECAY,
        without: CheckFails("resident_bytes() <= allowed"),
        ..Control::new("I8", "budget", "bounded.c")
    },
    Control {
        args: &["sizes"],
        env: NO_DECAY,
        without: CheckFails("most <= allowed"),
        ..Control::new("I8", "surplus", "bounded.c")
    },
    Control {
        args: &["exception"],
        env: NO_DECAY,
        without: Exits(1, "after an exception:"),
        ..Control::new("I8", "budget", "resident.c")
    },
    Control {
        args: &["inferred"],
        env: NO_DECAY,
        without: Exits(1, "after an exception:"),
        ..Control::new("I8", "budget", "resident.c")
    },
    Control {
        args: &["pinned"],
        without: Exits(1, "1 of 2 blocks of"),
        ..Control::new("I8", "dead-pages", "resident.c")
    },
    Control { args: &["truth"], without: CheckFails("off <= bound"), ..Control::new("I8", "give-back", "resident.c") },
    Control {
        args: &["retain"],
        env: RETAIN,
        without: CheckFails("resident_bytes() - at_start <= live + (RETAIN_MIB + OTHERS_MIB) * MIB"),
        ..Control::new("I8", "retain", "bounded.c")
    },
    Control {
        args: &["prefault-kept"],
        env: NO_DECAY,
        without: CheckFails("now >= GIB - 64 * MIB && now < GIB + 64 * MIB"),
        ..Control::new("I8", "prefault", "give_back.c")
    },
    Control {
        args: &["prefault-busy"],
        env: NO_DECAY,
        without: CheckFails("resident_bytes() >= wanted - 64 * MIB"),
        ..Control::new("I8", "prefault-in-use", "give_back.c")
    },
    Control {
        args: &["volume", "64"],
        without: Exits(1, "an open phase:"),
        ..Control::new("I8", "surplus", "resident.c")
    },
    Control {
        args: &["10", "1536"],
        without: CheckFails("worst <= 2 * worst_live + 64 * MIB"),
        ..Control::new("I8", "surplus", "lifetimes.c")
    },
    Control {
        args: &["7", "64", "shifting"],
        without: CheckFails("most_resident <= 2 * most_bytes + 96 * MIB"),
        ..Control::new("I8", "late-search", "lifetimes.c")
    },
    Control {
        args: &["computing"],
        env: &[("ZK_ALLOC_DECAY_MS", "1000")],
        without: CheckFails("resident_bytes() > 300 * MIB"),
        ..Control::new("I8", "computing", "give_back.c")
    },
    Control {
        args: &["computing"],
        env: NO_DECAY,
        without: CheckFails("is_dumped(other)"),
        ..Control::new("I8", "computing", "undumped.c")
    },
];
