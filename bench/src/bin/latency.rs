//! `latency`: open-loop load against the threaded runtime, coordinated omission accounted for.
//!
//! Measures the capacity first (a closed loop), then plays a Poisson plan at each of several rates up to near
//! that capacity. Leaves the artifact `latency/raft.json` and, beside it, for each rate an interval log
//! (`.hlog`: response and service times, one histogram a second) and a percentile distribution (`.hgrm`:
//! response times in milliseconds) that the standard viewers of HdrHistogram open. Ctrl-C ends the run and
//! leaves an artifact of the rates that are complete.
//!
//! A run whose generator was late too often is void: it is recorded, marked and no failure. On a machine
//! with few or shared processors many runs are.
//!
//! Exit codes: 0 done, 1 the nodes did wrong work, 2 wrong usage, 3 the machine refused (threads, files),
//! 130 interrupted.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bench::hgrm::hgrm;
use bench::live::{self, Failure, Run};
use bench::open_loop::{LATE_BY, LATE_SHARE_MAX, arrivals};
use bench::progress::Progress;
use bench::recorder::interval_log;
use bench::verdict::aligned;
use bench::workload::Load;
use hdrhistogram::Histogram;
use reports::artifact::{
    Finding, Implementation, Latency, LoadPoint, Metric, Outcome, Payload, Quantiles, Role, Verb,
};
use reports::recorder::Recorder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set by Ctrl-C. Nothing else is published through it, so no ordering is needed.
static STOP: AtomicBool = AtomicBool::new(false);

/// Commands in flight when the capacity is measured.
const CAPACITY_WINDOW: u64 = 1_024;

const USAGE: &str = "\
usage: latency [raft] [--rate R,...] [--quick | --full] [--bytes N] [--seed N] [--json]

  --rate R,...  operations per second, instead of shares of the measured capacity
  --quick       six rates of two seconds (the default)
  --full        eleven rates of ten seconds
  --bytes N     bytes of a command, 8 to 65536 (default 64)
  --seed N      another plan (default 1)
  --json        one JSON object per line on standard output
";

struct Options {
    rates: Vec<f64>,
    full: bool,
    bytes: usize,
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
            eprint!("latency: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("latency: {error}");
            ExitCode::from(3)
        }
    }
}

