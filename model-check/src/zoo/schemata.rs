//! Many bugs in one copy of a crate: each edit becomes a choice at run time.
//!
//! Where an edit replaces an expression, `(if crate::bug(7) { … } else { … })` stands there instead, and `if
//! crate::bug(7) { … } else { … }` where it replaces statements. Only what differs between the text and its
//! replacement is put into the choice, cut where an expression or a statement begins and ends; so an edit may
//! quote `let` around what it changes, though not change it. Bugs that replace the same text are a
//! chain of choices, those that replace a part of it among them; bugs whose texts overlap otherwise go into different
//! copies, each into the first in which there is room. An edit that is no part of its bug but of the ground for it is a
//! choice of its own (`crate::companion(7)`): the control of that bug takes it, too, and no other bug's does.
//!
//! Every text is looked for in the sources as they are, and must stand there once. What is chosen is a matter of the
//! environment ([`Chosen`]), which a copy reads once.
//!
//! Verified by `tests/it/schemata.rs`: choices are cut as said here, and what they come to is what the edits say, of
//! every bug of Raft and of task sharing, and of its control. That they compile is what a zoo shows that hunts any of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::catalogue::{CatalogueError, Edit};

/// The sources of a crate by their paths from its folder.
pub type Sources = BTreeMap<String, String>;

/// A bug, as far as choices go.
#[derive(Clone, Copy, Debug)]
pub struct Choosable<'a> {
    /// Its place in the catalogue, counted from 1.
    pub number: usize,
    /// Its name.
    pub id: &'a str,
    /// What to replace.
    pub edits: &'a [Edit],
}

/// What a copy is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The crate as it is.
    Nothing,
    /// With the bug of this number.
    Bug(usize),
    /// With those edits of this bug that are no part of it.
    Companions(usize),
}

/// The variable by which a copy is told.
pub const VARIABLE: &str = "ZOO_CHOICE";

impl Chosen {
    /// The value of [`VARIABLE`].
    pub const fn value(self) -> usize {
        match self {
            Chosen::Nothing => 0,
            Chosen::Companions(number) => 2 * number,
            Chosen::Bug(number) => 2 * number + 1,
        }
    }
}

/// What goes before a copy's library: a choice looks at lints as no person would write.
const QUIET: &str = "#![allow(warnings, unsafe_op_in_unsafe_fn)]\n";

/// What goes behind it. A lazy value of the standard library would look like a data race to ThreadSanitizer, which does
/// not see into that library.
const CHOICE: &str = r#"
pub use zoo_choice::{bug, companion};

mod zoo_choice {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    const UNKNOWN: usize = usize::MAX;
    static CHOSEN: AtomicUsize = AtomicUsize::new(UNKNOWN);

    /// Whether the bug of this number is in.
    #[inline]
    pub fn bug(number: usize) -> bool {
        chosen() == 2 * number + 1
    }

    /// Whether what goes along with it is in.
    #[inline]
    pub fn companion(number: usize) -> bool {
        chosen() / 2 == number
    }

    #[inline]
    fn chosen() -> usize {
        // Relaxed: whoever reads the environment comes to the same.
        match CHOSEN.load(Relaxed) {
            UNKNOWN => read(),
            chosen => chosen,
        }
    }

    #[cold]
    fn read() -> usize {
        let chosen = std::env::var("ZOO_CHOICE").unwrap_or_else(|_| "0".to_owned());
        let chosen = chosen.parse().unwrap_or_else(|_| panic!("nothing to choose: {chosen}"));
        CHOSEN.store(chosen, Relaxed);
        chosen
    }
}
"#;

/// A copy with the bugs that are in it.
#[derive(Debug, Default)]
pub struct Copy {
    /// What stands in its files: those that have choices, and no others.
    pub sources: Sources,
    edits: BTreeMap<String, Vec<Replaced>>,
}

/// What a bug replaces in a file.
#[derive(Clone, Debug)]
struct Replaced {
    place: Range<usize>,
    bug: usize,
    companion: bool,
    with: String,
}

/// One place of a file where something is chosen, and the edits that lie in it.
#[derive(Debug)]
struct Choice {
    place: Range<usize>,
    edits: Vec<Replaced>,
}

