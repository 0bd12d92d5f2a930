//! What the interpreter reads from the fuzzer's bytes: operations, sizes and alignments, biased to the edges of classes
//! and to the library's thresholds.
#![forbid(unsafe_code)]

const GRANULE: usize = 64;
const UNIT: usize = 2 << 20;
/// Classes of blocks in spans, and the first of those of slots.
const BLOCK_CLASSES: usize = 57;
const SLOT_CLASSES: usize = 10;
const THRESHOLDS: [usize; 8] = [4096, 16 << 10, 65536, 256 << 10, 512 << 10, 1 << 20, UNIT, 8 << 20];
const DELTAS: [isize; 8] = [0, 0, -1, 1, -64, 64, -4096, 4096];

pub struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte; `None`: the input ends here.
    pub fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    /// The next byte, 0 behind the end.
    pub fn byte(&mut self) -> usize {
        usize::from(self.next().unwrap_or(0))
    }

    pub fn pair(&mut self) -> usize {
        self.byte() << 8 | self.byte()
    }

    /// A size from 0 to some GiB.
    pub fn size(&mut self) -> usize {
        let kind = self.byte();
        let near = |edge: usize| edge.saturating_add_signed(DELTAS[kind >> 4 & 7]);
        match kind & 15 {
            0 => self.byte() * 2,
            1..=4 => near(class_bytes(self.byte() % BLOCK_CLASSES) * GRANULE),
            5..=7 => near(THRESHOLDS[self.byte() % THRESHOLDS.len()]),
            8 | 9 => near(class_bytes(self.byte() % SLOT_CLASSES) * UNIT),
            10 => self.pair(),
            11 => self.pair() * GRANULE,
            12 => self.pair() * 256,
            13 => 4096 + self.byte() * 16,
            14 => (1 << 20) + self.byte() * 4096,
            // Gibibytes of addresses, of which little is touched.
            _ => (self.byte() % 3 + 1) << 30,
        }
    }

    /// A size that nobody can serve.
    pub fn absurd_size(&mut self) -> usize {
        match self.byte() % 4 {
            0 => usize::MAX - self.byte(),
            1 => isize::MAX as usize - self.byte(),
            2 => isize::MAX as usize + self.byte(),
            _ => 1 << (48 + self.byte() % 15),
        }
    }

    /// Mostly an alignment, 1 to 16 MiB; now and then a number that is none.
    pub fn alignment(&mut self) -> usize {
        match self.byte() {
            odd @ 240..=255 => [0, 3, 24, 48, 100, 4095, 4097, 1 << 63][odd % 8],
            even => 1 << (even % 25),
        }
    }
}

/// Granules or units of a class: 1 2 3 4 5 6 7 8 10 12 14 16 20 ... (src/arena/size.rs).
fn class_bytes(class: usize) -> usize {
    if class < 4 {
        class + 1
    } else {
        (5 + (class - 4) % 4) << ((class - 4) / 4)
    }
}
