//! `scaling`: what more threads make of the same recursions, how soon they get work, and what they cost without any.
//!
//! Runs everything of [`bench::forks`] and [`bench::spawns`] on pools of one thread up to as many as the machine runs at once, ours and peers,
//! interleaved; then offers work to a second thread, which searches or sleeps; then lets pools idle. Leaves the artifact
//! `compare/work-stealing.json`, with the raw samples, and prints tables. It asserts nothing about speed; a wrong
//! answer ends it. Ctrl-C ends the run at the next round and leaves the artifact of what is complete.
//!
//! Exit codes: 0 done, 1 a wrong answer, 2 wrong usage, 130 interrupted.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bench::forks::{Contestant, Joins, Node, Seed, T1_NODES, contestants, sequential, t1};
use bench::spawns::{self, Spawns};
use bench::{clock, verdict};
use reports::artifact::{
    Finding, Idle, Outcome, Payload, Quantile, Quantiles, Role, Scaling, ScalingSeries, Sharing, Verb,
};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused};
use reports::recorder::Recorder;
use swarm_protocol::Stream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: scaling [work-stealing] [--quick | --full] [--peers | --no-peers] [--seed N] [--json]

  --quick      a minute (the default)
  --full       some ten minutes: more rounds, and the whole tree T1 of UTS
  --peers      refuse to run without the peers (build with --features peers)
  --no-peers   leave the peers out
  --seed N     another order of runs (default 1)
  --json       one JSON object per line on standard output
";

struct Options {
    common: command_line::Options,
    full: bool,
    peers: Option<bool>,
    seed: u64,
}

fn main() -> ExitCode {
    command_line::main("scaling", USAGE, options, run)
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
    if let Some(other) = common.names.iter().find(|name| *name != "work-stealing") {
        return Err(Refused::usage(format!("`{}` has no threads to compare", other.escape_debug())));
    }
    if with_peers == Some(true) && !missing().is_empty() {
        let how = "peers are not compiled in; run `cargo xtask compare work-stealing`, which builds them";
        return Err(Refused::missing(how));
    }
    let full = common.effort == Effort::Full;
    Ok(Some(Options { common, full, peers: with_peers, seed }))
}

/// The features of peers that are not compiled in.
fn missing() -> Vec<&'static str> {
    let peers = [
        ("peer-chili", cfg!(feature = "peer-chili")),
        ("peer-rayon", cfg!(feature = "peer-rayon")),
        ("peer-tokio", cfg!(feature = "peer-tokio")),
    ];
    peers.into_iter().filter(|(_, compiled)| !compiled).map(|(feature, _)| feature).collect()
}

/// What a way to run closures makes of a work.
type Run<W> = Box<dyn Fn(&mut W) -> u64>;

/// Something to do, and what it comes to.
struct Work<W: ?Sized> {
    name: String,
    operation: &'static str,
    operations: u64,
    answer: u64,
    run: Run<W>,
}

fn works(full: bool) -> Vec<Work<dyn Joins>> {
    let work = |name: &str, operation, operations, answer, run: Run<dyn Joins>| Work {
        name: name.to_owned(),
        operation,
        operations,
        answer,
        run,
    };
    let tree = Node::tree(18);
    let (root, nodes, name) =
        if full { (t1(), T1_NODES, "uts T1") } else { (Seed::root(19, 7), 63_914, "uts, T1 cut at level 7") };
    vec![
        work("fib(27)", "join", 317_810, 196_418, Box::new(|joins| joins.fib(27))),
        work(
            "tree of 2^18 - 1 nodes",
            "node",
            (1 << 18) - 1,
            (1 << 18) - 1,
            Box::new(move |joins| joins.sum(&tree)),
        ),
        work(name, "node", nodes, nodes, Box::new(move |joins| joins.count(root))),
        work("10,000 joins in a loop", "join", 10_000, 99_990_000, Box::new(|joins| joins.in_a_loop(10_000))),
    ]
}

/// Spawned jobs, which each add their number.
fn spawned() -> Work<dyn Spawns> {
    Work {
        name: "10,000 spawned jobs".to_owned(),
        operation: "job",
        operations: 10_000,
        answer: 49_995_000,
        run: Box::new(|spawns| spawns.spawned(10_000)),
    }
}

