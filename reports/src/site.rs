//! The site: pages, summary and tables as a pure function of what was read.
//!
//! [`Site::read`] gathers artifacts and what lies beside them, [`Site::render`] turns them into documents.
//! One page per algorithm, an overview, a page about the method; every table is also a CSV file, every
//! artifact is copied below `data/`. What should be there and is not is shown as not run, with its command.
//! Verified in `tests/it/site.rs` (structure, escaping, gaps, staleness) and `tests/browser.rs`.

mod actions;
mod algorithm;
mod calibration;
mod coverage;
mod decisive;
mod elections;
mod engines;
mod environment;
mod findability;
mod further;
mod fuzzing;
mod headline;
mod implementation;
mod latency;
mod method;
mod opinions;
mod overview;
mod page;
mod scaling;
mod simulation;
mod summary;
mod throughput;
mod verification;
mod zoo;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::artifact::{Artifact, Outcome, Payload, Verb, Zoo};
use crate::store::{Unreadable, file_name, is_file_name, is_name, read_all, write_atomically};
use crate::table::{Cell, Tone};

/// The algorithms that every verb knows, and whose page says what did not run. Others have a page of what did.
pub const ALGORITHMS: [&str; 1] = ["raft"];

/// Parts that are no protocols, so that not every verb knows them: their pages say what ran.
const LIBRARIES: [&str; 1] = ["work-stealing"];

/// What the harness's own artifacts are listed under.
const HARNESS: &str = "harness";

/// Everything a report is made from.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// What could be read.
    pub artifacts: Vec<Artifact>,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
    /// The revision to compare the artifacts' with, where it is known.
    pub revision: Option<String>,
    /// Files beside the artifacts: `latency/raft/ours.hlog`.
    pub beside: BTreeSet<String>,
}

/// One file of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its place below the site's folder, with `/` between names.
    pub path: String,
    /// Its content.
    pub content: String,
}

impl Site {
    /// Reads all artifacts below `root` and notes what lies beside them.
    pub fn read(root: &Path, revision: Option<String>) -> Self {
        let mut site = Site { revision, ..Site::default() };
        for read in read_all(root) {
            match read {
                Ok(artifact) => site.artifacts.push(artifact),
                Err(unreadable) => site.unreadable.push(unreadable),
            }
        }
        for artifact in &site.artifacts {
            let folder = format!("{}/{}", artifact.verb, artifact.subject);
            let listed = fs::read_dir(root.join(&folder)).into_iter().flatten();
            let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            site.beside
                .extend(names.filter(|name| is_file_name(name)).map(|name| format!("{folder}/{name}")));
        }
        site
    }

    /// All documents but the files beside the artifacts, which [`Site::write`] copies.
    pub fn render(&self) -> Vec<Document> {
        let mut pages = vec![overview::page(self)];
        pages.extend(self.algorithms().into_iter().map(|algorithm| algorithm::page(self, algorithm)));
        if self.about(HARNESS).next().is_some() {
            pages.push(algorithm::page(self, HARNESS));
        }
        pages.push(method::page(self));

        let mut documents =
            vec![Document { path: "summary.md".into(), content: summary::write(self, &pages) }];
        for page in pages {
            for table in page.tables() {
                let path = format!("tables/{}.csv", table.id);
                documents.push(Document { path, content: table.to_csv() });
            }
            documents.push(page.into_document());
        }
        for artifact in &self.artifacts {
            // Artifacts were read from JSON: writing them cannot fail.
            let content = serde_json::to_string_pretty(artifact).unwrap_or_default();
            documents.push(Document { path: data_path(artifact), content });
        }
        documents
    }

