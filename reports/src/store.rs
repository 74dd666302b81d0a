//! Where artifacts lie, how they are written and read.
//!
//! Layout: `<root>/<verb>/<subject>.json`, and files that belong to one (`.hlog`, `.hgrm`) in
//! `<root>/<verb>/<subject>/`. Every file is written beside its place, synced and renamed, so that a reader
//! sees the old one or the new one, whatever is interrupted. Reading trusts nothing: what cannot be read is
//! returned with file, line and reason. Verified in `tests/it/store.rs`; not verified: durability over a
//! power failure, which rests on the file system.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::artifact::{Artifact, SCHEMA, Verb};

/// The largest artifact that is read or written, in bytes.
pub const SIZE_MAX_BYTES: u64 = 16 << 20;

/// The most artifacts that are read for one verb. More than this is no result of a verb.
pub const FILES_MAX: usize = 4096;

/// Where artifacts go unless told otherwise: `$SWARMPROOF_ARTIFACTS`, or `target/artifacts` in the
/// workspace.
///
/// # Errors
/// If the variable is not set and no workspace encloses the package or the current directory.
pub fn default_root() -> io::Result<PathBuf> {
    match std::env::var_os("SWARMPROOF_ARTIFACTS") {
        Some(root) if !root.is_empty() => Ok(root.into()),
        _ => Ok(workspace_root()?.join("target/artifacts")),
    }
}

/// The folder of the workspace that encloses the package being run by cargo, else the current directory. A
/// package that cargo runs and no workspace encloses is one of its own.
///
/// # Errors
/// If cargo runs no package and the current directory lies in no workspace.
pub fn workspace_root() -> io::Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let current = std::env::current_dir().ok();
    let enclosing =
        |start: &PathBuf| start.ancestors().find(|folder| is_workspace(folder)).map(Path::to_owned);
    let alone = |package: &PathBuf| package.join("Cargo.toml").is_file().then(|| package.clone());
    let (found, alone) = (package.iter().chain(&current).find_map(enclosing), package.iter().find_map(alone));
    found.or(alone).ok_or_else(|| {
        let reason = "no Cargo.toml with [workspace] here or above: run inside the workspace, or set SWARMPROOF_ARTIFACTS";
        io::Error::new(io::ErrorKind::NotFound, reason)
    })
}

fn is_workspace(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"));
    manifest.is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}

/// Whether this can name a subject, and so a file, everywhere: 1 to 80 lower-case letters, digits and
/// dashes, the first no dash.
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=80).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(allowed)
}

/// Whether this can name a file beside an artifact: [names](is_name) joined by single dots.
pub fn is_file_name(name: &str) -> bool {
    name.len() <= 120 && name.split('.').all(is_name)
}

/// Writes a file so that readers see the old content or the new, never a part: beside its place, synced,
/// renamed, and the folder synced. Makes the folders above it.
///
/// # Errors
/// As the system reports them; the old content then stands.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    write_through(path, |file| file.write_all(content))
}

/// Like [`write_atomically`], for content that need not be in memory as a whole.
///
/// # Errors
/// As the system or `content` reports them; the old content then stands.
pub fn write_through(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file needs a name"))?;
    fs::create_dir_all(folder)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = folder.join(beside);
    let written = (|| {
        let mut file = BufWriter::new(File::create(&beside)?);
        content(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // The reason to report is the first one; a left-over is ignored by readers.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// A file among the artifacts that is none, or none that this build can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The file, below the root that was read.
    pub path: PathBuf,
    /// The line that cannot be understood, counted from 1, where there is one.
    pub line: Option<usize>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.reason)
    }
}

/// Reads every artifact below `root`, verbs in the order of [`Verb::ALL`], files by name. A root that does
/// not exist holds none. Nothing stops the reading: what fails is returned in its place.
pub fn read_all(root: &Path) -> Vec<Result<Artifact, Unreadable>> {
    let mut read = Vec::new();
    for verb in Verb::ALL {
        let folder = Path::new(verb.name());
        let listed = match fs::read_dir(root.join(folder)) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                read.push(Err(unreadable(folder, None, error)));
                continue;
            }
        };
        let mut names: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.retain(|name| {
            let text = name.as_encoded_bytes();
            text.ends_with(b".json") && !text.starts_with(b".")
        });
        names.sort_unstable();
        if names.len() > FILES_MAX {
            let reason = format!("{} artifacts; the first {FILES_MAX} by name are read", names.len());
            read.push(Err(unreadable(folder, None, reason)));
            names.truncate(FILES_MAX);
        }
        read.extend(names.iter().map(|name| read_one(root, &folder.join(name), verb)));
    }
    read
}

/// Just the version: read first, so that a later schema is named instead of misread.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

fn read_one(root: &Path, path: &Path, verb: Verb) -> Result<Artifact, Unreadable> {
    let text = read_bounded(&root.join(path)).map_err(|error| unreadable(path, None, error))?;
    let misread = |error: serde_json::Error| unreadable(path, Some(error.line()), &error);
    let Head { schema } = serde_json::from_slice(&text).map_err(misread)?;
    if schema != SCHEMA {
        let reason = format!("schema {schema}; this build reads schema {SCHEMA}: run its command again");
        return Err(unreadable(path, None, reason));
    }
    let artifact: Artifact = serde_json::from_slice(&text).map_err(misread)?;
    check(&artifact, verb, path).map_err(|reason| unreadable(path, None, reason))?;
    Ok(artifact)
}

/// What a well-formed document may still get wrong.
fn check(artifact: &Artifact, verb: Verb, path: &Path) -> Result<(), String> {
    if artifact.verb != verb || artifact.payload.verb() != verb {
        let payload = artifact.payload.verb();
        return Err(format!(
            "verb `{}` with the payload of `{payload}` in the folder of `{verb}`",
            artifact.verb
        ));
    }
    for name in [&artifact.subject, &artifact.algorithm] {
        if !is_name(name) {
            return Err(format!(
                "`{}` is no name: lower-case letters, digits and dashes",
                name.escape_debug()
            ));
        }
    }
    let expected = file_name(artifact);
    if path.file_name().and_then(|name| name.to_str()) != Some(&expected) {
        return Err(format!("its subject belongs in `{expected}`"));
    }
    Ok(())
}

/// The file's name below the verb's folder: the subject, and the part of a sharded campaign.
pub(crate) fn file_name(artifact: &Artifact) -> String {
    match artifact.shard {
        None => format!("{}.json", artifact.subject),
        Some(shard) => format!("{}.{}-of-{}.json", artifact.subject, shard.index, shard.count),
    }
}

/// Reads a plain file of at most [`SIZE_MAX_BYTES`]: no link, pipe or device is opened.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let refused = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(refused("not a plain file".to_owned()));
    }
    let mut text = Vec::new();
    File::open(path)?.take(SIZE_MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SIZE_MAX_BYTES {
        return Err(refused(format!("larger than {} MiB", SIZE_MAX_BYTES >> 20)));
    }
    Ok(text)
}

fn unreadable(path: &Path, line: Option<usize>, reason: impl ToString) -> Unreadable {
    Unreadable { path: path.to_owned(), line: line.filter(|line| *line > 0), reason: reason.to_string() }
}
