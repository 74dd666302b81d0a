//! What the first seeds of a campaign came to, as text: a campaign that is killed goes on from it.
//!
//! A ledger covers whole runs of seeds from the first on, so that going on from it neither loses nor repeats
//! one. One line says one thing, its parts apart by tabs; the last line is a hash of all before it. Runs that
//! violated something are named by their seeds alone: they are run again where they are wanted.
//!
//! Verified by `tests/it/ledger.rs`: what is written is read back equal, and a ledger that is cut short
//! anywhere, edited in any line, of another version or of another campaign is refused with line and reason.

use core::fmt::{self, Write};
use core::str::FromStr;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::{Account, Counts, Summary};
use crate::coverage::{Coverage, Overlap, States};
use crate::fingerprint::hash_of;

/// The first line. What a ledger says and how has this version.
const HEAD: &str = "swarmproof campaign 2";

/// The purpose of the hash in the last line.
const SUM: u64 = 0x1ED6;

/// What a campaign had come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    /// The first seed that has not been run; all seeds of the campaign below it have.
    pub next: u64,
    /// CPU time that they took, in microseconds.
    pub cpu_micros: u64,
    /// What they came to, [`Summary::violations`] left empty.
    pub summary: Summary,
    /// The seeds of those violations.
    pub violating: Vec<u64>,
}

/// Why a text is not the ledger that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Refusal {}

/// The ledger of a campaign whose seeds below `next` came to `summary`, in `cpu_micros` of CPU time.
/// `identity` says, in one line, which campaign of which program it is.
pub fn write(identity: &str, next: u64, cpu_micros: u64, summary: &Summary) -> String {
    // Taken apart as a whole: a field that is new cannot be forgotten here.
    let Summary {
        runs,
        steps,
        digest,
        time,
        events,
        faults,
        marks,
        refusals,
        completed,
        open,
        not_taken,
        recovery_millis,
        cut_short,
        undecided,
        linearizable,
        repeated,
        reached,
        coverage,
        outside,
        outside_violated,
        account,
        violated,
        violations,
    } = summary;
    let Account {
        down_most,
        lost,
        forgetful,
        refused,
        drift_per_million_most,
        jumps,
        byzantine,
        declined,
        // Told by `outside` above.
        outside: _,
    } = account;
    let mut out = format!("{HEAD}\nof\t{}\n", identity.replace(['\n', '\t'], " "));
    let mut line = |parts: &[&dyn fmt::Display]| {
        for (place, part) in parts.iter().enumerate() {
            write!(out, "{}{part}", if place == 0 { "" } else { "\t" }).expect("a string takes all");
        }
        out.push('\n');
    };
    for (word, value) in [
        ("next", next),
        ("cpu-micros", cpu_micros),
        ("runs", *runs),
        ("steps", *steps),
        ("digest", *digest),
        ("time-micros", time.0),
        ("completed", *completed),
        ("open", *open),
        ("not-taken", *not_taken),
        ("cut-short", *cut_short),
        ("undecided", *undecided),
        ("linearizable", *linearizable),
        ("repeated", *repeated),
        ("down-most", *down_most),
        ("lost", *lost),
        ("forgetful", *forgetful),
        ("refused", *refused),
        ("drift-per-million-most", *drift_per_million_most),
        ("jumps", *jumps),
        ("byzantine", *byzantine),
        ("declined", *declined),
    ] {
        line(&[&word, &value]);
    }
    for (word, counts) in [
        ("event", events),
        ("fault", faults),
        ("mark", marks),
        ("refusal", refusals),
        ("reached", reached),
        ("violated", violated),
        ("outside", outside),
        ("outside-violated", outside_violated),
    ] {
        for (name, count) in counts {
            line(&[&word, name, count]);
        }
    }
    for (millis, runs) in recovery_millis {
        line(&[&"recovered", millis, runs]);
    }
    for run in violations {
        line(&[&"violating", &run.seed]);
    }
    if let Some(coverage) = coverage {
        let Coverage { states, faults, messages, overlaps } = &**coverage;
        let (runs, level, kept) = states.parts();
        line(&[&"covered", &runs, &level]);
        for (state, runs) in kept {
            line(&[&"state", state, runs]);
        }
        for ((fault, role, phase), count) in faults {
            line(&[&"met", fault, role, phase, count]);
        }
        for ((before, kind), count) in messages {
            line(&[&"took", before, kind, count]);
        }
        for ((one, how, other), count) in overlaps {
            line(&[&"overlap", one, &how.name(), other, count]);
        }
    }
    let sum = hash_of(SUM, out.as_str());
    writeln!(out, "sum\t{sum:016x}").expect("a string takes all");
    out
}

