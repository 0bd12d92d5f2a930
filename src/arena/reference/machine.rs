//! An arena and a simple model of it, side by side: a map of live blocks.
#![forbid(unsafe_code)]

use super::defect::Defect;
use super::memory::{copy, is_zero, look_at_paint, paint, Block};
use super::op::{Op, Place, Setup, Who, MOST_BYTES, THREADS};
use super::sequence::Sequence;
use super::Work;
use crate::arena::freed::Freed;
use crate::arena::phase::{Live, Phases};
use crate::arena::region::Region;
use crate::arena::size::{GRANULE, UNIT};
use crate::arena::{Arena, Grant, Misuse, Options};
use crate::block::Block as Token;
use crate::tls;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong, if anything is.
pub type Check = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(super) use ensure;

/// Beyond this the model asks for nothing more: the machine has to hold it.
const MOST_LIVE_BYTES: usize = 192 << 20;
/// Operations between two looks at everything. One more is taken at the end.
const LOOK_EVERY: usize = 16;
/// What threads may have counted without telling the arena, each: see `MOST_PENDING_BYTES`.
pub const PENDING_BYTES: usize = 1 << 20;

pub struct Machine {
    pub arena: Arena,
    pub setup: Setup,
    pub phases: Phases,
    threads: [Option<u32>; THREADS],
    /// By address.
    pub live: BTreeMap<usize, Block>,
    /// Their addresses, the oldest first: what operations name by number.
    order: Vec<usize>,
    /// Addresses of blocks that were freed and not handed out since. True: nothing else was in the slot meanwhile.
    pub freed: BTreeMap<usize, bool>,
    /// Addresses of blocks that were freed, and that other blocks have covered since.
    pub covered: BTreeSet<usize>,
    pub allocs: u64,
    pub frees: u64,
    refused: u64,
    pub live_bytes: usize,
    pub peak_bytes: usize,
    pub depth: u32,
    defect: Option<Defect>,
}

impl Machine {
    fn new(setup: Setup, defect: Option<Defect>) -> Self {
        let options = Options { limit_bytes: setup.limit, nodes: setup.nodes, huge_large: None, huge_small: None };
        let region = Region::reserve_for_test(setup.reserved).expect("address space");
        Self {
            arena: Arena::new(region, &options).with_freed(setup.freed),
            setup,
            phases: Phases::new(),
            threads: [None; THREADS],
            live: BTreeMap::new(),
            order: Vec::new(),
            freed: BTreeMap::new(),
            covered: BTreeSet::new(),
            allocs: 0,
            frees: 0,
            refused: 0,
            live_bytes: 0,
            peak_bytes: 0,
            depth: 0,
            defect,
        }
    }

    /// Runs a sequence, and at its end frees everything.
    pub fn run(sequence: &Sequence, defect: Option<Defect>) -> Result<Work, String> {
        let mut machine = Self::new(sequence.setup, defect);
        for (at, op) in sequence.ops.iter().enumerate() {
            machine.step(op).map_err(|what| format!("operation {at}, {op:?}: {what}"))?;
            if at % LOOK_EVERY == 0 {
                machine.look().map_err(|what| format!("after operation {at}, {op:?}: {what}"))?;
            }
        }
        machine.look().map_err(|what| format!("at the end: {what}"))?;
        machine.finish().map_err(|what| format!("when all was freed: {what}"))?;
        let seen = machine.arena.snapshot();
        Ok(Work {
            operations: machine.allocs + machine.frees + sequence.ops.len() as u64,
            refused: machine.refused,
            moved_bytes: seen.moved_bytes,
            returned_bytes: seen.returned_bytes,
        })
    }

