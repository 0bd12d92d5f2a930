//! Which blocks of a span are live: one bit each, outside the span, and the truth that everything else derives from.
#![forbid(unsafe_code)]

use super::size::MAX_BLOCKS;
use crate::sync::{AtomicU64, Ordering};
use Ordering::{Acquire, Relaxed, Release};

const WORDS: usize = MAX_BLOCKS.div_ceil(64);

/// The bits of a span's blocks. All zero: no block is live, none is purged.
#[repr(C, align(64))]
pub struct BlockTable {
    /// The program holds the block, or `trim` keeps it away from the owner for a moment.
    live: [AtomicU64; WORDS],
    /// The block's whole pages were given back while it was free.
    purged: [AtomicU64; WORDS],
}

impl BlockTable {
    #[inline]
    pub fn is_live(&self, index: usize) -> bool {
        self.live[index / 64].load(Relaxed) & bit(index) != 0
    }

    /// True: the block was free and is the caller's now.
    #[inline]
    pub fn claim(&self, index: usize) -> bool {
        // Acquire: pairs with the Release in `clear`: the last holder has finished with the block (I1).
        self.live[index / 64].fetch_or(bit(index), Acquire) & bit(index) == 0
    }

    /// True: the block was live and is free now.
    #[inline]
    pub fn clear(&self, index: usize) -> bool {
        // Release: pairs with the Acquire in `claim`.
        self.live[index / 64].fetch_and(!bit(index), Release) & bit(index) != 0
    }

    pub fn is_purged(&self, index: usize) -> bool {
        self.purged[index / 64].load(Relaxed) & bit(index) != 0
    }

    pub fn set_purged(&self, index: usize) {
        self.purged[index / 64].fetch_or(bit(index), Relaxed);
    }

    /// The block is in use again, its pages with it. True: they had been given back.
    #[inline]
    pub fn clear_purged(&self, index: usize) -> bool {
        let purged = &self.purged[index / 64];
        let was_purged = purged.load(Relaxed) & bit(index) != 0;
        if was_purged {
            purged.fetch_and(!bit(index), Relaxed);
        }
        was_purged
    }

    /// Forgets what was purged, for a new span of `blocks`.
    pub fn forget_purged(&self, blocks: usize) {
        self.purged[..blocks.div_ceil(64)].iter().for_each(|word| word.store(0, Relaxed));
    }

    /// Those of the first `blocks` that are purged.
    pub fn count_purged(&self, blocks: usize) -> usize {
        let whole =
            self.purged[..blocks / 64].iter().map(|word| word.load(Relaxed).count_ones() as usize).sum::<usize>();
        let rest = self.purged.get(blocks / 64).map_or(0, |word| word.load(Relaxed) & (bit(blocks) - 1));
        whole + rest.count_ones() as usize
    }

    /// Live blocks.
    pub fn count(&self) -> i64 {
        self.live.iter().map(|word| i64::from(word.load(Relaxed).count_ones())).sum()
    }

    /// Claims the free block of the lowest address.
    #[inline]
    pub fn claim_lowest(&self, blocks: usize) -> Option<usize> {
        for (at, word) in self.live[..blocks.div_ceil(64)].iter().enumerate() {
            let mut free = !word.load(Relaxed);
            while free != 0 {
                let index = at * 64 + free.trailing_zeros() as usize;
                if index >= blocks {
                    break;
                }
                if self.claim(index) {
                    return Some(index);
                }
                free &= free - 1;
            }
        }
        None
    }

    /// For whoever knows that no block is live: makes the bits say so.
    pub fn reset(&self) {
        self.live.iter().for_each(|word| word.store(0, Relaxed));
    }
}

#[inline]
fn bit(index: usize) -> u64 {
    1 << (index % 64)
}
