//! A peer's own tests, unchanged, on what takes its place: `cargo` builds them in a generated workspace in which
//! our crate is called as the peer is.
//!
//! The tests come with the peer's source, which cargo keeps; they are compiled where they lie. A peer that is
//! not there, or without its tests, is skipped aloud. Fewer tests than expected are a failure.
//!
//! Verified by a test of what is generated; the stage itself shows that it builds.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::json::{self, Value};
use crate::process::{self, Program};
use crate::workspace::Workspace;

/// The peer whose place one of our crates takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DropIn {
    /// The peer's package.
    pub(super) peer: &'static str,
    /// Our package, and its folder.
    pub(super) ours: (&'static str, &'static str),
    /// What the tests use besides, in the versions that the peer asks for.
    pub(super) needs: &'static [&'static str],
    /// How many tests the peer has.
    pub(super) tests: u64,
}

/// Where a peer's source lies, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    folder: PathBuf,
    edition: String,
    /// The requirement of each of its dependencies.
    requirements: Vec<(String, String)>,
}

/// Why the tests cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Something is not there: nobody's fault.
    Missing(String),
    Failed(String),
}

impl DropIn {
    fn folder(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join("xtask/drop-in").join(self.peer)
    }

    /// What runs the tests once the workspace is there. It shares the builds of this workspace.
    pub(super) fn program(&self, workspace: &Workspace) -> Program {
        let manifest = self.folder(workspace).join("Cargo.toml");
        Program::cargo("test --no-fail-fast --manifest-path").args([
            workspace.shown(&manifest),
            "--target-dir".to_owned(),
            workspace.shown(&workspace.target),
        ])
    }

    /// Generates the workspace.
    pub(super) fn generate(&self, workspace: &Workspace) -> Result<(), Refusal> {
        let metadata = Program::cargo("metadata --format-version 1 --locked --features bench/peers")
            .ask(&workspace.root)
            .ok_or_else(|| Refusal::Failed("`cargo metadata --features bench/peers` fails".to_owned()))?;
        let source = source(&metadata, self.peer).map_err(Refusal::Failed)?;
        let source = source.ok_or_else(|| Refusal::Missing(format!("no package {} is in use", self.peer)))?;
        let tests = tests(&source.folder);
        if tests.is_empty() {
            let folder = source.folder.join("tests");
            return Err(Refusal::Missing(format!("{}: the package came without tests", folder.display())));
        }
        let folder = self.folder(workspace);
        let manifest = self.manifest(workspace, &source, &tests).map_err(Refusal::Failed)?;
        let lock = workspace.root.join("Cargo.lock");
        let write = || -> io::Result<()> {
            process::write_whole(&folder.join("Cargo.toml"), manifest.as_bytes())?;
            process::write_whole(&folder.join("lib.rs"), b"// Tests need a package.\n")?;
            // The same versions as here, so that they are built and fetched once.
            process::write_whole(&folder.join("Cargo.lock"), &fs::read(lock)?)
        };
        write().map_err(|error| Refusal::Failed(format!("{}: {error}", folder.display())))
    }

    fn manifest(&self, workspace: &Workspace, source: &Source, tests: &[PathBuf]) -> Result<String, String> {
        let (package, folder) = self.ours;
        let mut text = format!(
            "# Generated; see xtask/src/verbs/test/drop_in.rs.\n[workspace]\n\n\
             [package]\nname = \"drop-in-{peer}\"\nedition = \"{edition}\"\nautotests = false\n\n\
             [lib]\npath = \"lib.rs\"\n\n\
             [dependencies]\n{peer} = {{ package = \"{package}\", path = \"{path}\" }}\n",
            peer = self.peer,
            edition = source.edition,
            path = workspace.root.join(folder).display(),
        );
        for &need in self.needs {
            let requirement = source.requirements.iter().find(|(name, _)| name == need);
            let (_, version) = requirement.ok_or_else(|| format!("{} does not ask for {need}", self.peer))?;
            text.extend([need, " = \"", version.as_str(), "\"\n"]);
        }
        for test in tests {
            let name = test.file_stem().unwrap_or_default().to_string_lossy();
            text.extend([format!("\n[[test]]\nname = \"{name}\"\npath = \"{}\"\n", test.display())]);
        }
        let root =
            fs::read_to_string(workspace.root.join("Cargo.toml")).map_err(|error| error.to_string())?;
        Ok(text + &profiles(&root))
    }
}

