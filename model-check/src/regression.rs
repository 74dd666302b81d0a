//! What the tests that findings are written as stand on: a run that broke something must break nothing now.
//!
//! Once a bug is gone, its run often cannot happen any more: some event of it is not enabled. That is as good
//! as a run to the end that breaks nothing. Verified by `tests/it/exported.rs`, which compiles such a test and
//! runs it against the bug, and without it.

use std::fmt::Display;
use std::str::FromStr;

use swarm_simulator::scenario::Scenario;

use crate::Registered;

/// What became of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It happens, and breaks nothing.
    Unbroken,
    /// It stops, for the reason given: with file and line, what cannot happen any more.
    Stops(String),
}

/// Plays a finished scenario on a registered protocol; `file` is the name that errors give.
///
/// # Errors
/// The property that the run breaks, or what is wrong with the file.
pub fn check<P: Registered<Op: FromStr<Err: Display>>>(file: &str, text: &str) -> Result<Held, String> {
    let scenario = Scenario::<P::Op>::read(file, text).map_err(|error| error.to_string())?;
    let config = P::read(&scenario).map_err(|reason| format!("{file}: {reason}"))?;
    match scenario.play::<P, P::Properties>(&scenario.setup(config)) {
        Err(stopped) => Ok(Held::Stops(stopped.to_string())),
        Ok(played) => match played.violation {
            None => Ok(Held::Unbroken),
            Some(violation) => Err(format!("{file} breaks {violation}")),
        },
    }
}
