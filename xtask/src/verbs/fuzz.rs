//! `fuzz`: chooses the best engine this machine has, runs the targets one after another, keeps what they
//! find.
//!
//! Coverage-guided runs start from `fuzz/corpus/<target>` and `fuzz/regressions/<target>` and write what is
//! new to `target/fuzz/corpus/<target>`, so that the committed seeds stay as they are. A crashing input is
//! minimised and put into `fuzz/regressions/<target>`, where `cargo test` replays it from then on. Where
//! `fuzz/injected` holds the same target with a bug put back, it is run beside: it must crash.
//!
//! Coverage guidance runs for a while, not to a number: instrumented code is slow. So the `replay` binary of
//! the fuzz crate then runs inputs drawn from the seed through the same body, to a number. It reads the logs
//! of the guided runs, prints what all came to, and writes one artifact with a figure for each.
//!
//! Choice and arguments are tested here, log reading in the fuzz crate; the cargo-fuzz path is verified only
//! where cargo-fuzz is installed.

mod engine;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use self::engine::Engine;
use crate::cli::Invocation;
use crate::exit::Exit;
use crate::process::{self, COMMAND, Program, Stream};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Inputs drawn from the seed, and, with `--full`, the executions that coverage guides.
const EXECUTIONS: u64 = 1_000_000;
/// Without `--full`: how long coverage guides the inputs of a target, in seconds.
const QUICK_SECONDS: u64 = 20;
/// What the hunt for the bug that is put back may take: executions, and seconds.
const INJECTED: Limits = Limits { executions: Some(300_000), seconds: Some(60) };
/// How long one crash is minimised, in seconds.
const MINIMISE_SECONDS: u64 = 20;
/// libFuzzer's exit code after an interruption.
const INTERRUPTED: i32 = 72;

/// When a run ends without a crash: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    executions: Option<u64>,
    seconds: Option<u64>,
}

impl Limits {
    /// What is asked for of the engine that was chosen.
    fn asked(invocation: &Invocation) -> Limits {
        let (executions, seconds) = (invocation.number("executions"), invocation.number("time"));
        match (executions, seconds, invocation.has("full")) {
            (None, None, true) => Limits { executions: Some(EXECUTIONS), seconds: None },
            (None, None, false) => Limits { executions: Some(EXECUTIONS), seconds: Some(QUICK_SECONDS) },
            (executions, seconds, _) => Limits { executions, seconds },
        }
    }
}

/// Fuzzes the targets.
pub(crate) fn run(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let all = workspace.fuzz_targets();
    if all.is_empty() {
        eprintln!("error: fuzz/fuzz_targets holds no target");
        return Exit::Finding;
    }
    let targets = if invocation.names.is_empty() { all } else { invocation.names.clone() };
    let engine = match engine::choose(invocation.value("engine"), engine::Present::look(workspace)) {
        Ok((engine, why)) => {
            eprintln!("engine: {}{why}", engine.label());
            engine
        }
        Err(lacking) => {
            eprintln!("error: {lacking}");
            return Exit::Missing;
        }
    };
    let campaign = Campaign { workspace, invocation, engine };
    let binaries = match engine {
        Engine::Random => None,
        Engine::CargoFuzz | Engine::LibFuzzer => match build(workspace, engine, &targets) {
            Ok(binaries) => Some(binaries),
            Err(exit) => return exit,
        },
    };
    let mut exit = Exit::Fine;
    for target in &targets {
        let ended = match &binaries {
            Some(binaries) => campaign.guided(target, binaries).map(|guided| campaign.replay(target, guided)),
            None => Ok(campaign.replay(target, Vec::new())),
        };
        match ended.unwrap_or_else(|exit| exit) {
            Exit::Fine => {}
            Exit::Interrupted => return Exit::Interrupted,
            other => exit = other,
        }
    }
    exit
}

/// Builds what a run of all targets would build first, if anything, so that it does not count as theirs.
pub(crate) fn prepare(workspace: &Workspace) {
    let engine = engine::choose(None, engine::Present::look(workspace));
    if let Ok((engine @ (Engine::CargoFuzz | Engine::LibFuzzer), _)) = engine {
        // What does not build is said, and said again by the run that needs it.
        let _ = build(workspace, engine, &workspace.fuzz_targets());
    }
}

