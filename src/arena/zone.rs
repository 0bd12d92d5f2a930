//! Zones: the reservation in parts, one for each kind of pages, from which slots are carved in order of their addresses.
#![forbid(unsafe_code)]

use super::size;
use super::Arena;
use crate::platform::HugePages;
use crate::sync::{AtomicU32, Ordering};
use Ordering::{Relaxed, Release};

/// A part of the reservation with one kind of pages, carved from its start.
pub struct Zone {
    pub start: u32,
    pub end: u32,
    /// What the kernel was told about huge pages here.
    pub huge: Option<HugePages>,
    /// The first unit that was never carved. Changed under `Arena::frontier`, as the next one is.
    pub next: AtomicU32,
    /// The first unit that was never made usable.
    pub unusable: AtomicU32,
}

/// Slots of at least this many units lie where huge pages are wanted: the untouched rest of a block's last huge page
/// is then at most a quarter of the block.
pub const HUGE_UNITS: usize = 4;

impl Zone {
    pub fn new(start: u32, end: u32, huge: Option<HugePages>) -> Self {
        Self { start, end, huge, next: AtomicU32::new(start), unusable: AtomicU32::new(start) }
    }
}

impl Arena {
    pub(super) fn carve(&self, class: usize, node: usize) -> Option<u32> {
        let units = size::size_of_class(class);
        self.carve_first_from(usize::from(units >= HUGE_UNITS), units, node)
    }

    /// A slot where huge pages are, whatever its size.
    pub(super) fn carve_dense(&self, class: usize, node: usize) -> Option<u32> {
        self.carve_first_from(1, size::size_of_class(class), node)
    }

    fn carve_first_from(&self, first: usize, units: usize, node: usize) -> Option<u32> {
        let _guard = self.frontier.lock();
        self.carve_from(&self.zones[first], units, node)
            .or_else(|| self.carve_from(&self.zones[1 - first], units, node))
    }

    fn carve_from(&self, zone: &Zone, units: usize, node: usize) -> Option<u32> {
        let head = zone.next.load(Relaxed) as usize;
        let end = head.checked_add(units).filter(|&end| end <= zone.end as usize)?;
        let usable = zone.unusable.load(Relaxed) as usize;
        if end > usable {
            zone.unusable.store(self.region.commit_units(usable, end)? as u32, Relaxed);
        }
        for unit in &self.heads[head..end] {
            unit.store(head as u32, Relaxed);
        }
        self.slots[head].carve(units, node);
        // Release: pairs with the Acquire in `for_each_slot`.
        zone.next.store(end as u32, Release);
        Some(head as u32)
    }

    /// Units that were ever carved.
    pub(super) fn carved_units(&self) -> usize {
        self.zones.iter().map(|zone| (zone.next.load(Relaxed) - zone.start) as usize).sum()
    }

    pub(super) fn zone_of(&self, unit: u32) -> &Zone {
        &self.zones[usize::from(self.is_huge(unit))]
    }

    /// True: the slot lies where huge pages are wanted.
    pub(super) fn is_huge(&self, unit: u32) -> bool {
        unit >= self.zones[1].start
    }

    /// Tells the kernel about huge pages in a unit that was mapped anew.
    pub(super) fn advise_zone(&self, unit: usize) {
        if let Some(wish) = self.zone_of(unit as u32).huge {
            self.region.advise_huge(unit, unit + 1, wish);
        }
    }
}
