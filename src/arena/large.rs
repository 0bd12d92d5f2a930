//! Large blocks: a slot of its own each.
#![forbid(unsafe_code)]

use super::size::{self, GRANULE, UNIT};
use super::slot::{End, Slot, State, Word, LARGE_CLASS};
use super::{Arena, Found, Grant, Misuse};
use crate::broken::{self, Broken};
use crate::sync::Ordering::Relaxed;

/// Starts of large blocks differ by multiples of two cache lines up to this, where there is room: arrays of equal size
/// then do not fall on the same sets of the first-level caches, which are indexed by the offset in a page. Under a model
/// checker there is none.
const COLOUR_BYTES: usize = 4096;
const COLOUR_STEP: usize = 2 * GRANULE;
const COLOURS: usize = COLOUR_BYTES / COLOUR_STEP;
/// For `Slot::handed`, which has a bit for each.
const _: () = assert!(COLOURS <= u32::BITS as usize);

/// A block that `realloc` makes smaller keeps its pages, unless it gives up more than this part of what is left.
const WORTH_CUTTING_PART: usize = 4;

/// A block that leaves no more of its slot untouched than this part of itself is wanted where huge pages are, whatever its
/// size.
const UNTOUCHED_PART: usize = 16;

/// True: a block of so many bytes fills a slot of the class. Under a model checker it lies where spans do.
fn fills(class: usize, bytes: usize) -> bool {
    !cfg!(modelled) && size::size_of_class(class) * UNIT - bytes <= bytes / UNTOUCHED_PART
}

/// Where a block starts in its slot.
fn colour(head: u32) -> usize {
    // Knuth's Fibonacci hashing: slots that lie one class apart differ, whatever the class.
    let hash = u64::from(head.wrapping_mul(0x9E37_79B1));
    ((hash * COLOURS as u64) >> u32::BITS) as usize * COLOUR_STEP
}

/// For `Slot::handed`, by which an address that was freed before is known as such.
fn start_flag(offset: usize) -> u32 {
    if offset < COLOUR_BYTES && offset % COLOUR_STEP == 0 {
        1 << (offset / COLOUR_STEP)
    } else {
        // Aligned to more than a unit: the last one is known by `Slot::offset`.
        0
    }
}

impl Arena {
    pub(super) fn allocate_large(&self, bytes: usize, align: usize) -> Option<Grant> {
        // A block of no bytes is a block all the same: it needs an address of its own.
        let bytes = bytes.max(1);
        // A slot starts at a multiple of the unit; only for more than that is there slack to reserve.
        let slack = align.saturating_sub(UNIT);
        let class = size::slot_class(bytes.checked_add(slack)?)?;
        let head = if fills(class, bytes) { self.take_dense_slot(class) } else { self.take_slot(class) }?;
        let slot = &self.slots[head as usize];
        let start = self.region.unit_address(head as usize);
        let offset = if align > GRANULE {
            start.next_multiple_of(align) - start
        } else {
            Some(colour(head)).filter(|colour| colour + bytes <= slot.bytes()).unwrap_or(0)
        };
        let usable = bytes.next_multiple_of(self.region.page_bytes()).min(slot.bytes() - offset);
        if offset >= UNIT && !broken::is(Broken::AlignedGap) {
            self.skip_gap(head, offset);
        }
        if self.make_room(head, offset + usable).is_err() {
            self.forsake(head);
            return None;
        }
        Some(self.hand_out(head, offset, usable))
    }

    /// A block will begin far inside its slot, to be aligned: what lies in front goes back, and no pages are moved there.
    fn skip_gap(&self, head: u32, offset: usize) {
        let slot = &self.slots[head as usize];
        slot.set_holes();
        self.purge_behind(head, 0);
        let front = offset / UNIT * UNIT;
        if slot.touched.load(Relaxed) < front {
            // As if it were: pages are moved to what is not.
            self.set_touched(slot, front);
        }
    }

