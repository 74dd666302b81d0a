//! A cluster with one thread per node.
//!
//! Each node has two bounded lock-free lanes (`crossbeam_queue::ArrayQueue`), one for messages and one
//! for operations, that any thread fills and its own empties; each client has one for answers. A node
//! takes a run of what has arrived, settles it with one sync (see `host.rs`), wakes those it has sent to,
//! and sleeps when there is nothing left and no timer due (see [`crate::parking`]).
//!
//! Every lane is bounded, and nobody waits for room:
//!
//! | lane | when it is full |
//! |---|---|
//! | operations | [`Client::invoke`] gives the operation back: [`Refused::Full`] |
//! | messages | the message is dropped and counted: a loss, which the protocols here survive |
//! | answers | the answer is dropped and counted: a client that keeps fewer operations under way than the lane holds loses none |
//!
//! The lanes are a kept crate's. Every lane has many givers, and must be able to refuse: of queues for many givers and
//! takers ours, the `Injector` of work stealing, has no bound, and takes more than twice as long per message as `ArrayQueue`
//! where two threads both give and take. Between one giver and one taker rtrb's ring is several times as fast, so near the
//! floor that one of ours could win little; it would have to be one per pair of threads, all of which an idle node looks
//! into. What messages cost through all of these is printed by `cargo run --profile bench -p bench --features peers --bin lanes`.
//!
//! A panic in a node ends its thread alone; [`Cluster::panicked`] tells, [`Client::invoke`] at that node
//! is refused, and [`Cluster::shutdown`] gives the panic back as an error.
//!
//! Verified by `tests/it/threaded.rs`: no operation is lost or done twice, lanes of one message only slow
//! things down, full lanes refuse, panics surface, and a cluster goes on from the disks of another. The
//! protocol of sleeping and waking is model-checked; the queue itself is its library's responsibility.
//! Not built under `--cfg loom` or `--cfg shuttle`.

use core::marker::PhantomData;
use core::time::Duration;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use swarm_protocol::{NodeId, OpId, Protocol, Ticks};

use crate::counters::Counters;
use crate::host::{Host, Outbox, Perform};
use crate::parking::Parking;
use crate::storage::Storage;

/// A protocol whose parts may go from thread to thread. Implemented for every type that qualifies.
pub trait Threadable:
    Protocol<
        Config: Send + Sync,
        Message: Send,
        Timer: Send,
        Op: Send,
        Answer: Send,
        Record: Send,
        Task: Send,
        Outcome: Send,
    > + Send
    + 'static
{
}

impl<P> Threadable for P where
    P: Protocol<
            Config: Send + Sync,
            Message: Send,
            Timer: Send,
            Op: Send,
            Answer: Send,
            Record: Send,
            Task: Send,
            Outcome: Send,
        > + Send
        + 'static
{
}

/// The sizes of a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// What choices and timers are drawn from.
    pub seed: u64,
    /// How many clients may connect.
    pub clients: u16,
    /// The most messages that wait for one node.
    pub lane_messages_max: usize,
    /// The most operations that wait for one node.
    pub lane_ops_max: usize,
    /// The most answers that wait for one client.
    pub lane_answers_max: usize,
    /// The most messages, and the most operations, that a node steps before it settles: what bounds a
    /// group commit.
    pub run_inputs_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 0,
            clients: 1,
            lane_messages_max: 4096,
            lane_ops_max: 4096,
            lane_answers_max: 8192,
            run_inputs_max: 1024,
        }
    }
}

/// An answer as a client takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion<A> {
    /// The operation answered.
    pub id: OpId,
    /// Who answered.
    pub node: NodeId,
    /// When: the first answer of each run of inputs reads the clock, and the others share its reading. A
    /// client that takes its answers late still knows when they were given.
    pub at: Instant,
    /// What it said.
    pub answer: A,
}

/// An operation that was not taken, given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<O> {
    /// The node has as many waiting as its lane holds: try later.
    Full(O),
    /// The node has stopped or panicked, or there is no such node.
    Stopped(O),
}

/// What became of operations that were handed over together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked<O> {
    /// The identifier of the first; those of the others follow it one by one.
    pub first: OpId,
    /// How many were taken.
    pub taken: u64,
    /// The first that was not, if there is one.
    pub refused: Option<Refused<O>>,
}

/// What a node panicked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePanic {
    /// The first node, in order, that panicked.
    pub node: NodeId,
    /// Its message, if it was text.
    pub message: String,
}

impl core::fmt::Display for NodePanic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} panicked: {}", self.node, self.message)
    }
}

impl std::error::Error for NodePanic {}

