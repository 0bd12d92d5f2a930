//! Which slots blocks get, and what becomes of their pages.
#![forbid(unsafe_code)]

use super::*;

/// With no addresses left, a span lies in whatever slot is free. Far behind its blocks there is none.
#[test]
fn a_span_in_a_slot_that_is_far_too_large_ends_where_its_blocks_end() {
    let region = Region::reserve_for_test(256 << 20).expect("address space");
    let options = Options { limit_bytes: usize::MAX, nodes: 1, huge_large: None, huge_small: None };
    let arena = Arena::new(region, &options);
    let large = arena.allocate(None, 66 << 20, 1).expect("room");
    while arena.allocate(None, UNIT, 1).is_some() {}
    arena.release(None, large.address).expect("live");
    let small = arena.allocate(None, 64, 1).expect("the large block's slot");
    assert_eq!(arena.head(small.address), arena.head(large.address));
    assert!(arena.owns(small.address + 63));
    let far = small.address + (64 << 20);
    assert!(!arena.owns(far));
    assert_eq!(arena.release(None, far), Err(Misuse::InvalidPointer));
    assert_eq!(arena.release(None, small.address).map(|block| block.usable), Ok(64));
    arena.region.discard();
}

/// What lies behind the last touched byte of pages that were moved was never the pattern.
#[test]
fn moved_pages_are_no_write_after_free() {
    if !crate::platform::MOVES_PAGES {
        return;
    }
    let options = Options { limit_bytes: 8 << 30, nodes: 1, huge_large: None, huge_small: None };
    let arena = Arena::new(Region::reserve().expect("address space"), &options).with_freed(Freed::Poisoned);
    let giver = arena.take_slot(size::class_of(3)).expect("room");
    let touched = 2 * UNIT + 4096;
    arena.touch(&arena.slots[giver as usize], touched);
    arena.fill_free(arena.region.unit_address(giver as usize), touched);
    arena.move_out(giver, 1);
    assert_eq!(arena.slots[giver as usize].touched.load(Ordering::Relaxed), UNIT, "the kernel moves pages");
    let grant = arena.allocate(None, 3 << 20, 1).expect("room");
    assert_eq!(grant.dirty, grant.usable, "the slot with the moved pages");
    assert_eq!(arena.look_for_writes(&grant), Ok(()));
    arena.region.discard();
}

/// A move is for a whole unit of pages, there and here.
#[test]
fn few_pages_are_not_moved_and_give_way_to_a_whole_unit() {
    if !crate::platform::MOVES_PAGES {
        return;
    }
    let arena = arena(1);
    let touched = |head: u32| arena.slots[head as usize].touched.load(Ordering::Relaxed);
    let [whole, few, first, second] = [UNIT - 4096, UNIT / 4, UNIT / 4, UNIT / 4].map(|bytes| {
        let head = arena.carve(size::class_of(1), 0).expect("room");
        arena.touch(&arena.slots[head as usize], bytes);
        head
    });
    for head in [whole, few] {
        let slot = &arena.slots[head as usize];
        slot.set_word(slot.word().with_state(State::Limbo));
        arena.put_slot(head, slot::End::Front);
    }
    assert!(matches!(arena.move_in(first, UNIT), Ok(UNIT)));
    assert_eq!([touched(whole), touched(few), touched(first)], [0, UNIT / 4, UNIT], "the kernel moves pages");
    assert!(matches!(arena.move_in(second, UNIT), Ok(0)));
    assert_eq!([touched(few), touched(second)], [UNIT / 4; 2]);
}

/// A large block that fills its slot has huge pages, and makes no more resident than it has.
#[test]
fn a_block_that_fills_its_units_lies_among_huge_pages() {
    let arena = arena(1);
    for (bytes, is_huge) in
        [(2 << 20, true), (1_900_000, false), (4 << 20, true), (3 << 20, false), (6 << 20, true), (8 << 20, true)]
    {
        let block = arena.allocate(None, bytes, 64).expect("room");
        assert_eq!(arena.is_huge(arena.head(block.address).unwrap()), is_huge, "{bytes}");
    }
}

#[test]
fn a_thread_that_ends_leaves_an_exact_count_of_live_bytes() {
    let arena = arena(1);
    let cursor = arena.enter_thread();
    let block = arena.allocate(cursor, 100_000, 64).unwrap();
    assert_eq!(arena.live.load(Ordering::Relaxed), 0, "the thread keeps it for itself");
    arena.leave_thread(cursor.unwrap());
    assert_eq!(arena.live.load(Ordering::Relaxed), block.usable as i64);
}

/// When the zone of small slots is used up, what lies in the other one is used again before more is taken there.
#[test]
fn a_zone_that_is_used_up_takes_no_more_of_the_other_in_each_cycle() {
    let region = Region::reserve_for_test(256 << 20).expect("address space");
    let options = Options { limit_bytes: usize::MAX, nodes: 1, huge_large: None, huge_small: None };
    let arena = Arena::new(region, &options);
    let mut carved = Vec::new();
    for _ in 0..4 {
        let blocks: Vec<usize> = (0..60).map(|_| arena.allocate(None, 3 << 19, 1).expect("room").address).collect();
        blocks.into_iter().for_each(|block| assert!(arena.release(None, block).is_ok()));
        arena.trim(0);
        carved.push(arena.carved_units());
    }
    assert_eq!(carved, [60; 4]);
    assert!(arena.allocate(None, 8 << 20, 1).is_some());
    arena.region.discard();
}

#[test]
fn what_is_being_faulted_in_is_in_nobodys_use() {
    let arena = arena(1);
    let job = prefault::Prefault::new();
    for bytes in [16 << 20, 24 << 20] {
        assert!(arena.begin_prefault(&job, bytes));
        arena.take_part(&job, true);
        assert_eq!((arena.touched_bytes() >= bytes, arena.in_use()), (true, 0));
        assert_eq!(arena.end_prefault(&job), bytes);
        assert_eq!((arena.in_use(), arena.giving.load(Ordering::Relaxed)), (0, 0));
    }
}

/// A huge page would come for what does not fill it.
#[test]
fn a_slot_that_has_lost_its_huge_pages_is_for_those_that_fill_it() {
    let arena = arena(1);
    let address = |bytes| arena.allocate(None, bytes, 64).expect("room").address;
    let filled = address(2 << 20);
    assert!(arena.release(None, filled).is_ok());
    arena.trim(0);
    assert!(!arena.is_huge(arena.head(address(3 << 19)).unwrap()));
    assert_eq!(address(2 << 20), filled);
}

#[test]
fn a_child_counts_anew_what_is_live() {
    let arena = arena(1);
    let cursors = [arena.enter_thread(), arena.enter_thread()];
    let live: usize = cursors.map(|cursor| arena.allocate(cursor, 100_000, 64).unwrap().usable).iter().sum();
    assert_eq!(arena.live.load(Ordering::Relaxed), 0, "the threads keep it for themselves");
    arena.rebuild_in_child();
    assert_eq!(arena.live.load(Ordering::Relaxed), live as i64);
    cursors.iter().for_each(|cursor| arena.settle_live(arena.cursors.get(cursor.unwrap())));
    assert_eq!(arena.live.load(Ordering::Relaxed), live as i64, "and nothing twice");
}
