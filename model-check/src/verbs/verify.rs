//! `verify [ALGO…] [--quick|--full|--small] [--engine E] [--calibrate] [--spin] [--threads N] [--memory-mib M]
//! [--json]`: checks every property on every
//! execution within the bounds of each instance, and leaves an artifact `verify/<algorithm>.json`, of the engine of our
//! own `verify/<algorithm>-own.json`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use reports::artifact::{Footprint, Instance, Outcome, Payload, PropertyKind, Verb, Verify};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;

use super::{Caller, calibrate, spin};
use crate::calibration;
use crate::instance::{Check, Verdict};
use crate::registered::{Algorithm, Extent};
use crate::search::{Engine, Limits, Stopped};
use crate::{exported, finding, symmetry};

const HELP: &str = "\
verify [ALGO...] [--quick|--full|--small] [--engine E [--checkpoints DIR [--checkpoint-every S]] [--spill DIR] [--reduction R]
       [--symmetry]] [--threads N] [--memory-mib M] [--write DIR] [--json]
verify [ALGO...] --calibrate [--quick|--full] [--threads N] [--memory-mib M] [--json]
verify --spin [--json]

Checks every property of the algorithms (default: all) in every state within the bounds of each instance.

  --quick          the instances that end within a minute or two (default)
  --full           all instances
  --small          the instances that tests run, which end within seconds
  --engine E       stateright (default), or own: level by level, in less memory
  --checkpoints D  own leaves its searches in this folder now and then, and goes on from there if it was stopped
  --checkpoint-every S
                   with that many seconds between, and at ends of levels alone (default: 5)
  --spill D        once half of the memory is used, own writes the states that are still to be gone on from to this
                   folder, and leaves nothing there; without it they are made again, which takes longer
  --reduction R    sleep: of two ways that lead to the same in either order of their events own goes one, by sleep sets:
                   the same states at the same depths, fewer generated; or none (default)
  --symmetry       own takes states that differ in the names of nodes for one, in instances whose nodes are alike; events
                   whose messages find no room in flight are out of bounds then, as which are lost depends on names.
                   Not with --reduction, --spill or --checkpoints
  --calibrate      says how much of the instances that are small enough each sampler of walks sees, and whether the
                   estimate of what is unseen comes true; --full has more seeds and walks ten times further
  --spin           lets SPIN, if it is installed, stateright and own search the same small models, and compares what
                   they come to
  --threads N      threads per search. Default: one for stateright, whose depths are then those of shortest paths (and
                   always one where depth is limited); all processors for own, whose depths are so on any number
  --memory-mib M   memory that the process may have resident (default: 6144)
  --write DIR      write every run that breaks something as files: scenario, diagrams, trace, regression test
  --json           one JSON object per instance, and one at the end
";

pub(super) struct Options {
    pub(super) common: command_line::Options,
    pub(super) caller: Caller,
    algorithms: Vec<&'static dyn Algorithm>,
    small: bool,
    engine: Engine,
    memory_mib: u64,
    checkpoints: Option<PathBuf>,
    /// In seconds.
    checkpoint_every: Option<u32>,
    spill: Option<PathBuf>,
    task: Task,
    write: Option<PathBuf>,
    /// Up to the names of nodes.
    symmetry: bool,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Instances are checked.
    Check,
    /// Samplers are calibrated.
    Calibrate,
    /// Engines are compared.
    Compare,
}

