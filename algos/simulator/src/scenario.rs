//! Scenario files: a run written down, and the transcript that it must produce.
//!
//! A file is a header, events, a line `----`, and a transcript:
//!
//! ```text
//! # What this shows, in a sentence.
//! version 1
//! nodes 2
//! crashes 1
//! op Write(7)
//! invoke n0 op0
//! crash n0 0
//! ----
//! invoke n0 op0 Write(7)
//!     persist w1 ..
//!     n0 ..
//! crash n0 0
//!     n0 down
//! ok
//! check 63a1e9b2d2f0c487
//! ```
//!
//! - `version 1` is the version of this format ([`VERSION`]). Another one is refused, whatever else stands there.
//! - Header: `nodes N`, `twin n0`, `op OP` (read by the operation's `FromStr`), `config KEY VALUE` (its
//!   meaning is up to whoever makes the setup), and the bounds of [`Bounds`]: `crashes`, `duplicates`,
//!   `drops`, `disk-failures`, `timeouts`, `in-flight`, `clock-steps`, `clock-step` (microseconds),
//!   `identical merge|count`, `flushing eager|deferred`,
//!   `syncing eager|whole|prefix|blocking`.
//! - Events are matched by text with those enabled: the whole text, or the beginning of exactly one. So
//!   no protocol needs a parser, and an event that cannot happen is an error that names those that can.
//!   An instant before an event (`@120us`) is skipped: a world knows no time.
//! - Transcript: each event in full, then, indented, the effects it had and the node it touched; then
//!   `ok` or `violates PROPERTY`.
//! - Last a check over all lines that are no comments.
//!
//! **What is trusted.** [`Scenario::parse`] reads any script, with or without the parts that only a finished file has.
//! [`Scenario::read`] reads a finished file, and refuses one that was cut short or changed since it was written, with
//! the line. To change one on purpose, change its script and let `UPDATE_SCENARIOS=1` write the rest ([`check_file`]);
//! a script without a transcript needs no more than the check, which the refusal names.
//!
//! Any text is read without a panic, and memory is bounded by the limits below. Verified by tests that
//! break files in every way listed there, that cut short and change every line of a finished one, and by playing
//! what traces print.

use core::fmt::{self, Display, Write as _};
use core::hash::Hash;
use core::str::FromStr;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use swarm_protocol::{NodeId, Properties, Protocol, Ticks, Violation, mix};

use crate::event::EventClass;
use crate::world::{FlushMode, Identical, SyncMode};
use crate::{Bounds, Event, Setup, Subject, Trace, World};

/// The version of scenario files that is written and read.
pub const VERSION: u32 = 1;
/// The longest file, in bytes.
pub const BYTES_MAX: usize = 1 << 20;
/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 14;
/// The most nodes.
pub const NODES_MAX: u32 = 64;
/// The most operations.
pub const OPS_MAX: usize = 256;
/// The most messages in flight.
pub const IN_FLIGHT_MAX: u32 = 1000;
/// The most events.
pub const EVENTS_MAX: usize = 10_000;

/// How many enabled events an error names.
const CANDIDATES_MAX: usize = 20;

/// Where a scenario is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, as it was named.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl std::error::Error for ScenarioError {}

/// A scenario file as it was read.
#[derive(Clone, Debug)]
pub struct Scenario<Op> {
    /// The number of nodes.
    pub nodes: u32,
    /// Nodes with a twin.
    pub twins: Vec<NodeId>,
    /// What clients ask for.
    pub ops: Vec<Op>,
    /// How much may go wrong.
    pub bounds: Bounds,
    /// Settings by name, for whoever makes the protocol's configuration.
    pub config: BTreeMap<String, String>,
    file: String,
    /// A line says of which version the file is.
    versioned: bool,
    /// The line with the check was read.
    finished: bool,
    /// The lines of events with their numbers.
    script: Vec<(usize, String)>,
    /// The transcript, if the file has one, and the number of its first line.
    expected: Option<(usize, Vec<String>)>,
}

/// A scenario that was played.
#[derive(Clone, Debug)]
pub struct Played<P: Protocol> {
    /// What happened.
    pub trace: Trace<P>,
    /// What a reader sees of it, one line each.
    pub transcript: Vec<String>,
    /// The property that the last event broke.
    pub violation: Option<Violation>,
}

