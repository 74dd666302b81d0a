//! Follows `bring-your-own.md` to the letter: makes its package in an empty folder beside a link to this workspace,
//! runs its commands, mends its protocol, and runs them again.
//!
//! Exit codes: 0 every command ended as the page says; 1 one did not; 3 the machine refuses. What cargo has built is
//! kept below `target/tutorial`. Crates are taken from where this workspace's own were: nothing is downloaded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use reports::command_line::{self, Exit, Refused};
use reports::store;

const PAGE: &str = include_str!("../../bring-your-own.md");

/// The package that the page makes.
const PACKAGE: &str = "primary-backup";

fn main() -> ExitCode {
    command_line::end("tutorial", follow())
}

/// A fenced part of the page: what stands after its fence, and what is inside.
fn blocks() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

fn follow() -> Result<Exit, Refused> {
    let root = store::workspace_root().map_err(Refused::missing)?;
    let folder = std::env::temp_dir().join(format!("swarmproof-tutorial-{}", std::process::id()));
    let begun = Instant::now();
    let ended =
        walk(&root, &folder).map_err(|error| Refused::missing(format!("{}: {error}", folder.display())));
    // A left-over is of no harm.
    let _ = fs::remove_dir_all(&folder);
    let wrong = ended?;
    match &wrong {
        None => println!("the page was followed to its end in {:.0} s", begun.elapsed().as_secs_f64()),
        Some(wrong) => println!("{wrong}"),
    }
    Ok(if wrong.is_none() { Exit::Fine } else { Exit::Finding })
}

/// Does what the page says in an empty folder. Gives the first thing that is not as it says.
fn walk(root: &Path, folder: &Path) -> io::Result<Option<String>> {
    fs::create_dir_all(folder)?;
    // What the page calls the clone beside the package.
    std::os::unix::fs::symlink(root, folder.join("swarmproof"))?;
    let (mut here, mut replaced) = (folder.to_owned(), None);
    for (fence, text) in blocks() {
        match fence {
            "rust,no_run" => fs::write(folder.join(PACKAGE).join("src/main.rs"), text)?,
            "text replace" => replaced = Some(text),
            "text by" => {
                let file = folder.join(PACKAGE).join("src/main.rs");
                let program = fs::read_to_string(&file)?;
                let old = replaced.take().unwrap_or_default();
                if program.matches(old).count() != 1 {
                    return Ok(Some(format!("what the page replaces does not stand there once:\n{old}")));
                }
                fs::write(file, program.replacen(old, text, 1))?;
            }
            "sh" | "sh fails" => {
                for line in text.lines() {
                    if let Some(wrong) = command(root, &mut here, line, fence == "sh fails")? {
                        return Ok(Some(wrong));
                    }
                }
            }
            other => return Ok(Some(format!("nobody knows what to do with ```{other}"))),
        }
    }
    let index = folder.join(PACKAGE).join("target/report/index.html");
    Ok((!index.is_file()).then(|| format!("there is no {}", index.display())))
}

/// Runs a line of the page, and says if it does not end as it should.
fn command(root: &Path, here: &mut PathBuf, line: &str, fails: bool) -> io::Result<Option<String>> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    if program == "cd" {
        words.for_each(|folder| here.push(folder));
        return Ok(None);
    }
    let begun = Instant::now();
    let mut command = Command::new(program);
    // As a shell of its own would: nothing of the cargo that runs this.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")) {
        if !["CARGO_HOME", "CARGO_BUILD_JOBS"].iter().any(|kept| name == *kept) {
            command.env_remove(name);
        }
    }
    command.env_remove("SWARMPROOF_ARTIFACTS").env_remove("SWARMPROOF_COMMAND");
    command.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", root.join("target/tutorial"));
    let output = command.args(words).current_dir(&*here).stdin(Stdio::null()).output()?;
    let expected = if fails { Exit::Finding } else { Exit::Fine };
    println!("{:>6.1} s  {line}", begun.elapsed().as_secs_f64());
    let code = output.status.code();
    let right = if expected == Exit::Fine { code == Some(0) } else { code == Some(1) };
    let said = || [&output.stdout[..], &output.stderr].concat();
    Ok((!right).then(|| format!("{line}: ended with {code:?}\n{}", String::from_utf8_lossy(&said()))))
}
