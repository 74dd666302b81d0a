//! Runs targets without a fuzzer: corpus, regressions, then inputs drawn from a seed. Needs nothing but stable
//! Rust, and writes the artifact `fuzz/TARGET.json`.
//!
//! Verified by `tests/it/binaries.rs`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fuzz::campaign::{self, Crash, Limits};
use fuzz::command_line::{Exit, Refused, algorithm, command, end, home, keep, kept, subject, target};
use fuzz::{TARGETS, body};
use lexopt::prelude::*;
use reports::artifact::{Finding, Fuzz, Outcome, Payload, Verb};
use reports::recorder::Recorder;

const HELP: &str = "\
Runs fuzz targets on their corpus, their regressions and inputs drawn from a seed.

Usage: replay [TARGET...] [--executions N] [--time S] [--seed N] [--json]

  TARGET          raft_message, raft_schedule, scenario (default: all)
  --executions N  stop a target after N inputs
  --time S        stop a target after S seconds
                  (default for both: 1000000 inputs or 90 seconds, whichever comes first)
  --seed N        draw other inputs (default: 1)
  --json          one JSON object per target on standard output

An input that breaks something is made shorter and kept in fuzz/regressions/TARGET.
Exit codes: 0 nothing found; 1 something found, or interrupted; 2 wrong usage; 3 something missing.
";

/// What the artifacts say made the inputs.
const ENGINE: &str = "corpus replay and random bytes";

struct Options {
    targets: Vec<&'static str>,
    limits: Limits,
    seed: u64,
    json: bool,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    end("replay", run())
}

fn run() -> Result<Exit, Refused> {
    let Some(options) = parse()? else {
        print!("{HELP}");
        return Ok(Exit::Fine);
    };
    // Relaxed: a request, which may be seen late.
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).map_err(Refused::missing)?;
    let mut exit = Exit::Fine;
    for target in &options.targets {
        if replay(target, &options)? != Exit::Fine {
            exit = Exit::Finding;
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Ok(Exit::Finding);
        }
    }
    Ok(exit)
}

