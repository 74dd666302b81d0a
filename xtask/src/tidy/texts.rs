//! What stands in files: no trace of the machine they were written on, an opening line, a bearable length.

use super::Complaint;
use super::tree::File;

/// Beginnings of paths and addresses that mean something on one machine only. In halves, so that this file
/// does not complain about itself.
const FOREIGN: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("C:\\Us", "ers"),
    ("index.crates", ".io"),
    ("crates.io-in", "dex"),
    ("replace-", "with"),
    ("sparse+", "http"),
];
/// Code files longer than this have more than one subject.
const LINES_MAX: usize = 800;

/// Complaints about one file.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    let Some(text) = file.text.as_deref() else {
        return Vec::new();
    };
    let mut complaints = Vec::new();
    // The lock file names the registry by design.
    if file.name() != "Cargo.lock" {
        complaints.extend(foreign(file, text));
    }
    if file.is("rs") {
        complaints.extend(rust(file, text));
    }
    complaints
}

fn foreign(file: &File, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for (one, other) in FOREIGN {
            let needle = format!("{one}{other}");
            // At the start of a path it is a machine's folder, further on it is one of ours.
            let found = line.match_indices(&needle).any(|(at, _)| {
                !needle.starts_with('/')
                    || !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}".contains(c))
            });
            if found {
                let reason = format!("`{needle}` belongs to one machine");
                complaints.push(Complaint::new("foreign", &file.path, Some(i + 1), reason));
            }
        }
    }
    complaints
}

fn rust(file: &File, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        let reason = "should open with `//!`: what it is, how it works, how it is verified";
        complaints.push(Complaint::new("opening", &file.path, Some(1), reason));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        let reason = format!("{lines} lines are too much for one file: {LINES_MAX} at most");
        complaints.push(Complaint::new("length", &file.path, None, reason));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&File::new(path, text)).into_iter().map(|complaint| complaint.rule).collect()
    }

    #[test]
    fn traces_of_a_machine_are_found_with_their_line() {
        for (one, other) in FOREIGN {
            let text = format!("fine\nsee {one}{other}x\n");
            let found = check(&File::new("README.md", &text));
            assert_eq!(found.len(), 1, "{one}{other}");
            assert_eq!((found[0].rule, found[0].line), ("foreign", Some(2)));
            assert_eq!(rules("Cargo.lock", &text), [""; 0]);
        }
        let own = format!(
            "see docs{}{}x, and {{folder}}{}{}x",
            FOREIGN[1].0, FOREIGN[1].1, FOREIGN[2].0, FOREIGN[2].1
        );
        assert_eq!(rules("README.md", &own), [""; 0], "part of a longer path");
    }

    #[test]
    fn code_opens_by_saying_what_it_is() {
        assert_eq!(rules("a.rs", "//! A.\n"), [""; 0]);
        assert_eq!(rules("a.rs", "#![no_main]\n//! A.\n"), [""; 0]);
        assert_eq!(rules("a.rs", "\n//! A.\n"), [""; 0]);
        assert_eq!(rules("a.rs", "use std::fs;\n//! A.\n"), ["opening"]);
        assert_eq!(rules("a.rs", ""), ["opening"]);
        assert_eq!(rules("a.md", ""), [""; 0]);
    }

    #[test]
    fn a_file_too_long_is_found() {
        let lines = |count: usize| "//! A.\n".repeat(count);
        assert_eq!(rules("a.rs", &lines(LINES_MAX)), [""; 0]);
        assert_eq!(rules("a.rs", &lines(LINES_MAX + 1)), ["length"]);
        assert_eq!(rules("a.md", &lines(LINES_MAX + 1)), [""; 0]);
    }
}
