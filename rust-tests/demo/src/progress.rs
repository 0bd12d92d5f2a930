//! Shows that something happens: a bar on a terminal, else a line per process.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::Duration;

pub struct Progress {
    bar: ProgressBar,
    on_terminal: bool,
}

impl Progress {
    /// For this many proofs, which [`Progress::grow`] can still change.
    pub fn new(proofs: u64) -> Self {
        let bar = ProgressBar::new(proofs);
        let style =
            ProgressStyle::with_template("{bar:32} {pos:>2}/{len} proofs  {elapsed} elapsed, {eta} left  {msg}")
                .expect("the template is right");
        bar.set_style(style);
        let on_terminal = io::stderr().is_terminal();
        if on_terminal {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self { bar, on_terminal }
    }

    pub fn grow(&self, proofs: u64) {
        self.bar.inc_length(proofs);
    }

    /// What is done now.
    pub fn doing(&self, what: String) {
        if !self.on_terminal {
            eprintln!("demo: {what}");
        }
        self.bar.set_message(what);
    }

    pub fn proof_done(&self) {
        self.bar.inc(1);
    }
}

/// Success or failure: what is printed next must not stand behind half a bar.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
