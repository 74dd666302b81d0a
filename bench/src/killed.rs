//! A loaded process that is killed: what it has acknowledged must be on its disks.
//!
//! The victim is a process of its own: three nodes as threads on files, and a client that keeps commands under way and
//! writes the number of each to standard output as soon as it is answered. The other side reads those numbers, kills the
//! process (SIGKILL) after so many of them, and opens its folders as a booting node would: every number that it has read
//! must be in the log or in the snapshot of a majority. Then the next victim goes on in the same folders. At last the
//! nodes are booted once more in this process, elect a leader, and its machine must hold every number.
//!
//! Commands are numbers, and the machine is the set of those that it has applied, so that it can be said of each where
//! it is; snapshots are taken often, so that kills fall between a snapshot and the end of what it replaces.
//!
//! Verified by `tests/killed.rs`: a short campaign, and one whose victims answer before anything is durable, which is
//! found out. What a kill cannot show is a loss of power: the system keeps what was written and not synced. Torn and lost
//! writes are the simulator's.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use swarm_protocol::{Choices, Delay, Effects, NodeId, OpId, Protocol as _, Specification, Stream, Ticks};
use swarm_raft::{Answer, Compaction, Config, Entry, Machine, Raft};
use swarm_runtime::file::{FileStorage, Limits};
use swarm_runtime::no_tasks;
use swarm_runtime::storage::Storage;
use swarm_runtime::threaded::{Client, Cluster, Options, Stopped};

use crate::live::WireFormat;
use crate::paired::NODES;

/// The commands that a victim has under way.
const UNDER_WAY: u64 = 64;

/// The node that is killed.
pub type Node = Raft<Seen>;

/// What it writes.
type Record = swarm_raft::Record<u64>;

/// The set of the numbers that were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A bit for each number.
    words: Vec<u64>,
}

impl Seen {
    /// Whether the number is one of them.
    pub fn contains(&self, number: u64) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// Clients are promised nothing that a history could tell: whoever is killed judges by the disks.
#[derive(Clone, Copy, Debug)]
pub struct SeenSpec;

impl Specification for SeenSpec {
    type State = ();
    type Op = u64;
    type Answer = ();

    fn apply((): &mut (), _: &u64) {}
}

impl Machine for Seen {
    type Command = u64;
    type Answer = ();
    type Spec = SeenSpec;

    fn apply(&mut self, number: &u64) {
        let place = (number / 64) as usize;
        if self.words.len() <= place {
            self.words.resize(place + 1, 0);
        }
        self.words[place] |= 1 << (number % 64);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        rest.is_empty().then(|| Seen { words: words.iter().map(|word| u64::from_le_bytes(*word)).collect() })
    }
}

/// Short timeouts, so that a boot does not take long, and many snapshots.
fn config() -> Config {
    let compaction = Compaction { log_bytes: 24 << 10, tail_entries: 200, part_bytes: 4 << 10 };
    Config {
        election_timeout: Delay { min: Ticks::from_millis(40), max: Ticks::from_millis(80) },
        heartbeat_interval: Ticks::from_millis(10),
        compaction,
        ..Config::new(NODES)
    }
}

/// The disks in `folder`: small segments, of which retired ones are deleted.
fn disks(folder: &Path) -> io::Result<Vec<FileStorage<WireFormat>>> {
    let limits = Limits { segment_bytes: 64 << 10, ..Limits::default() };
    let open = |node| FileStorage::open(folder.join(format!("node{node}")), WireFormat, limits.clone());
    (0..NODES).map(open).collect()
}

/// A running cluster and its client.
struct Served<S> {
    cluster: Cluster<Node, S>,
    client: Client<Node>,
    leader: NodeId,
}

impl<S: Storage<Record> + Send + 'static> Served<S> {
    fn start(disks: Vec<S>, seed: u64) -> io::Result<Self> {
        let options = Options { seed, ..Options::default() };
        let (cluster, mut connections) = Cluster::start(config(), disks, &options, no_tasks)?;
        Ok(Served { cluster, client: connections.remove(0).open(), leader: NodeId(0) })
    }

    /// Commands from `from` on, `UNDER_WAY` at a time, until `done` says so of one that is answered. One that is not
    /// taken is sent again, and so is one whose leader has fallen, which nobody answers.
    fn load(&mut self, from: u64, mut done: impl FnMut(u64) -> io::Result<bool>) -> io::Result<()> {
        let mut under_way: Vec<(OpId, u64)> = Vec::new();
        let mut next = from;
        let mut again: Vec<u64> = Vec::new();
        loop {
            while (under_way.len() as u64) < UNDER_WAY {
                let number = again.pop().unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                match self.client.invoke(self.leader, number) {
                    Ok(id) => under_way.push((id, number)),
                    Err(_) => {
                        again.push(number);
                        break;
                    }
                }
            }
            // A leader that falls leaves some unanswered: whoever waits longer than an election asks again.
            let Some(completion) = self.client.wait(Duration::from_millis(500)) else {
                again.extend(under_way.drain(..).map(|(_, number)| number));
                self.leader = NodeId((self.leader.0 + 1) % NODES);
                continue;
            };
            let Some(place) = under_way.iter().position(|(id, _)| *id == completion.id) else { continue };
            let (_, number) = under_way.swap_remove(place);
            match completion.answer {
                Answer::Applied(()) if done(number)? => return Ok(()),
                Answer::Applied(()) => {}
                other => {
                    if let Answer::Redirect(Some(leader)) = other {
                        self.leader = leader;
                    }
                    again.push(number);
                    // Nobody leads yet, most often.
                    std::thread::yield_now();
                }
            }
        }
    }
}

