//! A finding as files: scenario, diagrams, trace, regression test.
//!
//! | file | what |
//! |---|---|
//! | `NAME.scenario` | the run, to be played and read ([`swarm_simulator::scenario`]) |
//! | `NAME.mermaid` | a sequence diagram |
//! | `NAME.shiviz` | a log with vector clocks ([`swarm_simulator::shiviz`]) |
//! | `NAME.json` | the run for programs ([`Told`]) |
//! | `NAME.rs` | a test that fails while the run breaks what it breaks ([`crate::regression`]) |
//! | `NAME.svg` | what clients saw, where that is what is broken ([`swarm_simulator::timeline`]) |
//!
//! All of them or none: a file that is there already is refused before any is written. Each file is written
//! as a whole. Verified by `tests/it/exported.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use reports::artifact::Finding;
use reports::store::write_atomically;
use serde::{Deserialize, Serialize};

use crate::instance::Check;
use crate::registered::Algorithm;

/// What the JSON of a trace begins with.
pub const FORMAT: &str = "swarmproof-trace";
/// The version of the JSON that is written and read.
pub const VERSION: u32 = 1;

/// Writes the files of a finding into a folder, which is made if it is missing, and gives their paths.
///
/// # Errors
/// What cannot be written and why, in a sentence; nothing is written if a file is there already.
pub fn write(folder: &Path, name: &str, finding: &Finding) -> Result<Vec<PathBuf>, String> {
    let contents = [
        ("scenario", &finding.scenario),
        ("mermaid", &finding.diagram),
        ("shiviz", &finding.shiviz),
        ("json", &finding.trace),
        ("rs", &finding.test),
        ("svg", &finding.picture),
    ];
    let files: Vec<_> = contents
        .into_iter()
        .filter_map(|(ending, content)| Some((folder.join(format!("{name}.{ending}")), content.as_ref()?)))
        .collect();
    if files.is_empty() {
        return Err(format!("{} has no run that could be written: no world comes to it", finding.property));
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(format!("{} is there already, and is left as it is", path.display()));
    }
    for (path, content) in &files {
        write_atomically(path, content.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Writes what a check of an algorithm has found, with a test if it is the registered protocol that was checked: of
/// another there is no registration that a test could name.
///
/// # Errors
/// As [`write`].
pub fn write_checked(
    folder: &Path,
    registered: &dyn Algorithm,
    check: &dyn Check,
    finding: &mut Finding,
) -> Result<Vec<PathBuf>, String> {
    let name = format!("{}-{}-{}", registered.name(), check.name(), finding.property);
    if registered.is(check.subject()) {
        finding.test = Some(test(&name, &registered.type_name(), &finding.property));
    }
    write(folder, &name, finding)
}

/// A run for programs: what it starts from, what happens, what it breaks. Reading it back checks every line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The lines of a scenario's header.
    pub header: Vec<String>,
    /// What happens, in order.
    pub events: Vec<Happened>,
    /// The property that the last event breaks.
    pub property: String,
    /// What was seen.
    pub detail: String,
    /// A check over everything above.
    pub check: String,
}

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happened {
    /// Its place, from 1.
    pub number: usize,
    /// Its kind, the first word of its text.
    pub kind: String,
    /// Where it happens; none for an answer to a choice.
    pub at: Option<String>,
    /// Its line in a scenario.
    pub event: String,
    /// A check over it and all before it.
    pub check: String,
}

impl Told {
    /// The run of these lines.
    pub fn new(header: &str, events: impl Iterator<Item = Happened>, property: &str, detail: &str) -> Self {
        let mut told = Told {
            format: FORMAT.to_owned(),
            version: VERSION,
            header: header.lines().map(str::to_owned).collect(),
            events: events.collect(),
            property: property.to_owned(),
            detail: detail.to_owned(),
            check: String::new(),
        };
        let (checks, last) = told.checks();
        told.events.iter_mut().zip(checks).for_each(|(event, check)| event.check = check);
        told.check = last;
        told
    }

    /// The checks after each event, and the one at the end.
    fn checks(&self) -> (Vec<String>, String) {
        let mut sum = crc32c::crc32c(self.header.join("\n").as_bytes());
        let mut take = |text: &str| {
            sum = crc32c::crc32c_append(sum, text.as_bytes());
            format!("{sum:08x}")
        };
        let text = |event: &Happened| {
            format!(
                "\n{} {} {:?} {}",
                event.number,
                event.kind,
                event.at.as_deref().unwrap_or(""),
                event.event
            )
        };
        let checks = self.events.iter().map(|event| take(&text(event))).collect();
        let last = take(&format!("\n{}: {}", self.property, self.detail));
        (checks, last)
    }

    /// As JSON, one event a line.
    ///
    /// # Panics
    /// Never: everything in it can be written.
    pub fn to_json(&self) -> String {
        let events: Vec<_> = self.events.iter().map(line).collect();
        format!(
            "{{\"format\": {}, \"version\": {},\n\"header\": {},\n\"events\": [\n{}\n],\n\"property\": {}, \
             \"detail\": {},\n\"check\": {}}}\n",
            line(&self.format),
            self.version,
            line(&self.header),
            events.join(",\n"),
            line(&self.property),
            line(&self.detail),
            line(&self.check)
        )
    }

    /// Reads what [`Told::to_json`] wrote; `file` is the name that errors give.
    ///
    /// # Errors
    /// Where it is cut short, of another version or changed, and in what way.
    pub fn read(file: &str, text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let syntax =
            |error: serde_json::Error| format!("{file}:{}:{}: {error}", error.line(), error.column());
        let head: Head = serde_json::from_str(text).map_err(syntax)?;
        if head.format != FORMAT {
            let line = line_of(text, "\"format\"", 0);
            return Err(format!("{file}:{line}: the format is `{}`, not `{FORMAT}`", head.format));
        }
        if head.version != VERSION {
            let line = line_of(text, "\"version\"", 0);
            let version = head.version;
            return Err(format!(
                "{file}:{line}: version {version} of the format; this reads version {VERSION}"
            ));
        }
        let told: Told = serde_json::from_str(text).map_err(syntax)?;
        let (checks, last) = told.checks();
        for (place, (event, check)) in told.events.iter().zip(checks).enumerate() {
            if event.check != check || event.number != place + 1 {
                let what = if place == 0 { "it or the header" } else { "it" };
                let line = line_of(text, "\"number\"", place);
                return Err(format!(
                    "{file}:{line}: event {} `{}`: {what} was changed, or one before it is missing",
                    place + 1,
                    event.event
                ));
            }
        }
        if told.check != last {
            let line = line_of(text, "\"property\"", 0);
            return Err(format!(
                "{file}:{line}: after event {}: what follows was changed, or events are missing",
                told.events.len()
            ));
        }
        Ok(told)
    }

    /// The run as a scenario without a transcript.
    pub fn scenario(&self) -> String {
        let events = self.events.iter().map(|event| event.event.as_str());
        self.header.iter().map(String::as_str).chain(events).flat_map(|line| [line, "\n"]).collect()
    }
}

/// The line of a text in which a part of it stands for the `nth` time, counted from 0; the first, if it does not.
fn line_of(text: &str, part: &str, nth: usize) -> usize {
    let place = text.match_indices(part).nth(nth).map_or(0, |(place, _)| place);
    1 + text[..place].matches('\n').count()
}

/// A value as one line of JSON.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers can be written")
}

/// The source of a test that plays `NAME.scenario` beside it, on the registered protocol of this type.
pub fn test(name: &str, type_name: &str, property: &str) -> String {
    let identifier: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!(
        "//! A run that broke {property}, found by a machine. It must not break anything any more.\n\
         \n\
         /// The protocol as it is registered.\n\
         type Node = {type_name};\n\
         \n\
         #[test]\n\
         fn {identifier}_breaks_nothing() {{\n    \
             let text = include_str!(\"{name}.scenario\");\n    \
             model_check::regression::check::<Node>(\"{name}.scenario\", text).unwrap();\n\
         }}\n"
    )
}