impl<Op: FromStr<Err: Display>> Scenario<Op> {
    /// Reads a scenario; `file` is the name that errors give.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let mut scenario = Scenario {
            nodes: 0,
            twins: Vec::new(),
            ops: Vec::new(),
            bounds: Bounds::default(),
            config: BTreeMap::new(),
            file: file.to_owned(),
            versioned: false,
            finished: false,
            script: Vec::new(),
            expected: None,
        };
        if text.len() > BYTES_MAX {
            return Err(scenario.error(1, format!("the file has more than {BYTES_MAX} bytes")));
        }
        // Before anything else: what stands in a file of another version may mean anything.
        if let Some((line, version)) = version_line(text)
            && version.parse() != Ok(VERSION)
        {
            let reason = format!("version `{version}` of scenario files; this reads version {VERSION}");
            return Err(scenario.error(line, reason));
        }
        for (line, text) in (1..).zip(text.lines()) {
            scenario.read_line(line, text).map_err(|reason| scenario.error(line, reason))?;
        }
        if scenario.nodes == 0 {
            return Err(scenario.error(1, "a line `nodes N` is missing"));
        }
        Ok(scenario)
    }

    /// Reads a finished file, as [`write()`] and [`check_file`] leave it.
    ///
    /// # Errors
    /// A line that is wrong, also if it is merely not what was written: the file was cut short or changed.
    pub fn read(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario = Self::parse(file, text)?;
        if version_line(text).is_none() {
            let reason = format!("a line `version {VERSION}` is missing: the file is of no version");
            return Err(scenario.error(1, reason));
        }
        scenario.unchanged(text).map_err(|(line, reason)| scenario.error(line, reason))?;
        Ok(scenario)
    }

    fn read_line(&mut self, line: usize, text: &str) -> Result<(), String> {
        if text.len() > LINE_BYTES_MAX {
            return Err(format!("the line has more than {LINE_BYTES_MAX} bytes"));
        }
        if self.finished && !text.trim().is_empty() {
            return Err("nothing stands behind the check".to_owned());
        }
        self.finished |= text.starts_with(CHECK);
        if let Some((_, expected)) = &mut self.expected {
            expected.push(text.trim_end().to_owned());
            return Ok(());
        }
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') || self.finished {
            return Ok(());
        }
        if text == SEPARATOR {
            self.expected = Some((line + 1, Vec::new()));
            return Ok(());
        }
        let text = without_instant(text);
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if EventClass::ALL.iter().any(|class| class.name() == word) {
            if self.script.len() == EVENTS_MAX {
                return Err(format!("there are more than {EVENTS_MAX} events"));
            }
            self.script.push((line, text.to_owned()));
            return Ok(());
        }
        if !self.script.is_empty() {
            return Err(format!("`{word}` is no event, and the header ends where events begin"));
        }
        self.read_header(word, rest.trim())
    }

    fn read_header(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let number =
            || rest.parse::<u32>().map_err(|_| format!("`{rest}` is not a number that {word} can be"));
        let one_of = |ways: &str| format!("`{rest}` is none of {ways}");
        match word {
            "version" if self.versioned => return Err("the version is said twice".to_owned()),
            "version" => self.versioned = true,
            "nodes" if self.nodes > 0 => return Err("the number of nodes is set twice".to_owned()),
            "nodes" => match number()? {
                nodes @ 1..=NODES_MAX => self.nodes = nodes,
                nodes => return Err(format!("{nodes} is not between 1 and {NODES_MAX} nodes")),
            },
            "twin" => {
                let node: NodeId = rest.parse()?;
                if node.0 >= self.nodes {
                    return Err(format!("{node} is not one of the {} nodes named so far", self.nodes));
                }
                if self.twins.contains(&node) {
                    return Err(format!("{node} has a twin already"));
                }
                self.twins.push(node);
            }
            "op" if self.ops.len() == OPS_MAX => {
                return Err(format!("there are more than {OPS_MAX} operations"));
            }
            "op" => self.ops.push(rest.parse().map_err(|error| format!("operation: {error}"))?),
            "config" => {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                if self.config.insert(key.to_owned(), value.trim().to_owned()).is_some() {
                    return Err(format!("config {key} is set twice"));
                }
            }
            "crashes" => self.bounds.crashes = number()?,
            "duplicates" => self.bounds.duplicates = number()?,
            "drops" => self.bounds.drops = number()?,
            "disk-failures" => self.bounds.disk_failures = number()?,
            "timeouts" => self.bounds.timeouts = number()?,
            "in-flight" => match number()? {
                limit @ 0..=IN_FLIGHT_MAX => self.bounds.in_flight = limit,
                limit => return Err(format!("{limit} messages in flight are more than {IN_FLIGHT_MAX}")),
            },
            "clock-steps" => self.bounds.clock_steps = number()?,
            "clock-step" => self.bounds.clock_step = Ticks(u64::from(number()?)),
            "identical" => {
                self.bounds.identical = match rest {
                    "merge" => Identical::Merge,
                    "count" => Identical::Count,
                    _ => return Err(one_of("merge, count")),
                }
            }
            "flushing" => {
                self.bounds.flush = match rest {
                    "eager" => FlushMode::Eager,
                    "deferred" => FlushMode::Deferred,
                    _ => return Err(one_of("eager, deferred")),
                }
            }
            "syncing" => {
                self.bounds.sync = match rest {
                    "eager" => SyncMode::Eager,
                    "whole" => SyncMode::Whole,
                    "prefix" => SyncMode::Prefix,
                    "blocking" => SyncMode::Blocking,
                    _ => return Err(one_of("eager, whole, prefix, blocking")),
                }
            }
            _ => return Err(format!("`{word}` is neither a setting nor an event")),
        }
        Ok(())
    }
}

