//! The platform under a model checker (`--cfg loom` or `--cfg shuttle`, tests only): a futex, threads and pages that the
//! checker watches.
#![forbid(unsafe_code)]

use super::{mapping, HugePages, Move, Reservation};
use crate::sync::model::{
    change, checked_thread_local, enter_child, is_gone, is_not_in_child, spawn, Change, Condvar, JoinHandle, Mutex,
    Word,
};
use crate::sync::{AtomicU32, Ordering::SeqCst};
use core::ffi::c_void;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

checked_thread_local! {
    static WORD: Cell<u64> = Cell::new(0);
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// What is new in every interleaving.
#[derive(Default)]
struct World {
    futex: Option<Rc<Futex>>,
    /// The watched words of blocks, by address.
    pages: BTreeMap<usize, Rc<Word>>,
    handlers: Option<[super::ForkHandler; 3]>,
    thread_body: Option<Rc<dyn Fn()>>,
    threads: Vec<JoinHandle<()>>,
    populated: usize,
    purged: usize,
    now_ns: u64,
}

/// The kernel's queue: comparing and falling asleep are one step, under its lock.
struct Futex {
    /// Sleepers: the word's address and a number of their own.
    queue: Mutex<(u64, Vec<(usize, u64)>)>,
    wake: Condvar,
}

pub fn begin() {
    let futex = Futex { queue: Mutex::default(), wake: Condvar::new() };
    WORLD.set(World { futex: Some(Rc::new(futex)), ..World::default() });
}

/// See `sync::model::abandon`.
pub fn abandon() {
    std::mem::forget(WORLD.take());
}

fn futex() -> Rc<Futex> {
    WORLD.with_borrow(|world| world.futex.clone()).unwrap_or_else(|| panic!("MODEL: begin() comes first"))
}

pub fn relax() {}

pub fn futex_wait(word: &AtomicU32, expected: u32) {
    let futex = futex();
    let mut queue = futex.queue.lock().unwrap_or_else(|_| panic!("poisoned"));
    let mut me = None;
    loop {
        if is_not_in_child() {
            drop(queue);
            is_gone();
            return;
        }
        match me {
            Some(me) if !queue.1.contains(&me) => return,
            Some(_) => {}
            None if word.load(SeqCst) != expected => return,
            None => {
                queue.0 += 1;
                let number = (std::ptr::from_ref(word).addr(), queue.0);
                queue.1.push(number);
                me = Some(number);
            }
        }
        queue = futex.wake.wait(queue).unwrap_or_else(|_| panic!("poisoned"));
    }
}

/// The time never comes: what would only go on after a timeout is a deadlock here.
pub fn futex_wait_for(word: &AtomicU32, expected: u32, _timeout_ms: u64) -> bool {
    futex_wait(word, expected);
    true
}

#[track_caller]
pub fn futex_wake(word: &AtomicU32, count: u32) {
    if change() == Some(Change::Skip) || is_gone() {
        return;
    }
    let futex = futex();
    let mut queue = futex.queue.lock().unwrap_or_else(|_| panic!("poisoned"));
    for _ in 0..count {
        if let Some(at) = queue.1.iter().position(|&(sleeper, _)| sleeper == std::ptr::from_ref(word).addr()) {
            queue.1.remove(at);
        }
    }
    futex.wake.notify_all();
}

/// Fork, in the child: the other threads are gone, those that sleep too.
pub fn fork() {
    let futex = futex();
    let mut queue = futex.queue.lock().unwrap_or_else(|_| panic!("poisoned"));
    enter_child();
    queue.1.clear();
    futex.wake.notify_all();
}

pub fn thread_word() -> u64 {
    WORD.with(Cell::get)
}

pub fn set_thread_word(value: u64) {
    WORD.with(|word| word.set(value));
}

pub fn name_thread(_name: &core::ffi::CStr) {}

/// shuttle: any, as for a thread that is moved from processor to processor.
pub fn numa_node() -> usize {
    #[cfg(shuttle)]
    return shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 0..2);
    #[cfg(loom)]
    0
}

/// shuttle: each look at the clock takes seconds, so that some decay comes.
pub fn now_ns() -> u64 {
    if cfg!(loom) {
        return 1;
    }
    WORLD.with_borrow_mut(|world| {
        world.now_ns += 4_000_000_000;
        world.now_ns
    })
}

pub fn unused_memory_bytes() -> usize {
    1 << 40
}

