//! One line on standard error that says how far a run is, if someone is looking.
//!
//! Not verified by a test: what it prints is seen by people alone.

use std::io::{self, IsTerminal};

/// The line. It shows itself on a terminal only, and not when standard output is read by a program.
#[derive(Debug)]
pub struct Progress {
    verb: &'static str,
    shown: bool,
    percent: u32,
}

impl Progress {
    /// A line for `verb`, which shows nothing yet.
    pub fn new(verb: &'static str, json: bool) -> Self {
        Progress { verb, shown: io::stderr().is_terminal() && !json, percent: u32::MAX }
    }

    /// Shows the share that is done, 0 to 1.
    pub fn show(&mut self, share: f64) {
        let percent = (share * 100.0) as u32;
        if self.shown && percent != self.percent {
            self.percent = percent;
            eprint!("\r{}: {percent} % ", self.verb);
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.shown && self.percent != u32::MAX {
            self.percent = u32::MAX;
            eprint!("\r\x1b[2K");
        }
    }
}