/// The source of a package in what `cargo metadata` prints, if it is there.
fn source(metadata: &str, name: &str) -> Result<Option<Source>, String> {
    let value = json::read(metadata).map_err(|fault| format!("cargo metadata: {}", fault.reason))?;
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::text).map(str::to_owned);
    let packages = value.get("packages").map_or(&[] as &[Value], Value::list);
    let package = packages.iter().find(|package| text(package, "name").as_deref() == Some(name));
    let Some(package) = package else { return Ok(None) };
    let read = || {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let requirement = |value: &Value| Some((text(value, "name")?, text(value, "req")?));
        let requirements =
            package.get("dependencies")?.list().iter().map(requirement).collect::<Option<_>>()?;
        Some(Source {
            folder: manifest.parent()?.to_owned(),
            edition: text(package, "edition")?,
            requirements,
        })
    };
    read().map(Some).ok_or_else(|| format!("cargo metadata: {name} lacks a field"))
}

/// The files of its tests, sorted.
fn tests(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("tests")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    files.sort();
    files
}

/// The profiles in a workspace's manifest: what is built alike is built once.
fn profiles(manifest: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            // A package's own profile would name what is not there.
            inside = line.starts_with("[profile.") && !line.contains(".package.");
        }
        if inside {
            text.extend(["\n", line]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = r#"{"packages":[
        {"name":"deque","manifest_path":"/r/deque-1.2.3/Cargo.toml","edition":"2021",
         "dependencies":[{"name":"rand","req":"^0.8","kind":"dev"},{"name":"epoch","req":"^0.9","kind":null}]}]}"#;

    #[test]
    fn a_peer_is_found_in_what_cargo_says_or_said_to_be_missing() {
        let found = source(PEER, "deque").expect("it can be read").expect("it is there");
        assert_eq!(found.folder, Path::new("/r/deque-1.2.3"));
        assert_eq!(found.requirements[0], ("rand".to_owned(), "^0.8".to_owned()));
        assert_eq!(source(PEER, "queue"), Ok(None));
        assert!(source(r#"{"packages":[{"name":"deque"}]}"#, "deque").is_err());
        assert!(tests(&found.folder).is_empty(), "nothing is there");
    }

    #[test]
    fn the_generated_manifest_puts_ours_in_the_place_of_the_peer() {
        let workspace = Workspace::find().expect("tests run inside the workspace");
        let ours = ("swarm-work-stealing", "algos/work-stealing");
        let one = DropIn { peer: "deque", ours, needs: &["rand"], tests: 1 };
        let found = source(PEER, "deque").expect("it can be read").expect("it is there");
        let manifest = one.manifest(&workspace, &found, &["/r/deque-1.2.3/tests/lifo.rs".into()]);
        let manifest = manifest.expect("the peer asks for it");
        let path = workspace.root.join("algos/work-stealing");
        let line = format!("deque = {{ package = \"swarm-work-stealing\", path = \"{}\" }}", path.display());
        for part in [&line, "rand = \"^0.8\"", "name = \"lifo\"\npath = \"/r/deque-1.2.3/tests/lifo.rs\""] {
            assert!(manifest.contains(part), "{part} in {manifest}");
        }
        assert!(!manifest.contains("epoch"), "{manifest}");
        let other = DropIn { needs: &["time"], ..one };
        assert!(other.manifest(&workspace, &found, &[]).is_err(), "the peer does not ask for that");
    }

    #[test]
    fn profiles_are_taken_over_but_those_of_packages() {
        let manifest = "[workspace]\nx = 1\n[profile.test]\nopt-level = 2\n[profile.test.package.a]\ny = 2\n";
        assert_eq!(profiles(manifest), "\n[profile.test]\nopt-level = 2");
    }
}
