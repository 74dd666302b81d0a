//! The crate `raft` of TiKV (raft-rs), driven through `RawNode` over its own `MemStorage`.
//!
//! Each node steps what arrived, takes one `Ready`, appends its entries to storage, sends its messages and
//! applies its committed entries: the loop of the crate's documentation. Nodes tick every ten milliseconds of
//! wall time, as its users do. PreVote and CheckQuorum are on, as in TiKV.
//!
//! Three settings decide its speed, and every useful combination is a [`Variant`]:
//! - `batch_append`: appends that wait for the same follower leave as one message;
//! - a burst of commands as *one* `MsgPropose`, instead of one `propose` each (which is also given its
//!   `Bytes` without a copy, which `RawNode::propose` would make);
//! - `skip_bcast_commit`: the commit index rides on the next append or heartbeat, which brings eight messages
//!   per burst down to four. In bursts it costs nothing; a single command's followers learn of it later.
//!
//! Verified by the digests of [`crate::workload::prove`], which every node must reach.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use raft_rs::eraftpb::{Entry, EntryType, Message, MessageType};
use raft_rs::storage::MemStorage;
use raft_rs::{Config, RawNode, StateRole};

use reports::artifact::{Implementation, Role};

use crate::paired::Contestant;
use crate::series::Series;
use crate::workload::{Burst, Cluster, Digest};

/// The release that `Cargo.lock` pins.
pub const VERSION: &str = "0.7.0";

/// Wall time between two ticks of a node.
const TICK: Duration = Duration::from_millis(10);

/// Pumps between two looks at the clock that ticks nodes.
const PUMPS_PER_LOOK: u64 = 64;

/// One way to use the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Merge appends that wait for the same follower.
    pub batch_append: bool,
    /// Propose a burst as one message.
    pub burst: bool,
    /// Let the commit index ride on the next append.
    pub skip_bcast_commit: bool,
}

impl Variant {
    /// From the plainest to the one expected to be fastest.
    pub const ALL: [Variant; 4] = [
        Variant { batch_append: false, burst: false, skip_bcast_commit: false },
        Variant { batch_append: true, burst: false, skip_bcast_commit: false },
        Variant { batch_append: true, burst: true, skip_bcast_commit: false },
        Variant { batch_append: true, burst: true, skip_bcast_commit: true },
    ];

    /// The settings in the crate's own words.
    pub fn settings(self) -> String {
        let propose = if self.burst { "one MsgPropose per burst" } else { "one MsgPropose per command" };
        let mut settings = vec![propose];
        settings.extend(self.batch_append.then_some("batch_append"));
        settings.extend(self.skip_bcast_commit.then_some("skip_bcast_commit"));
        settings.extend(["pre_vote", "check_quorum", "max_inflight_msgs 4096", "max_size_per_msg 1 MiB"]);
        settings.join(", ")
    }
}

/// Every variant, or those that propose in bursts, of which one is the fastest at every shape measured so far.
pub fn contestants(every_variant: bool) -> Vec<Contestant> {
    let contestant = |variant: Variant| {
        let settings = variant.settings();
        Contestant::new(Implementation::new(Role::Peer, "raft-rs", VERSION, &settings), move |_| {
            RaftRs::new(variant)
        })
    };
    Variant::ALL.into_iter().filter(|variant| every_variant || variant.burst).map(contestant).collect()
}

/// The variant that is fastest in bursts, under open load.
pub fn series() -> Series {
    let [.., variant] = Variant::ALL;
    let settings = format!("{}; memory; the thread's own time", variant.settings());
    let implementation = Implementation::new(Role::Peer, "raft-rs, one thread", VERSION, &settings);
    Series::solo(implementation, "raft-rs", move || RaftRs::new(variant))
}

struct Node {
    raw: RawNode<MemStorage>,
    storage: MemStorage,
    digest: Digest,
}

