//! What all nodes of a Raft cluster agree on before they start.
//!
//! Constant during a run. Verified by the tests below and by every engine, which runs several
//! configurations. Not verified: that the timeouts suit a real network (Raft §5.6: broadcast time ≪
//! election timeout ≪ time between failures).

use core::fmt;
use core::str::FromStr;

use swarm_protocol::{Delay, NodeId, NodeSet, Ticks};

use crate::witness::has_full_majority;

/// The way of a command that changes nothing ([`crate::Machine::read`]); see `reads.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reads {
    /// Through the log, like any other.
    #[default]
    Log,
    /// A round of confirmations from a majority shows that the leader leads still (dissertation §6.4).
    Index,
    /// The leader answers at once for as long as a majority has promised to elect nobody else (dissertation
    /// §6.4.1), and else by a round. Needs CheckQuorum, and clocks that keep within a bound.
    Lease {
        /// By how many millionths any clock, or any timer, may run fast or slow, the resolution of clocks over an
        /// election timeout included.
        drift_per_million: u32,
    },
}

/// Prints as `log`, `index` or, with its bound, `lease:500`.
impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reads::Log => f.write_str("log"),
            Reads::Index => f.write_str("index"),
            Reads::Lease { drift_per_million } => write!(f, "lease:{drift_per_million}"),
        }
    }
}

impl FromStr for Reads {
    type Err = String;

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<Self, String> {
        let lease = || text.strip_prefix("lease:")?.parse().ok();
        match text {
            "log" => Ok(Reads::Log),
            "index" => Ok(Reads::Index),
            _ => lease()
                .map(|drift_per_million| Reads::Lease { drift_per_million })
                .ok_or_else(|| format!("`{text}` is not a way to read: log, index, lease:PPM")),
        }
    }
}

/// Members, timeouts and limits. Start from [`Config::new`] and change fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The nodes that vote and replicate when the cluster begins.
    pub voters: NodeSet,
    /// The nodes that replicate without a vote when the cluster begins.
    pub learners: NodeSet,
    /// All nodes that may ever take part: whoever is none of them is not listened to, and cannot be made a member.
    pub servers: NodeSet,
    /// Who of the servers is a witness, which votes and stores no commands; see `witness.rs`. For good: to change what a
    /// server is, another takes its place.
    pub witnesses: NodeSet,
    /// Whether an election begins with a round of PreVote (dissertation §9.6).
    pub pre_vote: bool,
    /// Whether a server that would be elected but for its log is lent what that lacks, and asks again; see `loan.rs`.
    /// Needs PreVote.
    pub lends: bool,
    /// Whether a leader that hears from no majority steps down (dissertation §6.2), and whether a server that
    /// heard from its leader less than `election_timeout.min` ago keeps out of elections (§4.2.3). Needs a clock.
    pub check_quorum: bool,
    /// Which way commands go that change nothing.
    pub reads: Reads,
    /// How long a follower waits for its leader before it stands for election (Raft §5.2): a range, from
    /// which the driver picks, so that split votes are rare.
    pub election_timeout: Delay,
    /// How long a leader lets pass between two rounds of heartbeats; well below `election_timeout.min`.
    pub heartbeat_interval: Ticks,
    /// How much each node is wanted as leader, by its number, the higher first, 0 beyond the end; see `transfer.rs`.
    /// Nodes of lower priority are more patient, and hand over to one of a higher once that is caught up, for which
    /// CheckQuorum is needed. Empty: all alike.
    pub priorities: Vec<u8>,
    /// The most entries that one batch holds, at least 1: one batch is one allocation, one record and,
    /// in steady state, one append.
    pub batch_entries_max: u32,
    /// The largest command that is taken, in bytes as [`crate::Machine::bytes`] counts them, at least 1. A larger one is
    /// refused.
    pub command_bytes_max: u64,
    /// The most entries that one append carries, at least 1.
    pub append_entries_max: u32,
    /// How large the entries of one append are at most, in bytes, at least 1; a single entry may be larger.
    pub append_bytes_max: u64,
    /// How many entries may be on their way to one follower without being acknowledged, at least 1.
    pub in_flight_entries_max: u64,
    /// How many appends with entries may be on their way to one follower, at least 1.
    pub in_flight_messages_max: u32,
    /// How many bytes of entries may be on their way to one follower before nothing more is sent to it, at least 1: it
    /// is exceeded by less than an append.
    pub in_flight_bytes_max: u64,
    /// How many entries a leader holds uncommitted, and how many reads it lets wait, before it answers `Busy`, at
    /// least 1.
    pub uncommitted_entries_max: u64,
    /// How many bytes of entries a leader holds uncommitted before it answers `Busy`, at least 1; a single command may
    /// be larger.
    pub uncommitted_bytes_max: u64,
    /// When the log gives way to a snapshot.
    pub compaction: Compaction,
}

