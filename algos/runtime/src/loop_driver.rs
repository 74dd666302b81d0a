//! A whole cluster in one thread: the driver that throughput is measured with.
//!
//! Each node has a lane of arrived messages. [`Local::pump`] goes through the nodes once; each steps
//! everything that has arrived, flushes once, and settles (see `host.rs`). Messages are moved, never
//! cloned, buffers are kept, and nothing is called through a pointer but the performer of tasks. Time
//! stands still until the caller moves it, so a run is a function of its seed and its calls.
//!
//! There is no loss, no delay and no reordering here, except that a lane has a limit: messages beyond it
//! are dropped and counted. Faults are the simulator's business.
//!
//! Verified by `tests/it/local.rs`: a toy protocol commits in the number of messages that can be counted
//! on paper, survives restarts with what was durable, and repeats itself under one seed.

use std::io;

use swarm_protocol::{Never, NodeId, OpId, Protocol, Ticks};

use crate::counters::Counters;
use crate::host::{Host, Outbox, Perform, no_tasks};
use crate::storage::{MemoryStorage, Storage};

/// The most messages that wait for one node unless [`Local::set_lane_limit`] says otherwise.
pub const LANE_MESSAGES_MAX: usize = 1 << 16;

type Lane<P> = Vec<(NodeId, <P as Protocol>::Message)>;

/// `n` nodes of one protocol, driven by the caller.
///
/// ```text
/// let mut cluster = Local::new(config, 3, seed);
/// cluster.invoke(NodeId(0), OpId(1), op);
/// while cluster.pump(&mut |node, id, answer| …) > 0 {}
/// ```
pub struct Local<P: Protocol, S = MemoryStorage<<P as Protocol>::Record>> {
    config: P::Config,
    hosts: Vec<Host<P, S>>,
    /// What has arrived at each node, oldest first.
    lanes: Vec<Lane<P>>,
    /// The lane being emptied; kept for its capacity.
    taken: Lane<P>,
    lane_limit: usize,
    now: Ticks,
}

impl<P: Protocol<Task = Never>> Local<P> {
    /// Boots `nodes` nodes on empty memory storage.
    pub fn new(config: P::Config, nodes: u32, seed: u64) -> Self {
        let disks = (0..nodes).map(|_| MemoryStorage::new()).collect();
        Self::on(config, disks, seed, no_tasks).expect("memory can be read")
    }
}

impl<P: Protocol, S: Storage<P::Record>> Local<P, S> {
    /// Boots one node from each of the `disks`. `perform` computes the outcomes of tasks, in the calling
    /// thread.
    ///
    /// # Errors
    /// Those of [`Storage::recover`].
    pub fn on(config: P::Config, disks: Vec<S>, seed: u64, perform: Perform<P>) -> io::Result<Self> {
        let len = u32::try_from(disks.len()).expect("nodes are numbered by u32");
        let hosts = (0..len)
            .zip(disks)
            .map(|(id, disk)| Host::boot(&config, NodeId(id), len, seed, disk, perform))
            .collect::<io::Result<Vec<_>>>()?;
        let lanes = hosts.iter().map(|_| Vec::new()).collect();
        let taken = Vec::new();
        let lane_limit = LANE_MESSAGES_MAX;
        let mut cluster = Local { config, hosts, lanes, taken, lane_limit, now: Ticks::ZERO };
        for id in 0..len {
            cluster.settle_boot(NodeId(id));
        }
        Ok(cluster)
    }

    /// Carries out what a node asked for while it booted, so that its timers run from here on. It cannot
    /// answer: nothing has been invoked.
    fn settle_boot(&mut self, node: NodeId) {
        let mut out = LocalOutbox {
            me: node,
            lanes: &mut self.lanes,
            limit: self.lane_limit,
            answers: &mut |_, _, _| {},
        };
        self.hosts[node.index()].settle(&self.config, &mut out);
    }

    /// Sets the most messages that wait for one node; those beyond are dropped and counted.
    pub fn set_lane_limit(&mut self, messages_max: usize) {
        self.lane_limit = messages_max;
    }

    /// What the nodes agree on.
    pub fn config(&self) -> &P::Config {
        &self.config
    }