impl Node {
    fn new(id: u64, variant: Variant, log: &slog::Logger) -> Self {
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 3,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 4096,
            batch_append: variant.batch_append,
            skip_bcast_commit: variant.skip_bcast_commit,
            pre_vote: true,
            check_quorum: true,
            ..Config::default()
        };
        let storage = MemStorage::new_with_conf_state((vec![1, 2, 3], vec![]));
        let raw = RawNode::new(&config, storage.clone(), log).expect("the configuration is valid");
        Node { raw, storage, digest: Digest::default() }
    }

    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            if entry.get_entry_type() == EntryType::EntryNormal {
                self.digest.take(&entry.data);
            }
        }
    }

    /// Takes what is ready, in the order that the crate's documentation gives; hands messages to `send`.
    fn act(&mut self, mut send: impl FnMut(Vec<Message>)) {
        if !self.raw.has_ready() {
            return;
        }
        let mut ready = self.raw.ready();
        send(ready.take_messages());
        let committed = ready.take_committed_entries();
        self.apply(&committed);
        if !ready.entries().is_empty() {
            self.storage.wl().append(ready.entries()).expect("entries follow the log");
        }
        if let Some(state) = ready.hs() {
            self.storage.wl().set_hardstate(state.clone());
        }
        send(ready.take_persisted_messages());
        let mut light = self.raw.advance(ready);
        if let Some(commit) = light.commit_index() {
            self.storage.wl().mut_hard_state().commit = commit;
        }
        send(light.take_messages());
        let committed = light.take_committed_entries();
        self.apply(&committed);
        self.raw.advance_apply();
    }
}

/// Three nodes of raft-rs in one thread; the first leads.
pub struct RaftRs {
    nodes: Vec<Node>,
    inboxes: [VecDeque<Message>; 3],
    variant: Variant,
    messages: u64,
    pumps: u64,
    last_tick: Instant,
}

impl RaftRs {
    /// Boots the nodes and elects the first.
    pub fn new(variant: Variant) -> Self {
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let mut cluster = RaftRs {
            nodes: (1..=3).map(|id| Node::new(id, variant, &log)).collect(),
            inboxes: Default::default(),
            variant,
            messages: 0,
            pumps: 0,
            last_tick: Instant::now(),
        };
        cluster.nodes[0].raw.campaign().expect("a follower may campaign");
        while cluster.inboxes.iter().any(|inbox| !inbox.is_empty()) || cluster.pumps == 0 {
            cluster.pump();
        }
        assert_eq!(cluster.nodes[0].raw.raft.state, StateRole::Leader, "the only candidate wins");
        cluster
    }

    fn tick(&mut self) {
        for node in &mut self.nodes {
            node.raw.tick();
        }
    }

    fn step_proposal(&mut self, entries: Vec<Entry>) {
        let leader = &mut self.nodes[0].raw;
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = leader.raft.id;
        message.set_entries(entries.into());
        leader.step(message).expect("the leader takes proposals");
    }
}

fn entry(data: bytes::Bytes) -> Entry {
    Entry { data, ..Entry::default() }
}

impl Cluster for RaftRs {
    fn propose(&mut self, burst: Burst) {
        if self.variant.burst {
            self.step_proposal(burst.map(entry).collect());
        } else {
            burst.for_each(|command| self.step_proposal(vec![entry(command)]));
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
            while let Some(message) = self.inboxes[index].pop_front() {
                // An error says that the message does not matter any more (its sender was removed, say).
                let _ = node.raw.step(message);
            }
            node.act(|messages| {
                self.messages += messages.len() as u64;
                for message in messages {
                    self.inboxes[message.to as usize - 1].push_back(message);
                }
            });
        }
        self.nodes[0].digest.commands - before
    }

    fn settle(&mut self) {
        // A heartbeat is due after three ticks and brings the commit index.
        for _ in 0..10 {
            self.tick();
            for _ in 0..10 {
                self.pump();
            }
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
            for (window, commands) in [(1, 300), (64, 20_000)] {
                let load = Load::new(5, 64, window);
                let proof = prove(&mut RaftRs::new(variant), &load, commands);
                let proof = proof.unwrap_or_else(|wrong| panic!("{variant:?} at {window}: {wrong}"));
                assert_eq!(proof.digest.commands, commands);
            }
        }
    }

    #[test]
    fn messages_per_commit_are_eight_and_four_with_skip_bcast_commit() {
        let messages = |variant, window, commands| {
            let load = Load::new(5, 64, window);
            prove(&mut RaftRs::new(variant), &load, commands).expect("the peer works").messages_per_commit()
        };
        let [plain, _, burst, skipping] = Variant::ALL;
        assert!((messages(plain, 1, 2_000) - 8.0).abs() < 0.1);
        assert!((messages(skipping, 1, 2_000) - 4.0).abs() < 0.1);
        assert!(messages(burst, 64, 6_400) < 8.5 / 64.0);
        assert!(messages(skipping, 64, 6_400) < 4.5 / 64.0);
    }
}