    /// Writes the site into `folder`, each file atomically, and copies the files beside the artifacts from
    /// `root`. Tables and data of an earlier report in the same folder are removed first. Gives the overview's
    /// path.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn write(&self, root: &Path, folder: &Path) -> io::Result<PathBuf> {
        let index = folder.join("index.html");
        let ours = fs::read_to_string(&index).is_ok_and(|text| text.contains(page::GENERATOR));
        for old in ["tables", "data"].map(|name| folder.join(name)) {
            if ours && old.is_dir() {
                fs::remove_dir_all(old)?;
            }
        }
        for document in self.render() {
            write_atomically(&folder.join(document.path), document.content.as_bytes())?;
        }
        for path in &self.beside {
            let content = fs::read(root.join(path))?;
            write_atomically(&folder.join("data").join(path), &content)?;
        }
        Ok(index)
    }

    /// The algorithms with a page of their own: ours, and protocols brought from elsewhere, which were verified or
    /// simulated here; and libraries of which something is told. A site that is about what was brought alone does not
    /// speak of ours.
    fn algorithms(&self) -> Vec<&str> {
        let brought: BTreeSet<&str> = self
            .artifacts
            .iter()
            .filter(|artifact| matches!(artifact.verb, Verb::Verify | Verb::Simulate))
            .map(|artifact| artifact.algorithm.as_str())
            .filter(|algorithm| !ALGORITHMS.contains(algorithm) && !shows_what_ran(algorithm))
            .collect();
        let ours = |artifact: &Artifact| ALGORITHMS.contains(&artifact.algorithm.as_str());
        let speaks_of_ours = brought.is_empty() || self.artifacts.iter().any(ours);
        let told = |library: &&str| self.artifacts.iter().any(|artifact| artifact.algorithm == *library);
        let libraries = LIBRARIES.into_iter().filter(told);
        ALGORITHMS.into_iter().filter(|_| speaks_of_ours).chain(brought).chain(libraries).collect()
    }

    /// The page that an artifact belongs on.
    fn page_of<'a>(&self, artifact: &'a Artifact) -> &'a str {
        if self.algorithms().contains(&artifact.algorithm.as_str()) { &artifact.algorithm } else { HARNESS }
    }

    /// Artifacts about an algorithm, or about the harness, verbs in order.
    fn about<'a>(&'a self, algorithm: &'a str) -> impl Iterator<Item = &'a Artifact> {
        // Looked up once: there may be thousands of artifacts.
        let pages = self.algorithms();
        let page = move |artifact: &'a Artifact| -> &'a str {
            if pages.contains(&artifact.algorithm.as_str()) { &artifact.algorithm } else { HARNESS }
        };
        self.artifacts.iter().filter(move |artifact| page(artifact) == algorithm)
    }

    /// The same, of one verb, and not skipped: those that have results.
    fn results<'a>(&'a self, algorithm: &'a str, verb: Verb) -> impl Iterator<Item = &'a Artifact> {
        let skipped = |artifact: &Artifact| matches!(artifact.outcome, Outcome::Skipped { .. });
        self.about(algorithm).filter(move |artifact| artifact.verb == verb && !skipped(artifact))
    }

    /// What hunts in the zoo of an algorithm came to: first of the whole zoo, then of some bugs alone.
    fn zoos<'a>(&'a self, algorithm: &'a str) -> impl Iterator<Item = &'a Zoo> {
        let of = move |whole| {
            let results = self.results(algorithm, Verb::Zoo);
            results.filter(move |artifact| (artifact.subject == algorithm) == whole)
        };
        of(true).chain(of(false)).filter_map(|artifact| match &artifact.payload {
            Payload::Zoo(zoo) => Some(zoo),
            _ => None,
        })
    }

    /// How many bugs of an algorithm's zoo were found, by whichever hunt, and of how many.
    fn caught(&self, algorithm: &str) -> (usize, usize) {
        let mut bugs: BTreeMap<&str, bool> = BTreeMap::new();
        for bug in self.zoos(algorithm).flat_map(|zoo| &zoo.bugs).filter(|bug| bug.counts()) {
            *bugs.entry(&bug.id).or_default() |= bug.found();
        }
        (bugs.values().filter(|found| **found).count(), bugs.len())
    }

    /// Whether an artifact is of another revision than the one that the report is made at.
    fn is_stale(&self, artifact: &Artifact) -> bool {
        self.revision.as_ref().is_some_and(|revision| *revision != artifact.revision)
    }

    /// Which revision ran, as a cell: marked if it is not the one that the report is made at.
    fn revision_cell(&self, artifact: &Artifact) -> Cell {
        let text = revision(artifact);
        if self.is_stale(artifact) {
            Cell::text(text + " (stale)").tone(Tone::Caution)
        } else {
            Cell::text(text)
        }
    }
}

/// Whether the page of this name tells what ran, and not what did not.
fn shows_what_ran(algorithm: &str) -> bool {
    algorithm == HARNESS || LIBRARIES.contains(&algorithm)
}

/// How a run or a stage ended, as a cell.
fn outcome_cell(outcome: &Outcome) -> Cell {
    match outcome {
        Outcome::Passed => Cell::text("passed").tone(Tone::Good),
        Outcome::Failed => Cell::text("failed").tone(Tone::Bad),
        Outcome::Interrupted => Cell::text("interrupted").tone(Tone::Caution),
        Outcome::Skipped { reason } => Cell::text(format!("skipped: {reason}")).tone(Tone::Missing),
    }
}

/// An artifact's revision for the eye: the first digits, and whether there was more than it.
fn revision(artifact: &Artifact) -> String {
    let short: String = artifact.revision.chars().take(10).collect();
    if artifact.dirty { short + " + changes" } else { short }
}

/// A time of an artifact without its seconds: `2026-11-20 11:44`.
fn minute(time: &str) -> String {
    time.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// What tells an artifact from all others of its verb, within an identifier of a page.
fn key(artifact: &Artifact) -> String {
    match artifact.shard {
        None => artifact.subject.clone(),
        // No subject holds an underscore.
        Some(shard) => format!("{}_{}-of-{}", artifact.subject, shard.index, shard.count),
    }
}

/// Where an artifact's copy stands in the site.
fn data_path(artifact: &Artifact) -> String {
    format!("data/{}/{}", artifact.verb, file_name(artifact))
}

/// The name of an algorithm at the head of its page.
fn display_name(algorithm: &str) -> &str {
    match algorithm {
        "raft" => "Raft",
        "task-sharing" => "Task sharing",
        "work-stealing" => "Work stealing",
        HARNESS => "The harness itself",
        other => other,
    }
}

/// The command that makes the artifacts of a verb for an algorithm.
fn command(verb: Verb, algorithm: &str) -> String {
    match verb {
        Verb::Fuzz | Verb::Compare | Verb::Bench | Verb::Test => format!("cargo xtask {verb}"),
        _ if is_name(algorithm) && algorithm != HARNESS => format!("cargo xtask {verb} {algorithm}"),
        _ => format!("cargo xtask {verb}"),
    }
}
