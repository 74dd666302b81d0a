//! The work that every implementation does alike: commands, the digest that proves it, and the closed
//! loop that keeps a window of them in flight.
//!
//! A [`Load`] makes command `i` from a seed: a fresh allocation each, as a client's request would be. A
//! [`Cluster`] is a group of nodes in one thread that commits them. Every node folds what it applies into
//! a [`Digest`], and [`Load::expected`] says, without any cluster, what that must come to: a command
//! lost, doubled, reordered or altered anywhere makes the run a failure, not a fast result. Two
//! implementations with equal digests have done equal work.
//!
//! - [`prove`] runs a fixed number of *thorough* commands, of which every node reads every byte.
//! - [`measure`] runs sessions of [`SESSION_COMMANDS`], each on a fresh cluster: first for throughput, no
//!   clock being read in the loop, then for latency, one reading per burst; nodes read one word of each
//!   command.
//!
//! Throughput and latency are apart because reading the clock costs as much as committing dozens of
//! commands. What is *not* measured: serialization, networks, disks, cutting logs back. Messages move as values within
//! one thread, so this is the CPU cost of the protocol's core and of its log.
//!
//! Verified by tests with a cluster that works and with ones that lose, double, reorder, alter and stall.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::clock::{Stopwatch, thread_cpu};
use crate::recorder;

/// Commands that a session commits before it is measured: buffers have their size, pipelines are full.
pub(crate) const SESSION_WARM: u64 = 4_096;

/// Commands that a cluster commits before it is given up for a fresh one. Logs grow to this many entries
/// and nobody has to cut one back, which is what implementations do most differently (by snapshots, on the
/// application's word, not at all yet); it is of the size at which etcd cuts: 5 000 entries kept and
/// 10 000 more.
pub const SESSION_COMMANDS: u64 = 16_384;

/// Pumps without any commit after which a cluster counts as stalled.
const PUMPS_WITHOUT_COMMIT_MAX: u32 = 100_000;

/// The top bit of a command's first word: whoever applies it reads it to the end.
const THOROUGH: u64 = 1 << 63;

/// A sequence of commands and how many of them are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Names the sequence: commands of different seeds differ.
    pub seed: u64,
    /// The length of each command, at least 8.
    pub bytes: usize,
    /// How many commands are in flight, at least 1.
    pub window: u64,
    /// Whether appliers read commands to the end; otherwise only their first word.
    pub thorough: bool,
}

impl Load {
    /// Commands of `bytes` bytes, `window` in flight, of which appliers read the first word.
    ///
    /// # Panics
    /// If `bytes` is below 8 or `window` is 0.
    pub fn new(seed: u64, bytes: usize, window: u64) -> Self {
        assert!(bytes >= 8, "a command of {bytes} bytes has no room for its first word");
        assert!(window >= 1, "nothing would be in flight");
        Load { seed, bytes, window, thorough: false }
    }

    /// The first word of command `index`; distinct for distinct indices below 2⁶³ of one seed.
    fn word(&self, index: u64) -> u64 {
        // Multiplication by an odd number permutes the words modulo 2⁶³ (Knuth's multiplicative hash).
        let word = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.seed;
        if self.thorough { word | THOROUGH } else { word & !THOROUGH }
    }

    /// Command `index`, freshly allocated.
    pub fn command(&self, index: u64) -> Bytes {
        let word = self.word(index);
        let mut bytes = vec![word as u8; self.bytes];
        if self.thorough {
            for (i, chunk) in bytes.chunks_mut(8).enumerate() {
                let inner = swarm_protocol::mix(word ^ i as u64).to_le_bytes();
                chunk.copy_from_slice(&inner[..chunk.len()]);
            }
        }
        bytes[..8].copy_from_slice(&word.to_le_bytes());
        Bytes::from(bytes)
    }

    /// The `count` commands from `first` on.
    pub fn burst(&self, first: u64, count: u64) -> Burst {
        Burst { load: *self, next: first, end: first + count }
    }

    /// What a node that applied exactly the first `commands` commands, in order, has for a digest.
    pub fn expected(&self, commands: u64) -> Digest {
        let mut digest = Digest::default();
        if self.thorough {
            self.burst(0, commands).for_each(|command| digest.take(&command));
        } else {
            // The same without making the commands, of which only the first word is read.
            (0..commands).for_each(|index| digest.take_word(self.word(index), self.bytes));
        }
        digest
    }
}

/// A run of commands, made as they are taken.
#[derive(Clone, Debug)]
pub struct Burst {
    load: Load,
    next: u64,
    end: u64,
}

