//! Sequences of operations that shrink by halves: proptest's own lists try every element by itself, which takes minutes
//! for a sequence of hundreds of operations that each touch megabytes.
#![forbid(unsafe_code)]

use super::op::{op, setup, Op, Setup};
use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, NewTree, ValueTree};
use proptest::test_runner::TestRunner;
use std::fmt;

/// Most operations of a sequence.
const MOST_OPS: usize = 400;

/// What is drawn: an arena, and what is done with it.
#[derive(Clone)]
pub struct Sequence {
    pub setup: Setup,
    pub ops: Vec<Op>,
}

/// A counterexample: one operation a line.
impl fmt::Debug for Sequence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:?}", self.setup)?;
        self.ops.iter().enumerate().try_for_each(|(at, op)| writeln!(out, "{at:>4}: {op:?}"))
    }
}

#[derive(Debug)]
pub struct Sequences {
    setup: BoxedStrategy<Setup>,
    op: BoxedStrategy<Op>,
}

impl Sequences {
    pub fn new() -> Self {
        Self { setup: setup().boxed(), op: op().boxed() }
    }
}

impl Strategy for Sequences {
    type Tree = Tree;
    type Value = Sequence;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let count = (1..=MOST_OPS).new_tree(runner)?.current();
        let ops = (0..count).map(|_| self.op.new_tree(runner)).collect::<Result<Vec<_>, _>>()?;
        let next = Step::Delete { end: count, width: count };
        Ok(Tree { setup: self.setup.new_tree(runner)?, ops, next, tried: Tried::Nothing })
    }
}

type OpTree = Box<dyn ValueTree<Value = Op>>;

/// What to try next.
#[derive(Clone, Copy)]
enum Step {
    /// Leave out `width` operations in front of `end`, from the last to the first, then half as many.
    Delete {
        end: usize,
        width: usize,
    },
    /// Simplify what is left, one by one.
    Simplify {
        at: usize,
    },
    Done,
}

/// What was tried last, to undo it.
enum Tried {
    Nothing,
    Deletion { at: usize, ops: Vec<OpTree> },
    Simplification { at: usize },
}

pub struct Tree {
    setup: Box<dyn ValueTree<Value = Setup>>,
    ops: Vec<OpTree>,
    next: Step,
    tried: Tried,
}

impl Tree {
    fn advance(&mut self) -> bool {
        loop {
            match self.next {
                Step::Delete { width: 0, .. } => self.next = Step::Simplify { at: 0 },
                Step::Delete { end: 0, width } => {
                    self.next = Step::Delete { end: self.ops.len(), width: (width / 2).min(self.ops.len()) };
                }
                Step::Delete { end, width } => {
                    let end = end.min(self.ops.len());
                    let at = end.saturating_sub(width);
                    self.tried = Tried::Deletion { at, ops: self.ops.drain(at..end).collect() };
                    self.next = Step::Delete { end: at, width };
                    return true;
                }
                Step::Simplify { at } => {
                    let Some(op) = self.ops.get_mut(at) else {
                        self.next = Step::Done;
                        continue;
                    };
                    if op.simplify() {
                        self.tried = Tried::Simplification { at };
                        return true;
                    }
                    self.next = Step::Simplify { at: at + 1 };
                }
                Step::Done => return false,
            }
        }
    }
}

impl ValueTree for Tree {
    type Value = Sequence;

    fn current(&self) -> Sequence {
        Sequence { setup: self.setup.current(), ops: self.ops.iter().map(|op| op.current()).collect() }
    }

    /// The last attempt still fails: on with the next.
    fn simplify(&mut self) -> bool {
        self.tried = Tried::Nothing;
        self.advance()
    }

    /// The last attempt passes: it is undone, and the next one tried.
    fn complicate(&mut self) -> bool {
        match std::mem::replace(&mut self.tried, Tried::Nothing) {
            Tried::Nothing => {}
            Tried::Deletion { at, ops } => {
                self.ops.splice(at..at, ops);
            }
            Tried::Simplification { at } => {
                if self.ops[at].complicate() {
                    self.tried = Tried::Simplification { at };
                    return true;
                }
                self.next = Step::Simplify { at: at + 1 };
            }
        }
        self.advance()
    }
}
