//! Size classes: pure arithmetic, four classes per doubling, for blocks and for slots alike.
#![forbid(unsafe_code)]

/// Every arena pointer is a multiple of this: a cache line, and enough for every SIMD load.
pub const GRANULE: usize = unless_model(64, 256 << 10, 128 << 10);
/// What slots are measured in: the huge page of x86-64 and of arm64 with 4 KiB pages.
pub const UNIT: usize = 2 << 20;
pub const UNIT_SHIFT: u32 = UNIT.trailing_zeros();
/// Largest block that lives in a span; beyond it a block has a slot of its own.
pub const MEDIUM_MAX: usize = 1 << 20;
/// Classes of blocks in spans: 64 bytes to `MEDIUM_MAX`.
pub const BLOCK_CLASSES: usize = class_of(MEDIUM_MAX / GRANULE) + 1;
/// The largest slot: 1 TiB.
const MOST_UNITS: usize = unless_model(1 << 19, 4, 8);
/// Classes of slots: one unit to `MOST_UNITS`.
pub const SLOT_CLASSES: usize = class_of(MOST_UNITS) + 1;
/// A span never has more blocks than this: its bitmaps then fill 512 bytes. Small blocks (only with a small
/// `ZK_ALLOC_MIN_BYTES`) leave the rest of their unit untouched.
pub const MAX_BLOCKS: usize = unless_model(2048, 2, 4);

/// Under a model checker everything is small, and works the same: as small as it can be where loom explores it completely,
/// a little less so where shuttle draws.
pub const fn unless_model(normal: usize, loom: usize, shuttle: usize) -> usize {
    if cfg!(loom) {
        loom
    } else if cfg!(shuttle) {
        shuttle
    } else {
        normal
    }
}

/// The class of `n` granules or units (`n >= 1`): 1 2 3 4 5 6 7 8 10 12 14 16 20 24 28 32 40 ...
pub const fn class_of(n: usize) -> usize {
    if n <= 4 {
        return n - 1;
    }
    let m = n - 1;
    let e = m.ilog2() as usize;
    (e - 2) * 4 + 4 + ((m >> (e - 2)) & 3)
}

/// The inverse: granules or units of a class.
pub const fn size_of_class(class: usize) -> usize {
    if class < 4 {
        class + 1
    } else {
        (5 + (class - 4) % 4) << ((class - 4) / 4)
    }
}

/// What the arena needs to know of one class of blocks.
#[derive(Clone, Copy)]
pub struct BlockClass {
    pub bytes: u32,
    /// Blocks in a span.
    pub blocks: u32,
    /// Units of a span.
    pub units: u32,
    /// `ceil(2^44 / bytes)`: division by multiplication, exact for offsets below 2^23 (spans are smaller).
    reciprocal: u64,
}

const RECIPROCAL_SHIFT: u32 = 44;

impl BlockClass {
    const NONE: Self = Self { bytes: 0, blocks: 0, units: 0, reciprocal: 0 };

    const fn new(class: usize) -> Self {
        let bytes = size_of_class(class) * GRANULE;
        // As few as leave at most an eighth of them to no block: one, but for one class. The slot that one span leaves, with
        // its pages, is then the next one's, whatever its class. And fewer than `zone::HUGE_UNITS`, since one block of a
        // span among huge pages makes a whole one resident.
        let mut units = 1;
        while units * UNIT % bytes * 8 > units * UNIT {
            units += 1;
        }
        let fit = units * UNIT / bytes;
        Self {
            bytes: bytes as u32,
            blocks: if fit < MAX_BLOCKS { fit } else { MAX_BLOCKS } as u32,
            units: units as u32,
            reciprocal: (1u64 << RECIPROCAL_SHIFT).div_ceil(bytes as u64),
        }
    }

    /// The block that the byte at `offset` of its span lies in. Of a slot that is far larger than a span: any number.
    #[inline]
    pub fn index(&self, offset: usize) -> usize {
        ((offset as u64).wrapping_mul(self.reciprocal) >> RECIPROCAL_SHIFT) as usize
    }

    #[inline]
    pub fn offset(&self, index: usize) -> usize {
        index * self.bytes as usize
    }
}

pub static BLOCK_CLASS: [BlockClass; BLOCK_CLASSES] = {
    let mut table = [BlockClass::NONE; BLOCK_CLASSES];
    let mut class = 0;
    while class < BLOCK_CLASSES {
        table[class] = BlockClass::new(class);
        class += 1;
    }
    table
};

/// The smallest class of blocks that holds `bytes` at multiples of `align` (a power of two), if a span can.
#[inline]
pub fn block_class(bytes: usize, align: usize) -> Option<usize> {
    let bytes = if bytes < align { align } else { bytes };
    if bytes > MEDIUM_MAX {
        return None;
    }
    let mut class = class_of(bytes.div_ceil(GRANULE).max(1));
    if align > GRANULE {
        // Ends at the next power of two at the latest: `bytes >= align`, so that one is a multiple of `align`.
        while BLOCK_CLASS[class].bytes as usize % align != 0 {
            class += 1;
        }
    }
    Some(class)
}

/// The smallest class of slots that holds `bytes`, if there is one.
#[inline]
pub fn slot_class(bytes: usize) -> Option<usize> {
    let units = bytes.div_ceil(UNIT).max(1);
    (units <= MOST_UNITS).then(|| class_of(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_their_own_inverse_and_lose_at_most_a_fifth() {
        for n in 1..100_000 {
            let size = size_of_class(class_of(n));
            assert!(size >= n, "{n}");
            assert!(n <= 8 || (size - n) * 5 <= size, "{n} -> {size}");
            assert_eq!(class_of(size), class_of(n));
        }
        assert_eq!(BLOCK_CLASS[BLOCK_CLASSES - 1].bytes as usize, MEDIUM_MAX);
        assert_eq!(size_of_class(SLOT_CLASSES - 1), MOST_UNITS);
    }

    #[test]
    fn division_by_multiplication_is_exact() {
        for class in &BLOCK_CLASS {
            let span = class.units as usize * UNIT;
            for index in 0..class.blocks as usize {
                let start = class.offset(index);
                assert_eq!(class.index(start), index);
                assert_eq!(class.index(start + class.bytes as usize - 1), index);
                assert!(start + class.bytes as usize <= span);
            }
        }
    }

    #[test]
    fn aligned_classes_are_multiples() {
        for shift in 0..=20 {
            let align = 1 << shift;
            for bytes in [0, 1, 63, 64, 65, 4095, 4096, 4097, 5000, 65537, 700_000, MEDIUM_MAX] {
                let class = &BLOCK_CLASS[block_class(bytes, align).unwrap()];
                assert_eq!(class.bytes as usize % align.min(class.bytes as usize), 0);
                assert!(align <= GRANULE || class.bytes as usize % align == 0);
                assert!(class.bytes as usize >= bytes);
            }
        }
        assert!(block_class(MEDIUM_MAX + 1, 1).is_none());
        assert!(block_class(1, 2 * MEDIUM_MAX).is_none());
    }
}
