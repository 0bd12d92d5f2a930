//! Crowds: three or four threads that do whatever is drawn, with more blocks, classes, nodes and turns than can be explored
//! completely. Each block carries a mark from its allocation to its free, whoever frees it; when all have gone, every slot
//! must be in its pool and the books must balance.
#![forbid(unsafe_code)]

use super::frame::{arena, end, join, LARGE, MEDIUM, SMALL, UNIT_BLOCK};
use super::process::{
    assert_consistent, assert_open, fork_among, install, live_on, CURSORS, FULL, LIMBO, OWNED, PHASES_LOCK,
};
use super::{model, spawn, world, Arena, Change, Model, MutantLine};
use crate::arena::Misuse;
use crate::sync::Lock;
use crate::tls::{self, CursorState};
use crate::{background, router};
use shuttle::rand::{thread_rng, Rng};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

fn draw(below: usize) -> usize {
    thread_rng().gen_range(0..below)
}

/// What a thread may do next.
#[derive(Clone, Copy)]
enum Step {
    Take(usize),
    /// Frees a block, its own or another's.
    Give,
    /// Frees a block in a call nested in another, which waits for no lock.
    GiveNested,
    /// Ends, as a thread does, and begins as another.
    Leave,
    Trim,
    Purge,
    EndCycle,
    Prefault,
    Undump,
    Sweep,
    Phase,
    Wish,
}
use Step::{EndCycle, Give, GiveNested, Leave, Phase, Prefault, Purge, Sweep, Take, Trim, Undump, Wish};

/// What the threads share.
struct Crowd<A> {
    arena: A,
    steps: &'static [Step],
    /// Blocks that anybody may free, and their marks.
    blocks: RefCell<Vec<(usize, u64)>>,
    marks: Cell<u64>,
}

impl<A: std::ops::Deref<Target = Arena> + 'static> Crowd<A> {
    fn new(arena: A, steps: &'static [Step]) -> Rc<Self> {
        Rc::new(Self { arena, steps, blocks: RefCell::default(), marks: Cell::new(0) })
    }

    /// A thread: so many turns, and it ends.
    fn visit(&self, turns: usize) {
        // One in four goes without a cursor.
        let has_cursor = draw(4) != 0;
        let mut cursor = has_cursor.then(|| self.enter());
        for _ in 0..turns {
            match self.steps[draw(self.steps.len())] {
                Take(bytes) => self.take(cursor, bytes),
                Give => self.give(cursor),
                GiveNested => {
                    (0..2).for_each(|_| tls::set_busy());
                    self.give(None);
                    (0..2).for_each(|_| tls::clear_busy());
                }
                Leave => {
                    cursor = cursor.map(|cursor| {
                        self.arena.leave_thread(cursor);
                        self.enter()
                    })
                }
                Trim => drop(self.arena.trim(draw(2) * UNIT_BLOCK)),
                Purge => drop(self.arena.purge_slots(draw(2) * UNIT_BLOCK)),
                EndCycle => drop(self.arena.purge_inside_call(self.arena.end_inferred_cycle())),
                Prefault => drop(self.arena.prefault(UNIT_BLOCK)),
                Undump => self.arena.undump_free(),
                Sweep => self.arena.sweep(),
                Phase => {
                    router::begin_phase();
                    assert_open();
                    self.take(cursor, SMALL);
                    assert_open();
                    assert_eq!(router::end_phase(), 0);
                }
                Wish => {
                    background::ensure();
                    background::purge_soon(0);
                }
            }
        }
        cursor.into_iter().for_each(|cursor| self.arena.leave_thread(cursor));
        tls::set_cursor(CursorState::Uninit);
    }

    fn enter(&self) -> u32 {
        let cursor = self.arena.cursor();
        tls::set_cursor(CursorState::Ready(cursor));
        cursor
    }

    fn take(&self, cursor: Option<u32>, bytes: usize) {
        // Apart, so that no mark looks like that of a block that was freed.
        let mark = self.marks.get() + 1000;
        self.marks.set(mark);
        let block = self.arena.take(cursor, bytes, mark);
        self.blocks.borrow_mut().push((block, mark));
    }

    fn give(&self, cursor: Option<u32>) {
        let block = {
            let mut blocks = self.blocks.borrow_mut();
            let count = blocks.len();
            (count > 0).then(|| blocks.swap_remove(draw(count)))
        };
        if let Some((block, mark)) = block {
            self.arena.give(cursor, block, mark);
        }
    }

    /// When all threads have ended.
    fn assert_all_free(&self) {
        while !self.blocks.borrow().is_empty() {
            self.give(None);
        }
        self.arena.sweep();
        self.arena.assert_all_free();
    }
}