/// The copies that hold all these bugs, and in which of them each is. There is one copy at least. `error` tells of a
/// place of the catalogue what is wrong.
///
/// # Errors
/// If a text is not found exactly once, or no choice can be made of an edit.
pub fn copies(
    bugs: &[Choosable<'_>],
    sources: &Sources,
    error: impl Fn(&Spanned<String>, String) -> CatalogueError,
) -> Result<(Vec<Copy>, Vec<usize>), CatalogueError> {
    let mut copies = vec![Copy::default()];
    let mut places = Vec::new();
    for bug in bugs {
        let edits = edits(bug, sources, &error)?;
        let fits = copies.iter().position(|copy| copy.with(&edits).is_some());
        let place = fits.unwrap_or(copies.len());
        if place == copies.len() {
            copies.push(Copy::default());
        }
        let with = copies[place].with(&edits);
        let overlap = || error(&bug.edits[0].text, format!("{}: its own edits overlap", bug.id));
        copies[place] = with.ok_or_else(overlap)?;
        places.push(place);
    }
    for copy in &mut copies {
        copy.write(sources);
    }
    Ok((copies, places))
}

/// Reads the sources of the crate in this folder that lie in these folders of it.
///
/// # Errors
/// If a file cannot be read.
pub fn read(source: &Path, folders: &[&str]) -> io::Result<Sources> {
    let mut files = BTreeSet::new();
    for folder in folders {
        list(&source.join(folder), source, &mut files)?;
    }
    let text =
        |file: PathBuf| Ok((file.to_string_lossy().into_owned(), fs::read_to_string(source.join(&file))?));
    files.into_iter().map(text).collect()
}

/// Notes all files below `folder`, by their paths from `base`.
fn list(folder: &Path, base: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, base, files)?;
        } else if let Ok(relative) = path.strip_prefix(base) {
            files.insert(relative.to_owned());
        }
    }
    Ok(())
}

fn edits(
    bug: &Choosable<'_>,
    sources: &Sources,
    error: &dyn Fn(&Spanned<String>, String) -> CatalogueError,
) -> Result<BTreeMap<String, Vec<Replaced>>, CatalogueError> {
    let mut replaced: BTreeMap<String, Vec<Replaced>> = BTreeMap::new();
    for edit in bug.edits {
        let text = edit.text.get_ref().as_str();
        let source = sources
            .get(&edit.file)
            .ok_or_else(|| error(&edit.text, format!("{}: there is no {}", bug.id, edit.file)))?;
        let count = if text.is_empty() { 0 } else { source.matches(text).count() };
        if count != 1 {
            let reason = format!("{}: the text stands {count} times in {}, not once", bug.id, edit.file);
            return Err(error(&edit.text, reason));
        }
        let start = source.find(text).unwrap_or_default();
        let (before, after) = kept(text, &edit.with)
            .ok_or_else(|| error(&edit.text, format!("{}: no choice can be made of that", bug.id)))?;
        replaced.entry(edit.file.clone()).or_default().push(Replaced {
            place: start + before..start + text.len() - after,
            bug: bug.number,
            companion: edit.companion,
            with: edit.with[before..edit.with.len() - after].to_owned(),
        });
    }
    Ok(replaced)
}

/// Where what stays as it is can end, before a choice, and how what stays behind it must then begin.
const CUTS: [(&str, &[&str]); 6] = [
    ("\n", &["\n"]),
    (" = ", &[";"]),
    ("=> ", &[","]),
    ("if ", &[" {", " =>"]),
    ("match ", &[" {"]),
    // The beginning of the text: of statements, or of an expression.
    ("", &["\n"]),
];