/// Builds the instrumented targets and gives the folder of their binaries.
fn build(workspace: &Workspace, engine: Engine, targets: &[String]) -> Result<PathBuf, Exit> {
    let host = crate::tools::host(workspace).ok_or_else(|| {
        eprintln!("error: rustc does not say which machine it builds for");
        Exit::Missing
    })?;
    let folder = workspace.target.join(engine.folder());
    let injected = targets.iter().filter_map(|target| injected(workspace, target));
    let binaries: Vec<String> = targets.iter().cloned().chain(injected).collect();
    for program in engine.build(&binaries, &host, &folder) {
        match program.run(&workspace.root, &Stream::Error, &Stream::Ours, || ()) {
            _ if process::interrupted() => return Err(Exit::Interrupted),
            Ok(ended) if ended.fine() => {}
            Ok(ended) => {
                eprintln!("xtask: {}: {}", ended.shown(), program.shown());
                return Err(Exit::Finding);
            }
            Err(reason) => {
                eprintln!("xtask: {reason}");
                return Err(Exit::Missing);
            }
        }
    }
    Ok(folder.join(host).join("release"))
}

/// The binary with a bug put back that stands beside a target, if there is one.
fn injected(workspace: &Workspace, target: &str) -> Option<String> {
    let name = format!("{target}_injected");
    workspace.root.join("fuzz/injected").join(format!("{name}.rs")).is_file().then_some(name)
}

/// One call of the verb.
struct Campaign<'a> {
    workspace: &'a Workspace,
    invocation: &'a Invocation,
    engine: Engine,
}

