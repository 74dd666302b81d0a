//! Where the inputs of a target lie, and what its artifact is called.

use std::path::{Path, PathBuf};
use std::{fs, io};

use reports::command_line::Refused;
use reports::store;

use crate::TARGETS;
use crate::inputs::{self, Kept};

/// The target of this name.
///
/// # Errors
/// If there is none; the reason names those there are.
pub fn target(name: &str) -> Result<&'static str, Refused> {
    let found = TARGETS.iter().map(|(target, _)| *target).find(|target| *target == name);
    found.ok_or_else(|| {
        let all: Vec<_> = TARGETS.iter().map(|(target, _)| *target).collect();
        Refused::usage(format!("`{}` is no target: {}", name.escape_debug(), all.join(", ")))
    })
}

/// The name of a target's artifact.
pub fn subject(target: &str) -> String {
    target.replace('_', "-")
}

/// What the artifact of a target is about: an algorithm, or a part of the harness.
pub fn algorithm(target: &str) -> &str {
    if target.starts_with("task_sharing") {
        "task-sharing"
    } else {
        target.split('_').next().unwrap_or(target)
    }
}

/// The folder of this crate in the workspace that the binary was started in.
///
/// # Errors
/// If it was started elsewhere.
pub fn home() -> Result<PathBuf, Refused> {
    Ok(store::workspace_root().map_err(Refused::missing)?.join("fuzz"))
}

/// The corpus and the regressions of a target.
///
/// # Errors
/// The first file that is no input.
pub fn kept(home: &Path, target: &str) -> Result<Vec<Kept>, Refused> {
    let mut kept = Vec::new();
    for part in ["corpus", "regressions"] {
        kept.extend(inputs::read(&home.join(part).join(target)).map_err(Refused::usage)?);
    }
    Ok(kept)
}

/// Keeps a crashing input for ever, and gives its path.
///
/// # Errors
/// As the system reports them.
pub fn keep(home: &Path, target: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let folder = home.join("regressions").join(target);
    fs::create_dir_all(&folder)?;
    let path = folder.join(inputs::name(bytes));
    store::write_atomically(&path, bytes)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use reports::command_line::Exit;

    use super::*;

    #[test]
    fn unknown_targets_are_refused_and_the_known_are_named() {
        assert_eq!(target("scenario"), Ok("scenario"));
        let refused = target("scenari\n").unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(
            refused.reason,
            "`scenari\\n` is no target: raft_log, raft_message, raft_schedule, scenario, task_sharing_message, task_sharing_schedule"
        );
    }

    #[test]
    fn artifacts_have_names_that_the_report_reads() {
        assert_eq!((subject("raft_message").as_str(), algorithm("raft_message")), ("raft-message", "raft"));
        let sharing = "task_sharing_message";
        assert_eq!((subject(sharing).as_str(), algorithm(sharing)), ("task-sharing-message", "task-sharing"));
        assert_eq!((subject("scenario").as_str(), algorithm("scenario")), ("scenario", "scenario"));
    }
}
