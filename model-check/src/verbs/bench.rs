//! `bench [--rounds N] [--clients N] [--nodes N] [--quick|--full] [--json]`: how fast a registered protocol is, and
//! how fast it could be at all; leaves an artifact `bench/<algorithm>.json`.
//!
//! Rounds of protocol and floor take turns, so that a busy machine slows both. Figures are medians over rounds.

use std::process::ExitCode;

use reports::artifact::{Bench, Benchmark, Finding, Metric, Outcome, Payload, Verb};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused};
use reports::recorder::Recorder;

use super::Caller;
use crate::finding;
use crate::registered::Brought;
use crate::timed::{Load, Wrong};

const HELP: &str = "\
bench [--rounds N] [--clients N] [--nodes N] [--quick|--full] [--json]

Measures operations per CPU-second and latencies in one thread, beside the sequential object alone. What is answered
is judged first, in a run of the same loop.

  --rounds N      how often each is measured (default: 7; with --full 31)
  --clients N     operations under way at a time, 1 to 1024 (default: 16)
  --nodes N       nodes of the cluster (default: the first of the protocol's two sizes)
  --quick, --full how many rounds, unless --rounds says it
  --json          one JSON object
";

/// Operations whose history is judged.
const PROVED: u64 = 2_000;
/// Operations that a session answers before it is measured.
const WARM: u64 = 500;
/// Operations that are measured of a session.
const MEASURED: u64 = 5_000;
/// The sequential object is so fast that fewer would be lost in the steps of the clock.
const FLOOR_OPERATIONS: u64 = 500_000;

struct Options {
    common: command_line::Options,
    caller: Caller,
    algorithm: &'static dyn Brought,
    rounds: u64,
    clients: u32,
    nodes: Option<u32>,
}

fn options(caller: Caller, algorithm: &'static dyn Brought) -> Result<Option<Options>, Refused> {
    let (mut rounds, mut clients, mut nodes) = (None, 16, None);
    let common = caller.read(command_line::EFFORT, |option, parser| {
        match option {
            "rounds" => rounds = Some(command_line::value(parser, option)?),
            "clients" => clients = command_line::value(parser, option)?,
            "nodes" => nodes = Some(command_line::value(parser, option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    caller.algorithm(&common)?;
    super::check_nodes(algorithm, nodes)?;
    let rounds = rounds.unwrap_or(if common.effort == Effort::Quick { 7 } else { 31 });
    if !(1..=1024).contains(&clients) || rounds == 0 {
        return Err(Refused::usage("--clients is 1 to 1024, --rounds at least 1"));
    }
    Ok(Some(Options { common, caller, algorithm, rounds, clients, nodes }))
}

/// Runs the verb.
pub fn main(caller: Caller, algorithm: &'static dyn Brought) -> ExitCode {
    command_line::main("bench", HELP, || options(caller, algorithm), run)
}

/// What was measured, one figure per round but for the latencies.
#[derive(Default)]
struct Samples {
    throughput: Vec<f64>,
    floor: Vec<f64>,
    /// In nanoseconds, of all rounds, ascending.
    latencies: Vec<u64>,
}

fn measure(algorithm: &dyn Brought, load: Load, rounds: u64) -> Result<Samples, Wrong> {
    algorithm.prove(&Load { operations: PROVED, ..load })?;
    let (mut samples, mut line) = (Samples::default(), ProgressLine::new());
    for round in 0..rounds {
        if command_line::interrupted() {
            break;
        }
        line.show(|| format!("round {} of {rounds}", round + 1));
        samples.throughput.push(algorithm.throughput(&load, round)?);
        samples.floor.push(algorithm.floor(&Load { operations: FLOOR_OPERATIONS, ..load }, round));
        samples.latencies.extend(algorithm.latencies(&load, round)?);
    }
    line.clear();
    samples.latencies.sort_unstable();
    Ok(samples)
}

impl Samples {
    fn benchmarks(&self) -> Vec<Benchmark> {
        let figure = |name: &str, figure: Metric| Benchmark { name: name.to_owned(), figure, against: None };
        let (unit, floor) = ("operations per CPU-second", "sequential object alone");
        let rounds =
            |name: &str, samples: &[f64]| figure(name, Metric::measured(name, unit, samples.to_vec()));
        let mut all = vec![rounds("closed loop", &self.throughput), rounds(floor, &self.floor)];
        for (name, per_mille) in [("latency, median", 500), ("latency, 99 %", 990), ("latency, 99.9 %", 999)]
        {
            let place = (self.latencies.len() * per_mille).div_ceil(1000).max(1) - 1;
            let value = self.latencies.get(place).copied().unwrap_or(0);
            all.push(figure(name, Metric::counted(name, value as f64, "ns")));
        }
        all
    }
}

fn run(options: &Options) -> Result<Exit, Refused> {
    command_line::interrupt()?;
    let algorithm = options.algorithm;
    let command = options.caller.command("bench", &options.common);
    let mut recorder = Recorder::start(Verb::Bench, algorithm.name(), &command).map_err(Refused::missing)?;
    let nodes = options.nodes.unwrap_or(algorithm.sizes()[0]);
    let load = Load { nodes, clients: options.clients, warm: WARM, operations: MEASURED };
    recorder
        .algorithm(algorithm.name())
        .title(&format!("{} in a closed loop on one thread", algorithm.name()))
        .parameter("nodes", nodes)
        .parameter("clients", load.clients)
        .parameter("rounds", options.rounds)
        .parameter("operations per round", load.operations)
        .parameter("operations whose history was judged first", PROVED);
    let (benchmarks, found) = match measure(algorithm, load, options.rounds) {
        Ok(samples) if samples.throughput.is_empty() => (Vec::new(), None),
        Ok(samples) => (samples.benchmarks(), None),
        Err(Wrong::Broken(violation)) => {
            (Vec::new(), Some(Finding::new(violation.property, violation.detail)))
        }
        Err(stalled @ Wrong::Stalled { .. }) => (Vec::new(), Some(Finding::new("progress", stalled))),
        Err(missing) => return Err(Refused::missing(missing)),
    };
    let outcome = match &found {
        _ if command_line::interrupted() => Outcome::Interrupted,
        None => Outcome::Passed,
        Some(_) => Outcome::Failed,
    };
    let exit = Exit::from(&outcome);
    if options.common.json {
        let figures: Vec<_> = benchmarks.iter().map(|benchmark| &benchmark.figure).collect();
        let line = serde_json::json!({ "verb": "bench", "algorithm": algorithm.name(), "outcome": outcome.name(),
            "figures": figures, "findings": found });
        println!("{line}");
    } else {
        println!("{}: {}, {nodes} nodes, {} clients", algorithm.name(), outcome.name(), load.clients);
        for Benchmark { figure, .. } in &benchmarks {
            let interval = figure.interval.map(|within| format!(" [{:.0}, {:.0}]", within.low, within.high));
            println!(
                "  {}: {:.0} {}{}",
                figure.name,
                figure.value,
                figure.unit,
                interval.unwrap_or_default()
            );
        }
        found.iter().for_each(finding::print);
    }
    if let Some(found) = found {
        recorder.finding(found);
    }
    recorder.finish(outcome, Payload::Bench(Bench { base: None, benchmarks })).map_err(Refused::missing)?;
    Ok(exit)
}
