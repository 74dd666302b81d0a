//! Relative links in Markdown lead to files that are there.
//!
//! Inline links and images are looked at, `[text](target)`, and reference definitions, `[name]: target`; code
//! is left out. Anchors within a page are not checked.

use super::Complaint;
use super::tree::{File, Tree};

/// Complaints about links that lead nowhere.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let markdown = tree.files.iter().filter(|file| file.is("md"));
    markdown.flat_map(|file| check_file(file, tree)).collect()
}

fn check_file(file: &File, tree: &Tree) -> Vec<Complaint> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut complaints = Vec::new();
    let mut fenced = false;
    for (i, line) in file.text.as_deref().unwrap_or_default().lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in targets(line) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if path.is_empty() || elsewhere {
                continue;
            }
            let reason = match resolved(folder, path) {
                Some(path) if exists(tree, &path) => continue,
                Some(path) => format!("link to `{target}`, but there is no `{path}`"),
                None => format!("link to `{target}` leaves the tree"),
            };
            complaints.push(Complaint::new("links", &file.path, Some(i + 1), reason));
        }
    }
    complaints
}

fn exists(tree: &Tree, path: &str) -> bool {
    let within = format!("{path}/");
    path.is_empty() || tree.files.iter().any(|file| file.path == path || file.path.starts_with(&within))
}

/// The link targets of a line.
fn targets(line: &str) -> Vec<String> {
    // Every second part between backticks is code.
    let prose: Vec<&str> = line.split('`').step_by(2).collect();
    let prose = prose.join("``");
    let mut targets = Vec::new();
    for part in prose.split("](").skip(1) {
        let target = part.split([')', ' ']).next().unwrap_or_default();
        targets.push(target.trim_matches(['<', '>']).to_owned());
    }
    let definition = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    if let Some((_, target)) = definition {
        targets
            .push(target.split_whitespace().next().unwrap_or_default().trim_matches(['<', '>']).to_owned());
    }
    targets
}

/// `path` as seen from `folder`, from the root; none if it leads out of the tree.
fn resolved(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<(Option<usize>, String)> {
        let files = vec![
            File::new("README.md", ""),
            File::new("algos/raft/README.md", text),
            File::new("docs/a.png", ""),
        ];
        let tree = Tree { files, packages: Vec::new() };
        check(&tree).into_iter().map(|complaint| (complaint.line, complaint.reason)).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "[up](../../README.md#top) ![a](../../docs/a.png \"title\") [web](https://example.org/x) [here](#x)\n\
            [folder](../raft) [root](../..) [mail](mailto:a@b.c)\n[ref]: <../../docs/a.png>\n\
            code: `[x](nowhere.md)`\n```\n[x](nowhere.md)\n```\n";
        assert_eq!(complaints(text), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found_with_their_line() {
        let found = complaints(
            "fine\n[a](missing.md)\n[b]: ../gone\n[c](../../../outside) [d](/etc/x)\n```\n```\n[e](x)\n",
        );
        let lines: Vec<Option<usize>> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [Some(2), Some(3), Some(4), Some(4), Some(7)]);
        assert_eq!(found[0].1, "link to `missing.md`, but there is no `algos/raft/missing.md`");
        assert!(found[2].1.contains("leaves the tree"));
    }
}
