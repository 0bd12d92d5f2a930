//! The interpreter: one operation after the other, each checked against the model.
#![forbid(unsafe_code)]

use crate::input::Input;
use crate::library::{Library, Stats};
use crate::memory::{self, SPARSE_BYTES};
use crate::model::{Block, Blocks, Routing};
use crate::worker::Worker;

/// Blocks that live at once, and their bytes; then requests become small. The limit for sparse ones is beyond what the
/// arena takes with ZK_ALLOC_SLAB_GB=1, so that it overflows.
const MOST_BLOCKS: usize = 300;
const MOST_BYTES: usize = 128 << 20;
const MOST_SPARSE_BYTES: usize = 24 << 30;
const MOST_PREFAULT_BYTES: usize = 16 << 20;

/// The state that one process keeps from input to input, as the library does.
pub struct Machine {
    pub(crate) library: Library,
    routing: Routing,
    pub(crate) blocks: Blocks,
    worker: Worker,
    /// Numbers painted into blocks.
    seed: u64,
    forks: u64,
    /// What was alive when the last phase ended, if the second thread was idle then.
    survivors: Option<(u64, u64)>,
    with_phases: bool,
    may_fork: bool,
    pub(crate) last: Stats,
}

impl Machine {
    /// With `ZK_FUZZ_PHASES=0` in the environment, what would begin and end phases does nothing: mode auto then serves
    /// requests as in a program that knows of no phases.
    pub fn new(library: Library) -> Self {
        Self {
            library,
            routing: Routing::new(&library),
            blocks: Blocks::default(),
            worker: Worker::new(library),
            seed: 0,
            forks: 0,
            survivors: Some((0, 0)),
            with_phases: std::env::var("ZK_FUZZ_PHASES").as_deref() != Ok("0"),
            may_fork: true,
            last: library.stats(),
        }
    }

    /// Runs an input, and frees everything that it leaves.
    pub fn run(&mut self, bytes: &[u8]) {
        let mut input = Input::new(bytes);
        self.may_fork = true;
        while let Some(operation) = input.next() {
            self.step(operation, &mut input);
        }
        self.finish();
    }

    fn step(&mut self, operation: u8, input: &mut Input) {
        match operation {
            0..=39 => self.allocate(input, |library, bytes| library.malloc(bytes)),
            40..=59 => self.calloc(input),
            60..=89 => self.realloc(input, |library, block, bytes| library.realloc(block, bytes)),
            90..=144 => self.free(input.byte()),
            145..=149 => self.refuse(input),
            150..=159 => self.posix_memalign(input),
            160..=166 => self.aligned(input, |library, align, bytes| library.aligned_alloc(align, bytes)),
            167..=173 => self.aligned(input, |library, align, bytes| library.memalign(align, bytes)),
            174 | 175 => self.page_aligned(input, false),
            176 | 177 => self.page_aligned(input, true),
            178..=183 => self.realloc(input, |library, block, bytes| library.reallocarray(block, bytes, 1)),
            184..=189 => self.check_one(input.byte()),
            190..=197 => self.begin_phase(),
            198..=205 => self.end_phase(),
            206..=209 => self.trim(input),
            210 | 211 => self.prefault(input),
            212..=215 => self.probe(input),
            216..=223 => self.check_all(),
            224..=227 => self.set_thread_enabled(operation & 1 == 1),
            228..=237 => self.hand_over(input),
            238..=245 => self.let_allocate(input),
            246..=249 => self.wait(),
            250..=252 => self.end_thread(),
            253 => self.fork(),
            254 => self.free_many(input),
            255 => self.overflow(),
        }
    }

    /// A size that keeps the process within its limits.
    pub(crate) fn size(&self, input: &mut Input) -> usize {
        let bytes = input.size();
        let is_sparse = bytes > SPARSE_BYTES;
        let room = if is_sparse { MOST_SPARSE_BYTES } else { MOST_BYTES };
        let full = self.blocks.len() >= MOST_BLOCKS || self.blocks.bytes().saturating_add(bytes) > room;
        if full && (is_sparse || self.blocks.bytes() % (1 << 30) > MOST_BYTES) {
            bytes % 8192
        } else {
            bytes
        }
    }

