//! Our Raft over the runtime's driver for one thread: the type that is model-checked, simulated and fuzzed,
//! at full speed.
//!
//! Three nodes, PreVote on, default limits. Every command goes in by name and is answered by name, as the
//! contract has it; peers and floors only count. The machine digests what it applies; with [`Clients`] it also keeps
//! it under a key, and applies a command once however often it comes. A command is the client's
//! own allocation, as at the peers. (Copying short ones into their entries was slower: entries of 72 bytes
//! that begin with odd-sized parts are moved by loads that straddle earlier stores, and each such load waits
//! until all stores before it are done.)
//!
//! The disk is a [`RecentRecords`]: records are appended, synced and waited for as on any storage, and the
//! oldest are let go of, as bytes written to a disk are not held in memory either. Wall time
//! reaches the nodes in steps of at most ten milliseconds, as it reaches the peers' in ticks: a process that
//! is suspended for a second does not hold an election.
//!
//! Verified by the digests of [`crate::workload::prove`], which every node must reach, and by the number of
//! messages per commit.

use core::fmt::Debug;
use core::marker::PhantomData;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reports::artifact::{Implementation, Role};
use swarm_protocol::{NodeId, OpId, Specification, Ticks, WriteId};
use swarm_raft::sessions::Session;
use swarm_raft::{Answer, Config, Machine, Once, OnceAnswer, Raft, Record, Sessions};
use swarm_runtime::storage::Storage;
use swarm_runtime::{Local, no_tasks};

use crate::paired::{Contestant, NODES};
use crate::workload::{Burst, Cluster, Digest};

/// The longest step in which wall time reaches the nodes.
const STEP: Duration = Duration::from_millis(10);

/// Pumps between two looks at the clock.
const PUMPS_PER_LOOK: u64 = 64;

/// The seeds that are tried until the first node is elected: each node wins for a third of them.
const SEEDS_MAX: u64 = 1_000;

/// The records that a disk remembers.
const RECORDS_KEPT: u64 = 1_024;

/// The clients of [`Clients`], and the keys under which they keep what they send.
const CLIENTS: u64 = 16;
const KEYS: u64 = 4_096;

/// Our Raft, with a machine that only digests, as the peers' do, and with one that keeps and has sessions.
pub fn contestants() -> Vec<Contestant> {
    let ours = |settings| Implementation::new(Role::Ours, "swarm-raft", env!("CARGO_PKG_VERSION"), settings);
    let plain = ours("pre_vote, loop driver, group commit to memory");
    let keyed = ours("the same, keys and values, 16 sessions of clients");
    vec![Contestant::new(plain, |_| OurRaft::new()), Contestant::new(keyed, |_| KeyedRaft::new())]
}

/// Who asks, and of which machine.
pub trait Asking: Default {
    /// The replicated machine.
    type Machine: Machine;

    /// What is asked for before all commands.
    fn opening() -> Vec<<Self::Machine as Machine>::Command> {
        Vec::new()
    }

    /// The command number `ordinal`, counted from 0, made of these bytes.
    fn command(&mut self, ordinal: u64, bytes: Bytes) -> <Self::Machine as Machine>::Command;

    /// The command of this number is answered; whether that says that it was applied.
    fn answered(&mut self, ordinal: u64, answer: &<Self::Machine as Machine>::Answer) -> bool;

    /// What the machine has applied.
    fn digest(machine: &Self::Machine) -> Digest;
}

/// Commands as they come, to be digested.
#[derive(Debug, Default)]
pub struct Plain;

impl Asking for Plain {
    type Machine = Digesting;

    #[inline]
    fn command(&mut self, _ordinal: u64, bytes: Bytes) -> Bytes {
        bytes
    }

    #[inline]
    fn answered(&mut self, _ordinal: u64, (): &()) -> bool {
        true
    }

    fn digest(machine: &Digesting) -> Digest {
        machine.0
    }
}

/// Clients with a session each, in turn.
#[derive(Debug)]
pub struct Clients(Vec<Session>);

impl Default for Clients {
    fn default() -> Self {
        Clients((1..=CLIENTS).map(Session::new).collect())
    }
}

impl Asking for Clients {
    type Machine = Sessions<Keeping>;

    fn opening() -> Vec<Once<Bytes>> {
        vec![Once::Open; CLIENTS as usize]
    }

    #[inline]
    fn command(&mut self, ordinal: u64, bytes: Bytes) -> Once<Bytes> {
        let session = &mut self.0[(ordinal % CLIENTS) as usize];
        session.next(bytes).expect("the window is smaller than those of all sessions").1
    }

    #[inline]
    fn answered(&mut self, ordinal: u64, answer: &OnceAnswer<u64>) -> bool {
        self.0[(ordinal % CLIENTS) as usize].answered(ordinal / CLIENTS);
        matches!(answer, OnceAnswer::Applied(_))
    }

    fn digest(machine: &Sessions<Keeping>) -> Digest {
        machine.inner().digest
    }
}

/// A replicated machine that digests what it applies and keeps it under a key that its first word names.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    digest: Digest,
    kept: BTreeMap<u64, Bytes>,
}

