//! The reservation: where blocks and metadata lie, and the only place where addresses become pointers.
//! Unsafe: views fresh zero pages as tables, and turns addresses into pointers.
#![allow(unsafe_code)]

use super::block_table::BlockTable;
use super::cursor::{Cursor, MAX_CURSORS};
use super::pool::POOLS;
use super::size::{UNIT, UNIT_SHIFT};
use super::slot::{Slot, SlotList};
use super::{BLOCK_CLASSES, SLOT_NODES};
use crate::broken::{self, Broken};
use crate::platform::{self, HugePages, Move};
use crate::sync::AtomicU32;
use core::ptr::{self, NonNull};

/// Smaller than this an arena is of no use.
const RESERVE_MIN_BYTES: usize = 64 << 20;
/// Units are made usable in steps of this many.
const COMMIT_UNITS: usize = 32;

/// A type for which all zero bits are a valid value, so that a table of it may lie in fresh pages.
///
/// # Safety
/// All zero bits must be a valid value of the type, which must not need to be dropped.
unsafe trait Zeroed {}
// SAFETY: atomics, and structures of atomics: any bits are valid.
unsafe impl Zeroed for AtomicU32 {}
// SAFETY: as above.
unsafe impl Zeroed for Slot {}
// SAFETY: as above.
unsafe impl Zeroed for SlotList {}
// SAFETY: as above.
unsafe impl Zeroed for BlockTable {}
// SAFETY: as above.
unsafe impl Zeroed for Cursor {}

/// The addresses of the arena.
pub struct Region {
    base: usize,
    units: usize,
    page_bytes: usize,
    tables: Tables,
    /// Start, and bytes for each unit, of the tables that have an entry for every unit.
    by_unit: [(usize, usize); 3],
}

/// Metadata, in pages of its own.
#[derive(Clone, Copy)]
pub struct Tables {
    pub slots: &'static [Slot],
    /// The first unit of the slot that a unit belongs to.
    pub heads: &'static [AtomicU32],
    pub blocks: &'static [BlockTable],
    pub bins: &'static [SlotList],
    pub pools: &'static [SlotList],
    pub cursors: &'static [Cursor],
}

impl Region {
    /// Reserves addresses for blocks and tables: at most half of what the process may still have.
    pub fn reserve() -> Option<Self> {
        // Halved until it fits.
        let mut bytes = platform::RESERVE_BYTES;
        while bytes >= RESERVE_MIN_BYTES {
            if let Some(region) = Self::reserve_exactly(bytes) {
                return Some(region);
            }
            if broken::is(Broken::Halving) {
                break;
            }
            bytes /= 2;
        }
        None
    }

    fn reserve_exactly(bytes: usize) -> Option<Self> {
        let units = bytes >> UNIT_SHIFT;
        let layout = Layout::new(units);
        let all = platform::reserve(bytes + layout.bytes, UNIT)?;
        // As much again must be left to the program.
        match platform::reserve(bytes, UNIT) {
            Some(other) => platform::release(other.base, other.bytes),
            None if broken::is(Broken::HalfLeft) => {}
            None => {
                platform::release(all.base, all.bytes);
                return None;
            }
        }
        let meta = all.base + units * UNIT;
        // Lookups read the tables by unit wherever an address points, so all of them must be readable. Writable they are
        // only where units are usable: that is what strict overcommit and `mlockall` charge for (I7).
        let by_unit_bytes = layout.bytes - layout.slots;
        let readable = if broken::is(Broken::Tables) { platform::commit } else { platform::make_readable };
        if !platform::commit(meta, layout.slots) || !readable(meta + layout.slots, by_unit_bytes) {
            platform::release(all.base, all.bytes);
            return None;
        }
        let by_unit = [
            (meta + layout.slots, size_of::<Slot>()),
            (meta + layout.heads, size_of::<AtomicU32>()),
            (meta + layout.blocks, size_of::<BlockTable>()),
        ];
        let tables = Tables {
            bins: table(meta + layout.bins, BLOCK_CLASSES),
            pools: table(meta + layout.pools, SLOT_NODES * POOLS),
            cursors: table(meta + layout.cursors, MAX_CURSORS),
            slots: table(meta + layout.slots, units),
            heads: table(meta + layout.heads, units),
            blocks: table(meta + layout.blocks, units),
        };
        Some(Self { base: all.base, units, page_bytes: platform::page_bytes(), tables, by_unit })
    }

    /// Exactly this many bytes, so that a test can fill them.
    #[cfg(test)]
    pub fn reserve_for_test(bytes: usize) -> Option<Self> {
        Self::reserve_exactly(bytes)
    }

    /// Gives the addresses back. Nothing of the arena is used afterwards.
    #[cfg(test)]
    pub fn discard(&self) {
        platform::release(self.base, self.bytes() + Layout::new(self.units).bytes);
    }

    pub fn tables(&self) -> Tables {
        self.tables
    }

    pub fn base(&self) -> usize {
        self.base
    }

