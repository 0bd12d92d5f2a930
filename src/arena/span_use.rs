//! How much of their spans the classes use. A span of a class that has only ever had few blocks at once gets a slot with few
//! pages: a slot that a large block has left would keep 2 MiB resident for them (docs/decisions/0015-spans-of-few-blocks.md).
#![forbid(unsafe_code)]

use super::size::{unless_model, BLOCK_CLASSES};
use crate::broken::{self, Broken};
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// So much of a span is few blocks, or few pages. Under a model checker nothing is.
pub const FEW_BYTES: usize = unless_model(256 << 10, 0, 0);

pub struct SpanUse {
    /// One bit a class: a span of it has had more than few blocks.
    used: AtomicU64,
    tells_few: bool,
}
const _: () = assert!(BLOCK_CLASSES <= u64::BITS as usize);

impl SpanUse {
    /// `tells_few`: few blocks have fewer pages than many.
    pub fn new(tells_few: bool) -> Self {
        Self { used: AtomicU64::new(0), tells_few: tells_few && FEW_BYTES > 0 }
    }

    /// True: a new span of the class is expected to have few blocks at once.
    pub fn is_sparse(&self, class: usize) -> bool {
        self.tells_few && self.used.load(Relaxed) & 1 << class == 0 && !broken::is(Broken::FewBlocks)
    }

    /// A span of the class has ended, or is full, in which blocks lay up to `bytes`.
    pub fn note(&self, class: usize, bytes: usize) {
        if bytes > FEW_BYTES && self.is_sparse(class) {
            self.used.fetch_or(1 << class, Relaxed);
        }
    }
}

#[cfg(all(test, not(modelled)))]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_sparse_until_a_span_of_it_was_used_further() {
        let spans = SpanUse::new(true);
        assert!(spans.is_sparse(3));
        spans.note(3, FEW_BYTES);
        assert!(spans.is_sparse(3));
        spans.note(3, FEW_BYTES + 1);
        spans.note(3, 0);
        assert!(!spans.is_sparse(3) && spans.is_sparse(4));
        assert!(!SpanUse::new(false).is_sparse(4), "where all pages are huge");
    }
}