pub fn is_locked(_start: usize, _bytes: usize) -> bool {
    false
}

/// What threads that the library starts do instead of `entry`, which never ends.
pub fn set_thread_body(body: impl Fn() + 'static) {
    WORLD.with_borrow_mut(|world| world.thread_body = Some(Rc::new(body)));
}

pub fn start_thread(_entry: extern "C" fn(*mut c_void) -> *mut c_void) -> Option<usize> {
    let body = WORLD.with_borrow(|world| world.thread_body.clone())?;
    let thread = spawn(move || body());
    WORLD.with_borrow_mut(|world| world.threads.push(thread));
    Some(1)
}

/// Nothing: the model waits for them in the end.
pub fn join_thread(_thread: usize) {}

/// Waits for the threads that the library has started; how many there were.
pub fn join_threads() -> usize {
    let threads = WORLD.with_borrow_mut(|world| std::mem::take(&mut world.threads));
    let count = threads.len();
    threads.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
    count
}

pub fn at_fork(prepare: super::ForkHandler, parent: super::ForkHandler, child: super::ForkHandler) -> bool {
    WORLD.with_borrow_mut(|world| world.handlers = Some([prepare, parent, child]));
    true
}

/// Prepare, parent, child.
pub fn fork_handlers() -> [super::ForkHandler; 3] {
    WORLD.with_borrow(|world| world.handlers).unwrap_or_else(|| panic!("MODEL: nobody has registered"))
}

/// Real addresses, the same in every interleaving: tables in them stay zero, for the model's atomics never write there.
pub fn reserve(bytes: usize, align: usize) -> Option<Reservation> {
    static MADE: std::sync::Mutex<Option<HashMap<usize, Reservation>>> = std::sync::Mutex::new(None);
    let mut made = MADE.lock().ok()?;
    let made = made.get_or_insert_default();
    if let Some(known) = made.get(&bytes) {
        return Some(*known);
    }
    let new = mapping::reserve(bytes, align)?;
    mapping::commit(new.base, new.bytes);
    made.insert(bytes, new);
    Some(new)
}

pub fn release(_start: usize, _bytes: usize) {}

pub fn commit(_start: usize, _bytes: usize) -> bool {
    true
}

/// Watches the word at an address: whoever reads or writes it, or its page, must not race with anybody.
pub fn watch(address: usize) {
    WORLD.with_borrow_mut(|world| world.pages.insert(address, Rc::default()));
}

fn page(address: usize) -> Rc<Word> {
    if cfg!(shuttle) {
        watch_new(address);
    }
    let found = WORLD.with_borrow(|world| world.pages.get(&address).cloned());
    found.unwrap_or_else(|| panic!("MODEL: watch {address:#x}"))
}

/// loom must know every word before there are threads; shuttle need not.
fn watch_new(address: usize) {
    WORLD.with_borrow_mut(|world| {
        world.pages.entry(address).or_default();
    });
}

#[track_caller]
pub fn write(address: usize, value: u64) {
    page(address).set(value);
}

#[track_caller]
pub fn read(address: usize) -> u64 {
    page(address).get()
}

fn pages(start: usize, bytes: usize) -> Vec<(usize, Rc<Word>)> {
    WORLD.with_borrow(|world| world.pages.range(start..start + bytes).map(|(at, page)| (*at, page.clone())).collect())
}

/// Bytes given back and faulted in so far.
pub fn work_done() -> (usize, usize) {
    WORLD.with_borrow(|world| (world.purged, world.populated))
}

pub fn purge(start: usize, bytes: usize) -> bool {
    pages(start, bytes).into_iter().for_each(|(_, page)| page.set(0));
    WORLD.with_borrow_mut(|world| world.purged += bytes);
    true
}

pub fn resident(_start: usize, _bytes: usize) -> Option<usize> {
    None
}

pub fn move_pages(from: usize, to: usize, bytes: usize) -> Move {
    let values: Vec<_> = pages(from, bytes).into_iter().map(|(at, page)| (at - from, page.replace(0))).collect();
    for (at, page) in pages(to, bytes) {
        page.set(values.iter().find(|(offset, _)| *offset == at - to).map_or(0, |(_, value)| *value));
    }
    Move::Done
}

pub fn populate(_start: usize, bytes: usize) -> bool {
    WORLD.with_borrow_mut(|world| world.populated += bytes);
    true
}

pub fn advise_huge(_start: usize, _bytes: usize, _wish: HugePages) -> bool {
    true
}
