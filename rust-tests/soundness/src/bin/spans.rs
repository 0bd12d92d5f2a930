//! Concurrent tracing spans held across phases. tracing-subscriber keeps a span's data in pages of a sharded slab (32
//! spans, 64, 128, ...; the second is about 6.4 KB) and hash tables inside of it that later spans use again; the tree
//! layer keeps every closed span until its root closes.
#![forbid(unsafe_code)]

use soundness::program::{require, run};
use soundness::survivor::Survivors;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tracing::field::Empty;
use tracing::{info, info_span, Span};
use tracing_forest::processor::{self, Processor};
use tracing_forest::tree::Tree;
use tracing_forest::ForestLayer;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const DEFAULT_SPANS: usize = 512;
/// The slab's pages: 32 slots of about 100 bytes, doubled from page to page.
const PAGE_BYTES: [usize; 5] = [3200, 6400, 12_800, 25_600, 51_200];
/// Spans are opened, held and closed this often: the second generation uses what the slab kept of the first.
const GENERATIONS: u64 = 3;
const PHASES_HELD: u64 = 4;
/// Spans of one tree: a root and its children.
const TREE_SPANS: usize = 8;

static SPANS_CLOSED: AtomicUsize = AtomicUsize::new(0);

fn main() {
    run(|number| {
        let spans = number.unwrap_or(DEFAULT_SPANS).next_multiple_of(TREE_SPANS);
        let mut survivors = Survivors::new(&PAGE_BYTES);
        zkalloc::phase(subscribe);
        for generation in 0..GENERATIONS {
            let mut held = Vec::new();
            zkalloc::phase(|| {
                survivors.challenge();
                held = open_on_two_threads(spans);
                survivors.plant();
            });
            for phase in 0..PHASES_HELD {
                zkalloc::phase(|| {
                    survivors.challenge();
                    use_all(&held, phase);
                    survivors.plant();
                });
            }
            close(held, generation % 2 == 0);
            let closed = SPANS_CLOSED.load(Ordering::Relaxed);
            require(closed == spans * (generation as usize + 1), "spans were lost");
        }
        1 + GENERATIONS * (1 + PHASES_HELD + 1)
    });
}

fn subscribe() {
    let lines = tracing_subscriber::fmt::layer().with_span_events(FmtSpan::FULL).with_writer(io::sink);
    tracing_subscriber::registry().with(lines).with(ForestLayer::from(Checker)).init();
}

/// Where the tree layer delivers each tree when its root closes.
struct Checker;

impl Processor for Checker {
    fn process(&self, tree: Tree) -> processor::Result {
        check_tree(&tree);
        Ok(())
    }
}

/// Half of the spans belong to a thread that has ended, and with it to its shard of the slab.
fn open_on_two_threads(spans: usize) -> Vec<Span> {
    let half = spans / 2 / TREE_SPANS * TREE_SPANS;
    thread::scope(|scope| {
        let theirs = scope.spawn(|| open(0..half));
        let mut ours = open(half..spans);
        ours.extend(theirs.join().expect("the other thread opens its spans"));
        ours
    })
}

fn open(numbers: std::ops::Range<usize>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let place = spans.len() % TREE_SPANS;
        let root = spans.len() - place;
        let parent = spans.get(root).and_then(Span::id);
        spans.push(info_span!(parent: parent, "held", number, square = Empty, uses = Empty));
        spans.last().into_iter().for_each(|span| {
            span.record("square", number * number);
        });
    }
    spans
}

fn use_all(spans: &[Span], phase: u64) {
    for span in spans {
        let _entered = span.enter();
        span.record("uses", phase + 1);
        info!(phase, "used");
    }
}

/// Children close before their roots in one order, after the last handle to the root is gone in the other.
fn close(mut spans: Vec<Span>, roots_first: bool) {
    zkalloc::phase(|| {
        if !roots_first {
            spans.reverse();
        }
        drop(spans);
    });
}

fn check_tree(tree: &Tree) {
    let Ok(span) = tree.span() else {
        return;
    };
    let field = |key| span.fields().iter().find(|field| field.key() == key);
    let value = |key| field(key).and_then(|field| field.value().parse::<usize>().ok());
    let number = value("number");
    let intact = span.name() == "held"
        && number.is_some()
        && value("square") == number.map(|number| number * number)
        && value("uses") == Some(PHASES_HELD as usize);
    require(intact, "a span's fields are not what was recorded");
    let events = span.nodes().iter().filter(|node| node.event().is_ok()).count();
    require(events == PHASES_HELD as usize, "a span has lost its events");
    // Relaxed: a counter that only the closing thread writes and reads.
    SPANS_CLOSED.fetch_add(1, Ordering::Relaxed);
    span.nodes().iter().for_each(check_tree);
}
