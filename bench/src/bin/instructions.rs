//! `instructions`: instructions per commit of our Raft, beside what they were (see `bench::instructions`).
//!
//! Exit codes: 0 as pinned or cheaper, 1 dearer, 2 wrong usage, 3 valgrind, the compiler or the architecture of the
//! pins is missing.

use std::io::Write as _;
use std::process::{Command, ExitCode};

use bench::instructions::{
    ARCHITECTURE, COMPILER, PINNED, TOLERANCE_PERCENT, Verdict, commit, per_commit, verdict,
};
use reports::command_line::{self, Exit, Refused};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: instructions
       instructions --commit COMMITS WINDOW

Counts instructions per commit with valgrind, and compares them with those that are pinned. Build it with --profile bench.

  --commit    be the program that is counted
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [] => count(),
        [help] if help == "--help" => {
            print!("{USAGE}");
            Ok(Exit::Fine)
        }
        [role, commits, window] if role == "--commit" => be_counted(commits, window),
        [other, ..] => Err(Refused::usage(format!("`{other}` is no option\n{USAGE}"))),
    };
    command_line::end("instructions", result)
}

fn be_counted(commits: &str, window: &str) -> Result<Exit, Refused> {
    let number = |text: &str| {
        let number = text.parse().ok().filter(|number: &u64| *number > 0);
        number.ok_or_else(|| Refused::usage(format!("`{text}` is not a number above 0")))
    };
    match commit(number(commits)?, number(window)?) {
        Ok(()) => Ok(Exit::Fine),
        Err(wrong) => {
            eprintln!("instructions: {wrong}");
            Ok(Exit::Finding)
        }
    }
}

fn count() -> Result<Exit, Refused> {
    let program = std::env::current_exe().map_err(Refused::missing)?;
    let comparable = std::env::consts::ARCH == ARCHITECTURE && !cfg!(debug_assertions);
    let mut exit = Exit::Fine;
    for (window, pinned) in PINNED {
        let found = per_commit(Command::new(&program).arg("--commit"), window).map_err(Refused::missing)?;
        let says = match verdict(found, pinned) {
            _ if !comparable => "not comparable: another architecture or profile",
            Verdict::AsPinned => "as pinned",
            Verdict::Dearer => {
                exit = Exit::Finding;
                "DEARER than pinned"
            }
            Verdict::Cheaper => "cheaper: the pin can be lowered",
        };
        let line =
            format!("window {window:>4}: {found:7.0} instructions per commit, pinned {pinned:.0}: {says}");
        writeln!(std::io::stdout(), "{line}").map_err(Refused::missing)?;
    }
    if !comparable {
        return Ok(Exit::Missing);
    }
    if exit == Exit::Finding {
        eprintln!(
            "instructions: pinned with rustc {COMPILER}, profile bench; tolerated are {TOLERANCE_PERCENT} %"
        );
    }
    Ok(exit)
}
