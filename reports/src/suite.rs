//! What the stages of the test suite said, as a payload.
//!
//! `cargo xtask test` depends on no crate of the workspace: it says how each stage ended as a line of JSON, the
//! same that `--json` prints. Verified by the examples below.

use serde::Deserialize;

use crate::artifact::{Finding, Outcome, Stage, Test};

#[derive(Deserialize)]
struct Line {
    stage: String,
    outcome: String,
    passed: u64,
    failed: u64,
    skipped: u64,
    seconds: f64,
    reason: Option<String>,
    #[serde(rename = "not run")]
    not_run: Option<String>,
}

/// Reads the lines of the stages, in order.
///
/// # Errors
/// The first line that is none, by its number.
pub fn read(lines: &str) -> Result<Test, String> {
    let mut test = Test::default();
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let refused = |reason: String| format!("line {}: {reason}", number + 1);
        let line: Line = serde_json::from_str(line).map_err(|error| refused(error.to_string()))?;
        let reason = line.not_run.clone();
        let outcome = match line.outcome.as_str() {
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            "skipped" if reason.as_deref() == Some("interrupted") => Outcome::Interrupted,
            "skipped" => Outcome::Skipped { reason: reason.unwrap_or_else(|| "no reason given".to_owned()) },
            other => return Err(refused(format!("`{}` is no outcome", other.escape_debug()))),
        };
        test.stages.push(Stage {
            findings: line.reason.iter().map(|reason| Finding::new(&line.stage, reason)).collect(),
            name: line.stage,
            outcome,
            passed: line.passed,
            failed: line.failed,
            skipped: line.skipped,
            not_run: line.not_run,
            wall_s: line.seconds,
        });
    }
    Ok(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_keep_their_order_their_counts_and_what_was_not_run() {
        let lines = r#"
            {"verb":"test","stage":"format","outcome":"passed","passed":1,"failed":0,"skipped":0,"seconds":0.6,"reason":null,"not run":null}
            {"verb":"test","stage":"cargo-test","outcome":"failed","passed":7,"failed":2,"skipped":1,"seconds":90,"reason":"exit code 101","not run":"pages: no browser"}
            {"verb":"test","stage":"clippy","outcome":"skipped","passed":0,"failed":0,"skipped":1,"seconds":0,"reason":null,"not run":"no clippy"}
            {"verb":"test","stage":"zoo","outcome":"skipped","passed":0,"failed":0,"skipped":1,"seconds":0,"reason":null,"not run":"interrupted"}"#;
        let test = read(lines).unwrap();
        let [format, tests, clippy, zoo] = &test.stages[..] else { panic!("{test:?}") };
        assert_eq!((format.name.as_str(), &format.outcome, format.passed), ("format", &Outcome::Passed, 1));
        assert_eq!((tests.passed, tests.failed, tests.skipped), (7, 2, 1));
        assert_eq!(tests.findings, [Finding::new("cargo-test", "exit code 101")]);
        assert_eq!(tests.not_run.as_deref(), Some("pages: no browser"));
        assert_eq!(clippy.outcome, Outcome::Skipped { reason: "no clippy".into() });
        assert_eq!(zoo.outcome, Outcome::Interrupted);
        assert_eq!(test.outcome(), Outcome::Interrupted);
        assert_eq!(test.sums(), (8, 2, 3));
    }

    #[test]
    fn a_line_that_is_no_stage_is_named() {
        let good = r#"{"stage":"a","outcome":"passed","passed":1,"failed":0,"skipped":0,"seconds":1}"#;
        assert_eq!(read(good).unwrap().outcome(), Outcome::Passed);
        assert!(read(&format!("{good}\nx")).unwrap_err().starts_with("line 2: "));
        let odd = good.replace("\"passed\",", "\"well\",");
        assert_eq!(read(&odd).unwrap_err(), "line 1: `well` is no outcome");
        assert_eq!(read("").unwrap(), Test::default());
    }
}
