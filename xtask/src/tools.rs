//! The tools beside cargo that some verbs can use, and how one finds out whether they are there.
//!
//! Every question is a short child process that installs nothing.

use crate::process::Program;
use crate::workspace::Workspace;

/// The first line that a program prints when asked for its version; none if it cannot be started.
pub(crate) fn version<const N: usize>(workspace: &Workspace, words: [&str; N]) -> Option<String> {
    let answer = Program::new(words).ask(&workspace.root)?;
    Some(answer.lines().next().unwrap_or_default().trim().to_owned())
}

/// The C++ compiler that build scripts would use: `CXX`, else `c++`.
pub(crate) fn cpp_compiler(workspace: &Workspace) -> Option<String> {
    let name = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    version(workspace, [&name, "--version"])
}

/// The installed nightly toolchain.
pub(crate) fn nightly(workspace: &Workspace) -> Option<String> {
    // `rustup run nightly` might install it; the list does not.
    let list = Program::new(["rustup", "toolchain", "list"]).ask(&workspace.root)?;
    find_nightly(&list)
}

fn find_nightly(list: &str) -> Option<String> {
    let mut names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.find(|name| *name == "nightly" || name.starts_with("nightly-") && !dated(name)).map(str::to_owned)
}

/// Whether a toolchain's name carries a date, in which case `+nightly` does not mean it.
fn dated(name: &str) -> bool {
    name.strip_prefix("nightly-").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Miri, of the installed nightly toolchain.
pub(crate) fn miri(workspace: &Workspace) -> Option<String> {
    nightly(workspace)?;
    version(workspace, ["cargo", "+nightly", "miri", "--version"])
}

/// cargo-fuzz.
pub(crate) fn cargo_fuzz(workspace: &Workspace) -> Option<String> {
    version(workspace, ["cargo", "fuzz", "--version"])
}

/// The triple that this toolchain builds for.
pub(crate) fn host(workspace: &Workspace) -> Option<String> {
    let answer = Program::new(["rustc", "-vV"]).ask(&workspace.root)?;
    answer.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_moving_nightly_counts() {
        assert_eq!(find_nightly("stable-x86_64-unknown-linux-gnu (active, default)\n"), None);
        assert_eq!(find_nightly("nightly-2026-01-02-x86_64-unknown-linux-gnu\n"), None);
        let list = "stable-x (default)\nnightly-2026-01-02-x\nnightly-x86_64-unknown-linux-gnu\n";
        assert_eq!(find_nightly(list).as_deref(), Some("nightly-x86_64-unknown-linux-gnu"));
    }
}
