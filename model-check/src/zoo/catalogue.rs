//! Bugs as data.
//!
//! ```toml
//! ten = ["vote-not-persisted"]            # those that a quick test of everything hunts; the zoo hunts all
//!
//! [[bug]]
//! id = "vote-not-persisted"
//! title = "a vote leaves before it is durable"
//! source = "Raft Fig. 2; tikv 1610"
//! feature = "elections"                   # the part of the algorithm that it is a bug of
//! property = "election_safety"            # what it must break
//! also = ["leader_completeness"]          # what an engine may see first instead
//! ground = "elections"                    # where to look
//! engine = "checker"                      # who is expected to find it
//! hard = true                             # random search is known to miss it; then there is a
//! scenario = "scenarios/it.scenario"      # that shows it
//! note = "No no-op hides it."             # what else was changed; needed where there are several edits
//! timed = true                            # it shows where clocks keep within their bound, which a world's do not
//! apart = "it adds a field"               # why its edits cannot be choices at run time: it has a copy of its own
//!
//! [[bug.edit]]
//! file = "src/election.rs"
//! text = "the exact text, found once"     # an expression or statements; see `schemata`
//! with = "what stands there instead"
//! companion = true                        # no part of the bug: the control has it, too
//! ```
//!
//! The sources carry no switches, so an edit whose text is not found exactly once fails loudly: the code has
//! moved on, and the zoo must follow. Verified by `tests/it/zoo.rs`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::hunt::Engine;
use super::schemata::{self, Choosable, Copy, Sources};

/// The bugs of one algorithm.
#[derive(Debug)]
pub struct Catalogue {
    /// The algorithm's folder name.
    pub algorithm: String,
    /// In the order of the file.
    pub bugs: Vec<Bug>,
    /// The ids of those that stand for all where there is no time for all: ten, of every engine and every feature.
    pub ten: Vec<String>,
    file: PathBuf,
    text: String,
}

/// One bug.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Its name: lower-case letters, digits and dashes.
    pub id: Spanned<String>,
    /// What is wrong, in a line.
    pub title: String,
    /// What else was changed to bring it about, and why, where an edit does more than put the bug back.
    pub note: Option<String>,
    /// Where it was seen.
    pub source: String,
    /// The part of the algorithm that it is a bug of, in a word.
    pub feature: String,
    /// The property that it must break.
    pub property: String,
    /// Properties that an engine may see broken first instead.
    #[serde(default)]
    pub also: Vec<String>,
    /// The ground to hunt on.
    pub ground: String,
    /// The engine that is expected to find it; none where a scenario written by hand has to show it.
    pub engine: Option<Engine>,
    /// Whether random search is known to miss it.
    #[serde(default)]
    pub hard: bool,
    /// Whether every engine must find it: it shows that the pipeline is alive.
    #[serde(default)]
    pub canary: bool,
    /// Whether it is one only where clocks keep within their bound, as the simulator's do and a world's do not: then a
    /// run that the simulator has found and shortened may break the control, too, when a world plays it.
    #[serde(default)]
    pub timed: bool,
    /// Why its edits cannot be choices at run time: then it has a copy of its own.
    pub apart: Option<String>,
    /// A scenario that shows it, from the folder of the catalogue: written by hand for a bug that random search
    /// misses.
    pub scenario: Option<String>,
    /// What to replace.
    pub edit: Vec<Edit>,
}

impl Bug {
    /// What this bug is compared with: the crate as it is, or with those edits alone that are no part of
    /// the bug.
    pub fn control(&self) -> String {
        if self.edit.iter().any(|edit| edit.companion) {
            format!("{}{CONTROL_SUFFIX}", self.id())
        } else {
            CONTROL.to_owned()
        }
    }

    /// The bug without what is the bug: the edits that its control has.
    pub fn without(&self) -> Bug {
        let edit = self.edit.iter().filter(|edit| edit.companion).cloned().collect();
        Bug { edit, ..self.clone() }
    }

    /// The bug's name.
    pub fn id(&self) -> &str {
        self.id.get_ref()
    }

    /// The bug in words, with what else was changed.
    pub fn told(&self) -> String {
        let note = self.note.as_ref().map(|note| format!(". {note}"));
        format!("{}{}", self.title, note.unwrap_or_default())
    }

    /// Whether breaking `property` counts as finding this bug.
    pub fn breaks(&self, property: &str) -> bool {
        self.property == property || self.also.iter().any(|also| also == property)
    }

    /// The edits as a reader sees them.
    pub fn diff(&self) -> String {
        let mut diff = Vec::new();
        for edit in &self.edit {
            diff.push(format!("--- {}", edit.file));
            diff.extend(edit.text.get_ref().trim_end().lines().map(|line| format!("-{line}")));
            diff.extend(edit.with.trim_end().lines().map(|line| format!("+{line}")));
        }
        diff.join("\n")
    }
}