/// So many threads take so many turns each.
fn gather(steps: &'static [Step], threads: usize, turns: usize) {
    let crowd = Crowd::new(arena(), steps);
    let visit = |crowd: &Rc<Crowd<_>>| {
        let crowd = crowd.clone();
        spawn(move || crowd.visit(turns))
    };
    join((0..threads).map(|_| visit(&crowd)).collect::<Vec<_>>());
    crowd.assert_all_free();
}

const CLEAR: MutantLine = ("arena/block_table.rs", "fetch_and(!bit(index), Release)", Change::Split);
const CLAIM: MutantLine = ("arena/block_table.rs", "fetch_or(bit(index), Acquire)", Change::Split);
const DROP: MutantLine = ("arena/slot.rs", "Word(self.word.fetch_sub(ONE, AcqRel))", Change::Split);
const BIN: MutantLine = ("arena/mod.rs", "return Some(lock.lock());", Change::Skip);
const POP: MutantLine = ("arena/pool.rs", "let guard = pool.lock.lock();", Change::Skip);
const RESIDENT: MutantLine = ("arena/purge.rs", "let _guard = pool.lock.lock();", Change::Skip);

#[test]
fn spans() {
    Model::new("remote frees, recycling and adoption", || {
        gather(&[Take(SMALL), Take(SMALL), Take(MEDIUM), Give, Give, Leave], 4, 6);
    })
    .mutants(&[
        CLEAR,
        CLAIM,
        DROP,
        BIN,
        ("arena/span.rs", "slot.shift(State::Owned, State::Full, i64::from(charged));", Change::Split),
        ("arena/span.rs", "slot.shift(State::Full, State::Partial, 0);", Change::Split),
        ("arena/cursor.rs", "let _guard = self.lock.lock();", Change::Skip),
    ])
    .check();
}

#[test]
fn slots() {
    Model::new("slots handed over, purged, moved and faulted in", || {
        gather(&[Take(UNIT_BLOCK), Take(LARGE), Give, Give, Purge, EndCycle, Prefault, Undump], 4, 5);
    })
    .mutants(&[POP, RESIDENT, BIN, ("arena/zone.rs", "let _guard = self.frontier.lock();", Change::Skip)])
    .check();
}

#[test]
fn trim() {
    Model::new("trim against allocation, remote free, exit and recycling", || {
        gather(&[Take(SMALL), Take(SMALL), Take(UNIT_BLOCK), Give, Give, Leave, Trim, Trim], 3, 6);
    })
    .mutants(&[
        CLAIM,
        ("arena/dead_pages.rs", "let _guard = self.bins[class].lock.lock();", Change::Skip),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Split),
        ("arena/dead_pages.rs", "slot.shift(word.state(), word.state(), 1);", Change::Skip),
    ])
    .check();
}

#[test]
fn nested() {
    Model::new("nested frees and the sweep against recycling", || {
        gather(&[Take(SMALL), Take(MEDIUM), Take(UNIT_BLOCK), Give, GiveNested, GiveNested, Leave, Sweep], 4, 6);
    })
    .mutants(&[("arena/mod.rs", "self.unsettled.swap(true, Release);", Change::Skip), BIN])
    .check();
}

/// Of three frees of a block, exactly one wins.
#[test]
fn double_free() {
    Model::new("three frees of one block", || {
        let arena = arena();
        let cursor = arena.cursor();
        let block = arena.take(Some(cursor), [SMALL, UNIT_BLOCK][draw(2)], 1);
        let others = [(); 2].map(|()| {
            let arena = arena.clone();
            spawn(move || arena.free(None, block))
        });
        let mine = arena.free(Some(cursor), block);
        let results = others.map(end).into_iter().chain([mine]);
        assert_eq!(results.filter(|result| *result != Err(Misuse::DoubleFree)).collect::<Vec<_>>(), [Ok(())]);
        arena.exit(cursor);
        arena.assert_all_free();
    })
    .mutants(&[CLEAR, ("arena/slot.rs", "self.word.compare_exchange(from.0, to.0, AcqRel, Relaxed)", Change::Split)])
    .check();
}

