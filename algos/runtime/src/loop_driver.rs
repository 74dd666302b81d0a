//! A whole cluster in one thread: the driver that throughput is measured with.
//!
//! [`Local::pump`] goes through the nodes once; each steps everything that has arrived, flushes once, and settles
//! (see `host.rs`). Messages stand where the step that sent them put them until their receiver's turn, and are moved
//! once: every other node has a turn before the sender's next, with which they are gone. Buffers are kept, and
//! nothing is called through a pointer but the performer of tasks. Time stands still until the caller moves it, so a
//! run is a function of its seed and its calls.
//!
//! There is no loss and no delay here, and messages of one sender arrive in the order in which they were sent, except
//! that a node takes only so many in one turn: those beyond are dropped and counted. Faults are the simulator's
//! business.
//!
//! Verified by `tests/it/local.rs`: a toy protocol commits in the number of messages that can be counted
//! on paper, survives restarts with what was durable, and repeats itself under one seed.

use std::io;

use swarm_protocol::{Never, NodeId, OpId, Protocol, Ticks};

use crate::counters::Counters;
use crate::host::{Host, Outbox, Perform, Sent, Turn, no_tasks};
use crate::storage::{MemoryStorage, Storage};

/// The most messages that a node takes in one turn unless [`Local::set_lane_limit`] says otherwise.
pub const LANE_MESSAGES_MAX: usize = 1 << 16;

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
    /// What each node sent in its last turn.
    sent: Vec<Sent<P>>,
    /// What was sent to these nodes before they were restarted is not theirs.
    restarted: Vec<bool>,
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
        let sent = hosts.iter().map(|_| Sent::new()).collect();
        let restarted = vec![false; hosts.len()];
        let lane_limit = LANE_MESSAGES_MAX;
        let mut cluster = Local { config, hosts, sent, restarted, lane_limit, now: Ticks::ZERO };
        for id in 0..len {
            cluster.settle_boot(NodeId(id));
        }
        Ok(cluster)
    }

    /// Carries out what a node asked for while it booted, so that its timers run from here on. It cannot
    /// answer: nothing has been invoked. What it sends leaves with its first turn.
    fn settle_boot(&mut self, node: NodeId) {
        let mut out = LocalOutbox { me: node, answers: &mut |_, _, _| {} };
        self.hosts[node.index()].settle(&self.config, &mut out);
    }

    /// Sets the most messages that a node takes in one turn; those beyond are dropped and counted.
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
    pub fn next_deadline(&mut self) -> Option<Ticks> {
        self.hosts.iter_mut().filter_map(Host::next_deadline).min()
    }

    /// Lets each node in turn take what has arrived, and carries out what it asks for. Answers go to
    /// `answers`. Returns how much was done, in messages, timeouts and nodes settled; after 0 nothing is
    /// left to do until time moves or an operation comes.
    pub fn pump(&mut self, answers: &mut impl FnMut(NodeId, OpId, P::Answer)) -> usize {
        let mut moved = 0;
        for index in 0..self.hosts.len() {
            let mut out = LocalOutbox { me: NodeId(index as u32), answers: &mut *answers };
            if !self.hosts[index].is_quiet() {
                moved += self.hosts[index].fire_due(&self.config, &mut out);
            }
            if self.restarted[index] || self.sent.iter().any(Sent::has_messages) {
                moved += self.deliver(index);
            }
            let host = &mut self.hosts[index];
            if host.unsettled() {
                moved += 1;
                host.settle(&self.config, &mut out);
            }
            // All others have had their turn since it had its own: what it sent then is taken.
            let sent = &mut self.sent[index];
            if host.has_effects() || sent.has_messages() {
                host.exchange(sent);
            }
        }
        moved
    }

    /// Has a node take what has arrived; says how much that was.
    #[inline]
    fn deliver(&mut self, index: usize) -> usize {
        let me = NodeId(index as u32);
        let restarted = core::mem::take(&mut self.restarted[index]);
        let mut taken = 0;
        let Local { config, hosts, sent, .. } = self;
        // After the last of the others nobody takes what a node sent.
        let last_for = if index + 1 == sent.len() { 0 } else { index + 1 };
        for (sender, sent) in sent.iter_mut().enumerate().filter(|(_, sent)| sent.has_messages()) {
            // Who comes later in a round sent in the round before, as did the node itself.
            if restarted && sender >= index {
                continue;
            }
            let turn = match sender {
                _ if sender == index => Turn::Sender,
                _ if sender == last_for => Turn::Last,
                _ => Turn::Early,
            };
            sent.take(me, turn, |message| {
                if taken == self.lane_limit {
                    return hosts[sender].undo_send();
                }
                taken += 1;
                hosts[index].deliver(config, NodeId(sender as u32), message);
            });
        }
        taken
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
        self.hosts[node.index()].restart(&self.config)?;
        self.restarted[node.index()] = true;
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

struct LocalOutbox<'a, F> {
    me: NodeId,
    answers: &'a mut F,
}

