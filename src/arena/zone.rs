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

fn zone_of_class(class: usize) -> usize {
    usize::from(size::size_of_class(class) >= HUGE_UNITS)
}

impl Zone {
    pub fn new(start: u32, end: u32, huge: Option<HugePages>) -> Self {
        Self { start, end, huge, next: AtomicU32::new(start), unusable: AtomicU32::new(start) }
    }
}

impl Arena {
    /// A new slot, in the zone of its class.
    pub(super) fn carve(&self, class: usize, node: usize) -> Option<u32> {
        self.carve_from(&self.zones[zone_of_class(class)], class, node)
    }

    /// The same in the other zone: when their own is used up, and free slots too.
    pub(super) fn carve_elsewhere(&self, class: usize, node: usize) -> Option<u32> {
        self.carve_from(&self.zones[1 - zone_of_class(class)], class, node)
    }

    /// The same where huge pages are, whatever the size.
    pub(super) fn carve_dense(&self, class: usize, node: usize) -> Option<u32> {
        self.carve_from(&self.zones[1], class, node)
    }

    fn carve_from(&self, zone: &Zone, class: usize, node: usize) -> Option<u32> {
        let units = size::size_of_class(class);
        let _guard = self.frontier.lock();
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

    /// True: one touched byte makes a unit of the slot resident.
    pub(super) fn has_huge_pages(&self, head: u32) -> bool {
        self.zone_of(head).huge == Some(HugePages::Prefer)
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
