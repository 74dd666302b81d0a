//! Scenario files: any text is read or refused, and what is read is what it says.
//!
//! The first byte chooses: the others are the text itself, or each of them is a piece of one (a whole line,
//! a word, a number, a separator), so that random bytes come by well-formed files too. What must hold:
//!
//! - A refusal names a line that is there, and a reason.
//! - What was read, printed as a header and read again, is the same.
//! - What can be played, printed as a file with its transcript and read again, plays the same and has
//!   nothing to say against that transcript. Only small files are played, on the Raft that they describe.
//! - No event that a file scripts breaks a property: a file is one more way to steer a world.
//!
//! Verified by `tests/it/scenario.rs`: random bytes come by files that are read, played and refused, for many
//! reasons.

use std::fmt::Write as _;

use swarm_raft::properties::RaftProperties;
use swarm_simulator::Event;
use swarm_simulator::scenario::{Scenario, ScenarioError};

use crate::raft_schedule::{Node, Op, configure, scenario_text};
use crate::source::Source;

/// The longest text that is played, in bytes, and the most nodes: each line of a played file looks through
/// all enabled events.
const PLAYED_BYTES_MAX: usize = 1 << 10;
const PLAYED_NODES_MAX: u32 = 5;
/// The longest text that is made from pieces, in bytes.
const MADE_BYTES_MAX: usize = 1 << 10;
/// The name of the file in errors.
const FILE: &str = "input";

/// How far a text got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is no scenario.
    Refused(ScenarioError),
    /// It is one, and too large to be played here.
    Read,
    /// Its `config` lines do not describe a Raft.
    Unconfigured(String),
    /// A line names no event that can happen.
    Impossible(ScenarioError),
    /// It was played: so many events.
    Played(usize),
}

/// Reads the text that `data` is.
///
/// # Panics
/// If one of the rules above does not hold.
pub fn run(data: &[u8]) {
    examine(&text(data));
}

/// The text that an input is.
pub fn text(data: &[u8]) -> String {
    match data.split_first() {
        Some((head, rest)) if head & 1 == 1 => made(&mut Source::new(rest)),
        Some((_, rest)) => String::from_utf8_lossy(rest).into_owned(),
        None => String::new(),
    }
}

/// Headers that are in order, for texts that are to get as far as their events.
const HEADERS: [&str; 4] = [
    "nodes 3\nconfig pre-vote 0\nop Put(0,1)\nop Get(0)\ncrashes 1\nsyncing prefix\n",
    "nodes 2\nop Cas(0,1,2)\nduplicates 1\ndrops 1\nflushing deferred\n",
    "nodes 3\ntwin n1\nop Put(0,1)\ndisk-failures 1\nsyncing whole\nidentical count\n",
    "nodes 1\nconfig batch-entries-max 1\nop Put(0,1)\nop Get(0)\n",
];

/// Event lines, and beginnings of them.
const EVENTS: [&str; 32] = [
    "timeout n0 Election\n",
    "timeout n0\n",
    "timeout n1 Election\n",
    "timeout n1 Heartbeat\n",
    "timeout ",
    "deliver n0 n1\n",
    "deliver n1 n0\n",
    "deliver n0 n2\n",
    "deliver n2 n0\n",
    "deliver n0 n1'\n",
    "deliver n1\n",
    "deliver ",
    "duplicate n0 n1\n",
    "duplicate ",
    "drop n0 n1\n",
    "drop ",
    "invoke n0\n",
    "invoke n1 op0\n",
    "invoke ",
    "flush n0\n",
    "sync n0\n",
    "sync n0 1\n",
    "sync n1\n",
    "sync ",
    "disk-fail n0\n",
    "crash n0 0\n",
    "crash n1 1\n",
    "crash ",
    "restart n0\n",
    "restart ",
    "choose 0\n",
    "advance n0\n",
];

/// Lines of a header and beginnings of them, and what may stand after a beginning.
const PIECES: [&str; 48] = [
    "nodes 3\n",
    "nodes 2\n",
    "nodes ",
    "twin n1\n",
    "twin ",
    "op Put(0,1)\n",
    "op Get(0)\n",
    "op Cas(0,1,2)\n",
    "op ",
    "config pre-vote 0\n",
    "config append-entries-max 2\n",
    "config in-flight-entries-max 1\n",
    "config uncommitted-entries-max 1\n",
    "config ",
    "crashes ",
    "crashes 2\n",
    "duplicates ",
    "drops ",
    "disk-failures ",
    "in-flight ",
    "clock-steps 2\n",
    "clock-steps ",
    "clock-step ",
    "identical count\n",
    "identical merge\n",
    "identical ",
    "flushing deferred\n",
    "flushing eager\n",
    "flushing ",
    "syncing whole\n",
    "syncing prefix\n",
    "syncing eager\n",
    "syncing ",
    "@12us ",
    "@",
    "----\n",
    "ok\n",
    "violates election_safety\n",
    "# ",
    "Election",
    "op0 ",
    "Put(0,1)",
    "n0 ",
    "n0' ",
    "n",
    "\n",
    " ",
    "é",
];

