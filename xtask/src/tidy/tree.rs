//! The checkout as plain data: its files, and what its packages depend on.

use std::fs;

use crate::json::{self, Value};
use crate::process::Program;
use crate::workspace::Workspace;

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// Files that git tracks or would track, sorted by path.
    pub(crate) files: Vec<File>,
    /// The packages of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its text, if it is UTF-8 and not too large to be one.
    pub(crate) text: Option<String>,
}

impl File {
    /// A file with this text.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), bytes: text.len() as u64, text: Some(text.to_owned()) }
    }

    /// Whether its name ends with a dot and this.
    pub(crate) fn is(&self, extension: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// One package of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name in Cargo.toml.
    pub(crate) name: String,
    /// Its folder, from the root.
    pub(crate) folder: String,
    /// Its direct dependencies, of every target and feature.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's own name, whatever it is renamed to.
    pub(crate) name: String,
    /// Whether tests and benches alone use it.
    pub(crate) dev: bool,
    /// Whether a feature must be on for it.
    pub(crate) optional: bool,
}

/// Texts above this size are not looked into.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// Asks git for the files and cargo for the packages.
pub(crate) fn read(workspace: &Workspace) -> Result<Tree, String> {
    let files = Program::new(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .ask(&workspace.root)
        .ok_or("git cannot list the files (apt-get install git; run inside a clone)")?;
    let mut paths: Vec<&str> = files.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let files = paths
        .into_iter()
        .filter_map(|path| {
            let full = workspace.root.join(path);
            // A file that was deleted but not yet committed is still listed.
            let bytes = fs::symlink_metadata(&full).ok()?.len();
            let text = if bytes <= TEXT_BYTES_MAX { fs::read_to_string(&full).ok() } else { None };
            Some(File { path: path.to_owned(), bytes, text })
        })
        .collect();
    let metadata = Program::cargo("metadata --no-deps --format-version 1")
        .ask(&workspace.root)
        .ok_or("`cargo metadata --no-deps` fails: run it to see why")?;
    Ok(Tree { files, packages: packages(&metadata)? })
}

/// The packages in what `cargo metadata` prints.
fn packages(metadata: &str) -> Result<Vec<Package>, String> {
    let unexpected = |what: &str| format!("cargo metadata: {what}");
    let value = json::read(metadata).map_err(|fault| unexpected(fault.reason))?;
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::text).map(str::to_owned);
    let root = text(&value, "workspace_root").ok_or_else(|| unexpected("no workspace_root"))?;
    let packages = value.get("packages").ok_or_else(|| unexpected("no packages"))?;
    packages
        .list()
        .iter()
        .map(|package| {
            let manifest = text(package, "manifest_path").ok_or_else(|| unexpected("no manifest_path"))?;
            let folder = manifest.strip_prefix(&root).and_then(|path| path.strip_suffix("Cargo.toml"));
            let folder = folder.ok_or_else(|| unexpected("a package outside of the workspace"))?;
            let dependencies = package.get("dependencies").map_or(&[] as &[Value], Value::list);
            let dependency = |value: &Value| {
                Some(Dependency {
                    name: text(value, "name")?,
                    dev: value.get("kind").and_then(Value::text) == Some("dev"),
                    optional: value.get("optional") == Some(&Value::Switch(true)),
                })
            };
            Ok(Package {
                name: text(package, "name").ok_or_else(|| unexpected("no name"))?,
                folder: folder.trim_matches(['/', '\\']).replace('\\', "/"),
                dependencies: dependencies
                    .iter()
                    .map(dependency)
                    .collect::<Option<_>>()
                    .ok_or_else(|| unexpected("a dependency without a name"))?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_come_out_of_cargo_metadata() {
        let metadata = r#"{"workspace_root":"/w","packages":[{"name":"swarm-raft","manifest_path":"/w/algos/raft/Cargo.toml",
            "dependencies":[{"name":"swarm-protocol","kind":null,"optional":false,"rename":null},
                            {"name":"raft","kind":"dev","optional":true,"rename":"raft-rs"}]}]}"#;
        let expected = Package {
            name: "swarm-raft".to_owned(),
            folder: "algos/raft".to_owned(),
            dependencies: vec![
                Dependency { name: "swarm-protocol".to_owned(), dev: false, optional: false },
                Dependency { name: "raft".to_owned(), dev: true, optional: true },
            ],
        };
        assert_eq!(packages(metadata), Ok(vec![expected]));
        for broken in ["", "{}", r#"{"workspace_root":"/w"}"#, r#"{"workspace_root":"/w","packages":[{}]}"#] {
            assert!(packages(broken).is_err(), "{broken}");
        }
    }
}
