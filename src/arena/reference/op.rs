//! What a program may do with the arena, as data: drawn at random, shrunk, and printed as a counterexample.
#![forbid(unsafe_code)]

use crate::arena::freed::Freed;
use crate::arena::size::{self, BLOCK_CLASS, BLOCK_CLASSES, MEDIUM_MAX, UNIT};
use proptest::prelude::*;
use std::fmt;

/// Threads with a cursor. One more number stands for threads that have none.
pub const THREADS: usize = 4;

/// Largest request.
pub const MOST_BYTES: usize = 64 << 20;
/// Largest alignment, as a power of two.
pub const MOST_ALIGN_SHIFT: u32 = 22;

/// Who makes a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Who(pub usize);

impl fmt::Debug for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < THREADS {
            write!(out, "thread {}", self.0)
        } else {
            out.write_str("no cursor")
        }
    }
}

/// An address to ask about. Offsets count from the start of what is named.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Live { block: usize, offset: isize },
    Freed { block: usize, offset: isize },
    Unit { unit: usize, offset: usize },
}

/// One operation. `block` is an index into the blocks that live (or were freed), modulo their number.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    Allocate {
        by: Who,
        bytes: usize,
        align: usize,
        zeroed: bool,
    },
    AllocateMany {
        by: Who,
        count: usize,
        bytes: usize,
    },
    Free {
        by: Who,
        block: usize,
    },
    /// Every `step`th live block, so that survivors stay between dead pages.
    FreeEvery {
        by: Who,
        step: usize,
    },
    /// In the middle of another call, with every lock taken: what a fork handler of another library may do.
    FreeNested {
        block: usize,
    },
    Realloc {
        by: Who,
        block: usize,
        bytes: usize,
    },
    /// To so much of its size: large blocks change theirs in place only near it.
    ReallocPart {
        by: Who,
        block: usize,
        percent: usize,
    },
    Ask {
        by: Who,
        place: Place,
    },
    BeginPhase,
    EndPhase,
    Trim {
        keep: usize,
    },
    GiveBack {
        keep: usize,
    },
    Prefault {
        bytes: usize,
    },
    ThreadEnds {
        thread: usize,
    },
    /// The process goes on as its own child: every thread is gone.
    Fork,
}

fn who() -> impl Strategy<Value = Who> {
    (0..=THREADS).prop_map(Who)
}

/// One byte more and less than the largest request of a class of blocks: every class is met at both of its edges.
fn block_edge() -> impl Strategy<Value = usize> {
    (0..BLOCK_CLASSES, 0..3usize).prop_map(|(class, more)| BLOCK_CLASS[class].bytes as usize + more - 1)
}

/// The same for the classes of slots, with a page less too. Small ones are drawn more often: each byte is looked at.
fn slot_edge() -> impl Strategy<Value = usize> {
    let classes = size::class_of(MOST_BYTES / UNIT) + 1;
    (0..classes, 0..classes, prop::sample::select(vec![-4096isize, -1, 0, 1])).prop_map(|(one, other, more)| {
        (size::size_of_class(one.min(other)) * UNIT).saturating_add_signed(more).min(MOST_BYTES)
    })
}

/// Every magnitude up to `2^most_shift`.
fn magnitude(most_shift: u32) -> impl Strategy<Value = usize> {
    (0..most_shift, 0..1usize << 20).prop_map(|(shift, part)| (1usize << shift) + ((part << shift) >> 20))
}

pub fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![
        50 => block_edge(),
        30 => magnitude(MEDIUM_MAX.ilog2()),
        8 => slot_edge(),
        2 => magnitude(MOST_BYTES.ilog2()),
    ]
}

pub fn align() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => Just(1usize),
        2 => (0..=12u32).prop_map(|shift| 1 << shift),
        1 => (0..=MOST_ALIGN_SHIFT).prop_map(|shift| 1 << shift),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    let offset = || prop_oneof![Just(0isize), -70_000..70_000isize, (-40..40isize).prop_map(|lines| lines * 64)];
    prop_oneof![
        (any_block(), offset()).prop_map(|(block, offset)| Place::Live { block, offset }),
        (any_block(), offset()).prop_map(|(block, offset)| Place::Freed { block, offset }),
        (0..10_000usize, prop_oneof![Just(0), 0..UNIT]).prop_map(|(unit, offset)| Place::Unit { unit, offset }),
    ]
}

fn any_block() -> impl Strategy<Value = usize> {
    0..1000usize
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        34 => (who(), bytes(), align(), any::<bool>())
            .prop_map(|(by, bytes, align, zeroed)| Op::Allocate { by, bytes, align, zeroed }),
        3 => (who(), 1..600usize, block_edge())
            .prop_map(|(by, count, bytes)| Op::AllocateMany { by, count: count.min((8 << 20) / bytes.max(64)), bytes }),
        32 => (who(), any_block()).prop_map(|(by, block)| Op::Free { by, block }),
        3 => (who(), 1..9usize).prop_map(|(by, step)| Op::FreeEvery { by, step }),
        3 => any_block().prop_map(|block| Op::FreeNested { block }),
        12 => (who(), any_block(), prop_oneof![9 => bytes(), 1 => Just(0)])
            .prop_map(|(by, block, bytes)| Op::Realloc { by, block, bytes }),
        8 => (who(), any_block(), 45..=220usize)
            .prop_map(|(by, block, percent)| Op::ReallocPart { by, block, percent }),
        12 => (who(), place()).prop_map(|(by, place)| Op::Ask { by, place }),
        3 => Just(Op::BeginPhase),
        3 => Just(Op::EndPhase),
        3 => prop_oneof![Just(0), magnitude(26)].prop_map(|keep| Op::Trim { keep }),
        2 => prop_oneof![Just(0), magnitude(26)].prop_map(|keep| Op::GiveBack { keep }),
        1 => magnitude(23).prop_map(|bytes| Op::Prefault { bytes }),
        3 => (0..THREADS).prop_map(|thread| Op::ThreadEnds { thread }),
        1 => Just(Op::Fork),
    ]
}

/// The arena that a sequence runs on.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub reserved: usize,
    pub limit: usize,
    pub nodes: usize,
    pub freed: Freed,
}

impl Setup {
    /// True: requests may be refused.
    pub fn is_tight(self) -> bool {
        self.reserved < 1 << 30
    }
}

pub fn setup() -> impl Strategy<Value = Setup> {
    let roomy = (1..=4usize).prop_map(|nodes| (32 << 30, 4 << 30, nodes));
    let tight = (6..=8u32, 4..=9u32).prop_map(|(reserved, limit)| (1 << (20 + reserved), 1 << (20 + limit), 1));
    let freed = prop::sample::select(vec![Freed::Kept, Freed::Wiped, Freed::Poisoned]);
    (prop_oneof![4 => roomy, 1 => tight], freed).prop_map(|((reserved, limit, nodes), freed)| Setup {
        reserved,
        limit,
        nodes,
        freed,
    })
}
