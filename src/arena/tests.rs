//! The arena on real pages, without the C functions in front of it. Random sequences are in `reference/`.
//! Unsafe: writes and reads the blocks, as a program does.
#![allow(unsafe_code)]

use super::*;
use crate::arena::size::{MEDIUM_MAX, UNIT};
use crate::arena::slot::End;
use std::collections::BTreeSet;
use std::sync::mpsc;

mod pages;

fn arena(nodes: usize) -> &'static Arena {
    let options = Options { limit_bytes: 8 << 30, nodes, huge_large: None, huge_small: None };
    let region = Region::reserve().expect("address space");
    Box::leak(Box::new(Arena::new(region, &options)))
}

/// Writes a block's number to both ends of its usable bytes and to every page.
fn paint(address: usize, usable: usize, number: u64) {
    for_each_mark(usable, |at| {
        let mark = number ^ at as u64;
        // SAFETY: the test holds the block, and `at` leaves room for eight bytes.
        unsafe { ((address + at) as *mut u64).write_unaligned(mark) }
    });
}

fn assert_paint(address: usize, usable: usize, number: u64) {
    for_each_mark(usable, |at| {
        // SAFETY: as in `paint`.
        let seen = unsafe { ((address + at) as *const u64).read_unaligned() };
        assert_eq!(seen, number ^ at as u64, "block {number} at {address:#x}+{at}: overwritten");
    });
}

fn for_each_mark(usable: usize, mut visit: impl FnMut(usize)) {
    (0..usable - 8).step_by(4096).for_each(&mut visit);
    visit(usable - 8);
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    /// Sizes of every magnitude up to `most`.
    fn size(&mut self, most: usize) -> usize {
        let bits = self.next(most.ilog2() as usize + 1) + 1;
        (self.next(1 << bits) + 1).min(most)
    }
}

#[test]
fn threads_free_each_others_blocks_and_go() {
    const THREADS: usize = 8;
    let arena = arena(2);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<(usize, usize, u64)>()).unzip();
    std::thread::scope(|scope| {
        for (thread, inbox) in receivers.into_iter().enumerate() {
            let senders = senders.clone();
            scope.spawn(move || {
                let mut random = Random(thread as u64 + 1);
                // Five lives: each time another thread adopts what this one leaves.
                for life in 0..5u64 {
                    let cursor = arena.enter_thread();
                    for round in 0..4000u64 {
                        let number = (thread as u64) << 40 | life << 32 | round;
                        let most = if round % 16 == 0 { 4 * MEDIUM_MAX } else { 64 << 10 };
                        let grant = arena.allocate(cursor, random.size(most), 64).expect("room");
                        paint(grant.address, grant.usable, number);
                        let message = (grant.address, grant.usable, number);
                        senders[random.next(THREADS)].send(message).expect("alive");
                        for (address, usable, number) in inbox.try_iter() {
                            assert_paint(address, usable, number);
                            assert_eq!(arena.release(cursor, address).map(|block| block.usable), Ok(usable));
                        }
                        if thread == 0 && round % 500 == 0 {
                            arena.trim(0);
                        }
                    }
                    arena.leave_thread(cursor.expect("a cursor"));
                }
                drop(senders);
                for (address, usable, number) in inbox {
                    assert_paint(address, usable, number);
                    assert_eq!(arena.release(None, address).map(|block| block.usable), Ok(usable));
                }
            });
        }
        drop(senders);
    });
    assert_eq!((arena.live_blocks(), arena.live_bytes()), (0, 0));
    // Nothing is lost on the way: every slot is in a pool again.
    arena.for_each_slot(|head, slot| assert_eq!(slot.word().state(), State::Free, "slot {head}"));
}

#[test]
fn misuse_is_told_apart() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let medium = arena.allocate(cursor, 8192, 64).unwrap().address;
    let large = arena.allocate(cursor, 3 << 20, 64).unwrap().address;
    for (address, expected) in [
        (medium + 64, Misuse::InvalidPointer),
        // The next block of the span was never handed out.
        (medium + 8192, Misuse::InvalidPointer),
        (large + 64, Misuse::InvalidPointer),
        (large + UNIT, Misuse::InvalidPointer),
        (arena.region.base(), Misuse::InvalidPointer),
        (arena.region.base() + arena.region.bytes() - 64, Misuse::InvalidPointer),
    ] {
        assert_eq!(arena.release(cursor, address), Err(expected), "{address:#x}");
        assert_eq!(arena.usable(address), Err(expected), "{address:#x}");
        assert_eq!(arena.resize(cursor, address, 100), Err(expected), "{address:#x}");
    }
    for address in [medium, large] {
        assert!(arena.release(cursor, address).is_ok());
        assert_eq!(arena.release(cursor, address), Err(Misuse::DoubleFree));
        assert_eq!(arena.usable(address), Err(Misuse::DoubleFree));
    }
    // Also where another block has come and gone at another colour of the same slot.
    let whole = arena.allocate(cursor, 2 << 20, 64).unwrap().address;
    arena.release(cursor, whole).unwrap();
    let part = arena.allocate(cursor, 1700 << 10, 64).unwrap().address;
    assert_eq!(part / UNIT, whole / UNIT);
    assert!(arena.release(cursor, part - 64).is_err());
    arena.release(cursor, part).unwrap();
    assert_eq!(arena.release(cursor, whole), Err(Misuse::DoubleFree));
    assert_eq!(arena.release(cursor, part), Err(Misuse::DoubleFree));
    // Also after the span has gone back to its pool.
    arena.leave_thread(cursor.unwrap());
    assert_eq!(arena.release(None, medium), Err(Misuse::DoubleFree));
}