/// A node that has come to its end, with its disk.
#[derive(Debug)]
pub struct Stopped<P, S> {
    /// The node, to be asked what it holds.
    pub node: P,
    /// Its storage, from which another cluster may go on.
    pub disk: S,
    /// Its totals.
    pub counters: Counters,
}

/// An identifier is the number of a client, then that of its operation in so many bits.
const SEQUENCE_BITS: u32 = 48;

struct Lanes<P: Protocol> {
    messages: ArrayQueue<(NodeId, P::Message)>,
    ops: ArrayQueue<(OpId, P::Op)>,
    /// False once the node's thread has ended, for whatever reason.
    running: AtomicBool,
}

struct Mailbox<P: Protocol> {
    answers: ArrayQueue<Completion<P::Answer>>,
    /// Set when the client connects, so before it can have invoked anything.
    parking: OnceLock<Parking>,
}

struct Shared<P: Protocol> {
    config: P::Config,
    lanes: Vec<Lanes<P>>,
    /// Where each node sleeps. Set once all threads are there; they wait for it.
    parkings: OnceLock<Vec<CachePadded<Parking>>>,
    mailboxes: Vec<Mailbox<P>>,
    stop: AtomicBool,
    /// Time 0.
    start: Instant,
}

impl<P: Protocol> Shared<P> {
    fn now(&self) -> Ticks {
        Ticks::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// Relaxed: nothing is read on the strength of it, and the fences of the parking see to it that no
    /// sleeper misses it.
    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells all threads to end, and wakes them.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for node in self.parkings.get().into_iter().flatten() {
            node.wake();
        }
        for client in self.mailboxes.iter().filter_map(|mailbox| mailbox.parking.get()) {
            client.wake();
        }
    }
}

/// A running cluster. Dropping it stops and joins the nodes.
pub struct Cluster<P: Protocol, S> {
    shared: Arc<Shared<P>>,
    threads: Vec<JoinHandle<Stopped<P, S>>>,
}

impl<P: Threadable, S: Storage<P::Record> + Send + 'static> Cluster<P, S> {
    /// Boots one node from each of the `disks` and starts its thread. `perform` computes the outcomes of
    /// tasks, in the thread of the node that submits them. Each of the connections serves one client.
    ///
    /// # Errors
    /// Those of [`Storage::recover`] and of starting a thread; nothing runs then.
    ///
    /// # Panics
    /// If a limit in `options` is 0.
    pub fn start(
        config: P::Config,
        disks: Vec<S>,
        options: &Options,
        perform: Perform<P>,
    ) -> io::Result<(Self, Vec<Connection<P>>)> {
        assert!(options.run_inputs_max > 0, "a run needs at least one input");
        let len = u32::try_from(disks.len()).expect("nodes are numbered by u32");
        let hosts = (0..len)
            .zip(disks)
            .map(|(id, disk)| Host::boot(&config, NodeId(id), len, options.seed, disk, perform))
            .collect::<io::Result<Vec<_>>>()?;
        let lanes = || Lanes {
            messages: ArrayQueue::new(options.lane_messages_max),
            ops: ArrayQueue::new(options.lane_ops_max),
            running: AtomicBool::new(true),
        };
        let mailbox =
            || Mailbox { answers: ArrayQueue::new(options.lane_answers_max), parking: OnceLock::new() };
        let shared = Arc::new(Shared {
            config,
            lanes: hosts.iter().map(|_| lanes()).collect(),
            parkings: OnceLock::new(),
            mailboxes: (0..options.clients).map(|_| mailbox()).collect(),
            stop: AtomicBool::new(false),
            start: Instant::now(),
        });
        let mut cluster = Cluster { shared, threads: Vec::new() };
        for (id, host) in (0..len).zip(hosts) {
            let (shared, run_inputs_max) = (cluster.shared.clone(), options.run_inputs_max);
            let thread = thread::Builder::new()
                .name(NodeId(id).to_string())
                .spawn(move || run(NodeId(id), host, &shared, run_inputs_max));
            match thread {
                Ok(thread) => cluster.threads.push(thread),
                Err(error) => {
                    // Those that wait for the parkings below must not wait for ever.
                    cluster.shared.stop();
                    let _ = cluster.shared.parkings.set(Vec::new());
                    return Err(error);
                }
            }
        }
        let parking = |thread: &JoinHandle<_>| CachePadded::new(Parking::new(thread.thread().clone()));
        let parkings = cluster.threads.iter().map(parking).collect();
        let first = cluster.shared.parkings.set(parkings);
        assert!(first.is_ok(), "nobody else sets the parkings");
        let connections = (0..options.clients)
            .map(|number| Connection { shared: cluster.shared.clone(), number })
            .collect();
        Ok((cluster, connections))
    }

    /// The first node, in order, whose thread has panicked so far.
    pub fn panicked(&self) -> Option<NodeId> {
        // Acquire: pairs with the release store in `Leaving`. Nodes end by themselves for no other reason.
        let ended = self.shared.lanes.iter().position(|lanes| !lanes.running.load(Ordering::Acquire));
        ended.filter(|_| !self.shared.stopping()).map(|index| NodeId(index as u32))
    }

    /// Stops all nodes, each after the run it is at, and waits for them. What waits in lanes is lost.
    ///
    /// # Errors
    /// [`NodePanic`] if a node has panicked.
    pub fn shutdown(mut self) -> Result<Vec<Stopped<P, S>>, NodePanic> {
        self.shared.stop();
        let mut panic = None;
        let mut stopped = Vec::with_capacity(self.threads.len());
        for (id, thread) in (0..).zip(self.threads.drain(..)) {
            match thread.join() {
                Ok(node) => stopped.push(node),
                Err(payload) => {
                    let text = payload.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                    let message = text.unwrap_or("something that is not text").to_owned();
                    panic.get_or_insert(NodePanic { node: NodeId(id), message });
                }
            }
        }
        panic.map_or(Ok(stopped), Err)
    }
}

