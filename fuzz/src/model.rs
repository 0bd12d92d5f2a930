//! What the library should do: the blocks that are live, and the counters that follow from them.
#![forbid(unsafe_code)]

use crate::library::Library;
use crate::memory;
use std::collections::BTreeMap;

/// A live block.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub address: usize,
    /// What the program asked for last.
    pub bytes: usize,
    pub usable: usize,
    pub seed: u64,
    /// In the arena; else the next allocator's.
    pub in_arena: bool,
}

impl Block {
    /// Takes a block that the library has just handed out: measures and paints it.
    pub fn adopt(library: &Library, address: usize, bytes: usize, seed: u64) -> Self {
        let usable = library.malloc_usable_size(address);
        assert!(usable >= bytes, "{address:#x}: {usable} usable bytes of {bytes}");
        let in_arena = library.zk_owns(address) == 1;
        if in_arena {
            assert_eq!(address % 64, 0, "{address:#x}: arena blocks start at multiples of 64");
            assert_eq!(library.zk_owns(address + usable.max(1) - 1), 1, "{address:#x}: its last byte is not owned");
        }
        memory::paint(address, usable, seed);
        Self { address, bytes, usable, seed, in_arena }
    }

    pub fn check(&self, library: &Library) {
        memory::assert_painted(self.address, self.usable, self.seed, self.usable);
        assert_eq!(library.malloc_usable_size(self.address), self.usable, "{self:x?}: another usable size");
        assert_eq!(library.zk_owns(self.address) == 1, self.in_arena, "{self:x?}: zk_owns");
    }

    /// Checks and frees it; errno stays.
    pub fn release(self, library: &Library) {
        memory::assert_painted(self.address, self.usable, self.seed, self.usable);
        if self.in_arena {
            assert_eq!(library.zk_owns(self.address), 1, "{self:x?}: a live block is not owned");
        }
        memory::set_errno(4711);
        library.free(self.address);
        assert_eq!(memory::errno(), 4711, "free has changed errno");
    }
}

/// All live blocks that the interpreter's own thread holds, by address.
#[derive(Default)]
pub struct Blocks {
    by_address: BTreeMap<usize, Block>,
    bytes: usize,
}

impl Blocks {
    pub fn insert(&mut self, block: Block) {
        let Block { address, usable, .. } = block;
        let end = address + usable.max(1);
        if let Some((_, other)) = self.by_address.range(..end).next_back() {
            let other_end = other.address + other.usable.max(1);
            assert!(other_end <= address, "{block:x?} overlaps the live {other:x?}");
        }
        self.bytes += usable;
        self.by_address.insert(address, block);
    }

    /// Removes the block that a number picks.
    pub fn take(&mut self, number: usize) -> Option<Block> {
        let address = self.pick(number)?.address;
        let block = self.by_address.remove(&address)?;
        self.bytes -= block.usable;
        Some(block)
    }

    pub fn pick(&self, number: usize) -> Option<&Block> {
        self.by_address.values().nth(number % self.by_address.len().max(1))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.by_address.values()
    }

    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Blocks and bytes in the arena.
    pub fn in_arena(&self) -> (u64, u64) {
        let mine = self.iter().filter(|block| block.in_arena);
        mine.fold((0, 0), |(blocks, bytes), block| (blocks + 1, bytes + block.usable as u64))
    }
}

/// When the arena serves requests (`ZK_ALLOC_MODE`), and what the phases make of it.
pub struct Routing {
    mode: String,
    min_bytes: usize,
    /// Mode auto, before any phase: a request of 1 MiB has come, or zk_prefault.
    engaged: bool,
    pub begun: u64,
    pub ended: u64,
    pub thread_enabled: bool,
}

const ENGAGE_BYTES: usize = 1 << 20;

impl Routing {
    pub fn new(library: &Library) -> Self {
        let mode = std::env::var("ZK_ALLOC_MODE").ok().filter(|mode| !mode.is_empty());
        Self {
            mode: mode.unwrap_or_else(|| "auto".to_owned()),
            min_bytes: library.zk_min_arena_bytes(),
            engaged: false,
            begun: 0,
            ended: 0,
            thread_enabled: true,
        }
    }

    pub fn is_off(&self) -> bool {
        self.mode == "off"
    }

    pub fn depth(&self) -> u64 {
        self.begun - self.ended
    }

    /// zk_prefault was called.
    pub fn prefault(&mut self) {
        self.engaged = true;
    }

    /// True: the arena is asked for a request of this size now, from a thread that may use it.
    pub fn is_for_arena(&mut self, bytes: usize, enabled: bool) -> bool {
        if !enabled || bytes > isize::MAX as usize || self.is_off() {
            return false;
        }
        let serves = if self.mode == "phase" || self.begun > 0 {
            self.depth() > 0
        } else {
            self.engaged |= bytes >= ENGAGE_BYTES;
            self.engaged
        };
        serves && bytes >= self.min_bytes
    }
}
