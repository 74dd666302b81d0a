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
use std::time::Duration;

use bench::paired::{self, Contestant, Plan, Results, Shape};
use bench::workload::{Budget, SESSION_COMMANDS};
use bench::{clock, floor, peers, raft, verdict};
use reports::artifact::{Compare, Finding, Implementation, Metric, Outcome, Payload, Verb};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused};
use reports::recorder::Recorder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    common: command_line::Options,
    full: bool,
    peers: Option<bool>,
    seed: u64,
}

fn main() -> ExitCode {
    command_line::main("compare", USAGE, options, run)
}

/// The command line; `None` asks for help.
fn options() -> Result<Option<Options>, Refused> {
    let (mut with_peers, mut seed) = (None, 1);
    let common = command_line::read(command_line::EFFORT, |option, parser| {
        match option {
            "peers" => with_peers = Some(true),
            "no-peers" => with_peers = Some(false),
            "seed" => seed = command_line::value(parser, "seed")?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    common.algorithms()?;
    if with_peers == Some(true) && !peers::compiled().1.is_empty() {
        let how = "peers are not compiled in; run `cargo xtask compare --peers`, which builds them";
        return Err(Refused::missing(how));
    }
    let full = common.effort == Effort::Full;
    Ok(Some(Options { common, full, peers: with_peers, seed }))
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

fn run(options: &Options) -> Result<Exit, Refused> {
    command_line::interrupt()?;
    let with_peers = options.peers != Some(false);
    let mut contestants: Vec<Contestant> = raft::contestants();
    contestants.extend(floor::contestants());
    if with_peers {
        contestants.extend(peers::contestants(options.full));
    }
    let plan = plan(options);
    let mut recorder = Recorder::start(Verb::Compare, "raft", &options.common.command("compare"))
        .map_err(Refused::missing)?;
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

    let mut progress = ProgressLine::new();
    let results = paired::run(&contestants, &plan, |done, passes| {
        progress.show(|| format!("compare: pass {done} of {passes}"));
        !command_line::interrupted()
    });
    progress.clear();

    for failure in &results.failures {
        recorder.finding(Finding::new("equal work", described(failure)));
    }
    let outcome = outcome(&results);
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
    let exit = Exit::from(&outcome);
    let path = recorder.finish(outcome, Payload::Compare(compare)).map_err(Refused::missing)?;
    eprintln!("artifact: {}", path.display());
    Ok(exit)
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

fn outcome(results: &Results) -> Outcome {
    match (results.failures.is_empty(), results.interrupted) {
        (false, _) => Outcome::Failed,
        (true, true) => Outcome::Interrupted,
        (true, false) => Outcome::Passed,
    }
}

/// One line on a contestant that did other work than it was given.
fn described(failure: &paired::Failure) -> String {
    let (Implementation { name, version, settings, .. }, shape) = (&failure.implementation, failure.shape);
    format!("{name} {version} ({settings}) at {} B, window {}: {}", shape.bytes, shape.window, failure.wrong)
}

fn print(options: &Options, compare: &Compare, results: &Results) {
    let mut out = io::stdout().lock();
    // A reader that has gone away needs no table.
    if options.common.json {
        for measurement in &compare.measurements {
            let line = serde_json::to_string(measurement).expect("figures are finite");
            let _ = writeln!(out, "{line}");
        }
        for failure in &results.failures {
            let _ = writeln!(out, "{}", serde_json::json!({ "wrong": described(failure) }));
            eprintln!("compare: WRONG: {}", described(failure));
        }
        return;
    }
    for failure in &results.failures {
        let _ = writeln!(out, "WRONG, so without figures: {}", described(failure));
    }
    for feature in peers::compiled().1 {
        let _ = writeln!(out, "SKIPPED {feature}: not compiled in (build with --features peers)");
    }
    let _ = write!(out, "{}", verdict::text(compare));
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench::paired::Failure;
    use bench::workload::Wrong;
    use reports::artifact::Role;

    #[test]
    fn wrong_work_fails_the_run_and_says_whose_it_is() {
        let wrong = Wrong::Stalled { proposed: 9, applied: 7 };
        let implementation = Implementation::new(Role::Peer, "peer", "1.2", "fast");
        let failure = Failure { implementation, shape: Shape { bytes: 64, window: 8 }, wrong };
        let said = described(&failure);
        assert_eq!(said, "peer 1.2 (fast) at 64 B, window 8: stalled: 7 of 9 commands applied at the leader");
        let exit = |failures: &[Failure], interrupted| {
            Exit::from(&outcome(&Results { failures: failures.to_vec(), interrupted, ..Results::default() }))
        };
        assert_eq!(exit(&[], false), Exit::Fine);
        assert_eq!(exit(&[], true), Exit::Interrupted);
        assert_eq!(exit(std::slice::from_ref(&failure), false), Exit::Finding);
        assert_eq!(exit(&[failure], true), Exit::Finding);
    }
}