impl<P: Protocol, S> Drop for Cluster<P, S> {
    fn drop(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // A panic has been printed; a destructor is no place to raise it again.
            let _ = thread.join();
        }
    }
}

/// The right to be one client of a cluster; may go to another thread.
pub struct Connection<P: Protocol> {
    shared: Arc<Shared<P>>,
    number: u16,
}

impl<P: Protocol> Connection<P> {
    /// Becomes a client of the calling thread.
    pub fn open(self) -> Client<P> {
        let mailbox = &self.shared.mailboxes[usize::from(self.number)];
        let first = mailbox.parking.set(Parking::new(thread::current()));
        assert!(first.is_ok(), "a connection is opened once");
        Client { shared: self.shared, number: self.number, next: 0, bound_to_thread: PhantomData }
    }
}

/// A client: it invokes operations and takes their answers, from the thread that opened it.
pub struct Client<P: Protocol> {
    shared: Arc<Shared<P>>,
    number: u16,
    next: u64,
    /// Only the thread that opened the connection may sleep at its parking.
    bound_to_thread: PhantomData<*const ()>,
}

impl<P: Protocol> Client<P> {
    /// Asks `node` for an operation. The identifier is new; an answer may come, or never.
    ///
    /// # Errors
    /// [`Refused`] gives the operation back; it was not taken.
    pub fn invoke(&mut self, node: NodeId, op: P::Op) -> Result<OpId, Refused<P::Op>> {
        let Invoked { first, refused, .. } = self.invoke_all(node, [op]);
        refused.map_or(Ok(first), Err)
    }

    /// Asks `node` for operations, in order, until one is refused; wakes it once. To wake a sleeping thread
    /// takes longer than a node takes for an operation, so a client that has many at once hands them over
    /// so. What comes after a refused operation stays in the iterator.
    pub fn invoke_all(&mut self, node: NodeId, ops: impl IntoIterator<Item = P::Op>) -> Invoked<P::Op> {
        let first = self.next;
        let mut refused = None;
        for op in ops {
            match self.hand_over(node, op) {
                Ok(()) => self.next += 1,
                Err(op) => {
                    refused = Some(op);
                    break;
                }
            }
        }
        if self.next > first
            && let Some(parkings) = self.shared.parkings.get()
        {
            parkings[node.index()].wake();
        }
        Invoked { first: self.id(first), taken: self.next - first, refused }
    }

    fn id(&self, sequence: u64) -> OpId {
        OpId(u64::from(self.number) << SEQUENCE_BITS | sequence)
    }

    /// Puts an operation into the lane of a node, and wakes nobody.
    fn hand_over(&self, node: NodeId, op: P::Op) -> Result<(), Refused<P::Op>> {
        let Some(lanes) = self.shared.lanes.get(node.index()) else {
            return Err(Refused::Stopped(op));
        };
        // Acquire: pairs with the release store in `Leaving`. A node that ends right after leaves the
        // operation unanswered, as one that crashes does.
        if self.shared.stopping() || !lanes.running.load(Ordering::Acquire) {
            return Err(Refused::Stopped(op));
        }
        lanes.ops.push((self.id(self.next), op)).map_err(|(_, op)| Refused::Full(op))
    }

    /// Takes an answer that has arrived.
    pub fn poll(&mut self) -> Option<Completion<P::Answer>> {
        self.mailbox().answers.pop()
    }

