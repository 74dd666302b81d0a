//! `latency`: open-loop load on every series, coordinated omission accounted for.
//!
//! Measures the capacity of each series first (a closed loop), then offers it a Poisson plan at shares of that
//! capacity. Leaves the artifact `latency/raft.json` and, beside it, for each point an interval log
//! (`.hlog`: response and service times, one histogram a second) and a percentile distribution (`.hgrm`:
//! response times in milliseconds) that the standard viewers of HdrHistogram open. Ctrl-C ends the run and
//! leaves an artifact of the points that are complete.
//!
//! Of the series on files it is said how often the disks were synced for each operation, beside how often this disk syncs
//! where nothing else is done.
//!
//! A point whose figures are the load thread's own lateness is void: it is recorded, marked and no failure.
//!
//! Exit codes: 0 done, 1 the nodes did wrong work, 2 wrong usage, 3 the machine refused (threads, files),
//! 130 interrupted.

use std::fs;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use bench::hgrm::hgrm;
use bench::open_loop::{LATE_BY, LATENESS_SHARE_MAX};
use bench::recorder::interval_log;
use bench::series::{self, Offer, Played, Series};
use bench::verdict::aligned;
use hdrhistogram::Histogram;
use reports::artifact::{Finding, Latency, LoadPoint, Metric, Outcome, Payload, Quantiles, Verb};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused};
use reports::recorder::Recorder;
use reports::store;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: latency [raft] [--rate R,...] [--quick | --full] [--bytes N] [--seed N] [--json]

  --rate R,...  operations per second, instead of shares of each series' capacity
  --quick       six rates of one second (the default)
  --full        twelve rates of ten seconds
  --bytes N     bytes of a command, 8 to 65536 (default 64)
  --seed N      another plan (default 1)
  --json        one JSON object per line on standard output
";

struct Options {
    common: command_line::Options,
    rates: Vec<f64>,
    full: bool,
    bytes: usize,
    seed: u64,
}

fn main() -> ExitCode {
    command_line::main("latency", USAGE, options, run)
}

