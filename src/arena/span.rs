//! Spans: slots that hold many blocks of one class.
//!
//! Which blocks are live is one bit each, outside the span; everything else is derived from these bits. Freeing is one
//! atomic `and`, whoever does it; the thread that owns a span is the only one to set bits in it. So there is no list of
//! remote frees to take over, nothing to overwrite, and a double free is a bit that was clear already.
//! docs/decisions/0002-live-bits.md says what this was weighed against. Spans of large classes have no owner: bits are
//! set by whoever holds the lock of the class's bin (docs/decisions/0013-shared-spans.md). A trim sets the bits of free
//! blocks while it purges them, and notes which those are ([`Slot::keep`]).
//!
//! The word of a span without owner counts its live blocks. Its transitions (`settle`) happen under the lock of its
//! class's bin and look only at the state they find, never at how it came about: whoever comes late finds nothing to do.
#![forbid(unsafe_code)]

use super::block_table::BlockTable;
use super::cursor::Cursor;
use super::size::{self, class_of, unless_model, BlockClass, BLOCK_CLASS, BLOCK_CLASSES, GRANULE, UNIT};
use super::slot::{End, Slot, State, Word};
use super::{Arena, Grant, Misuse};
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

/// A span that is all free is kept by its owner while no more than this was used of it (a loop that allocates and
/// frees one block must not take and return a slot each time), and given back otherwise.
const KEEP_EMPTY_BYTES: usize = 256 << 10;

/// Far from where an i32 wraps.
const MOST_CHARGED: u32 = 1 << 30;

/// Counts blocks that the owner of a span hands out or frees. Its account since it took the span, as it is now.
#[inline]
fn charge(slot: &Slot, blocks: i32) -> i32 {
    let charged = slot.charged.load(Relaxed) as i32 + blocks;
    if charged.unsigned_abs() >= MOST_CHARGED {
        slot.shift(State::Owned, State::Owned, i64::from(charged));
        slot.charged.store(0, Relaxed);
        return 0;
    }
    slot.charged.store(charged as u32, Relaxed);
    charged
}

/// From this class on threads share spans: a lock is nothing beside the first touch of so many pages, and a span of
/// each class for each thread, most of it dead, is much. Under a model checker there would be no other spans.
const SHARED_FROM: usize = unless_model(class_of((64 << 10) / GRANULE), BLOCK_CLASSES, BLOCK_CLASSES - 1);

/// Partly free spans that a refill looks at before it takes a new slot.
const PARTIAL_TRIES: usize = 4;

impl Arena {
    /// A block from the thread's current span of the class, from a partly free one, or from a new one.
    #[inline]
    pub(super) fn allocate_block(&self, cursor: Option<&Cursor>, class: usize) -> Option<Grant> {
        let Some(cursor) = cursor.filter(|_| class < SHARED_FROM) else { return self.allocate_shared(cursor, class) };
        let head = cursor.current(class);
        if head != 0 {
            if let Some(grant) = self.take_block(head, class) {
                return Some(grant);
            }
        }
        self.refill(cursor, class)
    }

    /// Only for the owner of the span.
    #[inline(always)]
    fn take_block(&self, head: u32, class: usize) -> Option<Grant> {
        let (slot, table, _) = self.span(head, class);
        let hint = slot.hint.load(Relaxed) as usize;
        let grant = if hint != 0 && table.claim(hint - 1) {
            slot.hint.store(0, Relaxed);
            self.hand_out_block(head, class, hint - 1)
        } else {
            self.take_lowest(head, class)?
        };
        charge(slot, 1);
        Some(grant)
    }

    /// The free block of the lowest address. Only for the owner of the span, or under its bin's lock.
    #[inline(always)]
    fn take_lowest(&self, head: u32, class: usize) -> Option<Grant> {
        let (_, table, shape) = self.span(head, class);
        Some(self.hand_out_block(head, class, table.claim_lowest(shape.blocks as usize)?))
    }