    /// The time as last set by [`Local::advance`].
    pub fn now(&self) -> Ticks {
        self.now
    }

    /// Asks `node` for an operation. It is stepped at once; its effects leave with the next
    /// [`Local::pump`], so that operations in between form one batch.
    ///
    /// # Panics
    /// If there is no such node.
    #[inline]
    pub fn invoke(&mut self, node: NodeId, id: OpId, op: P::Op) {
        self.hosts[node.index()].invoke(&self.config, id, op);
    }

    /// Moves all clocks to `now`, or leaves them if it is earlier. Timers that are due run out in the
    /// next [`Local::pump`].
    pub fn advance(&mut self, now: Ticks) {
        self.now = self.now.max(now);
        for host in &mut self.hosts {
            host.set_now(self.now);
        }
    }

    /// The earliest deadline of all timers: where to advance to if nothing else is left to do.
    pub fn next_deadline(&self) -> Option<Ticks> {
        self.hosts.iter().filter_map(Host::next_deadline).min()
    }

    /// Lets each node in turn take what has arrived, and carries out what it asks for. Answers go to
    /// `answers`. Returns how much was done, in messages, timeouts and nodes settled; after 0 nothing is
    /// left to do until time moves or an operation comes.
    pub fn pump(&mut self, answers: &mut impl FnMut(NodeId, OpId, P::Answer)) -> usize {
        let mut moved = 0;
        for (index, host) in self.hosts.iter_mut().enumerate() {
            core::mem::swap(&mut self.taken, &mut self.lanes[index]);
            let mut out = LocalOutbox {
                me: NodeId(index as u32),
                lanes: &mut self.lanes,
                limit: self.lane_limit,
                answers: &mut *answers,
            };
            moved += host.fire_due(&self.config, &mut out) + self.taken.len();
            for (from, message) in self.taken.drain(..) {
                host.deliver(&self.config, from, message);
            }
            if host.unsettled() {
                moved += 1;
                host.settle(&self.config, &mut out);
            }
        }
        moved
    }

    /// Pumps until nothing is left to do; false if that takes more than `rounds_max` rounds.
    pub fn pump_until_quiet(
        &mut self,
        rounds_max: usize,
        answers: &mut impl FnMut(NodeId, OpId, P::Answer),
    ) -> bool {
        (0..rounds_max).any(|_| self.pump(answers) == 0)
    }

    /// Crashes `node` and boots it from its durable records. What had arrived for it is lost; what it
    /// had sent is not.
    ///
    /// # Errors
    /// Those of [`Storage::recover`].
    ///
    /// # Panics
    /// If there is no such node.
    pub fn restart(&mut self, node: NodeId) -> io::Result<()> {
        self.lanes[node.index()].clear();
        self.hosts[node.index()].restart(&self.config)?;
        self.settle_boot(node);
        Ok(())
    }

    /// The number of nodes.
    pub fn nodes_len(&self) -> usize {
        self.hosts.len()
    }

    /// The nodes in order, to be asked what they hold.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &P> {
        self.hosts.iter().map(Host::node)
    }

    /// The storage of each node, in order.
    pub fn disks(&self) -> impl ExactSizeIterator<Item = &S> {
        self.hosts.iter().map(Host::storage)
    }

    /// The totals of all nodes together.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for host in &self.hosts {
            sum.add(&host.counters());
        }
        sum
    }

    /// The totals of one node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn counters_of(&self, node: NodeId) -> Counters {
        self.hosts[node.index()].counters()
    }
}

struct LocalOutbox<'a, P: Protocol, F> {
    me: NodeId,
    lanes: &'a mut [Lane<P>],
    limit: usize,
    answers: &'a mut F,
}

impl<P: Protocol, F: FnMut(NodeId, OpId, P::Answer)> Outbox<P> for LocalOutbox<'_, P, F> {
    #[inline]
    fn send(&mut self, to: NodeId, message: P::Message) -> bool {
        match self.lanes.get_mut(to.index()) {
            Some(lane) if lane.len() < self.limit => {
                lane.push((self.me, message));
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn answer(&mut self, id: OpId, answer: P::Answer) -> bool {
        (self.answers)(self.me, id, answer);
        true
    }
}
