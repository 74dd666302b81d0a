//! Turns what the test suite or criterion has left into an artifact: `test/SUBJECT.json`, `bench/SUBJECT.json`.
//! Started by `cargo xtask test` and `cargo xtask bench`, which know when their run began.
//!
//! Verified by `tests/it/command.rs`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use reports::artifact::{Outcome, Payload, Verb};
use reports::command_line::{self, Exit, Refused};
use reports::recorder::Recorder;
use reports::{criterion, suite};

const HELP: &str = "\
Turns what a run has left into an artifact.

Usage: record test --lines FILE --subject NAME --algorithm NAME --began SECONDS
       record bench --criterion DIR --subject NAME --algorithm NAME --began SECONDS

  --lines FILE      how each stage of the test suite ended, one JSON object a line
  --criterion DIR   the folder that criterion writes to
  --subject NAME    the artifact's name
  --algorithm NAME  what it is about
  --began SECONDS   when the run began, since 1970

Exit codes: 0 written; 2 wrong usage, or a file that is not understood; 3 something missing.
";

struct Options {
    what: Vec<String>,
    lines: Option<PathBuf>,
    folder: Option<PathBuf>,
    subject: String,
    algorithm: String,
    began: SystemTime,
}

fn main() -> ExitCode {
    command_line::main("record", HELP, options, run)
}

fn needed(name: &str) -> Refused {
    Refused::usage(format!("--{name} is missing"))
}

fn options() -> Result<Option<Options>, Refused> {
    let (mut lines, mut folder, mut began) = (None, None, None);
    let (mut subject, mut algorithm) = (None, None);
    let common = command_line::read(&[], |option, parser| {
        match option {
            "lines" => lines = Some(command_line::value(parser, option)?),
            "criterion" => folder = Some(command_line::value(parser, option)?),
            "subject" => subject = Some(command_line::value(parser, option)?),
            "algorithm" => algorithm = Some(command_line::value(parser, option)?),
            "began" => began = Some(command_line::value(parser, option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    let subject = subject.ok_or_else(|| needed("subject"))?;
    let algorithm = algorithm.ok_or_else(|| needed("algorithm"))?;
    let began = Duration::from_secs(began.ok_or_else(|| needed("began"))?);
    let began = SystemTime::UNIX_EPOCH
        .checked_add(began)
        .filter(|began| *began <= SystemTime::now())
        .ok_or_else(|| Refused::usage("--began is a time that has not come"))?;
    Ok(Some(Options { what: common.names, lines, folder, subject, algorithm, began }))
}

fn run(options: &Options) -> Result<Exit, Refused> {
    let names: Vec<&str> = options.what.iter().map(String::as_str).collect();
    let (verb, title, outcome, payload) = match names[..] {
        ["test"] => {
            let path = options.lines.as_ref().ok_or_else(|| needed("lines"))?;
            let refused = |reason: String| Refused::usage(format!("{}: {reason}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
            let test = suite::read(&text).map_err(refused)?;
            (Verb::Test, "The test suite", test.outcome(), Payload::Test(test))
        }
        ["bench"] => {
            let folder = options.folder.as_ref().ok_or_else(|| needed("criterion"))?;
            let bench = criterion::read(folder, options.began).map_err(Refused::usage)?;
            if bench.benchmarks.is_empty() {
                return Err(Refused::usage(format!("{}: nothing of this run", folder.display())));
            }
            (Verb::Bench, "Criterion's estimates", Outcome::Passed, Payload::Bench(bench))
        }
        _ => return Err(Refused::usage("record test, or record bench")),
    };
    let command = command_line::command(|| format!("cargo xtask {verb}"));
    let mut recorder = Recorder::start(verb, &options.subject, &command).map_err(Refused::missing)?;
    recorder.algorithm(&options.algorithm).title(title).began(options.began);
    if let Payload::Test(test) = &payload {
        for finding in test.stages.iter().flat_map(|stage| &stage.findings) {
            recorder.finding(finding.clone());
        }
    }
    let path = recorder.finish(outcome, payload).map_err(Refused::missing)?;
    println!("{}", path.display());
    Ok(Exit::Fine)
}