/// Reads the ledger of the campaign that goes by `identity`.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read(text: &str, identity: &str) -> Result<Ledger, Refusal> {
    let refused = |line: usize, reason: String| Refusal { line, reason };
    let lines: Vec<&str> = text.lines().collect();
    if lines.first().is_none_or(|head| *head != HEAD) {
        return Err(refused(1, format!("not a ledger of this version, which begins with `{HEAD}`")));
    }
    let of = format!("of\t{}", identity.replace(['\n', '\t'], " "));
    if lines.get(1).is_none_or(|line| *line != of) {
        let found = lines.get(1).unwrap_or(&"").trim_start_matches("of\t");
        return Err(refused(2, format!("the ledger is that of another campaign: {found}")));
    }
    let body = text.rfind("sum\t").filter(|_| text.ends_with('\n')).map_or("", |end| &text[..end]);
    let sum = format!("sum\t{:016x}", hash_of(SUM, body));
    if body.is_empty() || lines.last() != Some(&sum.as_str()) {
        return Err(refused(lines.len(), "the ledger is cut short, or was edited".to_owned()));
    }
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(&lines).skip(2).take(lines.len() - 3) {
        let parts: Vec<&str> = line.split('\t').collect();
        reader.take(&parts).map_err(|reason| refused(number, reason))?;
    }
    reader.finish().map_err(|reason| refused(lines.len(), reason))
}

#[derive(Default)]
struct Reader {
    next: Option<u64>,
    cpu_micros: u64,
    summary: Summary,
    violating: Vec<u64>,
    /// Runs, level, and states with their runs.
    states: (u64, u32, Vec<(u64, u64)>),
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

impl Reader {
    fn take(&mut self, parts: &[&str]) -> Result<(), String> {
        let summary = &mut self.summary;
        match parts {
            [word, value] => {
                let value = number(value)?;
                let place = match *word {
                    "next" => self.next.insert(value),
                    "cpu-micros" => &mut self.cpu_micros,
                    "runs" => &mut summary.runs,
                    "steps" => &mut summary.steps,
                    "digest" => &mut summary.digest,
                    "time-micros" => &mut summary.time.0,
                    "completed" => &mut summary.completed,
                    "open" => &mut summary.open,
                    "not-taken" => &mut summary.not_taken,
                    "cut-short" => &mut summary.cut_short,
                    "undecided" => &mut summary.undecided,
                    "linearizable" => &mut summary.linearizable,
                    "repeated" => &mut summary.repeated,
                    "down-most" => &mut summary.account.down_most,
                    "lost" => &mut summary.account.lost,
                    "forgetful" => &mut summary.account.forgetful,
                    "refused" => &mut summary.account.refused,
                    "drift-per-million-most" => &mut summary.account.drift_per_million_most,
                    "jumps" => &mut summary.account.jumps,
                    "byzantine" => &mut summary.account.byzantine,
                    "declined" => &mut summary.account.declined,
                    "violating" => {
                        self.violating.push(value);
                        return Ok(());
                    }
                    _ => return Err(format!("`{word}` is not known here")),
                };
                *place = value;
            }
            ["recovered", millis, runs] => {
                summary.recovery_millis.insert(number(millis)?, number(runs)?);
            }
            ["covered", runs, level] => {
                self.states = (number(runs)?, number(level)?, Vec::new());
                summary.coverage.get_or_insert_default();
            }
            ["state", state, runs] => self.states.2.push((number(state)?, number(runs)?)),
            [word, name, count] => {
                let counts: &mut Counts = match *word {
                    "event" => &mut summary.events,
                    "fault" => &mut summary.faults,
                    "mark" => &mut summary.marks,
                    "refusal" => &mut summary.refusals,
                    "reached" => &mut summary.reached,
                    "violated" => &mut summary.violated,
                    "outside" => &mut summary.outside,
                    "outside-violated" => &mut summary.outside_violated,
                    _ => return Err(format!("`{word}` is not known here")),
                };
                counts.insert(kept(name), number(count)?);
            }
            ["took", before, kind, count] => {
                self.coverage()?.messages.insert((kept(before), kept(kind)), number(count)?);
            }
            ["met", fault, role, phase, count] => {
                self.coverage()?.faults.insert((kept(fault), kept(role), kept(phase)), number(count)?);
            }
            ["overlap", one, how, other, count] => {
                let known = [Overlap::Within, Overlap::Before].into_iter().find(|known| known.name() == *how);
                let how = known.ok_or_else(|| format!("`{how}` is not a way to overlap"))?;
                self.coverage()?.overlaps.insert((kept(one), how, kept(other)), number(count)?);
            }
            _ => return Err("a line of another kind".to_owned()),
        }
        Ok(())
    }

    fn coverage(&mut self) -> Result<&mut Coverage, String> {
        self.summary.coverage.as_deref_mut().ok_or_else(|| "coverage before `covered`".to_owned())
    }

    fn finish(mut self) -> Result<Ledger, String> {
        let next = self.next.ok_or("the ledger does not say which seed is next")?;
        let (runs, level, kept) = self.states;
        if let Some(coverage) = &mut self.summary.coverage {
            coverage.states = States::of_parts(runs, level, kept);
        }
        Ok(Ledger { next, cpu_micros: self.cpu_micros, summary: self.summary, violating: self.violating })
    }
}

/// The same name, as long-lived as those in the code: there are few, and each is kept once.
fn kept(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}
