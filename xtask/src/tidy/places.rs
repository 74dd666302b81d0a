//! Where files stand and what they are called.

use super::Complaint;
use super::tree::Tree;
use crate::workspace::LIBRARIES;

/// What may stand at the top.
const TOP: [&str; 21] = [
    ".cargo",
    ".ci",
    ".gitattributes",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "algos",
    "bench",
    "clippy.toml",
    "docs",
    "fuzz",
    "model-check",
    "reports",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "xtask",
];
/// The largest file that is kept in git.
const BYTES_MAX: u64 = 1 << 20;
/// Names that say nothing of what a file holds.
const EMPTY_WORDS: [&str; 8] = ["util", "utils", "common", "commons", "helper", "helpers", "misc", "stuff"];

/// Complaints about places, names and sizes.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut strays: Vec<&str> = Vec::new();
    for file in &tree.files {
        let top = file.path.split('/').next().unwrap_or_default();
        if !TOP.contains(&top) && !strays.contains(&top) {
            strays.push(top);
            complaints.push(Complaint::new("places", top, None, "does not belong at the top of the tree"));
        }
        if file.bytes > BYTES_MAX {
            let reason =
                format!("{} KiB are too much for git: {} KiB at most", file.bytes >> 10, BYTES_MAX >> 10);
            complaints.push(Complaint::new("size", &file.path, None, reason));
        }
        let words = file.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
        if let Some(word) = words.into_iter().find(|word| EMPTY_WORDS.contains(word)) {
            let reason = format!("`{word}` does not say what it holds");
            complaints.push(Complaint::new("names", &file.path, None, reason));
        }
    }
    complaints.extend(zoo_names(tree));
    complaints
}

/// The library whose threads have bugs of their own.
const SHARED_BY_THREADS: &str = "work-stealing";

/// The zoo's files are called after algorithms, or after that library.
fn zoo_names(tree: &Tree) -> Vec<Complaint> {
    let algorithm = |name: &str| {
        let folder = format!("algos/{name}/");
        (name == SHARED_BY_THREADS || !LIBRARIES.contains(&name))
            && tree.files.iter().any(|file| file.path.starts_with(&folder))
    };
    let zoo = tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix("model-check/zoo/")?.strip_suffix(".toml")?;
        Some((&file.path, name))
    });
    zoo.filter(|(_, name)| !name.contains('/') && !algorithm(name))
        .map(|(path, name)| Complaint::new("names", path, None, format!("there is no algorithm `{name}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;

    fn complaints(paths: &[&str]) -> Vec<Complaint> {
        let files = paths.iter().map(|path| File::new(path, "")).collect();
        check(&Tree { files, packages: Vec::new() })
    }

    #[test]
    fn a_stray_at_the_top_is_found_once() {
        assert_eq!(complaints(&["README.md", "algos/raft/src/lib.rs", ".ci/run"]), []);
        let found = complaints(&["notes.txt", "scratch/a", "scratch/b"]);
        assert_eq!(
            found.iter().map(|complaint| complaint.path.as_str()).collect::<Vec<_>>(),
            ["notes.txt", "scratch"]
        );
    }

    #[test]
    fn a_large_file_is_found() {
        let file = |bytes| File { path: "fuzz/corpus/x".to_owned(), bytes, text: None };
        let tree = |bytes| Tree { files: vec![file(bytes)], packages: Vec::new() };
        assert_eq!(check(&tree(BYTES_MAX)), []);
        assert_eq!(check(&tree(BYTES_MAX + 1))[0].rule, "size");
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(complaints(&["bench/src/utils.rs"])[0].rule, "names");
        assert_eq!(complaints(&["bench/src/common/mod.rs"])[0].rule, "names");
        assert_eq!(complaints(&["bench/src/commonwealth.rs", "bench/src/quorum.rs"]), []);
    }

    #[test]
    fn a_zoo_file_is_called_after_an_algorithm() {
        let raft = "algos/raft/src/lib.rs";
        assert_eq!(complaints(&[raft, "model-check/zoo/raft.toml"]), []);
        assert_eq!(
            complaints(&[raft, "model-check/zoo/draft.toml"])[0].reason,
            "there is no algorithm `draft`"
        );
        let library = ["algos/runtime/src/lib.rs", "model-check/zoo/runtime.toml"];
        assert_eq!(complaints(&library).len(), 1, "a library is no algorithm");
    }
}