    /// The block whose bit the caller has set.
    #[inline(always)]
    fn hand_out_block(&self, head: u32, class: usize, index: usize) -> Grant {
        let (slot, table, shape) = self.span(head, class);
        if index >= slot.handed.load(Relaxed) as usize {
            slot.handed.store(index as u32 + 1, Relaxed);
        }
        let start = shape.offset(index);
        let old = self.touch(slot, start + shape.bytes as usize);
        if table.clear_purged(index) {
            self.note_reuse(shape.bytes as usize);
        }
        Grant {
            address: self.region.unit_address(head as usize) + start,
            usable: shape.bytes as usize,
            dirty: old.saturating_sub(start).min(shape.bytes as usize),
        }
    }

    #[cold]
    fn refill(&self, cursor: &Cursor, class: usize) -> Option<Grant> {
        let bin = &self.bins[class];
        if cursor.current(class) != 0 {
            self.note_filled(cursor, class);
        }
        for _ in 0..PARTIAL_TRIES {
            let guard = bin.lock.lock();
            let emptied = self.let_go(cursor, class);
            let head = bin.end(End::Front);
            if head != 0 {
                bin.remove(self.slots, head);
                self.slots[head as usize].shift(State::Partial, State::Owned, 0);
                self.adopt(cursor, class, head);
            }
            drop(guard);
            emptied.into_iter().for_each(|head| self.put_emptied(head));
            if head == 0 {
                break;
            }
            if let Some(grant) = self.take_block(head, class) {
                return Some(grant);
            }
        }
        let (head, grant) = self.new_span(class, cursor.fills_spans(class))?;
        let guard = bin.lock.lock();
        let emptied = self.let_go(cursor, class);
        self.adopt(cursor, class, head);
        drop(guard);
        emptied.into_iter().for_each(|head| self.put_emptied(head));
        Some(grant)
    }

    /// One block of a span that nobody keeps: of a class that threads share, or for a thread without a cursor.
    fn allocate_shared(&self, cursor: Option<&Cursor>, class: usize) -> Option<Grant> {
        let bin = &self.bins[class];
        if let Some((grant, fills)) = self.take_shared(class) {
            if let Some(cursor) = cursor.filter(|_| fills) {
                self.note_filled(cursor, class);
            }
            return Some(grant);
        }
        let (head, grant) = self.new_span(class, cursor.is_some_and(|cursor| cursor.fills_spans(class)))?;
        let shared = bin.lock.lock();
        let emptied = self.disown(head, class);
        drop(shared);
        emptied.into_iter().for_each(|head| self.put_emptied(head));
        Some(grant)
    }

    /// A block of a partly free span, which stays in its bin unless this was its last free one. True, with the block: with
    /// it the span's last one is in use for the first time.
    fn take_shared(&self, class: usize) -> Option<(Grant, bool)> {
        let bin = &self.bins[class];
        let _guard = bin.lock.lock();
        let mut head = bin.end(End::Front);
        while head != 0 {
            let (slot, _, shape) = self.span(head, class);
            let handed = slot.handed.load(Relaxed);
            if let Some(grant) = self.take_lowest(head, class) {
                let before = slot.shift(State::Partial, State::Partial, 1);
                if before.count() + 1 >= i64::from(shape.blocks) {
                    bin.remove(self.slots, head);
                    slot.shift(State::Partial, State::Full, 0);
                    // Whoever freed one meanwhile found the span partly free, and left it so.
                    self.settle(head, class);
                }
                return Some((grant, handed < shape.blocks && slot.handed.load(Relaxed) == shape.blocks));
            }
            // A trim holds what is free in this one.
            head = bin.after(self.slots, head);
        }
        None
    }

