//! How fast a registered protocol is: clients in a closed loop around the runtime's driver for one thread.
//!
//! Each client asks for an operation, waits for the answer and asks for the next; what is not taken is asked for
//! again: at once at the node that the answer names, or at the next node when nothing else is left to do. Time reaches the nodes only when nothing else is
//! left to do, so timers cost nothing unless progress waits for them. Disks are memory, messages move as values:
//! what is measured is the protocol and its driver. A session runs on fresh nodes; its beginning is not measured.
//!
//! [`prove`] runs the same loop with its history noted, and judges history, properties and invariants: a protocol
//! that answers wrongly has no figures. [`floor`] is the least that could be done: the sequential object that
//! clients are promised, called in place.
//!
//! Verified by the tests below: a protocol that works, one that answers wrongly, one that never answers.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use swarm_protocol::{NodeId, OpId, Properties, Protocol, Reply, Service, Specification, Stream, Ticks};
use swarm_runtime::Local;
use swarm_runtime::storage::MemoryStorage;
use swarm_simulator::history::{Call, History};
use swarm_simulator::linearizability::{self, Verdict};

use crate::registered::Registered;

/// What a client is promised to be told.
type Told<P> = <<P as Service>::Spec as Specification>::Answer;

/// Rounds without an answer after which a protocol will not give one.
const ROUNDS_WITHOUT_ANSWER_MAX: u32 = 100_000;

/// So many bits of an operation's name say whose it is.
const CLIENT_BITS: u32 = 16;

/// The purpose of the streams that operations are drawn from.
const OPERATIONS: u64 = 0x4f50_5321;

/// The work of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The number of nodes.
    pub nodes: u32,
    /// How many clients have an operation under way at a time: 1 to 65536.
    pub clients: u32,
    /// How many operations are answered before anything is measured.
    pub warm: u64,
    /// How many are measured.
    pub operations: u64,
}