#[test]
fn lock() {
    Model::new("lock: four threads, two turns each", || {
        let (lock, count) = (Rc::new(Lock::new()), Rc::new(model::Word::default()));
        let others = [(); 4].map(|()| {
            let (lock, count) = (lock.clone(), count.clone());
            spawn(move || {
                for _ in 0..2 {
                    let _guard = lock.lock();
                    count.set(count.get() + 1);
                }
            })
        });
        join(others);
        assert_eq!(count.get(), 8);
    })
    .mutants(&[
        ("sync/lock.rs", "if self.word.compare_exchange(UNLOCKED, LOCKED, Acquire, Relaxed).is_err()", Change::Split),
        ("sync/lock.rs", "while self.word.swap(CONTENDED, Acquire)", Change::Split),
        ("sync/lock.rs", "platform::futex_wake(&self.word, 1)", Change::Skip),
    ])
    .check();
}

/// Everything at once, beside the background thread.
fn gather_beside_background(steps: &'static [Step], threads: usize, turns: usize) {
    let arena = install();
    let is_over = Rc::new(Cell::new(false));
    let goes_on = {
        let is_over = is_over.clone();
        move || !is_over.get()
    };
    world::set_thread_body(move || background::serve(arena, &goes_on));
    let crowd = Crowd::new(arena, steps);
    let visit = |crowd: &Rc<Crowd<_>>| {
        let crowd = crowd.clone();
        spawn(move || crowd.visit(turns))
    };
    join((0..threads).map(|_| visit(&crowd)).collect::<Vec<_>>());
    is_over.set(true);
    // Whether or not it had been started before.
    background::ensure();
    assert!(background::purge_soon(0));
    assert_eq!(world::join_threads(), 1);
    assert_eq!(router::PHASES.depth(), 0);
    crowd.assert_all_free();
}

#[test]
fn everything() {
    Model::new("phases, the background thread and all of the above", || {
        gather_beside_background(
            &[
                Take(SMALL),
                Take(MEDIUM),
                Take(UNIT_BLOCK),
                Take(LARGE),
                Give,
                Give,
                Give,
                GiveNested,
                Leave,
                Trim,
                Phase,
                Phase,
                Wish,
                Prefault,
                Undump,
            ],
            3,
            6,
        );
    })
    .mutants(&[
        ("arena/phase.rs", "let _guard = self.lock.lock();", Change::Skip),
        ("router.rs", "GATE.store(if broken::is", Change::Skip),
        ("background.rs", "WISHES.fetch_add(1, Release);", Change::Skip),
        ("background.rs", "platform::futex_wake(&WISHES, 1);", Change::Skip),
        ("background.rs", "STARTING.swap(true, Acquire)", Change::Split),
        POP,
        BIN,
    ])
    .check();
}

/// Forks at any moment of three other threads; the child has the forking thread's blocks, and everything works.
#[test]
fn fork() {
    const STEPS: &[Step] =
        &[Take(SMALL), Take(SMALL), Take(UNIT_BLOCK), Give, Give, Leave, Trim, Purge, EndCycle, Prefault, Phase];
    Model::new("fork among three other threads", || {
        let arena = install();
        let cursor = arena.cursor();
        tls::set_cursor(CursorState::Ready(cursor));
        let [first, second] = [1, 2].map(|mark| arena.take(Some(cursor), SMALL, mark));
        let crowd = Crowd::new(arena, STEPS);
        crowd.blocks.borrow_mut().push((first, 1));
        let visits = (0..3).map(|_| -> Box<dyn FnOnce()> {
            let crowd = crowd.clone();
            Box::new(move || crowd.visit(4))
        });
        fork_among(visits.collect());
        let (begun, ended) = router::PHASES.counts();
        assert_eq!(begun - ended, u64::from(router::PHASES.depth()), "a phase is half begun");
        live_on(arena, cursor, second);
        arena.trim(0);
        assert_consistent(arena);
        arena.assert_books_balance();
    })
    .mutants(&[
        OWNED,
        FULL,
        LIMBO,
        CURSORS,
        PHASES_LOCK,
        ("arena/mod.rs", "self.touched.store(touched, Relaxed);", Change::Skip),
        ("arena/mod.rs", "self.giving.store(0, Relaxed);", Change::Skip),
    ])
    .check();
}
