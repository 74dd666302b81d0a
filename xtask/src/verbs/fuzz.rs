//! `fuzz`: chooses the best engine this machine has, runs the targets one after another, keeps what they
//! find.
//!
//! Coverage-guided runs start from `fuzz/corpus/<target>` and `fuzz/regressions/<target>` and write what is
//! new to `target/fuzz/corpus/<target>`, so that the committed seeds stay as they are. A crashing input is
//! minimised and put into `fuzz/regressions/<target>`, where `cargo test` replays it from then on. The run's
//! log goes to the `record` binary of the fuzz crate, which writes the artifact.
//!
//! The flags of the stable engine were tried on a small crate; choice, arguments and log reading are tested
//! here; the cargo-fuzz path is verified only where cargo-fuzz is installed.

mod engine;
mod log;

use std::fs;
use std::path::{Path, PathBuf};

use self::engine::Engine;
use self::log::Summary;
use crate::cli::Invocation;
use crate::exit::Exit;
use crate::json::Object;
use crate::process::{self, COMMAND, Ended, Program, Stream};
use crate::progress::{Paint, Progress, duration, painted};
use crate::workspace::Workspace;

/// `--quick`: executions per target, and seconds after which a slow target stops nevertheless.
const QUICK: Limits = Limits { executions: Some(1_000_000), seconds: Some(90) };
/// `--full`: as long as it takes to exhaust what coverage guidance finds in a night's share.
const FULL: Limits = Limits { executions: None, seconds: Some(3600) };
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
    if engine == Engine::Random {
        return campaign.random(&targets);
    }
    let binaries = match campaign.build(&targets) {
        Ok(binaries) => binaries,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Fine;
    for target in &targets {
        match campaign.fuzz(target, &binaries) {
            Exit::Fine => {}
            Exit::Interrupted => return Exit::Interrupted,
            other => exit = other,
        }
    }
    exit
}

/// One call of the verb.
struct Campaign<'a> {
    workspace: &'a Workspace,
    invocation: &'a Invocation,
    engine: Engine,
}