    /// Makes the block at an offset of a slot that the caller holds, and that has room and pages for it, the program's.
    pub(super) fn hand_out(&self, head: u32, offset: usize, usable: usize) -> Grant {
        let slot = &self.slots[head as usize];
        let start = self.region.unit_address(head as usize);
        let started = if slot.word().class() == LARGE_CLASS { slot.handed.load(Relaxed) } else { 0 };
        slot.handed.store(started | start_flag(offset), Relaxed);
        slot.offset.store(offset, Relaxed);
        slot.usable.store(usable, Relaxed);
        let old = self.touch(slot, offset + usable);
        if self.is_poisoned() && offset > old {
            // Touched from now on, and in no block. A child forked here finds the slot unused and takes it to have holes.
            self.fill_free(start + old, offset - old);
        }
        slot.set_word(Word::new(State::Large, LARGE_CLASS, 0));
        Grant { address: start + offset, usable, dirty: old.saturating_sub(offset).min(usable) }
    }

    /// The large block that starts at an offset of its slot, if it is `live`.
    pub(super) fn find_large(&self, slot: &Slot, head: u32, offset: usize, live: bool) -> Result<Found, Misuse> {
        let (start, usable) = (slot.offset.load(Relaxed), slot.usable.load(Relaxed));
        // A slot whose first block has yet to come has no usable bytes.
        let is_start = start == offset && usable > 0;
        let is_inside = offset > start && offset - start < usable;
        if live && is_start {
            Ok(Found::Large { head })
        } else if (is_start || slot.handed.load(Relaxed) & start_flag(offset) != 0) && !(live && is_inside) {
            Err(Misuse::DoubleFree)
        } else {
            Err(Misuse::InvalidPointer)
        }
    }

    /// Frees a large block that the caller has found live. Its usable bytes.
    pub(super) fn release_large(&self, head: u32) -> Result<usize, Misuse> {
        let slot = &self.slots[head as usize];
        let word = slot.word();
        let usable = slot.usable.load(Relaxed);
        if word.state() != State::Large || !slot.change(word, word.with_state(State::Limbo)) {
            return Err(Misuse::DoubleFree);
        }
        // A block that grew has taken its pages along: behind those that have some.
        self.put_slot(head, if slot.touched.load(Relaxed) > 0 { End::Front } else { End::Back });
        Ok(usable)
    }

    /// Gives a live large block a new size where it lies, if it fits and is not far too small for its slot. The usable
    /// bytes before and after.
    pub(super) fn resize_large(&self, head: u32, bytes: usize) -> Result<Option<(usize, usize)>, Misuse> {
        let slot = &self.slots[head as usize];
        let offset = slot.offset.load(Relaxed);
        let room = slot.bytes() - offset;
        if bytes > room || bytes < room / 2 {
            return Ok(None);
        }
        let usable = bytes.next_multiple_of(self.region.page_bytes()).min(room);
        let old = self.touch(slot, offset + usable);
        if self.marks_freed() {
            self.mark_resized(head, usable, old.saturating_sub(offset).min(usable))?;
        }
        let before = slot.usable.swap(usable, Relaxed);
        if before.saturating_sub(usable) > usable / WORTH_CUTTING_PART && !broken::is(Broken::CutOff) {
            // They would be in nobody's reach while the block lives. Before, for a child that is forked meanwhile.
            slot.set_holes();
            self.purge_behind(head, (offset + usable).next_multiple_of(self.region.page_bytes()));
        }
        Ok(Some((before, usable)))
    }

    /// A large block gives up bytes at its end, or gets some of which the first `dirty` bytes of the block may hold old
    /// data.
    #[cold]
    fn mark_resized(&self, head: u32, usable: usize, dirty: usize) -> Result<(), Misuse> {
        let slot = &self.slots[head as usize];
        let address = self.region.unit_address(head as usize) + slot.offset.load(Relaxed);
        let before = slot.usable.load(Relaxed);
        if usable < before {
            self.fill_free(address + usable, before - usable);
        } else if self.is_poisoned() {
            self.look_for_writes_in(&Grant { address, usable, dirty }, before)?;
        }
        Ok(())
    }
}