impl Iterator for Burst {
    type Item = Bytes;

    #[inline]
    fn next(&mut self) -> Option<Bytes> {
        (self.next < self.end).then(|| {
            self.next += 1;
            self.load.command(self.next - 1)
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Burst {}

/// What a node has applied: how much, and a fold that depends on content and order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// Commands applied.
    pub commands: u64,
    /// The fold of their contents, in order.
    pub fold: u64,
}

impl Digest {
    /// Appends the digest in bytes.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.commands.to_le_bytes());
        out.extend_from_slice(&self.fold.to_le_bytes());
    }

    /// The digest that was saved so; `None` if these bytes are none.
    pub fn restore(bytes: &[u8]) -> Option<Self> {
        let (commands, fold) = bytes.split_first_chunk()?;
        Some(Digest {
            commands: u64::from_le_bytes(*commands),
            fold: u64::from_le_bytes(fold.try_into().ok()?),
        })
    }

    /// Takes in one applied command; the empty command, an election's no-op, is none.
    #[inline]
    pub fn take(&mut self, command: &[u8]) {
        let Some((first, rest)) = command.split_first_chunk::<8>() else {
            if !command.is_empty() {
                self.take_word(u64::from(command[0]), command.len());
            }
            return;
        };
        let word = u64::from_le_bytes(*first);
        self.take_word(word, command.len());
        if word & THOROUGH != 0 {
            for chunk in rest.chunks(8) {
                let mut padded = [0; 8];
                padded[..chunk.len()].copy_from_slice(chunk);
                self.mix(u64::from_le_bytes(padded));
            }
        }
    }

    #[inline]
    fn take_word(&mut self, word: u64, bytes: usize) {
        self.commands += 1;
        self.mix(word ^ (bytes as u64) << 40);
    }

    /// One step of FxHash: a rotation, so that order matters, and a multiplication, so that bits spread.
    #[inline]
    fn mix(&mut self, word: u64) {
        self.fold = (self.fold.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

/// Nodes of one implementation, moved by hand in one thread, with a leader that is known.
pub trait Cluster {
    /// Hands a burst of commands to the leader.
    fn propose(&mut self, burst: Burst);

    /// Moves every message that is ready, once round the nodes; returns how many commands the leader has
    /// applied since the last call.
    fn pump(&mut self) -> u64;

    /// Lets every node learn what is committed, nothing being in flight any more.
    fn settle(&mut self);

    /// What each node has applied.
    fn applied(&self) -> Vec<Digest>;

    /// Messages sent since the cluster was built.
    fn messages(&self) -> u64;
}

/// How a run was wrong. Such a run has no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The cluster committed nothing for so long that it will not.
    Stalled {
        /// Commands handed in.
        proposed: u64,
        /// Commands that the leader applied.
        applied: u64,
    },
    /// The leader reported more commands than it was given.
    Excess {
        /// Commands handed in.
        proposed: u64,
        /// Commands reported.
        applied: u64,
    },
    /// A node's digest is not that of the commands handed in.
    Unequal {
        /// Which node.
        node: usize,
        /// What it must have.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Stalled { proposed, applied } => {
                write!(f, "stalled: {applied} of {proposed} commands applied at the leader")
            }
            Wrong::Excess { proposed, applied } => {
                write!(f, "the leader reports {applied} commands, {proposed} were proposed")
            }
            Wrong::Unequal { node, expected, found } => write!(
                f,
                "node {node} applied {} commands with digest {:016x}; {} with digest {:016x} were proposed",
                found.commands, found.fold, expected.commands, expected.fold
            ),
        }
    }
}

impl std::error::Error for Wrong {}

/// What a thorough run showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What every node applied.
    pub digest: Digest,
    /// Messages sent from the first proposal to the last commit at the leader.
    pub messages: u64,
}

impl Proof {
    /// Messages sent for each command.
    pub fn messages_per_commit(&self) -> f64 {
        self.messages as f64 / self.digest.commands as f64
    }
}

/// The figures of a run for throughput.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// Commands committed while measured.
    pub commits: u64,
    /// CPU time of this thread in which they were.
    pub cpu: Duration,
    /// Wall time in which they were.
    pub wall: Duration,
}

impl Pass {
    /// Commits per second of CPU time.
    pub fn per_cpu_second(&self) -> f64 {
        self.commits as f64 / self.cpu.as_secs_f64()
    }
}

