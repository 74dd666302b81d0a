//! `killed`: kills a loaded process again and again, and looks for what it had acknowledged (see `bench::killed`).
//!
//! Exit codes: 0 nothing was lost, 1 something was, 2 wrong usage, 3 the machine refused, 130 interrupted.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bench::killed::{Campaign, drawn, victim};
use reports::command_line::{self, Exit, ProgressLine, Refused};
use swarm_protocol::Stream;

const USAGE: &str = "\
usage: killed [--kills N] [--seed S]
       killed --victim FOLDER FROM

Kills (SIGKILL) a process of three nodes on files under load, so many times, and looks after each for every command that
was ever acknowledged: on the disks of a majority, and at last in a leader's machine.

  --kills N   how many processes (default 200)
  --seed S    when (default 1)
  --victim    be one: serve in this folder, from this number on, until killed
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [role, folder, from] if role.starts_with("--victim") => be_one(role, Path::new(folder), from),
        [help] if help == "--help" => {
            print!("{USAGE}");
            Ok(Exit::Fine)
        }
        _ => options(&arguments).and_then(|(kills, seed)| campaign(kills, seed)),
    };
    command_line::end("killed", result)
}

/// `--victim`, or `--victim-that-lies`, which the tests have to be found out.
fn be_one(role: &str, folder: &Path, from: &str) -> Result<Exit, Refused> {
    let from = from.parse().map_err(|_| Refused::usage(format!("`{from}` is not a number")))?;
    victim(folder, from, role == "--victim-that-lies").map_err(Refused::missing)?;
    Ok(Exit::Fine)
}

fn options(arguments: &[String]) -> Result<(u64, u64), Refused> {
    let (mut kills, mut seed) = (200, 1);
    for pair in arguments.chunks(2) {
        let [name, value] = pair else {
            return Err(Refused::usage(format!("`{}` has no value\n{USAGE}", pair[0])));
        };
        let number = value.parse().map_err(|_| Refused::usage(format!("`{value}` is not a number")))?;
        match name.as_str() {
            "--kills" => kills = number,
            "--seed" => seed = number,
            _ => return Err(Refused::usage(format!("`{name}` is no option\n{USAGE}"))),
        }
    }
    Ok((kills, seed))
}

/// A folder that is deleted at the end, unless something was lost.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn campaign(kills: u64, seed: u64) -> Result<Exit, Refused> {
    command_line::interrupt()?;
    let program = std::env::current_exe().map_err(Refused::missing)?;
    let folder = Folder(std::env::temp_dir().join(format!("swarmproof-killed-{}", std::process::id())));
    let mut campaign = Campaign::new(&folder.0).map_err(Refused::missing)?;
    let (mut draw, mut line) = (Stream::new(seed, 0, 0), ProgressLine::new());
    for kill in 1..=kills {
        if command_line::interrupted() {
            return Ok(Exit::Interrupted);
        }
        line.show(|| format!("kill {kill} of {kills}"));
        if let Err(lost) = campaign.kill_one(Command::new(&program).arg("--victim"), drawn(&mut draw)) {
            line.clear();
            eprintln!("killed: kill {kill} of seed {seed}: {lost}; the disks are in {}", folder.0.display());
            std::mem::forget(folder);
            return Ok(Exit::Finding);
        }
    }
    line.clear();
    match campaign.finish() {
        Ok(survived) => {
            let written = writeln!(
                std::io::stdout(),
                "{} kills, {} commands acknowledged, none lost; {} boots from a snapshot",
                survived.kills,
                survived.acknowledged,
                survived.from_snapshots
            );
            written.map_err(Refused::missing)?;
            Ok(Exit::Fine)
        }
        Err(lost) => {
            eprintln!("killed: at the end of seed {seed}: {lost}; the disks are in {}", folder.0.display());
            std::mem::forget(folder);
            Ok(Exit::Finding)
        }
    }
}
