//! The rules that keep the tree a tree: who may depend on whom, where files stand, what they are called.
//!
//! Every rule is a function from a [`Tree`](tree::Tree), plain data, to complaints, so that each is tested on
//! a bad example here. Reading the checkout into a `Tree` is all that touches the disk.

mod arrows;
mod links;
mod places;
mod texts;
pub(crate) mod tree;

use std::fmt;

use self::tree::Tree;

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Complaint {
    /// The file or folder, from the root.
    pub(crate) path: String,
    /// The line, counted from 1, where there is one.
    pub(crate) line: Option<usize>,
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What is wrong, and what would be right.
    pub(crate) reason: String,
}

impl Complaint {
    fn new(rule: &'static str, path: &str, line: Option<usize>, reason: impl Into<String>) -> Complaint {
        Complaint { path: path.to_owned(), line, rule, reason: reason.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        write!(f, "{}{line}: {} [{}]", self.path, self.reason, self.rule)
    }
}

/// All rules over the whole tree; complaints sorted by place.
pub(crate) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = arrows::check(&tree.packages);
    complaints.extend(places::check(tree));
    complaints.extend(links::check(tree));
    complaints.extend(tree.files.iter().flat_map(texts::check));
    complaints.sort();
    complaints
}