/// A closed loop: as many commands are in flight as the window holds, and a new one follows each commit.
pub(crate) struct Loop<'a, C> {
    cluster: &'a mut C,
    load: Load,
    proposed: u64,
    applied: u64,
    idle_pumps: u32,
}

impl<'a, C: Cluster> Loop<'a, C> {
    pub(crate) fn new(cluster: &'a mut C, load: &Load) -> Self {
        Loop { cluster, load: *load, proposed: 0, applied: 0, idle_pumps: 0 }
    }

    /// Proposes as much as the window and `limit` allow; says how much that was.
    #[inline]
    fn fill(&mut self, limit: u64) -> u64 {
        let free = (self.applied + self.load.window).min(limit) - self.proposed;
        if free > 0 {
            self.propose(free);
        }
        free
    }

    /// Proposes the next `count` commands, whatever the window.
    #[inline]
    pub(crate) fn propose(&mut self, count: u64) {
        self.cluster.propose(self.load.burst(self.proposed, count));
        self.proposed += count;
    }

    /// Goes on until `commands` are committed, and nothing else is proposed.
    pub(crate) fn commit(&mut self, commands: u64) -> Result<(), Wrong> {
        while self.applied < commands {
            self.fill(commands);
            self.pump()?;
        }
        Ok(())
    }

    /// Commits what a session begins with, and waits for it.
    pub(crate) fn warm_up(&mut self) -> Result<(), Wrong> {
        self.commit(SESSION_WARM)?;
        self.drain()
    }

    /// Pumps once; says how many commands the leader applied.
    #[inline]
    pub(crate) fn pump(&mut self) -> Result<u64, Wrong> {
        let newly = self.cluster.pump();
        self.applied += newly;
        if self.applied > self.proposed {
            return Err(Wrong::Excess { proposed: self.proposed, applied: self.applied });
        }
        if newly > 0 {
            self.idle_pumps = 0;
        } else {
            self.idle_pumps += 1;
            if self.idle_pumps > PUMPS_WITHOUT_COMMIT_MAX {
                return Err(Wrong::Stalled { proposed: self.proposed, applied: self.applied });
            }
        }
        Ok(newly)
    }

    /// Waits for what is in flight.
    fn drain(&mut self) -> Result<(), Wrong> {
        while self.applied < self.proposed {
            self.pump()?;
        }
        Ok(())
    }

    /// Waits for what is in flight, and compares every node's digest with what it must be.
    pub(crate) fn finish(mut self) -> Result<Digest, Wrong> {
        self.drain()?;
        self.cluster.settle();
        let expected = self.load.expected(self.proposed);
        match self.cluster.applied().into_iter().enumerate().find(|(_, found)| *found != expected) {
            Some((node, found)) => Err(Wrong::Unequal { node, expected, found }),
            None => Ok(expected),
        }
    }
}

/// Commits the first `commands` commands of `load`, thoroughly read, and compares what every node applied
/// with what it must be.
///
/// # Errors
/// If the cluster stalls, or any node applied anything else.
pub fn prove(cluster: &mut impl Cluster, load: &Load, commands: u64) -> Result<Proof, Wrong> {
    let messages_before = cluster.messages();
    let mut run = Loop::new(cluster, &Load { thorough: true, ..*load });
    while run.applied < commands {
        run.fill(commands);
        run.pump()?;
    }
    let messages = run.cluster.messages() - messages_before;
    let digest = run.finish()?;
    Ok(Proof { digest, messages })
}

/// How long a measurement lasts: CPU time, of whole sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For throughput.
    pub throughput: Duration,
    /// For latency.
    pub latency: Duration,
}

/// The figures of one measurement.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Throughput, measured without a clock in the loop.
    pub throughput: Pass,
    /// How long each command took from its proposal until the leader had applied it, in nanoseconds of
    /// [`Stopwatch::for_window`]'s clock, one reading of which is part of each figure.
    pub latency: Histogram<u64>,
}

/// Measures sessions, each on a fresh cluster: one to warm up the allocator, then for throughput, then for
/// latency, until each has used its time. Building, checking and freeing clusters is not measured.
///
/// # Errors
/// If a cluster stalls, or any node applied anything but the commands handed in.
///
/// # Panics
/// If the window does not leave most of a session to be measured: above 4096.
pub fn measure<C: Cluster>(build: impl Fn() -> C, load: &Load, budget: &Budget) -> Result<Measured, Wrong> {
    session(&build, load, |_| Ok(()))?;
    let mut throughput = Pass { commits: 0, cpu: Duration::ZERO, wall: Duration::ZERO };
    while throughput.cpu < budget.throughput {
        session(&build, load, |run| run.throughput(&mut throughput))?;
    }
    let (mut latency, mut used) = (recorder::histogram(), Duration::ZERO);
    while used < budget.latency {
        session(&build, load, |run| run.latency(&mut latency, &mut used))?;
    }
    Ok(Measured { throughput, latency })
}

