//! What a run of libFuzzer came to, from its log: for the artifact.
//!
//! Verified by `tests/it/binaries.rs`. Not verified: that the log is of the target and the engine named.

use std::path::Path;

use reports::artifact::{Finding, FuzzRun, Injected};
use reports::command_line::Refused;

use crate::flawed;
use crate::log::Summary;

/// A run of libFuzzer.
#[derive(Clone, Debug, PartialEq)]
pub struct Guided {
    /// Its figures; engine, seed and sanitizers are the caller's.
    pub run: FuzzRun,
    /// What crashed, if something did.
    pub finding: Option<Finding>,
    /// The largest memory of the fuzzer, in MiB.
    pub peak_rss_mib: Option<u64>,
    /// Whether somebody stopped it.
    pub interrupted: bool,
}

/// Reads the log of a run of `target`. `input` is the path of what crashed.
///
/// # Errors
/// If there is no such log, or it is none of a run that ended.
pub fn read(target: &str, log: &Path, input: Option<&str>) -> Result<Guided, Refused> {
    let (summary, executions) = summary(log)?;
    let input_shown = input.map(|input| format!("{input}: ")).unwrap_or_default();
    let finding = summary.has_failed().then(|| match (&summary.panic, &summary.failure) {
        (Some((first, rest)), _) => finding(target, &input_shown, first, rest),
        (None, Some(failure)) => finding(target, &input_shown, &format!("crash: {failure}"), ""),
        (None, None) => finding(target, &input_shown, "crash: the log does not say why", ""),
    });
    let run = FuzzRun {
        guided: true,
        executions,
        wall_s: summary.wall_s.unwrap_or(0.0),
        corpus: summary.corpus.unwrap_or(0),
        features: summary.features,
        edges: summary.edges,
        crashes: u64::from(finding.is_some()),
        ..FuzzRun::default()
    };
    let Summary { peak_rss_mib, interrupted, .. } = summary;
    Ok(Guided { run, finding, peak_rss_mib, interrupted })
}

/// Reads the log of a run on the code that has the bug ([`flawed`]): it should have crashed.
///
/// # Errors
/// As [`read`].
pub fn injected(log: &Path, engine: &str) -> Result<Injected, Refused> {
    let (summary, executions) = summary(log)?;
    Ok(Injected {
        bug: flawed::BUG.to_owned(),
        engine: engine.to_owned(),
        // A hang or a want of memory is not the bug.
        found: summary.has_failed() && summary.panic.is_some(),
        executions,
        wall_s: summary.wall_s.unwrap_or(0.0),
    })
}

fn summary(log: &Path) -> Result<(Summary, u64), Refused> {
    let refused = |reason: &dyn std::fmt::Display| Refused::usage(format!("{}: {reason}", log.display()));
    let summary = Summary::read_file(log).map_err(|error| refused(&error))?;
    match summary.executions {
        Some(executions) => Ok((summary, executions)),
        None => Err(refused(&"there is no line `stat::number_of_executed_units: N`")),
    }
}

/// What a panic says, as a finding: its first line begins with the property, if it is a property that broke;
/// the others are a scenario.
pub fn finding(target: &str, input: &str, first: &str, rest: &str) -> Finding {
    let property = first.split_once(": ").map_or("panic", |(property, _)| property);
    let property = if property.contains(' ') { "panic" } else { property };
    Finding {
        scenario: (!rest.is_empty()).then(|| rest.to_owned()),
        replay: Some(format!("cargo run --release -p fuzz --bin replay -- {target} --executions 0")),
        ..Finding::new(property, format!("{input}{first}"))
    }
}