#[test]
fn large_blocks_of_equal_size_start_at_different_offsets_in_a_page() {
    let arena = arena(1);
    for bytes in [(1 << 20) + 1, 3 << 20, 9 << 20, 33 << 20, 60 << 20] {
        let blocks: Vec<usize> = (0..32).map(|_| arena.allocate(None, bytes, 64).unwrap().address).collect();
        for block in &blocks {
            // Half as many as a first-level cache has ways.
            let equal = blocks.iter().filter(|other| *other % 4096 == block % 4096).count();
            assert!(equal <= 4, "{bytes}: {equal}");
        }
        for block in blocks {
            arena.release(None, block).unwrap();
        }
    }
    // There is no room for another start.
    let whole = arena.allocate(None, 8 << 20, 64).unwrap().address;
    assert_eq!(whole % UNIT, 0);
}

#[test]
fn freed_memory_is_reused_hot_and_stays_dirty_until_purged() {
    for bytes in [4096, 100_000, 1 << 20, 7 << 20] {
        let arena = arena(1);
        let cursor = arena.enter_thread();
        let first = arena.allocate(cursor, bytes, 64).unwrap();
        assert_eq!(first.dirty, 0);
        paint(first.address, first.usable, 7);
        arena.release(cursor, first.address).unwrap();
        let second = arena.allocate(cursor, bytes, 64).unwrap();
        assert_eq!(second.address / UNIT, first.address / UNIT, "{bytes}");
        assert!(second.dirty > 0);
        arena.release(cursor, second.address).unwrap();
    }
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let block = arena.allocate(cursor, 7 << 20, 64).unwrap();
    paint(block.address, block.usable, 7);
    arena.release(cursor, block.address).unwrap();
    assert!(arena.trim(0) >= 7 << 20);
    assert_eq!(arena.allocate(cursor, 7 << 20, 64).unwrap().dirty, 0);
}

#[test]
fn pages_that_are_given_away_are_not_in_use() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let cycle = |bytes| {
        let block = arena.allocate(cursor, bytes, 64).unwrap();
        arena.release(cursor, block.address).unwrap();
    };
    cycle(512 << 20);
    arena.end_cycle();
    // Somebody else gives pages back, and has taken the slot for that.
    let (giver, touched) = arena.pools.iter().rev().find_map(|pool| arena.take_resident(pool, 0)).unwrap();
    assert_eq!(touched >> 20, 512);
    cycle(64 << 20);
    arena.put_giver(giver, touched, End::Back);
    // The average of a cycle of 512 MiB and one of 64, and the slack.
    let keep = arena.end_cycle();
    assert!(keep >> 20 <= (512 + 64) / 2 + 20, "{} MiB", keep >> 20);
}

/// The thread that was giving them away is not in the child: its slot is free there, and counts as such once.
#[test]
fn a_child_knows_of_nobody_who_gives_pages_away() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let block = arena.allocate(cursor, 64 << 20, 64).unwrap();
    arena.release(cursor, block.address).unwrap();
    arena.pools.iter().rev().find_map(|pool| arena.take_resident(pool, 0)).unwrap();
    arena.rebuild_in_child();
    assert_eq!(arena.giving.load(Relaxed), 0);
    assert_eq!(arena.free_resident_bytes(), arena.touched_bytes());
}

#[test]
fn no_more_is_given_back_than_asked_for() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let block = arena.allocate(cursor, 64 << 20, 64).unwrap();
    arena.release(cursor, block.address).unwrap();
    let free = arena.free_resident_bytes();
    arena.purge(0, 8 << 20, |_, _| None);
    assert_eq!(free - arena.free_resident_bytes(), 8 << 20);
}

#[test]
fn survivors_do_not_hold_the_pages_between_them() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let blocks: Vec<Grant> = (0..4096).map(|_| arena.allocate(cursor, 16 << 10, 64).unwrap()).collect();
    for (number, block) in blocks.iter().enumerate() {
        paint(block.address, block.usable, number as u64);
    }
    for block in blocks.iter().enumerate().filter(|(at, _)| at % 64 != 0).map(|(_, block)| block) {
        arena.release(cursor, block.address).unwrap();
    }
    arena.trim(0);
    let live = arena.live_bytes() as usize;
    assert_eq!(live, 64 * (16 << 10));
    assert!(arena.resident_bytes() <= live + (64 << 10), "{} of {live}", arena.resident_bytes());
    for (number, block) in blocks.iter().enumerate().step_by(64) {
        assert_paint(block.address, block.usable, number as u64);
    }
}

