//! A peer's own tests, unchanged, on what takes its place: `cargo` builds them in a generated workspace in which
//! our crate is called as the peer is.
//!
//! The tests come with the peer's source, which cargo keeps. Those beside a crate are compiled where they lie. Those
//! inside are copied, without the ones that are left out, each by name and for a reason, and put into a crate in
//! which our names stand where they look for the peer's. A peer that is not there, or without its tests, is
//! skipped aloud. Fewer tests than expected are a failure, and so is one that is left out and not there.
//!
//! Verified by tests of what is generated; the stage itself shows that it builds.

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
    /// Which of the peer's tests.
    pub(super) which: Which,
    /// How many there are.
    pub(super) tests: u64,
}

/// Where a peer's tests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Beside the crate: all.
    Beside,
    /// Inside, in files called `test.rs`.
    Inside {
        /// The root of the crate into which they are put.
        root: &'static str,
        /// Reasons, and the tests that are left out for them, by module.
        left_out: &'static [(&'static str, &'static [&'static str])],
    },
}

/// What stands in for a crate of random numbers that one peer's tests use and nothing else here does.
const NUMBERS: &str = include_str!("drop_in/rand_xorshift.rs");

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
        let tests = match self.which {
            Which::Beside => tests(&source.folder),
            Which::Inside { .. } => inside(&source.folder.join("src")),
        };
        if tests.is_empty() {
            return Err(Refusal::Missing(format!("{}: it came without tests", source.folder.display())));
        }
        let folder = self.folder(workspace);
        let manifest = self.manifest(workspace, &source, &tests).map_err(Refusal::Failed)?;
        let mut files = self.files(&source, &tests).map_err(Refusal::Failed)?;
        files.push(("Cargo.toml".into(), manifest));
        let lock = workspace.root.join("Cargo.lock");
        let write = || -> io::Result<()> {
            for (path, text) in &files {
                let path = folder.join(path);
                // What is as it was is not built again.
                if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                    process::write_whole(&path, text.as_bytes())?;
                }
            }
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
             [lib]\npath = \"src/lib.rs\"\ndoctest = false\n\n\
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
        match self.which {
            Which::Beside => text.extend(tests.iter().map(|test| {
                let name = test.file_stem().unwrap_or_default().to_string_lossy();
                format!("\n[[test]]\nname = \"{name}\"\npath = \"{}\"\n", test.display())
            })),
            Which::Inside { .. } => text += "rand_xorshift = { path = \"rand_xorshift\" }\n",
        }
        let root =
            fs::read_to_string(workspace.root.join("Cargo.toml")).map_err(|error| error.to_string())?;
        Ok(text + &profiles(&root))
    }
}

impl DropIn {
    /// What lies beside the manifest.
    fn files(&self, source: &Source, tests: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, String> {
        let Which::Inside { root, left_out } = self.which else {
            return Ok(vec![("src/lib.rs".into(), "// Tests need a package.\n".to_owned())]);
        };
        let rand = source.requirements.iter().find(|(name, _)| name == "rand").map(|(_, version)| version);
        let numbers = format!(
            "[package]\nname = \"rand_xorshift\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n\
             [lib]\npath = \"lib.rs\"\n\n[dependencies]\nrand = \"{}\"\n",
            rand.ok_or("no rand is asked for")?
        );
        let mut files = vec![
            ("src/lib.rs".into(), root.to_owned()),
            ("rand_xorshift/Cargo.toml".into(), numbers),
            ("rand_xorshift/lib.rs".into(), NUMBERS.to_owned()),
        ];
        let mut left: Vec<&str> = left_out.iter().flat_map(|(_, names)| *names).copied().collect();
        for path in tests {
            let mut text =
                fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let place = path.strip_prefix(&source.folder).unwrap_or(path);
            let module = module(place);
            left.retain(|name| {
                let test = name.strip_prefix(&module).filter(|test| !test.contains("::"));
                let without = test.and_then(|test| without(&text, test));
                without.map(|without| text = without).is_none()
            });
            files.push((place.to_owned(), text));
        }
        if left.is_empty() { Ok(files) } else { Err(format!("{}: no tests {left:?}", self.peer)) }
    }
}

/// What stands before the names of the tests in `src/<module>/test.rs`.
fn module(place: &Path) -> String {
    let folder = place.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    if folder == "src" { String::new() } else { format!("{folder}::") }
}

/// The text without the function of this name and what stands above it; none if it is not there.
fn without(text: &str, test: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let head = format!("fn {test}(");
    let at = lines.iter().position(|line| line.starts_with(&head))?;
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let first = at - above.count();
    let last = at + lines[at..].iter().position(|line| *line == "}")?;
    Some([&lines[..first], &lines[last + 1..]].concat().join("\n") + "\n")
}

/// The files called `test.rs` in a folder and those in it, sorted.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| [path.join("test.rs"), path]).filter(|path| path.is_file()).collect();
    files.retain(|path| path.ends_with("test.rs"));
    files.sort();
    files
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
        let one = DropIn { peer: "deque", ours, needs: &["rand"], which: Which::Beside, tests: 1 };
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
    fn tests_that_are_left_out_go_with_what_stands_above_them() {
        let text =
            "use x;\n\n#[test]\nfn a() {\n    {\n    }\n}\n\n/// Says.\n#[test]\n#[ignore]\nfn b() {\n}\n";
        assert_eq!(without(text, "b").as_deref(), Some(&text[..text.find("///").expect("it is there")]));
        assert_eq!(without(text, "a").map(|left| left.contains("fn b")), Some(true));
        assert_eq!(without(text, "c"), None);
        assert_eq!(module(Path::new("src/join/test.rs")), "join::");
        assert_eq!(module(Path::new("src/test.rs")), "");
    }

    #[test]
    fn profiles_are_taken_over_but_those_of_packages() {
        let manifest = "[workspace]\nx = 1\n[profile.test]\nopt-level = 2\n[profile.test.package.a]\ny = 2\n";
        assert_eq!(profiles(manifest), "\n[profile.test]\nopt-level = 2");
    }
}