    /// A slot made into a span in the caller's hands, and its first block; where huge pages are if it will be filled, and
    /// without pages that others can use better if it will not be.
    fn new_span(&self, class: usize, is_dense: bool) -> Option<(u32, Grant)> {
        let shape = &BLOCK_CLASS[class];
        let slots = size::class_of(shape.units as usize);
        let is_sparse = !is_dense && self.span_use.is_sparse(class);
        let head = match (is_dense, is_sparse) {
            (true, _) => self.take_dense_slot(slots),
            (_, true) => self.take_cold_slot(slots),
            _ => self.take_slot(slots),
        }?;
        // The rest of a sparse one comes page by page.
        let end = shape.offset(if is_sparse { 1 } else { shape.blocks as usize });
        if self.make_room(head, end).is_err() {
            self.forsake(head);
            return None;
        }
        let (slot, table, _) = self.span(head, class);
        // A child may have found it in the hands of another thread.
        table.forget_purged(shape.blocks as usize);
        slot.handed.store(0, Relaxed);
        slot.hint.store(0, Relaxed);
        slot.charged.store(0, Relaxed);
        slot.keep(0, 0);
        // While nobody else knows the span: a trim that did would hold all that is free in it.
        let grant = self.take_block(head, class);
        slot.set_word(Word::new(State::Owned, class as u8, 0));
        Some((head, grant?))
    }

    /// The thread has filled a span of the class.
    fn note_filled(&self, cursor: &Cursor, class: usize) {
        cursor.note_filled(class);
        self.span_use.note(class, BLOCK_CLASS[class].units as usize * UNIT);
    }

    fn adopt(&self, cursor: &Cursor, class: usize, head: u32) {
        self.slots[head as usize].owner.store(cursor.number(), Relaxed);
        cursor.set_current(class, head);
    }

    /// Ends the ownership of the current span, under the bin's lock. An emptied span is returned for its pool.
    fn let_go(&self, cursor: &Cursor, class: usize) -> Option<u32> {
        let head = cursor.current(class);
        if head == 0 {
            return None;
        }
        cursor.set_current(class, 0);
        self.slots[head as usize].owner.store(0, Relaxed);
        self.disown(head, class)
    }

    /// `Owned` to whatever fits, under the bin's lock.
    fn disown(&self, head: u32, class: usize) -> Option<u32> {
        let slot = &self.slots[head as usize];
        let charged = slot.charged.swap(0, Relaxed) as i32;
        slot.shift(State::Owned, State::Full, i64::from(charged));
        self.settle(head, class)
    }

    /// Brings a span without owner to the state that its count asks for, under the lock of the bin of `class`. Looks
    /// only at what it finds, so that it is right however late it comes. An emptied span is returned, in `Limbo`.
    fn settle(&self, head: u32, class: usize) -> Option<u32> {
        let (slot, _, shape) = self.span(head, class);
        let word = slot.word();
        // In these two states a span of this class changes only under this lock, and its count only falls.
        if usize::from(word.class()) != class {
            return None;
        }
        match word.state() {
            State::Full | State::Partial if word.count() == 0 => {
                if word.state() == State::Partial {
                    self.bins[class].remove(self.slots, head);
                }
                self.forget_purged(head, class);
                self.span_use.note(class, shape.offset(slot.handed.load(Relaxed) as usize));
                // I1: no block is live, so nobody can drop one: the word is ours to store.
                slot.set_word(word.with_state(State::Limbo));
                Some(head)
            }
            State::Full if word.count() < i64::from(shape.blocks) => {
                slot.shift(State::Full, State::Partial, 0);
                self.bins[class].push(self.slots, head, End::Front);
                None
            }
            _ => None,
        }
    }