    fn step(&mut self, op: &Op) -> Check {
        match *op {
            Op::Allocate { by, bytes, align, zeroed } => self.allocate(by, bytes, align, zeroed).map(|_| ()),
            Op::AllocateMany { by, count, bytes } => {
                (0..count).try_for_each(|_| self.allocate(by, bytes, 1, false).map(|_| ()))
            }
            Op::Free { by, block } => self.nth(block).map_or(Ok(()), |address| self.free(by, address)),
            Op::FreeEvery { by, step } => {
                let chosen: Vec<usize> = self.order.iter().copied().step_by(step).collect();
                chosen.into_iter().try_for_each(|address| self.free(by, address))
            }
            Op::FreeNested { block } => self.nth(block).map_or(Ok(()), |address| self.free_nested(address)),
            Op::Realloc { by, block, bytes } => {
                self.nth(block).map_or(Ok(()), |address| self.realloc(by, address, bytes))
            }
            Op::ReallocPart { by, block, percent } => self.nth(block).map_or(Ok(()), |address| {
                self.realloc(by, address, (self.live[&address].usable * percent / 100).clamp(1, MOST_BYTES))
            }),
            Op::Ask { by, place } => self.address(place).map_or(Ok(()), |address| self.ask(by, address)),
            Op::BeginPhase => {
                self.phases.begin(|| self.arena.begin_phase());
                self.depth += 1;
                Ok(())
            }
            Op::EndPhase => self.end_phase(),
            Op::Trim { keep } => {
                self.arena.trim(keep);
                self.sabotage(Defect::PurgesLive);
                let free = self.arena.free_resident_bytes();
                ensure!(free <= keep, "{free} bytes of free slots are resident");
                self.look_at_contents()
            }
            Op::GiveBack { keep } => {
                self.arena.purge_slots(keep);
                let free = self.arena.free_resident_bytes();
                ensure!(free <= keep, "{free} bytes of free slots are resident");
                self.look_at_contents()
            }
            Op::Prefault { bytes } => {
                let before = self.arena.free_resident_bytes();
                self.arena.prefault(bytes);
                let after = self.arena.free_resident_bytes();
                ensure!(after >= before, "{before} bytes were free and resident, {after} are");
                Ok(())
            }
            Op::ThreadEnds { thread } => {
                self.sabotage(Defect::ForgetsLive);
                if let Some(cursor) = self.threads[thread].take() {
                    self.arena.leave_thread(cursor);
                }
                Ok(())
            }
            Op::Fork => {
                self.arena.lock_for_fork();
                self.arena.unlock_after_fork();
                self.arena.rebuild_in_child();
                self.threads = [None; THREADS];
                self.look()
            }
        }
    }

    pub fn cursor(&mut self, by: Who) -> Option<u32> {
        let thread = self.threads.get_mut(by.0)?;
        if thread.is_none() {
            *thread = self.arena.enter_thread();
        }
        *thread
    }

    pub fn nth(&self, index: usize) -> Option<usize> {
        (!self.order.is_empty()).then(|| self.order[index % self.order.len()])
    }

    fn address(&self, place: Place) -> Option<usize> {
        let base = self.arena.region.base();
        match place {
            Place::Live { block, offset } => self.nth(block)?.checked_add_signed(offset),
            Place::Freed { block, offset } => {
                let at = block % self.freed.len().max(1);
                self.freed.keys().nth(at)?.checked_add_signed(offset)
            }
            Place::Unit { unit, offset } => Some(base + unit % (self.arena.region.units() + 1) * UNIT + offset),
        }
    }

    /// As the router does it: `None` is a request that goes to the next allocator.
    fn allocate(&mut self, by: Who, bytes: usize, align: usize, zeroed: bool) -> Result<Option<usize>, String> {
        if self.live_bytes + bytes > MOST_LIVE_BYTES {
            return Ok(None);
        }
        let cursor = self.cursor(by);
        let Some(grant) = self.arena.allocate(cursor, bytes, align.max(GRANULE)) else {
            ensure!(self.setup.is_tight(), "refused {bytes} bytes with room for {}", self.setup.limit);
            self.refused += 1;
            return Ok(None);
        };
        self.look_at_grant(&grant, bytes, align)?;
        if self.arena.is_poisoned() {
            self.arena.look_for_writes(&grant).map_err(|misuse| format!("{misuse:?}"))?;
        }
        if zeroed {
            let mut token = Token::from_arena(grant.address).ok_or("a block at 0")?;
            token.zero(grant.dirty);
            ensure!(is_zero(grant.address, grant.usable), "calloc of {bytes} bytes returned old data");
        }
        self.note_new(&grant);
        Ok(Some(grant.address))
    }

