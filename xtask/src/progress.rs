//! One line on standard error that says what is going on, where somebody watches.
//!
//! It is drawn only if standard error is a terminal, is at most 79 characters wide, and is wiped before
//! anything else is printed. `NO_COLOR` turns colours off, as does a `dumb` terminal.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

/// The widest line drawn, in characters.
const WIDTH: usize = 79;
/// The least time between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

/// The progress line.
#[derive(Debug)]
pub(crate) struct Progress {
    on: bool,
    drawn: bool,
    last: Option<Instant>,
}

impl Progress {
    /// A line that is drawn only if standard error is a terminal that can move its cursor.
    pub(crate) fn new() -> Progress {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Progress { on: stderr().is_terminal() && !dumb, drawn: false, last: None }
    }

    /// Shows `text()` in place of what is shown, unless the last drawing was a moment ago.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        if !self.on || self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        self.drawn = true;
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(stderr(), "\r\x1b[2K{}", fitted(&text()));
        let _ = stderr().flush();
    }

    /// Wipes the line.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(stderr(), "\r\x1b[2K");
            let _ = stderr().flush();
        }
        self.last = None;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `text` on one line: control characters left out, cut to the width of the line.
fn fitted(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(WIDTH).collect()
}

/// `seconds` for people: `0.8 s`, `12 s`, `3 min 05 s`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s => format!("{} min {:02} s", (s.round() as u64) / 60, (s.round() as u64) % 60),
    }
}

/// How a word is painted on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Green: fine.
    Good,
    /// Red and bold: a finding.
    Bad,
    /// Yellow: not run, not there.
    Odd,
}

/// `text` in colour if standard output is a terminal and nobody asked for none.
pub(crate) fn painted(paint: Paint, text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
        || !stdout().is_terminal();
    if plain {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Good => "32",
        Paint::Bad => "1;31",
        Paint::Odd => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (99.4, "99 s"),
            (99.6, "1 min 40 s"),
            (185.2, "3 min 05 s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(fitted("a\r\n\x1b[31mb\t"), "a[31mb");
        assert_eq!(fitted(&"é".repeat(200)).chars().count(), WIDTH);
    }

    #[test]
    fn nothing_is_painted_where_nobody_looks() {
        // Tests capture standard output, which is then no terminal.
        if !stdout().is_terminal() {
            assert_eq!(painted(Paint::Bad, "FAILED"), "FAILED");
        }
    }
}