const SEPARATOR: &str = "----";

/// What begins the last line of a finished file.
const CHECK: &str = "check ";

/// The first line that says of which version a file is, with its number.
fn version_line(text: &str) -> Option<(usize, &str)> {
    let header = text.lines().take_while(|line| line.trim() != SEPARATOR);
    (1..).zip(header).find_map(|(number, line)| {
        let (word, version) = line.trim().split_once(' ')?;
        (word == "version").then(|| (number, version.trim()))
    })
}

/// A check over the lines of a file: those that are no comments, up to the one that holds the check.
fn check_of<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut sum = u64::from(VERSION);
    for line in lines.map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        for chunk in line.as_bytes().chunks(8) {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            sum = mix(sum ^ word);
        }
        sum = mix(sum ^ line.len() as u64);
    }
    format!("{CHECK}{sum:016x}")
}

/// A finished file with these `config` lines in its header, and finished again.
pub fn configured(text: &str, settings: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(CHECK)).collect();
    // Right behind the version, or at the top of a text without one.
    let place = version_line(text).map_or(0, |(line, _)| line);
    lines.splice(place..place, settings.lines());
    finished(&lines)
}

/// The file of these lines, with its check.
fn finished(lines: &[&str]) -> String {
    let mut text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
    text.push_str(&check_of(lines.iter().copied()));
    text.push('\n');
    text
}

/// A line without the instant before its event.
fn without_instant(text: &str) -> &str {
    let instant = text.strip_prefix('@').and_then(|rest| rest.split_once(' '));
    match instant {
        Some((instant, event)) if instant.strip_suffix("us").is_some_and(|n| n.parse::<u64>().is_ok()) => {
            event.trim_start()
        }
        _ => text,
    }
}

impl<Op> Scenario<Op> {
    fn error(&self, line: usize, reason: impl Into<String>) -> ScenarioError {
        ScenarioError { file: self.file.clone(), line, reason: reason.into() }
    }

    /// What the scenario starts from, with the protocol configured so.
    pub fn setup<P: Protocol<Op = Op>>(&self, config: P::Config) -> Setup<P>
    where
        Op: Clone,
    {
        let setup = Setup::new(config, self.nodes).workload(self.ops.iter().cloned()).bounds(self.bounds);
        self.twins.iter().fold(setup, |setup, twin| setup.twin(*twin))
    }

    /// Plays the events of the file.
    ///
    /// # Errors
    /// The first line that names no enabled event, or several.
    pub fn play<P: Subject<Op = Op>, Q: Properties<P> + Eq + Hash>(
        &self,
        setup: &Setup<P>,
    ) -> Result<Played<P>, ScenarioError> {
        let mut world = World::<P, Q>::new(setup);
        let mut trace = Trace::new(setup.header());
        let mut transcript = Vec::new();
        let mut enabled = Vec::new();
        for (line, text) in &self.script {
            world.enabled(setup, &mut enabled);
            let event = find(&enabled, text).map_err(|reason| self.error(*line, reason))?;
            transcript.push(format!("{event:?}"));
            narrate(&mut world, setup, event, &mut transcript)
                .map_err(|reason| self.error(*line, reason.to_string()))?;
            trace.push(event.clone());
        }
        let violation = world.violation().cloned();
        transcript.push(match &violation {
            Some(violation) => format!("violates {}", violation.property),
            None => "ok".to_owned(),
        });
        Ok(Played { trace, transcript, violation })
    }