    fn note_new(&mut self, grant: &Grant) {
        self.allocs += 1;
        self.forget_freed(grant);
        let block = Block { usable: grant.usable, number: self.allocs };
        paint(grant.address, block);
        self.live.insert(grant.address, block);
        self.order.push(grant.address);
        self.live_bytes += grant.usable;
        self.peak_bytes = self.peak_bytes.max(self.live_bytes);
    }

    fn look_at_grant(&self, grant: &Grant, bytes: usize, align: usize) -> Check {
        let Grant { address, usable, dirty } = *grant;
        let (base, end) = (self.arena.region.base(), self.arena.region.base() + self.arena.region.bytes());
        ensure!(base <= address && address + usable <= end, "{address:#x} lies outside the arena");
        ensure!(usable >= bytes.max(1), "{usable} usable bytes for {bytes}");
        ensure!(address % align.max(GRANULE) == 0, "{address:#x} is not a multiple of {align}");
        if let Some((start, other)) = self.live.range(..address + usable).next_back() {
            ensure!(start + other.usable <= address, "{address:#x}+{usable} overlaps {start:#x}+{}", other.usable);
        }
        ensure!(dirty <= usable, "{dirty} of {usable} bytes are dirty");
        ensure!(is_zero(address + dirty, usable - dirty), "old data beyond the first {dirty} of {usable} bytes");
        Ok(())
    }

    /// Handing a block out ends what is known of blocks that lay there, and loosens it in a slot that was empty.
    fn forget_freed(&mut self, grant: &Grant) {
        let end = grant.address + grant.usable;
        let inside: Vec<usize> = self.freed.range(grant.address..end).map(|(&start, _)| start).collect();
        for start in inside {
            self.freed.remove(&start);
            self.covered.insert(start);
        }
        let head = self.arena.head(grant.address).unwrap_or(0) as usize;
        let slot = self.arena.region.unit_address(head);
        let slot = slot..slot + self.arena.slots[head].bytes();
        if self.live.range(slot.clone()).next().is_none() {
            self.freed.range_mut(slot).for_each(|(_, exact)| *exact = false);
        }
    }

    fn forget_live(&mut self, address: usize) -> Check {
        let block = self.live.remove(&address).ok_or("not in the model")?;
        self.order.retain(|&other| other != address);
        self.freed.insert(address, true);
        self.covered.remove(&address);
        self.frees += 1;
        self.live_bytes -= block.usable;
        Ok(())
    }

    fn free(&mut self, by: Who, address: usize) -> Check {
        let block = self.live[&address];
        look_at_paint(address, block, block.usable)?;
        self.sabotage_block(Defect::ForgetsDirt, address);
        let cursor = self.cursor(by);
        self.release_once(cursor, address)
    }

    /// A second free is told from the first.
    fn release_once(&mut self, cursor: Option<u32>, address: usize) -> Check {
        self.release(cursor, address)?;
        self.sabotage(Defect::ForgetsFree);
        let again = self.arena.release(cursor, address);
        ensure!(again == Err(Misuse::DoubleFree), "freeing {address:#x} twice: {again:?}");
        Ok(())
    }

    fn free_nested(&mut self, address: usize) -> Check {
        self.arena.lock_for_fork();
        tls::set_busy();
        tls::set_busy();
        let released = self.release(None, address);
        tls::clear_busy();
        tls::clear_busy();
        self.arena.unlock_after_fork();
        released
    }

    /// As the router does it.
    fn release(&mut self, cursor: Option<u32>, address: usize) -> Check {
        let block = self.live[&address];
        if self.arena.marks_freed() {
            self.arena.mark_freed(address);
        }
        let freed = self.arena.release(cursor, address).map(|block| block.usable);
        ensure!(freed == Ok(block.usable), "freeing {} bytes at {address:#x}: {freed:?}", block.usable);
        let wiped = self.setup.freed != Freed::Wiped || is_zero(address, block.usable);
        ensure!(wiped, "{} bytes at {address:#x} were not wiped", block.usable);
        self.forget_live(address)?;
        self.sabotage_block(Defect::WritesToFree, address);
        Ok(())
    }

