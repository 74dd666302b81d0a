//! Handler sequences of Raft: bytes choose limits, faults and a workload, then every event of a cluster of three.
//!
//! How bytes are read is [`crate::schedule`]'s; here is what a header means to Raft, and how scenario files speak
//! of its configuration. Verified by `tests/it/schedule.rs`: random bytes reach every kind of event and every mark
//! in the list there, and find the bugs of [`crate::flawed`]. Not covered: more than three nodes.

use core::fmt::Write as _;
use core::hash::Hash;
use core::str::FromStr;

use swarm_protocol::{NodeId, NodeSet, Properties};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Managed, Raft, Reads, Request};
use swarm_simulator::scenario::{self, Scenario};
use swarm_simulator::shrink::{Ways, plainer};
use swarm_simulator::{Event, Setup, Subject};

use crate::schedule;
pub use crate::schedule::{EVENTS_MAX, Failure, HEADER_BYTES, Reached};

/// What is run: the small store, by members that may change.
pub type Node = Raft<Managed<Kv>>;
/// What its clients ask for.
pub type Op = Request<KvOp>;

/// The number of nodes.
pub const NODES: u32 = 3;

/// Runs the schedule that `data` is.
///
/// # Panics
/// If it breaks a property; the message holds the shrunk scenario.
pub fn run(data: &[u8]) {
    if let Err(failure) = judge_with_changes(data) {
        panic!("{failure}");
    }
}

/// Runs the schedule that `data` is, with clients that may also ask for other members.
///
/// # Errors
/// The first property that it breaks, with the shrunk scenario.
pub fn judge_with_changes(data: &[u8]) -> Result<Reached<Node>, Box<Failure>> {
    let ways = Ways { plainer, ..Ways::default() };
    schedule::judge::<Node, RaftProperties>(data, setup_with_changes, &ways, preface)
}

/// What the header chooses, and, of every eight, in seven a change of members behind the first operation; then, in
/// one of two, the last node is no member at first. In one of two leadership is to be handed over, too.
pub fn setup_with_changes(header: [u8; HEADER_BYTES]) -> Setup<Node> {
    /// Whoever is to vote, and to replicate without a vote, as bits.
    const CHANGES: [(u64, u64); 7] =
        [(0b111, 0), (0b101, 0), (0b110, 0), (0b100, 0), (0b001, 0b110), (0b011, 0b100), (0b010, 0)];
    let mut setup = setup::<Node>(header);
    if header[2] & 0x80 != 0 {
        setup.workload.insert(1, Op::Transfer(NodeId(u32::from(header[3] & 1))));
    }
    let chosen = header[3] >> 4;
    if let Some(place) = usize::from(chosen & 7).checked_sub(1) {
        let (voters, learners) = CHANGES[place];
        let change =
            Op::Change { voters: NodeSet::from_bits(voters), learners: NodeSet::from_bits(learners) };
        setup.workload.insert(1, change);
        if chosen & 8 != 0 {
            setup.config.voters = NodeSet::first(NODES - 1);
        }
    }
    setup
}

/// Runs the schedule that `data` is on any Raft of this configuration and these operations.
///
/// # Errors
/// The first property that it breaks, with the shrunk scenario.
pub fn judge<P, Q>(data: &[u8]) -> Result<Reached<P>, Box<Failure>>
where
    P: Subject<Config = Config, Op: From<KvOp> + FromStr>,
    Q: Properties<P> + Eq + Hash,
{
    let ways = Ways { plainer, ..Ways::default() };
    schedule::judge::<P, Q>(data, setup, &ways, preface)
}

/// What the header chooses. Without PreVote the bit that stands for loans with it has the last node be a witness.
pub fn setup<P: Subject<Config = Config, Op: From<KvOp>>>(header: [u8; HEADER_BYTES]) -> Setup<P> {
    let [_, modes, limits, ops] = header;
    let witnesses = if modes & 0x30 == 0x20 { NodeSet::from_bits(1 << (NODES - 1)) } else { NodeSet::EMPTY };
    let config = Config {
        witnesses,
        pre_vote: modes & 0x10 != 0,
        lends: modes & 0x30 == 0x30,
        reads: if limits & 0x40 == 0 { Reads::Log } else { Reads::Index },
        batch_entries_max: 1 + 3 * u32::from(limits & 1),
        append_entries_max: 1 + 3 * u32::from(limits >> 1 & 1),
        in_flight_entries_max: 1 + u64::from(limits >> 2 & 3),
        uncommitted_entries_max: 2 + u64::from(limits >> 4 & 3),
        ..Config::new(NODES)
    };
    // Few keys and values, so that operations meet; every value tells who wrote it.
    const OPS: [[KvOp; 4]; 4] = [
        [KvOp::Put(0, 1), KvOp::Get(0), KvOp::Put(0, 2), KvOp::Get(0)],
        [KvOp::Put(0, 1), KvOp::Cas(0, 1, 2), KvOp::Cas(0, 1, 3), KvOp::Get(0)],
        [KvOp::Put(0, 1), KvOp::Put(1, 2), KvOp::Get(0), KvOp::Get(1)],
        [KvOp::Get(0), KvOp::Put(0, 1), KvOp::Get(0), KvOp::Put(0, 2)],
    ];
    let count = 1 + usize::from(ops >> 2 & 3);
    Setup::new(config, NODES)
        .workload(OPS[usize::from(ops & 3)].into_iter().take(count).map(P::Op::from))
        .bounds(schedule::bounds(header))
}

