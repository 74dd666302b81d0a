//! What the binaries of all verbs share: how they end, how they are stopped, and how they say what they do.
//!
//! Standard output carries results: text for people, or one JSON object a line. Progress goes to standard
//! error, and only if that is a terminal. [`read`] knows the options that several verbs have and leaves a
//! verb's own to the verb.
//!
//! Verified by the tests below and by those that start the binaries.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt};

use crate::artifact::Outcome;
pub use crate::number::count as grouped;

/// How a binary ends. The numbers mean the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done, and nothing was found.
    Fine,
    /// Something was found.
    Finding,
    /// The command line, or a file that it names, is wrong.
    Usage,
    /// Something is missing on this machine.
    Missing,
    /// Stopped from outside.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Usage => 2,
            Exit::Missing => 3,
            // As a shell says it of a program that Ctrl-C has ended.
            Exit::Interrupted => 130,
        })
    }
}

impl From<&Outcome> for Exit {
    fn from(outcome: &Outcome) -> Exit {
        match outcome {
            Outcome::Passed => Exit::Fine,
            Outcome::Failed => Exit::Finding,
            Outcome::Interrupted => Exit::Interrupted,
            Outcome::Skipped { .. } => Exit::Missing,
        }
    }
}

/// Why a binary does not go on: said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How it ends.
    pub exit: Exit,
    /// The reason.
    pub reason: String,
}

impl Refused {
    /// The command line or an input is wrong.
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

/// What a binary does: reads its options, and runs with them or prints its help.
pub fn main<O>(
    name: &str,
    help: &str,
    options: impl FnOnce() -> Result<Option<O>, Refused>,
    run: impl FnOnce(&O) -> Result<Exit, Refused>,
) -> ExitCode {
    let result = options().and_then(|options| match options {
        Some(options) => run(&options),
        None => {
            print!("{help}");
            Ok(Exit::Fine)
        }
    });
    end(name, result)
}

/// Ends the binary `name`, and says why it did not go on, if it did not: the reason is its last line.
pub fn end(name: &str, result: Result<Exit, Refused>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(Refused { exit, reason }) => {
            if exit == Exit::Usage {
                eprintln!("{name}: --help says how it is used");
            }
            eprintln!("{name}: {reason}");
            exit.into()
        }
    }
}

/// How much of its work a verb does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// What ends within minutes.
    #[default]
    Quick,
    /// As much as it takes.
    Full,
}

impl Effort {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Effort::Quick => "quick",
            Effort::Full => "full",
        }
    }
}

/// What several verbs have on their command lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The names, in the order typed.
    pub names: Vec<String>,
    /// `--quick` (the default) or `--full`.
    pub effort: Effort,
    /// `--threads N`, at least 1; all processors if it is not given.
    pub threads: usize,
    /// `--json`.
    pub json: bool,
    /// The words as they were typed.
    pub words: Vec<String>,
}

impl Options {
    /// The algorithms named, or all.
    ///
    /// # Errors
    /// If a name is none.
    pub fn algorithms(&self) -> Result<Vec<&'static str>, Refused> {
        if self.names.is_empty() {
            return Ok(ALGORITHMS.to_vec());
        }
        self.names.iter().map(|name| algorithm(name)).collect()
    }

    /// The one algorithm named.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn algorithm(&self) -> Result<&'static str, Refused> {
        match &self.names[..] {
            [] => Err(Refused::usage("which algorithm?")),
            [name] => algorithm(name),
            [_, other, ..] => {
                Err(Refused::usage(format!("unexpected argument \"{}\"", other.escape_debug())))
            }
        }
    }

    /// What a reader types to repeat this run: what the starter says, or else the binary's own line.
    pub fn command(&self, verb: &str) -> String {
        command(|| {
            [&["cargo xtask", verb], &self.words.iter().map(String::as_str).collect::<Vec<_>>()[..]]
                .concat()
                .join(" ")
        })
    }
}

/// The algorithms of this workspace, as command lines name them.
pub const ALGORITHMS: [&str; 2] = ["raft", "task-sharing"];

/// For [`read`]: how much is done. Names, `--json` and `--help` are known to all verbs.
pub const EFFORT: &[&str] = &["quick", "full"];
/// For [`read`]: how much is done, and by how many threads.
pub const EFFORT_AND_THREADS: &[&str] = &["quick", "full", "threads"];

/// Reads the command line of this process. `shared` names those of the options that several verbs have which this
/// one has, too. `own` takes an option of the verb's own by its name, with its value if it wants one, and says
/// whether it knows it. None if help was asked for.
///
/// # Errors
/// An option that nobody knows, a value that is none, `--quick` together with `--full`, no threads.
pub fn read(
    shared: &[&str],
    own: impl FnMut(&str, &mut Parser) -> Result<bool, Refused>,
) -> Result<Option<Options>, Refused> {
    read_from(std::env::args_os().skip(1).collect(), shared, own)
}

