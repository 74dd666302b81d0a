//! What the two binaries share: how they end, and what they write.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use reports::store;

use crate::TARGETS;
use crate::inputs::{self, Kept};

/// How a binary ends. The numbers mean the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done, and nothing was found.
    Fine,
    /// Something was found, or the run was stopped before it could be.
    Finding,
    /// The command line, or a file that it names, is wrong.
    Usage,
    /// Something is missing on this machine.
    Missing,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Usage => 2,
            Exit::Missing => 3,
        })
    }
}

/// Why a binary does not go on: said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How it ends.
    pub exit: Exit,
    /// The reason.
    pub reason: String,
}

impl Refused {
    /// The command line or an input is wrong.
    pub fn usage(reason: impl ToString) -> Self {
        Refused { exit: Exit::Usage, reason: reason.to_string() }
    }

    /// The machine lacks something, or refuses it.
    pub fn missing(reason: impl ToString) -> Self {
        Refused { exit: Exit::Missing, reason: reason.to_string() }
    }
}

impl From<lexopt::Error> for Refused {
    fn from(error: lexopt::Error) -> Self {
        Refused::usage(error)
    }
}

/// Ends the binary `name`, and says why it did not go on, if it did not.
pub fn end(name: &str, result: Result<Exit, Refused>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(Refused { exit, reason }) => {
            if exit == Exit::Usage {
                eprintln!("{name}: --help says how it is used");
            }
            eprintln!("{name}: {reason}");
            exit.into()
        }
    }
}

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
    target.split('_').next().unwrap_or(target)
}

/// What a reader types to repeat this run: what the starter says, or else `otherwise`.
pub fn command(otherwise: impl FnOnce() -> String) -> String {
    std::env::var("SWARMPROOF_COMMAND").unwrap_or_else(|_| otherwise())
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
    use super::*;

    #[test]
    fn unknown_targets_are_refused_and_the_known_are_named() {
        assert_eq!(target("scenario"), Ok("scenario"));
        let refused = target("scenari\n").unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.reason, "`scenari\\n` is no target: raft_message, raft_schedule, scenario");
    }

    #[test]
    fn artifacts_have_names_that_the_report_reads() {
        assert_eq!((subject("raft_message").as_str(), algorithm("raft_message")), ("raft-message", "raft"));
        assert_eq!((subject("scenario").as_str(), algorithm("scenario")), ("scenario", "scenario"));
    }
}
