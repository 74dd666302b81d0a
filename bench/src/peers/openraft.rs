//! The crate `openraft`, driven through its `Raft` handles on an executor inside the measured thread.
//!
//! The crate is asynchronous: a node is a handful of tasks. Here all of them, of all three nodes, run on one
//! current-thread runtime, which is how the measured thread comes to do all the work; sending a message is a
//! call of the receiving node's handle, as in the authors' own benchmark. A pump lets tasks run until the
//! leader has applied something. Commands go in by `client_write_ff`, which does not wait for the answer and
//! so needs no task for each command in flight.
//!
//! One setting matters, `max_payload_entries`: how many entries leave in one message ([`Variant`]). Heartbeats
//! and election timeouts are long, so that a process that is suspended for a second does not hold an election.
//! A snapshot is taken, and the log cut, where the other peers cut theirs: behind the end of any session.
//!
//! Verified by the digests of [`crate::workload::prove`], which every node must reach. Its store is in
//! [`super::openraft_store`].

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, RemoteError};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{Config, Raft, SnapshotPolicy};
use tokio::runtime::{Builder, Runtime};

use reports::artifact::{Implementation, Role};

use super::openraft_store::{Id, Log, Machine, Types};
use crate::paired::Contestant;
use crate::series::Series;
use crate::workload::{Burst, Cluster, Digest};

/// The release that `Cargo.lock` pins.
pub const VERSION: &str = "0.9.25";

/// Looks at the leader's machine in one pump, between which the executor runs what is ready.
const LOOKS_PER_PUMP: u32 = 64;

/// Looks at all machines until they must be equal; heartbeats fall due meanwhile.
const LOOKS_TO_SETTLE: u32 = 1_000_000;

/// How long the nodes have to elect their leader.
const BOOT: Duration = Duration::from_secs(30);

/// Entries since the last snapshot at which the next is taken.
const SNAPSHOT_AT: u64 = 40_000;

/// Entries that a log keeps behind a snapshot.
const SNAPSHOT_KEEPS: u64 = 8_000;

/// One way to use the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The most entries of one message.
    pub max_payload_entries: u64,
}

impl Variant {
    /// The default, and as many as the largest window holds.
    pub const ALL: [Variant; 2] =
        [Variant { max_payload_entries: 300 }, Variant { max_payload_entries: 4_096 }];

    /// The settings in the crate's own words.
    pub fn settings(self) -> String {
        let Variant { max_payload_entries } = self;
        format!(
            "tokio current_thread, client_write_ff per command, max_payload_entries {max_payload_entries}"
        )
    }

    fn config(self) -> Config {
        let config = Config {
            heartbeat_interval: 500,
            election_timeout_min: 3_000,
            election_timeout_max: 6_000,
            max_payload_entries: self.max_payload_entries,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_AT),
            max_in_snapshot_log_to_keep: SNAPSHOT_KEEPS,
            purge_batch_size: SNAPSHOT_KEEPS,
            ..Config::default()
        };
        config.validate().expect("the configuration is valid")
    }
}

/// Every variant, or the fastest.
pub fn contestants(every_variant: bool) -> Vec<Contestant> {
    let contestant = |variant: Variant| {
        let settings = variant.settings();
        Contestant::new(Implementation::new(Role::Peer, "openraft", VERSION, &settings), move |_| {
            OpenRaft::new(variant)
        })
    };
    let [.., fastest] = Variant::ALL;
    Variant::ALL.into_iter().filter(|variant| every_variant || *variant == fastest).map(contestant).collect()
}

/// The fastest variant, under open load.
pub fn series() -> Series {
    let [.., variant] = Variant::ALL;
    let settings = format!("{}; memory; the thread's own time", variant.settings());
    let implementation = Implementation::new(Role::Peer, "openraft, one thread", VERSION, &settings);
    Series::solo(implementation, "openraft", move || OpenRaft::new(variant))
}

/// Where a node finds the others, once all have booted.
#[derive(Clone, Default)]
struct Peers {
    rafts: Arc<OnceLock<Vec<Raft<Types>>>>,
    /// Requests and answers that were sent.
    messages: Arc<AtomicU64>,
}

/// The way to one node.
struct Way {
    to: Id,
    peers: Peers,
}