/// The CPU time in which `commands` commands are committed: that of as many whole sessions as it takes, after
/// one to warm up, and in proportion.
///
/// # Errors
/// As [`measure`].
///
/// # Panics
/// As [`measure`].
pub fn time_commits<C: Cluster>(
    build: impl Fn() -> C,
    load: &Load,
    commands: u64,
) -> Result<Duration, Wrong> {
    session(&build, load, |_| Ok(()))?;
    let mut pass = Pass { commits: 0, cpu: Duration::ZERO, wall: Duration::ZERO };
    while pass.commits < commands {
        session(&build, load, |run| run.throughput(&mut pass))?;
    }
    Ok(pass.cpu.mul_f64(commands as f64 / pass.commits as f64))
}

/// Builds a cluster, has it commit a session of commands, of which the middle is handed to `measured`, and
/// compares what every node applied with what it must be.
fn session<C: Cluster>(
    build: impl Fn() -> C,
    load: &Load,
    measured: impl FnOnce(&mut Loop<'_, C>) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    assert!(load.window <= SESSION_COMMANDS / 4, "a window of {} is most of a session", load.window);
    let mut cluster = build();
    let mut run = Loop::new(&mut cluster, load);
    run.until(SESSION_WARM)?;
    measured(&mut run)?;
    run.until(SESSION_COMMANDS)?;
    run.finish().map(drop)
}

impl<C: Cluster> Loop<'_, C> {
    /// Goes on until the leader has applied so many commands of the session.
    fn until(&mut self, applied: u64) -> Result<(), Wrong> {
        while self.applied < applied {
            self.fill(SESSION_COMMANDS);
            self.pump()?;
        }
        Ok(())
    }

    /// Measures as long as the window can be kept full.
    fn throughput(&mut self, pass: &mut Pass) -> Result<(), Wrong> {
        let (applied, wall, begin) = (self.applied, Instant::now(), thread_cpu());
        self.until(SESSION_COMMANDS - self.load.window)?;
        pass.cpu += thread_cpu().saturating_sub(begin);
        pass.commits += self.applied - applied;
        pass.wall += wall.elapsed();
        Ok(())
    }

    /// Records as long as the window can be kept full. Commands complete in the order of the log, so a queue
    /// of start times is all the bookkeeping there is.
    fn latency(&mut self, histogram: &mut Histogram<u64>, used: &mut Duration) -> Result<(), Wrong> {
        self.drain()?;
        let (begin, stopwatch) = (thread_cpu(), Stopwatch::for_window(self.load.window));
        // Start times of what is in flight, oldest first, with how many commands started then.
        let mut starts: VecDeque<(u64, u64)> = VecDeque::new();
        let mut now = stopwatch.nanos();
        while self.applied < SESSION_COMMANDS - self.load.window {
            let free = self.fill(SESSION_COMMANDS);
            if free > 0 {
                starts.push_back((now, free));
            }
            let mut newly = self.pump()?;
            if newly == 0 {
                continue;
            }
            now = stopwatch.nanos();
            while let Some((start, left)) = starts.front_mut().filter(|_| newly > 0) {
                let taken = newly.min(*left);
                histogram.saturating_record_n((now - *start).max(1), taken);
                newly -= taken;
                *left -= taken;
                if *left == 0 {
                    starts.pop_front();
                }
            }
        }
        *used += thread_cpu().saturating_sub(begin);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three nodes that agree because one call writes all three; `fault` spoils it.
    #[derive(Default)]
    struct Oracle {
        waiting: VecDeque<Bytes>,
        nodes: [Digest; 3],
        taken: u64,
        messages: u64,
        fault: Option<Fault>,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        LosesAtOneNode,
        DoublesAtOneNode,
        AltersTheLastByte,
        SwapsTwo,
        Stalls,
        ReportsTooMany,
    }

    impl Cluster for Oracle {
        fn propose(&mut self, burst: Burst) {
            self.waiting.extend(burst);
        }

        fn pump(&mut self) -> u64 {
            if self.fault == Some(Fault::Stalls) && self.taken >= 50 {
                return 0;
            }
            let mut newly = self.waiting.len() as u64;
            if self.fault == Some(Fault::SwapsTwo) && newly > 1 {
                self.waiting.swap(0, 1);
            }
            for command in self.waiting.drain(..) {
                self.taken += 1;
                self.messages += 4;
                let spoiled = self.taken == 70;
                for (node, digest) in self.nodes.iter_mut().enumerate() {
                    match self.fault {
                        Some(Fault::LosesAtOneNode) if spoiled && node == 2 => {}
                        Some(Fault::DoublesAtOneNode) if spoiled && node == 1 => {
                            digest.take(&command);
                            digest.take(&command);
                        }
                        Some(Fault::AltersTheLastByte) if spoiled && node == 0 => {
                            let mut altered = command.to_vec();
                            *altered.last_mut().expect("commands are not empty") ^= 1;
                            digest.take(&altered);
                        }
                        _ => digest.take(&command),
                    }
                }
            }
            if self.fault == Some(Fault::ReportsTooMany) && self.taken > 60 {
                newly += 1;
            }
            newly
        }

        fn settle(&mut self) {}

        fn applied(&self) -> Vec<Digest> {
            self.nodes.to_vec()
        }

        fn messages(&self) -> u64 {
            self.messages
        }
    }

    fn proved(fault: Option<Fault>) -> Result<Proof, Wrong> {
        prove(&mut Oracle { fault, ..Oracle::default() }, &Load::new(7, 64, 4), 200)
    }

    #[test]
    fn a_cluster_that_works_is_proved_with_its_messages_counted() {
        let proof = proved(None).expect("nothing is wrong");
        assert_eq!((proof.digest.commands, proof.messages), (200, 800));
    }

    #[test]
    fn every_kind_of_wrong_work_is_found_out() {
        let wrong = |fault| proved(Some(fault)).expect_err("the fault passed");
        assert!(
            matches!(wrong(Fault::LosesAtOneNode), Wrong::Unequal { node: 2, found, .. } if found.commands == 199)
        );
        assert!(
            matches!(wrong(Fault::DoublesAtOneNode), Wrong::Unequal { node: 1, found, .. } if found.commands == 201)
        );
        assert!(
            matches!(wrong(Fault::AltersTheLastByte), Wrong::Unequal { node: 0, found, .. } if found.commands == 200)
        );
        assert!(
            matches!(wrong(Fault::SwapsTwo), Wrong::Unequal { node: 0, found, .. } if found.commands == 200)
        );
        assert!(matches!(wrong(Fault::Stalls), Wrong::Stalled { applied: 52, .. }));
        assert!(matches!(wrong(Fault::ReportsTooMany), Wrong::Excess { .. }));
    }

    #[test]
    fn measurements_are_of_whole_sessions_and_refuse_wrong_work() {
        let load = Load::new(7, 64, 4);
        let budget = Budget { throughput: Duration::from_micros(1), latency: Duration::from_micros(1) };
        let broken = || Oracle { fault: Some(Fault::LosesAtOneNode), ..Oracle::default() };
        assert!(matches!(measure(broken, &load, &budget), Err(Wrong::Unequal { node: 2, .. })));
        let Measured { throughput, latency } =
            measure(Oracle::default, &load, &budget).expect("nothing is wrong");
        let measured_per_session = SESSION_COMMANDS - SESSION_WARM - load.window;
        assert!(throughput.commits > 0 && throughput.commits.is_multiple_of(measured_per_session));
        assert!(throughput.cpu > Duration::ZERO);
        assert!(!latency.is_empty() && latency.len().is_multiple_of(measured_per_session));
    }

    #[test]
    fn digests_depend_on_seed_length_order_and_thoroughness() {
        let digest = |load: Load| load.expected(100);
        let base = Load::new(1, 64, 1);
        let others = [Load::new(2, 64, 1), Load::new(1, 65, 1), Load { thorough: true, ..base }];
        for other in others {
            assert_ne!(digest(base), digest(other), "{other:?}");
        }
        assert_eq!(digest(base), digest(Load { window: 64, ..base }), "the window is no part of the work");
    }

    #[test]
    fn a_light_digest_equals_that_of_the_commands_themselves() {
        for bytes in [8, 9, 64, 1024] {
            let load = Load::new(3, bytes, 1);
            let mut digest = Digest::default();
            load.burst(0, 50).for_each(|command| digest.take(&command));
            assert_eq!(digest, load.expected(50));
        }
    }

    #[test]
    fn commands_differ_from_one_another() {
        let load = Load::new(3, 8, 1);
        let mut all: Vec<Bytes> = load.burst(0, 10_000).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 10_000);
    }
}
