//! Load on the threaded runtime: three nodes as threads, one thread that is all the users.
//!
//! The load thread hands over what is due, wakes the leader once for all of it, and sleeps until the next
//! operation is due. A thread that spins or yields instead is taken for a hog, and on a busy machine it is
//! put off for milliseconds where one that sleeps is woken within microseconds: 25 % of operations were sent
//! late against 5 %, at 3 000 a second beside two compilers on two processors. A sleep ends late by some 25 µs,
//! which are spun instead as long as an eighth of the run is enough for that; at rates with shorter gaps
//! operations are sent a few at a time. Node threads stamp the answers they give, so it does not matter when
//! the load thread comes to take them.
//!
//! On a machine with fewer processors than threads it still competes with the nodes. Its lateness is recorded
//! and counted in every response; whether it makes the figures is [`Recording::is_void`]'s question.
//!
//! Nodes store to memory or to files, with one sync per run of inputs (group commit). Operations that a node
//! has no room for wait for it in order; those it does not take (it leads no more, or has too much to do) are
//! sent again. Both keep the time at which they were due.
//!
//! Verified at the end of every run: the leader has applied exactly the operations that were answered, in
//! the order in which they were sent, and every other node a prefix of them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::iter::Peekable;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use swarm_protocol::{NodeId, OpId};
use swarm_raft::wire::{self, Wire};
use swarm_raft::{Answer, Config, Machine, Payload, Raft};
use swarm_runtime::file::{Codec, FileStorage, Limits};
use swarm_runtime::storage::Storage;
use swarm_runtime::threaded::{Client, Cluster, Completion, NodePanic, Options, Stopped};
use swarm_runtime::{Counters, no_tasks};

use crate::open_loop::{Recording, Times};
use crate::paired::NODES;
use crate::raft::{NothingPromised, RecentRecords};
use crate::workload::{Digest, Load};

/// How long the load thread waits for answers after the last operation, and for a leader.
const PATIENCE: Duration = Duration::from_secs(5);

/// The least time that the load thread sleeps. Below it the system call costs more than the sleep.
const SLEEP_MIN: Duration = Duration::from_micros(10);

/// How late a sleep ends, about: by so much it is cut short, and the rest is spun.
const OVERSLEPT: Duration = Duration::from_micros(30);

/// One part in so many of the run may be spun.
const SPIN_SHARE: u64 = 8;

/// How long answers may lie about, and an interruption be missed.
const LIE_ABOUT: Duration = Duration::from_millis(1);

/// The most operations under way. The lane of answers holds as many, so that none is ever dropped.
const UNDER_WAY_MAX: usize = 1 << 16;

/// Operations that are sent together, which takes some microseconds, and share a time of sending.
const SENT_AT_ONCE: usize = 64;

/// Answers that are taken before the plan is looked at again.
const ANSWERS_AT_ONCE: usize = 1_024;

type Node = Raft<Applied>;
/// What the nodes write.
pub type Record = swarm_raft::Record<Payload>;

/// The replicated machine: digests what it applies. Its commands have a form in bytes, so that files hold
/// them; short ones are copied with their entries.
#[derive(Clone, Debug, Default)]
pub struct Applied(Digest);

impl Machine for Applied {
    type Command = Payload;
    type Answer = ();
    type Spec = NothingPromised<Payload>;

    #[inline]
    fn apply(&mut self, command: &Payload) {
        self.0.take(command.as_bytes());
    }

    fn bytes(command: &Payload) -> u64 {
        command.as_bytes().len() as u64
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        Digest::restore(bytes).map(Applied)
    }
}

/// Records by their wire format.
#[derive(Clone, Copy, Debug)]
pub struct WireFormat;

impl<C: Wire> Codec<swarm_raft::Record<C>> for WireFormat {
    fn encode(&self, record: &swarm_raft::Record<C>, out: &mut Vec<u8>) {
        wire::encode(record, out);
    }

