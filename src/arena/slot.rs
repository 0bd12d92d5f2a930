//! Slots: runs of units of one size class, carved once. A slot is named by its first unit; its descriptor lies outside it.
#![forbid(unsafe_code)]

use super::size::UNIT;
use super::Arena;
use crate::broken::{self, Broken};
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Lock, Ordering};
use Ordering::{AcqRel, Acquire, Relaxed, Release};

/// What a slot is used for. Zero, the state of untouched metadata, is not a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    Uncarved = 0,
    /// Queued in its pool.
    Free = 1,
    /// Unused and on its way back to its pool.
    Limbo = 2,
    /// Unused and in somebody's hands: being initialised or purged.
    Held = 3,
    /// Holds one large block.
    Large = 4,
    /// A span that is some thread's current one of its class, or a new one in the hands of whoever made it.
    Owned = 5,
    /// A span without an owner and, when last looked at, without a free block.
    Full = 6,
    /// A span without an owner, queued in its class's bin.
    Partial = 7,
}

/// The control word of a slot: state, class and live count change together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

const CLASS_SHIFT: u32 = 8;
const COUNT_SHIFT: u32 = 16;
/// One live block, in a [`Word`].
pub const ONE: u64 = 1 << COUNT_SHIFT;
/// The class of a slot that holds, or held last, a large block.
pub const LARGE_CLASS: u8 = 255;

impl Word {
    pub const fn new(state: State, class: u8, count: i64) -> Self {
        Self(state as u64 | (class as u64) << CLASS_SHIFT | (count as u64) << COUNT_SHIFT)
    }

    pub fn state(self) -> State {
        match self.0 & 0xff {
            1 => State::Free,
            2 => State::Limbo,
            3 => State::Held,
            4 => State::Large,
            5 => State::Owned,
            6 => State::Full,
            7 => State::Partial,
            _ => State::Uncarved,
        }
    }

    pub fn class(self) -> u8 {
        (self.0 >> CLASS_SHIFT) as u8
    }

    /// Live blocks. Only of a span without an owner is it exact; an owner settles its own share when it lets go, and
    /// until then the count may even be negative.
    pub fn count(self) -> i64 {
        (self.0 as i64) >> COUNT_SHIFT
    }

    pub fn with_state(self, state: State) -> Self {
        Self(self.0 & !0xff | state as u64)
    }
}

/// In `Slot::node`: bytes below `touched` may read as zero although something was written there: pages were given back,
/// moved or faulted in ahead. Only poison mode (`freed.rs`) wants to know.
const HOLES: u32 = 1 << 31;
/// In `Slot::node`: its pages are kept out of core dumps.
const UNDUMPED: u32 = 1 << 30;
/// In `Slot::node`: pages are being moved to it.
const RECEIVES: u32 = 1 << 29;

/// The descriptor of a slot. All zero is valid, and means uncarved.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    word: AtomicU64,
    /// Neighbours in a [`SlotList`]; 0: none. Guarded by the list's lock.
    next: AtomicU32,
    prev: AtomicU32,
    units: AtomicU32,
    /// NUMA node, [`HOLES`], [`UNDUMPED`] and [`RECEIVES`].
    node: AtomicU32,
    /// Cursor of the thread that owns the span, plus one.
    pub owner: AtomicU32,
    /// Blocks that the owner has handed out, less those it has freed itself, since it took the span (wraps as an i32).
    pub charged: AtomicU32,
    /// The block that the owner freed last, plus one.
    pub hint: AtomicU32,
    /// Blocks below this index have been handed out since the slot became this span; or a bit for each colour at which large
    /// blocks have started.
    pub handed: AtomicU32,
    /// Bytes from the slot's start that may be resident and hold old data. Everything beyond reads as zero.
    pub touched: AtomicUsize,
    /// Where a large block starts, from the slot's start; or the blocks of a span that a trim keeps: the first one, and, in
    /// the upper half, how many ([`Slot::keep`]).
    pub offset: AtomicUsize,
    /// Usable bytes of a large block.
    pub usable: AtomicUsize,
}

