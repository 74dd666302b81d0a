//! `simulate ALGO [--seeds A..B] [--profile P] [--replay SEED] [--shard K/N] [--threads N] [--nodes N]
//! [--digest] [--quick|--full] [--json]`: one fault-injecting run per seed, and an artifact
//! `simulate/<algorithm>.json`.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use reports::artifact::{Finding, Outcome, Payload, Verb};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::Run;

use super::{Caller, decisive, elections, etcd_trace};
use crate::campaign::kept::{self, Keeping};
use crate::campaign::{self, Simulate};
use crate::registered::Algorithm;
use crate::{exported, finding};

const HELP: &str = "\
simulate ALGO [--seeds A..B] [--profile P] [--replay SEED] [--shard K/N] [--threads N] [--nodes N] [--digest]
              [--elections] [--decisive [--futures N] [--without-storage]] [--checkpoints DIR] [--write DIR] [--smaller]
              [--etcd-trace FILE]
              [--quick|--full] [--json]

Runs one simulation per seed with crashes, partitions and loss, and checks properties, histories and recovery.

  --seeds A..B    the seeds to run, B excluded (default: 0..1000; with --full 0..10000)
  --profile P     calm, lossy, partitions, crashes, clocks, disks, everything (default), pauses, byzantine or beyond,
                  which strikes whatever the algorithm's assumption says, and finds nothing where it breaks it
  --replay SEED   run this seed alone and print its trace
  --smaller       with --replay: run the smallest simulation found that breaks the same, and print its trace
  --write DIR     with --replay: write what it breaks as files: scenario, diagrams, trace, regression test
  --shard K/N     run the K-th of N equal parts of the seeds
  --threads N     threads that run seeds (default: all processors); the result does not depend on it
  --nodes N       nodes of the cluster (default: two sizes in turn, for Raft 3 and 5, and
                  one seed in eight another, for Raft up to 7)
  --digest        print one line per seed: seed, steps, digest of its trace
  --etcd-trace F  with --replay: write the run to the file F as a trace for etcd's TLA+ specification, in place of
                  printing it
  --elections     crash a leader once per seed and range of election timeouts, and say how long there was none,
                  beside published figures (default of --seeds: 0..1000, for which they are asserted)
  --decisive      rewind the run of --replay, or the first run that fails, to its moments, draw its future anew from
                  each, and say after which events it was likely to fail
  --futures N     futures drawn from each moment (default: 200)
  --without-storage  rewind a run on disks that keep nothing, on which the algorithm must fail
  --checkpoints D leave in this folder, every few seconds, what the seeds so far came to, and go on from there
  --quick, --full how many seeds, unless --seeds says it; --full runs them on clusters of each of three sizes, one after
                  the other, unless --nodes says which: 3, 5 and 7 nodes, or those that the algorithm may have of them,
                  and, unless --profile says which, under everything and then under pauses
  --json          one JSON object
";

#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Clone)]
struct Options {
    common: command_line::Options,
    caller: Caller,
    algorithm: &'static dyn Algorithm,
    seeds: Range<u64>,
    profile: Profile,
    /// Whether the command line says which profile.
    profile_is_said: bool,
    replay: Option<u64>,
    write: Option<PathBuf>,
    smaller: bool,
    shard: Option<(u32, u32)>,
    nodes: Option<u32>,
    digest: bool,
    elections: bool,
    etcd_trace: Option<PathBuf>,
    decisive: bool,
    futures: u32,
    without_storage: bool,
    checkpoints: Option<PathBuf>,
}

/// `A..B` or `K/N`.
struct Pair<T, const DOTS: bool>(T, T);

impl<T: FromStr, const DOTS: bool> FromStr for Pair<T, DOTS> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let between = if DOTS { ".." } else { "/" };
        let (a, b) =
            text.split_once(between).ok_or_else(|| format!("two numbers with `{between}` between"))?;
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
        Ok(Pair(number(a)?, number(b)?))
    }
}

