//! Starting other programs, and ending well when somebody presses Ctrl-C.
//!
//! Children share our process group, so a terminal's Ctrl-C reaches them as it reaches us. The first one
//! only sets a flag here: the child finishes the artifact it is writing and ends, then the verb ends with
//! [`Exit::Interrupted`](crate::exit::Exit). Where there is no terminal, the signal came from `kill` to us
//! alone, and we pass it on to the child and its descendants. The second signal kills them.
//!
//! What children do on the signal is verified in their crates; the flag, the capture of output and the
//! passing on are tested here with small shell programs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many signals have come. A plain counter: nothing else is published through it.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// From now on Ctrl-C and termination set a flag instead of ending this process.
pub(crate) fn watch_for_interrupts() {
    let set = ctrlc::set_handler(|| {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    });
    if let Err(error) = set {
        eprintln!("note: Ctrl-C will stop at once, no handler could be set: {error}");
    }
}

/// Set for a verb that another verb started: that one passes signals on to everybody, and once is enough.
pub(crate) const NESTED: &str = "SWARMPROOF_NESTED";

/// Tells a started binary the command line it stands for, as a reader types it: `cargo xtask verify raft`.
pub(crate) const COMMAND: &str = "SWARMPROOF_COMMAND";

/// Whether somebody asked us to stop.
pub(crate) fn interrupted() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 0
}

/// Where one stream of a child goes.
#[derive(Clone, Debug)]
pub(crate) enum Stream {
    /// Where ours goes.
    Ours,
    /// To our standard error.
    Error,
    /// To the end of this file.
    File(PathBuf),
}

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    words: Vec<String>,
    env: Vec<(String, String)>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// How long it ran.
    pub(crate) seconds: f64,
}

impl Ended {
    /// Whether it ended with 0.
    pub(crate) fn fine(self) -> bool {
        self.code == Some(0)
    }

    /// The code in words.
    pub(crate) fn shown(self) -> String {
        self.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"))
    }
}

impl Program {
    /// A program with these arguments.
    pub(crate) fn new<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Program {
        Program { words: words.into_iter().map(Into::into).collect(), env: Vec::new() }
    }

    /// `cargo` with the arguments of this line, split at spaces.
    pub(crate) fn cargo(line: &str) -> Program {
        Program::new(["cargo"].into_iter().chain(line.split_whitespace()))
    }

    /// Adds arguments.
    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Program {
        self.words.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Program {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a reader would type to do the same.
    pub(crate) fn shown(&self) -> String {
        let quoted = |word: &String| {
            let plain = |letter: char| letter.is_alphanumeric() || "-_=./:,+%@".contains(letter);
            if !word.is_empty() && word.chars().all(plain) { word.clone() } else { format!("'{word}'") }
        };
        let env = self.env.iter().filter(|(name, _)| name != COMMAND);
        let env = env.map(|(name, value)| format!("{name}={}", quoted(value)));
        env.chain(self.words.iter().map(quoted)).collect::<Vec<_>>().join(" ")
    }

    /// Runs it in `folder` to its end, calling `watch` some ten times a second.
    ///
    /// An error means that it could not be started.
    pub(crate) fn run(
        &self,
        folder: &Path,
        stdout: &Stream,
        stderr: &Stream,
        mut watch: impl FnMut(),
    ) -> Result<Ended, String> {
        let start = Instant::now();
        let stream = |stream: &Stream| stream.open().map_err(|error| format!("{stream:?}: {error}"));
        let mut child = self
            .command()
            .current_dir(folder)
            .stdin(if matches!(stdout, Stream::Ours) { Stdio::inherit() } else { Stdio::null() })
            .stdout(stream(stdout)?)
            .stderr(stream(stderr)?)
            .spawn()
            .map_err(|error| format!("`{}` cannot be started: {error}", self.words[0]))?;
        let mut pause = Duration::from_millis(1);
        // A child started after a signal is there to finish something: only new signals concern it.
        let mut passed_on = SIGNALS.load(Ordering::Relaxed);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    return Ok(Ended { code: status.code(), seconds: start.elapsed().as_secs_f64() });
                }
                Ok(None) => {}
                Err(error) => return Err(format!("`{}` was lost: {error}", self.words[0])),
            }
            let signals = SIGNALS.load(Ordering::Relaxed);
            if signals > passed_on {
                passed_on = signals;
                stop(&mut child, signals);
            }
            watch();
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Runs it and gives its standard output if it ended with 0; none otherwise. For short questions such as
    /// `rustc -vV`.
    pub(crate) fn ask(&self, folder: &Path) -> Option<String> {
        let output = self.command().current_dir(folder).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        // Under `cargo xtask`, CARGO is the very cargo that started us; a toolchain asked for by `+name`
        // needs rustup's proxy instead.
        let own_cargo = std::env::var_os("CARGO").filter(|_| {
            self.words[0] == "cargo" && !self.words.get(1).is_some_and(|word| word.starts_with('+'))
        });
        let mut command = Command::new(own_cargo.unwrap_or_else(|| self.words[0].clone().into()));
        command.args(&self.words[1..]).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Stream {
    fn open(&self) -> io::Result<Stdio> {
        Ok(match self {
            Stream::Ours => Stdio::inherit(),
            Stream::Error => Stdio::from(io::stderr()),
            Stream::File(path) => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                // Both streams of a child may go to one file: appending keeps their lines whole.
                Stdio::from(OpenOptions::new().create(true).append(true).open(path)?)
            }
        })
    }
}

/// Does to a child what the first and the later signals ask for. Failing to is no reason to stop waiting.
fn stop(child: &mut Child, signals: usize) {
    let mut targets = descendants(child.id());
    targets.push(child.id());
    let send = |signal: &str| {
        let ids = targets.iter().map(u32::to_string);
        let _ = Command::new("kill").arg(signal).args(ids).stderr(Stdio::null()).status();
    };
    if signals > 1 {
        send("-KILL");
        let _ = child.kill();
    } else if !io::stderr().is_terminal() && std::env::var_os(NESTED).is_none() {
        send("-INT");
    }
}

/// The processes that this one has started, directly or not, where `/proc` tells.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name, in parentheses, may contain anything: state and parent follow the last one.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((id, parent))
        })
        .collect();
    let mut family = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|(id, its)| *its == parent && *id != parent).map(|(id, _)| *id));
        next += 1;
    }
    family.split_off(1)
}