    /// Whether the file is as it was finished: the check at its end is that of its lines, and a transcript tells of the
    /// events of the script, to a verdict. If not, the line and what is wrong.
    fn unchanged(&self, text: &str) -> Result<(), (usize, String)> {
        let last = text.lines().count().max(1);
        let ends = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).last();
        let Some((check_line, check)) = ends.filter(|(_, line)| line.starts_with(CHECK)) else {
            return Err((last, "the file is cut short: the check at its end is missing".to_owned()));
        };
        if let Some((first, transcript)) = &self.expected {
            let transcript = transcript.iter().filter(|line| !line.starts_with(CHECK));
            let mut told =
                (*first..).zip(transcript).filter(|(_, line)| !line.is_empty() && !line.starts_with(' '));
            for (line, event) in &self.script {
                let Some((place, said)) = told.next() else {
                    return Err((*line, format!("the transcript does not tell of `{event}`{UPDATE}")));
                };
                if !said.starts_with(event.as_str()) {
                    let reason = format!("the script has `{event}` for what is told as `{said}`{UPDATE}");
                    return Err((place, reason));
                }
            }
            match told.next() {
                Some((_, verdict)) if verdict == "ok" || verdict.starts_with("violates ") => {}
                Some((line, other)) => {
                    return Err((line, format!("the script has nothing for `{other}`{UPDATE}")));
                }
                None => {
                    return Err((check_line, format!("the verdict of the transcript is missing{UPDATE}")));
                }
            }
        }
        let right = check_of(text.lines().take(check_line - 1));
        if check.trim_end() == right {
            return Ok(());
        }
        Err((check_line, format!("the lines above were changed: they now come to `{right}`{UPDATE}")))
    }

    /// Compares what was played with the transcript of the file.
    ///
    /// # Errors
    /// Where they part, with the lines in which they differ.
    pub fn compare<P: Protocol>(&self, played: &Played<P>) -> Result<(), ScenarioError> {
        let Some((first, expected)) = &self.expected else {
            return Err(self.error(1, "the file has no transcript; UPDATE_SCENARIOS=1 writes it"));
        };
        let is_told = |line: &String| !line.is_empty() && !line.starts_with(CHECK);
        let lines = expected.iter().rposition(is_told).map_or(0, |last| last + 1);
        let (expected, actual) = (&expected[..lines], &played.transcript[..]);
        if expected == actual {
            return Ok(());
        }
        let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
        let tail = expected[same..].iter().rev().zip(actual[same..].iter().rev());
        let same_tail = tail.take_while(|(a, b)| a == b).count();
        let mut reason = String::from("the run does not go as written (- expected, + happened)");
        for (sign, lines) in [('-', expected), ('+', actual)] {
            for text in &lines[same..lines.len() - same_tail] {
                let _ = write!(reason, "\n{sign} {text}");
            }
        }
        Err(self.error(first + same, reason))
    }
}

/// What to do about a file that is changed on purpose.
const UPDATE: &str = "; if that is on purpose, UPDATE_SCENARIOS=1 writes what follows the script anew";

/// The enabled event that `text` names.
fn find<'a, P: Protocol>(enabled: &'a [Event<P>], text: &str) -> Result<&'a Event<P>, String> {
    let lines: Vec<_> = enabled.iter().map(|event| (event, format!("{event:?}"))).collect();
    let ends_word = |line: &str| !line[text.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '\'');
    let levels: [&dyn Fn(&str) -> bool; 3] =
        [&|line| line == text, &|line| line.starts_with(text) && ends_word(line), &|line| {
            line.starts_with(text)
        }];
    for matches in levels {
        let found: Vec<_> = lines.iter().filter(|(_, line)| matches(line)).collect();
        match found[..] {
            [] => {}
            [(event, _)] => return Ok(event),
            _ => {
                let mut reason = format!("`{text}` may mean {} events:", found.len());
                list(&mut reason, found.iter().map(|(_, line)| line));
                return Err(reason);
            }
        }
    }
    let mut reason = format!("`{text}` is not enabled; these {} events are:", lines.len());
    list(&mut reason, lines.iter().map(|(_, line)| line));
    Err(reason)
}