/// How many bytes at the beginning and at the end of a text and of its replacement stay as they are: as many as can,
/// so that what is between is an expression or statements.
fn kept(text: &str, with: &str) -> Option<(usize, usize)> {
    let common = text.bytes().zip(with.bytes()).take_while(|(a, b)| a == b).count();
    let common = text.floor_char_boundary(common);
    let mut befores: Vec<(usize, &[&str])> = Vec::new();
    for (cut, ends) in CUTS {
        let places = text[..common].match_indices(cut).filter(|(at, _)| !cut.is_empty() || *at == 0);
        befores.extend(places.map(|(at, _)| (at + cut.len(), ends)));
    }
    befores.sort_unstable_by_key(|(place, _)| Reverse(*place));
    for (before, ends) in befores {
        let (text, with) = (&text[before..], &with[before..]);
        let common = text.bytes().rev().zip(with.bytes().rev()).take_while(|(a, b)| a == b).count();
        let from = text.ceil_char_boundary(text.len() - common);
        let common = text.len() - from;
        let places =
            ends.iter().flat_map(|end| text[from..].match_indices(*end).map(move |(at, _)| (at, *end)));
        let mut afters: Vec<(usize, &str)> = places.map(|(at, end)| (common - at, end)).collect();
        if ends == ["\n"] {
            afters.push((0, ""));
            if from == 0 {
                // All of it stays, behind what is inserted.
                afters.push((text.len(), "\n"));
            }
        }
        afters.sort_unstable_by_key(|(length, _)| Reverse(*length));
        for (after, end) in afters {
            let (text, with) = (&text[..text.len() - after], &with[..with.len() - after]);
            let fits = |part: &str| is_whole(part) && (end != "\n" || is_statements(part));
            if fits(text) && fits(with) && !(text.trim().is_empty() && with.trim().is_empty()) {
                return Some((before, after));
            }
        }
    }
    None
}

/// Whether every bracket that opens in it closes in it, and no other does.
fn is_whole(part: &str) -> bool {
    let mut depth = 0_i32;
    for c in part.chars() {
        depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Whether it ends as statements do, or is nothing.
fn is_statements(part: &str) -> bool {
    let part = part.trim_end();
    part.is_empty() || part.ends_with([';', '}'])
}

impl Copy {
    /// All sources of a crate that are to be written, which are these without choices.
    pub fn whole(&self, sources: &Sources) -> Sources {
        let text = |(file, text): (&String, &String)| {
            let text = self.sources.get(file).unwrap_or(text);
            let text = if file == "src/lib.rs" { format!("{QUIET}{text}{CHOICE}") } else { text.clone() };
            (file.clone(), text)
        };
        sources.iter().map(text).collect()
    }

    /// This copy with these edits of one more bug; none if there is no room for them.
    fn with(&self, edits: &BTreeMap<String, Vec<Replaced>>) -> Option<Copy> {
        let mut with = self.edits.clone();
        for (file, edits) in edits {
            with.entry(file.clone()).or_default().extend(edits.iter().cloned());
        }
        let has_room = edits.keys().all(|file| choices(&with[file]).is_some());
        has_room.then_some(Copy { edits: with, ..Copy::default() })
    }

    fn write(&mut self, sources: &Sources) {
        for (file, edits) in &self.edits {
            let source = &sources[file];
            let mut text = source.clone();
            // From behind, so that places before stay true.
            for choice in choices(edits).unwrap_or_default().iter().rev() {
                text.replace_range(choice.place.clone(), &choice.written(source));
            }
            self.sources.insert(file.clone(), text);
        }
    }
}

/// The places of these edits of one file, in the order of the text. Edits that lie within a wider one share its place;
/// none if some overlap otherwise, or if two of one bug share a place.
fn choices(edits: &[Replaced]) -> Option<Vec<Choice>> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| (edit.place.start, Reverse(edit.place.end)));
    let mut choices: Vec<Choice> = Vec::new();
    for edit in edits {
        match choices.last_mut() {
            Some(Choice { place, edits }) if edit.place.start < place.end || edit.place == *place => {
                if edit.place.end > place.end || edits.iter().any(|other| other.bug == edit.bug) {
                    return None;
                }
                edits.push(edit);
            }
            _ => choices.push(Choice { place: edit.place.clone(), edits: vec![edit] }),
        }
    }
    Some(choices)
}

impl Choice {
    /// The choice between a text and what stands there instead.
    fn written(&self, source: &str) -> String {
        let text = &source[self.place.clone()];
        // What is replaced says what may stand there; of an insertion, what is inserted.
        let speaks = if text.trim().is_empty() { self.edits[0].with.as_str() } else { text };
        let mut chosen = String::new();
        for Replaced { place, bug, companion, with } in &self.edits {
            let when = if *companion { "companion" } else { "bug" };
            let (before, after) =
                (&source[self.place.start..place.start], &source[place.end..self.place.end]);
            // A comment at the end must not swallow the bracket.
            let _ = write!(chosen, "if crate::{when}({bug}) {{ {before}{with}{after}\n}} else ");
        }
        let _ = write!(chosen, "{{ {text}\n}}");
        if is_statements(speaks) { chosen } else { format!("({chosen})") }
    }
}