fn run(options: &Options) -> Result<Exit, Refused> {
    command_line::interrupt()?;
    let with_peers = options.peers != Some(false);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // Every size up to eight, then every power of two, and all.
    let mut sizes: Vec<usize> =
        (1..=cores).filter(|n| *n <= 8 || n.is_power_of_two() || *n == cores).collect();
    sizes.dedup();
    let (rounds, samples, idle_for) = if options.full {
        (101, 4_000, Duration::from_secs(2))
    } else {
        (31, 1_000, Duration::from_millis(500))
    };
    let mut recorder = Recorder::start(Verb::Compare, "work-stealing", &options.common.command("compare"))
        .map_err(Refused::missing)?;
    recorder
        .algorithm("work-stealing")
        .title("Work stealing: what more threads make of fork and join")
        .allocator("mimalloc")
        .parameter("seed", options.seed)
        .parameter("rounds", rounds)
        .parameter("offers to a second thread", samples)
        .parameter("idle for, ms", idle_for.as_millis());

    let mut progress = ProgressLine::new();
    let mut scaling = Scaling { cores: cores as u32, ..Scaling::default() };
    let sitting = Sitting { sizes, rounds, seed: options.seed };
    let mut measured = |series| scaling.series.extend::<Vec<_>>(series);
    let joins = (sequential as fn() -> _, contestants(with_peers));
    let spawns = (spawns::at_once as fn() -> _, spawns::contestants(with_peers));
    let wrong = sitting
        .measure_all(&works(options.full), &joins, &mut progress, &mut measured)
        .and_then(|()| sitting.measure_all(&[spawned()], &spawns, &mut progress, &mut measured))
        .err();
    if !command_line::interrupted() && cores > 1 && wrong.is_none() {
        for contestant in contestants(with_peers) {
            progress.show(|| format!("scaling: offers, {}", contestant.implementation.name));
            scaling.sharing.extend(offers(&contestant, samples));
        }
    }
    if !command_line::interrupted() && wrong.is_none() {
        for contestant in contestants(with_peers) {
            progress.show(|| format!("scaling: idle, {}", contestant.implementation.name));
            scaling.idle.push(idled(&contestant, cores.max(2), idle_for));
        }
    }
    progress.clear();

    scaling.not_compared = not_compared(with_peers, cores);
    let outcome = match &wrong {
        Some(what) => {
            recorder.finding(Finding::new("equal work", what.clone()));
            Outcome::Failed
        }
        None if command_line::interrupted() => Outcome::Interrupted,
        None => Outcome::Passed,
    };
    print(options, &scaling, wrong.as_deref());
    let exit = Exit::from(&outcome);
    let path = recorder.finish(outcome, Payload::Scaling(scaling)).map_err(Refused::missing)?;
    eprintln!("artifact: {}", path.display());
    Ok(exit)
}

/// How often things are measured, and on how many threads.
struct Sitting {
    sizes: Vec<usize>,
    rounds: usize,
    seed: u64,
}

/// What a pool of one kind is held against, and the pools.
type Field<W> = (fn() -> Contestant<W>, Vec<Contestant<W>>);

impl Sitting {
    /// All pools at all works, until Ctrl-C; stops at a wrong answer and says which.
    fn measure_all<W: ?Sized>(
        &self,
        works: &[Work<W>],
        field: &Field<W>,
        progress: &mut ProgressLine,
        mut measured: impl FnMut(Vec<ScalingSeries>),
    ) -> Result<(), String> {
        for work in works {
            if command_line::interrupted() {
                break;
            }
            measured(self.measure(work, field, |round| {
                progress.show(|| format!("scaling: {}, round {round} of {}", work.name, self.rounds));
                !command_line::interrupted()
            })?);
        }
        Ok(())
    }

    /// All sizes of all pools at one work, in rounds.
    fn measure<W: ?Sized>(
        &self,
        work: &Work<W>,
        (floor, contestants): &Field<W>,
        mut go_on: impl FnMut(usize) -> bool,
    ) -> Result<Vec<ScalingSeries>, String> {
        let series = |contestant: &Contestant<W>, threads: usize| ScalingSeries {
            implementation: contestant.implementation.clone(),
            work: work.name.clone(),
            operation: work.operation.to_owned(),
            operations: work.operations,
            threads: threads as u32,
            ..ScalingSeries::default()
        };
        let floor = floor();
        let mut pools = vec![((floor.start)(1), series(&floor, 1))];
        for contestant in contestants {
            let of = |threads: &usize| ((contestant.start)(*threads), series(contestant, *threads));
            pools.extend(self.sizes.iter().map(of));
        }
        let mut order: Vec<usize> = (0..pools.len()).collect();
        let mut stream = Stream::new(self.seed, 0, 0);
        // The first round warms up: threads are started, memory is asked for.
        for round in 0..=self.rounds {
            if !go_on(round) {
                break;
            }
            for place in (1..order.len()).rev() {
                order.swap(place, stream.below(place as u64 + 1) as usize);
            }
            let mut walls = vec![0.0; pools.len()];
            for &place in &order {
                let (pool, series) = &mut pools[place];
                let begun = Instant::now();
                let answer = (work.run)(&mut **pool);
                walls[place] = begun.elapsed().as_nanos() as f64;
                if answer != work.answer {
                    let (name, threads) = (&series.implementation.name, series.threads);
                    return Err(format!(
                        "{name} on {threads}: {} came to {answer}, not {}",
                        work.name, work.answer
                    ));
                }
            }
            if round > 0 {
                for ((_, series), wall) in pools.iter_mut().zip(&walls) {
                    series.wall_ns.push(*wall);
                    series.sequential_ns.push(walls[0]);
                }
            }
        }
        Ok(pools.into_iter().map(|(_, series)| series).collect())
    }
}