impl Campaign<'_> {
    fn limits(&self) -> Limits {
        let given = Limits {
            executions: self.invocation.number("executions"),
            seconds: self.invocation.number("time"),
        };
        match given {
            Limits { executions: None, seconds: None } if self.invocation.has("full") => FULL,
            Limits { executions: None, seconds: None } => QUICK,
            given => given,
        }
    }

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

    /// Corpus replay and random bytes: the `replay` binary does it all, artifact and results included.
    fn random(&self, targets: &[String]) -> Exit {
        let limits = self.limits();
        let mut exit = Exit::Fine;
        for target in targets {
            let mut program = Program::cargo("run --release -p fuzz --bin replay --").args([target.clone()]);
            for (name, value) in [
                ("--executions", limits.executions),
                ("--time", limits.seconds),
                ("--seed", Some(self.seed())),
            ] {
                program = program
                    .args(value.map(|value| [name.to_owned(), value.to_string()]).into_iter().flatten());
            }
            program = program.args(self.invocation.json.then_some("--json"));
            program = program.env(COMMAND, &self.command(target));
            match program.run(&self.workspace.root, &Stream::Ours, &Stream::Ours, || ()) {
                _ if process::interrupted() => return Exit::Interrupted,
                Ok(ended) if ended.fine() => {}
                Ok(ended) => exit = Exit::from_child(ended.code),
                Err(reason) => {
                    eprintln!("xtask: {reason}");
                    exit = Exit::Missing;
                }
            }
        }
        exit
    }

    /// Builds the instrumented targets and gives the folder of their binaries.
    fn build(&self, targets: &[String]) -> Result<PathBuf, Exit> {
        let host = crate::tools::host(self.workspace).ok_or_else(|| {
            eprintln!("error: rustc does not say which machine it builds for");
            Exit::Missing
        })?;
        let folder = self.workspace.target.join(self.engine.folder());
        for program in self.engine.build(targets, &host, &folder) {
            match program.run(&self.workspace.root, &Stream::Error, &Stream::Ours, || ()) {
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

    /// Fuzzes one target to a limit or a crash, keeps the crash, and has the artifact written.
    fn fuzz(&self, target: &str, binaries: &Path) -> Exit {
        let folder = |part: &str| self.workspace.target.join("fuzz").join(part).join(target);
        let (crashes, corpus) = (folder("crashes"), folder("corpus"));
        let log = self.workspace.target.join("fuzz/logs").join(format!("{target}.log"));
        let seeds =
            ["corpus", "regressions"].map(|part| self.workspace.root.join("fuzz").join(part).join(target));
        if let Err(error) =
            fresh(&crashes).and_then(|()| fs::create_dir_all(&corpus)).and_then(|()| remove(&log))
        {
            eprintln!("xtask: {}: {error}", folder("").display());
            return Exit::Finding;
        }
        let binary = binaries.join(target);
        let program = Program::new([self.shown(&binary)])
            .args(arguments(self.limits(), self.seed(), &self.shown(&crashes)))
            .args([self.shown(&corpus)])
            .args(seeds.iter().filter(|seed| seed.is_dir()).map(|seed| self.shown(seed)));
        let mut progress = Progress::new();
        let ended = program.run(&self.workspace.root, &Stream::Error, &Stream::File(log.clone()), || {
            progress.show(|| {
                format!(
                    "{target}  {}",
                    process::tail(&log, 400).lines().rev().find(|l| l.starts_with('#')).unwrap_or("")
                )
            });
        });
        progress.clear();
        let ended = match ended {
            Ok(ended) => ended,
            Err(reason) => {
                eprintln!("xtask: {reason}");
                return Exit::Finding;
            }
        };
        let summary = Summary::read(
            &fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default(),
        );
        let kept = summary
            .input
            .as_deref()
            .and_then(|input| self.keep(target, &binary, &self.workspace.root.join(input)));
        let exit = verdict(target, ended, &summary);
        self.print(target, ended, &summary, exit, kept.as_deref(), &log);
        let recorded = self.record(target, &log, kept.as_deref());
        if exit == Exit::Fine && !recorded { Exit::Finding } else { exit }
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

    fn record(&self, target: &str, log: &Path, kept: Option<&Path>) -> bool {
        let mut program = Program::cargo("run --release -p fuzz --bin record --").args([
            "--target",
            target,
            "--engine",
            self.engine.label(),
            "--log",
            &self.shown(log),
            "--command",
            &self.command(target),
        ]);
        if let Some(sanitizer) = self.engine.sanitizer() {
            program = program.args(["--sanitizer", sanitizer]);
        }
        if let Some(kept) = kept {
            program = program.args(["--input".to_owned(), self.shown(kept)]);
        }
        match program.run(&self.workspace.root, &Stream::Error, &Stream::Ours, || ()) {
            Ok(ended) if ended.fine() => true,
            Ok(ended) => {
                eprintln!("xtask: no artifact: {}: {}", ended.shown(), program.shown());
                false
            }
            Err(reason) => {
                eprintln!("xtask: no artifact: {reason}");
                false
            }
        }
    }

    fn print(
        &self,
        target: &str,
        ended: Ended,
        summary: &Summary,
        exit: Exit,
        kept: Option<&Path>,
        log: &Path,
    ) {
        let kept = kept.map(|path| self.shown(path));
        let replay = format!("cargo run --release -p fuzz --bin replay -- {target}");
        if self.invocation.json {
            let line = Object::new()
                .text("verb", "fuzz")
                .text("target", target)
                .text("engine", self.engine.label())
                .text("outcome", exit.word())
                .maybe_count("executions", summary.executions)
                .seconds("seconds", ended.seconds)
                .maybe_count("edges", summary.edges)
                .maybe_count("features", summary.features)
                .maybe_count("corpus", summary.corpus)
                .maybe_text("input", kept.as_deref())
                .maybe_text("replay", kept.as_deref().map(|_| replay.as_str()))
                .text("log", &self.shown(log));
            println!("{}", line.end());
            return;
        }
        let shown = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let word =
            if exit == Exit::Fine { painted(Paint::Good, "ok") } else { painted(Paint::Bad, exit.word()) };
        println!(
            "{word} {target}: {} executions in {}, {} edges, {} features, corpus of {}",
            shown(summary.executions),
            duration(ended.seconds),
            shown(summary.edges),
            shown(summary.features),
            shown(summary.corpus)
        );
        if let Some(reason) = &summary.reason {
            println!("   {reason}");
        }
        match kept {
            Some(kept) => println!("   kept: {kept}\n   replay: {replay}"),
            None if exit == Exit::Finding => println!("   log: {}", self.shown(log)),
            None => {}
        }
    }
}

/// How the run of a target ended.
fn verdict(target: &str, ended: Ended, summary: &Summary) -> Exit {
    match ended.code {
        _ if summary.input.is_some() => Exit::Finding,
        Some(INTERRUPTED) => Exit::Interrupted,
        _ if process::interrupted() => Exit::Interrupted,
        Some(0) if summary.executions.is_some() => Exit::Fine,
        _ => {
            eprintln!("xtask: {target} did not run to its end: {}", ended.shown());
            Exit::Finding
        }
    }
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