/// The last `bytes` bytes of a file as text; empty if there is no such file.
pub(crate) fn tail(path: &Path, bytes: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut out = Vec::new();
        file.take(bytes).read_to_end(&mut out)?;
        Ok(out)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Writes a file so that a reader sees all of it or nothing: beside it, synced, then renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        folder
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        let program =
            Program::cargo("test -p swarm-runtime --release").env("RUSTFLAGS", "--cfg loom").args(["a b"]);
        assert_eq!(program.shown(), "RUSTFLAGS='--cfg loom' cargo test -p swarm-runtime --release 'a b'");
    }

    #[test]
    fn output_goes_where_it_is_sent_and_the_code_comes_back() {
        let folder = folder("streams");
        let (out, err) = (folder.join("new/out"), folder.join("err"));
        let ended = Program::new(["sh", "-c", "echo one; echo two >&2; exit 3"])
            .run(&folder, &Stream::File(out.clone()), &Stream::File(err.clone()), || ())
            .expect("sh starts");
        assert_eq!(ended.code, Some(3));
        assert_eq!((tail(&out, 100), tail(&err, 2)), ("one\n".to_owned(), "o\n".to_owned()));
        let gone = Program::new(["no-such-program"]).run(&folder, &Stream::Error, &Stream::Error, || ());
        assert!(gone.is_err_and(|reason| reason.contains("no-such-program")));
        assert_eq!(Program::new(["sh", "-c", "exit 1"]).ask(&folder), None);
        fs::remove_dir_all(folder).expect("our own folder");
    }

    #[test]
    fn descendants_are_found_through_their_parents() {
        if !Path::new("/proc/self/stat").exists() {
            println!("SKIPPED descendants: no /proc on this system");
            return;
        }
        let mut child = Command::new("sh")
            .args(["-c", "sh -c 'echo ready; read line; :'; :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut ready = [0; 6];
        child.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("the grandchild speaks");
        let found = descendants(child.id());
        assert_eq!(found.len(), 1, "one grandchild");
        assert!(descendants(std::process::id()).contains(&found[0]), "it descends from us too");
        drop(child.stdin.take());
        child.wait().expect("it ends when its input does");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = folder("whole");
        let path = folder.join("deep/file");
        write_whole(&path, b"first, and longer").expect("written");
        write_whole(&path, b"second").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"second");
        assert_eq!(fs::read_dir(folder.join("deep")).expect("there").count(), 1, "nothing temporary is left");
        fs::remove_dir_all(folder).expect("our own folder");
    }
}