/// Reads these words as [`read`] reads those of this process.
///
/// # Errors
/// As [`read`].
pub fn read_from(
    words: Vec<std::ffi::OsString>,
    shared: &[&str],
    mut own: impl FnMut(&str, &mut Parser) -> Result<bool, Refused>,
) -> Result<Option<Options>, Refused> {
    let mut options = Options {
        names: Vec::new(),
        effort: Effort::Quick,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        json: false,
        words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
    };
    let mut effort = None;
    let mut parser = Parser::from_args(words);
    while let Some(argument) = parser.next()? {
        let option = match argument {
            Arg::Long(name) => name.to_owned(),
            Arg::Short('h') => "help".to_owned(),
            Arg::Value(name) => {
                options.names.push(name.string()?);
                continue;
            }
            other @ Arg::Short(_) => return Err(other.unexpected().into()),
        };
        match option.as_str() {
            "help" => return Ok(None),
            "json" => options.json = true,
            "threads" if shared.contains(&"threads") => options.threads = value(&mut parser, "threads")?,
            "quick" | "full" if shared.contains(&option.as_str()) => {
                let asked = if option == "quick" { Effort::Quick } else { Effort::Full };
                if effort.replace(asked).is_some_and(|before| before != asked) {
                    return Err(Refused::usage("one of --quick and --full"));
                }
                options.effort = asked;
            }
            _ if own(&option, &mut parser)? => {}
            _ => return Err(Refused::usage(format!("invalid option '--{}'", option.escape_debug()))),
        }
    }
    if options.threads == 0 {
        return Err(Refused::usage("--threads is at least 1"));
    }
    Ok(Some(options))
}

/// The value of an option, as a number or another thing with a text form.
///
/// # Errors
/// If there is no value, or it is not one.
pub fn value<T: FromStr<Err: Display>>(parser: &mut Parser, name: &str) -> Result<T, Refused> {
    let text = parser.value().map_err(|_| Refused::usage(format!("--{name} needs a value")))?;
    let text = text.to_str().ok_or_else(|| Refused::usage(format!("--{name}: not text")))?;
    text.parse().map_err(|error| Refused::usage(format!("--{name} {text}: {error}")))
}

/// One algorithm of those there are.
///
/// # Errors
/// If there is no such algorithm.
pub fn algorithm(name: &str) -> Result<&'static str, Refused> {
    ALGORITHMS.into_iter().find(|known| *known == name).ok_or_else(|| {
        Refused::usage(format!("`{}` is not an algorithm ({})", name.escape_debug(), ALGORITHMS.join(", ")))
    })
}

/// What a reader types to repeat this run: what the starter says, or else `otherwise`.
pub fn command(otherwise: impl FnOnce() -> String) -> String {
    std::env::var("SWARMPROOF_COMMAND").unwrap_or_else(|_| otherwise())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a line on which the verb's own options are `--bug ID` and `--small`.
    fn line(text: &str) -> Result<Option<(Options, Option<String>, bool)>, String> {
        let (mut bug, mut small) = (None, false);
        let words = text.split_whitespace().map(Into::into).collect();
        let options = read_from(words, EFFORT_AND_THREADS, |name, parser| {
            match name {
                "bug" => bug = Some(value(parser, "bug")?),
                "small" => small = true,
                _ => return Ok(false),
            }
            Ok(true)
        });
        let options = options.map_err(|refused| {
            assert_eq!(refused.exit, Exit::Usage, "{text}");
            refused.reason
        });
        Ok(options?.map(|options| (options, bug, small)))
    }

    #[test]
    fn common_options_and_those_of_a_verb_are_read_in_any_order() {
        let (options, bug, small) = line("raft --bug a --json --full --small --threads=3").unwrap().unwrap();
        assert_eq!((bug.as_deref(), small), (Some("a"), true));
        assert_eq!((options.effort, options.threads, options.json), (Effort::Full, 3, true));
        assert_eq!(options.algorithm(), Ok("raft"));
        assert_eq!(options.words[1..3], ["--bug", "a"]);
        let (options, ..) = line("--quick --quick").unwrap().unwrap();
        assert_eq!(
            (options.effort, options.json, options.algorithms()),
            (Effort::Quick, false, Ok(ALGORITHMS.to_vec()))
        );
        assert!(options.threads >= 1);
        for help in ["--help", "raft -h --no-such"] {
            assert_eq!(line(help), Ok(None), "{help}");
        }
    }

    #[test]
    fn what_is_wrong_on_a_line_is_said() {
        for (text, reason) in [
            ("--loud", "invalid option '--loud'"),
            ("-x", "invalid option '-x'"),
            ("--quick --full", "one of --quick and --full"),
            ("--threads 0", "--threads is at least 1"),
            ("--threads many", "--threads many: invalid digit"),
            ("--bug", "--bug needs a value"),
            ("--json=yes", "unexpected argument"),
        ] {
            let said = line(text).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn an_option_that_says_nothing_to_a_verb_is_refused() {
        for (shared, option) in [(EFFORT, "--threads"), (&[], "--quick"), (&[], "--full")] {
            let refused = read_from(vec![option.into(), "1".into()], shared, |_, _| Ok(false)).unwrap_err();
            assert_eq!(refused.reason, format!("invalid option '{option}'"));
        }
    }

    #[test]
    fn an_unknown_algorithm_is_refused_and_the_known_are_named() {
        let refused = algorithm("paxos").unwrap_err();
        assert_eq!(
            (refused.exit, refused.reason.as_str()),
            (Exit::Usage, "`paxos` is not an algorithm (raft, task-sharing)")
        );
        let names = |text: &str| line(text).unwrap().unwrap().0.algorithm().unwrap_err().reason;
        assert_eq!(names(""), "which algorithm?");
        assert_eq!(names("raft gossip"), "unexpected argument \"gossip\"");
    }

    #[test]
    fn outcomes_become_exit_codes() {
        let skipped = Outcome::Skipped { reason: String::new() };
        let outcomes = [Outcome::Passed, Outcome::Failed, skipped, Outcome::Interrupted];
        let exits = outcomes.each_ref().map(Exit::from);
        assert_eq!(exits, [Exit::Fine, Exit::Finding, Exit::Missing, Exit::Interrupted]);
    }
}