/// The command line; `None` asks for help.
fn options() -> Result<Option<Options>, Refused> {
    let (mut rates, mut bytes, mut seed) = (Vec::new(), 64, 1);
    let common = command_line::read(command_line::EFFORT, |option, parser| {
        match option {
            "rate" => {
                for rate in command_line::value::<String>(parser, "rate")?.split(',') {
                    match rate.trim().parse::<f64>() {
                        Ok(rate) if (1.0..=1e8).contains(&rate) => rates.push(rate),
                        _ => {
                            let why = format!("`{rate}` is not a rate of 1 to 100000000 per second");
                            return Err(Refused::usage(why));
                        }
                    }
                }
            }
            "bytes" => {
                bytes = command_line::value(parser, "bytes")?;
                if !(8..=65_536).contains(&bytes) {
                    return Err(Refused::usage(format!("{bytes} bytes are not between 8 and 65536")));
                }
            }
            "seed" => seed = command_line::value(parser, "seed")?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    common.algorithms()?;
    let full = common.effort == Effort::Full;
    Ok(Some(Options { common, rates, full, bytes, seed }))
}

/// Shares of the capacity, from one at which nobody waits for anybody to near all of it.
const fn shares(full: bool) -> &'static [f64] {
    if full {
        &[0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    } else {
        &[0.01, 0.1, 0.3, 0.5, 0.8, 0.95]
    }
}

fn run(options: &Options) -> Result<Exit, Refused> {
    let (seconds, operations_max) = if options.full { (10, 2e7) } else { (1, 2e6) };
    let length = Duration::from_secs(seconds);
    let started = SystemTime::now();
    let command = options.common.command("latency");
    let mut recorder = Recorder::start(Verb::Latency, "raft", &command).map_err(Refused::missing)?;
    recorder
        .title("Raft: latency under open load")
        .allocator("mimalloc")
        .parameter("seed", options.seed)
        .parameter("bytes of a command", options.bytes)
        .parameter("seconds of each rate, at most", seconds)
        .parameter("operations of each rate, at most", operations_max)
        .parameter("late, beyond", format!("{} us", LATE_BY.as_micros()))
        .parameter("void, if lateness is a larger share of p50 or p99 than", LATENESS_SHARE_MAX);
    command_line::interrupt()?;
    let going = || !command_line::interrupted();

    let mut latency = Latency {
        arrivals: format!("Poisson, planned before the run, seed {}", options.seed),
        points: Vec::new(),
        not_compared: vec![
            "peers on threads and on disks: they bring neither; on one thread they are here".to_owned(),
            "networks: messages move as values through shared memory".to_owned(),
            "idle caches: on one thread the time in which nothing is due is jumped over".to_owned(),
            "threads: the load thread shares the machine's processors with the nodes".to_owned(),
        ],
    };
    let mut findings = Vec::new();
    let mut wrong = |series: &Series, when: &str, why: String| {
        let who = &series.implementation.name;
        findings.push(Finding::new("what was answered was applied", format!("{who}, {when}: {why}")));
    };
    // Not the folder for temporary files, which may be in memory.
    let folder = store::default_root().map_err(Refused::missing)?.join("latency/disks");
    let all = series::all(&folder);
    let mut disks = Vec::new();
    let alone = syncs_per_second(&folder).map_err(Refused::missing)?;
    let alone = Metric::measured("this disk alone: 4 KiB written and synced", "per second", alone);
    disks.push(format!("{}: {:.0} {}", alone.name, alone.value, alone.unit));
    recorder.metric(alone);
    let mut progress = ProgressLine::new();
    for (place, series) in all.iter().enumerate() {
        let rates = match rates(options, series, &mut recorder) {
            Ok(rates) => rates,
            Err(why) => {
                wrong(series, "measuring the capacity", why);
                continue;
            }
        };
        for (done, rate) in rates.iter().copied().enumerate() {
            if !going() {
                break;
            }
            progress
                .show(|| format!("latency: series {place} of {}, rate {done} of {}", all.len(), rates.len()));
            // As many operations as p99.9 asks for, and no more: at high rates the plan is shorter.
            let length = length.min(Duration::from_secs_f64(operations_max / rate));
            let offer = Offer { seed: options.seed, bytes: options.bytes, rate, length };
            match series.play(&offer, &mut || going()) {
                Ok(played) if played.interrupted => {}
                Ok(played) => {
                    // Named by place and not by rate, so that a run replaces the files of the one before.
                    let file = format!("{}-{}", series.key, done + 1);
                    let answered = played.recording.response.len();
                    if played.syncs > 0 && answered > 0 {
                        let name = &series.implementation.name;
                        let name = format!("{name}, {rate:.0} offered: syncs of all disks");
                        let syncs = played.syncs as f64 / answered as f64;
                        disks.push(format!("{name}: {syncs:.3} per operation"));
                        recorder.metric(Metric::counted(&name, syncs, "per operation"));
                    }
                    let point = point(&mut recorder, started, series, &file, &offer, &played);
                    latency.points.push(point.map_err(Refused::missing)?);
                }
                Err(why) => wrong(series, &format!("at {rate:.0} per second"), why),
            }
        }
    }
    progress.clear();
    // Nothing is read from the disks again; what cannot be removed is overwritten by the next run.
    let _ = std::fs::remove_dir_all(&folder);
    let outcome = match (findings.is_empty(), going()) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::Interrupted,
        (true, true) => Outcome::Passed,
    };
    print(options, &latency, &disks, &findings);
    for finding in findings {
        recorder.finding(finding);
    }
    let exit = Exit::from(&outcome);
    let path = recorder.finish(outcome, Payload::Latency(latency)).map_err(Refused::missing)?;
    eprintln!("artifact: {}", path.display());
    Ok(exit)
}

/// How often the disk of this folder syncs in a second, a few times over, if one thread writes a page of a file that has its
/// length and syncs it, again and again. The folder is made.
fn syncs_per_second(folder: &Path) -> io::Result<Vec<f64>> {
    const PAGE: [u8; 4096] = [1; 4096];
    const TIMES: u32 = 64;
    fs::create_dir_all(folder)?;
    let path = folder.join("page");
    let mut file = fs::File::create(&path)?;
    (0..TIMES).try_for_each(|_| file.write_all(&PAGE))?;
    file.sync_all()?;
    let mut sample = || {
        file.rewind()?;
        let begun = Instant::now();
        for _ in 0..TIMES {
            file.write_all(&PAGE)?;
            file.sync_data()?;
        }
        Ok(f64::from(TIMES) / begun.elapsed().as_secs_f64())
    };
    let samples = (0..5).map(|_| sample()).collect();
    fs::remove_file(&path)?;
    samples
}

/// The rates to offer: those asked for, or shares of the capacity, which is then noted.
fn rates(options: &Options, series: &Series, recorder: &mut Recorder) -> Result<Vec<f64>, String> {
    if !options.rates.is_empty() {
        return Ok(options.rates.clone());
    }
    let (tries, length) = if options.full { (5, 1_000) } else { (3, 300) };
    let mut samples = Vec::new();
    for _ in 0..tries {
        samples.push(series.capacity(options.seed, options.bytes, Duration::from_millis(length))?);
    }
    let name = &series.implementation.name;
    let capacity = Metric::measured(
        &format!("{name}: capacity, there being always work"),
        "operations per second",
        samples,
    );
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
    recorder: &mut Recorder,
    started: SystemTime,
    series: &Series,
    file: &str,
    offer: &Offer,
    played: &Played,
) -> io::Result<LoadPoint> {
    let (recording, rate) = (&played.recording, offer.rate);
    let name = &series.implementation.name;
    let comments = [
        format!("{name}, {rate:.0} operations per second planned, times in nanoseconds"),
        "response: from the planned time; service: from the time of sending".to_owned(),
    ];
    let log = interval_log(&comments, started, &recording.intervals)?;
    for (what, count) in played.notes.iter().filter(|(_, count)| *count > 0) {
        recorder.metric(Metric::counted(&format!("{name}, {rate:.0} offered: {what}"), *count as f64, ""));
    }
    Ok(LoadPoint {
        implementation: series.implementation.clone(),
        offered_per_s: rate,
        achieved_per_s: recording.response.len() as f64 / played.length.max(offer.length).as_secs_f64(),
        seconds: offer.length.as_secs_f64(),
        response: quantiles(&recording.response),
        service: quantiles(&recording.service),
        generator_lag: quantiles(&recording.lag),
        late_share: recording.late_share(),
        // What was never answered is in no histogram.
        void: recording.is_void() || played.unanswered > 0,
        hlog: Some(recorder.file_beside(&format!("{file}.hlog"), &log)?),
        hgrm: Some(recorder.file_beside(&format!("{file}.hgrm"), hgrm(&recording.response, 1e6).as_bytes())?),
    })
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    Quantiles::of("ns", histogram.len(), |q| histogram.value_at_quantile(q) as f64)
}

fn print(options: &Options, latency: &Latency, disks: &[String], findings: &[Finding]) {
    let mut out = io::stdout().lock();
    // A reader that has gone away needs no table.
    if options.common.json {
        for point in &latency.points {
            let line = serde_json::to_string(point).expect("figures are finite");
            let _ = writeln!(out, "{line}");
        }
        for finding in findings {
            let _ = writeln!(out, "{}", serde_json::json!({ "wrong": finding.detail }));
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
        "lag p50 us",
        "p99 us",
        "late",
        "implementation",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for point in &latency.points {
        let us = |quantiles: &Quantiles, q| {
            quantiles.at(q).map_or("-".to_owned(), |nanos| format!("{:.1}", nanos / 1e3))
        };
        let void = if point.void { " VOID: the load thread was late, or answers are missing" } else { "" };
        rows.push([
            format!("{:.0}", point.offered_per_s),
            format!("{:.0}", point.achieved_per_s),
            us(&point.response, 0.5),
            us(&point.response, 0.99),
            us(&point.response, 0.999),
            us(&point.service, 0.5),
            us(&point.service, 0.99),
            us(&point.generator_lag, 0.5),
            us(&point.generator_lag, 0.99),
            format!("{:.1} %", point.late_share * 100.0),
            format!("{}{void}", point.implementation.name),
        ]);
    }
    let _ = write!(out, "{}", aligned(&rows));
    for line in disks {
        let _ = writeln!(out, "{line}");
    }
    for finding in findings {
        let _ = writeln!(out, "WRONG: {}", finding.detail);
    }
}
