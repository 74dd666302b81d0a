//! A world as a value: what can be seen of it, and how it is hashed, compared, copied and printed.

use core::fmt::{self, Debug};
use core::hash::{Hash, Hasher};
use std::sync::Arc;

use swarm_protocol::{NodeId, Properties, Protocol, Violation, mix};

use super::node::NodeSlot;
use super::{Budget, OpStatus, Pending, Subject, World};
use crate::{Slot, fingerprint::hash_of};

/// The purpose under which properties are hashed.
pub(super) const PROPERTIES: u64 = 0x5052_4f50;
/// The purpose under which a question is hashed.
pub(super) const QUESTION: u64 = 0x4153_4b53;
/// The purpose under which a violation is hashed.
pub(super) const VIOLATION: u64 = 0x5649_4f4c;

/// The fingerprint of a world of which nothing is out of the ordinary: of the hashes of nodes, network, clients
/// and properties, and of what is left of the bounds.
pub(super) fn combine(hashes: [u64; 4], budget: Budget) -> u64 {
    let Budget { crashes, duplicates, drops, disk_failures, timeouts } = budget;
    let two = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
    let parts = hashes.into_iter().chain([two(crashes, duplicates), two(drops, disk_failures)]);
    let print = parts.fold(0, |print, part| mix(print ^ part));
    if timeouts == u32::MAX { print } else { mix(print ^ u64::from(timeouts)) }
}

impl<P: Subject, Q> World<P, Q> {
    /// A hash of everything that matters to the future. Costs a few multiplications.
    pub fn fingerprint(&self) -> u64 {
        let print = combine(
            [self.nodes_hash, self.network.hash(), self.clients.hash(), self.properties_hash],
            self.budget,
        );
        self.with_what_waits(print)
    }

    /// A hash of everything but nodes, network and properties.
    pub(super) fn rest_hash(&self) -> u64 {
        self.with_what_waits(combine([0, 0, self.clients.hash(), 0], self.budget))
    }

    /// What differs, but for a collision, between two worlds that differ, questions and violations
    /// apart: cheaper than fingerprints where the two are at hand.
    pub(super) fn marker(&self) -> ([u64; 4], Budget) {
        let hashes = [self.nodes_hash, self.network.hash(), self.clients.hash(), self.properties_hash];
        (hashes, self.budget)
    }

    /// A question and a violation are out of the ordinary.
    fn with_what_waits(&self, mut print: u64) -> u64 {
        if let Some(pending) = &self.pending {
            print = mix(print ^ hash_of(QUESTION, &(&pending.event, &pending.answers, pending.ways)));
        }
        if let Some(violation) = &self.violation {
            print = mix(print ^ hash_of(VIOLATION, &**violation));
        }
        print
    }

    /// The property that the last event broke.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_deref()
    }

    /// The question that waits for an answer, with its number of ways.
    pub fn question(&self) -> Option<(&'static str, u32)> {
        self.pending.as_ref().map(|pending| (pending.label, pending.ways))
    }

    /// The states of the nodes, in the order of [`Setup::participants`]; none for one that is down.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Option<&P>> + '_ {
        self.nodes.iter().map(|node| node.state.as_ref())
    }

    /// The state of the node in `slot`, unless it is down.
    pub fn node(&self, slot: Slot) -> Option<&P> {
        self.find(slot)?.state.as_ref()
    }

    /// The records of `slot` that would survive a crash.
    pub fn durable(&self, slot: Slot) -> &[P::Record] {
        self.find(slot).map_or(&[], NodeSlot::durable)
    }

    /// The records of `slot` on their way to the disk.
    pub fn outstanding(&self, slot: Slot) -> &[P::Record] {
        self.find(slot).map_or(&[], NodeSlot::outstanding)
    }

    fn find(&self, slot: Slot) -> Option<&NodeSlot<P>> {
        self.nodes.iter().map(|node| &**node).find(|node| node.slot == slot)
    }

    /// The messages in flight: sender, receiver, message.
    pub fn in_flight(&self) -> impl ExactSizeIterator<Item = (NodeId, Slot, &P::Message)> + '_ {
        self.network.iter().map(|envelope| (envelope.from, envelope.to, &envelope.message))
    }

    /// Where each operation of the workload stands.
    pub fn operations(&self) -> &[OpStatus] {
        self.clients.status()
    }

    /// The memory of the properties.
    pub fn properties(&self) -> &Q {
        &self.properties
    }

    /// One line on the node in `slot`: state, timers, disk, what waits for it.
    pub fn describe(&self, slot: Slot) -> String {
        self.find(slot).map_or_else(|| format!("{slot} is nobody"), |node| format!("{node:?}"))
    }
}

