//! The crate `omnipaxos`, driven through its `OmniPaxos` struct over the authors' own `MemoryStorage`.
//!
//! Not Raft: Sequence Paxos replicates a log under a leader that a ballot election of its own makes. It is here
//! because it is the fastest library known to us that does this work. Each node handles what arrived, hands out
//! its messages and reads its decided suffix: the loop of the crate's documentation. Nodes tick every ten
//! milliseconds of wall time. The first node has the highest priority, so that it leads.
//!
//! One setting decides its speed, `batch_size`. At 1, the default, every command is accepted at once; the crate
//! still merges those that wait for the same follower into one message. Above 1, commands wait in a buffer until
//! it is full or until the flush timeout, one tick here: at the leader, and again at each follower. By a clock of
//! ten milliseconds alone a small window would commit a hundred times a second. So a node that has read its inbox
//! and still has commands in its buffer is ticked at once, which flushes a burst whole; for these extra ticks
//! its election timeout counts a thousand times as many.
//!
//! Logs are trimmed as a long-lived service would ([`TRIM_AT`]): a session is shorter, so that in measurements
//! nobody's log is cut.
//!
//! Verified by the digests of [`crate::workload::prove`], which every node must reach.

use std::time::{Duration, Instant};

use bytes::Bytes;
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

use reports::artifact::{Implementation, Role};

use crate::paired::Contestant;
use crate::series::Series;
use crate::workload::{Burst, Cluster, Digest};

/// The release that `Cargo.lock` pins.
pub const VERSION: &str = "0.2.4";

/// Wall time between two ticks of a node.
const TICK: Duration = Duration::from_millis(10);

/// Pumps between two looks at the clock that ticks nodes.
const PUMPS_PER_LOOK: u64 = 64;

/// Entries that every node has applied and still keeps when its log is trimmed.
const TRIM_AT: usize = 40_000;

/// Entries that a trimmed log keeps.
const TRIM_KEEPS: usize = 8_000;

/// One way to use the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Commands that are accepted at once.
    pub batch_size: usize,
}

impl Variant {
    /// The default, a batch as large as a common window, and one that no window fills.
    pub const ALL: [Variant; 3] =
        [Variant { batch_size: 1 }, Variant::FASTEST, Variant { batch_size: 4_096 }];

    /// Close to the fastest at every shape measured so far; larger batches gain nothing worth their memory.
    pub const FASTEST: Variant = Variant { batch_size: 64 };

    /// Whether commands wait in buffers.
    pub const fn batched(self) -> bool {
        self.batch_size > 1
    }

    /// The settings in the crate's own words.
    pub fn settings(self) -> String {
        let flush = if self.batched() { ", flushed by a tick when nothing arrives" } else { "" };
        format!("MemoryStorage, batch_size {}{flush}, one append per command", self.batch_size)
    }
}

/// Every variant, or the fastest.
pub fn contestants(every_variant: bool) -> Vec<Contestant> {
    let contestant = |variant: Variant| {
        let settings = variant.settings();
        Contestant::new(Implementation::new(Role::Peer, "omnipaxos", VERSION, &settings), move |_| {
            OmniPaxos::new(variant)
        })
    };
    let variants = Variant::ALL.into_iter();
    variants.filter(|variant| every_variant || *variant == Variant::FASTEST).map(contestant).collect()
}

/// The fastest variant, under open load.
pub fn series() -> Series {
    let variant = Variant::FASTEST;
    let settings = format!("{}; memory; the thread's own time", variant.settings());
    let implementation = Implementation::new(Role::Peer, "omnipaxos, one thread", VERSION, &settings);
    Series::solo(implementation, "omnipaxos", move || OmniPaxos::new(variant))
}

/// A command as the crate wants it.
#[derive(Clone, Debug)]
struct Command(Bytes);

impl Entry for Command {
    type Snapshot = NoSnapshot;
}

type Core = omnipaxos::OmniPaxos<Command, MemoryStorage<Command>>;

struct Node {
    core: Core,
    /// Entries read so far, all of them decided.
    read: usize,
    digest: Digest,
}

impl Node {
    fn new(pid: u64, variant: Variant) -> Self {
        let cluster = ClusterConfig { configuration_id: 1, nodes: vec![1, 2, 3], flexible_quorum: None };
        let server = ServerConfig {
            pid,
            election_tick_timeout: if variant.batched() { 10_000 } else { 10 },
            resend_message_tick_timeout: 100,
            flush_batch_tick_timeout: 1,
            batch_size: variant.batch_size,
            leader_priority: u32::from(pid == 1),
            ..ServerConfig::default()
        };
        let core = cluster.build_for_server(server, MemoryStorage::default());
        Node { core: core.expect("the configuration is valid"), read: 0, digest: Digest::default() }
    }

