//! Seeded defects: what an arena might do wrong, done to it from outside. Each must make the property fail.
#![forbid(unsafe_code)]

use super::machine::Machine;
use super::memory::scribble;
use crate::arena::size::GRANULE;
use crate::arena::Found;
use crate::sync::Ordering::Relaxed;

/// Named after the moment at which it strikes, and what goes wrong then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The end of the last phase frees everything, as a bump arena's does (what the feature `broken` does first).
    Resets,
    /// A free forgets that the memory holds old data.
    ForgetsDirt,
    /// A free is not counted.
    ForgetsFree,
    /// Trim gives back a page of a live block.
    PurgesLive,
    /// When a thread ends, one of its blocks is taken for free.
    ForgetsLive,
    /// The program's own: it writes to a block that it has freed, which poison mode must notice.
    WritesToFree,
}

impl Defect {
    pub const ALL: [Self; 6] =
        [Self::Resets, Self::ForgetsDirt, Self::ForgetsFree, Self::PurgesLive, Self::ForgetsLive, Self::WritesToFree];

    /// Does it: to the block in question, or to the oldest one.
    pub fn happen(self, machine: &Machine, block: Option<usize>) {
        let arena = &machine.arena;
        let block = block.or_else(|| machine.nth(0));
        match (self, block) {
            (Self::Resets, _) => arena.broken_reset(),
            (Self::ForgetsFree, _) => {
                arena.counters.frees.fetch_sub(1, Relaxed);
            }
            (Self::ForgetsDirt, Some(address)) => {
                let head = arena.head(address).expect("a live block");
                let slot = &arena.slots[head as usize];
                slot.touched.store(0, Relaxed);
            }
            (Self::PurgesLive, Some(address)) => {
                let page_bytes = arena.region.page_bytes();
                arena.region.purge(address, address + 2 * page_bytes);
            }
            (Self::ForgetsLive, Some(address)) => {
                if let Ok(Found::Medium { head, index, .. }) = arena.find(address) {
                    arena.blocks[head as usize].clear(index);
                }
            }
            (Self::WritesToFree, Some(address)) if arena.is_poisoned() => scribble(address, GRANULE),
            (Self::WritesToFree, Some(_)) | (_, None) => {}
        }
    }
}