/// One replacement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from the crate's folder.
    pub file: String,
    /// What must stand there exactly once.
    pub text: Spanned<String>,
    /// What stands there instead.
    pub with: String,
    /// Whether this edit is no part of the bug but of the ground for it: then the control has it, too.
    #[serde(default)]
    pub companion: bool,
}

/// What is wrong with a catalogue, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.reason)
    }
}

impl std::error::Error for CatalogueError {}

/// The file of the root table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    ten: Vec<Spanned<String>>,
    bug: Vec<Bug>,
}

impl Catalogue {
    /// Reads a catalogue; `file` is named in errors.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(algorithm: &str, file: &Path, text: &str) -> Result<Self, CatalogueError> {
        let read: File = toml::from_str(text).map_err(|error| CatalogueError {
            file: file.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            reason: error.message().to_owned(),
        })?;
        let catalogue = Catalogue {
            algorithm: algorithm.to_owned(),
            bugs: read.bug,
            ten: read.ten.iter().map(|id| id.get_ref().clone()).collect(),
            file: file.to_owned(),
            text: text.to_owned(),
        };
        for (i, bug) in catalogue.bugs.iter().enumerate() {
            let name = bug.id();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty()
                || name == CONTROL
                || name.ends_with(CONTROL_SUFFIX)
                || !name.chars().all(plain)
            {
                let reason = format!("`{}` cannot name a bug", name.escape_debug());
                return Err(catalogue.error(&bug.id, reason));
            }
            if catalogue.bugs[..i].iter().any(|other| other.id() == name) {
                return Err(catalogue.error(&bug.id, format!("`{name}` stands here twice")));
            }
            if bug.edit.iter().all(|edit| edit.companion) {
                return Err(catalogue.error(&bug.id, format!("`{name}` edits nothing")));
            }
            if bug.edit.len() > 1 && bug.note.is_none() {
                let reason = format!("`{name}` has several edits, and no note says what else they change");
                return Err(catalogue.error(&bug.id, reason));
            }
            if bug.scenario.is_none() && (bug.hard || bug.engine.is_none()) {
                let reason =
                    format!("`{name}` has no engine that finds it, or is hard, and no scenario shows it");
                return Err(catalogue.error(&bug.id, reason));
            }
        }
        for (i, id) in read.ten.iter().enumerate() {
            let name = id.get_ref();
            if !catalogue.bugs.iter().any(|bug| bug.id() == name) {
                return Err(catalogue.error(id, format!("there is no bug `{}`", name.escape_debug())));
            }
            if read.ten[..i].iter().any(|other| other.get_ref() == name) {
                return Err(catalogue.error(id, format!("`{name}` stands for all twice")));
            }
        }
        Ok(catalogue)
    }

    /// Whether the bug is one of those that stand for all.
    pub fn is_of_ten(&self, bug: &Bug) -> bool {
        self.ten.iter().any(|id| id == bug.id())
    }

    /// The copies that hold all bugs that are choices, and in which of them each is; none where a bug is apart.
    ///
    /// # Errors
    /// If a text is not found exactly once, or no choice can be made of an edit.
    pub fn copies(&self, sources: &Sources) -> Result<(Vec<Copy>, Vec<Option<usize>>), CatalogueError> {
        let bugs = self.bugs.iter().enumerate().filter(|(_, bug)| bug.apart.is_none());
        let bugs: Vec<_> =
            bugs.map(|(at, bug)| Choosable { number: at + 1, id: bug.id(), edits: &bug.edit }).collect();
        let (copies, places) = schemata::copies(&bugs, sources, |place, reason| self.error(place, reason))?;
        let mut of_bugs = vec![None; self.bugs.len()];
        for (bug, place) in bugs.iter().zip(places) {
            of_bugs[bug.number - 1] = Some(place);
        }
        Ok((copies, of_bugs))
    }

    /// What `source` of `file` (both as the edits name them) becomes under the edits of `bug`.
    ///
    /// # Errors
    /// If the text of an edit is not there exactly once.
    pub fn edited(&self, bug: &Bug, file: &str, source: &str) -> Result<String, CatalogueError> {
        let mut source = source.to_owned();
        for edit in bug.edit.iter().filter(|edit| edit.file == file) {
            let text = edit.text.get_ref().as_str();
            let count = if text.is_empty() { 0 } else { source.matches(text).count() };
            if count != 1 {
                let reason = format!("{}: the text stands {count} times in {file}, not once", bug.id());
                return Err(self.error(&edit.text, reason));
            }
            source = source.replacen(text, &edit.with, 1);
        }
        Ok(source)
    }

    /// An error at the place of something that was read.
    pub fn error<T>(&self, place: &Spanned<T>, reason: String) -> CatalogueError {
        CatalogueError { file: self.file.clone(), line: line_of(&self.text, place.span().start), reason }
    }
}

/// The name under which the crate without any edit goes.
pub const CONTROL: &str = "control";

/// What the name of a control with edits of its own ends with.
const CONTROL_SUFFIX: &str = "-control";

/// The line of a place in a text, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