    /// Takes an answer, sleeping until one arrives; `None` if none has within `timeout`, or once the
    /// cluster stops.
    pub fn wait(&mut self, timeout: Duration) -> Option<Completion<P::Answer>> {
        let deadline = Instant::now().checked_add(timeout);
        let mailbox = self.mailbox();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match mailbox.answers.pop() {
                None if !self.shared.stopping() && left != Some(Duration::ZERO) => {}
                answer => return answer,
            }
            if let Some(parking) = mailbox.parking.get() {
                parking.sleep(left, || !mailbox.answers.is_empty() || self.shared.stopping());
            }
        }
    }

    fn mailbox(&self) -> &Mailbox<P> {
        &self.shared.mailboxes[usize::from(self.number)]
    }
}

/// The life of one node.
fn run<P: Protocol, S: Storage<P::Record>>(
    me: NodeId,
    mut host: Host<P, S>,
    shared: &Shared<P>,
    run_inputs_max: usize,
) -> Stopped<P, S> {
    let lanes = &shared.lanes[me.index()];
    let _leaving = Leaving(&lanes.running);
    let parkings = shared.parkings.wait();
    let mut out = ThreadOutbox {
        me,
        shared,
        parkings,
        nodes_to_wake: vec![false; shared.lanes.len()],
        clients_to_wake: vec![false; shared.mailboxes.len()],
        answered_at: None,
    };
    while !shared.stopping() {
        // A step's clock was read after its input came, as leases need it: what comes later waits for the next turn.
        let (messages, ops) = (lanes.messages.len(), lanes.ops.len());
        host.set_now(shared.now());
        host.fire_due(&shared.config, &mut out);
        for _ in 0..run_inputs_max.min(messages) {
            let Some((from, message)) = lanes.messages.pop() else { break };
            host.deliver(&shared.config, from, message);
        }
        for _ in 0..run_inputs_max.min(ops) {
            let Some((id, op)) = lanes.ops.pop() else { break };
            host.invoke(&shared.config, id, op);
        }
        let worked = host.unsettled();
        if worked {
            host.settle(&shared.config, &mut out);
        }
        out.hand_over();
        if !worked {
            let until = host.next_deadline().map(|deadline| deadline.since(shared.now()));
            parkings[me.index()].sleep(until.map(|ticks| Duration::from_micros(ticks.as_micros())), || {
                !lanes.messages.is_empty() || !lanes.ops.is_empty() || shared.stopping()
            });
        }
    }
    let (node, disk, counters) = host.into_parts();
    Stopped { node, disk, counters }
}

/// Says that a node's thread has ended, also when it unwinds.
struct Leaving<'a>(&'a AtomicBool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        // Release: pairs with the acquire loads in `Cluster::panicked` and `Client::invoke`.
        self.0.store(false, Ordering::Release);
    }
}

struct ThreadOutbox<'a, P: Protocol> {
    me: NodeId,
    shared: &'a Shared<P>,
    parkings: &'a [CachePadded<Parking>],
    /// Who has been given something since the last [`Outbox::hand_over`]: one wake-up for a whole run.
    nodes_to_wake: Vec<bool>,
    clients_to_wake: Vec<bool>,
    /// When the first answer since the last [`Outbox::hand_over`] was given.
    answered_at: Option<Instant>,
}

impl<P: Protocol> Outbox<P> for ThreadOutbox<'_, P> {
    const IN_PLACE: bool = false;

    fn send(&mut self, to: NodeId, message: P::Message) -> bool {
        let Some(lanes) = self.shared.lanes.get(to.index()) else {
            return false;
        };
        self.nodes_to_wake[to.index()] = true;
        lanes.messages.push((self.me, message)).is_ok()
    }

    fn answer(&mut self, id: OpId, answer: P::Answer) -> bool {
        let client = (id.0 >> SEQUENCE_BITS) as usize;
        let Some(mailbox) = self.shared.mailboxes.get(client) else {
            return false;
        };
        self.clients_to_wake[client] = true;
        let at = *self.answered_at.get_or_insert_with(Instant::now);
        mailbox.answers.push(Completion { id, node: self.me, at, answer }).is_ok()
    }

    fn hand_over(&mut self) {
        self.answered_at = None;
        for (wake, parking) in self.nodes_to_wake.iter_mut().zip(self.parkings) {
            if core::mem::take(wake) {
                parking.wake();
            }
        }
        for (wake, mailbox) in self.clients_to_wake.iter_mut().zip(&self.shared.mailboxes) {
            if core::mem::take(wake)
                && let Some(parking) = mailbox.parking.get()
            {
                parking.wake();
            }
        }
    }
}