/// Offers work to a second thread: while that searches, since it had some a moment ago, and after it fell asleep.
fn offers(contestant: &Contestant, samples: usize) -> [Sharing; 2] {
    let mut joins = (contestant.start)(2);
    [("searching", Duration::from_micros(2)), ("asleep", Duration::from_micros(500))].map(|(other, pause)| {
        // The first ones find it in whatever state it is.
        joins.share(20, pause);
        let offers = joins.share(samples, pause);
        let mut taken: Vec<f64> = offers.iter().flatten().map(|nanos| *nanos as f64).collect();
        taken.sort_by(f64::total_cmp);
        let points = [0.05, 0.5, 0.9, 0.99, 1.0];
        let points = points.into_iter().filter(|_| !taken.is_empty());
        let points = points.map(|q| Quantile { q, value: reports::statistics::quantile(&taken, q) });
        Sharing {
            implementation: contestant.implementation.clone(),
            other: other.to_owned(),
            missed: (samples - taken.len()) as u64,
            latency: Quantiles { unit: "ns".to_owned(), count: taken.len() as u64, points: points.collect() },
        }
    })
}

/// What a pool costs that has worked and has nothing more to do.
fn idled(contestant: &Contestant, threads: usize, time: Duration) -> Idle {
    let mut joins = (contestant.start)(threads);
    joins.fib(20);
    // Whoever searches for a while after the work may do so.
    thread::sleep(Duration::from_millis(50));
    let (cpu, wall) = (clock::process_cpu(), Instant::now());
    thread::sleep(time);
    let cpu = clock::process_cpu().saturating_sub(cpu);
    let cpu_share = cpu.as_secs_f64() / wall.elapsed().as_secs_f64();
    Idle { implementation: contestant.implementation.clone(), threads: threads as u32, cpu_share }
}

fn not_compared(with_peers: bool, cores: usize) -> Vec<String> {
    let mut lines: Vec<String> = if with_peers {
        let left_out = |feature: &&str| format!("{feature}: not compiled in (build with --features peers)");
        missing().iter().map(left_out).collect()
    } else {
        vec!["peers: left out by --no-peers".to_owned()]
    };
    if cores == 1 {
        lines.push("two threads: the machine runs one at a time".to_owned());
    }
    lines.push("forte: builds on nightly only".to_owned());
    lines.push("Lace, Cilk: other languages; their figures stand in their papers".to_owned());
    lines
}

fn print(options: &Options, scaling: &Scaling, wrong: Option<&str>) {
    let mut out = io::stdout().lock();
    // A reader that has gone away needs no table.
    if options.common.json {
        for series in &scaling.series {
            let _ = writeln!(out, "{}", serde_json::to_string(series).expect("figures are finite"));
        }
        for sharing in &scaling.sharing {
            let _ = writeln!(out, "{}", serde_json::to_string(sharing).expect("figures are finite"));
        }
        for idle in &scaling.idle {
            let _ = writeln!(out, "{}", serde_json::to_string(idle).expect("figures are finite"));
        }
        return;
    }
    if let Some(wrong) = wrong {
        let _ = writeln!(out, "WRONG: {wrong}");
    }
    for reason in &scaling.not_compared {
        let _ = writeln!(out, "SKIPPED {reason}");
    }
    let name = |what: &reports::artifact::Implementation| {
        let floor = what.role == Role::Floor;
        if floor { what.name.clone() } else { format!("{} ({})", what.name, what.settings) }
    };
    let ratio = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    let nanos = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    let head = ["work", "pool", "threads", "speed-up 5 %", "25 %", "50 %", "ns each", "ns more"];
    let mut lines = vec![head.map(str::to_owned)];
    for series in &scaling.series {
        let overhead = series.overhead().filter(|_| series.threads == 1);
        lines.push([
            series.work.clone(),
            name(&series.implementation),
            series.threads.to_string(),
            ratio(series.speedup(0.05)),
            ratio(series.speedup(0.25)),
            ratio(series.speedup(0.5)),
            nanos(series.per_operation(0.5)),
            nanos(overhead),
        ]);
    }
    let _ = write!(out, "{}", verdict::aligned(&lines));
    let head = ["a second thread", "pool", "p50 ns", "p90 ns", "p99 ns", "shared", "missed"];
    let mut lines = vec![head.map(str::to_owned)];
    for sharing in &scaling.sharing {
        let at = |q: f64| {
            let point = sharing.latency.points.iter().find(|point| (point.q - q).abs() < 1e-9);
            point.map_or_else(String::new, |point| format!("{:.0}", point.value))
        };
        lines.push([
            sharing.other.clone(),
            name(&sharing.implementation),
            at(0.5),
            at(0.9),
            at(0.99),
            sharing.latency.count.to_string(),
            sharing.missed.to_string(),
        ]);
    }
    let _ = write!(out, "{}", verdict::aligned(&lines));
    for idle in &scaling.idle {
        let (name, share) = (name(&idle.implementation), 100.0 * idle.cpu_share);
        let _ = writeln!(out, "idle: {name}, {} threads: {share:.2} % of a processor", idle.threads);
    }
}
