//! The verbs, as binaries have them: those of this workspace, which are told an algorithm by its name, and those
//! of a protocol brought from elsewhere, which know one and are told a verb.
//!
//! Verified by `tests/it/binaries.rs` and `tests/it/brought.rs`, which start the binaries.

pub mod bench;
mod calibrate;
mod decisive;
mod elections;
mod etcd_trace;
pub mod explore;
pub mod fuzz;
pub mod report;
pub mod simulate;
mod spin;
pub mod verify;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use reports::command_line::{self, Options, Refused};

use crate::registered::Algorithm;

/// Who runs a verb: with which words, and on which algorithms.
#[derive(Clone)]
pub struct Caller {
    /// What follows the verb on the command line.
    words: Vec<OsString>,
    /// What can be run.
    algorithms: &'static [&'static dyn Algorithm],
    /// What a reader types before the verb, where that says which algorithm is meant. Without it the verb is the
    /// workspace's own, and algorithms are named after it.
    program: Option<String>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        write!(f, "{:?} {:?} of {names:?}", self.program, self.words)
    }
}

impl Caller {
    /// A binary of this workspace, whose command line names algorithms.
    #[cfg(feature = "algorithms")]
    pub fn workspace() -> Self {
        Caller {
            words: env::args_os().skip(1).collect(),
            algorithms: crate::registered::ALGORITHMS,
            program: None,
        }
    }

    /// A binary of one algorithm, whose command line is a verb and then these words. `started` is what a reader
    /// types to start it; "" if it is to be found out.
    pub fn brought(
        words: Vec<OsString>,
        started: &str,
        algorithm: &'static [&'static dyn Algorithm; 1],
    ) -> Self {
        let program = if started.is_empty() { program() } else { started.to_owned() };
        Caller { words, algorithms: algorithm, program: Some(program) }
    }

    /// Whether it is the program of one algorithm.
    fn is_brought(&self) -> bool {
        self.program.is_some()
    }

    /// Reads the words; see [`command_line::read`].
    ///
    /// # Errors
    /// As [`command_line::read`].
    pub fn read(
        &self,
        shared: &[&str],
        own: impl FnMut(&str, &mut lexopt::Parser) -> Result<bool, Refused>,
    ) -> Result<Option<Options>, Refused> {
        command_line::read_from(self.words.clone(), shared, own)
    }

    /// The algorithms that are meant: all unless some are named.
    ///
    /// # Errors
    /// If a name is none.
    pub fn algorithms(&self, options: &Options) -> Result<Vec<&'static dyn Algorithm>, Refused> {
        if self.program.is_some() {
            return Ok(vec![self.algorithm(options)?]);
        }
        options.algorithms()?.into_iter().map(|name| self.named(name)).collect()
    }

    /// The one algorithm that is meant.
    ///
    /// # Errors
    /// If it is not named, or more than that.
    pub fn algorithm(&self, options: &Options) -> Result<&'static dyn Algorithm, Refused> {
        if self.program.is_none() {
            return self.named(options.algorithm()?);
        }
        match &options.names[..] {
            [] => Ok(self.algorithms[0]),
            [name, ..] => Err(Refused::usage(format!("unexpected argument \"{}\"", name.escape_debug()))),
        }
    }

    fn named(&self, name: &str) -> Result<&'static dyn Algorithm, Refused> {
        let found = self.algorithms.iter().find(|algorithm| algorithm.name() == name);
        found.copied().ok_or_else(|| Refused::usage(format!("`{name}` is not registered")))
    }

    /// The help of a verb: where no algorithm can be named, without the word for it.
    pub fn help(&self, text: &str) -> String {
        if self.program.is_none() {
            return text.to_owned();
        }
        text.replace(" [ALGO...]", "").replace(" ALGO", "")
    }

    /// What a reader types to repeat this run.
    pub fn command(&self, verb: &str, options: &Options) -> String {
        match &self.program {
            None => options.command(verb),
            Some(program) => {
                command_line::command(|| format!("{program} {verb} {}", options.words.join(" ")))
            }
        }
    }

    /// What a reader types to run a verb on an algorithm with other words than those of this run.
    pub fn line(&self, verb: &str, algorithm: &str, words: &str) -> String {
        match &self.program {
            None => format!("cargo xtask {verb} {algorithm} {words}"),
            Some(program) => format!("{program} {verb} {words}"),
        }
    }
}

/// Refuses a size that an algorithm cannot have.
fn check_nodes(algorithm: &(impl Algorithm + ?Sized), nodes: Option<u32>) -> Result<(), Refused> {
    let known = algorithm.nodes();
    match nodes {
        Some(nodes) if !known.contains(&nodes) => {
            Err(Refused::usage(format!("--nodes is {} to {}", known.start(), known.end())))
        }
        _ => Ok(()),
    }
}

/// What a reader types to start this program: through cargo if cargo started it.
fn program() -> String {
    let path = env::args_os().next().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let package = env::var("CARGO_PKG_NAME").ok().filter(|_| env::var_os("CARGO").is_some());
    started(&path, package.as_deref())
}

/// The command that starts the program at `path`, which cargo has built of `package`, if it was cargo.
fn started(path: &str, package: Option<&str>) -> String {
    let Some(package) = package else { return path.to_owned() };
    let folders: Vec<_> = Path::new(path).iter().rev().map(|name| name.to_string_lossy()).collect();
    let name = folders.first().map(|name| name.trim_end_matches(env::consts::EXE_SUFFIX)).unwrap_or_default();
    let release = if folders.iter().any(|folder| folder == "release") { " --release" } else { "" };
    match folders.get(1).map(AsRef::as_ref) {
        Some("examples") => format!("cargo run{release} -p {package} --example {name} --"),
        _ if name == package => format!("cargo run{release} --"),
        _ => format!("cargo run{release} -p {package} --bin {name} --"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_how_cargo_starts_the_program() {
        for (path, package, command) in [
            ("target/release/mine", Some("mine"), "cargo run --release --"),
            ("target/debug/mine", Some("mine"), "cargo run --"),
            ("target/release/other", Some("mine"), "cargo run --release -p mine --bin other --"),
            ("/a/release/examples/two", Some("mine"), "cargo run --release -p mine --example two --"),
            ("./mine", None, "./mine"),
        ] {
            assert_eq!(started(path, package), command);
        }
    }
}