impl<P: Protocol, F: FnMut(NodeId, OpId, P::Answer)> Outbox<P> for LocalOutbox<'_, F> {
    const IN_PLACE: bool = true;

    fn send(&mut self, _to: NodeId, _message: P::Message) -> bool {
        unreachable!("messages are taken where they stand")
    }

    #[inline]
    fn answer(&mut self, id: OpId, answer: P::Answer) -> bool {
        (self.answers)(self.me, id, answer);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use swarm_protocol::{Effects, Input};

    use super::*;

    /// Notes whom it has heard, and what.
    #[derive(Debug)]
    struct Hearing(Vec<(NodeId, u8)>);

    /// A message that counts its copies.
    #[derive(Debug)]
    struct Word(u8, Rc<Cell<usize>>);

    impl Clone for Word {
        fn clone(&self) -> Self {
            self.1.set(self.1.get() + 1);
            Word(self.0, self.1.clone())
        }
    }

    /// To one, or to all.
    type Say = (Option<NodeId>, Word);

    impl Protocol for Hearing {
        type Config = ();
        type Message = Word;
        type Timer = ();
        type Op = Say;
        type Answer = ();
        type Record = Never;
        type Task = Never;
        type Outcome = Never;

        fn recover((): &(), _: NodeId, _: impl Iterator<Item = Never>, _: &mut Effects<Self>) -> Self {
            Hearing(Vec::new())
        }

        fn step(&mut self, (): &(), _: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
            match input {
                Input::Message { from, message } => self.0.push((from, message.0)),
                Input::Invoke { op: (Some(to), word), .. } => out.send(to, word),
                Input::Invoke { op: (None, word), .. } => out.broadcast(word),
                _ => {}
            }
        }
    }

    fn say(cluster: &mut Local<Hearing>, node: u32, to: Option<u32>, word: u8) -> Rc<Cell<usize>> {
        let copies = Rc::new(Cell::new(0));
        cluster.invoke(NodeId(node), OpId(0), (to.map(NodeId), Word(word, copies.clone())));
        copies
    }

    fn heard(cluster: &Local<Hearing>) -> Vec<Vec<(u32, u8)>> {
        let plain = |node: &Hearing| node.0.iter().map(|(from, word)| (from.0, *word)).collect();
        cluster.nodes().map(plain).collect()
    }

    #[test]
    fn everybody_gets_what_it_was_sent_once_and_in_order() {
        for nodes in 1..5u32 {
            let mut cluster = Local::<Hearing>::new((), nodes, 1);
            let (mut copies, mut expected) = (Vec::new(), vec![Vec::new(); nodes as usize]);
            for node in 0..nodes {
                for to in 0..=nodes {
                    // One of them goes to nobody there is, and one to all.
                    let word = 2 * to as u8;
                    say(&mut cluster, node, Some(to), word);
                    copies.push(say(&mut cluster, node, None, word + 1));
                }
                for to in 0..nodes {
                    let words = (0..=nodes).flat_map(|sent| {
                        let (own, all) =
                            ((sent == to).then_some(2 * sent), (to != node).then_some(2 * sent + 1));
                        own.into_iter().chain(all)
                    });
                    expected[to as usize].extend(words.map(|word| (node, word as u8)));
                }
            }
            assert!(cluster.pump_until_quiet(4, &mut |_, _, ()| {}));
            let mut found = heard(&cluster);
            for heard in &mut found {
                heard.sort_by_key(|(from, _)| *from);
            }
            assert_eq!(found, expected, "{nodes} nodes");
            assert!(copies.iter().all(|copies| copies.get() == (nodes as usize).saturating_sub(2)));
            let (counters, all) = (cluster.counters(), expected.iter().flatten().count() as u64);
            assert_eq!((counters.sent, counters.delivered, counters.dropped), (all, all, u64::from(nodes)));
        }
    }

    #[test]
    fn what_had_arrived_before_a_restart_is_lost_and_what_was_sent_is_not() {
        let mut cluster = Local::<Hearing>::new((), 3, 1);
        for node in 0..3 {
            say(&mut cluster, node, None, node as u8);
        }
        // The first two have had their turn before the last one spoke.
        cluster.pump(&mut |_, _, ()| {});
        assert_eq!(heard(&cluster), [vec![], vec![(0, 0)], vec![(0, 0), (1, 1)]]);
        cluster.restart(NodeId(0)).expect("memory can be read");
        say(&mut cluster, 2, None, 3);
        assert!(cluster.pump_until_quiet(4, &mut |_, _, ()| {}));
        assert_eq!(heard(&cluster), [vec![(2, 3)], vec![(0, 0), (2, 2), (2, 3)], vec![(0, 0), (1, 1)]]);
    }

    #[test]
    fn what_is_too_much_for_a_turn_is_dropped_and_counted_as_no_message_sent() {
        let mut cluster = Local::<Hearing>::new((), 3, 1);
        cluster.set_lane_limit(3);
        for word in 0..3 {
            say(&mut cluster, 0, None, word);
            say(&mut cluster, 1, Some(2), word + 3);
        }
        assert!(cluster.pump_until_quiet(4, &mut |_, _, ()| {}));
        assert_eq!(heard(&cluster)[1..], [vec![(0, 0), (0, 1), (0, 2)], vec![(0, 0), (0, 1), (0, 2)]]);
        let counts =
            |node| (cluster.counters_of(NodeId(node)).sent, cluster.counters_of(NodeId(node)).dropped);
        assert_eq!((counts(0), counts(1)), ((6, 0), (0, 3)));
    }
}