fn options(caller: Caller) -> Result<Option<Options>, Refused> {
    let (mut small, mut engine, mut memory_mib) = (false, Engine::Stateright, 6144);
    let (mut sleep_sets, mut checkpoint_every) = (false, None);
    let (mut calibrate, mut symmetry, mut spin) = (false, false, false);
    let (mut checkpoints, mut spill, mut write) = (None::<PathBuf>, None::<PathBuf>, None::<PathBuf>);
    let common = caller.read(command_line::EFFORT_AND_THREADS, |option, parser| {
        match option {
            "small" => small = true,
            "calibrate" => calibrate = true,
            "spin" => spin = true,
            "symmetry" => symmetry = true,
            "engine" => {
                engine = match command_line::value::<String>(parser, "engine")?.as_str() {
                    "stateright" => Engine::Stateright,
                    "own" => Engine::Own,
                    other => {
                        return Err(Refused::usage(format!("--engine is stateright or own, not `{other}`")));
                    }
                }
            }
            "checkpoints" => checkpoints = Some(command_line::value(parser, "checkpoints")?),
            "checkpoint-every" => {
                checkpoint_every = Some(command_line::value::<u32>(parser, "checkpoint-every")?);
            }
            "write" => write = Some(command_line::value(parser, "write")?),
            "spill" => spill = Some(command_line::value(parser, "spill")?),
            "reduction" => {
                sleep_sets = match command_line::value::<String>(parser, "reduction")?.as_str() {
                    "sleep" => true,
                    "none" => false,
                    other => {
                        return Err(Refused::usage(format!("--reduction is sleep or none, not `{other}`")));
                    }
                }
            }
            "memory-mib" => memory_mib = command_line::value(parser, "memory-mib")?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    if small && common.words.iter().any(|word| word == "--quick" || word == "--full") {
        return Err(Refused::usage("one of --quick, --full and --small"));
    }
    if checkpoints.is_some() && engine != Engine::Own {
        return Err(Refused::usage("--checkpoints needs --engine own"));
    }
    if spill.is_some() && engine != Engine::Own {
        return Err(Refused::usage("--spill needs --engine own"));
    }
    if checkpoint_every.is_some() && checkpoints.is_none() {
        return Err(Refused::usage("--checkpoint-every needs --checkpoints"));
    }
    if symmetry {
        if engine != Engine::Own {
            return Err(Refused::usage("--symmetry needs --engine own"));
        }
        if sleep_sets || spill.is_some() || checkpoints.is_some() {
            return Err(Refused::usage("--symmetry goes without --reduction, --spill and --checkpoints"));
        }
    }
    if sleep_sets {
        if engine != Engine::Own {
            return Err(Refused::usage("--reduction needs --engine own"));
        }
        engine = Engine::OwnAsleep;
    }
    let engine_said = common.words.iter().any(|word| word.starts_with("--engine"));
    if calibrate && (small || engine_said) {
        return Err(Refused::usage("--calibrate searches by the engine of our own: no --small, no --engine"));
    }
    if spin
        && (caller.is_brought()
            || !common.names.is_empty()
            || common.words.len() > 1 + usize::from(common.json))
    {
        return Err(Refused::usage("--spin compares engines, not algorithms: verify --spin [--json]"));
    }
    if memory_mib == 0 {
        return Err(Refused::usage("--memory-mib is at least 1"));
    }
    let algorithms = caller.algorithms(&common)?;
    let task = match (spin, calibrate) {
        (true, _) => Task::Compare,
        (false, true) => Task::Calibrate,
        (false, false) => Task::Check,
    };
    Ok(Some(Options {
        common,
        caller,
        algorithms,
        small,
        engine,
        memory_mib,
        checkpoints,
        checkpoint_every,
        spill,
        task,
        write,
        symmetry,
    }))
}

impl Options {
    /// Threads per search.
    fn threads(&self) -> usize {
        let said = self.common.words.iter().any(|word| word.starts_with("--threads"));
        if self.engine == Engine::Stateright && !said { 1 } else { self.common.threads }
    }
}

/// Runs the verb.
pub fn main(caller: Caller) -> ExitCode {
    command_line::main("verify", &caller.help(HELP), || options(caller), run)
}

fn run(options: &Options) -> Result<Exit, Refused> {
    let interrupt = command_line::interrupt()?;
    let usual = Limits::new(options.memory_mib.saturating_mul(1 << 20), interrupt);
    let limits = Limits {
        threads: options.threads(),
        spill: options.spill.as_deref(),
        checkpoints: options.checkpoints.as_deref(),
        checkpoint_every: options
            .checkpoint_every
            .map_or(usual.checkpoint_every, |seconds| Duration::from_secs(seconds.into())),
        ..usual
    };
    if options.task == Task::Compare {
        return spin::run(options, &limits);
    }
    let mut exit = Exit::Fine;
    for algorithm in &options.algorithms {
        let ended = if options.task == Task::Calibrate {
            let (budgets, seeds) = calibration::Effort::of(options.common.effort);
            let (threads, memory_bytes) = (options.common.threads, limits.memory_bytes);
            let effort = calibration::Effort { budgets, seeds, threads, memory_bytes, interrupt };
            calibrate::run(*algorithm, options, &effort)
        } else {
            verify(*algorithm, options, &limits)
        };
        match ended? {
            Exit::Fine => {}
            Exit::Interrupted => return Ok(Exit::Interrupted),
            other => exit = other,
        }
    }
    Ok(exit)
}

/// Checks the instances of one algorithm and writes the artifact.
fn verify(registered: &dyn Algorithm, options: &Options, limits: &Limits<'_>) -> Result<Exit, Refused> {
    let algorithm = registered.name();
    let extent = match options.common.effort {
        _ if options.small => Extent::Small,
        Effort::Quick => Extent::Quick,
        Effort::Full => Extent::Full,
    };
    let checks = if options.symmetry { registered.alike(extent) } else { registered.instances(extent) };
    if checks.is_empty() && options.symmetry {
        return Err(Refused::usage(format!("{algorithm} has no instances whose nodes are said to be alike")));
    }
    if checks.is_empty() {
        return Err(Refused::usage(format!("{algorithm} has no instances that could be checked")));
    }
    let command = options.caller.command("verify", &options.common);
    // Beside what another engine came to, so that a report has both.
    let subject = match options.engine {
        Engine::Stateright => algorithm.to_owned(),
        Engine::Own if options.symmetry => format!("{algorithm}-own-symmetry"),
        Engine::Own => format!("{algorithm}-own"),
        Engine::OwnAsleep => format!("{algorithm}-own-sleep"),
    };
    let mut recorder = Recorder::start(Verb::Verify, &subject, &command).map_err(Refused::missing)?;
    recorder
        .algorithm(algorithm)
        .title(&format!("Model checks of {algorithm}"))
        .allocator("mimalloc")
        .parameter("effort", if options.small { "small" } else { options.common.effort.name() })
        .parameter("threads", options.common.threads)
        .parameter("memory budget", format!("{} MiB", options.memory_mib));
    let (mut verify, mut found, mut interrupted) = (Verify::default(), Vec::new(), false);
    for check in checks {
        let verdict = one(&*check, options, limits, &command)?;
        interrupted |= verdict.interrupted;
        let Verdict { instance, mut findings, mut shown, .. } = verdict;
        if let Some(folder) = &options.write {
            for finding in findings.iter_mut().chain(&mut shown).filter(|finding| finding.scenario.is_some())
            {
                let written = exported::write_checked(folder, registered, &*check, finding);
                for path in written.map_err(Refused::usage)? {
                    if !options.common.json {
                        println!("  written: {}", path.display());
                    }
                }
            }
        }
        if let Some(scenario) = shown.and_then(|shown| shown.scenario) {
            let file = format!("{}.scenario", instance.name);
            recorder.file_beside(&file, scenario.as_bytes()).map_err(Refused::missing)?;
        }
        verify.instances.push(instance);
        found.extend(findings);
        if interrupted {
            break;
        }
    }
    let outcome = match () {
        () if interrupted => Outcome::Interrupted,
        () if found.is_empty() => Outcome::Passed,
        () => Outcome::Failed,
    };
    let (exit, said) = (Exit::from(&outcome), outcome.name());
    let states: u64 = verify.instances.iter().map(|instance| instance.states).sum();
    for finding in &found {
        recorder.finding(finding.clone());
    }
    let path = recorder.finish(outcome, Payload::Verify(verify)).map_err(Refused::missing)?;
    if options.common.json {
        let line = serde_json::json!({ "verb": "verify", "algorithm": algorithm, "outcome": said,
            "states": states, "findings": found, "artifact": path });
        println!("{line}");
    } else {
        found.iter().for_each(finding::print);
        println!("{algorithm}: {said}, {} distinct states, {}", grouped(states), path.display());
    }
    Ok(exit)
}

fn one(check: &dyn Check, options: &Options, limits: &Limits<'_>, command: &str) -> Result<Verdict, Refused> {
    let mut line = ProgressLine::new();
    let verdict = check.check(options.engine, limits, command, &mut |progress| {
        line.show(|| {
            let (states, memory) = (grouped(progress.states), progress.memory_bytes >> 20);
            format!("{}: {states} states, depth {}, {memory} MiB", check.name(), progress.depth)
        });
    });
    line.clear();
    let verdict = verdict.map_err(|unusable| Refused::usage(unusable.to_string()))?;
    if options.common.json {
        println!("{}", serde_json::json!({ "verb": "verify", "instance": verdict.instance }));
    } else {
        print_instance(check, &verdict);
    }
    Ok(verdict)
}

fn print_instance(check: &dyn Check, verdict: &Verdict) {
    let Instance { name, states, depth, cpu_s, threads, .. } = &verdict.instance;
    let instance = &verdict.instance;
    println!("{name}: {}", check.about());
    let extent = match (&instance.stopped, instance.complete_depth) {
        (None, _) => format!("all states, depth {depth}"),
        (Some(stopped), _) if stopped == Stopped::Broken.name() => format!("to depth {depth}"),
        (Some(stopped), Some(complete)) => format!("bounded ({stopped}): all states to depth {complete}"),
        (Some(stopped), None) => format!("bounded ({stopped}): no depth is known to be complete"),
    };
    let rate = instance.states_per_cpu_s().map_or(0.0, |rate| rate / 1000.0);
    let memory = instance.peak_memory_bytes.unwrap_or(0) >> 20;
    println!(
        "  {} distinct of {} generated, {extent}; {cpu_s:.2} CPU s, {rate:.0} k states/CPU s, {threads} \
         thread(s), {memory} MiB; collision bound u²/2⁶⁵ {:.1e}",
        grouped(*states),
        grouped(instance.generated),
        instance.collision_bound()
    );
    if let Some(worlds) = instance.bounds.get(symmetry::WORLDS) {
        println!("  one state for each orbit under renaming: they stand for {worlds} worlds");
    }
    if let Some(footprint) = &instance.footprint {
        println!("  {}", in_words(footprint));
    }
    let of = |kind, holds| {
        let chosen =
            instance.properties.iter().filter(move |result| result.kind == kind && result.holds == holds);
        chosen.map(move |result| match (kind, result.length) {
            (PropertyKind::Sometimes, Some(length)) => format!("{} ({length})", result.name),
            _ => result.name.clone(),
        })
    };
    let list = |kind, holds| of(kind, holds).collect::<Vec<_>>().join(", ");
    for (kind, title) in [(PropertyKind::Always, "always"), (PropertyKind::Eventually, "at last")] {
        if of(kind, true).next().is_some() {
            println!("  {title}: {}", list(kind, true));
        }
    }
    println!("  sometimes (after events): {}", list(PropertyKind::Sometimes, true));
    for kind in [PropertyKind::Always, PropertyKind::Eventually, PropertyKind::Sometimes] {
        if of(kind, false).next().is_some() {
            println!("  NOT SO: {}", list(kind, false));
        }
    }
}

/// What a search took beside time.
fn in_words(footprint: &Footprint) -> String {
    let Footprint { bytes_per_state, spilled_states, spilled_bytes, remade_states, spill_failed } = footprint;
    let mut words = vec![format!("{bytes_per_state:.1} bytes per visited state beside the frontier")];
    if *spilled_states > 0 {
        words.push(format!("{} states spilled, {} MiB", grouped(*spilled_states), spilled_bytes >> 20));
    }
    if *remade_states > 0 {
        words.push(format!("{} states made again", grouped(*remade_states)));
    }
    if let Some(reason) = spill_failed {
        words.push(format!("spilling failed: {reason}"));
    }
    words.join("; ")
}
