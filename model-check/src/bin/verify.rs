//! `verify [ALGO…] [--quick|--full|--small] [--threads N] [--memory-mib M] [--json]`: checks every property on every
//! execution within the bounds of each instance, and leaves an artifact `verify/<algorithm>.json`.

use std::process::ExitCode;

use model_check::command_line::{self, ALGORITHMS, Exit, ProgressLine, Refused, grouped};
use model_check::instance::{Check, Verdict};
use model_check::search::{Limits, Stopped};
use model_check::{finding, raft};
use reports::artifact::{Instance, Outcome, Payload, PropertyKind, Verb, Verify};
use reports::recorder::Recorder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
verify [ALGO...] [--quick|--full|--small] [--threads N] [--memory-mib M] [--json]

Checks every property of the algorithms (default: all) in every state within the bounds of each instance.

  --quick          the instances that end within a minute or two (default)
  --full           all instances
  --small          the instances that tests run, which end within seconds
  --threads N      threads per search (default: all processors); a search with a limit on depth has one
  --memory-mib M   memory that the process may have resident (default: 6144)
  --json           one JSON object per instance, and one at the end
";

struct Options {
    algorithms: Vec<&'static str>,
    full: bool,
    small: bool,
    threads: usize,
    memory_mib: u64,
    json: bool,
    words: Vec<String>,
}

fn options() -> Result<Option<Options>, Refused> {
    use lexopt::prelude::{Long, Short, Value};
    let mut options = Options {
        algorithms: Vec::new(),
        full: false,
        small: false,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        memory_mib: 6144,
        json: false,
        words: std::env::args().skip(1).collect(),
    };
    let mut quick = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => quick = true,
            Long("small") => options.small = true,
            Long("full") => options.full = true,
            Long("threads") => options.threads = command_line::value(&mut parser, "threads")?,
            Long("memory-mib") => options.memory_mib = command_line::value(&mut parser, "memory-mib")?,
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(None),
            Value(name) => options.algorithms.push(command_line::algorithm(&name)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if u8::from(quick) + u8::from(options.full) + u8::from(options.small) > 1 {
        return Err(Refused::usage("one of --quick, --full and --small"));
    }
    if options.threads == 0 || options.memory_mib == 0 {
        return Err(Refused::usage("--threads and --memory-mib are at least 1"));
    }
    if options.algorithms.is_empty() {
        options.algorithms = ALGORITHMS.to_vec();
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let run = || match options()? {
        Some(options) => run(&options),
        None => {
            print!("{HELP}");
            Ok(Exit::Fine)
        }
    };
    command_line::end("verify", run())
}

fn run(options: &Options) -> Result<Exit, Refused> {
    let interrupt = command_line::interrupt()?;
    let limits = Limits {
        threads: options.threads,
        memory_bytes: options.memory_mib.saturating_mul(1 << 20),
        states_max: None,
        interrupt,
    };
    let mut exit = Exit::Fine;
    for algorithm in &options.algorithms {
        if !verify(algorithm, options, &limits)? {
            exit = Exit::Finding;
        }
    }
    Ok(exit)
}

/// Checks the instances of one algorithm and writes the artifact; says whether all is well.
fn verify(algorithm: &str, options: &Options, limits: &Limits<'_>) -> Result<bool, Refused> {
    let command = command_line::command("verify", &options.words);
    let mut recorder = Recorder::start(Verb::Verify, algorithm, &command).map_err(Refused::missing)?;
    recorder
        .title(&format!("Model checks of {algorithm}"))
        .allocator("mimalloc")
        .parameter(
            "effort",
            if options.small {
                "small"
            } else if options.full {
                "full"
            } else {
                "quick"
            },
        )
        .parameter("threads", options.threads)
        .parameter("memory budget", format!("{} MiB", options.memory_mib));
    let (mut verify, mut found, mut interrupted) = (Verify::default(), Vec::new(), false);
    let instances = if options.small { raft::small() } else { raft::instances(options.full) };
    for check in instances {
        let verdict = one(&*check, limits, &command, options.json);
        interrupted |= verdict.interrupted;
        let Verdict { instance, findings, shown, .. } = verdict;
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
    let well = outcome == Outcome::Passed;
    let states: u64 = verify.instances.iter().map(|instance| instance.states).sum();
    let said = match &outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        _ => "interrupted",
    };
    for finding in &found {
        recorder.finding(finding.clone());
    }
    let path = recorder.finish(outcome, Payload::Verify(verify)).map_err(Refused::missing)?;
    if options.json {
        let line = serde_json::json!({ "verb": "verify", "algorithm": algorithm, "outcome": said,
            "states": states, "findings": found, "artifact": path });
        println!("{line}");
    } else {
        found.iter().for_each(finding::print);
        println!("{algorithm}: {said}, {} distinct states, {}", grouped(states), path.display());
    }
    Ok(well)
}

fn one(check: &dyn Check, limits: &Limits<'_>, command: &str, json: bool) -> Verdict {
    let mut line = ProgressLine::new();
    let verdict = check.check(limits, command, &mut |progress| {
        line.show(|| {
            let (states, memory) = (grouped(progress.states), progress.memory_bytes >> 20);
            format!("{}: {states} states, depth {}, {memory} MiB", check.name(), progress.depth)
        });
    });
    line.clear();
    if json {
        println!("{}", serde_json::json!({ "verb": "verify", "instance": verdict.instance }));
    } else {
        print_instance(check, &verdict);
    }
    verdict
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
         thread(s), {memory} MiB; collision bound {:.1e}",
        grouped(*states),
        grouped(instance.generated),
        instance.collision_bound()
    );
    let of = |kind, holds| {
        let chosen =
            instance.properties.iter().filter(move |result| result.kind == kind && result.holds == holds);
        chosen.map(move |result| match (kind, result.length) {
            (PropertyKind::Sometimes, Some(length)) => format!("{} ({length})", result.name),
            _ => result.name.clone(),
        })
    };
    let list = |kind, holds| of(kind, holds).collect::<Vec<_>>().join(", ");
    println!("  always: {}", list(PropertyKind::Always, true));
    println!("  sometimes (after events): {}", list(PropertyKind::Sometimes, true));
    for kind in [PropertyKind::Always, PropertyKind::Sometimes] {
        if of(kind, false).next().is_some() {
            println!("  NOT SO: {}", list(kind, false));
        }
    }
}