impl Way {
    /// The node at its end; a request goes there and an answer comes back.
    fn call(&self) -> &Raft<Types> {
        self.peers.messages.fetch_add(2, Ordering::Relaxed);
        &self.peers.rafts.get().expect("nobody is called before all have booted")[self.to as usize]
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Way;

    async fn new_client(&mut self, to: Id, _node: &()) -> Way {
        Way { to, peers: self.clone() }
    }
}

impl RaftNetwork<Types> for Way {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Id>, RPCError<Id, (), RaftError<Id>>> {
        Ok(self.call().append_entries(request).await.map_err(|error| RemoteError::new(self.to, error))?)
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<Id>, RPCError<Id, (), RaftError<Id, InstallSnapshotError>>> {
        Ok(self.call().install_snapshot(request).await.map_err(|error| RemoteError::new(self.to, error))?)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Id>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Id>, RPCError<Id, (), RaftError<Id>>> {
        Ok(self.call().vote(request).await.map_err(|error| RemoteError::new(self.to, error))?)
    }
}

/// Three nodes of openraft on one thread; the first leads.
pub struct OpenRaft {
    leader: Raft<Types>,
    logs: Vec<Log>,
    machines: Vec<Machine>,
    messages: Arc<AtomicU64>,
    /// Commands that go in with the next pump.
    waiting: Vec<Bytes>,
    counted: u64,
    runtime: Runtime,
}

impl OpenRaft {
    /// Boots the nodes and has the first form the cluster, which makes it the leader.
    pub fn new(variant: Variant) -> Self {
        let runtime =
            Builder::new_current_thread().enable_time().build().expect("a thread can have a runtime");
        let logs: Vec<Log> = (0..3).map(|_| Log::default()).collect();
        let machines: Vec<Machine> = (0..3).map(|_| Machine::default()).collect();
        let peers = Peers::default();
        let messages = Arc::clone(&peers.messages);
        let leader = runtime.block_on(boot(variant, peers, &logs, &machines));
        OpenRaft { leader, logs, machines, messages, waiting: Vec::new(), counted: 0, runtime }
    }

    /// Entries that each node's log keeps.
    pub fn kept(&self) -> Vec<usize> {
        self.logs.iter().map(Log::kept).collect()
    }
}

/// Starts the nodes; returns the first when all have applied the entry with which its leadership begins.
async fn boot(variant: Variant, peers: Peers, logs: &[Log], machines: &[Machine]) -> Raft<Types> {
    let config = Arc::new(variant.config());
    let mut rafts = Vec::new();
    for ((id, log), machine) in (0..).zip(logs).zip(machines) {
        let raft = Raft::new(id, Arc::clone(&config), peers.clone(), log.clone(), machine.clone()).await;
        rafts.push(raft.expect("an empty store can be opened"));
    }
    assert!(peers.rafts.set(rafts.clone()).is_ok(), "nodes boot once");
    let members: BTreeSet<Id> = (0..3).collect();
    rafts[0].initialize(members).await.expect("an empty cluster can be formed");
    for raft in &rafts {
        let booted = raft.wait(Some(BOOT)).applied_index_at_least(Some(1), "the leader's first entry").await;
        assert_eq!(booted.expect("nobody is in the way").current_leader, Some(0));
    }
    rafts.swap_remove(0)
}

/// Lets the executor run until `reached`, or until it was asked `looks` times.
async fn until(mut looks: u32, reached: impl Fn() -> bool) {
    poll_fn(|context| {
        if looks == 0 || reached() {
            return Poll::Ready(());
        }
        looks -= 1;
        // The executor asks again when it has run what is ready, or much of it.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Cluster for OpenRaft {
    fn propose(&mut self, burst: Burst) {
        self.waiting.extend(burst);
    }

    fn pump(&mut self) -> u64 {
        let (leader, machine, before) = (&self.leader, &self.machines[0], self.counted);
        let waiting = self.waiting.drain(..);
        self.counted = self.runtime.block_on(async {
            for command in waiting {
                leader.client_write_ff(command).await.expect("the leader runs");
            }
            until(LOOKS_PER_PUMP, || machine.digest().commands > before).await;
            machine.digest().commands
        });
        self.counted - before
    }

    fn settle(&mut self) {
        let machines = &self.machines;
        let equal = || machines.iter().all(|machine| machine.digest() == machines[0].digest());
        self.runtime.block_on(until(LOOKS_TO_SETTLE, equal));
    }

    fn applied(&self) -> Vec<Digest> {
        self.machines.iter().map(Machine::digest).collect()
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Load, prove};

    #[test]
    fn every_variant_does_the_work() {
        for variant in Variant::ALL {
            for (window, commands) in [(1, 300), (64, 10_000), (1_000, 20_000)] {
                let load = Load::new(5, 64, window);
                let proof = prove(&mut OpenRaft::new(variant), &load, commands);
                let proof = proof.unwrap_or_else(|wrong| panic!("{variant:?} at {window}: {wrong}"));
                assert_eq!(proof.digest.commands, commands);
            }
        }
    }

    #[test]
    fn a_command_alone_costs_eight_messages_and_large_payloads_carry_a_window_at_once() {
        let messages = |variant, window| {
            let proof = prove(&mut OpenRaft::new(variant), &Load::new(5, 64, window), window * 100);
            proof.expect("the peer works").messages_per_commit() * window as f64
        };
        let [default, large] = Variant::ALL;
        assert!((messages(large, 1) - 8.0).abs() < 0.5);
        // The default splits a window of a thousand into four messages.
        assert!(messages(large, 1_000) < 16.0);
        assert!(messages(default, 1_000) > 16.0);
    }

    #[test]
    fn long_logs_are_cut_on_every_node() {
        let [.., variant] = Variant::ALL;
        let mut cluster = OpenRaft::new(variant);
        let proof = prove(&mut cluster, &Load::new(5, 8, 1_000), 100_000);
        assert_eq!(proof.map(|proof| proof.digest.commands), Ok(100_000));
        let most = (SNAPSHOT_AT + 2 * SNAPSHOT_KEEPS) as usize + 1_000;
        assert!(cluster.kept().iter().all(|kept| *kept < most), "{:?}", cluster.kept());
    }
}
