//! `fuzz [--executions N] [--time S] [--seed N] [--threads N] [--corpus DIR] [--quick|--full] [--json]`: bytes as
//! schedules of a registered protocol, kept ones first, then drawn ones; leaves an artifact `fuzz/<algorithm>.json`.
//!
//! Stable Rust is enough. The same body under libFuzzer is one line: [`crate::registered::fuzz_one`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use fuzz::campaign::{self, Crash, ENGINE, Limits};
use fuzz::inputs::{self, Kept};
use reports::artifact::{Finding, Fuzz, FuzzRun, Outcome, Payload, Verb};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;

use super::Caller;
use crate::finding;
use crate::registered::Brought;

const HELP: &str = "\
fuzz [--executions N] [--time S] [--seed N] [--threads N] [--corpus DIR] [--quick|--full] [--json]

Reads bytes as schedules: kept ones first, then random ones and mutations of those. Judges every property after
every event.

  --executions N  stop after N inputs (default: 100000; with --full 2000000)
  --time S        stop after S seconds
  --seed N        draw other inputs (default: 1)
  --threads N     threads that run inputs (default: all processors); the result does not depend on it
  --corpus DIR    a folder of inputs to begin with
  --json          one JSON object
";

struct Options {
    common: command_line::Options,
    caller: Caller,
    algorithm: &'static dyn Brought,
    limits: Limits,
    seed: u64,
    kept: Vec<Kept>,
}

fn options(caller: Caller, algorithm: &'static dyn Brought) -> Result<Option<Options>, Refused> {
    let (mut executions, mut time, mut seed, mut corpus) = (None, None, 1, None::<PathBuf>);
    let common = caller.read(command_line::EFFORT_AND_THREADS, |option, parser| {
        match option {
            "executions" => executions = Some(command_line::value(parser, option)?),
            "time" => time = Some(Duration::from_secs(command_line::value::<u32>(parser, option)?.into())),
            "seed" => seed = command_line::value(parser, option)?,
            "corpus" => corpus = Some(command_line::value(parser, option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    caller.algorithm(&common)?;
    let default = if common.effort == Effort::Quick { 100_000 } else { 2_000_000 };
    let executions = executions.or_else(|| time.is_none().then_some(default));
    let kept = match &corpus {
        Some(folder) if !folder.is_dir() => {
            return Err(Refused::usage(format!("--corpus {}: no such folder", folder.display())));
        }
        Some(folder) => inputs::read(folder).map_err(Refused::usage)?,
        None => Vec::new(),
    };
    let limits = Limits { executions, time, threads: common.threads };
    Ok(Some(Options { common, caller, algorithm, limits, seed, kept }))
}

/// Runs the verb.
pub fn main(caller: Caller, algorithm: &'static dyn Brought) -> ExitCode {
    command_line::main("fuzz", HELP, || options(caller, algorithm), run)
}

fn run(options: &Options) -> Result<Exit, Refused> {
    command_line::interrupt()?;
    let name = options.algorithm.name();
    let command = options.caller.command("fuzz", &options.common);
    let mut recorder = Recorder::start(Verb::Fuzz, name, &command).map_err(Refused::missing)?;
    let threads = options.limits.threads;
    recorder.algorithm(name).parameter("seed", options.seed).parameter("threads", threads);

    let line = Mutex::new(ProgressLine::new());
    let go_on = |executions| {
        // Another thread's line is as good.
        if let Ok(mut line) = line.try_lock() {
            line.show(|| format!("{} inputs", grouped(executions)));
        }
        !command_line::interrupted()
    };
    let body = |data: &[u8]| options.algorithm.fuzz_one(data);
    let outcome = campaign::run(body, &options.kept, options.seed, options.limits, go_on);
    line.lock().expect("no thread panics with it").clear();

    let mut found = Vec::new();
    for crash in &outcome.crashes {
        let file = match &crash.kept {
            Some(kept) => kept.path.display().to_string(),
            None => {
                let file = inputs::name(&crash.bytes);
                recorder.file_beside(&file, &crash.bytes).map_err(Refused::missing)?
            }
        };
        found.push(told(crash, &file, &command));
    }
    let ended = match () {
        () if outcome.interrupted => Outcome::Interrupted,
        () if found.is_empty() => Outcome::Passed,
        () => Outcome::Failed,
    };
    let exit = Exit::from(&ended);
    let run = FuzzRun {
        executions: outcome.executions,
        wall_s: outcome.wall.as_secs_f64(),
        corpus: options.kept.len() as u64,
        crashes: outcome.crashes.len() as u64,
        ..FuzzRun::new(ENGINE, options.seed)
    };
    if options.common.json {
        let line = serde_json::json!({ "verb": "fuzz", "algorithm": name, "outcome": ended.name(), "run": run,
            "findings": found });
        println!("{line}");
    } else {
        found.iter().for_each(finding::print);
        let rate = grouped(run.executions_per_s().unwrap_or(0.0) as u64);
        println!(
            "{name}: {}, {} executions in {:.1} s ({rate} a second), {} kept before, {} crashes",
            ended.name(),
            grouped(run.executions),
            run.wall_s,
            run.corpus,
            run.crashes
        );
    }
    for finding in found {
        recorder.finding(finding);
    }
    let mut fuzz = Fuzz::new(name);
    fuzz.runs.push(run);
    recorder.finish(ended, Payload::Fuzz(fuzz)).map_err(Refused::missing)?;
    Ok(exit)
}

/// A crash as a finding. The first line of a body's panic says the property, the others are a scenario.
fn told(crash: &Crash, file: &str, command: &str) -> Finding {
    let (first, rest) = crash.message.split_once('\n').unwrap_or((&crash.message, ""));
    let property = first.split_once(": ").map_or("panic", |(property, _)| property);
    let property = if property.contains(' ') { "panic" } else { property };
    Finding {
        scenario: (!rest.is_empty()).then(|| rest.to_owned()),
        replay: Some(command.to_owned()),
        ..Finding::new(property, format!("{file}: {first}"))
    }
}