/// When the log gives way to a snapshot of the machine (Raft §7), and how that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compaction {
    /// How large the log behind the last snapshot is, in bytes as [`crate::Machine::bytes`] counts them, when the
    /// next is taken, at least 1; never if it is `u64::MAX`. If the last snapshot was larger, its size counts.
    pub log_bytes: u64,
    /// How many entries before the snapshot's end stay in memory, for followers that lag a little.
    pub tail_entries: u64,
    /// How much of a snapshot one message carries, in bytes, at least 1.
    pub part_bytes: u32,
}

impl Compaction {
    /// No snapshots.
    pub const NEVER: Self = Compaction { log_bytes: u64::MAX, ..Self::USUAL };

    /// A snapshot for each 64 MiB of log; 16,384 entries stay.
    pub const USUAL: Self = Compaction { log_bytes: 64 << 20, tail_entries: 16_384, part_bytes: 256 << 10 };
}

impl Config {
    /// A cluster of the nodes `0..n` with PreVote, timeouts as in Raft §9.3 (150–300 ms) and limits that
    /// suit small commands.
    ///
    /// # Panics
    /// If `n` exceeds [`NodeSet::CAPACITY`].
    pub const fn new(n: u32) -> Self {
        Config {
            voters: NodeSet::first(n),
            learners: NodeSet::EMPTY,
            servers: NodeSet::first(n),
            witnesses: NodeSet::EMPTY,
            pre_vote: true,
            lends: false,
            check_quorum: false,
            reads: Reads::Log,
            election_timeout: Delay { min: Ticks::from_millis(150), max: Ticks::from_millis(300) },
            heartbeat_interval: Ticks::from_millis(50),
            priorities: Vec::new(),
            batch_entries_max: 4096,
            command_bytes_max: 1 << 20,
            append_entries_max: 4096,
            append_bytes_max: 4 << 20,
            in_flight_entries_max: 65_536,
            in_flight_messages_max: 256,
            in_flight_bytes_max: 64 << 20,
            uncommitted_entries_max: 65_536,
            uncommitted_bytes_max: 256 << 20,
            compaction: Compaction::USUAL,
        }
    }

    /// How much a node is wanted as leader.
    pub(crate) fn priority(&self, node: NodeId) -> u8 {
        self.priorities.get(node.index()).copied().unwrap_or(0)
    }

    /// How long a node waits for a leader before it stands for election: for each node that is wanted more, as much
    /// longer as the range is wide, so that all of those have had their turn.
    #[inline]
    pub(crate) fn patience(&self, node: NodeId) -> Delay {
        if self.priorities.is_empty() { self.election_timeout } else { self.patience_among_others(node) }
    }

    fn patience_among_others(&self, node: NodeId) -> Delay {
        let mine = self.priority(node);
        let wanted_more = self.priorities.iter().filter(|other| **other > mine).count() as u64;
        let Delay { min, max } = self.election_timeout;
        let longer = Ticks((max.0 - min.0).saturating_mul(wanted_more));
        Delay { min: Ticks(min.0.saturating_add(longer.0)), max: Ticks(max.0.saturating_add(longer.0)) }
    }

