//! Bugs between threads, as data.
//!
//! ```toml
//! kind = "threads"
//! ten = ["steal-that-stores"]             # those that a quick test of everything hunts by every engine
//!
//! [[bug]]
//! id = "steal-that-stores"
//! title = "a thief moves the front by a store"
//! source = "Chase, Lev 2005"
//! feature = "chase-lev"                   # the part of the crate that it is a bug of
//! visible = "sc"                          # whether sequentially consistent memory shows it: "sc" or "weak"
//! equivalent = "it may run twice"         # why nothing can notice it: then nothing must
//! canary = true                           # every engine must find it
//! note = "It also …"                      # needed where there are several edits
//!
//! [[bug.edit]]
//! file = "src/chase_lev.rs"
//! text = "the exact text, found once"     # an expression or statements; see `schemata`
//! with = "what stands there instead"
//!
//! [[unnoticed]]                           # a named ordering that may be weaker without any model's notice
//! site = "Scan"
//! weak = "Relaxed"
//! because = "the fence before it acquires"
//! ```

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::super::catalogue::{CONTROL, CatalogueError, Edit, line_of};
use super::super::schemata::{self, Choosable, Copy, Sources};

/// The bugs of one crate.
#[derive(Debug)]
pub struct Catalogue {
    /// The crate's folder name.
    pub algorithm: String,
    /// In the order of the file.
    pub bugs: Vec<Bug>,
    /// The ids of those that stand for all where there is no time for all.
    pub ten: Vec<String>,
    /// Weaker orderings that nothing notices, and why.
    pub unnoticed: Vec<Unnoticed>,
    file: std::path::PathBuf,
    text: String,
}

/// What it takes to see a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visible {
    /// An interleaving under sequential consistency.
    Sc,
    /// Weak memory.
    Weak,
}

impl Visible {
    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Visible::Sc => "interleaving",
            Visible::Weak => "weak memory",
        }
    }
}

/// One bug.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Its name: lower-case letters, digits and dashes.
    pub id: Spanned<String>,
    /// What is wrong, in a line.
    pub title: String,
    /// What else was changed to bring it about, or for what it stands.
    pub note: Option<String>,
    /// Where it was seen.
    pub source: String,
    /// The part of the crate that it is a bug of, in a word.
    pub feature: String,
    /// What it takes to see it.
    pub visible: Visible,
    /// Why nothing can notice it.
    pub equivalent: Option<String>,
    /// Whether every engine must find it: it shows that the pipeline is alive.
    #[serde(default)]
    pub canary: bool,
    /// What to replace.
    pub edit: Vec<Edit>,
}

impl Bug {
    /// The bug's name.
    pub fn id(&self) -> &str {
        self.id.get_ref()
    }

    /// The bug in words, with what else was changed.
    pub fn told(&self) -> String {
        let note = self.note.as_ref().map(|note| format!(". {note}"));
        format!("{}{}", self.title, note.unwrap_or_default())
    }
}

/// A weaker ordering that no model notices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unnoticed {
    /// The access.
    pub site: Spanned<String>,
    /// The ordering that it has then.
    pub weak: String,
    /// Why nobody can notice, or why these engines cannot.
    pub because: String,
    /// Whether the weaker ordering is as good; else it is the engines that cannot tell.
    #[serde(default)]
    pub equivalent: bool,
}

/// The file of the root table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: Spanned<String>,
    #[serde(default)]
    ten: Vec<Spanned<String>>,
    bug: Vec<Bug>,
    #[serde(default)]
    unnoticed: Vec<Unnoticed>,
}

/// What a catalogue of this kind says first.
const KIND: &str = "threads";

/// Whether `text` is a catalogue of this kind; the other kind names none.
pub fn is_of_threads(text: &str) -> bool {
    text.lines().any(|line| {
        line.split_once('=')
            .is_some_and(|(key, value)| key.trim() == "kind" && value.trim().trim_matches('"') == KIND)
    })
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
            unnoticed: read.unnoticed,
            file: file.to_owned(),
            text: text.to_owned(),
        };
        if read.kind.get_ref() != KIND {
            return Err(catalogue.error(&read.kind, format!("a catalogue of this kind says `{KIND}`")));
        }
        for (i, bug) in catalogue.bugs.iter().enumerate() {
            let name = bug.id();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name == CONTROL || !name.chars().all(plain) {
                let reason = format!("`{}` cannot name a bug", name.escape_debug());
                return Err(catalogue.error(&bug.id, reason));
            }
            if catalogue.bugs[..i].iter().any(|other| other.id() == name) {
                return Err(catalogue.error(&bug.id, format!("`{name}` stands here twice")));
            }
            if bug.edit.is_empty() {
                return Err(catalogue.error(&bug.id, format!("`{name}` edits nothing")));
            }
            if bug.edit.len() > 1 && bug.note.is_none() {
                let reason = format!("`{name}` has several edits, and no note says what else they change");
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

    /// The copies that hold all bugs, and in which of them each is.
    ///
    /// # Errors
    /// If a text is not found exactly once, or no choice can be made of an edit.
    pub fn copies(&self, sources: &Sources) -> Result<(Vec<Copy>, Vec<usize>), CatalogueError> {
        let bugs = self.bugs.iter().enumerate();
        let bugs: Vec<_> =
            bugs.map(|(at, bug)| Choosable { number: at + 1, id: bug.id(), edits: &bug.edit }).collect();
        schemata::copies(&bugs, sources, |place, reason| self.error(place, reason))
    }

    /// An error at the place of something that was read.
    pub fn error<T>(&self, place: &Spanned<T>, reason: String) -> CatalogueError {
        CatalogueError { file: self.file.clone(), line: line_of(&self.text, place.span().start), reason }
    }
}
