//! Writes one artifact: notes revision, machine and time at the start, and the rest at the end.
//!
//! Verified in `tests/it/store.rs`. Not verified: that git's answers are about the code that was built; a
//! binary started by hand long after its build says the checkout's revision, so start binaries through cargo.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::artifact::{Artifact, Finding, Metric, Outcome, Payload, SCHEMA, Shard, Verb};
use crate::calendar::rfc3339;
use crate::machine::{self, Conditions, Fingerprint};
use crate::store::{self, file_name, is_file_name, is_name, write_atomically};

/// An artifact in the making.
#[derive(Debug)]
pub struct Recorder {
    root: PathBuf,
    artifact: Artifact,
    begun: Instant,
    /// Total and stolen ticks of all processors at the start.
    ticks: Option<(u64, u64)>,
    cpu: Option<Duration>,
}

impl Recorder {
    /// Begins a run in the default place ([`store::default_root`]). `subject` names the file (`raft`,
    /// `raft-closed`); `command` is what a reader types to repeat the run. Asks git for the revision: some
    /// milliseconds.
    ///
    /// # Errors
    /// If there is no default place, or `subject` is no [name](is_name).
    pub fn start(verb: Verb, subject: &str, command: &str) -> io::Result<Self> {
        Self::start_in(&store::default_root()?, verb, subject, command)
    }