/// The command line; `None` asks for help.
fn parse(mut arguments: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let mut options = Options { rates: Vec::new(), full: false, bytes: 64, seed: 1, json: false };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("rate") => {
                for rate in arguments.value()?.string()?.split(',') {
                    match rate.trim().parse::<f64>() {
                        Ok(rate) if (1.0..=1e8).contains(&rate) => options.rates.push(rate),
                        _ => {
                            return Err(format!("`{rate}` is not a rate of 1 to 100000000 per second").into());
                        }
                    }
                }
            }
            Long("quick") => options.full = false,
            Long("full") => options.full = true,
            Long("bytes") => {
                options.bytes = arguments.value()?.parse()?;
                if !(8..=65_536).contains(&options.bytes) {
                    return Err(format!("{} bytes are not between 8 and 65536", options.bytes).into());
                }
            }
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(None),
            Value(subject) if subject == "raft" => {}
            Value(subject) => {
                let subject = subject.to_string_lossy();
                return Err(format!("there is no algorithm `{subject}` to load (raft)").into());
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// The command that a reader types to repeat the run.
fn command(options: &Options) -> String {
    let rates: Vec<String> = options.rates.iter().map(f64::to_string).collect();
    let length = if options.full { "--full" } else { "--quick" };
    let parts = [
        "cargo xtask latency raft".to_owned(),
        if rates.is_empty() { String::new() } else { format!("--rate {}", rates.join(",")) },
        length.to_owned(),
        if options.bytes == 64 { String::new() } else { format!("--bytes {}", options.bytes) },
        if options.seed == 1 { String::new() } else { format!("--seed {}", options.seed) },
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Shares of the capacity, from one at which nobody waits for anybody to near all of it.
const fn shares(full: bool) -> &'static [f64] {
    if full {
        &[0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]
    } else {
        &[0.002, 0.01, 0.05, 0.2, 0.5, 0.8]
    }
}

fn run(options: &Options) -> io::Result<u8> {
    let length = Duration::from_secs(if options.full { 10 } else { 2 });
    let started = SystemTime::now();
    let mut recorder = Recorder::start(Verb::Latency, "raft", &command(options))?;
    recorder
        .title("Raft: latency under open load")
        .allocator("mimalloc")
        .parameter("seed", options.seed)
        .parameter("bytes of a command", options.bytes)
        .parameter("seconds of each rate", length.as_secs())
        .parameter("late, beyond", format!("{} us", LATE_BY.as_micros()))
        .parameter("void, beyond a late share of", LATE_SHARE_MAX);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed)).map_err(io::Error::other)?;

    let mut latency = Latency {
        arrivals: format!("Poisson, planned before the run, seed {}", options.seed),
        points: Vec::new(),
        not_compared: vec![
            "peers: none has a threaded runtime in this process; compare measures their cores".to_owned(),
            "disks and networks: storage is memory with group commit, lanes are shared memory".to_owned(),
            "the load thread shares the machine's processors with the nodes".to_owned(),
        ],
    };
    let mut findings = Vec::new();
    let rates = match rates(options, &mut recorder) {
        Ok(rates) => rates,
        Err(failure) => {
            findings.push(finding(&failure, "measuring the capacity"));
            Vec::new()
        }
    };
    let mut progress = Progress::new("latency", options.json);
    for (position, rate) in rates.iter().copied().enumerate() {
        if stopping() {
            break;
        }
        progress.show(position as f64 / rates.len() as f64);
        let load = Load::new(options.seed, options.bytes, 1);
        let plan = arrivals(options.seed, rate, length);
        match live::run(load, plan, || !stopping()) {
            Ok(run) if run.interrupted => {}
            Ok(run) => latency.points.push(point(&recorder, started, rate, length, &run)?),
            Err(failure) => findings.push(finding(&failure, &format!("at {rate:.0} per second"))),
        }
    }
    progress.clear();
    let (outcome, code) = match (findings.is_empty(), stopping()) {
        (false, _) => (Outcome::Failed, 1),
        (true, true) => (Outcome::Interrupted, 130),
        (true, false) => (Outcome::Passed, 0),
    };
    print(options, &latency, &findings);
    for finding in findings {
        recorder.finding(finding);
    }
    let path = recorder.finish(outcome, Payload::Latency(latency))?;
    eprintln!("artifact: {}", path.display());
    Ok(code)
}

fn stopping() -> bool {
    STOP.load(Ordering::Relaxed)
}

fn finding(failure: &Failure, when: &str) -> Finding {
    Finding::new("what was answered was applied", format!("{when}: {failure}"))
}

/// The rates to offer: those asked for, or shares of the capacity, which is then noted.
fn rates(options: &Options, recorder: &mut Recorder) -> Result<Vec<f64>, Failure> {
    if !options.rates.is_empty() {
        return Ok(options.rates.clone());
    }
    let load = Load::new(options.seed, options.bytes, CAPACITY_WINDOW);
    let tries: usize = if options.full { 5 } else { 3 };
    let samples: Vec<f64> =
        (0..tries).map(|_| live::capacity(load, Duration::from_millis(400))).collect::<Result<_, _>>()?;
    let name = format!("capacity: answers in a closed loop of {CAPACITY_WINDOW}");
    let capacity = Metric::measured(&name, "operations per second", samples);
    // Two figures are enough of a rate that is to be typed again.
    let rate = |share: f64| {
        let exact = capacity.value * share;
        let unit = 10f64.powi(exact.log10().floor() as i32 - 1);
        ((exact / unit).round() * unit).max(1.0)
    };
    let rates = shares(options.full).iter().map(|share| rate(*share)).collect();
    recorder.metric(capacity);
    Ok(rates)
}

/// A run's figures, with its two files written.
fn point(
    recorder: &Recorder,
    started: SystemTime,
    rate: f64,
    length: Duration,
    run: &Run,
) -> io::Result<LoadPoint> {
    let recording = &run.recording;
    let comments = [
        format!("raft, {rate:.0} operations per second planned, times in nanoseconds"),
        "response: from the planned time; service: from the time of sending".to_owned(),
    ];
    let log = interval_log(&comments, started, &recording.intervals)?;
    let settings = "three node threads, one load thread, memory storage, group commit";
    Ok(LoadPoint {
        implementation: Implementation::new(Role::Ours, "swarm-raft", env!("CARGO_PKG_VERSION"), settings),
        offered_per_s: rate,
        achieved_per_s: recording.response.len() as f64 / run.length.max(length).as_secs_f64(),
        seconds: length.as_secs_f64(),
        response: quantiles(&recording.response),
        service: quantiles(&recording.service),
        generator_lag: quantiles(&recording.lag),
        late_share: recording.late_share(),
        // What was never answered is in no histogram.
        void: recording.is_void() || run.unanswered > 0,
        hlog: Some(recorder.file_beside(&format!("{rate:.0}.hlog"), &log)?),
        hgrm: Some(
            recorder.file_beside(&format!("{rate:.0}.hgrm"), hgrm(&recording.response, 1e6).as_bytes())?,
        ),
    })
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    Quantiles::of("ns", histogram.len(), |q| histogram.value_at_quantile(q) as f64)
}

fn print(options: &Options, latency: &Latency, findings: &[Finding]) {
    let mut out = io::stdout().lock();
    // A reader that has gone away needs no table.
    if options.json {
        for point in &latency.points {
            let line = serde_json::to_string(point).expect("figures are finite");
            let _ = writeln!(out, "{line}");
        }
        return;
    }
    let header = [
        "offered/s",
        "achieved/s",
        "response p50 us",
        "p99 us",
        "p99.9 us",
        "service p50 us",
        "p99 us",
        "lag p99 us",
        "late",
        "",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for point in &latency.points {
        let us = |quantiles: &Quantiles, q| {
            quantiles.at(q).map_or("-".to_owned(), |nanos| format!("{:.1}", nanos / 1e3))
        };
        rows.push([
            format!("{:.0}", point.offered_per_s),
            format!("{:.0}", point.achieved_per_s),
            us(&point.response, 0.5),
            us(&point.response, 0.99),
            us(&point.response, 0.999),
            us(&point.service, 0.5),
            us(&point.service, 0.99),
            us(&point.generator_lag, 0.99),
            format!("{:.1} %", point.late_share * 100.0),
            if point.void { "void: the generator was late, or answers are missing" } else { "" }.to_owned(),
        ]);
    }
    let _ = write!(out, "{}", aligned(&rows));
    for finding in findings {
        let _ = writeln!(out, "WRONG: {}", finding.detail);
    }
}