fn parse() -> Result<Option<Options>, Refused> {
    let (mut targets, mut executions, mut time, mut seed, mut json) = (Vec::new(), None, None, 1, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("executions") => executions = Some(parser.value()?.parse()?),
            Long("time") => time = Some(Duration::from_secs(parser.value()?.parse::<u32>()?.into())),
            Long("seed") => seed = parser.value()?.parse()?,
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(None),
            Value(name) => targets.push(target(&name.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if targets.is_empty() {
        targets = TARGETS.iter().map(|(name, _)| *name).collect();
    }
    let limits = match (executions, time) {
        (None, None) => Limits { executions: Some(1_000_000), time: Some(Duration::from_secs(90)) },
        (executions, time) => Limits { executions, time },
    };
    Ok(Some(Options { targets, limits, seed, json }))
}

fn replay(target: &'static str, options: &Options) -> Result<Exit, Refused> {
    let Options { limits, seed, .. } = options;
    let home = home()?;
    let kept = kept(&home, target)?;
    let body = body(target).ok_or_else(|| Refused::usage(format!("{target} has no body")))?;
    let command = command(|| own_command(target, options));
    let mut recorder = Recorder::start(Verb::Fuzz, &subject(target), &command).map_err(Refused::missing)?;
    recorder.algorithm(algorithm(target)).parameter("seed", seed);

    let mut progress = Progress::new(target);
    let outcome = campaign::run(body, &kept, *seed, *limits, |executions| progress.go_on(executions));
    let injected = campaign::injected(target, &kept, *seed, |executions| progress.go_on(executions));
    progress.clear();

    let mut fuzz = Fuzz::new(target, ENGINE);
    fuzz.executions = outcome.executions;
    fuzz.wall_s = outcome.wall.as_secs_f64();
    fuzz.corpus = kept.len() as u64;
    fuzz.crashes = outcome.crashes.len() as u64;
    fuzz.injected.extend(injected);
    for crash in &outcome.crashes {
        let path = match &crash.kept {
            Some(kept) => kept.path.clone(),
            None => keep(&home, target, &crash.bytes).map_err(Refused::missing)?,
        };
        let path = path.strip_prefix(home.parent().unwrap_or(&home)).unwrap_or(&path).display().to_string();
        recorder.finding(finding(target, crash, &path));
        eprintln!("{target}: {path}\n{}", crash.message);
    }
    let missed = fuzz.injected.iter().find(|injected| !injected.found).cloned();
    if let Some(missed) = missed.filter(|_| !outcome.interrupted) {
        let detail = format!("{} inputs do not show the bug that was put back", missed.executions);
        eprintln!("{target}: {}: {detail}", missed.bug);
        recorder.finding(Finding::new(&missed.bug, detail));
    }
    let interrupted = INTERRUPTED.load(Ordering::Relaxed);
    let fine = fuzz.crashes == 0 && fuzz.injected.iter().all(|injected| injected.found);
    let (ended, word, exit) = match (interrupted, fine) {
        (true, _) => (Outcome::Interrupted, "interrupted", Exit::Finding),
        (false, true) => (Outcome::Passed, "fine", Exit::Fine),
        (false, false) => (Outcome::Failed, "finding", Exit::Finding),
    };
    say(&fuzz, word, options.json);
    recorder.finish(ended, Payload::Fuzz(fuzz)).map_err(Refused::missing)?;
    Ok(exit)
}

/// What a reader types who was not told by `cargo xtask`.
fn own_command(target: &str, options: &Options) -> String {
    let Limits { executions, time } = options.limits;
    let executions = executions.map(|executions| format!(" --executions {executions}")).unwrap_or_default();
    let time = time.map(|time| format!(" --time {}", time.as_secs())).unwrap_or_default();
    format!("cargo run --release -p fuzz --bin replay -- {target} --seed {}{executions}{time}", options.seed)
}

fn finding(target: &str, crash: &Crash, path: &str) -> Finding {
    let (first, scenario) = crash.message.split_once('\n').unwrap_or((&crash.message, ""));
    let property = first.split_once(": ").map_or("panic", |(property, _)| property);
    let property = if property.contains(' ') { "panic" } else { property };
    Finding {
        scenario: (!scenario.is_empty()).then(|| scenario.to_owned()),
        replay: Some(format!("cargo run --release -p fuzz --bin replay -- {target} --executions 0")),
        ..Finding::new(property, format!("{path}: {first}"))
    }
}

fn say(fuzz: &Fuzz, outcome: &str, json: bool) {
    let per_second = fuzz.executions_per_s().unwrap_or(0.0);
    if json {
        let line = serde_json::json!({
            "verb": "fuzz",
            "target": fuzz.target,
            "engine": fuzz.engine,
            "outcome": outcome,
            "executions": fuzz.executions,
            "seconds": fuzz.wall_s,
            "corpus": fuzz.corpus,
            "crashes": fuzz.crashes,
            "injected": fuzz.injected,
        });
        println!("{line}");
        return;
    }
    let Fuzz { target, executions, wall_s, corpus, crashes, .. } = fuzz;
    println!(
        "{outcome} {target}: {executions} executions in {wall_s:.1} s ({per_second:.0} a second), corpus of \
         {corpus}, {crashes} crashes"
    );
    for injected in &fuzz.injected {
        let found = if injected.found { "found" } else { "not found" };
        println!("    {}, put back: {found} after {} executions", injected.bug, injected.executions);
    }
}

/// One line on standard error that says how far a target has come, if that is a terminal.
struct Progress {
    target: &'static str,
    terminal: bool,
    last: Instant,
}

impl Progress {
    fn new(target: &'static str) -> Self {
        Progress { target, terminal: std::io::stderr().is_terminal(), last: Instant::now() }
    }

    /// Whether to go on.
    fn go_on(&mut self, executions: u64) -> bool {
        if self.terminal && self.last.elapsed() >= Duration::from_millis(200) {
            // A line that cannot be written is no loss.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}  {executions} executions", self.target);
            self.last = Instant::now();
        }
        !INTERRUPTED.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