/// A text of pieces. The first byte may put a header in front, and then may leave the text to event lines.
fn made(source: &mut Source<'_>) -> String {
    let way = source.byte();
    let mut text = String::new();
    if way & 3 != 0 {
        text.push_str(HEADERS[usize::from(way >> 6)]);
    }
    while !source.is_empty() && text.len() < MADE_BYTES_MAX {
        match source.byte() {
            event if (way & 2 != 0 && event < 255) || event < 64 => {
                text.push_str(EVENTS[usize::from(event) % EVENTS.len()]);
            }
            piece @ ..192 => text.push_str(PIECES[usize::from(piece) % PIECES.len()]),
            digit @ 192..232 => {
                let _ = write!(text, "{}", digit % 8);
            }
            232..244 => text.push(char::from(source.byte())),
            _ => {
                let _ = write!(text, "{}", source.near(u64::from(u32::MAX)));
            }
        }
    }
    text
}

/// Reads a text, and says how far it got.
///
/// # Panics
/// If one of the rules above does not hold.
pub fn examine(text: &str) -> Fate {
    let scenario = match Scenario::<Op>::parse(FILE, text) {
        Ok(scenario) => scenario,
        Err(error) => {
            judge_error(&error, text);
            return Fate::Refused(error);
        }
    };
    judge_header(&scenario);
    if text.len() > PLAYED_BYTES_MAX || scenario.nodes > PLAYED_NODES_MAX {
        return Fate::Read;
    }
    let setup = match configure::<Node>(&scenario) {
        Ok(setup) => setup,
        Err(reason) => return Fate::Unconfigured(reason),
    };
    let played = match scenario.play::<Node, RaftProperties>(&setup) {
        Ok(played) => played,
        Err(error) => {
            judge_error(&error, text);
            return Fate::Impossible(error);
        }
    };
    assert_eq!(played.violation, None, "a scripted run breaks a property:\n{text}");
    let events: Vec<Event<Node>> = played.trace.events().cloned().collect();
    let printed = scenario_text::<Node, RaftProperties>(&setup, &events, "");
    let again = Scenario::<Op>::read(FILE, &printed);
    let again = again.unwrap_or_else(|error| panic!("what was printed is refused: {error}\n{printed}"));
    let setup = configure::<Node>(&again).unwrap_or_else(|reason| panic!("{reason}\n{printed}"));
    let twice = again.play::<Node, RaftProperties>(&setup);
    let twice = twice.unwrap_or_else(|error| panic!("what was printed cannot be played: {error}\n{printed}"));
    assert_eq!(twice.transcript, played.transcript, "what was printed plays otherwise:\n{printed}");
    again.compare(&twice).unwrap_or_else(|error| panic!("its own transcript differs: {error}\n{printed}"));
    Fate::Played(events.len())
}

fn judge_error(error: &ScenarioError, text: &str) {
    assert_eq!(error.file, FILE);
    let lines = text.lines().count().max(1);
    assert!((1..=lines).contains(&error.line), "{error}: there are {lines} lines");
    assert!(!error.reason.is_empty(), "a refusal of line {} without a reason", error.line);
}

/// Prints the header and reads it again.
fn judge_header(scenario: &Scenario<Op>) {
    let mut header = scenario.setup::<Node>(swarm_raft::Config::new(scenario.nodes)).header();
    for (key, value) in &scenario.config {
        let _ = writeln!(header, "config {key} {value}");
    }
    let again = Scenario::<Op>::parse(FILE, &header);
    let again = again.unwrap_or_else(|error| panic!("a printed header is refused: {error}\n{header}"));
    let parts = |scenario: &Scenario<Op>| {
        let Scenario { nodes, twins, ops, bounds, config, .. } = scenario;
        (*nodes, twins.clone(), ops.clone(), *bounds, config.clone())
    };
    assert_eq!(parts(&again), parts(scenario), "the header means something else:\n{header}");
}
