//! Turns the log of a libFuzzer run into the artifact `fuzz/TARGET.json`. Started by `cargo xtask fuzz`.
//!
//! Verified by `tests/it/binaries.rs`. Not verified: that the log is of the target and the engine named.

use std::path::PathBuf;
use std::process::ExitCode;

use fuzz::campaign;
use fuzz::command_line::{Exit, Refused, algorithm, command, end, home, kept, subject, target};
use fuzz::log::Summary;
use lexopt::prelude::*;
use reports::artifact::{Finding, Fuzz, Metric, Outcome, Payload, Verb};
use reports::recorder::Recorder;

const HELP: &str = "\
Turns the log of a libFuzzer run into an artifact.

Usage: record --target T --engine LABEL --log FILE [--command TEXT] [--sanitizer NAME] [--input FILE]

  --target T        what was fuzzed: raft_message, raft_schedule, scenario
  --engine LABEL    what made the inputs: `libFuzzer on stable`
  --log FILE        what libFuzzer printed, with -print_final_stats=1
  --command TEXT    what a reader types to repeat the run (default: SWARMPROOF_COMMAND)
  --sanitizer NAME  a sanitizer that was on; may be given again
  --input FILE      the input that crashed

Exit codes: 0 written; 2 wrong usage, or no libFuzzer log; 3 something missing.
";

#[derive(Default)]
struct Options {
    target: Option<&'static str>,
    engine: Option<String>,
    log: Option<PathBuf>,
    command: Option<String>,
    sanitizers: Vec<String>,
    input: Option<String>,
}

fn main() -> ExitCode {
    end("record", run())
}

fn run() -> Result<Exit, Refused> {
    let Some(options) = parse()? else {
        print!("{HELP}");
        return Ok(Exit::Fine);
    };
    let needed = |name: &str| Refused::usage(format!("--{name} is missing"));
    let target = options.target.ok_or_else(|| needed("target"))?;
    let engine = options.engine.ok_or_else(|| needed("engine"))?;
    let log = options.log.ok_or_else(|| needed("log"))?;
    let summary =
        Summary::read_file(&log).map_err(|error| Refused::usage(format!("{}: {error}", log.display())))?;
    let Some(executions) = summary.executions else {
        let line = "there is no line `stat::number_of_executed_units: N`";
        return Err(Refused::usage(format!("{}: {line}", log.display())));
    };

    let command = options.command.unwrap_or_else(|| command(|| format!("cargo xtask fuzz {target}")));
    let mut recorder = Recorder::start(Verb::Fuzz, &subject(target), &command).map_err(Refused::missing)?;
    recorder.algorithm(algorithm(target));
    if let Some(peak) = summary.peak_rss_mib {
        recorder.metric(Metric::counted("peak memory of the fuzzer", peak as f64, "MiB"));
    }
    let mut fuzz = Fuzz::new(target, &engine);
    fuzz.sanitizers = options.sanitizers;
    fuzz.executions = executions;
    fuzz.wall_s = summary.wall_s.unwrap_or(0.0);
    fuzz.corpus = summary.corpus.unwrap_or(0);
    fuzz.features = summary.features;
    fuzz.edges = summary.edges;
    if summary.has_failed() {
        fuzz.crashes = 1;
        recorder.finding(finding(target, &summary, options.input.as_deref()));
    }
    // Whether the bodies would notice anything is looked at beside every run, without the fuzzer.
    fuzz.injected.extend(campaign::injected(target, &kept(&home()?, target)?, 1, |_| true));
    if !fuzz.injected.is_empty() {
        recorder.parameter("bug put back found by", "random bytes, seed 1");
    }
    for missed in fuzz.injected.iter().filter(|injected| !injected.found) {
        let detail = format!("{} random inputs do not show the bug that was put back", missed.executions);
        recorder.finding(Finding::new(&missed.bug, detail));
    }
    let fine = fuzz.crashes == 0 && fuzz.injected.iter().all(|injected| injected.found);
    let outcome = match (summary.interrupted, fine) {
        (true, _) => Outcome::Interrupted,
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::Failed,
    };
    let path = recorder.finish(outcome, Payload::Fuzz(fuzz)).map_err(Refused::missing)?;
    println!("{}", path.display());
    Ok(Exit::Fine)
}

fn parse() -> Result<Option<Options>, Refused> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("target") => options.target = Some(target(&parser.value()?.string()?)?),
            Long("engine") => options.engine = Some(parser.value()?.string()?),
            Long("log") => options.log = Some(parser.value()?.into()),
            Long("command") => options.command = Some(parser.value()?.string()?),
            Long("sanitizer") => options.sanitizers.push(parser.value()?.string()?),
            Long("input") => options.input = Some(parser.value()?.string()?),
            Short('h') | Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn finding(target: &str, summary: &Summary, input: Option<&str>) -> Finding {
    let input = input.map(|input| format!("{input}: ")).unwrap_or_default();
    let (property, detail, scenario) = match (&summary.panic, &summary.failure) {
        (Some((first, rest)), _) => {
            let property = first.split_once(": ").map_or("panic", |(property, _)| property);
            let property = if property.contains(' ') { "panic" } else { property };
            (property, first.as_str(), (!rest.is_empty()).then(|| rest.clone()))
        }
        (None, Some(failure)) => ("crash", failure.as_str(), None),
        (None, None) => ("crash", "the log does not say why", None),
    };
    Finding {
        scenario,
        replay: Some(format!("cargo run --release -p fuzz --bin replay -- {target} --executions 0")),
        ..Finding::new(property, format!("{input}{detail}"))
    }
}