impl Machine for Keeping {
    type Command = Bytes;
    /// How many bytes stood under that key before.
    type Answer = u64;
    type Spec = NothingPromised<Bytes, u64>;

    #[inline]
    fn apply(&mut self, command: &Bytes) -> u64 {
        self.digest.take(command);
        let word = command.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        self.kept.insert(word % KEYS, command.clone()).map_or(0, |before| before.len() as u64)
    }

    fn bytes(command: &Bytes) -> u64 {
        command.len() as u64
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.digest.save(out);
        for (key, value) in &self.kept {
            out.extend_from_slice(&key.to_le_bytes());
            out.extend_from_slice(&(value.len() as u64).to_le_bytes());
            out.extend_from_slice(value);
        }
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        let (digest, mut rest) = bytes.split_at_checked(size_of::<Digest>())?;
        let mut kept = BTreeMap::new();
        while !rest.is_empty() {
            let (key, after) = rest.split_first_chunk()?;
            let (length, after) = after.split_first_chunk()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (value, after) = after.split_at_checked(length)?;
            kept.insert(u64::from_le_bytes(*key), Bytes::copy_from_slice(value));
            rest = after;
        }
        Some(Keeping { digest: Digest::restore(digest)?, kept })
    }
}

/// The replicated machine: digests what it applies.
#[derive(Clone, Debug, Default)]
pub struct Digesting(pub Digest);

impl Machine for Digesting {
    type Command = Bytes;
    type Answer = ();
    type Spec = NothingPromised<Bytes>;

    #[inline]
    fn apply(&mut self, command: &Bytes) {
        self.0.take(command);
    }

    fn bytes(command: &Bytes) -> u64 {
        command.len() as u64
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        Digest::restore(bytes).map(Digesting)
    }
}

/// What clients are promised of commands `C`: an answer. The digests say the rest.
#[derive(Clone, Copy, Debug)]
pub struct NothingPromised<C, A = ()>(PhantomData<(C, A)>);

impl<C: Clone + Debug, A: Clone + Debug + Default + PartialEq> Specification for NothingPromised<C, A> {
    type State = ();
    type Op = C;
    type Answer = A;

    fn apply((): &mut (), _op: &C) -> A {
        A::default()
    }
}

/// A disk that remembers its latest records only.
#[derive(Debug)]
pub struct RecentRecords<R> {
    /// A ring: the `n`th record, counted from 0, stands at `n % RECORDS_KEPT`.
    records: Vec<R>,
    appended: u64,
}

impl<R> RecentRecords<R> {
    /// An empty disk.
    pub const fn new() -> Self {
        RecentRecords { records: Vec::new(), appended: 0 }
    }
}

impl<R> Default for RecentRecords<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Clone> Storage<R> for RecentRecords<R> {
    fn recover(&mut self) -> io::Result<Vec<R>> {
        if self.appended > self.records.len() as u64 {
            return Err(io::Error::other("the oldest records are gone"));
        }
        Ok(self.records.clone())
    }

    #[inline]
    fn append(&mut self, record: R) -> io::Result<()> {
        if self.records.len() < RECORDS_KEPT as usize {
            self.records.push(record);
        } else {
            self.records[(self.appended % RECORDS_KEPT) as usize] = record;
        }
        self.appended += 1;
        Ok(())
    }

    #[inline]
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn retire(&mut self, _before: WriteId) -> io::Result<()> {
        Ok(())
    }
}

type Commanded<A> = <<A as Asking>::Machine as Machine>::Command;
type Nodes<A> = Local<Raft<<A as Asking>::Machine>, RecentRecords<Record<Commanded<A>>>>;

/// Three nodes of our Raft in one thread; the first leads.
pub struct Ours<A: Asking> {
    nodes: Nodes<A>,
    asking: A,
    proposed: u64,
    pumps: u64,
    looked: Instant,
}

/// With the machine that the peers have.
pub type OurRaft = Ours<Plain>;

/// With keys, values and sessions.
pub type KeyedRaft = Ours<Clients>;

impl<A: Asking> Ours<A> {
    /// Boots the nodes, and lets time pass until they have elected a leader; with the first seed with which
    /// that is the first node. Then asks for what comes before all commands.
    pub fn new() -> Self {
        (0..SEEDS_MAX).find_map(Self::led_by_the_first).expect("each node is elected for some seeds")
    }

    fn led_by_the_first(seed: u64) -> Option<Self> {
        let disks = (0..NODES).map(|_| RecentRecords::new()).collect();
        let mut nodes: Nodes<A> =
            Local::on(Config::new(NODES), disks, seed, no_tasks).expect("empty disks can be read");
        while nodes.nodes().all(|node| !node.is_leader() || node.commit_index() == 0) {
            nodes.pump_until_quiet(1_000, &mut |_, _, _| {});
            let next = nodes.next_deadline()?;
            nodes.advance(next);
        }
        if !nodes.nodes().next().is_some_and(Raft::is_leader) {
            return None;
        }
        for command in A::opening() {
            nodes.invoke(NodeId(0), OpId(0), command);
        }
        nodes.pump_until_quiet(1_000, &mut |_, _, _| {});
        Some(Ours { nodes, asking: A::default(), proposed: 0, pumps: 0, looked: Instant::now() })
    }
}

