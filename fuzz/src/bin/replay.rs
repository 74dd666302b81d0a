//! Runs targets without a fuzzer: corpus, regressions, then inputs drawn from a seed. Needs nothing but stable
//! Rust, and writes the artifact `fuzz/TARGET.json`. What a fuzzer has done to the target before is read from
//! its log and stands in the same artifact, counted apart.
//!
//! Verified by `tests/it/binaries.rs`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use fuzz::campaign::{self, Crash, ENGINE, Limits};
use fuzz::guided::{self, Guided};
use fuzz::place::{algorithm, home, keep, kept, subject, target};
use fuzz::{TARGETS, body, flawed};
use reports::artifact::{Finding, Fuzz, FuzzRun, Injected, Metric, Outcome, Payload, Verb};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;

const HELP: &str = "\
Runs fuzz targets on their corpus, their regressions and inputs drawn from a seed.

Usage: replay [TARGET...] [--executions N] [--time S] [--seed N] [--threads N] [--quick|--full] [--json]
       replay TARGET --guided LOG --engine LABEL [--sanitizer NAME] [--input FILE] [--injected LOG] ...

  TARGET            raft_log, raft_message, raft_schedule, scenario, task_sharing_message,
                    task_sharing_schedule (default: all)
  --executions N    stop a target after N inputs (default: 1000000, with --full 10000000)
  --time S          stop a target after S seconds
  --seed N          draw other inputs (default: 1)
  --threads N       threads that run inputs (default: all processors); the result does not depend on it
  --json            one JSON object per target on standard output

After a run of libFuzzer, so that one artifact says what both did:

  --guided LOG      what libFuzzer printed, with -print_final_stats=1
  --engine LABEL    what made its inputs: `libFuzzer on stable`
  --sanitizer NAME  a sanitizer that was on; may be given again
  --input FILE      the input that crashed
  --injected LOG    what it printed on the code with a bug put back

An input that breaks something is made shorter and kept in fuzz/regressions/TARGET.
Exit codes: 0 nothing found; 1 something found; 2 wrong usage, or no libFuzzer log; 3 something missing;
130 interrupted.
";

struct Options {
    common: command_line::Options,
    targets: Vec<&'static str>,
    limits: Limits,
    seed: u64,
    log: Option<Log>,
}

/// What is told of a run of libFuzzer.
#[derive(Default)]
struct Log {
    guided: PathBuf,
    engine: String,
    sanitizers: Vec<String>,
    input: Option<String>,
    injected: Option<PathBuf>,
}

fn main() -> ExitCode {
    command_line::main("replay", HELP, options, run)
}

fn run(options: &Options) -> Result<Exit, Refused> {
    command_line::interrupt()?;
    let mut exit = Exit::Fine;
    for target in &options.targets {
        match replay(target, options)? {
            Exit::Fine => {}
            Exit::Interrupted => return Ok(Exit::Interrupted),
            other => exit = other,
        }
    }
    Ok(exit)
}

