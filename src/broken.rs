//! The negative controls: protections that a build with the feature `broken`, which is never shipped, can leave out, one
//! at a time, named by the variable `ZKALLOC_BROKEN`. A test that passes without the protection that it is named for
//! shows nothing; `c-tests/src/controls.rs` says which test must fail without which. In every other build `is` is the
//! constant false, and nothing of this is left in the library.
#![forbid(unsafe_code)]

macro_rules! protections {
    ($($(#[$meta:meta])* $variant:ident = $name:literal;)*) => {
        /// A protection. Not every system's platform layer has all of them.
        #[cfg_attr(interposes, allow(dead_code))]
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Broken {
            $($(#[$meta])* $variant,)*
        }

        #[cfg(feature = "broken")]
        const PROTECTIONS: &[(&str, Broken)] = &[$(($name, Broken::$variant)),*];
    };
}

protections! {
    /// None is left out: what fails now is this build's fault.
    #[cfg(feature = "broken")]
    Nothing = "nothing";
    /// I1: the end of the last phase frees everything, as a bump arena's reset does, whatever the program still holds.
    /// What a build with the feature does without the variable.
    Reset = "reset";
    /// I1: `trim` gives the pages of live blocks back too.
    TrimLive = "trim-live";
    /// I2: `calloc` leaves in a block what it finds there.
    Zeroing = "zeroing";
    /// I2: pages that the kernel refused to take back count as zeroed.
    RefusedPurge = "refused-purge";
    /// I2, I5: a child uses the slot to which pages were just being moved.
    HalfMoved = "half-moved";
    /// I1: a thread that has given its cursor back goes on using it.
    TornDown = "torn-down";
    /// I1: `realloc` takes a block of the next allocator into the arena.
    Sticky = "sticky";
    /// I3: blocks from before the next allocator was found are freed like its own.
    Bootstrap = "bootstrap";
    /// I3: what the library's own calls ask for goes to the arena.
    Busy = "busy";
    /// I3, I5: a call nested in another waits for locks.
    Nested = "nested";
    /// I3: what the next allocator asks of its own exported functions is asked of the arena.
    Reentry = "reentry";
    /// I4: system calls leave their `errno` behind.
    Errno = "errno";
    /// I4: a thread that was cancelled may end inside `malloc` and `free`.
    Cancellation = "cancellation";
    /// I4: `malloc_usable_size` promises more than a block has.
    Usable = "usable";
    /// I4: pages have 4 KiB, whatever the system says.
    PageSize = "page-size";
    /// I4: `free_sized` and its like ask nobody in front of the library whether the block is theirs.
    InFront = "in-front";
    /// I4: products of `calloc` and `reallocarray` wrap around.
    Product = "product";
    /// I4: `posix_memalign` takes alignments below a pointer's size.
    Alignment = "alignment";
    /// I4: a bad pointer is freed silently.
    Misuse = "misuse";
    /// I4: a free block that a trim keeps from being handed out can be freed again meanwhile.
    TrimKept = "trim-kept";
    /// I5: no lock is held across fork.
    ForkLocks = "fork-locks";
    /// I5: the child keeps the spans of threads that it lacks.
    ForkRebuild = "fork-rebuild";
    /// I5: the child of a fork that waited for the arena to be made takes no medium requests.
    ForkGate = "fork-gate";
    /// I5: the child believes that it has a background thread.
    ForkThread = "fork-thread";
    /// I6: mode off serves phases.
    ModeOff = "mode-off";
    /// I6: `memalign` is forwarded with another alignment.
    Forwarding = "forwarding";
    /// I6: glibc sees no large request any more.
    ShowLarge = "show-large";
    /// I6: requests below the threshold go to the arena.
    Threshold = "threshold";
    /// I6: the environment of a privileged process is obeyed.
    Privileged = "privileged";
    /// I6: the background thread comes with the first request.
    LateThread = "late-thread";
    /// I6: glibc trims a heap of any size, while the program's small requests wait.
    LongTrim = "long-trim";
    /// I6: `free` starts the background thread, whatever locks its caller holds.
    FreeStarts = "free-starts";
    /// I6: the background thread goes on when the main thread has ended: the process never ends.
    Retire = "retire";
    /// I6: the main thread does not wait for the end of the background thread, which may then be the process's last one.
    Unjoined = "unjoined";
    /// I6: the end of a thread that forked goes unnoticed in the child, whose main thread it is.
    MainInChild = "main-in-child";
    /// I6: the background thread is started by whatever `pthread_create` the process has.
    ThreadHook = "thread-hook";
    /// I6: the background thread opens files among the program's.
    Descriptors = "descriptors";
    /// I6: a program whose own allocator goes past the library gets an arena for what it does not define.
    PastUs = "past-us";
    /// I5: a child that shares the parent's memory starts the background thread for both.
    SharedMemory = "shared-memory";
    /// I7: a background thread that may not sleep goes on without.
    Sleepless = "sleepless";
    /// I7: a line for a pipe that nobody reads ends the program.
    WriteSignals = "write-signals";
    /// I7: where no thread can be started, every free tries again.
    Impatient = "impatient";
    /// I8: while somebody tries to start the background thread, others count on it.
    HalfStarted = "half-started";
    /// I6: a phase that another library's constructor begins makes the arena, whatever the environment says.
    Early = "early";
    /// I6: the background thread takes the program's signals.
    SignalMask = "signal-mask";
    /// I7: a thread's cursor is not given back when it ends.
    ThreadExit = "thread-exit";
    /// I7: all of the reservation is usable at once.
    Commit = "commit";
    /// I7: the arena's tables are writable for all of the reservation at once.
    Tables = "tables";
    /// I7: addresses are reserved at load, whether there will be a large request or not.
    OnDemand = "on-demand";
    /// I7: where the first reservation does not fit, no smaller one is tried.
    Halving = "halving";
    /// I7: nothing is left to the program.
    HalfLeft = "half-left";
    /// I7: a request that the arena has no room for fails.
    Overflow = "overflow";
    /// I7: a move of pages that the kernel refused counts as done.
    RefusedMove = "refused-move";
    /// I7: addresses that somebody else took during a failed move are still the arena's.
    LostMove = "lost-move";
    /// I4: pages that the program has locked are moved away, which unlocks where they were.
    LockedMove = "locked-move";
    /// I4: wiping leaves what is in swap as it is.
    WipeSwapped = "wipe-swapped";
    /// I7: what a filter of system calls may forbid is done all the same.
    Filter = "filter";
    /// I1: a block whose growth by moving fails loses what was moved already.
    LostGrowth = "lost-growth";
    /// I8: pages are counted as given back, and kept.
    GiveBack = "give-back";
    /// I8: dead pages of spans stay until the program idles, however many.
    Spread = "spread";
    /// I8: nobody waits for a search for dead pages, however far behind it is.
    LateSearch = "late-search";
    /// I8: a large block that `realloc` makes smaller keeps its pages.
    CutOff = "cut-off";
    /// I8: pages are moved in front of a block that begins far inside its slot.
    AlignedGap = "aligned-gap";
    /// I8: moved pages keep what the kernel was told about huge ones elsewhere.
    MovedAdvice = "moved-advice";
    /// I8: a block that grows to where pages are is copied there, and both are resident.
    MakeWay = "make-way";
    /// I8: spans of few blocks keep pages that large blocks have left.
    FewBlocks = "few-blocks";
    /// I8: blocks of several sizes by turns have the same pages moved for each of them.
    Churn = "churn";
    /// I8: what may stay behind a block is not held against what the block has.
    Tails = "tails";
    /// I8: a process whose threads need much of their stacks for thread-local variables gives nothing back.
    StaticTls = "static-tls";
    /// I8: without a background thread, whatever the reason, nothing goes back.
    NoThread = "no-thread";
    /// I8: a few requests keep everything, as a proof would.
    LightUse = "light-use";
    /// I8: wiping makes resident what never was.
    WipeUntouched = "wipe-untouched";
    /// I8: a slot that the kernel will not take pages of keeps others from giving theirs back.
    Pinned = "pinned";
    /// I8: `trim` leaves dead pages between live blocks.
    DeadPages = "dead-pages";
    /// I8: idling gives nothing back.
    Decay = "decay";
    /// I8: what glibc's heap keeps on the library's account stays when the program idles.
    HeapTop = "heap-top";
    /// I8: a program that computes counts as idle: its proof faults memory in again that it has just freed.
    Computing = "computing";
    /// I8: the end of a phase gives nothing back.
    Budget = "budget";
    /// I8: what the user allows to stay is not looked at.
    Retain = "retain";
    /// I8: the next block has memory given back that was faulted in ahead of it.
    Prefault = "prefault";
    /// I8: pages count as the program's while they are faulted in ahead: a search for dead ones has all of them given back.
    PrefaultInUse = "prefault-in-use";
    /// I8: a cgroup's limit is not looked at.
    CgroupLimit = "cgroup-limit";
    /// I8: memory pressure gives nothing back.
    Pressure = "pressure";
    /// I8: free memory is in core dumps.
    CoreDump = "core-dump";
    /// I8: large blocks take fresh pages, however many are free.
    Surplus = "surplus";
}

#[cfg(feature = "broken")]
pub use with_feature::{is, read_environment};

/// True: the build does without this protection.
#[cfg(not(feature = "broken"))]
#[inline(always)]
pub const fn is(_: Broken) -> bool {
    false
}

#[cfg(feature = "broken")]
mod with_feature {
    use super::{Broken, PROTECTIONS};
    use crate::platform;
    use crate::report::{self, Escaped};
    use crate::sync::{AtomicU8, Ordering};
    use core::fmt;
    use Ordering::Relaxed;

    const UNREAD: u8 = u8::MAX;
    static LEFT_OUT: AtomicU8 = AtomicU8::new(UNREAD);

    #[inline]
    pub fn is(protection: Broken) -> bool {
        if LEFT_OUT.load(Relaxed) == UNREAD {
            // Constructors of other libraries may come before ours.
            read_variable(|_| {});
        }
        LEFT_OUT.load(Relaxed) == protection as u8
    }

    /// In the constructor.
    pub fn read_environment() {
        read_variable(|value| report::fatal(format_args!("ZKALLOC_BROKEN=\"{}\": it takes {Names}", Escaped(value))));
        let _ = LEFT_OUT.compare_exchange(UNREAD, Broken::Reset as u8, Relaxed, Relaxed);
    }

    fn read_variable(unknown: impl Fn(&[u8])) {
        platform::for_each_variable(|name, value| {
            if name != b"ZKALLOC_BROKEN" {
                return;
            }
            match PROTECTIONS.iter().find(|(name, _)| name.as_bytes() == value) {
                Some(&(_, protection)) => LEFT_OUT.store(protection as u8, Relaxed),
                None => unknown(value),
            }
        });
    }

    struct Names;

    impl fmt::Display for Names {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            PROTECTIONS.iter().enumerate().try_for_each(|(at, (name, _))| {
                let before = if at == 0 { "" } else { ", " };
                write!(out, "{before}{name}")
            })
        }
    }
}