#[test]
fn free_slots_stay_on_their_node() {
    // The platform's node of this thread, modulo a topology of four.
    let arena = arena(4);
    let here = arena.node();
    let cursor = arena.enter_thread();
    let mine = arena.allocate(cursor, 3 << 20, 64).unwrap().address;
    let other = arena.allocate(cursor, 3 << 20, 64).unwrap().address;
    let slot = &arena.slots[arena.head(other).unwrap() as usize];
    slot.set_node((here + 1) % 4);
    arena.release(cursor, mine).unwrap();
    arena.release(cursor, other).unwrap();
    // The other was freed last, but lies on another node.
    assert_eq!(arena.allocate(cursor, 3 << 20, 64).unwrap().address / UNIT, mine / UNIT);
    assert_eq!(arena.allocate(cursor, 3 << 20, 64).unwrap().address / UNIT, other / UNIT);
}

#[test]
fn a_full_arena_refuses() {
    let options = Options { limit_bytes: 64 << 20, nodes: 1, huge_large: None, huge_small: None };
    let arena = Arena::new(Region::reserve().unwrap(), &options);
    let cursor = arena.enter_thread();
    assert!(arena.allocate(cursor, 65 << 20, 64).is_none());
    assert!(arena.allocate(cursor, usize::MAX / 2, 64).is_none());
    let block = arena.allocate(cursor, 60 << 20, 64).unwrap();
    assert!(arena.allocate(cursor, 8 << 20, 64).is_none());
    arena.release(cursor, block.address).unwrap();
    assert!(arena.allocate(cursor, 8 << 20, 64).is_some());
    assert!(arena.allocate(cursor, 1, 1 << 60).is_none());
}

#[test]
fn blocks_of_no_bytes_have_addresses_of_their_own() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    for align in [1, 64, 4096, 1 << 20, 2 << 20, 4 << 20, 1 << 30] {
        let first = arena.allocate(cursor, 0, align).unwrap();
        let second = arena.allocate(cursor, 0, align).unwrap();
        assert_ne!(first.address, second.address, "{align}");
        assert!(arena.owns(first.address), "{align}");
        assert_eq!(arena.release(cursor, first.address).map(|block| block.usable), Ok(first.usable), "{align}");
        assert_eq!(arena.release(cursor, second.address).map(|block| block.usable), Ok(second.usable), "{align}");
    }
}

#[test]
fn threads_share_the_spans_of_large_classes() {
    let arena = arena(1);
    let (one, other) = (arena.enter_thread(), arena.enter_thread());
    let take = |cursor, bytes| arena.allocate(cursor, bytes, 64).unwrap().address;
    for (bytes, are_shared) in [(50_000, false), (100_000, true), (MEDIUM_MAX, true)] {
        let (first, second) = (take(one, bytes), take(other, bytes));
        assert_eq!(arena.head(first) == arena.head(second), are_shared, "{bytes}");
    }
    // Whoever fills them gets huge pages.
    let is_huge = |block: &usize| arena.is_huge(arena.head(*block).unwrap());
    let blocks: Vec<usize> = (0..1000).map(|_| take(one, 200_000)).collect();
    assert!(blocks.iter().filter(|block| is_huge(block)).count() >= 900);
    // And nobody else: not who takes the last block of a full span again and again.
    let span: Vec<usize> = (0..32).map(|_| take(one, 64 << 10)).collect();
    for block in span.iter().cycle().take(100) {
        arena.release(other, *block).unwrap();
        assert_eq!(take(other, 64 << 10), *block);
    }
    assert!(!is_huge(&take(other, 64 << 10)));
}

/// The first spans of a class lie among ordinary pages, where one block makes only its own pages resident.
#[test]
fn a_thread_that_fills_spans_gets_huge_pages() {
    const BYTES: usize = 50_000;
    let arena = arena(1);
    let take = |cursor, blocks: usize| {
        let blocks: Vec<usize> = (0..blocks).map(|_| arena.allocate(cursor, BYTES, 64).unwrap().address).collect();
        let is_huge = |address: &usize| arena.is_huge(arena.head(*address).unwrap());
        (blocks.iter().filter(|address| is_huge(address)).count(), blocks)
    };
    let (filler, other) = (arena.enter_thread(), arena.enter_thread());
    let (huge, blocks) = take(filler, 1000);
    assert!((900..1000).contains(&huge), "{huge}");
    assert_eq!(take(other, 1).0, 0, "a thread that has filled nothing");
    // What was filled before serves again, wherever it lies.
    let heads = |blocks: &[usize]| blocks.iter().map(|&address| arena.head(address)).collect::<BTreeSet<_>>();
    blocks.iter().for_each(|&address| assert!(arena.release(filler, address).is_ok()));
    let (_, again) = take(filler, 1000);
    assert!(heads(&again).is_subset(&heads(&blocks)));
    arena.leave_thread(filler.unwrap());
    assert_eq!(take(arena.enter_thread(), 1).0, 0, "a new thread with the old one's cursor");
}