fn list<'a>(reason: &mut String, lines: impl ExactSizeIterator<Item = &'a String>) {
    let more = lines.len().saturating_sub(CANDIDATES_MAX);
    for line in lines.take(CANDIDATES_MAX) {
        let _ = write!(reason, "\n    {line}");
    }
    if more > 0 {
        let _ = write!(reason, "\n    and {more} more");
    }
}

/// Lets an event happen and writes down its effects, the node it touched, and what it asked for.
fn narrate<P: Subject, Q: Properties<P> + Eq + Hash>(
    world: &mut World<P, Q>,
    setup: &Setup<P>,
    event: &Event<P>,
    transcript: &mut Vec<String>,
) -> Result<(), crate::NotEnabled> {
    let start = transcript.len();
    let mut touched = event.slot();
    let applied = world.apply_seen(setup, event, |slot, effect| {
        touched = Some(slot);
        transcript.push(format!("    {effect:?}"));
    });
    if applied.is_err() {
        transcript.truncate(start);
    }
    applied?;
    if let Some((label, ways)) = world.question() {
        // The effects of the step are thrown away, and come again with the answer.
        transcript.truncate(start);
        transcript.push(format!("    asks {label}: one of {ways}"));
    } else if let Some(slot) = touched {
        transcript.push(format!("    {}", world.describe(slot)));
    }
    Ok(())
}

/// A scenario file for this run: header, events, and the transcript of playing it. `comment` stands at
/// the top, one `#` line for each of its lines.
///
/// # Panics
/// If the run is not one of this setup.
pub fn write<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: &[Event<P>],
    comment: &str,
) -> String {
    let comment = comment.lines().map(|line| format!("# {line}"));
    let header: Vec<String> = setup.header().lines().map(str::to_owned).collect();
    let script = events.iter().map(|event| format!("{event:?}"));
    let mut lines: Vec<String> = comment.chain(header).chain(script).collect();
    let mut world = World::<P, Q>::new(setup);
    let mut transcript = Vec::new();
    for event in events {
        transcript.push(format!("{event:?}"));
        let narrated = narrate(&mut world, setup, event, &mut transcript);
        assert!(narrated.is_ok(), "{event:?} is not enabled: {narrated:?}");
    }
    let verdict = world.violation().map(|violation| format!("violates {}", violation.property));
    transcript.push(verdict.unwrap_or_else(|| "ok".to_owned()));
    lines.push(SEPARATOR.to_owned());
    lines.append(&mut transcript);
    finished(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Plays a finished file and compares its transcript; with the environment's `UPDATE_SCENARIOS=1`, plays its script
/// and finishes the file by that instead. `configure` makes the setup, by [`Scenario::setup`] or of its own.
///
/// # Errors
/// File, line and reason, in one text.
pub fn check_file<P, Q>(
    path: &Path,
    configure: impl FnOnce(&Scenario<P::Op>) -> Result<Setup<P>, String>,
) -> Result<Played<P>, String>
where
    P: Subject<Op: FromStr<Err: Display>>,
    Q: Properties<P> + Eq + Hash,
{
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let updates = std::env::var_os("UPDATE_SCENARIOS").is_some_and(|value| value == "1");
    let scenario = if updates { Scenario::parse(&file, &text) } else { Scenario::read(&file, &text) };
    let scenario = scenario.map_err(|error| error.to_string())?;
    let setup = configure(&scenario).map_err(|reason| format!("{file}:1: {reason}"))?;
    let played = scenario.play::<P, Q>(&setup).map_err(|error| error.to_string())?;
    if updates {
        let version = format!("version {VERSION}");
        let comment = text.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#')).count();
        let script = text.lines().take_while(|line| line.trim() != SEPARATOR && !line.starts_with(CHECK));
        let mut lines: Vec<&str> = script.collect();
        if !scenario.versioned {
            lines.insert(comment, &version);
        }
        lines.push(SEPARATOR);
        lines.extend(played.transcript.iter().map(String::as_str));
        replace(path, &finished(&lines)).map_err(|error| format!("{file}: {error}"))?;
    } else {
        scenario.compare(&played).map_err(|error| error.to_string())?;
    }
    Ok(played)
}

/// Replaces a file as a whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
