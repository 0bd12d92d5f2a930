//! Memory that shows when it was handed out a second time.

use crate::program::corruption;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Sizes that every program keeps beside its own kind: at or above every threshold that the tests set, so that at least
/// these lie in the arena, one in a span and one in a slot of its own.
const ALWAYS: [usize; 2] = [64 << 10, (1 << 20) + (1 << 18)];

/// Rounds for which a survivor is kept. After it the survivor is freed, so that its memory is reused rightfully.
const ROUNDS_KEPT: usize = 6;

static ANY_IN_ARENA: AtomicBool = AtomicBool::new(false);

/// Whether a survivor of this process was, when it was planted, in the arena.
pub fn any_in_arena() -> bool {
    // Relaxed: a flag that guards no other memory.
    ANY_IN_ARENA.load(Ordering::Relaxed)
}

/// A heap block filled with words that no other block of the process holds.
pub struct Block {
    words: Vec<u64>,
    pattern: u64,
}

impl Block {
    /// Allocates exactly `bytes` (a multiple of 8) and fills them.
    pub fn new(bytes: usize) -> Self {
        let pattern = new_pattern();
        let count = bytes / size_of::<u64>();
        let mut words = Vec::with_capacity(count);
        words.extend((0..count).map(|index| word(pattern, index)));
        // Else the compiler may conclude that nobody else writes to the block, and fold the check away.
        black_box(&mut words);
        Self { words, pattern }
    }

    pub fn as_ptr(&self) -> *const u64 {
        self.words.as_ptr()
    }

    /// Ends the process with a finding where a word is not what `new` wrote.
    pub fn check(&self, what: &str) {
        let words = black_box(&self.words);
        let wrong = (0..words.len()).find(|&index| words[index] != word(self.pattern, index));
        if let Some(index) = wrong {
            let bytes = words.len() * size_of::<u64>();
            let (found, wanted) = (words[index], word(self.pattern, index));
            corruption(format_args!("{what}: block of {bytes} bytes, word {index}: {found:#x} instead of {wanted:#x}"));
        }
    }
}

/// What no other block of the process was filled with.
pub fn new_pattern() -> u64 {
    static NEXT_PATTERN: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only the uniqueness of the number matters.
    NEXT_PATTERN.fetch_add(1, Ordering::Relaxed) << 32
}

/// Notes that what lies at an address will outlive its phase.
pub fn note_where<T>(address: *const T) {
    if zkalloc::owns(address) {
        // Relaxed: a flag that guards no other memory.
        ANY_IN_ARENA.store(true, Ordering::Relaxed);
    }
}

/// The word at `index` of a block with `pattern`.
pub fn word(pattern: u64, index: usize) -> u64 {
    // Odd multiplier: different (pattern, index) stay different, and no word looks like a pointer or a small number.
    // Rotated: the pattern shows in the first bytes, too, which are all that the smallest blocks have.
    (pattern | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

/// Blocks that outlive the phase they were born in, and the attempt to have their memory handed out again.
pub struct Survivors {
    sizes: Vec<usize>,
    kept: VecDeque<Block>,
    rivals: Vec<Block>,
}

impl Survivors {
    /// To be called before the first phase: the lists get all the room they will ever need, so that only the blocks lie
    /// in the arena, and the broken build is caught by them instead of crashing on a list.
    pub fn new(kind_bytes: &[usize]) -> Self {
        let sizes: Vec<usize> = kind_bytes.iter().chain(&ALWAYS).copied().collect();
        let capacity = sizes.len() * (ROUNDS_KEPT + 1);
        Self { kept: VecDeque::with_capacity(capacity), rivals: Vec::with_capacity(2 * capacity), sizes }
    }

    /// Allocates one survivor of each size, inside a phase that the caller has opened, and frees the oldest ones.
    pub fn plant(&mut self) {
        for &bytes in &self.sizes {
            let block = Block::new(bytes);
            note_where(block.as_ptr());
            self.kept.push_back(block);
        }
        if self.kept.len() > self.sizes.len() * ROUNDS_KEPT {
            self.kept.drain(..self.sizes.len());
        }
    }

    /// Inside a later phase: writes to twice as many new blocks of the same sizes while the survivors are held, then
    /// checks all of them.
    pub fn challenge(&mut self) {
        for round in 0..2 * (ROUNDS_KEPT + 1) {
            // The first rounds meet even a heap without survivors: a library's own blocks of these sizes are at stake.
            if round < 4 || round * self.sizes.len() < 2 * self.kept.len() {
                self.rivals.extend(self.sizes.iter().map(|&bytes| Block::new(bytes)));
            }
        }
        self.check();
        for rival in &self.rivals {
            rival.check("a block allocated beside the survivors");
        }
        self.rivals.clear();
    }

    /// Checks the survivors alone; allocates nothing.
    pub fn check(&self) {
        for survivor in &self.kept {
            survivor.check("a survivor of an earlier phase");
        }
    }
}