impl<A: Asking> Default for Ours<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Asking> Cluster for Ours<A> {
    fn propose(&mut self, burst: Burst) {
        for bytes in burst {
            let command = self.asking.command(self.proposed, bytes);
            self.nodes.invoke(NodeId(0), OpId(self.proposed), command);
            self.proposed += 1;
        }
    }

    fn pump(&mut self) -> u64 {
        self.pumps += 1;
        if self.pumps.is_multiple_of(PUMPS_PER_LOOK) {
            let passed = self.looked.elapsed();
            if passed >= STEP {
                self.looked = Instant::now();
                self.nodes.advance(self.nodes.now() + Ticks::from_micros(STEP.as_micros() as u64));
            }
        }
        let (mut applied, asking) = (0, &mut self.asking);
        self.nodes.pump(&mut |_, OpId(ordinal), answer| {
            if let Answer::Applied(answer) = answer {
                applied += u64::from(asking.answered(ordinal, &answer));
            }
        });
        applied
    }

    fn settle(&mut self) {
        // The commit index rides on appends; when there are none, on the next heartbeat.
        let heartbeat = self.nodes.config().heartbeat_interval;
        self.nodes.advance(self.nodes.now() + heartbeat);
        self.nodes.pump_until_quiet(1_000, &mut |_, _, _| {});
    }

    fn applied(&self) -> Vec<Digest> {
        self.nodes.nodes().map(|node| A::digest(node.machine())).collect()
    }

    fn messages(&self) -> u64 {
        self.nodes.counters().sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Load, prove};

    #[test]
    fn ours_does_the_work_at_every_window_and_length() {
        for bytes in [8, 64, 1024] {
            for (window, commands) in [(1, 300), (64, 20_000), (1000, 20_000)] {
                let load = Load::new(5, bytes, window);
                for proof in [
                    prove(&mut OurRaft::new(), &load, commands),
                    prove(&mut KeyedRaft::new(), &load, commands),
                ] {
                    let proof = proof.unwrap_or_else(|wrong| panic!("{load:?}: {wrong}"));
                    assert_eq!(proof.digest, Load { thorough: true, ..load }.expected(commands));
                }
            }
        }
    }

    #[test]
    fn what_is_kept_survives_a_snapshot_and_what_is_no_snapshot_is_refused() {
        let mut machine = Keeping::default();
        let load = Load::new(5, 24, 1);
        let new = load.burst(0, 5_000).filter(|command| machine.apply(command) == 0).count();
        assert_eq!((machine.digest, machine.kept.len()), (load.expected(5_000), new));
        let mut saved = Vec::new();
        machine.save(&mut saved);
        let restored = Keeping::restore(&saved).expect("it was saved");
        assert_eq!((restored.digest, &restored.kept), (machine.digest, &machine.kept));
        assert!(Keeping::restore(&saved[..saved.len() - 1]).is_none() && Keeping::restore(&[]).is_none());
    }

    #[test]
    fn a_command_that_no_session_takes_counts_as_none() {
        let mut clients = Clients::default();
        assert!(!clients.answered(0, &OnceAnswer::Closed) && clients.answered(1, &OnceAnswer::Applied(24)));
    }

    #[test]
    fn a_burst_costs_four_messages_whatever_its_size() {
        for window in [1, 64, 1024] {
            let bursts = 200;
            let load = Load::new(5, 64, window);
            let proof = prove(&mut OurRaft::new(), &load, window * bursts).expect("ours works");
            let per_burst = proof.messages_per_commit() * window as f64;
            // Heartbeats, four messages each, come once in fifty milliseconds.
            assert!((4.0..4.5).contains(&per_burst), "window {window}: {per_burst}");
        }
    }

    #[test]
    fn all_implementations_have_one_digest_and_it_is_that_of_the_work() {
        let mut all = contestants();
        all.extend(crate::floor::contestants());
        all.extend(crate::peers::contestants(true));
        for (bytes, window) in [(64, 1), (64, 64), (1024, 64)] {
            let load = Load::new(11, bytes, window);
            let expected = Load { thorough: true, ..load }.expected(2_000);
            for contestant in &all {
                let proof = contestant.prove(&load, 2_000);
                let digest = proof.map(|proof| proof.digest);
                assert_eq!(digest, Ok(expected), "{:?} at {load:?}", contestant.implementation);
            }
        }
    }

    #[test]
    fn a_disk_that_forgot_records_does_not_boot_a_node() {
        let mut disk = RecentRecords::new();
        (0..RECORDS_KEPT).for_each(|n| disk.append(n).expect("memory takes all"));
        assert_eq!(disk.recover().expect("all are there").len() as u64, RECORDS_KEPT);
        disk.append(0).expect("memory takes all");
        assert!(disk.recover().is_err());
    }
}