/// Why a session has no figures.
#[derive(Debug)]
pub enum Wrong {
    /// Nothing was answered any more.
    Stalled {
        /// How many operations were answered before.
        answered: u64,
    },
    /// A property, an invariant or what clients are promised does not hold.
    Broken(swarm_protocol::Violation),
    /// The storage, which is memory, could not be read.
    Storage(io::Error),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Stalled { answered } => write!(f, "stalled after {answered} answers"),
            Wrong::Broken(violation) => violation.fmt(f),
            Wrong::Storage(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Wrong {}

/// One client.
struct Client<P: Protocol> {
    /// Where it asks next.
    at: NodeId,
    /// What it waits for.
    waiting: OpId,
    op: P::Op,
    begun: Option<Instant>,
    call: Option<Call>,
}

/// Nodes with their clients.
struct Session<P: Registered> {
    nodes: Local<P, MemoryStorage<P::Record>>,
    nodes_len: u32,
    clients: Vec<Client<P>>,
    draw: Stream,
    answered: u64,
    /// Names given so far.
    named: u64,
    /// Processes of the history so far: a client whose operation stayed open goes on as another.
    history: Option<History<P::Spec>>,
    processes: Vec<u32>,
    latencies: Option<Vec<u64>>,
    /// Clients whose operation was not taken, and by nobody who said where to go: they ask again when nothing else
    /// is left to do.
    parked: Vec<usize>,
    /// Where answers of a round are put down; kept for its capacity.
    round: Vec<(OpId, P::Answer)>,
}

impl<P: Registered> Session<P> {
    fn new(load: &Load, seed: u64, noted: bool, clocked: bool) -> Result<Self, Wrong> {
        let disks = (0..load.nodes).map(|_| MemoryStorage::new()).collect();
        let perform: swarm_runtime::Perform<P> = |task| P::perform(&P::config(P::NODES[0]), &task);
        let nodes = Local::on(P::config(load.nodes), disks, seed, perform).map_err(Wrong::Storage)?;
        let mut session = Session {
            nodes,
            nodes_len: load.nodes,
            clients: Vec::new(),
            draw: Stream::new(seed, OPERATIONS, 0),
            answered: 0,
            named: 0,
            history: noted.then(History::new),
            processes: (0..load.clients).collect(),
            latencies: clocked.then(Vec::new),
            parked: Vec::new(),
            round: Vec::new(),
        };
        for client in 0..load.clients {
            let at = NodeId(client % load.nodes);
            let op = P::operation(&mut session.draw);
            session.clients.push(Client { at, waiting: OpId(0), op, begun: None, call: None });
            session.ask_anew(client as usize);
        }
        Ok(session)
    }

    /// Has a client ask for what it holds, as a new operation.
    fn ask_anew(&mut self, client: usize) {
        let now = self.now();
        if let Some(history) = &mut self.history {
            let op = self.clients[client].op.clone();
            self.clients[client].call = Some(history.invoke(self.processes[client], now, op));
        }
        self.clients[client].begun = self.latencies.is_some().then(Instant::now);
        self.ask(client);
    }

    /// Has a client ask, under a name that was never used.
    fn ask(&mut self, client: usize) {
        let name = OpId(self.named << CLIENT_BITS | client as u64);
        self.named += 1;
        let client = &mut self.clients[client];
        client.waiting = name;
        self.nodes.invoke(client.at, name, client.op.clone());
    }

    fn now(&self) -> Ticks {
        self.nodes.now()
    }

    /// Goes on until so many operations were answered since the session began.
    fn until(&mut self, answered: u64) -> Result<(), Wrong> {
        let (mut idle, mut woken) = (0, false);
        while self.answered < answered {
            let before = self.answered;
            let mut round = std::mem::take(&mut self.round);
            let moved = self.nodes.pump(&mut |_, id, answer| round.push((id, answer)));
            let quiet = moved == 0 && round.is_empty();
            for (id, answer) in round.drain(..) {
                self.take(id, &answer);
            }
            self.round = round;
            idle = if self.answered > before { 0 } else { idle + 1 };
            if idle > ROUNDS_WITHOUT_ANSWER_MAX {
                return Err(Wrong::Stalled { answered: self.answered });
            }
            woken &= self.answered == before;
            if !quiet {
                continue;
            }
            match self.nodes.next_deadline() {
                // Whoever asked again was not taken again: time may help.
                Some(deadline) if woken || self.parked.is_empty() => {
                    woken = false;
                    self.nodes.advance(deadline);
                }
                None if self.parked.is_empty() => return Err(Wrong::Stalled { answered: self.answered }),
                _ => {
                    woken = true;
                    for client in std::mem::take(&mut self.parked) {
                        self.ask(client);
                    }
                }
            }
        }
        Ok(())
    }

    /// A client takes an answer, if it is the one that it waits for.
    fn take(&mut self, id: OpId, answer: &P::Answer) {
        let client = (id.0 & ((1 << CLIENT_BITS) - 1)) as usize;
        if self.clients[client].waiting != id {
            return;
        }
        match P::reply(answer) {
            Reply::Done(told) => self.done(client, told),
            Reply::NotTaken(Some(node)) if node.0 < self.nodes_len => {
                self.clients[client].at = node;
                self.ask(client);
            }
            Reply::NotTaken(_) => {
                self.clients[client].at = NodeId((self.clients[client].at.0 + 1) % self.nodes_len);
                self.clients[client].waiting = OpId(u64::MAX);
                self.parked.push(client);
            }
            Reply::Unknown => {
                let fresh = self.processes.iter().max().map_or(0, |last| last + 1);
                self.processes[client] = fresh;
                self.clients[client].op = P::operation(&mut self.draw);
                self.ask_anew(client);
            }
        }
    }

    fn done(&mut self, client: usize, told: Told<P>) {
        self.answered += 1;
        let now = self.now();
        if let (Some(history), Some(call)) = (&mut self.history, self.clients[client].call) {
            history.complete(call, now, told);
        }
        if let (Some(latencies), Some(begun)) = (&mut self.latencies, self.clients[client].begun) {
            latencies.push(begun.elapsed().as_nanos() as u64);
        }
        self.clients[client].op = P::operation(&mut self.draw);
        self.ask_anew(client);
    }
}

/// Runs a session whose history is noted, and judges it, the properties and the invariants of all nodes.
///
/// # Errors
/// What does not hold, or that nothing is answered any more.
pub fn prove<P: Registered>(load: &Load, seed: u64) -> Result<(), Wrong> {
    let mut session = Session::<P>::new(load, seed, true, false)?;
    session.until(load.operations)?;
    let nodes: Vec<Option<&P>> = session.nodes.nodes().map(Some).collect();
    let config = session.nodes.config();
    let mut properties = P::Properties::default();
    for node in 0..load.nodes {
        properties.after_step(config, &nodes, NodeId(node)).map_err(Wrong::Broken)?;
    }
    properties.full(config, &nodes).map_err(Wrong::Broken)?;
    nodes.iter().flatten().for_each(|node| node.assert_invariants(config));
    match session.history.as_ref().map(linearizability::check) {
        Some(Verdict::Violated(violation)) => {
            let detail = violation.to_string();
            Err(Wrong::Broken(swarm_protocol::Violation::new("linearizability", detail)))
        }
        // What is too hard to decide in this loop is decided in simulations, of which there are more.
        Some(Verdict::Linearizable | Verdict::Undecided) | None => Ok(()),
    }
}

/// Answered operations per second of CPU time, no clock being read in the loop.
///
/// # Errors
/// If nothing is answered any more.
pub fn throughput<P: Registered>(load: &Load, seed: u64) -> Result<f64, Wrong> {
    let mut session = Session::<P>::new(load, seed, false, false)?;
    session.until(load.warm)?;
    let (before, begun) = (session.answered, thread_cpu());
    session.until(load.warm + load.operations)?;
    Ok(per_second(session.answered - before, thread_cpu().saturating_sub(begun)))
}

/// How long each operation took from its first question to its answer, in nanoseconds of wall time, two readings
/// of the clock included; in ascending order.
///
/// # Errors
/// If nothing is answered any more.
pub fn latencies<P: Registered>(load: &Load, seed: u64) -> Result<Vec<u64>, Wrong> {
    let mut session = Session::<P>::new(load, seed, false, true)?;
    session.until(load.warm)?;
    if let Some(latencies) = &mut session.latencies {
        latencies.clear();
    }
    session.until(load.warm + load.operations)?;
    let mut latencies = session.latencies.unwrap_or_default();
    latencies.sort_unstable();
    Ok(latencies)
}

/// Operations per second of CPU time of the sequential object alone.
pub fn floor<P: Registered>(load: &Load, seed: u64) -> f64 {
    let mut state = <P::Spec as Specification>::State::default();
    let mut draw = Stream::new(seed, OPERATIONS, 0);
    let begun = thread_cpu();
    for _ in 0..load.operations {
        std::hint::black_box(P::Spec::apply(&mut state, &P::operation(&mut draw)));
    }
    per_second(load.operations, thread_cpu().saturating_sub(begun))
}

/// CPU time that this thread has used.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel keeps both parts in range: seconds are not negative, nanoseconds below 10⁹.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A time too short for the clock is taken for its shortest.
fn per_second(operations: u64, time: Duration) -> f64 {
    operations as f64 / time.max(Duration::from_nanos(1)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use swarm_protocol::{Effects, Input, Never, Violation};

    use super::*;

    /// A counter on one node. What it does with the tenth operation is its flaw.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Counter<const FLAW: u8> {
        count: u64,
        asked: u64,
    }

    const NONE: u8 = 0;
    const FORGETS: u8 = 1;
    const FALLS_SILENT: u8 = 2;
    const HESITATES: u8 = 3;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    enum Answer {
        Count(u64),
        NotNow,
    }

    impl<const FLAW: u8> Protocol for Counter<FLAW> {
        type Config = ();
        type Message = ();
        type Timer = ();
        type Op = ();
        type Answer = Answer;
        type Record = ();
        type Task = Never;
        type Outcome = Never;

        fn recover((): &(), _: NodeId, _: impl Iterator<Item = ()>, _: &mut Effects<Self>) -> Self {
            Counter { count: 0, asked: 0 }
        }

        fn step(&mut self, (): &(), _: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
            let Input::Invoke { id, .. } = input else { return };
            self.asked += 1;
            match FLAW {
                FORGETS if self.asked == 10 => {}
                FALLS_SILENT if self.asked >= 10 => return,
                HESITATES if !self.asked.is_multiple_of(10) => return out.answer(id, Answer::NotNow),
                _ => self.count += 1,
            }
            out.answer(id, Answer::Count(self.count));
        }
    }

    struct Counting;

    impl Specification for Counting {
        type State = u64;
        type Op = ();
        type Answer = u64;

        fn apply(count: &mut u64, (): &()) -> u64 {
            *count += 1;
            *count
        }
    }

    impl<const FLAW: u8> Service for Counter<FLAW> {
        type Spec = Counting;

        fn reply(answer: &Answer) -> Reply<u64> {
            match answer {
                Answer::Count(count) => Reply::Done(*count),
                Answer::NotNow => Reply::NotTaken(None),
            }
        }
    }

    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    struct Nothing;

    impl<const FLAW: u8> Properties<Counter<FLAW>> for Nothing {
        const NAMES: &'static [&'static str] = &[];

        fn after_step(&mut self, (): &(), _: &[Option<&Counter<FLAW>>], _: NodeId) -> Result<(), Violation> {
            Ok(())
        }

        fn full(&self, (): &(), _: &[Option<&Counter<FLAW>>]) -> Result<(), Violation> {
            Ok(())
        }
    }

    impl<const FLAW: u8> Registered for Counter<FLAW> {
        type Properties = Nothing;
        const NAME: &'static str = "counter";
        const NODES: [u32; 2] = [1, 1];

        fn config(_: u32) {}
    }

    const LOAD: Load = Load { nodes: 1, clients: 3, warm: 20, operations: 100 };

    #[test]
    fn a_protocol_that_works_is_proved_and_has_figures() {
        prove::<Counter<NONE>>(&LOAD, 1).expect("it counts");
        assert!(throughput::<Counter<NONE>>(&LOAD, 1).expect("it answers") > 0.0);
        // A round answers all clients: the last one before may go beyond.
        let latencies = latencies::<Counter<NONE>>(&LOAD, 1).expect("it answers");
        assert!((98..=102).contains(&latencies.len()) && latencies.is_sorted(), "{latencies:?}");
        assert!(floor::<Counter<NONE>>(&LOAD, 1) > 0.0);
    }

    #[test]
    fn wrong_answers_and_silence_are_not_figures() {
        let wrong = prove::<Counter<FORGETS>>(&LOAD, 1).expect_err("a number is given twice");
        assert!(
            matches!(&wrong, Wrong::Broken(violation) if violation.property == "linearizability"),
            "{wrong}"
        );
        let silent = prove::<Counter<FALLS_SILENT>>(&LOAD, 1).expect_err("nothing is answered");
        assert!(matches!(silent, Wrong::Stalled { answered: 9 }), "{silent}");
        assert!(matches!(throughput::<Counter<FALLS_SILENT>>(&LOAD, 1), Err(Wrong::Stalled { .. })));
    }

    #[test]
    fn what_is_not_taken_is_asked_for_again() {
        prove::<Counter<HESITATES>>(&LOAD, 1).expect("nine questions in ten are in vain");
    }
}
