//! Where things are: the workspace's folders, found at run time so that a moved clone keeps working.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The crates under `algos` that are no protocols, so that no checker is registered for them.
pub(crate) const LIBRARIES: [&str; 4] = ["protocol", "simulator", "runtime", "work-stealing"];

/// The folders of one clone.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds: `CARGO_TARGET_DIR`, else `target`.
    pub(crate) target: PathBuf,
    /// Where artifacts lie: `SWARMPROOF_ARTIFACTS`, else `target/artifacts`, as every crate has it.
    pub(crate) artifacts: PathBuf,
}

impl Workspace {
    /// Looks upwards from the folder cargo names, else from the current one.
    pub(crate) fn find() -> Result<Workspace, String> {
        let here = env::current_dir().map_err(|error| format!("no current folder: {error}"))?;
        let start = env::var_os("CARGO_MANIFEST_DIR").map_or(here, PathBuf::from);
        let root = start
            .ancestors()
            .find(|folder| {
                fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.contains("[workspace]"))
            })
            .ok_or_else(|| format!("{} is not inside the workspace", start.display()))?
            .to_owned();
        let folder =
            |name: &str, default: &str| root.join(env::var_os(name).unwrap_or_else(|| default.into()));
        Ok(Workspace {
            target: folder("CARGO_TARGET_DIR", "target"),
            artifacts: folder("SWARMPROOF_ARTIFACTS", "target/artifacts"),
            root,
        })
    }

    /// The algorithms there are: the folders of `algos`, sorted, without the libraries beneath them.
    pub(crate) fn algorithms(&self) -> Vec<String> {
        let mut names = names_in(&self.root.join("algos"), |path| path.join("Cargo.toml").is_file());
        names.retain(|name| !LIBRARIES.contains(&name.as_str()));
        names
    }

    /// The crates below `algos` whose bugs are kept in a zoo, libraries among them.
    pub(crate) fn zoos(&self) -> Vec<String> {
        let mut names = names_in(&self.root.join("model-check/zoo"), |path| {
            path.extension().is_some_and(|end| end == "toml")
        });
        names.retain(|name| self.root.join(format!("algos/{name}/Cargo.toml")).is_file());
        names
    }

    /// The peers that are simulated as the algorithms are: each a binary of `bench`, behind the feature `peers`.
    pub(crate) fn peers(&self) -> Vec<String> {
        let nodes = names_in(&self.root.join("bench/src/peers"), |path| {
            path.extension().is_some_and(|end| end == "rs")
        });
        let peers = nodes.iter().filter_map(|name| name.strip_suffix("_node"));
        peers.map(|name| name.replace('_', "-")).collect()
    }

    /// The fuzz targets there are: the files of `fuzz/fuzz_targets`, sorted, without `.rs`.
    pub(crate) fn fuzz_targets(&self) -> Vec<String> {
        names_in(&self.root.join("fuzz/fuzz_targets"), |path| path.extension().is_some_and(|end| end == "rs"))
    }

    /// `path` as seen from the root, for messages.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// The stems of those entries of a folder that `wanted` accepts, sorted; none if it cannot be read.
fn names_in(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| wanted(path))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_and_its_libraries_are_no_algorithms() {
        let workspace = Workspace::find().expect("tests run inside the workspace");
        assert!(workspace.root.join("xtask/Cargo.toml").is_file());
        let algorithms = workspace.algorithms();
        assert!(algorithms.iter().any(|name| name == "raft"), "{algorithms:?}");
        assert!(algorithms.iter().all(|name| !LIBRARIES.contains(&name.as_str())), "{algorithms:?}");
        assert!(workspace.zoos().iter().any(|name| name == "raft"));
        assert!(workspace.zoos().iter().any(|name| name == "work-stealing"), "a library has one, too");
        for peer in workspace.peers() {
            let binary = workspace.root.join(format!("bench/src/bin/{peer}.rs"));
            assert!(binary.is_file(), "no program simulates {peer}");
        }
        assert_eq!(workspace.peers(), ["raft-rs"]);
    }
}
