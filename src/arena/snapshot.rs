//! What the arena has done and holds, in figures.
#![forbid(unsafe_code)]

use super::Arena;
use crate::sync::Ordering::Relaxed;

/// For `zk_stats` and the trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    pub allocs: u64,
    pub frees: u64,
    pub live_bytes: u64,
    pub peak_live_bytes: u64,
    pub resident_bytes: u64,
    pub reserved_bytes: u64,
    pub reused_bytes: u64,
    pub fresh_bytes: u64,
    pub moved_bytes: u64,
    pub returned_bytes: u64,
    pub threads_seen: u64,
}

impl Arena {
    /// Sums what threads have counted; what they do meanwhile may be in it or not.
    pub fn snapshot(&self) -> Snapshot {
        let live_bytes = self.live_bytes();
        // The peak misses what threads have not added to the total yet. Once told, it must not fall again.
        let peak = self.peak.fetch_max(live_bytes as i64, Relaxed).max(live_bytes as i64);
        Snapshot {
            frees: self.sum(|counters| &counters.frees),
            allocs: self.sum(|counters| &counters.allocs),
            live_bytes,
            peak_live_bytes: peak as u64,
            resident_bytes: self.resident_bytes() as u64,
            reserved_bytes: self.region.bytes() as u64,
            reused_bytes: self.reused_bytes(),
            fresh_bytes: self.sum(|counters| &counters.fresh_bytes),
            moved_bytes: self.mover.moved_bytes(),
            returned_bytes: self.purged_bytes.load(Relaxed),
            threads_seen: self.cursors.threads_seen(),
        }
    }

    pub fn live_bytes(&self) -> u64 {
        let freed = self.sum(|counters| &counters.free_bytes);
        self.sum(|counters| &counters.alloc_bytes).saturating_sub(freed)
    }

    fn reused_bytes(&self) -> u64 {
        let others = self.sum(|counters| &counters.fresh_bytes) + self.sum(|counters| &counters.grown_bytes);
        self.sum(|counters| &counters.alloc_bytes).saturating_sub(others)
    }

    pub fn live_blocks(&self) -> u64 {
        let freed = self.sum(|counters| &counters.frees);
        self.sum(|counters| &counters.allocs).saturating_sub(freed)
    }
    /// Changes with every request that was served or freed.
    pub fn activity(&self) -> u64 {
        self.sum(|counters| &counters.allocs).wrapping_add(self.sum(|counters| &counters.frees))
    }

    /// Bytes of all blocks that were ever handed out.
    pub fn allocated_bytes(&self) -> u64 {
        self.sum(|counters| &counters.alloc_bytes)
    }

    /// True: so much has been live at once.
    #[inline]
    pub fn has_held(&self, bytes: usize) -> bool {
        self.peak.load(Relaxed) >= bytes as i64
    }
}
