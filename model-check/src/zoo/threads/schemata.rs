//! Many bugs in one copy of a crate: each edit becomes a choice at run time.
//!
//! Where an edit replaces an expression, `(if crate::bug(7) { … } else { … })` stands there instead, and `if
//! crate::bug(7) { … } else { … }` where it replaces statements. Only what differs between the text and its
//! replacement is put into the choice, cut where an expression or a statement begins and ends; so an edit may
//! quote `let` around what it changes, though not change it. Bugs that replace the same text are a
//! chain of choices; bugs whose texts overlap go into different copies, each into the first in which
//! there is room.
//!
//! Every text is looked for in the sources as they are, and must stand there once.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use super::super::catalogue::CatalogueError;
use super::catalogue::{Bug, Catalogue};

/// The sources of a crate by their paths from its folder.
pub type Sources = BTreeMap<String, String>;

/// A copy with the bugs that are in it.
#[derive(Debug, Default)]
pub struct Copy {
    /// What stands in its files: those that have choices, and no others.
    pub sources: Sources,
    /// By file, the choices in the order of the text.
    choices: BTreeMap<String, Vec<Choice>>,
}

/// One place where something is chosen.
#[derive(Debug)]
struct Choice {
    place: Range<usize>,
    /// Number of the bug, and what stands there with it.
    instead: Vec<(usize, String)>,
}

/// The copies that hold all these bugs, and in which of them each is; a bug's number is its place in the catalogue,
/// counted from 1.
///
/// # Errors
/// If a text is not found exactly once.
pub fn copies(catalogue: &Catalogue, sources: &Sources) -> Result<(Vec<Copy>, Vec<usize>), CatalogueError> {
    let mut copies: Vec<Copy> = Vec::new();
    let mut places = Vec::new();
    for (at, bug) in catalogue.bugs.iter().enumerate() {
        let edits = edits(catalogue, bug, sources)?;
        let fits = copies.iter().position(|copy| copy.has_room_for(&edits));
        let place = fits.unwrap_or(copies.len());
        if place == copies.len() {
            copies.push(Copy::default());
        }
        copies[place].add(at + 1, edits);
        places.push(place);
    }
    if copies.is_empty() {
        copies.push(Copy::default());
    }
    for copy in &mut copies {
        copy.write(sources);
    }
    Ok((copies, places))
}

/// What a bug replaces: file, place and replacement.
type Replaced = (String, Range<usize>, String);

fn edits(catalogue: &Catalogue, bug: &Bug, sources: &Sources) -> Result<Vec<Replaced>, CatalogueError> {
    let replaced = |edit: &super::super::catalogue::Edit| {
        let text = edit.text.get_ref().as_str();
        let source = sources.get(&edit.file).ok_or_else(|| {
            let reason = format!("there is no {} in {}", edit.file, catalogue.algorithm);
            catalogue.error(&edit.text, reason)
        })?;
        let count = if text.is_empty() { 0 } else { source.matches(text).count() };
        if count != 1 {
            let reason = format!("{}: the text stands {count} times in {}, not once", bug.id(), edit.file);
            return Err(catalogue.error(&edit.text, reason));
        }
        let start = source.find(text).unwrap_or_default();
        let (before, after) = kept(text, &edit.with).ok_or_else(|| {
            let reason = format!("{}: no choice can be made of that", bug.id());
            catalogue.error(&edit.text, reason)
        })?;
        let with = edit.with[before..edit.with.len() - after].to_owned();
        Ok((edit.file.clone(), start + before..start + text.len() - after, with))
    };
    bug.edit.iter().map(replaced).collect()
}

/// Where what stays as it is can end, before a choice, and how what stays behind it must then begin.
const CUTS: [(&str, &[&str]); 6] = [
    ("\n", &["\n"]),
    (" = ", &[";"]),
    ("=> ", &[","]),
    ("if ", &[" {"]),
    ("match ", &[" {"]),
    // The beginning of the text: of statements, or of an expression.
    ("", &["\n"]),
];

/// How many bytes at the beginning and at the end of a text and of its replacement stay as they are: as many as can,
/// so that what is between is an expression or statements.
fn kept(text: &str, with: &str) -> Option<(usize, usize)> {
    let common = text.bytes().zip(with.bytes()).take_while(|(a, b)| a == b).count();
    let mut befores: Vec<(usize, &[&str])> = Vec::new();
    for (cut, ends) in CUTS {
        let places = text[..common].match_indices(cut).filter(|(at, _)| !cut.is_empty() || *at == 0);
        befores.extend(places.map(|(at, _)| (at + cut.len(), ends)));
    }
    befores.sort_unstable_by_key(|(place, _)| Reverse(*place));
    for (before, ends) in befores {
        let (text, with) = (&text[before..], &with[before..]);
        let common = text.bytes().rev().zip(with.bytes().rev()).take_while(|(a, b)| a == b).count();
        let from = text.len() - common;
        let places =
            ends.iter().flat_map(|end| text[from..].match_indices(*end).map(move |(at, _)| (at, *end)));
        let mut afters: Vec<(usize, &str)> = places.map(|(at, end)| (common - at, end)).collect();
        if ends == ["\n"] {
            afters.push((0, ""));
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
    fn has_room_for(&self, edits: &[Replaced]) -> bool {
        edits.iter().all(|(file, place, _)| {
            let choices = self.choices.get(file).map_or(&[][..], Vec::as_slice);
            choices.iter().all(|choice| {
                let apart = choice.place.end <= place.start || place.end <= choice.place.start;
                choice.place == *place || apart
            })
        })
    }

    fn add(&mut self, number: usize, edits: Vec<Replaced>) {
        for (file, place, with) in edits {
            let choices = self.choices.entry(file).or_default();
            match choices.iter_mut().find(|choice| choice.place == place) {
                Some(choice) => choice.instead.push((number, with)),
                None => choices.push(Choice { place, instead: vec![(number, with)] }),
            }
        }
    }

    fn write(&mut self, sources: &Sources) {
        for (file, choices) in &mut self.choices {
            // From behind, so that places before stay true.
            choices.sort_by_key(|choice| (choice.place.start, choice.place.end));
            let mut text = sources[file].clone();
            for choice in choices.iter().rev() {
                let chosen = chosen(&text[choice.place.clone()], &choice.instead);
                text.replace_range(choice.place.clone(), &chosen);
            }
            self.sources.insert(file.clone(), text);
        }
    }
}

/// The choice between a text and what stands there instead.
fn chosen(text: &str, instead: &[(usize, String)]) -> String {
    // What is replaced says what may stand there; of an insertion, what is inserted.
    let speaks = if text.trim().is_empty() { instead[0].1.as_str() } else { text };
    let mut chosen = String::new();
    for (number, with) in instead {
        // A comment at the end must not swallow the bracket.
        let _ = write!(chosen, "if crate::bug({number}) {{ {with}\n}} else ");
    }
    let _ = write!(chosen, "{{ {text}\n}}");
    if is_statements(speaks) { chosen } else { format!("({chosen})") }
}