impl Slot {
    #[inline]
    pub fn word(&self) -> Word {
        // Acquire: pairs with the Release of whoever set the state, so that the fields behind it are seen too.
        Word(self.word.load(Acquire))
    }

    /// For whoever holds the slot alone: nobody else changes the word now.
    #[inline]
    #[cfg_attr(modelled, track_caller)]
    pub fn set_word(&self, word: Word) {
        // Release: pairs with the Acquire in `word`, `change` and `drop_block`.
        self.word.store(word.0, Release);
    }

    /// Moves from `from` to `to` if nothing has changed in between.
    #[inline]
    pub fn change(&self, from: Word, to: Word) -> bool {
        // AcqRel: takes over what the last holder wrote, and passes it on.
        self.word.compare_exchange(from.0, to.0, AcqRel, Relaxed).is_ok()
    }

    /// Changes the state and adds `count` live blocks while other threads may be dropping blocks. The word before.
    #[inline]
    #[cfg_attr(modelled, track_caller)]
    pub fn shift(&self, from: State, to: State, count: i64) -> Word {
        let delta = (to as u64).wrapping_sub(from as u64).wrapping_add((count as u64) << COUNT_SHIFT);
        // AcqRel: as in `change`.
        Word(self.word.fetch_add(delta, AcqRel))
    }

    /// One live block less. The word before.
    #[inline]
    pub fn drop_block(&self) -> Word {
        // AcqRel: the last one to drop a block sees everything the others did with theirs, before the slot is reused.
        Word(self.word.fetch_sub(ONE, AcqRel))
    }

    #[inline]
    pub fn units(&self) -> usize {
        // Acquire: pairs with the Release in `carve`.
        self.units.load(Acquire) as usize
    }

    #[inline]
    pub fn bytes(&self) -> usize {
        self.units() * UNIT
    }

    /// Makes the descriptor that of a new slot, `Held` by the caller.
    pub fn carve(&self, units: usize, node: usize) {
        self.node.store(node as u32, Relaxed);
        self.set_word(Word::new(State::Held, LARGE_CLASS, 0));
        self.units.store(units as u32, Release);
    }

    /// For a trim, of a span: so many blocks from `first` on are free, though their bits say that they are live.
    pub fn keep(&self, first: usize, count: usize) {
        if !cfg!(modelled) && !broken::is(Broken::TrimKept) {
            self.offset.store(first | count << 32, Relaxed);
        }
    }

    /// True: the block of a span is free, whatever its bit says. Whoever holds a block sees what was noted before the block
    /// was handed out, or later: never that it is one of these.
    #[inline]
    pub fn is_kept(&self, index: usize) -> bool {
        // No model frees what is free.
        let kept = if cfg!(modelled) { 0 } else { self.offset.load(Relaxed) };
        (index as u32).wrapping_sub(kept as u32) < (kept >> 32) as u32
    }

    pub fn node(&self) -> usize {
        (self.node.load(Relaxed) & !(HOLES | UNDUMPED | RECEIVES)) as usize
    }

    pub fn has_holes(&self) -> bool {
        // Acquire: pairs with the Release in `set_holes`.
        self.node.load(Acquire) & HOLES != 0
    }

    /// Before pages below `touched` become zero.
    pub fn set_holes(&self) {
        // Release: pairs with the Acquire in `has_holes`.
        self.node.fetch_or(HOLES, Release);
    }

    /// For whoever holds the slot alone, and has left nothing touched in it.
    pub fn clear_holes(&self) {
        self.node.fetch_and(!HOLES, Relaxed);
    }

    #[inline]
    pub fn is_undumped(&self) -> bool {
        self.node.load(Relaxed) & UNDUMPED != 0
    }

