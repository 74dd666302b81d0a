//! How a verb ends. Scripts and CI read the number; it means the same for every verb.

use std::process::ExitCode;

/// The end of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing was found.
    Fine,
    /// A finding: violation, crash, regression, failed test or failed build.
    Finding,
    /// The command line is wrong.
    Usage,
    /// Something this machine lacks; it has been named, with the command that installs it.
    Missing,
    /// Stopped by Ctrl-C or a termination signal. What had been finished by then is kept, complete.
    Interrupted,
}

impl Exit {
    /// The number given to the shell. 130 is what a shell reports of a program stopped by Ctrl-C, so that
    /// loops around it stop too.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Usage => 2,
            Exit::Missing => 3,
            Exit::Interrupted => 130,
        }
    }

    /// What the number of a started binary means. Every binary of the workspace ends with 0, 1, 2 or 3,
    /// or 130 if it was interrupted; any other number is cargo failing to build it, a panic or a signal, and counts as a finding.
    pub(crate) const fn from_child(code: Option<i32>) -> Exit {
        match code {
            Some(0) => Exit::Fine,
            Some(2) => Exit::Usage,
            Some(3) => Exit::Missing,
            Some(130) => Exit::Interrupted,
            _ => Exit::Finding,
        }
    }

    /// The word for it in JSON lines.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Exit::Fine => "fine",
            Exit::Finding => "finding",
            Exit::Usage => "usage",
            Exit::Missing => "missing",
            Exit::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_number_keeps_its_meaning_and_anything_else_is_a_finding() {
        for exit in [Exit::Fine, Exit::Finding, Exit::Usage, Exit::Missing, Exit::Interrupted] {
            assert_eq!(Exit::from_child(Some(i32::from(exit.code()))), exit);
        }
        assert_eq!(Exit::from_child(Some(101)), Exit::Finding, "cargo could not build");
        assert_eq!(Exit::from_child(None), Exit::Finding, "killed by a signal");
    }
}