impl Campaign<'_> {
    /// A path as every child gets it, from the root: what stands in an artifact means the same elsewhere.
    fn shown(&self, path: &Path) -> String {
        self.workspace.shown(path)
    }

    fn seed(&self) -> u64 {
        self.invocation.number("seed").unwrap_or(1)
    }

    /// What a reader types to repeat the run of one target.
    fn command(&self, target: &str) -> String {
        let options = self.invocation.forward(&[]).split_off(self.invocation.names.len());
        let options = options.into_iter().filter(|word| word != "--json");
        let words = ["cargo xtask fuzz".to_owned(), target.to_owned()].into_iter().chain(options);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Corpus replay and inputs drawn from the seed. `guided` tells what libFuzzer did before. The artifact and
    /// all results are this binary's.
    fn replay(&self, target: &str, guided: Vec<String>) -> Exit {
        let limits = Limits::asked(self.invocation);
        // A longest time is meant for what coverage guides, if anything does.
        let (executions, seconds) = match limits {
            Limits { executions: None, seconds } if guided.is_empty() => (None, seconds),
            Limits { executions, .. } => (Some(executions.unwrap_or(EXECUTIONS)), None),
        };
        let mut program = Program::cargo("run --release -p fuzz --bin replay --").args([target.to_owned()]);
        for (name, value) in
            [("--executions", executions), ("--time", seconds), ("--seed", Some(self.seed()))]
        {
            program =
                program.args(value.map(|value| [name.to_owned(), value.to_string()]).into_iter().flatten());
        }
        program = program.args(guided).args(self.invocation.json.then_some("--json"));
        program = program.env(COMMAND, &self.command(target));
        // How cargo is started is nobody's result.
        let program = program.env("CARGO_TERM_QUIET", "true");
        match program.run(&self.workspace.root, &Stream::Ours, &Stream::Ours, || ()) {
            _ if process::interrupted() => Exit::Interrupted,
            Ok(ended) => Exit::from_child(ended.code),
            Err(reason) => {
                eprintln!("xtask: {reason}");
                Exit::Missing
            }
        }
    }

    /// Fuzzes one target to a limit or a crash, with the bug put back on another core, and keeps a crash. Gives
    /// the words that tell `replay` of it.
    fn guided(&self, target: &str, binaries: &Path) -> Result<Vec<String>, Exit> {
        let injected = injected(self.workspace, target);
        let (log, hunt) = thread::scope(|scope| {
            let hunt = injected.map(|name| {
                let run = move || {
                    let corpus = Corpus::Fresh;
                    self.fuzzer(&binaries.join(&name), target, &name, INJECTED, corpus, &mut Progress::new())
                };
                scope.spawn(run)
            });
            let limits = Limits::asked(self.invocation);
            let mut progress = Progress::new();
            let log =
                self.fuzzer(&binaries.join(target), target, target, limits, Corpus::Kept, &mut progress);
            progress.clear();
            (log, hunt.map(|hunt| hunt.join().expect("a run of the fuzzer does not panic")))
        });
        let log = log?;
        let mut words = vec!["--guided".to_owned(), self.shown(&log)];
        words.extend(["--engine".to_owned(), self.engine.label().to_owned()]);
        words.extend(
            self.engine.sanitizer().into_iter().flat_map(|name| ["--sanitizer".to_owned(), name.to_owned()]),
        );
        if let Some(input) = crash_in(&self.crashes(target))
            && let Some(kept) = self.keep(target, &binaries.join(target), &input)
        {
            words.extend(["--input".to_owned(), self.shown(&kept)]);
        }
        if let Some(hunt) = hunt {
            words.extend(["--injected".to_owned(), self.shown(&hunt?)]);
        }
        Ok(words)
    }

    /// Where libFuzzer puts what crashes a binary.
    fn crashes(&self, name: &str) -> PathBuf {
        self.workspace.target.join("fuzz/crashes").join(name)
    }

    /// Runs a binary of a target under libFuzzer to a limit or a crash, and gives its log.
    fn fuzzer(
        &self,
        binary: &Path,
        target: &str,
        name: &str,
        limits: Limits,
        corpus: Corpus,
        progress: &mut Progress,
    ) -> Result<PathBuf, Exit> {
        let new = self.workspace.target.join("fuzz/corpus").join(name);
        let log = self.workspace.target.join("fuzz/logs").join(format!("{name}.log"));
        let crashes = self.crashes(name);
        let ready = match corpus {
            Corpus::Kept => fs::create_dir_all(&new),
            Corpus::Fresh => fresh(&new),
        };
        if let Err(error) = ready.and_then(|()| fresh(&crashes)).and_then(|()| remove(&log)) {
            eprintln!("xtask: {}: {error}", self.shown(&new));
            return Err(Exit::Finding);
        }
        let seeds =
            ["corpus", "regressions"].map(|part| self.workspace.root.join("fuzz").join(part).join(target));
        let program = Program::new([self.shown(binary)])
            .args(arguments(limits, self.seed(), &self.shown(&crashes)))
            .args([self.shown(&new)])
            .args(seeds.iter().filter(|seed| seed.is_dir()).map(|seed| self.shown(seed)));
        let ended = program.run(&self.workspace.root, &Stream::Error, &Stream::File(log.clone()), || {
            progress.show(|| {
                let end = process::tail(&log, 400);
                format!("{name}  {}", end.lines().rev().find(|line| line.starts_with('#')).unwrap_or(""))
            });
        });
        match ended {
            // What ended by a crash says so in its log, as does what was interrupted.
            Ok(ended) if ended.fine() || ended.code == Some(INTERRUPTED) => Ok(log),
            Ok(_) if crash_in(&crashes).is_some() || process::interrupted() => Ok(log),
            Ok(ended) => {
                eprintln!("xtask: {name} did not run to its end: {}, {}", ended.shown(), self.shown(&log));
                Err(Exit::Finding)
            }
            Err(reason) => {
                eprintln!("xtask: {reason}");
                Err(Exit::Finding)
            }
        }
    }

    /// Minimises a crashing input and puts it among the regressions. Gives its path there.
    fn keep(&self, target: &str, binary: &Path, input: &Path) -> Option<PathBuf> {
        let original = fs::read(input).ok()?;
        let mut smallest = original.clone();
        let kind = input.file_name()?.to_str()?.split('-').next()?.to_owned();
        let place = |bytes: &[u8]| {
            let name = format!("{kind}-{:016x}", fnv1a(bytes));
            self.workspace.root.join("fuzz/regressions").join(target).join(name)
        };
        if place(&original).is_file() {
            // A regression that still crashes.
            return Some(place(&original));
        }
        if kind == "crash" {
            let steps = self.workspace.target.join("fuzz/minimised").join(target);
            fresh(&steps).ok()?;
            eprintln!(
                "{target}: minimising a crash of {} bytes, {MINIMISE_SECONDS} s at most",
                original.len()
            );
            let log = self.workspace.target.join("fuzz/logs").join(format!("{target}.minimise.log"));
            remove(&log).ok()?;
            let program = Program::new([self.shown(binary)]).args([
                "-minimize_crash=1".to_owned(),
                format!("-max_total_time={MINIMISE_SECONDS}"),
                format!("-artifact_prefix={}/", self.shown(&steps)),
                self.shown(input),
            ]);
            // libFuzzer says both "done" and "cannot get smaller" by various codes: what counts is what it left.
            let _ = program.run(&self.workspace.root, &Stream::File(log.clone()), &Stream::File(log), || ());
            let left = fs::read_dir(&steps).ok()?.flatten().filter_map(|entry| fs::read(entry.path()).ok());
            smallest = left.chain([original]).min_by_key(Vec::len)?;
        }
        let path = place(&smallest);
        match process::write_whole(&path, &smallest) {
            Ok(()) => Some(path),
            Err(error) => {
                eprintln!("xtask: {}: {error}", path.display());
                None
            }
        }
    }
}