    /// For whoever holds the slot alone.
    pub fn set_undumped(&self, undumped: bool) {
        if undumped {
            self.node.fetch_or(UNDUMPED, Relaxed);
        } else {
            self.node.fetch_and(!UNDUMPED, Relaxed);
        }
    }

    /// True: what lies in it may be neither its own pages nor mapped at all.
    pub fn receives(&self) -> bool {
        self.node.load(Relaxed) & RECEIVES != 0
    }

    /// For whoever holds the slot alone: `body` moves pages to it, and notes them as touched.
    pub fn receiving<T>(&self, body: impl FnOnce() -> T) -> T {
        // Release, both times: what a forked child finds is no older than the flag.
        self.node.fetch_or(RECEIVES, Release);
        let done = body();
        self.node.fetch_and(!RECEIVES, Release);
        done
    }

    #[cfg(test)]
    pub fn set_node(&self, node: usize) {
        self.node.store(node as u32, Relaxed);
    }
}

/// A doubly linked list of slots with the lock that guards it. All zero is an empty, unlocked list.
#[derive(Default)]
#[repr(C, align(64))]
pub struct SlotList {
    pub lock: Lock,
    first: AtomicU32,
    last: AtomicU32,
}

/// Which end of a [`SlotList`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Front,
    Back,
}

/// Every method: the caller holds `lock`.
impl SlotList {
    pub fn end(&self, end: End) -> u32 {
        if end == End::Front { &self.first } else { &self.last }.load(Relaxed)
    }

    pub fn push(&self, slots: &[Slot], head: u32, end: End) {
        let old = self.end(end);
        let (next, prev) = if end == End::Front { (old, 0) } else { (0, old) };
        slots[head as usize].next.store(next, Relaxed);
        slots[head as usize].prev.store(prev, Relaxed);
        self.join(slots, prev, head);
        self.join(slots, head, next);
    }

    pub fn remove(&self, slots: &[Slot], head: u32) {
        let slot = &slots[head as usize];
        self.join(slots, slot.prev.load(Relaxed), slot.next.load(Relaxed));
    }

    /// Makes `right` follow `left`, where 0 stands for the list's ends.
    fn join(&self, slots: &[Slot], left: u32, right: u32) {
        let after = if left == 0 { &self.first } else { &slots[left as usize].next };
        after.store(right, Relaxed);
        let before = if right == 0 { &self.last } else { &slots[right as usize].prev };
        before.store(left, Relaxed);
    }

    /// The slot behind `head`, 0 at the end.
    pub fn after(&self, slots: &[Slot], head: u32) -> u32 {
        slots[head as usize].next.load(Relaxed)
    }

    /// The slot in front of `head`, 0 at the start.
    pub fn before(&self, slots: &[Slot], head: u32) -> u32 {
        slots[head as usize].prev.load(Relaxed)
    }
}

impl Arena {
    /// Notes that bytes up to `end` are in use. The bytes below `end` that were so already: they may hold old data.
    /// Only for the slot's owner.
    #[inline]
    pub(super) fn touch(&self, slot: &Slot, end: usize) -> usize {
        let touched = slot.touched.load(Relaxed);
        if end > touched {
            self.set_touched(slot, end);
        }
        touched
    }

    /// Only for whoever holds the slot.
    pub(super) fn set_touched(&self, slot: &Slot, bytes: usize) {
        let before = slot.touched.swap(bytes, Relaxed);
        // Wraps: the sum is what counts.
        self.touched.fetch_add(bytes.wrapping_sub(before), Relaxed);
    }

    /// Visits every slot there is.
    pub(super) fn for_each_slot(&self, mut visit: impl FnMut(u32, &Slot)) {
        for zone in &self.zones {
            let mut head = zone.start;
            // Acquire: pairs with the Release in `carve_from`.
            let end = zone.next.load(Acquire);
            while head < end {
                let slot = &self.slots[head as usize];
                visit(head, slot);
                head += (slot.units() as u32).max(1);
            }
        }
    }
}