    /// Begins a run whose artifact goes below `root`.
    ///
    /// # Errors
    /// If `subject` is no [name](is_name).
    pub fn start_in(root: &Path, verb: Verb, subject: &str, command: &str) -> io::Result<Self> {
        if !is_name(subject) {
            let reason = format!("`{}` cannot name an artifact", subject.escape_debug());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let (revision, dirty) = revision();
        let artifact = Artifact {
            schema: SCHEMA,
            verb,
            algorithm: subject.split('-').next().unwrap_or(subject).to_owned(),
            subject: subject.to_owned(),
            title: format!("{verb} {subject}"),
            revision: revision.unwrap_or_else(|| "unknown".to_owned()),
            dirty,
            machine: Fingerprint::read(),
            conditions: Conditions { load_start: machine::load(), ..Conditions::default() },
            command: command.to_owned(),
            started: rfc3339(SystemTime::now()),
            duration_s: 0.0,
            cpu_s: None,
            outcome: Outcome::Interrupted,
            parameters: std::collections::BTreeMap::new(),
            shard: None,
            // Replaced by `finish`.
            payload: Payload::Test(crate::artifact::Test::default()),
            metrics: Vec::new(),
            findings: Vec::new(),
        };
        let (ticks, cpu) = (machine::total_and_stolen_ticks(), machine::process_cpu());
        Ok(Recorder { root: root.to_owned(), artifact, begun: Instant::now(), ticks, cpu })
    }

    /// Says which algorithm this is about (its folder's name), where that is not the subject up to its first
    /// dash.
    pub fn algorithm(&mut self, algorithm: &str) -> &mut Self {
        algorithm.clone_into(&mut self.artifact.algorithm);
        self
    }

    /// Sets the line for people.
    pub fn title(&mut self, title: &str) -> &mut Self {
        title.clone_into(&mut self.artifact.title);
        self
    }

    /// Says that the run began at this time, in other processes. How busy the machine and they were is then not
    /// known.
    pub fn began(&mut self, time: SystemTime) -> &mut Self {
        self.artifact.started = rfc3339(time);
        let ago = time.elapsed().unwrap_or_default();
        self.begun = self.begun.checked_sub(ago).unwrap_or(self.begun);
        (self.artifact.conditions.load_start, self.ticks, self.cpu) = (None, None, None);
        self
    }

    /// Says that another process has run for so long before this one, for the same artifact.
    pub fn after(&mut self, before: Duration) -> &mut Self {
        if let Some(begun) = self.begun.checked_sub(before) {
            self.begun = begun;
            self.artifact.started = rfc3339(SystemTime::now() - before);
        }
        self
    }

    /// Says which allocator the binary uses, where it is not the system's.
    pub fn allocator(&mut self, allocator: &str) -> &mut Self {
        allocator.clone_into(&mut self.artifact.machine.allocator);
        self
    }

    /// Says which profile built the binary, where cargo's own answer (`release` for every profile that
    /// inherits from it) is too coarse.
    pub fn profile(&mut self, profile: &str) -> &mut Self {
        profile.clone_into(&mut self.artifact.machine.profile);
        self
    }

    /// Notes a setting.
    pub fn parameter(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.artifact.parameters.insert(name.to_owned(), value.to_string());
        self
    }

    /// Says that this is part `index` of `count`, counted from 1.
    pub fn shard(&mut self, index: u32, count: u32) -> &mut Self {
        self.artifact.shard = Some(Shard { index, count });
        self
    }

    /// Adds a figure beyond the payload.
    pub fn metric(&mut self, metric: Metric) -> &mut Self {
        self.artifact.metrics.push(metric);
        self
    }

    /// Adds something found broken.
    pub fn finding(&mut self, finding: Finding) -> &mut Self {
        self.artifact.findings.push(finding);
        self
    }

    /// Writes a file that belongs to the artifact and gives the name to note in it, which is relative to the
    /// artifact's own folder.
    ///
    /// # Errors
    /// If `name` is no [file name](is_file_name), or as the system reports them.
    pub fn file_beside(&self, name: &str, content: &[u8]) -> io::Result<String> {
        if !is_file_name(name) {
            let reason = format!("`{}` cannot name a file", name.escape_debug());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let relative = format!("{}/{name}", self.artifact.subject);
        write_atomically(&self.folder().join(&relative), content)?;
        Ok(relative)
    }

    fn folder(&self) -> PathBuf {
        self.root.join(self.artifact.verb.name())
    }

    /// Ends the run and writes the artifact. Call it after an interruption too, with what there is: until then
    /// nothing is written, and the artifact of an earlier run stands.
    ///
    /// # Errors
    /// If the payload is another verb's, if a number is not finite or the whole is too large to be read back,
    /// or as the system reports them. An earlier artifact then stands.
    pub fn finish(mut self, outcome: Outcome, payload: Payload) -> io::Result<PathBuf> {
        let refused = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        let artifact = &mut self.artifact;
        if payload.verb() != artifact.verb {
            return refused(format!(
                "`{}` cannot end with the payload of `{}`",
                artifact.verb,
                payload.verb()
            ));
        }
        if !is_name(&artifact.algorithm) {
            return refused(format!("`{}` names no algorithm", artifact.algorithm.escape_debug()));
        }
        artifact.outcome = outcome;
        artifact.payload = payload;
        artifact.duration_s = self.begun.elapsed().as_secs_f64();
        artifact.cpu_s =
            self.cpu.zip(machine::process_cpu()).map(|(start, end)| end.saturating_sub(start).as_secs_f64());
        artifact.conditions.load_end = machine::load();
        artifact.conditions.steal_share = steal_share(self.ticks, machine::total_and_stolen_ticks());
        let mut text = serde_json::to_vec_pretty(artifact)?;
        text.push(b'\n');
        // JSON has no infinities: they would be written as null and make the file unreadable.
        if let Err(error) = serde_json::from_slice::<Artifact>(&text) {
            return refused(format!("the artifact would not be readable (is every number finite?): {error}"));
        }
        if text.len() as u64 > store::SIZE_MAX_BYTES {
            return refused(format!("an artifact of {} bytes would not be read", text.len()));
        }
        let path = self.folder().join(file_name(&self.artifact));
        write_atomically(&path, &text)?;
        Ok(path)
    }
}

/// The part of the ticks between two readings that was stolen.
fn steal_share(start: Option<(u64, u64)>, end: Option<(u64, u64)>) -> Option<f64> {
    let ((total_start, stolen_start), (total_end, stolen_end)) = (start?, end?);
    let total = total_end.checked_sub(total_start).filter(|total| *total > 0)?;
    Some(stolen_end.checked_sub(stolen_start)? as f64 / total as f64)
}

/// The commit of the workspace and whether the checkout differs from it; none and true where git cannot
/// tell.
pub fn revision() -> (Option<String>, bool) {
    let git = |arguments: &[&str]| {
        let root = store::workspace_root().ok()?;
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"]);
    let dirty = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    (commit, dirty)
}