/// The run as a scenario file that names the configuration too.
pub fn scenario_text<P, Q>(setup: &Setup<P>, events: &[Event<P>], comment: &str) -> String
where
    P: Subject<Config = Config, Op: From<KvOp>>,
    Q: Properties<P> + Eq + Hash,
{
    scenario::configured(&scenario::write::<P, Q>(setup, events, comment), &preface(setup))
}

/// The lines of a scenario file that say what is not usual about the configuration.
pub fn preface<P: Subject<Config = Config>>(setup: &Setup<P>) -> String {
    let default = Config::new(setup.nodes());
    let mut text = String::new();
    for (name, field) in FIELDS {
        let value = field(&setup.config);
        if value != field(&default) {
            let _ = writeln!(text, "config {name} {value}");
        }
    }
    text
}

type Field = fn(&Config) -> String;

/// What a `config` line of a scenario may set, and how it reads: switches as 0 and 1. Timeouts are missing,
/// because a world knows no time.
const FIELDS: [(&str, Field); 15] = [
    ("voters", |config| listed(config.voters)),
    ("learners", |config| listed(config.learners)),
    ("witnesses", |config| listed(config.witnesses)),
    ("pre-vote", |config| u8::from(config.pre_vote).to_string()),
    ("lends", |config| u8::from(config.lends).to_string()),
    ("check-quorum", |config| u8::from(config.check_quorum).to_string()),
    ("reads", |config| config.reads.to_string()),
    ("priorities", |config| config.priorities.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
    ("batch-entries-max", |config| config.batch_entries_max.to_string()),
    ("append-entries-max", |config| config.append_entries_max.to_string()),
    ("in-flight-entries-max", |config| config.in_flight_entries_max.to_string()),
    ("uncommitted-entries-max", |config| config.uncommitted_entries_max.to_string()),
    ("snapshot-log-bytes", |config| config.compaction.log_bytes.to_string()),
    ("snapshot-tail-entries", |config| config.compaction.tail_entries.to_string()),
    ("snapshot-part-bytes", |config| config.compaction.part_bytes.to_string()),
];

/// The numbers of these nodes, as in `0,1,3`; nothing for nobody.
fn listed(nodes: NodeSet) -> String {
    let numbers: Vec<_> = nodes.iter().map(|NodeId(number)| number.to_string()).collect();
    numbers.join(",")
}

/// Reads what [`listed`] writes, of a cluster of `count` nodes.
fn nodes(text: &str, count: u32) -> Option<NodeSet> {
    let numbers = text.split(',').filter(|_| !text.is_empty());
    numbers.map(|number| number.parse().ok().filter(|number| *number < count).map(NodeId)).collect()
}

/// The setup that a scenario file of Raft describes, its `config` lines included.
///
/// # Errors
/// The setting that is unknown or makes no sense.
pub fn configure<P>(scenario: &Scenario<P::Op>) -> Result<Setup<P>, String>
where
    P: Subject<Config = Config, Op: From<KvOp>>,
{
    fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
        value.parse().map_err(|_| format!("config {name}: `{value}` is not a number that it can be"))
    }
    fn switch(name: &str, value: &str) -> Result<bool, String> {
        match value {
            "0" | "off" => Ok(false),
            "1" | "on" => Ok(true),
            _ => Err(format!("config {name}: `{value}` is neither 0 nor 1")),
        }
    }
    let set = |name: &str, value: &str| {
        nodes(value, scenario.nodes)
            .ok_or_else(|| format!("config {name}: `{value}` does not list nodes: 0,1,2"))
    };
    let mut config = Config::new(scenario.nodes);
    for (name, value) in &scenario.config {
        // Files written by hand say `pre_vote off`.
        match name.replace('_', "-").as_str() {
            "voters" => config.voters = set(name, value)?,
            "learners" => config.learners = set(name, value)?,
            "witnesses" => config.witnesses = set(name, value)?,
            "pre-vote" => config.pre_vote = switch(name, value)?,
            "lends" => config.lends = switch(name, value)?,
            "check-quorum" => config.check_quorum = switch(name, value)?,
            "priorities" => {
                let numbers = value.split(',').map(|text| number(name, text));
                config.priorities = numbers.collect::<Result<_, _>>()?;
            }
            "reads" => config.reads = value.parse().map_err(|error| format!("config {name}: {error}"))?,
            "batch-entries-max" => config.batch_entries_max = number(name, value)?,
            "append-entries-max" => config.append_entries_max = number(name, value)?,
            "in-flight-entries-max" => config.in_flight_entries_max = number(name, value)?,
            "uncommitted-entries-max" => config.uncommitted_entries_max = number(name, value)?,
            "snapshot-log-bytes" => config.compaction.log_bytes = number(name, value)?,
            "snapshot-tail-entries" => config.compaction.tail_entries = number(name, value)?,
            "snapshot-part-bytes" => config.compaction.part_bytes = number(name, value)?,
            _ => return Err(format!("config {name} is not a setting of Raft")),
        }
    }
    config.validate().map_err(|error| error.to_string())?;
    Ok(scenario.setup(config))
}