    /// For how long after a round was sent its leader may rely on it: a lease. What the followers promise, the
    /// least election timeout on clocks that may be fast, measured by one that may be slow.
    pub(crate) fn lease(&self) -> Option<Ticks> {
        let Reads::Lease { drift_per_million } = self.reads else { return None };
        let (drift, million) = (u128::from(drift_per_million), 1_000_000);
        let promised = u128::from(self.election_timeout.min.as_micros());
        Some(Ticks((promised * (million - drift.min(million)) / (million + drift)) as u64))
    }

    /// Whether a cluster can run with this configuration.
    ///
    /// # Errors
    /// The first field that does not make sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rules = [
            (!self.voters.is_empty(), "voters", "needs at least one node"),
            (self.voters.intersection(self.learners).is_empty(), "learners", "has voters in it"),
            (
                self.voters.union(self.learners).difference(self.servers).is_empty(),
                "servers",
                "lacks a voter or a learner",
            ),
            (
                self.witnesses.difference(self.servers).is_empty(),
                "witnesses",
                "name a node that is no server",
            ),
            (self.witnesses.intersection(self.learners).is_empty(), "witnesses", "have learners among them"),
            (has_full_majority(self.voters, self.witnesses), "witnesses", "leave no majority of full voters"),
            (self.election_timeout.min > Ticks::ZERO, "election_timeout", "must be longer than nothing"),
            (self.election_timeout.min <= self.election_timeout.max, "election_timeout", "is an empty range"),
            (self.heartbeat_interval > Ticks::ZERO, "heartbeat_interval", "must be longer than nothing"),
            (
                self.heartbeat_interval < self.election_timeout.min,
                "heartbeat_interval",
                "must be shorter than any election timeout",
            ),
            (self.pre_vote || !self.lends, "lends", "needs pre_vote"),
            (self.lease().is_none() || self.check_quorum, "reads", "by a lease need check_quorum"),
            (self.lease() != Some(Ticks::ZERO), "reads", "leave nothing of a lease with such a drift"),
            (
                self.priorities.len() <= self.servers.iter().last().map_or(0, |node| node.index() + 1),
                "priorities",
                "name a node that is no server",
            ),
            (
                self.witnesses.iter().all(|node| self.priority(node) == 0),
                "priorities",
                "want a witness to lead",
            ),
            (self.priorities.is_empty() || self.check_quorum, "priorities", "need check_quorum"),
            (self.batch_entries_max > 0, "batch_entries_max", "must be at least 1"),
            (self.command_bytes_max > 0, "command_bytes_max", "must be at least 1"),
            (self.append_entries_max > 0, "append_entries_max", "must be at least 1"),
            (self.append_bytes_max > 0, "append_bytes_max", "must be at least 1"),
            (self.in_flight_entries_max > 0, "in_flight_entries_max", "must be at least 1"),
            (self.in_flight_messages_max > 0, "in_flight_messages_max", "must be at least 1"),
            (self.in_flight_bytes_max > 0, "in_flight_bytes_max", "must be at least 1"),
            (self.uncommitted_entries_max > 0, "uncommitted_entries_max", "must be at least 1"),
            (self.uncommitted_bytes_max > 0, "uncommitted_bytes_max", "must be at least 1"),
            (self.compaction.log_bytes > 0, "compaction", "needs a log of at least 1 byte"),
            (self.compaction.part_bytes > 0, "compaction", "needs parts of at least 1 byte"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, field, reason)) => Err(ConfigError { field, reason }),
        }
    }
}