fn options(caller: Caller) -> Result<Option<Options>, Refused> {
    let (mut seeds, mut profile, mut replay, mut shard) = (None, None::<Profile>, None, None);
    let (mut write, mut smaller): (Option<PathBuf>, bool) = (None, false);
    let (mut nodes, mut digest, mut checkpoints) = (None, false, None);
    let (mut elections, mut etcd_trace) = (false, None::<PathBuf>);
    let (mut decisive, mut futures, mut without_storage) = (false, None::<u32>, false);
    let common = caller.read(command_line::EFFORT_AND_THREADS, |option, parser| {
        match option {
            "seeds" => {
                let Pair::<u64, true>(first, end) = command_line::value(parser, "seeds")?;
                if first >= end {
                    return Err(Refused::usage(format!("--seeds {first}..{end}: there are none")));
                }
                seeds = Some(first..end);
            }
            "profile" => profile = Some(command_line::value(parser, "profile")?),
            "replay" => replay = Some(command_line::value(parser, "replay")?),
            "smaller" => smaller = true,
            "write" => write = Some(command_line::value(parser, "write")?),
            "shard" => {
                let Pair::<u32, false>(index, count) = command_line::value(parser, "shard")?;
                if !(1..=count).contains(&index) {
                    return Err(Refused::usage(format!("--shard {index}/{count}: 1/N to N/N")));
                }
                shard = Some((index, count));
            }
            "nodes" => nodes = Some(command_line::value(parser, "nodes")?),
            "digest" => digest = true,
            "elections" => elections = true,
            "etcd-trace" => etcd_trace = Some(command_line::value(parser, "etcd-trace")?),
            "decisive" => decisive = true,
            "futures" => futures = Some(command_line::value(parser, "futures")?),
            "without-storage" => without_storage = true,
            "checkpoints" => checkpoints = Some(command_line::value(parser, "checkpoints")?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    if write.is_some() && (replay.is_none() || decisive) {
        return Err(Refused::usage(
            "--write writes what one seed breaks: it needs --replay, without --decisive",
        ));
    }
    if smaller && (replay.is_none() || decisive || write.is_some()) {
        return Err(Refused::usage(
            "--smaller prints one run: it needs --replay, without --decisive and --write",
        ));
    }
    if replay.is_some() && (seeds.is_some() || shard.is_some()) {
        return Err(Refused::usage("--replay runs one seed: no --seeds, no --shard"));
    }
    if !decisive && (futures.is_some() || without_storage) {
        return Err(Refused::usage("--futures and --without-storage need --decisive"));
    }
    if etcd_trace.is_some() && (replay.is_none() || smaller || write.is_some() || decisive) {
        return Err(Refused::usage("--etcd-trace tells the run of --replay, and nothing else of it"));
    }
    let others = [
        profile.is_some(),
        replay.is_some(),
        write.is_some(),
        smaller,
        shard.is_some(),
        nodes.is_some(),
        digest,
        decisive,
        checkpoints.is_some(),
    ];
    if elections && others.contains(&true) {
        return Err(Refused::usage(
            "--elections is an experiment of its own: --seeds and --threads alone go with it",
        ));
    }
    if decisive && (digest || shard.is_some()) {
        return Err(Refused::usage("--decisive rewinds one run: no --digest, no --shard"));
    }
    let futures = futures.unwrap_or(FUTURES);
    if !(1..=FUTURES_MAX).contains(&futures) {
        return Err(Refused::usage(format!("--futures is 1 to {FUTURES_MAX}")));
    }
    if checkpoints.is_some() && (digest || replay.is_some()) {
        return Err(Refused::usage("--checkpoints keeps what a campaign came to: no --digest, no --replay"));
    }
    let seeds = seeds.unwrap_or(match common.effort {
        _ if elections => 0..1000,
        Effort::Quick => 0..1000,
        Effort::Full => 0..10_000,
    });
    let algorithm = caller.algorithm(&common)?;
    super::check_nodes(algorithm, nodes)?;
    Ok(Some(Options {
        common,
        caller,
        algorithm,
        seeds,
        profile_is_said: profile.is_some(),
        profile: profile.unwrap_or(Profile::EVERYTHING),
        replay,
        write,
        smaller,
        shard,
        nodes,
        digest,
        elections,
        etcd_trace,
        decisive,
        futures,
        without_storage,
        checkpoints,
    }))
}

/// Futures drawn from each moment of a run that is rewound.
const FUTURES: u32 = 200;
const FUTURES_MAX: u32 = 100_000;

/// Runs the verb.
pub fn main(caller: Caller) -> ExitCode {
    command_line::main(
        "simulate",
        &caller.help(HELP),
        || options(caller),
        |options| {
            if options.elections {
                let (algorithm, interrupt) = (options.algorithm, command_line::interrupt()?);
                let Options { common, caller, seeds, .. } = options;
                return elections::run(algorithm, caller, common, seeds.clone(), interrupt);
            }
            if let (Some(path), Some(seed)) = (&options.etcd_trace, options.replay) {
                let Options { algorithm, profile, nodes, common, .. } = options;
                return etcd_trace::run(*algorithm, *profile, *nodes, seed, path, common.json);
            }
            if options.decisive {
                return rewind(options);
            }
            let simulate = options.algorithm.campaign(options.profile, options.nodes);
            match options.replay {
                Some(seed) => replay(&*simulate, seed, options),
                None if options.runs_each_size() => run_each_size(options, command_line::interrupt()?),
                None => run(&*simulate, options, options.algorithm.name(), command_line::interrupt()?),
            }
        },
    )
}

/// The sizes of the clusters that `--full` runs all seeds on.
const FULL_SIZES: [u32; 3] = [3, 5, 7];

impl Options {
    /// Whether all seeds run on each of several sizes.
    fn runs_each_size(&self) -> bool {
        self.common.effort == Effort::Full && self.nodes.is_none() && !self.digest
    }

    /// What replays one seed of this campaign.
    fn replay_command(&self, seed: u64) -> String {
        let nodes = self.nodes.map_or_else(String::new, |nodes| format!(" --nodes {nodes}"));
        let profile = self.profile.name;
        let name = self.algorithm.name();
        self.caller.line("simulate", name, &format!("--profile {profile}{nodes} --replay {seed}"))
    }
}

/// Rewinds a failing run.
fn rewind(options: &Options) -> Result<Exit, Refused> {
    let (algorithm, profile, nodes) = (options.algorithm, options.profile, options.nodes);
    let name = algorithm.name();
    let mut asked = decisive::Asked {
        common: &options.common,
        caller: &options.caller,
        of: name.to_owned(),
        subject: name.to_owned(),
        algorithm: name,
        seeds: options.replay.map_or_else(|| options.seeds.clone(), |seed| seed..seed.saturating_add(1)),
        futures: options.futures,
        must_fail: options.without_storage,
        replay: &|seed| options.replay_command(seed),
    };
    if !options.without_storage {
        return decisive::run(&*algorithm.campaign(profile, nodes), &asked);
    }
    let simulate = algorithm.campaign_without_storage(profile, nodes);
    let simulate = simulate
        .ok_or_else(|| Refused::usage(format!("{name} has no form without storage: --without-storage")))?;
    asked.of = format!("{name} on disks that keep nothing");
    asked.subject = format!("{name}-without-storage");
    decisive::run(&*simulate, &asked)
}

/// The sizes of the clusters, in words.
fn nodes_said(options: &Options) -> String {
    match (options.nodes, options.algorithm.sizes()) {
        (Some(nodes), _) => nodes.to_string(),
        (None, [even, odd]) if even == odd => even.to_string(),
        (None, [even, odd]) => format!("{even} and {odd}"),
    }
}

/// Prints one run.
fn replay(simulate: &dyn Simulate, seed: u64, options: &Options) -> Result<Exit, Refused> {
    let algorithm = options.algorithm;
    let mut told = if options.smaller {
        let Some((what, told)) = simulate.replay_smaller(seed) else {
            eprintln!("seed {seed} breaks nothing: there is no smaller run that does");
            return Ok(Exit::Fine);
        };
        eprintln!("{what}");
        told
    } else {
        simulate.replay(seed, &options.replay_command(seed))
    };
    if let Some(finding) = told.finding.as_mut().filter(|finding| finding.scenario.is_some()) {
        let name = file_name(algorithm, seed, &finding.property);
        finding.test = Some(exported::test(&name, &algorithm.type_name(), &finding.property));
    }
    let written = match (&options.write, &told.finding) {
        (Some(folder), Some(finding)) => write(folder, algorithm, seed, finding)?,
        _ => Vec::new(),
    };
    if options.common.json {
        let line = serde_json::json!({ "verb": "simulate", "algorithm": options.algorithm.name(), "seed": seed,
            "trace": told.text, "diagram": told.diagram, "finding": told.finding });
        println!("{line}");
    } else {
        print!("{}", told.text);
        if let Some(diagram) = &told.diagram {
            println!("\n{diagram}");
        }
        let run = &told.run;
        println!("seed {}: {} steps in {} of virtual time", run.seed, grouped(run.steps), run.time);
        println!("{:?}; {} operations answered", run.conditions, run.completed);
        println!("{}", run.account);
        told.finding.iter().for_each(finding::print);
        for path in &written {
            println!("written: {}", path.display());
        }
        if options.write.is_some() && told.finding.is_none() {
            println!("seed {seed} breaks nothing: nothing is written");
        }
    }
    Ok(if told.finding.is_some() { Exit::Finding } else { Exit::Fine })
}

/// What the files of a finding are called.
fn file_name(algorithm: &dyn Algorithm, seed: u64, property: &str) -> String {
    format!("{}-{property}-seed-{seed}", algorithm.name())
}

fn write(
    folder: &Path,
    algorithm: &dyn Algorithm,
    seed: u64,
    finding: &Finding,
) -> Result<Vec<PathBuf>, Refused> {
    let name = file_name(algorithm, seed, &finding.property);
    exported::write(folder, &name, finding).map_err(Refused::usage)
}

/// One campaign after the other, each on clusters of one size, with an artifact of its own.
fn run_each_size(options: &Options, interrupt: &'static AtomicBool) -> Result<Exit, Refused> {
    let mut exit = Exit::Fine;
    let sizes = FULL_SIZES.into_iter().filter(|nodes| options.algorithm.nodes().contains(nodes));
    // Together these have every fault that the assumption of the algorithm allows.
    let profiles: &[Profile] =
        if options.profile_is_said { &[options.profile] } else { &[Profile::EVERYTHING, Profile::PAUSES] };
    for (profile, nodes) in
        profiles.iter().flat_map(|profile| sizes.clone().map(move |nodes| (*profile, nodes)))
    {
        let options = Options { nodes: Some(nodes), profile, ..options.clone() };
        let simulate = options.algorithm.campaign(options.profile, options.nodes);
        if !options.common.json {
            println!("clusters of {nodes}, profile {}:", profile.name);
        }
        // That of the first is the one that a report looks for.
        let mut subject = options.algorithm.name().to_owned();
        if nodes != FULL_SIZES[0] {
            let _ = write!(subject, "-{nodes}-nodes");
        }
        if profile.name != profiles[0].name {
            let _ = write!(subject, "-{}", profile.name);
        }
        match run(&*simulate, &options, &subject, interrupt)? {
            Exit::Fine => {}
            Exit::Interrupted => return Ok(Exit::Interrupted),
            other => exit = other,
        }
    }
    Ok(exit)
}

/// One campaign, with an artifact of this subject.
fn run(
    simulate: &dyn Simulate,
    options: &Options,
    subject: &str,
    interrupt: &'static AtomicBool,
) -> Result<Exit, Refused> {
    let algorithm = options.algorithm.name();
    let command = options.caller.command("simulate", &options.common);
    let mut recorder = Recorder::start(Verb::Simulate, subject, &command).map_err(Refused::missing)?;
    recorder
        .algorithm(algorithm)
        .title(&format!("Simulation of {algorithm}, {} seeds", options.seeds.end - options.seeds.start))
        .allocator("mimalloc")
        .parameter("profile", options.profile.name)
        .parameter("seeds", format!("{}..{}", options.seeds.start, options.seeds.end))
        .parameter("threads", options.common.threads)
        .parameter("nodes", nodes_said(options));
    let mut seeds = options.seeds.clone();
    if let Some((index, count)) = options.shard {
        seeds = campaign::shard(&seeds, index, count);
        recorder.shard(index, count);
    }

    let line = Mutex::new((ProgressLine::new(), 0u64));
    let digests = Mutex::new(Vec::new());
    let each = |run: &Run| {
        if options.digest {
            let digest = (run.seed, run.steps, run.digest);
            digests.lock().expect("no thread panics with it").push(digest);
        }
        let (line, done) = &mut *line.lock().expect("no thread panics with it");
        *done += 1;
        line.show(|| format!("{} of {} seeds", grouped(*done), grouped(seeds.end - seeds.start)));
    };
    let kept = match &options.checkpoints {
        None => kept::Kept::whole(simulate, seeds.clone(), options.common.threads, interrupt, &each),
        Some(folder) => {
            let (profile, nodes) = (options.profile.name, nodes_said(options));
            let what = format!("{algorithm}, {profile}, {nodes} nodes, seeds {}..{}", seeds.start, seeds.end);
            let path = folder.join(format!("{subject}-{profile}-{}-{}.campaign", seeds.start, seeds.end));
            let keeping = Keeping::at(&path, &what);
            kept::run(simulate, seeds.clone(), options.common.threads, interrupt, &each, &keeping)
                .map_err(Refused::missing)?
        }
    };
    let kept::Kept { summary, cpu, earlier } = kept;
    line.lock().expect("all threads have ended").0.clear();

    let mut digests = digests.into_inner().expect("all threads have ended");
    digests.sort_unstable();
    for (seed, steps, digest) in digests {
        println!("{seed} {steps} {digest:016x}");
    }
    let interrupted = command_line::interrupted();
    let mut found: Vec<Finding> = Vec::new();
    for run in &summary.violations {
        let command = options.replay_command(run.seed);
        // What was found is told also where somebody has no more time for it to be shrunk.
        let told = simulate.find(run.seed, &command, Some(interrupt));
        // A run that is not the same again breaks nothing of its own when it is replayed.
        let seen = || {
            let violation = run.violation.as_ref()?;
            let detail = format!("seed {}: {}", run.seed, violation.detail);
            Some(Finding { replay: Some(command.clone()), ..Finding::new(violation.property, detail) })
        };
        found.extend(told.or_else(seen));
    }
    let missed = campaign::missed(simulate, &summary);
    let enough = summary.runs >= campaign::SEEDS_ENOUGH && options.profile == Profile::EVERYTHING;
    if enough {
        let detail = "no run of the campaign reaches this mark";
        found.extend(missed.iter().map(|mark| Finding::new(mark, detail)));
    }
    let ended = match () {
        () if interrupted => Outcome::Interrupted,
        () if found.is_empty() => Outcome::Passed,
        () => Outcome::Failed,
    };
    let exit = Exit::from(&ended);
    for finding in &found {
        recorder.finding(finding.clone());
    }
    let record = campaign::record(simulate, &options.profile, &seeds, options.common.threads, cpu, &summary);
    let rate = record.steps_per_cpu_s().unwrap_or(0.0);
    let told = record.coverage.as_ref().map_or_else(Vec::new, campaign::coverage_lines);
    let path = recorder.finish(ended, Payload::Simulate(record)).map_err(Refused::missing)?;
    if options.common.json {
        let line = serde_json::json!({ "verb": "simulate", "algorithm": algorithm, "runs": summary.runs,
            "steps": summary.steps, "linearizable": summary.linearizable, "missed": missed,
            "digest": format!("{:016x}", summary.digest), "findings": found, "artifact": path });
        println!("{line}");
    } else if !options.digest {
        found.iter().for_each(finding::print);
        println!(
            "{algorithm}: {} seeds{}, {} run twice, {} steps, {:.2} M steps/CPU s; {} histories linearizable, {} undecided, \
             {} runs cut short; {} findings",
            grouped(summary.runs),
            if interrupted { " (interrupted)" } else { "" },
            summary.repeated,
            grouped(summary.steps),
            rate / 1e6,
            grouped(summary.linearizable),
            summary.undecided,
            summary.cut_short,
            found.len()
        );
        if earlier > 0 {
            println!("  {} of the seeds were run before, and gone on from", grouped(earlier));
        }
        println!("  faults: {:?}", summary.faults);
        println!("  atlas: {}", summary.account.injected());
        if !summary.outside.is_empty() {
            let (why, violated) = (&summary.outside, &summary.outside_violated);
            println!(
                "  outside the assumption, in how many runs: {why:?}; violated there, which is no finding: {violated:?}"
            );
        }
        println!("  marks, in how many runs: {:?}", summary.reached);
        if !missed.is_empty() {
            println!("  never reached: {}", missed.join(", "));
        }
        if let (Some(median), Some(most)) = (summary.recovery_quantile(500), summary.recovery_quantile(990)) {
            println!("  recovery after healing: median {median} ms, 99 % {most} ms");
        }
        for line in &told {
            println!("  {line}");
        }
        println!("  {}", path.display());
    }
    Ok(exit)
}
