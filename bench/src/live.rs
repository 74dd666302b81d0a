//! Load on the threaded runtime: three nodes as threads, one thread that is all the users.
//!
//! The load thread sends what is due, takes what is answered, and sleeps only if nothing is due for
//! [`SPIN`]; the last stretch before an operation is due it spins, because a sleep ends late by the kernel's
//! timer slack and more. So it uses a processor of its own at high rates, which it yields to others that want
//! it; on a machine with few processors it competes with the nodes: its lag is recorded, and voids the run if
//! it is too great.
//!
//! Nodes store to memory with one sync per run of inputs (group commit). Operations that a node does not take
//! (no room, not the leader) are sent again at once and keep the time at which they were due.
//!
//! Verified at the end of every run: the leader has applied exactly the operations that were answered, in
//! the order in which they were sent, and every other node a prefix of them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use swarm_protocol::{NodeId, OpId};
use swarm_raft::{Answer, Config, Raft, Record};
use swarm_runtime::no_tasks;
use swarm_runtime::threaded::{Client, Cluster, Completion, NodePanic, Options, Refused, Stopped};

use crate::open_loop::Recording;
use crate::paired::NODES;
use crate::raft::{Digesting, RecentRecords};
use crate::workload::{Digest, Load};

/// How long before an operation is due the load thread stops sleeping.
pub const SPIN: Duration = Duration::from_micros(200);

/// How long the load thread waits for answers after the last operation, and for a leader.
const PATIENCE: Duration = Duration::from_secs(5);

type Node = Raft<Digesting>;
type Disk = RecentRecords<Record<Bytes>>;

/// How a run came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// Threads could not be started.
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
    /// Times that a node had no room for an operation.
    pub full: u64,
    /// Whether `go_on` ended the run before its plan was done.
    pub interrupted: bool,
}

/// An operation on its way.
#[derive(Clone, Copy)]
struct Pending {
    index: u64,
    due: u64,
    sent: u64,
}

/// The load thread's side of a running cluster.
struct Session {
    cluster: Cluster<Node, Disk>,
    client: Client<Node>,
    leader: NodeId,
    load: Load,
    /// Under way, by ascending identifier; `None` once answered.
    pending: VecDeque<(OpId, Option<Pending>)>,
    /// Commands handed to a node, counted once each.
    commands: u64,
    answered: u64,
    /// An operation was sent twice, so the log's order may not be the plan's.
    resent: bool,
    full: u64,
}

