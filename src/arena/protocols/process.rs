//! What models of the whole process begin with: the one arena, the options, phases, the background thread, and fork.
#![forbid(unsafe_code)]

use super::frame::{arena, join, know, SMALL, UNIT_BLOCK};
use super::{model, spawn, world, Arena, Change, MutantLine};
use crate::arena::global;
use crate::arena::size::BLOCK_CLASS;
use crate::arena::slot::State::{self, Full, Owned, Partial};
use crate::config::{self, Key, OPTIONS};
use crate::router::{self, PHASES};
use crate::sync::model::NotInChild;
use crate::sync::Ordering::Relaxed;
use crate::tls::{self, CursorState};
use crate::{background, fork, init};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::rc::Rc;

/// What has been read of the options before threads start can be read by them.
pub fn read_options() {
    let keys = [Key::Mode, Key::MinBytes, Key::SlabGb, Key::RetainMb, Key::DecayMs, Key::Background, Key::Thp];
    keys.into_iter().chain([Key::PrefaultMb, Key::Stats, Key::Trace, Key::Verbose]).for_each(|key| {
        assert_eq!(config::get(key), OPTIONS[key as usize].default);
    });
}

pub fn assert_open() {
    assert!(PHASES.depth() > 0, "a phase is open, but is not counted");
    assert!(!router::is_small(router::min_arena_bytes()), "a phase is open, but the gate is not");
}

/// The process's arena, with a free slot that has pages.
pub fn install() -> &'static Arena {
    read_options();
    background::forget_in_child();
    let arena = arena();
    global::install(Rc::into_inner(arena).unwrap_or_else(|| panic!("MODEL: shared")));
    let arena = global::get().unwrap_or_else(|| panic!("MODEL: no arena"));
    know(arena);
    assert_eq!(init::processors(), 1);
    assert!(router::is_small(usize::MAX - 1));
    let block = arena.take(None, UNIT_BLOCK, 1);
    arena.give(None, block, 1);
    arena
}

/// The body of the thread that the library starts: `serve`, until both wishes have come true. Without a timeout: a wish
/// that is missed leaves everybody waiting.
pub fn serve_until_done(arena: &'static Arena) {
    world::set_thread_body(move || {
        background::serve(arena, || {
            let (purged, populated) = world::work_done();
            purged == 0 || populated == 0
        });
    });
}

/// Forks while others do their work, a thread each. The caller is the child afterwards.
pub fn fork_among(works: Vec<Box<dyn FnOnce()>>) {
    fork::register();
    let [prepare, _, in_child] = world::fork_handlers();
    model::begin_fork();
    let others: Vec<_> = works
        .into_iter()
        .map(|work| {
            spawn(|| {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                    if !panic.is::<NotInChild>() {
                        resume_unwind(panic);
                    }
                }
            })
        })
        .collect();
    prepare();
    world::fork();
    join(others);
    model::end_fork();
    in_child();
}

/// What must hold when nobody is in the middle of anything: words, lists and sums agree with the live bits.
pub fn assert_consistent(arena: &Arena) {
    let mut free = 0;
    arena.for_each_slot(|head, slot| {
        let (word, bits) = (slot.word(), arena.blocks[head as usize].count());
        match word.state() {
            Owned => assert_eq!(word.count() + i64::from(slot.charged.load(Relaxed) as i32), bits, "{head}"),
            Full | Partial => {
                assert_eq!((word.count(), slot.owner.load(Relaxed)), (bits, 0), "{head}");
                let blocks = i64::from(BLOCK_CLASS[usize::from(word.class())].blocks);
                assert!(bits > 0 && (bits == blocks) == (word.state() == Full), "{head}: {word:?}, {bits} live");
            }
            State::Free => {
                assert_eq!(bits, 0, "{head}");
                free += slot.touched.load(Relaxed);
            }
            State::Large => {}
            // Pages were on their way to it.
            State::Uncarved if slot.receives() => {}
            State::Uncarved | State::Limbo | State::Held => panic!("slot {head} was lost: {word:?}"),
        }
    });
    assert_eq!(arena.free_resident_bytes(), free);
}

/// The forking thread's own blocks, in its own span.
pub fn forking_thread(arena: &Arena) -> (u32, [usize; 2]) {
    let cursor = arena.cursor();
    tls::set_cursor(CursorState::Ready(cursor));
    (cursor, [1, 2].map(|mark| arena.take(Some(cursor), SMALL, mark)))
}

/// What the child can do: everything.
pub fn live_on(arena: &Arena, cursor: u32, block: usize) {
    assert_consistent(arena);
    let third = arena.take(Some(cursor), SMALL, 8);
    let unit = arena.take(None, UNIT_BLOCK, 9);
    let heir = arena.cursor();
    assert_ne!(heir, cursor);
    let fourth = arena.take(Some(heir), SMALL, 10);
    arena.give(Some(cursor), third, 8);
    arena.give(None, unit, 9);
    arena.give(Some(cursor), fourth, 10);
    arena.give(Some(cursor), block, 2);
    arena.exit(heir);
    arena.exit(cursor);
    assert_consistent(arena);
}

/// What the child makes right in spans, left out.
pub const OWNED: MutantLine =
    ("arena/span.rs", "slot.set_word(Word::new(State::Owned, word.class(), count));", Change::Skip);
pub const FULL: MutantLine =
    ("arena/span.rs", "slot.set_word(Word::new(State::Full, word.class(), count));", Change::Skip);
pub const LIMBO: MutantLine =
    ("arena/span.rs", "\n                    slot.set_word(word.with_state(State::Limbo));", Change::Skip);
pub const FIRST_BLOCK: MutantLine =
    ("arena/block_table.rs", "self.live.iter().for_each(|word| word.store(0, Relaxed));", Change::Skip);
pub const CURSORS: MutantLine =
    ("arena/cursor.rs", "cursor.current.iter().for_each(|head| head.store(0, Relaxed));", Change::Skip);

pub const PHASES_LOCK: MutantLine = ("fork.rs", "router::PHASES.lock.acquire();", Change::Skip);