    pub fn bytes(&self) -> usize {
        self.units * UNIT
    }

    pub fn units(&self) -> usize {
        self.units
    }

    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    #[inline]
    pub fn unit_address(&self, unit: usize) -> usize {
        self.base + (unit << UNIT_SHIFT)
    }

    /// The unit that an address lies in, if it lies in the arena.
    #[inline]
    pub fn unit(&self, address: usize) -> Option<usize> {
        let unit = address.wrapping_sub(self.base) >> UNIT_SHIFT;
        (unit < self.units).then_some(unit)
    }

    /// Makes the units up to `end` usable, and a few more, and their entries in the tables writable. The first one behind
    /// them, or `None`: the system has no memory to promise.
    pub fn commit_units(&self, start: usize, end: usize) -> Option<usize> {
        let end = end.next_multiple_of(COMMIT_UNITS).min(self.units);
        let entries = self.by_unit.iter().all(|&(table, bytes)| {
            let first_page = (table + start * bytes) & !(self.page_bytes - 1);
            platform::commit(first_page, (table + end * bytes).next_multiple_of(self.page_bytes) - first_page)
        });
        (entries && platform::commit(self.unit_address(start), (end - start) * UNIT)).then_some(end)
    }

    /// Gives whole pages inside a range without live bytes back to the system. The bytes given back.
    pub fn purge(&self, start: usize, end: usize) -> usize {
        let start = start.next_multiple_of(self.page_bytes);
        let end = end & !(self.page_bytes - 1);
        if start < end && (broken::is(Broken::GiveBack) || platform::purge(start, end - start)) {
            end - start
        } else {
            0
        }
    }

    /// Moves the pages of a unit to another, from one slot without blocks to another. A unit is always one mapping.
    pub fn move_unit(&self, from: usize, to: usize) -> Move {
        platform::move_pages(self.unit_address(from), self.unit_address(to), UNIT)
    }

    /// Copies bytes from the start of a unit to that of another, from one slot that the caller holds to another.
    pub fn copy(&self, from: usize, to: usize, bytes: usize) {
        let (from, to) = (pointer(self.unit_address(from)), pointer(self.unit_address(to)));
        if let (Some(from), Some(to)) = (from, to) {
            // SAFETY: I1: both slots are the caller's alone, usable, different, and hold so much.
            unsafe { to.as_ptr().copy_from_nonoverlapping(from.as_ptr(), bytes) };
        }
    }

    /// The bytes of whole pages that are resident in a range, if the kernel may be asked.
    pub fn resident(&self, start: usize, bytes: usize) -> Option<usize> {
        platform::resident(start, bytes)
    }

    /// Visits the runs of resident pages in a range. False: the kernel may not be asked.
    pub fn for_each_resident(&self, start: usize, bytes: usize, visit: impl FnMut(usize, usize)) -> bool {
        platform::for_each_resident(start, bytes, visit)
    }

    pub fn populate(&self, start: usize, bytes: usize) -> bool {
        platform::populate(start, bytes)
    }

    pub fn advise_dump(&self, unit: usize, units: usize, dumped: bool) -> bool {
        platform::advise_dump(self.unit_address(unit), units * UNIT, dumped)
    }

    pub fn advise_huge(&self, start: usize, end: usize, wish: HugePages) -> bool {
        platform::advise_huge(self.unit_address(start), (end - start) * UNIT, wish)
    }
}

/// Where the tables lie behind the arena, in bytes from there.
struct Layout {
    bins: usize,
    pools: usize,
    cursors: usize,
    slots: usize,
    heads: usize,
    blocks: usize,
    bytes: usize,
}

impl Layout {
    fn new(units: usize) -> Self {
        let mut end = 0;
        let mut place = |bytes: usize, align: usize| {
            let start = usize::next_multiple_of(end, align);
            end = start + bytes;
            start
        };
        let bins = place(BLOCK_CLASSES * size_of::<SlotList>(), 128);
        let pools = place(SLOT_NODES * POOLS * size_of::<SlotList>(), 128);
        let cursors = place(MAX_CURSORS * size_of::<Cursor>(), 128);
        let slots = place(units * size_of::<Slot>(), UNIT);
        let heads = place(units * size_of::<AtomicU32>(), UNIT);
        let blocks = place(units * size_of::<BlockTable>(), UNIT);
        let bytes = place(0, UNIT);
        Self { bins, pools, cursors, slots, heads, blocks, bytes }
    }
}

fn table<T: Zeroed>(address: usize, count: usize) -> &'static [T] {
    let first = ptr::with_exposed_provenance::<T>(address);
    // SAFETY: `Layout` gave each table room and alignment in zero pages that are never unmapped nor written otherwise,
    // and `Zeroed` says that zero bits are values.
    unsafe { core::slice::from_raw_parts(first, count) }
}

/// The pointer to the byte at an address of the arena.
#[inline]
pub fn pointer(address: usize) -> Option<NonNull<u8>> {
    NonNull::new(ptr::with_exposed_provenance_mut(address))
}