fn options() -> Result<Option<Options>, Refused> {
    let (mut executions, mut time, mut seed) = (None, None, 1);
    let (mut guided, mut engine, mut log) = (None, None, Log::default());
    let common = command_line::read(command_line::EFFORT_AND_THREADS, |option, parser| {
        match option {
            "executions" => executions = Some(command_line::value(parser, option)?),
            "time" => time = Some(Duration::from_secs(command_line::value::<u32>(parser, option)?.into())),
            "seed" => seed = command_line::value(parser, option)?,
            "guided" => guided = Some(command_line::value::<PathBuf>(parser, option)?),
            "engine" => engine = Some(command_line::value(parser, option)?),
            "sanitizer" => log.sanitizers.push(command_line::value(parser, option)?),
            "input" => log.input = Some(command_line::value(parser, option)?),
            "injected" => log.injected = Some(command_line::value(parser, option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    let mut targets = common.names.iter().map(|name| target(name)).collect::<Result<Vec<_>, _>>()?;
    let log = match (guided, engine) {
        (Some(guided), Some(engine)) if targets.len() == 1 => Some(Log { guided, engine, ..log }),
        (None, None) => None,
        _ => return Err(Refused::usage("--guided and --engine go together, with one target")),
    };
    if targets.is_empty() {
        targets = TARGETS.iter().map(|(name, _)| *name).collect();
    }
    let executions = executions.or_else(|| {
        let default = if common.effort == Effort::Quick { 1_000_000 } else { 10_000_000 };
        time.is_none().then_some(default)
    });
    let limits = Limits { executions, time, threads: common.threads };
    Ok(Some(Options { common, targets, limits, seed, log }))
}

fn replay(target: &'static str, options: &Options) -> Result<Exit, Refused> {
    let Options { limits, seed, .. } = options;
    let home = home()?;
    let kept = kept(&home, target)?;
    let body = body(target).ok_or_else(|| Refused::usage(format!("{target} has no body")))?;
    let mut fuzz = Fuzz::new(target);
    let guided = match &options.log {
        Some(log) => Some(read(target, log, *seed, &mut fuzz)?),
        None => None,
    };
    let command = command_line::command(|| own_command(target, options));
    let mut recorder = Recorder::start(Verb::Fuzz, &subject(target), &command).map_err(Refused::missing)?;
    recorder.algorithm(algorithm(target)).parameter("seed", seed).parameter("threads", limits.threads);

    let mut findings = Vec::new();
    let mut interrupted = false;
    if let Some(Guided { run, finding, peak_rss_mib, interrupted: stopped }) = guided {
        recorder.after(Duration::try_from_secs_f64(run.wall_s).unwrap_or_default());
        if let Some(peak) = peak_rss_mib {
            recorder.metric(Metric::counted("peak memory of the fuzzer", peak as f64, "MiB"));
        }
        findings.extend(finding);
        interrupted = stopped;
    }
    if !interrupted {
        let (outcome, injected) = drawn(target, &kept, options, body);
        interrupted = outcome.interrupted;
        for crash in &outcome.crashes {
            let path = match &crash.kept {
                Some(kept) => kept.path.clone(),
                None => keep(&home, target, &crash.bytes).map_err(Refused::missing)?,
            };
            let path =
                path.strip_prefix(home.parent().unwrap_or(&home)).unwrap_or(&path).display().to_string();
            eprintln!("{target}: {path}\n{}", crash.message);
            // The input that crashed under the fuzzer was kept: it is one finding.
            findings.retain(|finding: &Finding| !finding.detail.starts_with(&format!("{path}: ")));
            findings.push(finding(target, crash, &path));
        }
        fuzz.injected.extend(injected);
        fuzz.runs.push(FuzzRun {
            executions: outcome.executions,
            wall_s: outcome.wall.as_secs_f64(),
            corpus: kept.len() as u64,
            crashes: outcome.crashes.len() as u64,
            ..FuzzRun::new(ENGINE, *seed)
        });
    }
    for missed in fuzz.injected.iter().filter(|injected| !injected.found && !interrupted) {
        let Injected { bug, engine, executions, .. } = missed;
        let detail =
            format!("{} inputs of {engine} do not show the bug that was put back", grouped(*executions));
        eprintln!("{target}: {bug}: {detail}");
        findings.push(Finding::new(bug, detail));
    }
    let outcome = match (interrupted || command_line::interrupted(), findings.is_empty()) {
        (true, _) => Outcome::Interrupted,
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::Failed,
    };
    say(&fuzz, &outcome, &findings, options.common.json);
    for finding in findings {
        recorder.finding(finding);
    }
    let exit = Exit::from(&outcome);
    recorder.finish(outcome, Payload::Fuzz(fuzz)).map_err(Refused::missing)?;
    Ok(exit)
}

/// Notes what libFuzzer did.
fn read(target: &str, log: &Log, seed: u64, fuzz: &mut Fuzz) -> Result<Guided, Refused> {
    let guided = guided::read(target, &log.guided, log.input.as_deref())?;
    fuzz.runs.push(FuzzRun {
        engine: log.engine.clone(),
        sanitizers: log.sanitizers.clone(),
        seed,
        ..guided.run.clone()
    });
    if let Some(log_injected) = &log.injected {
        fuzz.injected.push(guided::injected(log_injected, &log.engine)?);
    }
    Ok(guided)
}

/// Runs what is kept and what is drawn, and looks for the bug that is put back.
fn drawn(
    target: &str,
    kept: &[fuzz::inputs::Kept],
    options: &Options,
    body: fuzz::Body,
) -> (campaign::Outcome, Option<Injected>) {
    let Options { limits, seed, .. } = options;
    let line = Mutex::new(ProgressLine::new());
    let go_on = |executions| {
        // Another thread's line is as good.
        if let Ok(mut line) = line.try_lock() {
            line.show(|| format!("{target}: {} inputs drawn", grouped(executions)));
        }
        !command_line::interrupted()
    };
    let outcome = campaign::run(body, kept, *seed, *limits, go_on);
    let wanted = limits.executions != Some(0);
    let injected = wanted.then(|| flawed::injected(target, kept, *seed, limits.threads, go_on)).flatten();
    line.into_inner().expect("no thread panics with it").clear();
    (outcome, injected)
}

/// What a reader types who was not told by `cargo xtask`.
fn own_command(target: &str, options: &Options) -> String {
    let Limits { executions, time, .. } = options.limits;
    let executions = executions.map(|executions| format!(" --executions {executions}")).unwrap_or_default();
    let time = time.map(|time| format!(" --time {}", time.as_secs())).unwrap_or_default();
    format!("cargo run --release -p fuzz --bin replay -- {target} --seed {}{executions}{time}", options.seed)
}

fn finding(target: &str, crash: &Crash, path: &str) -> Finding {
    let (first, scenario) = crash.message.split_once('\n').unwrap_or((&crash.message, ""));
    guided::finding(target, &format!("{path}: "), first, scenario)
}

fn say(fuzz: &Fuzz, outcome: &Outcome, findings: &[Finding], json: bool) {
    let Fuzz { target, runs, injected } = fuzz;
    if json {
        let line = serde_json::json!({ "verb": "fuzz", "target": target, "outcome": outcome.name(), "runs": runs,
            "injected": injected, "findings": findings });
        println!("{line}");
        return;
    }
    println!("{target}: {}", outcome.name());
    for run in runs {
        let FuzzRun { engine, executions, wall_s, corpus, crashes, seed, .. } = run;
        let coverage = match (run.edges, run.features) {
            (Some(edges), Some(features)) => {
                format!(", {} edges, {} features", grouped(edges), grouped(features))
            }
            _ => String::new(),
        };
        let (executions, rate) =
            (grouped(*executions), grouped(run.executions_per_s().unwrap_or(0.0) as u64));
        println!(
            "  {engine}: {executions} executions in {wall_s:.1} s ({rate} a second), seed {seed}{coverage}, \
             corpus of {corpus}, {crashes} crashes"
        );
    }
    for Injected { bug, engine, found, executions, wall_s } in injected {
        let found = if *found { "found" } else { "not found" };
        let executions = grouped(*executions);
        println!("  {bug}, put back: {found} by {engine} after {executions} executions, {wall_s:.1} s");
    }
    for Finding { property, detail, replay, .. } in findings {
        println!("  FOUND {property}: {detail}");
        if let Some(replay) = replay {
            println!("    {replay}");
        }
    }
}