    fn decode(&self, bytes: &[u8]) -> Result<swarm_raft::Record<C>, String> {
        wire::decode(bytes).map_err(|error| error.to_string())
    }
}

/// How a run came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// Files or threads could not be had.
    Start(io::Error),
    /// Nobody was elected in five seconds.
    NoLeader,
    /// A node panicked.
    Panicked(NodePanic),
    /// The nodes did not apply what was answered.
    Wrong(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Start(error) => write!(f, "the nodes could not be started: {error}"),
            Failure::NoLeader => write!(f, "nobody was elected in {PATIENCE:?}"),
            Failure::Panicked(panic) => write!(f, "{panic}"),
            Failure::Wrong(how) => write!(f, "{how}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What a run under open load showed.
#[derive(Clone, Debug)]
pub struct Run {
    /// The latencies.
    pub recording: Recording,
    /// From the start of the plan to the last answer.
    pub length: Duration,
    /// Operations that were planned and never answered: a leader lost them with its office.
    pub unanswered: u64,
    /// What the nodes counted, all together.
    pub counters: Counters,
    /// Whether `go_on` ended the run before its plan was done.
    pub interrupted: bool,
}

/// An operation on its way.
#[derive(Clone, Copy)]
struct Pending {
    index: u64,
    due: u64,
    /// None before it was first tried.
    ready: Option<u64>,
    sent: u64,
}

/// When the nodes had no room, so that nobody could have sent anything.
#[derive(Clone, Copy, Default)]
struct Blocked {
    /// Since then there is none.
    since: Option<u64>,
    /// The last time before: from, to.
    last: (u64, u64),
}

impl Blocked {
    /// There was no room at `now`.
    fn refused(&mut self, now: u64) {
        self.since.get_or_insert(now);
    }

    /// There was room at `now`.
    fn taken(&mut self, now: u64) {
        if let Some(since) = self.since.take() {
            self.last = (since, now);
        }
    }

    /// When the load thread would have sent what was due at `due` and was sent at `now`, had there been room.
    fn ready(&self, due: u64, now: u64) -> u64 {
        let (from, to) = self.last;
        if due < to { due.max(from) } else { now }
    }
}

/// Command `index` of a load as the nodes take it.
fn payload(load: &Load, index: u64) -> Payload {
    Payload::new(&load.command(index))
}

/// Disks in memory, of which each remembers its latest records.
pub fn memory() -> Vec<RecentRecords<Record>> {
    (0..NODES).map(|_| RecentRecords::new()).collect()
}

/// Disks in folders of `folder`, which should not exist: each sync is an `fdatasync`.
///
/// # Errors
/// As the system reports them.
pub fn files(folder: &Path) -> io::Result<Vec<FileStorage<WireFormat>>> {
    let open = |node| FileStorage::open(folder.join(format!("node{node}")), WireFormat, Limits::default());
    (0..NODES).map(open).collect()
}

/// The load thread's side of a running cluster.
struct Session<S> {
    cluster: Cluster<Node, S>,
    client: Client<Node>,
    leader: NodeId,
    load: Load,
    /// Under way, by ascending identifier; `None` once answered.
    pending: VecDeque<(OpId, Option<Pending>)>,
    /// Sent, and not taken by the node.
    again: VecDeque<Pending>,
    /// Being sent; kept for its capacity.
    made: Vec<Pending>,
    blocked: Blocked,
    /// Commands made, counted once each.
    commands: u64,
    answered: u64,
    /// An operation was sent twice, so the log's order may not be the plan's.
    resent: bool,
}

impl<S: Storage<Record> + Send + 'static> Session<S> {
    /// Starts the nodes and waits until one leads.
    fn start(load: Load, disks: Vec<S>) -> Result<Self, Failure> {
        let options = Options { seed: load.seed, lane_answers_max: UNDER_WAY_MAX, ..Options::default() };
        let (cluster, mut connections) =
            Cluster::start(Config::new(NODES), disks, &options, no_tasks).map_err(Failure::Start)?;
        let client = connections.remove(0).open();
        let mut session = Session {
            cluster,
            client,
            leader: NodeId(0),
            load,
            pending: VecDeque::new(),
            again: VecDeque::new(),
            made: Vec::new(),
            blocked: Blocked::default(),
            commands: 0,
            answered: 0,
            resent: false,
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if session.client.invoke(session.leader, payload(&load, 0)).is_ok() {
                match session.client.wait(PATIENCE).map(|completion| completion.answer) {
                    Some(Answer::Applied(())) => {
                        (session.commands, session.answered) = (1, 1);
                        return Ok(session);
                    }
                    Some(Answer::Redirect(Some(leader))) => session.leader = leader,
                    _ => thread::sleep(Duration::from_millis(5)),
                }
            }
        }
        Err(Failure::NoLeader)
    }

    /// Hands the leader what it did not take before and then what is due, as far as there is room; no more than
    /// [`SENT_AT_ONCE`], for which it is woken once.
    fn send(&mut self, plan: &mut Peekable<impl Iterator<Item = u64>>, now: u64) {
        let room = UNDER_WAY_MAX.saturating_sub(self.pending.len()).min(SENT_AT_ONCE);
        let (load, again, commands) = (self.load, &mut self.again, &mut self.commands);
        let made = &mut self.made;
        let operations = std::iter::from_fn(|| {
            let operation = again.pop_front().or_else(|| {
                let due = plan.next_if(|due| *due <= now)?;
                *commands += 1;
                Some(Pending { index: *commands - 1, due, ready: None, sent: 0 })
            })?;
            made.push(operation);
            Some(payload(&load, operation.index))
        });
        let invoked = self.client.invoke_all(self.leader, operations.take(room));
        if invoked.taken > 0 {
            self.blocked.taken(now);
        }
        for (place, operation) in made.drain(..invoked.taken as usize).enumerate() {
            let ready = operation.ready.unwrap_or_else(|| self.blocked.ready(operation.due, now));
            let operation = Pending { ready: Some(ready), sent: now, ..operation };
            self.pending.push_back((OpId(invoked.first.0 + place as u64), Some(operation)));
        }
        if room == 0 || invoked.refused.is_some() {
            self.blocked.refused(now);
        }
        // The one that was refused is the next again.
        made.drain(..).rev().for_each(|operation| self.again.push_front(operation));
    }

    /// The operation that an answer is to, if it is done; one that was not taken waits again.
    fn take(&mut self, completion: &Completion<Answer<()>>) -> Option<Pending> {
        // Identifiers of one client are consecutive.
        let place = (completion.id.0 - self.pending.front()?.0.0) as usize;
        let pending = self.pending.get_mut(place)?.1.take()?;
        while let Some((_, None)) = self.pending.front() {
            self.pending.pop_front();
        }
        match completion.answer {
            Answer::Applied(()) => {
                self.answered += 1;
                Some(pending)
            }
            answer => {
                if let Answer::Redirect(Some(leader)) = answer {
                    self.leader = leader;
                }
                self.resent = true;
                self.again.push_back(pending);
                None
            }
        }
    }

    /// Stops the nodes and compares what they have applied with what was answered.
    fn finish(self) -> Result<Counters, Failure> {
        let Session { cluster, client, load, commands, answered, resent, .. } = self;
        drop(client);
        let stopped = cluster.shutdown().map_err(Failure::Panicked)?;
        let digests: Vec<Digest> = stopped.iter().map(|Stopped { node, .. }| node.machine().0).collect();
        let wrong = |how: String| Err(Failure::Wrong(how));
        let most = digests.iter().map(|digest| digest.commands).max().unwrap_or(0);
        if most < answered {
            return wrong(format!(
                "{answered} operations were answered, and no node applied more than {most}"
            ));
        }
        if most > commands && !resent {
            return wrong(format!("{commands} operations were sent, and a node applied {most}"));
        }
        if !resent {
            for (node, digest) in digests.iter().enumerate() {
                if *digest != load.expected(digest.commands) {
                    return wrong(format!(
                        "node {node} applied {} operations that are not the first of those sent",
                        digest.commands
                    ));
                }
            }
        }
        let mut counters = Counters::default();
        for node in &stopped {
            counters.add(&node.counters);
        }
        Ok(counters)
    }
}

/// Operations per second that the cluster answers if there is always one that is due, for `length`: the
/// capacity that rates are chosen by.
///
/// # Errors
/// A [`Failure`].
pub fn capacity<S>(load: Load, disks: Vec<S>, length: Duration) -> Result<f64, Failure>
where
    S: Storage<Record> + Send + 'static,
{
    let mut start = None;
    let plan = std::iter::from_fn(|| {
        let start: &Instant = start.get_or_insert_with(Instant::now);
        (start.elapsed() < length).then_some(0)
    });
    let run = run(load, disks, plan, || true)?;
    Ok(run.recording.response.len() as f64 / run.length.max(length).as_secs_f64())
}

/// Lets this thread's sleeps end on time, where the system knows of slack: Linux adds 50 µs otherwise.
fn sleep_exactly() {
    #[cfg(target_os = "linux")]
    {
        // Without it sleeps are longer, which is measured.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

/// Plays a plan (nanoseconds from the start, ascending) against a fresh cluster. `go_on` is asked about every
/// millisecond.
///
/// # Errors
/// A [`Failure`].
pub fn run<S>(
    load: Load,
    disks: Vec<S>,
    plan: impl Iterator<Item = u64>,
    mut go_on: impl FnMut() -> bool,
) -> Result<Run, Failure>
where
    S: Storage<Record> + Send + 'static,
{
    let mut session = Session::start(load, disks)?;
    let mut recording = Recording::new();
    let mut plan = plan.peekable();
    let (mut interrupted, mut last_answer, mut asked) = (false, 0, 0);
    sleep_exactly();
    let start = Instant::now();
    let now = || start.elapsed().as_nanos() as u64;
    let (mut quiet_since, mut spun) = (0, 0);
    loop {
        let before = session.pending.len();
        session.send(&mut plan, now());
        let mut worked = session.pending.len() > before;
        for _ in 0..ANSWERS_AT_ONCE {
            let Some(completion) = session.client.poll() else { break };
            worked = true;
            if let Some(Pending { due, ready, sent, .. }) = session.take(&completion) {
                let answered = completion.at.duration_since(start).as_nanos() as u64;
                let ready = ready.unwrap_or(sent);
                recording.answered(Times { due, ready, sent, answered });
                last_answer = last_answer.max(answered);
            }
        }
        let turned = now();
        let next = plan.peek().copied();
        if worked || next.is_some() {
            quiet_since = turned;
        }
        let finished = session.again.is_empty() && session.pending.is_empty();
        if next.is_none() && (finished || turned > quiet_since + PATIENCE.as_nanos() as u64) {
            break;
        }
        if turned > asked + 1_000_000 {
            asked = turned;
            if !go_on() {
                interrupted = true;
                break;
            }
        }
        let idle =
            next.map_or(LIE_ABOUT, |due| Duration::from_nanos(due.saturating_sub(turned)).min(LIE_ABOUT));
        if session.blocked.since.is_some() {
            thread::sleep(SLEEP_MIN);
        } else if let Some(sleep) = idle.checked_sub(OVERSLEPT) {
            thread::sleep(sleep);
        } else if idle > Duration::ZERO && !worked {
            if spun * SPIN_SHARE < turned {
                spun += idle.as_nanos() as u64;
                while now() < turned + idle.as_nanos() as u64 {
                    std::hint::spin_loop();
                }
            } else {
                thread::sleep(idle.max(SLEEP_MIN));
            }
        }
    }
    let (commands, answered) = (session.commands, session.answered);
    let counters = session.finish()?;
    let length = Duration::from_nanos(last_answer);
    Ok(Run { recording, length, unanswered: commands - answered, counters, interrupted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_loop::arrivals;
    use swarm_raft::{Entries, Entry, Run as Batch};

    #[test]
    fn a_plan_is_played_to_its_end_and_what_nodes_applied_is_what_was_answered() {
        let load = Load::new(3, 64, 1);
        let plan: Vec<u64> = arrivals(3, 20_000.0, Duration::from_millis(100)).collect();
        let run = run(load, memory(), plan.iter().copied(), || true).expect("the nodes work");
        assert_eq!(run.recording.response.len() + run.unanswered, plan.len() as u64);
        assert_eq!((run.unanswered, run.counters.answers_dropped), (0, 0));
        assert!(!run.interrupted);
        let Recording { response, punctual, service, .. } = &run.recording;
        assert!(response.max() >= punctual.max() && punctual.max() >= service.max(), "each holds the next");
    }

    #[test]
    fn operations_beyond_all_room_wait_and_are_done_in_order() {
        let load = Load::new(3, 64, 1);
        // All at once, and more than lanes hold. `finish` compares the order.
        let plan = std::iter::repeat_n(0, 20_000);
        let run = run(load, memory(), plan, || true).expect("the nodes work");
        assert_eq!(run.recording.response.len() + run.unanswered, 20_000);
        assert!(run.recording.response.max() >= run.recording.service.max());
    }

    #[test]
    fn what_waits_for_room_is_not_late() {
        let mut blocked = Blocked::default();
        assert_eq!(blocked.ready(5, 9), 9, "late by 4: there was room");
        blocked.refused(20);
        blocked.refused(30);
        blocked.taken(50);
        assert_eq!(blocked.ready(10, 50), 20, "late until the room was gone");
        assert_eq!(blocked.ready(40, 60), 40, "due while there was none");
        assert_eq!(blocked.ready(55, 60), 60, "due when there was room again");
    }

    #[test]
    fn files_hold_what_was_answered() {
        let folder = std::env::temp_dir().join(format!("swarmproof-live-{}", std::process::id()));
        let load = Load::new(3, 100, 1);
        let plan = arrivals(3, 2_000.0, Duration::from_millis(50));
        let run =
            run(load, files(&folder).expect("folders are made"), plan, || true).expect("the nodes work");
        let answered = run.recording.response.len();
        assert!(run.counters.syncs > 0 && answered > 0);
        let mut most = 0;
        for mut disk in files(&folder).expect("the folders are free again") {
            let records: Vec<Record> = disk.recover().expect("the files are whole");
            let commands: u64 = records
                .iter()
                .map(|record| match record {
                    swarm_raft::Record::Append { entries, .. } => entries.count(),
                    _ => 0,
                })
                .sum();
            most = most.max(commands);
        }
        std::fs::remove_dir_all(&folder).expect("the folder can go");
        assert!(most > answered, "{most} entries, no-ops and the first command among them, for {answered}");
    }

    #[test]
    fn records_come_back_from_bytes() {
        let entries = (0..3).map(|i| Entry::Command(Payload::new(&[i; 70]))).collect::<Vec<_>>();
        let record = Record::Append { first: 9, entries: Entries::from(Batch::new(2, entries.into())) };
        let mut bytes = Vec::new();
        WireFormat.encode(&record, &mut bytes);
        assert_eq!(WireFormat.decode(&bytes), Ok(record));
        let cut: Result<Record, _> = WireFormat.decode(&bytes[..bytes.len() - 1]);
        assert!(cut.is_err());
    }

    #[test]
    fn an_interrupted_plan_ends_early() {
        let load = Load::new(3, 64, 1);
        let forever = arrivals(3, 1_000.0, Duration::from_hours(1));
        let run = run(load, memory(), forever, || false).expect("the nodes work");
        assert!(run.interrupted && run.recording.response.len() < 3_000_000);
    }

    #[test]
    fn capacity_is_a_rate() {
        let load = Load::new(3, 64, 64);
        let rate = capacity(load, memory(), Duration::from_millis(50)).expect("the nodes work");
        assert!(rate > 0.0 && rate.is_finite());
    }
}