impl<P: Subject, Q: Properties<P> + Eq + Hash> World<P, Q> {
    /// The fingerprint computed from everything, not from what is kept: the twin of
    /// [`World::fingerprint`].
    pub fn fingerprint_from_scratch(&self) -> u64 {
        let nodes = self.nodes.iter().map(|node| node.hash_from_scratch()).fold(0, u64::wrapping_add);
        let properties = hash_of(PROPERTIES, &self.properties);
        let hashes = [nodes, self.network.hash_from_scratch(), self.clients.hash_from_scratch(), properties];
        self.with_what_waits(combine(hashes, self.budget))
    }
}

impl<P: Subject, Q: Clone> Clone for World<P, Q> {
    fn clone(&self) -> Self {
        World {
            nodes: self.nodes.clone(),
            nodes_hash: self.nodes_hash,
            network: self.network.clone(),
            clients: Arc::clone(&self.clients),
            properties: self.properties.clone(),
            properties_hash: self.properties_hash,
            budget: self.budget,
            pending: self.pending.clone(),
            violation: self.violation.clone(),
        }
    }
}

impl<P: Protocol> Clone for Pending<P> {
    fn clone(&self) -> Self {
        Pending {
            event: self.event.clone(),
            answers: self.answers.clone(),
            label: self.label,
            ways: self.ways,
        }
    }
}

impl<P: Subject> PartialEq for Pending<P> {
    fn eq(&self, other: &Self) -> bool {
        self.event == other.event && self.answers == other.answers && self.ways == other.ways
    }
}

impl<P: Subject, Q: PartialEq> PartialEq for World<P, Q> {
    fn eq(&self, other: &Self) -> bool {
        let same_node = |(a, b): (&Arc<NodeSlot<P>>, &Arc<NodeSlot<P>>)| Arc::ptr_eq(a, b) || a == b;
        self.nodes_hash == other.nodes_hash
            && self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(same_node)
            && self.network == other.network
            && self.budget == other.budget
            && (Arc::ptr_eq(&self.clients, &other.clients) || self.clients == other.clients)
            && self.properties == other.properties
            && self.pending == other.pending
            && self.violation == other.violation
    }
}

impl<P: Subject, Q: Eq> Eq for World<P, Q> {}

impl<P: Subject, Q> Hash for World<P, Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}

/// Several lines: nodes, messages in flight, clients, and what is out of the ordinary.
impl<P: Subject, Q: Debug> Debug for World<P, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            writeln!(f, "{node:?}")?;
        }
        for envelope in self.network.iter() {
            writeln!(f, "in flight {envelope:?}")?;
        }
        writeln!(f, "clients {:?}", self.clients)?;
        writeln!(f, "{:?}, {:?}", self.properties, self.budget)?;
        if let Some(pending) = &self.pending {
            let Pending { event, answers, label, ways } = &**pending;
            writeln!(f, "{event:?} has asked {label}, one of {ways}, after {answers:?}")?;
        }
        self.violation.iter().try_for_each(|violation| writeln!(f, "violates {violation}"))
    }
}