impl Session {
    /// Starts the nodes and waits until one leads.
    fn start(load: Load) -> Result<Self, Failure> {
        let disks = (0..NODES).map(|_| Disk::new()).collect();
        let options = Options { seed: load.seed, ..Options::default() };
        let (cluster, mut connections) =
            Cluster::start(Config::new(NODES), disks, &options, no_tasks).map_err(Failure::Start)?;
        let client = connections.remove(0).open();
        let pending = VecDeque::new();
        let mut session = Session {
            cluster,
            client,
            leader: NodeId(0),
            load,
            pending,
            commands: 0,
            answered: 0,
            resent: false,
            full: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let probe = session.load.command(0);
            if session.client.invoke(session.leader, probe).is_ok() {
                match session.client.wait(PATIENCE).map(|completion| completion.answer) {
                    Some(Answer::Applied(())) => {
                        (session.commands, session.answered) = (1, 1);
                        return Ok(session);
                    }
                    Some(Answer::Redirect(Some(leader))) => session.leader = leader,
                    _ => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        }
        Err(Failure::NoLeader)
    }

    /// Hands command `index` to the leader; false if there was no room. The time of sending is filled in by
    /// the caller.
    fn send(&mut self, pending: Pending) -> bool {
        let command = self.load.command(pending.index);
        match self.client.invoke(self.leader, command) {
            Ok(id) => {
                self.pending.push_back((id, Some(pending)));
                true
            }
            Err(Refused::Full(_) | Refused::Stopped(_)) => {
                self.full += 1;
                false
            }
        }
    }

    /// What an answer means: the operation that is done, or that was not taken and is to be sent again.
    fn take(&mut self, completion: Completion<Answer<()>>) -> Option<Result<Pending, Pending>> {
        // Identifiers of one client are consecutive.
        let place = (completion.id.0 - self.pending.front()?.0.0) as usize;
        let pending = self.pending.get_mut(place)?.1.take()?;
        while let Some((_, None)) = self.pending.front() {
            self.pending.pop_front();
        }
        Some(match completion.answer {
            Answer::Applied(()) => {
                self.answered += 1;
                Ok(pending)
            }
            answer => {
                if let Answer::Redirect(Some(leader)) = answer {
                    self.leader = leader;
                }
                self.resent = true;
                Err(pending)
            }
        })
    }

    /// Stops the nodes and compares what they have applied with what was answered.
    fn finish(self) -> Result<(), Failure> {
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
        Ok(())
    }
}

/// Operations per second that the cluster answers with `load.window` of them always under way, for `length`:
/// the capacity that rates are chosen by.
///
/// # Errors
/// A [`Failure`].
pub fn capacity(load: Load, length: Duration) -> Result<f64, Failure> {
    let mut session = Session::start(load)?;
    let begin = Instant::now();
    let before = session.answered;
    while begin.elapsed() < length {
        while session.commands - session.answered < load.window {
            if !session.send(Pending { index: session.commands, due: 0, sent: 0 }) {
                break;
            }
            session.commands += 1;
        }
        let mut next = session.client.wait(Duration::from_millis(10));
        while let Some(completion) = next {
            if let Some(Err(again)) = session.take(completion) {
                // Not taken: it stays under way.
                while !session.send(again) {
                    std::thread::yield_now();
                }
            }
            next = session.client.poll();
        }
    }
    let rate = (session.answered - before) as f64 / begin.elapsed().as_secs_f64();
    session.finish()?;
    Ok(rate)
}

/// Plays a plan (nanoseconds from the start, ascending) against a fresh cluster. `go_on` is asked about every
/// millisecond.
///
/// # Errors
/// A [`Failure`].
pub fn run(
    load: Load,
    plan: impl Iterator<Item = u64>,
    mut go_on: impl FnMut() -> bool,
) -> Result<Run, Failure> {
    let mut session = Session::start(load)?;
    let mut recording = Recording::new();
    let mut plan = plan.peekable();
    let mut again: VecDeque<Pending> = VecDeque::new();
    let (mut interrupted, mut last_answer, mut asked) = (false, 0, 0);
    let start = Instant::now();
    let nanos = |start: Instant| start.elapsed().as_nanos() as u64;
    let mut quiet_since = 0;
    loop {
        let mut now = nanos(start);
        // What was not taken goes first, then what is due.
        while let Some(first) = again.front().copied() {
            if !session.send(first) {
                break;
            }
            again.pop_front();
        }
        while again.is_empty() && plan.peek().is_some_and(|due| *due <= now) {
            let due = plan.next().expect("it was peeked at");
            now = nanos(start);
            let pending = Pending { index: session.commands, due, sent: now };
            session.commands += 1;
            if !session.send(pending) {
                again.push_back(pending);
            }
            quiet_since = now;
        }
        let idle = match plan.peek() {
            Some(due) => Duration::from_nanos(due.saturating_sub(nanos(start))).saturating_sub(SPIN),
            None => Duration::from_millis(1),
        };
        let mut next = session.client.poll();
        if next.is_none() && again.is_empty() && !idle.is_zero() {
            next = session.client.wait(idle.min(Duration::from_millis(1)));
        } else if next.is_none() {
            // Nodes may have this processor in the meantime; where they have their own, this costs nothing.
            std::thread::yield_now();
        }
        while let Some(completion) = next {
            now = nanos(start);
            quiet_since = now;
            match session.take(completion) {
                Some(Ok(done)) => {
                    recording.answered(done.due, done.sent, now);
                    last_answer = now;
                }
                Some(Err(not_taken)) => again.push_back(not_taken),
                None => {}
            }
            next = session.client.poll();
        }
        now = nanos(start);
        let finished = plan.peek().is_none() && again.is_empty() && session.pending.is_empty();
        let given_up = now > quiet_since + PATIENCE.as_nanos() as u64;
        if finished || given_up {
            break;
        }
        if now > asked + 1_000_000 {
            asked = now;
            if !go_on() {
                interrupted = true;
                break;
            }
        }
    }
    let run = Run {
        recording,
        length: Duration::from_nanos(last_answer),
        unanswered: session.commands - session.answered,
        full: session.full,
        interrupted,
    };
    session.finish()?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_loop::arrivals;

    #[test]
    fn a_plan_is_played_to_its_end_and_what_nodes_applied_is_what_was_answered() {
        let load = Load::new(3, 64, 1);
        let plan: Vec<u64> = arrivals(3, 20_000.0, Duration::from_millis(100)).collect();
        let run = run(load, plan.iter().copied(), || true).expect("the nodes work");
        assert_eq!(run.recording.response.len() + run.unanswered, plan.len() as u64);
        assert_eq!(run.unanswered, 0);
        assert!(!run.interrupted);
        let response = &run.recording.response;
        assert!(response.max() >= run.recording.service.max(), "a response contains its service");
    }

    #[test]
    fn an_interrupted_plan_ends_early() {
        let load = Load::new(3, 64, 1);
        let forever = arrivals(3, 1_000.0, Duration::from_hours(1));
        let run = run(load, forever, || false).expect("the nodes work");
        assert!(run.interrupted && run.recording.response.len() < 3_000_000);
    }

    #[test]
    fn capacity_is_a_rate() {
        let rate = capacity(Load::new(3, 64, 64), Duration::from_millis(50)).expect("the nodes work");
        assert!(rate > 0.0 && rate.is_finite());
    }
}
