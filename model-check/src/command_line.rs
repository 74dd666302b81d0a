//! What the binaries share: how they end, how they are stopped, and how they say what they do.
//!
//! Standard output carries results: text for people, or one JSON object a line. Progress goes to standard
//! error, and only if that is a terminal. Verified by `tests/it/binaries.rs`.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How a binary ends. The numbers mean the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done, and nothing was found.
    Fine,
    /// Something was found, or the run was stopped before it could be.
    Finding,
    /// The command line is wrong.
    Usage,
    /// Something is missing on this machine.
    Missing,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Usage => 2,
            Exit::Missing => 3,
        })
    }
}

/// Why a binary does not begin: said on standard error.
#[derive(Debug)]
pub struct Refused {
    /// How it ends.
    pub exit: Exit,
    /// The reason.
    pub reason: String,
}

impl Refused {
    /// The command line is wrong.
    pub fn usage(reason: impl Display) -> Self {
        Refused { exit: Exit::Usage, reason: reason.to_string() }
    }

    /// The machine lacks something, or refuses it.
    pub fn missing(reason: impl Display) -> Self {
        Refused { exit: Exit::Missing, reason: reason.to_string() }
    }
}

impl From<lexopt::Error> for Refused {
    fn from(error: lexopt::Error) -> Self {
        Refused::usage(error)
    }
}

/// Runs the binary `name` and says why it did not begin, if it did not.
pub fn end(name: &str, result: Result<Exit, Refused>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(Refused { exit, reason }) => {
            eprintln!("{name}: {reason}");
            if exit == Exit::Usage {
                eprintln!("{name}: --help says how it is used");
            }
            exit.into()
        }
    }
}

/// The value of an option, as a number or another thing with a text form.
///
/// # Errors
/// If there is no value, or it is not one.
pub fn value<T: FromStr<Err: Display>>(parser: &mut lexopt::Parser, name: &str) -> Result<T, Refused> {
    let text = parser.value().map_err(|_| Refused::usage(format!("--{name} needs a value")))?;
    let text = text.to_str().ok_or_else(|| Refused::usage(format!("--{name}: not text")))?;
    text.parse().map_err(|error| Refused::usage(format!("--{name} {text}: {error}")))
}

/// One algorithm of those there are.
///
/// # Errors
/// If there is no such algorithm.
pub fn algorithm(name: &std::ffi::OsStr) -> Result<&'static str, Refused> {
    ALGORITHMS.into_iter().find(|known| *known == name).ok_or_else(|| {
        let known = ALGORITHMS.join(", ");
        Refused::usage(format!("`{}` is not an algorithm ({known})", name.to_string_lossy().escape_debug()))
    })
}

/// The algorithms that there are.
pub const ALGORITHMS: [&str; 1] = ["raft"];

/// What a reader types to repeat this run: what the starter says, or else the binary's own line.
pub fn command(verb: &str, words: &[String]) -> String {
    std::env::var("SWARMPROOF_COMMAND").unwrap_or_else(|_| {
        [&["cargo".to_owned(), "xtask".to_owned(), verb.to_owned()], words].concat().join(" ")
    })
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A flag that is set by Ctrl-C and by a request to terminate.
///
/// # Errors
/// If the system refuses a handler.
pub fn interrupt() -> Result<&'static AtomicBool, Refused> {
    // Relaxed: a request, which may be seen late.
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).map_err(Refused::missing)?;
    Ok(&INTERRUPTED)
}

/// Whether somebody asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// One line on standard error that says how far a run has come, if that is a terminal.
#[derive(Debug)]
pub struct ProgressLine {
    shown: bool,
    last: Option<Instant>,
}

impl ProgressLine {
    const PERIOD: Duration = Duration::from_millis(200);

    /// Nothing is shown yet.
    pub fn new() -> Self {
        ProgressLine { shown: io::stderr().is_terminal(), last: None }
    }

    /// Replaces the line, if the last one has stood for a while.
    pub fn show(&mut self, line: impl FnOnce() -> String) {
        if self.shown && self.last.is_none_or(|last| last.elapsed() >= Self::PERIOD) {
            // A line that cannot be written is no loss.
            let _ = write!(io::stderr(), "\r\x1b[K{}", line());
            self.last = Some(Instant::now());
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.shown && self.last.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Default for ProgressLine {
    fn default() -> Self {
        Self::new()
    }
}

/// A number with its digits in groups of three, as people read it.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn an_unknown_algorithm_is_refused_and_the_known_are_named() {
        let refused = algorithm("paxos".as_ref()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.reason, "`paxos` is not an algorithm (raft)");
    }
}