    /// As `capi::standard::realloc_in_arena` does it.
    fn realloc(&mut self, by: Who, address: usize, bytes: usize) -> Check {
        let block = self.live[&address];
        let cursor = self.cursor(by);
        ensure!(self.arena.usable(address) == Ok(block.usable), "usable: {:?}", self.arena.usable(address));
        if bytes == 0 {
            return self.free(by, address);
        }
        let resized = self.arena.resize(cursor, address, bytes);
        if resized == Ok(true) {
            let usable = self.arena.usable(address).map_err(|misuse| format!("after resize: {misuse:?}"))?;
            ensure!(usable >= bytes, "{usable} usable bytes for {bytes}");
            let next = self.live.range(address + 1..).next();
            ensure!(next.is_none_or(|(&next, _)| address + usable <= next), "grew into {next:?}");
            let given_up = block.usable.saturating_sub(usable);
            let wiped = self.setup.freed != Freed::Wiped || is_zero(address + usable, given_up);
            ensure!(wiped, "{given_up} bytes behind {usable} were not wiped");
            look_at_paint(address, block, block.usable.min(bytes))?;
            self.live_bytes = self.live_bytes - block.usable + usable;
            self.peak_bytes = self.peak_bytes.max(self.live_bytes);
            let block = Block { usable, ..block };
            paint(address, block);
            self.live.insert(address, block);
            return Ok(());
        }
        ensure!(resized == Ok(false), "resize: {resized:?}");
        if let Some(grant) = self.arena.grow(cursor, address, bytes) {
            self.look_at_grant(&grant, bytes, 1)?;
            look_at_paint(grant.address, block, block.usable)?;
            self.note_new(&grant);
            // Its contents went along: what is there now is nobody's, and not to be written to.
            return self.release_once(cursor, address);
        }
        let Some(new) = self.allocate(by, bytes, 1, false)? else { return Ok(()) };
        let kept = block.usable.min(bytes);
        copy(address, new, kept);
        look_at_paint(new, block, kept)?;
        paint(new, self.live[&new]);
        self.free(by, address)
    }

    fn end_phase(&mut self) -> Check {
        let live = Live { blocks: self.live.len() as u64, bytes: self.live_bytes as u64 };
        let ended = self.phases.end(|| Live { blocks: self.arena.live_blocks(), bytes: self.arena.live_bytes() });
        ensure!(ended.is_ok() == (self.depth > 0), "{ended:?} at depth {}", self.depth);
        self.depth = self.depth.saturating_sub(1);
        if ended.is_err() || self.depth > 0 {
            return Ok(());
        }
        ensure!(self.phases.survivors() == live, "survivors {:?} of {live:?}", self.phases.survivors());
        self.sabotage(Defect::Resets);
        // As `retention::end_cycle` does it.
        let keep = self.arena.end_cycle();
        self.arena.purge_slots(keep);
        self.look_at_contents()
    }

    fn finish(&mut self) -> Check {
        while let Some(&address) = self.order.last() {
            self.free(Who(self.order.len() % (THREADS + 1)), address)?;
        }
        for thread in 0..THREADS {
            self.step(&Op::ThreadEnds { thread })?;
        }
        self.arena.trim(0);
        self.look()?;
        self.look_at_nothing()
    }

    pub fn look_at_contents(&self) -> Check {
        self.live.iter().try_for_each(|(&address, &block)| look_at_paint(address, block, block.usable))
    }

    fn sabotage(&mut self, moment: Defect) {
        if self.defect == Some(moment) {
            moment.happen(self, None);
        }
    }

    fn sabotage_block(&mut self, moment: Defect, address: usize) {
        if self.defect == Some(moment) {
            moment.happen(self, Some(address));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.arena.region.discard();
    }
}
