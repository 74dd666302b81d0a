//! `compare`: ours against peers and floors, interleaved in one run.
//!
//! Leaves the artifact `compare/raft.json` with the raw samples, and prints verdicts and a table. It asserts
//! nothing about speed; it fails if any contestant did other work than it was given. Ctrl-C ends the run at
//! the next pass and leaves the artifact of the rounds that are complete.
//!
//! Exit codes: 0 done, 1 a contestant did wrong work, 2 wrong usage, 3 peers were asked for and are not
//! compiled in, 130 interrupted.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bench::paired::{self, Contestant, Plan, Results, Shape};
use bench::progress::Progress;
use bench::workload::{Budget, SESSION_COMMANDS};
use bench::{clock, floor, peers, raft, verdict};
use reports::artifact::{Compare, Finding, Metric, Outcome, Payload, Verb};
use reports::recorder::Recorder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set by Ctrl-C. Nothing else is published through it, so no ordering is needed.
static STOP: AtomicBool = AtomicBool::new(false);

const USAGE: &str = "\
usage: compare [raft] [--quick | --full] [--peers | --no-peers] [--seed N] [--json]

  --quick      a minute (the default)
  --full       five minutes, narrower intervals
  --peers      refuse to run without the peers (build with --features peers)
  --no-peers   leave the peers out
  --seed N     another sequence of commands and order of passes (default 1)
  --json       one JSON object per line on standard output
";

struct Options {
    full: bool,
    peers: Option<bool>,
    seed: u64,
    json: bool,
}

fn main() -> ExitCode {
    let options = match parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("compare: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.peers == Some(true) && !peers::compiled().1.is_empty() {
        eprintln!("compare: peers are not compiled in; run `cargo xtask compare --peers`, which builds them");
        return ExitCode::from(3);
    }
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compare: the artifact could not be written: {error}");
            ExitCode::from(3)
        }
    }
}

/// The command line; `None` asks for help.
fn parse(mut arguments: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let mut options = Options { full: false, peers: None, seed: 1, json: false };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("quick") => options.full = false,
            Long("full") => options.full = true,
            Long("peers") => options.peers = Some(true),
            Long("no-peers") => options.peers = Some(false),
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(None),
            Value(subject) if subject == "raft" => {}
            Value(subject) => {
                return Err(
                    format!("there is nothing to compare with `{}`", subject.to_string_lossy()).into()
                );
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn plan(options: &Options) -> Plan {
    let shapes = [64, 1024].into_iter().flat_map(|bytes| [1, 64, 1024].map(|window| Shape { bytes, window }));
    // Eight samples or more make a bootstrap interval; an odd number makes the median one of them.
    let (rounds, throughput_ms, latency_ms) = if options.full { (15, 250, 100) } else { (9, 25, 10) };
    Plan {
        seed: options.seed,
        shapes: shapes.collect(),
        rounds,
        budget: Budget {
            throughput: Duration::from_millis(throughput_ms),
            latency: Duration::from_millis(latency_ms),
        },
        proof_commands: 20_000,
    }
}

fn run(options: &Options) -> io::Result<ExitCode> {
    let with_peers = options.peers != Some(false);
    let mut contestants: Vec<Contestant> = raft::contestants();
    contestants.extend(floor::contestants());
    if with_peers {
        contestants.extend(peers::contestants(options.full));
    }
    let plan = plan(options);
    let mut recorder = Recorder::start(Verb::Compare, "raft", &command(options))?;
    recorder
        .title("Raft: commits per CPU-second beside peers and floors")
        .allocator("mimalloc")
        .parameter("seed", plan.seed)
        .parameter("rounds", plan.rounds)
        .parameter("commands of each session, on a fresh cluster", SESSION_COMMANDS)
        .parameter("throughput of each pass, CPU ms", plan.budget.throughput.as_millis())
        .parameter("latency of each pass, CPU ms", plan.budget.latency.as_millis())
        .parameter("proof, commands read to the last byte on every node", plan.proof_commands)
        .parameter("latency clock", "wall at window 1, thread CPU at windows of 16 and more")
        .metric(Metric::counted("one reading of the thread's CPU clock", clock::cost_of_thread_cpu(), "ns"));
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed)).map_err(io::Error::other)?;

    let mut progress = Progress::new("compare", options.json);
    let results = paired::run(&contestants, &plan, |done, passes| {
        progress.show(done as f64 / passes as f64);
        !STOP.load(Ordering::Relaxed)
    });
    progress.clear();

    for failure in &results.failures {
        let (who, shape) = (&failure.implementation, failure.shape);
        recorder.finding(Finding::new(
            "equal work",
            format!(
                "{} {} ({}) at {} B, window {}: {}",
                who.name, who.version, who.settings, shape.bytes, shape.window, failure.wrong
            ),
        ));
    }
    let code = exit_code(&results);
    let outcome = match code {
        0 => Outcome::Passed,
        130 => Outcome::Interrupted,
        _ => Outcome::Failed,
    };
    let compare = Compare {
        workload:
            "three nodes in one thread, a closed loop of commands at the leader, each freshly allocated; \
                   every node applies and digests all of them"
                .to_owned(),
        unit: "commits per CPU-second".to_owned(),
        not_compared: not_compared(options, with_peers),
        measurements: results.measurements.clone(),
    };
    print(options, &compare, &results);
    let path = recorder.finish(outcome, Payload::Compare(compare))?;
    eprintln!("artifact: {}", path.display());
    Ok(ExitCode::from(code))
}

/// The command that a reader types to repeat the run.
fn command(options: &Options) -> String {
    let peers = match options.peers {
        Some(true) => " --peers",
        Some(false) => " --no-peers",
        None => "",
    };
    let length = if options.full { " --full" } else { " --quick" };
    let seed = if options.seed == 1 { String::new() } else { format!(" --seed {}", options.seed) };
    format!("cargo xtask compare{length}{peers}{seed}")
}

fn not_compared(options: &Options, with_peers: bool) -> Vec<String> {
    let missing = peers::compiled().1;
    let mut lines: Vec<String> = missing
        .iter()
        .map(|feature| format!("{feature}: not compiled in (build with --features peers)"))
        .collect();
    if !options.full {
        lines.push("slower variants of peers: left out by --quick".to_owned());
    }
    if !with_peers {
        lines.push("peers: left out by --no-peers".to_owned());
    }
    lines.extend(peers::NOT_COMPARED.map(str::to_owned));
    lines
}

fn exit_code(results: &Results) -> u8 {
    match (results.failures.is_empty(), results.interrupted) {
        (false, _) => 1,
        (true, true) => 130,
        (true, false) => 0,
    }
}

fn print(options: &Options, compare: &Compare, results: &Results) {
    let mut out = io::stdout().lock();
    // A reader that has gone away needs no table.
    if options.json {
        for measurement in &compare.measurements {
            let line = serde_json::to_string(measurement).expect("figures are finite");
            let _ = writeln!(out, "{line}");
        }
        return;
    }
    for feature in peers::compiled().1 {
        let _ = writeln!(out, "SKIPPED {feature}: not compiled in (build with --features peers)");
    }
    let _ = write!(out, "{}", verdict::text(compare));
    for failure in &results.failures {
        let (who, shape) = (&failure.implementation, failure.shape);
        let _ = writeln!(
            out,
            "WRONG: {} ({}) at {} B, window {}: {}",
            who.name, who.settings, shape.bytes, shape.window, failure.wrong
        );
    }
}
