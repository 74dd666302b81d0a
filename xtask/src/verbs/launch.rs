//! The verbs that are one binary of another crate: build it, start it, wait, and say how it ended.
//!
//! Names and options go through as they were typed. The binary prints its own results and writes its own
//! artifact; what a reader would type to repeat the run is in the variable [`COMMAND`].

use std::time::SystemTime;

use crate::cli::Invocation;
use crate::exit::Exit;
use crate::json::Object;
use crate::process::{self, COMMAND, Program, Stream};
use crate::workspace::Workspace;

/// `verify`.
pub(crate) fn verify(workspace: &Workspace, invocation: &Invocation) -> Exit {
    start(workspace, invocation, checker("verify"))
}

/// `explore`.
pub(crate) fn explore(workspace: &Workspace, invocation: &Invocation) -> Exit {
    start(workspace, invocation, checker("explore"))
}

/// `simulate`: a peer has a program of its own, which takes the verb where others take the name.
pub(crate) fn simulate(workspace: &Workspace, invocation: &Invocation) -> Exit {
    match invocation.names.first().filter(|name| workspace.peers().contains(name)) {
        Some(peer) => {
            let words = invocation.forward(&[]).into_iter().skip(invocation.names.len());
            let program = peers_own(peer).args(["simulate"]).args(words);
            wait(workspace, invocation, &program.env(COMMAND, &invocation.command()), &Stream::Ours)
        }
        None => start(workspace, invocation, checker("simulate")),
    }
}

/// `zoo`.
pub(crate) fn zoo(workspace: &Workspace, invocation: &Invocation) -> Exit {
    start(workspace, invocation, checker("zoo"))
}

/// `latency`.
pub(crate) fn latency(workspace: &Workspace, invocation: &Invocation) -> Exit {
    start(workspace, invocation, measured("latency", true))
}

/// What [`compare`] knows.
pub(crate) const COMPARED: [&str; 2] = ["raft", "work-stealing"];

/// `compare`.
pub(crate) fn compare(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let threads = invocation.names.iter().any(|name| name == COMPARED[1]);
    let binary = if threads { "scaling" } else { "compare" };
    start(workspace, invocation, measured(binary, !invocation.has("no-peers")))
}

/// `bench`: criterion's own output; with `--json` it goes to standard error and one object says how it ended.
pub(crate) fn bench(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let features = if invocation.has("peers") { "--features peers " } else { "" };
    // Only bench targets: the library's own test harness would trip over criterion's options.
    let mut program = Program::cargo(&format!("bench -p bench {features}--bench * --"));
    program = program.args(invocation.names.clone());
    if invocation.has("quick") {
        program = program.args(["--quick"]);
    }
    let stdout = if invocation.json { Stream::Error } else { Stream::Ours };
    let began = SystemTime::now();
    let exit = wait(workspace, invocation, &program, &stdout);
    if exit == Exit::Fine {
        // Some benches must not stand in for all.
        let subject = if invocation.names.is_empty() { "raft" } else { "raft-part" };
        let folder = workspace.shown(&workspace.target.join("criterion"));
        let program = record("bench", subject, "raft", began).args(["--criterion", &folder]);
        if let Err(reason) = recorded(workspace, &program.env(COMMAND, &invocation.command())) {
            eprintln!("xtask: no artifact: {reason}");
        }
    }
    if invocation.json && matches!(exit, Exit::Fine | Exit::Missing | Exit::Usage) {
        println!("{}", Object::new().text("verb", "bench").text("outcome", exit.word()).end());
    }
    exit
}

/// The binary that turns what a run begun then has left into an artifact.
pub(super) fn record(verb: &str, subject: &str, algorithm: &str, began: SystemTime) -> Program {
    let seconds = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    // What the tests were built for is there by then.
    let release = if verb == "test" { "" } else { "--release " };
    Program::cargo(&format!("run --quiet {release}-p reports --bin record --"))
        .args([verb, "--subject", subject, "--algorithm", algorithm])
        .args(["--began".to_owned(), seconds.to_string()])
}

/// Runs it. An error says why there is no artifact.
pub(super) fn recorded(workspace: &Workspace, program: &Program) -> Result<(), String> {
    match program.run(&workspace.root, &Stream::Error, &Stream::Ours, || ())? {
        ended if ended.fine() => Ok(()),
        ended => Err(format!("{}: {}", ended.shown(), program.shown())),
    }
}

/// A binary of the crate that checks.
pub(crate) fn checker(binary: &str) -> Program {
    Program::cargo(&format!("run --release -p model-check --bin {binary} --"))
}

/// The program of a peer.
fn peers_own(peer: &str) -> Program {
    Program::cargo(&format!("run --release -p bench --features peers --bin {peer} --"))
}

/// A binary of the crate that measures, built as what is measured is built.
fn measured(binary: &str, peers: bool) -> Program {
    let features = if peers { "--features peers " } else { "" };
    Program::cargo(&format!("run --profile bench -p bench {features}--bin {binary} --"))
}

fn start(workspace: &Workspace, invocation: &Invocation, program: Program) -> Exit {
    let program = program.args(invocation.forward(&[])).env(COMMAND, &invocation.command());
    wait(workspace, invocation, &program, &Stream::Ours)
}

/// Runs the program. An end that is not the binary's own (cargo could not build it, a panic, a signal) is
/// said here, since the binary cannot.
fn wait(workspace: &Workspace, invocation: &Invocation, program: &Program, stdout: &Stream) -> Exit {
    let ended = program.run(&workspace.root, stdout, &Stream::Ours, || ());
    let (exit, trouble) = match ended {
        _ if process::interrupted() => (Exit::Interrupted, Some("interrupted".to_owned())),
        Ok(ended) if ended.code.is_some_and(|code| (0..=3).contains(&code) || code == 130) => {
            (Exit::from_child(ended.code), None)
        }
        Ok(ended) => (Exit::from_child(ended.code), Some(format!("{}: {}", ended.shown(), program.shown()))),
        Err(reason) => (Exit::Missing, Some(reason)),
    };
    if let Some(trouble) = trouble {
        eprintln!("xtask: {trouble}");
        if invocation.json {
            let line = Object::new().text("verb", invocation.verb.name).text("outcome", exit.word());
            println!("{}", line.text("error", &trouble).end());
        }
    }
    exit
}