/// The victim: serves commands from `from` on and writes the number of each that is answered, until it is killed or
/// nobody reads any more.
///
/// # Errors
/// As the system reports them.
pub fn victim(folder: &Path, from: u64, early: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut served = Served::start(disks(folder)?, from)?;
    if early {
        // A victim that lies: what it says is not even sent.
        (from..from + 10_000).try_for_each(|number| writeln!(out, "{number}"))?;
        out.flush()?;
    }
    served.load(from, |number| {
        writeln!(out, "{number}")?;
        out.flush()?;
        Ok(false)
    })
}

/// What a campaign found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survived {
    /// Processes that were killed.
    pub kills: u64,
    /// Commands that they had acknowledged.
    pub acknowledged: u64,
    /// Boots that began with a snapshot, of all nodes.
    pub from_snapshots: u64,
}

/// A campaign in a folder of its own.
#[derive(Debug)]
pub struct Campaign {
    /// Where the disks are.
    folder: PathBuf,
    /// Every number that was acknowledged.
    acknowledged: BTreeSet<u64>,
    survived: Survived,
}

impl Campaign {
    /// Begins in this folder, which should be empty.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Campaign { folder, acknowledged: BTreeSet::new(), survived: Survived::default() })
    }

    /// Starts a victim by this command, which is told the folder and the first number, kills it once it has acknowledged
    /// `after` commands, and looks for all that were ever acknowledged.
    ///
    /// # Errors
    /// As the system reports them, and what is missing.
    pub fn kill_one(&mut self, command: &mut Command, after: u64) -> Result<(), String> {
        let from = self.acknowledged.last().map_or(0, |last| last + 1);
        let told = |error: io::Error| format!("the victim: {error}");
        let command = command.arg(&self.folder).arg(from.to_string());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(told)?;
        let read = self.read(&mut child, after);
        // Where it stands now is where it dies: the numbers that it had written by then are acknowledged, too.
        child.kill().map_err(told)?;
        child.wait().map_err(told)?;
        for line in read.map_err(told)?.lines() {
            self.note(&line.map_err(told)?)?;
        }
        self.survived.kills += 1;
        self.look()
    }

    fn read(&mut self, child: &mut Child, after: u64) -> io::Result<BufReader<std::process::ChildStdout>> {
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        for _ in 0..after {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Err(io::Error::other("ended by itself"));
            }
            self.note(line.trim_end()).map_err(io::Error::other)?;
        }
        Ok(lines)
    }

    fn note(&mut self, line: &str) -> Result<(), String> {
        let number = line.parse().map_err(|_| format!("the victim wrote `{line}`"))?;
        self.survived.acknowledged += u64::from(self.acknowledged.insert(number));
        Ok(())
    }

    /// Every acknowledged command is on the disks of a majority.
    fn look(&mut self) -> Result<(), String> {
        let told = |error: io::Error| format!("{}: {error}", self.folder.display());
        let mut held: Vec<Seen> = Vec::new();
        for (node, mut disk) in disks(&self.folder).map_err(told)?.into_iter().enumerate() {
            let records = disk.recover().map_err(told)?;
            let mut effects = Effects::new(Choices::seed(Stream::new(0, 0, 0)));
            let node = Node::recover(&config(), NodeId(node as u32), records.into_iter(), &mut effects);
            if node.is_halted() {
                return Err(format!("{} does not trust its disk", node.me()));
            }
            self.survived.from_snapshots += u64::from(node.snapshot().is_some());
            let mut seen = node.machine().clone();
            for (_, entry) in node.log().iter() {
                if let Entry::Command(number) = entry {
                    seen.apply(number);
                }
            }
            held.push(seen);
        }
        let enough = |number: u64| held.iter().filter(|seen| seen.contains(number)).count() * 2 > held.len();
        match self.acknowledged.iter().find(|number| !enough(**number)) {
            None => Ok(()),
            Some(lost) => {
                Err(format!("command {lost} was acknowledged, and is not on the disks of a majority"))
            }
        }
    }

    /// Boots the nodes once more; the leader's machine must hold everything.
    ///
    /// # Errors
    /// As the system reports them, and what is missing.
    pub fn finish(self) -> Result<Survived, String> {
        let told = |error: io::Error| format!("{}: {error}", self.folder.display());
        let from = self.acknowledged.last().map_or(0, |last| last + 1);
        let mut served = Served::start(disks(&self.folder).map_err(told)?, from).map_err(told)?;
        served.load(from, |_| Ok(true)).map_err(told)?;
        let Served { cluster, client, .. } = served;
        drop(client);
        let stopped = cluster.shutdown().map_err(|panic| panic.to_string())?;
        let nodes = stopped.into_iter().map(|Stopped { node, .. }| node);
        let Some(leader) = nodes.max_by_key(swarm_raft::Raft::commit_index) else { return Ok(self.survived) };
        match self.acknowledged.iter().find(|number| !leader.machine().contains(**number)) {
            None => Ok(self.survived),
            Some(lost) => {
                Err(format!("command {lost} was acknowledged, and {} does not know it", leader.me()))
            }
        }
    }
}

/// How many commands a victim acknowledges before its end: now and then none, most often some hundreds.
pub fn drawn(draw: &mut Stream) -> u64 {
    match draw.below(8) {
        0 => draw.below(3),
        1 => 2_000 + draw.below(4_000),
        _ => draw.below(1_000),
    }
}