/// What a run of libFuzzer begins with, beside the committed inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Corpus {
    /// What earlier runs found.
    Kept,
    /// Nothing: how long a search takes is to be the same every time.
    Fresh,
}

/// The input that ended a run, if one did: it crashed, hung or took too much memory. Inputs that were merely
/// slow lie there too.
fn crash_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let ended = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        ["crash-", "timeout-", "oom-", "leak-"].iter().any(|kind| name.starts_with(kind))
    };
    entries.map(|entry| entry.path()).find(ended)
}

/// libFuzzer's arguments, but for the corpora.
fn arguments(limits: Limits, seed: u64, crashes: &str) -> Vec<String> {
    // libFuzzer's seed has 32 bits, and 0 means "choose one".
    let seed = (seed % u64::from(u32::MAX)) + u64::from(seed.is_multiple_of(u64::from(u32::MAX)));
    let mut arguments = vec![
        format!("-seed={seed}"),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={crashes}/"),
    ];
    arguments.extend(limits.executions.map(|count| format!("-runs={count}")));
    arguments.extend(limits.seconds.map(|seconds| format!("-max_total_time={seconds}")));
    arguments
}

fn fresh(folder: &Path) -> std::io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)
}

fn remove(file: &Path) -> std::io::Result<()> {
    if file.exists() { fs::remove_file(file) } else { Ok(()) }
}

/// FNV-1a (Fowler, Noll and Vo), 64 bits: names an input after its content.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_inputs_follow_the_published_hash() {
        // From the test suite of the authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_ended_a_run_is_told_from_what_was_slow() {
        let folder = std::env::temp_dir().join(format!("xtask-fuzz-{}", std::process::id()));
        fresh(&folder).expect("a temporary folder");
        assert_eq!(crash_in(&folder), None);
        fs::write(folder.join("slow-unit-1"), "x").expect("written");
        assert_eq!(crash_in(&folder), None);
        fs::write(folder.join("crash-2"), "x").expect("written");
        assert_eq!(crash_in(&folder), Some(folder.join("crash-2")));
        fs::remove_dir_all(folder).expect("our own folder");
    }

    #[test]
    fn what_is_asked_for_replaces_the_default_as_a_whole() {
        let asked = |line: &str| {
            let words = line.split_whitespace().map(std::ffi::OsString::from);
            match crate::cli::parse(words).expect("a command line") {
                crate::cli::Parsed::Run(invocation) => Limits::asked(&invocation),
                crate::cli::Parsed::Help(_) => panic!("{line}"),
            }
        };
        let limits = |executions, seconds| Limits { executions, seconds };
        assert_eq!(asked("fuzz --quick"), limits(Some(EXECUTIONS), Some(QUICK_SECONDS)));
        assert_eq!(
            asked("fuzz --full"),
            limits(Some(EXECUTIONS), None),
            "to the number, however long it takes"
        );
        assert_eq!(asked("fuzz --time 7 --full"), limits(None, Some(7)));
        assert_eq!(asked("fuzz --executions 5"), limits(Some(5), None));
    }

    #[test]
    fn limits_and_seed_become_arguments() {
        let crashes = "crashes";
        let both = Limits { executions: Some(5), seconds: Some(6) };
        assert_eq!(
            arguments(both, 7, crashes),
            ["-seed=7", "-print_final_stats=1", "-artifact_prefix=crashes/", "-runs=5", "-max_total_time=6"]
        );
        let one = Limits { executions: None, seconds: Some(6) };
        assert!(arguments(one, 7, crashes).iter().all(|argument| !argument.starts_with("-runs")));
        for seed in [0, u64::from(u32::MAX), u64::MAX] {
            assert!(
                !arguments(both, seed, crashes).contains(&"-seed=0".to_owned()),
                "{seed} must not mean any"
            );
        }
    }
}