    fn next_seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed
    }

    /// Enters a block that was asked for with `bytes` into the model. `wanted`: it should come from the arena.
    pub(crate) fn adopt(&mut self, address: usize, bytes: usize, wanted: bool) {
        let seed = self.next_seed();
        let block = Block::adopt(&self.library, address, bytes, seed);
        let overflowed = self.overflow_count() != self.last.overflow_count;
        if self.worker.is_idle() {
            // The second thread's requests would be counted, too.
            assert_eq!(
                block.in_arena,
                wanted && !overflowed,
                "{block:x?}: in the wrong place (overflow: {overflowed})"
            );
        }
        self.last.overflow_count = self.overflow_count();
        self.blocks.insert(block);
    }

    pub(crate) fn overflow_count(&self) -> u64 {
        let mut count = 0;
        self.library.zk_overflow_stats(&mut count, std::ptr::null_mut());
        count as u64
    }

    pub(crate) fn is_for_arena(&mut self, bytes: usize) -> bool {
        let enabled = self.routing.thread_enabled;
        self.routing.is_for_arena(bytes, enabled)
    }

    fn allocate(&mut self, input: &mut Input, call: impl Fn(&Library, usize) -> usize) {
        let bytes = self.size(input);
        let wanted = self.is_for_arena(bytes);
        let address = call(&self.library, bytes);
        self.adopt_unless_null(address, bytes, wanted);
    }

    /// Gigabytes may be refused, nothing else.
    pub(crate) fn adopt_unless_null(&mut self, address: usize, bytes: usize, wanted: bool) {
        if address != 0 {
            self.adopt(address, bytes, wanted);
        } else {
            assert!(bytes > SPARSE_BYTES, "{bytes} bytes were refused");
            self.last.overflow_count = self.overflow_count();
        }
    }

    fn calloc(&mut self, input: &mut Input) {
        let bytes = self.size(input).min(SPARSE_BYTES);
        let wanted = self.is_for_arena(bytes);
        let count = [1, 8, 4096][input.byte() % 3];
        let (count, each) = if bytes % count == 0 { (count, bytes / count) } else { (1, bytes) };
        let address = self.library.calloc(count, each);
        assert_ne!(address, 0, "calloc({count}, {each})");
        memory::assert_zero(address, bytes);
        self.adopt(address, bytes, wanted);
    }

    fn realloc(&mut self, input: &mut Input, call: impl Fn(&Library, usize, usize) -> usize) {
        let Some(old) = self.blocks.take(input.byte()) else { return };
        let bytes = self.size(input);
        // What moves is copied: gigabytes of untouched memory would become resident.
        let bytes = if old.usable.max(bytes) > SPARSE_BYTES { bytes % 8192 + 1 } else { bytes };
        memory::assert_painted(old.address, old.usable, old.seed, old.usable);
        let wanted = bytes > 0 && old.in_arena && self.is_for_arena(bytes);
        let new = call(&self.library, old.address, bytes);
        if bytes == 0 {
            // glibc frees it.
            assert_eq!(new, 0, "realloc to 0 bytes");
            return;
        }
        assert_ne!(new, 0, "realloc of {old:x?} to {bytes}");
        memory::assert_painted(new, old.usable, old.seed, old.bytes.min(bytes));
        let stays = old.in_arena && new == old.address && self.library.zk_owns(new) == 1;
        self.adopt(new, bytes, wanted || stays);
    }

    fn free(&mut self, number: usize) {
        if let Some(block) = self.blocks.take(number) {
            block.release(&self.library);
        } else {
            self.library.free(0);
        }
    }

    fn check_one(&self, number: usize) {
        if let Some(block) = self.blocks.pick(number) {
            block.check(&self.library);
        }
    }

    fn begin_phase(&mut self) {
        if self.with_phases && self.routing.depth() < 8 {
            assert_eq!(self.library.zk_begin_phase(), 0, "zk_begin_phase");
            self.routing.begun += 1;
        }
    }

    fn end_phase(&mut self) {
        if !self.with_phases || self.routing.depth() == 0 {
            assert_eq!(self.library.zk_end_phase(), libc::EINVAL, "zk_end_phase without a phase");
            return;
        }
        let live = self.blocks.in_arena();
        assert_eq!(self.library.zk_end_phase(), 0, "zk_end_phase");
        self.routing.ended += 1;
        if self.routing.depth() == 0 {
            self.survivors = self.worker.is_idle().then_some(live);
            // The moment at which a bump arena would take everything back.
            self.blocks.iter().for_each(|block| block.check(&self.library));
        }
        assert_eq!(u64::from(self.library.zk_phase_depth()), self.routing.depth(), "zk_phase_depth");
    }

    fn trim(&mut self, input: &mut Input) {
        let keep = input.byte() << 18;
        let given = self.library.zk_trim(keep);
        let returned = self.library.stats().returned_bytes;
        assert!(returned >= self.last.returned_bytes + given as u64, "zk_trim says {given}, the counters {returned}");
        self.last.returned_bytes = returned;
    }

    fn prefault(&mut self, input: &mut Input) {
        let expected = if self.routing.is_off() { libc::ENOMEM } else { 0 };
        assert_eq!(self.library.zk_prefault(input.pair() * 256 % MOST_PREFAULT_BYTES), expected, "zk_prefault");
        self.routing.prefault();
    }

    /// Addresses around a block, and none at all.
    fn probe(&self, input: &mut Input) {
        assert_eq!(self.library.zk_owns(0), 0, "zk_owns(NULL)");
        assert_eq!(self.library.zk_owns(usize::MAX), 0, "zk_owns(-1)");
        assert_eq!(self.library.zk_owns(self as *const Self as usize), 0, "zk_owns(a variable)");
        if let Some(block) = self.blocks.pick(input.byte()) {
            let at = input.pair() * 64 % block.usable.max(1);
            assert_eq!(self.library.zk_owns(block.address + at) == 1, block.in_arena, "{block:x?}: zk_owns at {at}");
            // Whatever lies around it.
            let _either = self.library.zk_owns(block.address.wrapping_sub(1));
            let _either = self.library.zk_owns(block.address + block.usable);
        }
    }

    fn set_thread_enabled(&mut self, on: bool) {
        let before = self.library.zk_set_thread_enabled(i32::from(on));
        assert_eq!(before == 1, self.routing.thread_enabled, "zk_set_thread_enabled: the previous setting");
        self.routing.thread_enabled = on;
    }

    fn hand_over(&mut self, input: &mut Input) {
        let count = input.byte() % 16 + 1;
        let blocks: Vec<Block> = (0..count).map_while(|_| self.blocks.take(input.byte())).collect();
        self.worker.free(blocks);
    }

    fn let_allocate(&mut self, input: &mut Input) {
        let count = input.byte() % 8 + 1;
        let mut wishes = Vec::new();
        for _ in 0..count {
            let bytes = self.size(input);
            // Many at once, none of them in the model yet: small ones.
            let bytes = if bytes > 4 << 20 { bytes % 65536 } else { bytes };
            let _engages = self.routing.is_for_arena(bytes, true);
            wishes.push((bytes, self.next_seed()));
        }
        self.worker.allocate(wishes);
    }

    fn wait(&mut self) {
        for block in self.worker.wait() {
            self.blocks.insert(block);
        }
        self.last.overflow_count = self.overflow_count();
    }

    fn end_thread(&mut self) {
        self.wait();
        self.worker.end();
    }

    /// A child checks, frees and allocates; the parent must not notice.
    fn fork(&mut self) {
        if !std::mem::take(&mut self.may_fork) {
            return;
        }
        let (library, blocks) = (self.library, &mut self.blocks);
        let status = memory::in_fork(|| {
            while let Some(block) = blocks.take(usize::from(blocks.len() % 2 == 0)) {
                block.release(&library);
            }
            for bytes in [100, 5000, 70_000, 3 << 20] {
                let address = library.calloc(1, bytes);
                assert_ne!(address, 0, "calloc in a child");
                memory::assert_zero(address, bytes);
                blocks.insert(Block::adopt(&library, address, bytes, 1));
            }
            while let Some(block) = blocks.take(0) {
                block.release(&library);
            }
            library.zk_trim(0);
        });
        assert_eq!(status, 0, "a forked child has failed");
        self.forks += 1;
    }

    fn free_many(&mut self, input: &mut Input) {
        let step = input.byte() % 4 + 1;
        let mut at = 0;
        while at < self.blocks.len() {
            self.free(at);
            at += step - 1;
        }
    }

    fn overflow(&mut self) {
        let stats = self.library.stats();
        let (mut count, mut bytes) = (0, 0);
        self.library.zk_overflow_stats(&mut count, &mut bytes);
        if self.worker.is_idle() {
            assert_eq!((count as u64, bytes as u64), (stats.overflow_count, stats.overflow_bytes), "overflow counters");
            self.library.zk_reset_overflow_stats();
            assert_eq!(
                (self.overflow_count(), self.library.stats().overflow_bytes),
                (0, 0),
                "overflow after the reset"
            );
            self.last.overflow_count = 0;
        }
    }

    /// Contents of every block, and every counter that follows from the model.
    fn check_all(&mut self) {
        self.wait();
        self.blocks.iter().for_each(|block| block.check(&self.library));
        let stats = self.library.stats();
        assert_eq!((stats.live_blocks, stats.live_bytes), self.blocks.in_arena(), "live blocks and bytes: {stats:?}");
        assert_eq!(stats.arena_allocs - stats.arena_frees, stats.live_blocks, "{stats:?}");
        assert_eq!((stats.phases_begun, stats.phases_ended), (self.routing.begun, self.routing.ended), "{stats:?}");
        assert_eq!(stats.forks, self.forks, "forks");
        if let Some(survivors) = self.survivors {
            assert_eq!((stats.survivor_blocks, stats.survivor_bytes), survivors, "survivors");
        }
        assert!(stats.peak_live_bytes >= stats.live_bytes, "{stats:?}");
        for (name, now, before) in [
            ("arena_allocs", stats.arena_allocs, self.last.arena_allocs),
            ("arena_frees", stats.arena_frees, self.last.arena_frees),
            ("peak_live_bytes", stats.peak_live_bytes, self.last.peak_live_bytes),
            ("reused_bytes", stats.reused_bytes, self.last.reused_bytes),
            ("fresh_bytes", stats.fresh_bytes, self.last.fresh_bytes),
            ("moved_bytes", stats.moved_bytes, self.last.moved_bytes),
            ("returned_bytes", stats.returned_bytes, self.last.returned_bytes),
            ("reserved_bytes", stats.reserved_bytes, self.last.reserved_bytes),
            ("threads_seen", stats.threads_seen, self.last.threads_seen),
            ("system_allocs_in_phase", stats.system_allocs_in_phase, self.last.system_allocs_in_phase),
        ] {
            assert!(now >= before, "{name} fell from {before} to {now}");
        }
        self.last = stats;
    }

    /// Leaves the library as a new process would, but for its memory of what has been.
    fn finish(&mut self) {
        self.check_all();
        while self.routing.depth() > 0 {
            self.end_phase();
        }
        self.set_thread_enabled(true);
        while let Some(block) = self.blocks.take(0) {
            block.release(&self.library);
        }
        self.check_all();
    }
}