/// A field of [`Config`] that does not make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.reason)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_valid_and_each_limit_is_checked() {
        assert_eq!(Config::new(3).validate(), Ok(()));
        type Break = (&'static str, fn(&mut Config));
        let breaks: [Break; 27] = [
            ("voters", |c| c.voters = NodeSet::EMPTY),
            ("learners", |c| c.learners = NodeSet::first(1)),
            ("servers", |c| c.servers = NodeSet::first(2)),
            ("servers", |c| c.learners = NodeSet::from_bits(8)),
            ("witnesses", |c| c.witnesses = NodeSet::from_bits(8)),
            ("witnesses", |c| {
                (c.voters, c.learners) = (NodeSet::first(2), NodeSet::from_bits(4));
                c.witnesses = c.learners;
            }),
            ("witnesses", |c| c.witnesses = NodeSet::first(2)),
            ("priorities", |c| {
                (c.check_quorum, c.priorities, c.witnesses) = (true, vec![0, 0, 1], NodeSet::from_bits(4));
            }),
            ("election_timeout", |c| c.election_timeout = Delay::exactly(Ticks::ZERO)),
            ("election_timeout", |c| c.election_timeout.max = Ticks(1)),
            ("heartbeat_interval", |c| c.heartbeat_interval = c.election_timeout.min),
            ("lends", |c| (c.pre_vote, c.lends) = (false, true)),
            ("reads", |c| c.reads = Reads::Lease { drift_per_million: 500 }),
            ("reads", |c| {
                (c.check_quorum, c.reads) = (true, Reads::Lease { drift_per_million: 1_000_000 });
            }),
            ("priorities", |c| c.priorities = vec![0; 4]),
            ("priorities", |c| c.priorities = vec![1]),
            ("batch_entries_max", |c| c.batch_entries_max = 0),
            ("command_bytes_max", |c| c.command_bytes_max = 0),
            ("append_entries_max", |c| c.append_entries_max = 0),
            ("append_bytes_max", |c| c.append_bytes_max = 0),
            ("in_flight_entries_max", |c| c.in_flight_entries_max = 0),
            ("in_flight_messages_max", |c| c.in_flight_messages_max = 0),
            ("in_flight_bytes_max", |c| c.in_flight_bytes_max = 0),
            ("uncommitted_entries_max", |c| c.uncommitted_entries_max = 0),
            ("uncommitted_bytes_max", |c| c.uncommitted_bytes_max = 0),
            ("compaction", |c| c.compaction.log_bytes = 0),
            ("compaction", |c| c.compaction.part_bytes = 0),
        ];
        for (field, change) in breaks {
            let mut config = Config::new(3);
            change(&mut config);
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }

    /// A lease must end before any follower's promise does, however wrong both clocks are.
    #[test]
    fn a_lease_is_what_drift_leaves_of_the_promise() {
        let lease = |drift_per_million| {
            let reads = Reads::Lease { drift_per_million };
            Config { check_quorum: true, reads, ..Config::new(3) }.lease().unwrap().as_micros()
        };
        assert_eq!((lease(0), lease(2_000_000)), (150_000, 0));
        for drift in [1, 500, 34_000, 500_000] {
            // In millionths of true time.
            let (slow, fast) = (1_000_000 - u64::from(drift), 1_000_000 + u64::from(drift));
            let (leased, promised) = (lease(drift) * 1_000_000 / slow, 150_000 * 1_000_000 / fast);
            assert!(leased <= promised && leased + 3 >= promised, "{drift}: {leased} of {promised}");
        }
        assert_eq!(Config::new(3).lease(), None);
    }

    /// Those that are wanted less begin to stand when those that are wanted more have all stood.
    #[test]
    fn who_is_wanted_less_is_more_patient() {
        let config = Config { check_quorum: true, priorities: vec![5, 9, 9, 1], ..Config::new(5) };
        assert_eq!(config.validate(), Ok(()));
        let patience = |node| {
            let Delay { min, max } = config.patience(NodeId(node));
            (min.as_micros() / 1000, max.as_micros() / 1000)
        };
        assert_eq!(
            [1, 2, 0, 3, 4].map(patience),
            [(150, 300), (150, 300), (450, 600), (600, 750), (750, 900)]
        );
        assert_eq!(Config::new(3).patience(NodeId(1)), Config::new(3).election_timeout);
    }

    #[test]
    fn ways_to_read_have_a_text() {
        for reads in [Reads::Log, Reads::Index, Reads::Lease { drift_per_million: 500 }] {
            assert_eq!(reads.to_string().parse(), Ok(reads));
        }
        for text in ["", "lease", "lease:", "lease:-1", "Log"] {
            assert!(text.parse::<Reads>().unwrap_err().contains("is not a way to read"), "{text:?}");
        }
    }
}