    /// Frees a block of a span that the caller has found live. True: its slot may be free now.
    #[inline]
    pub(super) fn release_block(
        &self,
        cursor: Option<&Cursor>,
        head: u32,
        class: usize,
        index: usize,
    ) -> Result<bool, Misuse> {
        let (slot, table, shape) = self.span(head, class);
        if !table.clear(index) {
            return Err(Misuse::DoubleFree);
        }
        if let Some(cursor) = cursor.filter(|cursor| slot.owner.load(Relaxed) == cursor.number()) {
            // Only this thread makes itself the owner, so it is so until this thread says otherwise.
            let charged = charge(slot, -1);
            slot.hint.store(index as u32 + 1, Relaxed);
            let is_spent = slot.word().count() + i64::from(charged) == 0
                && shape.offset(slot.handed.load(Relaxed) as usize) > KEEP_EMPTY_BYTES;
            if is_spent {
                self.give_up(cursor, class);
            }
            return Ok(is_spent);
        }
        Ok(self.drop_counted(slot.drop_block(), head, class, shape))
    }

    /// After a live block was dropped from the count: the first and the last one to go change the state of a span
    /// without owner. True: they did.
    #[inline]
    pub(super) fn drop_counted(&self, before: Word, head: u32, class: usize, shape: &BlockClass) -> bool {
        let must_settle = match before.state() {
            State::Full => before.count() == 1 || before.count() >= i64::from(shape.blocks),
            State::Partial => before.count() == 1,
            _ => false,
        };
        if must_settle {
            self.settle_unowned(head, class);
        }
        must_settle
    }

    #[cold]
    pub(super) fn settle_unowned(&self, head: u32, class: usize) {
        let Some(guard) = self.lock_unless_nested(&self.bins[class].lock) else { return };
        let emptied = self.settle(head, class);
        drop(guard);
        emptied.into_iter().for_each(|head| self.put_emptied(head));
    }

    /// The thread lets its current span of a class go.
    #[cold]
    fn give_up(&self, cursor: &Cursor, class: usize) {
        let guard = self.bins[class].lock.lock();
        let emptied = self.let_go(cursor, class);
        drop(guard);
        emptied.into_iter().for_each(|head| self.put_emptied(head));
    }

    /// The thread lets all its spans go: it ends. What is live in them lives on; other threads adopt the rest.
    pub(super) fn give_up_all(&self, cursor: &Cursor) {
        for class in 0..BLOCK_CLASSES {
            if cursor.current(class) != 0 {
                self.give_up(cursor, class);
            }
        }
        cursor.forget_filled();
    }

    #[inline]
    pub(super) fn span(&self, head: u32, class: usize) -> (&Slot, &BlockTable, &'static BlockClass) {
        (&self.slots[head as usize], &self.blocks[head as usize], &BLOCK_CLASS[class])
    }

    /// Makes words, owners and lists agree with the live bits, in a forked child: the other threads are gone, wherever
    /// they were.
    pub(super) fn rebuild_spans(&self, survivor: Option<u32>) {
        self.for_each_slot(|head, slot| {
            let word = slot.word();
            let class = usize::from(word.class());
            match word.state() {
                State::Owned | State::Full | State::Partial => {
                    let count = self.blocks[head as usize].count();
                    let owner = slot.owner.load(Relaxed);
                    let stays = word.state() == State::Owned && Some(owner) == survivor && owner != 0;
                    if word.state() == State::Partial {
                        self.bins[class].remove(self.slots, head);
                    }
                    slot.charged.store(0, Relaxed);
                    if stays {
                        slot.set_word(Word::new(State::Owned, word.class(), count));
                        return;
                    }
                    slot.owner.store(0, Relaxed);
                    slot.set_word(Word::new(State::Full, word.class(), count));
                    self.settle_unowned(head, class);
                }
                State::Held if slot.receives() && !broken::is(Broken::HalfMoved) => self.forsake(head),
                State::Held | State::Limbo => {
                    // Whoever held it may have been about to fill, move or purge it, or had the first block of a new span.
                    self.blocks[head as usize].reset();
                    slot.set_holes();
                    slot.set_word(word.with_state(State::Limbo));
                    self.put_slot(head, End::Back);
                }
                State::Uncarved | State::Free | State::Large => {}
            }
        });
    }
}