    fn apply(&mut self) {
        if self.core.get_decided_idx() == self.read {
            return;
        }
        for entry in self.core.read_decided_suffix(self.read).expect("what is decided can be read") {
            // Nothing else is decided and not yet read: no reconfiguration, and trimming spares what is unread.
            let LogEntry::Decided(Command(command)) = entry else { panic!("{entry:?} after {}", self.read) };
            self.digest.take(&command);
            self.read += 1;
        }
    }
}

/// Three nodes of omnipaxos in one thread; the first leads.
pub struct OmniPaxos {
    nodes: Vec<Node>,
    inboxes: [Vec<Message<Command>>; 3],
    outgoing: Vec<Message<Command>>,
    variant: Variant,
    trimmed: usize,
    messages: u64,
    pumps: u64,
    last_tick: Instant,
}

impl OmniPaxos {
    /// Boots the nodes and lets them elect the first.
    pub fn new(variant: Variant) -> Self {
        let mut cluster = OmniPaxos {
            nodes: (1..=3).map(|pid| Node::new(pid, variant)).collect(),
            inboxes: Default::default(),
            outgoing: Vec::new(),
            variant,
            trimmed: 0,
            messages: 0,
            pumps: 0,
            last_tick: Instant::now(),
        };
        let led = |node: &Node| node.core.get_current_leader() == Some((1, true));
        while !cluster.nodes.iter().all(led) {
            cluster.tick();
            cluster.pump();
        }
        cluster
    }

    fn tick(&mut self) {
        for node in &mut self.nodes {
            node.core.tick();
        }
    }

    /// Has all nodes forget what all have applied, when it has become much.
    fn trim(&mut self) {
        let applied = self.nodes.iter().map(|node| node.read).min().unwrap_or(0);
        if applied > self.trimmed + TRIM_AT {
            let trimmed = applied - TRIM_KEEPS;
            self.nodes[0].core.trim(Some(trimmed)).expect("everyone has accepted what everyone has applied");
            self.trimmed = trimmed;
        }
    }
}

impl Cluster for OmniPaxos {
    fn propose(&mut self, burst: Burst) {
        for command in burst {
            self.nodes[0].core.append(Command(command)).expect("the leader takes commands");
        }
    }

    fn pump(&mut self) -> u64 {
        self.pumps += 1;
        if self.pumps.is_multiple_of(PUMPS_PER_LOOK) && self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            self.tick();
        }
        let before = self.nodes[0].digest.commands;
        for (node, index) in self.nodes.iter_mut().zip(0..) {
            for message in self.inboxes[index].drain(..) {
                node.core.handle_incoming(message);
            }
            if self.variant.batched() && node.core.get_batched_len() > 0 {
                node.core.tick();
            }
            node.core.take_outgoing_messages(&mut self.outgoing);
            self.messages += self.outgoing.len() as u64;
            for message in self.outgoing.drain(..) {
                self.inboxes[message.get_receiver() as usize - 1].push(message);
            }
            node.apply();
        }
        self.trim();
        self.nodes[0].digest.commands - before
    }

    fn settle(&mut self) {
        // A message about what is decided is under way, no more.
        for _ in 0..10 {
            self.pump();
        }
    }

    fn applied(&self) -> Vec<Digest> {
        self.nodes.iter().map(|node| node.digest).collect()
    }

    fn messages(&self) -> u64 {
        self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Load, prove};

    #[test]
    fn every_variant_does_the_work() {
        for variant in Variant::ALL {
            for (window, commands) in [(1, 300), (64, 20_000), (1_000, 20_000)] {
                let load = Load::new(5, 64, window);
                let proof = prove(&mut OmniPaxos::new(variant), &load, commands);
                let proof = proof.unwrap_or_else(|wrong| panic!("{variant:?} at {window}: {wrong}"));
                assert_eq!(proof.digest.commands, commands);
            }
        }
    }

    #[test]
    fn a_burst_costs_six_messages_whatever_its_size() {
        for variant in Variant::ALL {
            for window in [1, 64] {
                let load = Load::new(5, 64, window);
                let proof = prove(&mut OmniPaxos::new(variant), &load, window * 500).expect("the peer works");
                let per_burst = proof.messages_per_commit() * window as f64;
                assert!((5.9..6.6).contains(&per_burst), "{variant:?} at {window}: {per_burst}");
            }
        }
    }

    #[test]
    fn long_logs_are_trimmed_on_every_node() {
        for variant in Variant::ALL {
            let mut cluster = OmniPaxos::new(variant);
            let proof = prove(&mut cluster, &Load::new(5, 8, 1_000), 100_000);
            assert_eq!(proof.map(|proof| proof.digest.commands), Ok(100_000));
            for node in &cluster.nodes {
                let trimmed = node.core.get_compacted_idx();
                assert!(trimmed > 100_000 - TRIM_AT - 1_000 - TRIM_KEEPS, "{trimmed} of {}", node.read);
            }
        }
    }
}
