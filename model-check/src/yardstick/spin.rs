//! SPIN (Holzmann 1997), which generates a verifier in C of a model in Promela.
//!
//! Reduction is off, so that it counts every state. Whatever does not go as it should is an error with all that was
//! printed: a search that is cut off is none that could be compared. Verified in `tests/it/spin.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// SPIN and the compiler that it needs, as found on this machine.
#[derive(Clone, Debug)]
pub struct Spin {
    /// What it says of itself.
    pub version: String,
}

/// A program that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl Spin {
    /// Looks for both.
    ///
    /// # Errors
    /// Which of them are not there, or cannot be started.
    pub fn find() -> Result<Self, Vec<Missing>> {
        let said = [("spin", "-V"), ("gcc", "--version")].map(|(program, version)| {
            let output = Command::new(program).arg(version).stdin(Stdio::null()).output();
            let output = output.ok().filter(|output| output.status.success()).ok_or(Missing(program))?;
            let text = String::from_utf8_lossy(&output.stdout);
            // Another program goes by the name of `spin`, too.
            if program == "spin" && !text.contains("Spin Version") {
                return Err(Missing(program));
            }
            Ok(text.lines().next().unwrap_or_default().trim().to_owned())
        });
        match said {
            [Ok(version), Ok(_)] => Ok(Spin { version }),
            said => Err(said.into_iter().filter_map(Result::err).collect()),
        }
    }

    /// Generates and compiles the verifier of a model in an empty or new folder.
    ///
    /// # Errors
    /// What did not work.
    pub fn verifier(
        &self,
        folder: &Path,
        model: &str,
        define: &[&str],
        flags: &[&str],
    ) -> Result<Verifier, String> {
        let written =
            fs::create_dir_all(folder).and_then(|()| fs::write(folder.join("model.pml"), model.as_bytes()));
        written.map_err(|error| format!("{}: {error}", folder.display()))?;
        let verifier = Verifier { folder: folder.to_owned() };
        verifier.run("spin".as_ref(), &[define, &["-a", "model.pml"]].concat())?;
        // Partial-order reduction would leave states out.
        let compiled = [&["-O1", "-w", "-DNOREDUCE"], flags, &["-o", "pan", "pan.c"]].concat();
        verifier.run("gcc".as_ref(), &compiled)?;
        Ok(verifier)
    }
}

/// A verifier that SPIN has generated of a model.
#[derive(Debug)]
pub struct Verifier {
    folder: PathBuf,
}

impl Verifier {
    /// How many states there are. The verifier is to be compiled with `-DSAFETY -DNOCLAIM`.
    ///
    /// # Errors
    /// If it could not count all of them.
    pub fn states(&self) -> Result<u64, String> {
        let text = self.verify(&[])?;
        number_before(&text, "states, stored").ok_or_else(|| format!("SPIN counts no states: {text}"))
    }

    /// Whether the formula of this name holds in all weakly fair runs. The verifier is to be compiled with
    /// `-DNFAIR=`, more than there are processes divided by 30.
    ///
    /// # Errors
    /// If it could not look at all of them.
    pub fn holds(&self, formula: &str) -> Result<bool, String> {
        // Acceptance cycles, weakly fair.
        let text = self.verify(&["-a", "-f", "-N", formula])?;
        let errors = number_behind(&text, "errors:");
        errors.map(|errors| errors == 0).ok_or_else(|| format!("SPIN counts no errors: {text}"))
    }

    /// What the verifier prints of a search that was not cut off.
    fn verify(&self, arguments: &[&str]) -> Result<String, String> {
        let pan = self.folder.join("pan");
        // A state in which all processes have come to an end is no error, and no search is cut off.
        let text = self.run(&pan, &[&["-E", "-m1000000"], arguments].concat())?;
        if text.contains("max search depth too small") || text.contains("out of memory") {
            return Err(format!("SPIN was cut off: {text}"));
        }
        Ok(text)
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program);
        let output = command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).output();
        let line = format!("{} {}", program.display(), arguments.join(" "));
        let output = output.map_err(|error| format!("{line}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(format!("{line}: {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// The number right before `what`, on its line.
fn number_before(text: &str, what: &str) -> Option<u64> {
    let before = text.lines().find_map(|line| Some(line.split_once(what)?.0))?;
    before.split_whitespace().next_back()?.parse().ok()
}

/// The number right behind `what`, on its line.
fn number_behind(text: &str, what: &str) -> Option<u64> {
    let behind = text.lines().find_map(|line| Some(line.split_once(what)?.1))?;
    behind.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_of_what_a_verifier_prints() {
        let text =
            "State-vector 28 byte, depth reached 33, errors: 1\n   296448 states, stored (9 visited)\n";
        assert_eq!(number_before(text, "states, stored"), Some(296_448));
        assert_eq!(number_behind(text, "errors:"), Some(1));
        assert_eq!((number_before(text, "matched"), number_behind(text, "reached")), (None, None));
    }
}
