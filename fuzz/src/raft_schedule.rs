//! Handler sequences: bytes choose limits, faults and a workload, then every event of a cluster of three.
//!
//! The first [`HEADER_BYTES`] bytes choose what the run starts from. Of the others each pair is an event of a
//! [`World`]: the first byte picks a class among those of which an event is enabled, by weight, the second an
//! event of that class. So every byte string is a valid schedule, and a byte changed in the middle leaves what
//! came before as it was. All properties, the nodes' own invariants and the consistency of what clients see
//! are judged after every event; in one input of 64 the properties are judged from scratch as well, by their
//! plain form.
//!
//! [`swarm_simulator::walk::steer`] does the same without weights, and notes more. Here messages and disks
//! move more often than clients ask and nodes crash, and nothing is noted that a run without a finding does
//! not need: of as many random bytes six times as many runs commit a command, in half the time.
//!
//! The file stands on Raft, protocol and simulator alone and names nothing else of this crate, so that it
//! can be compiled against an edited copy of Raft too. Verified by `tests/it/schedule.rs`: random bytes reach
//! every kind of event and every mark in the list there, and find the bugs of [`crate::flawed`]. Not
//! covered: more than three nodes, more than [`EVENTS_MAX`] events.
//!
//! [`crate::flawed`]: ../flawed/index.html

use core::fmt::{self, Display, Write as _};
use core::hash::Hash;
use core::str::FromStr;

use swarm_protocol::{Properties, Violation};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Raft};
use swarm_simulator::scenario::{self, Scenario};
use swarm_simulator::shrink::{Ways, plainer, smallest};
use swarm_simulator::world::{FlushMode, Identical, SyncMode};
use swarm_simulator::{Bounds, Event, EventClass, Setup, Subject, World};

/// How many bytes choose what a run starts from.
pub const HEADER_BYTES: usize = 4;
/// The most events of one run: what lies beyond is not read, so that no input takes long.
pub const EVENTS_MAX: usize = 48;
/// The number of nodes.
pub const NODES: u32 = 3;

/// A run that broke a property.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The property, and what was seen.
    pub violation: Violation,
    /// The run, shrunk, as a scenario file.
    pub scenario: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.violation, self.scenario)
    }
}

/// Runs the schedule that `data` is.
///
/// # Panics
/// If it breaks a property; the message holds the shrunk scenario.
pub fn run(data: &[u8]) {
    if let Err(failure) = judge::<Raft<Kv>, RaftProperties>(data) {
        panic!("{failure}");
    }
}

/// What a run reached.
#[derive(Clone, Debug)]
pub struct Reached<P: Subject> {
    /// What happened, in order.
    pub events: Vec<Event<P>>,
    /// The marks, in order.
    pub marks: Vec<&'static str>,
}

/// Runs the schedule that `data` is on any Raft of this configuration and these operations.
///
/// # Errors
/// The first property that it breaks, with the shrunk scenario.
pub fn judge<P, Q>(data: &[u8]) -> Result<Reached<P>, Box<Failure>>
where
    P: Subject<Config = Config, Op = KvOp>,
    Q: Properties<P> + Eq + Hash,
{
    let mut header = [0; HEADER_BYTES];
    let (head, rest) = data.split_at(data.len().min(HEADER_BYTES));
    header[..head.len()].copy_from_slice(head);
    let setup = setup::<P>(header);
    let from_scratch = header[0] >> 2 == FROM_SCRATCH;

    let mut world = World::<P, Q>::new(&setup);
    let mut reached = Reached { events: Vec::new(), marks: Vec::new() };
    let mut enabled = Vec::new();
    for pair in rest.chunks_exact(2).take(EVENTS_MAX) {
        world.enabled(&setup, &mut enabled);
        let Some(place) = pick(&enabled, pair[0], pair[1]) else { break };
        let event = enabled.swap_remove(place);
        // Nothing bounds the instance from outside, so what is enabled happens.
        let Ok(applied) = world.apply(&setup, &event) else { unreachable!("{event:?} is listed as enabled") };
        reached.events.push(event);
        reached.marks.extend(applied.marks);
        let verdict = if from_scratch { world.check_full(&setup) } else { Ok(()) };
        if let Some(violation) = world.violation().cloned().or(verdict.err()) {
            return Err(Box::new(explain::<P, Q>(&setup, &reached.events, violation)));
        }
    }
    Ok(reached)
}

/// The position of the event that two bytes mean, if any is enabled.
fn pick<P: Subject>(enabled: &[Event<P>], class: u8, event: u8) -> Option<usize> {
    let mut counts = [0u8; EventClass::ALL.len()];
    for event in enabled {
        let count = &mut counts[event.class() as usize];
        *count = count.saturating_add(1);
    }
    let weight = |class: usize| if counts[class] > 0 { WEIGHTS[class] } else { 0 };
    let total: u8 = (0..counts.len()).map(weight).sum();
    let mut left = class.checked_rem(total)?;
    let class = (0..counts.len()).find(|class| {
        let here = left < weight(*class);
        left = left.wrapping_sub(weight(*class));
        here
    })?;
    let nth = usize::from(event % counts[class]);
    let of_class = enabled.iter().enumerate().filter(|(_, event)| event.class() as usize == class);
    of_class.map(|(place, _)| place).nth(nth)
}

/// How often an event of each class is picked against one of another, in the order of [`EventClass::ALL`].
const WEIGHTS: [u8; EventClass::ALL.len()] = {
    let mut weights = [1; EventClass::ALL.len()];
    weights[EventClass::Deliver as usize] = 16;
    weights[EventClass::Sync as usize] = 8;
    weights[EventClass::Timeout as usize] = 4;
    weights[EventClass::Flush as usize] = 4;
    weights[EventClass::Invoke as usize] = 2;
    weights[EventClass::Restart as usize] = 2;
    weights
};

/// The upper six bits of a first header byte that has the properties judged from scratch too.
const FROM_SCRATCH: u8 = 0b10_1101;

/// What the header chooses.
fn setup<P: Subject<Config = Config, Op = KvOp>>(header: [u8; HEADER_BYTES]) -> Setup<P> {
    let [faults, modes, limits, ops] = header;
    let bounds = Bounds {
        crashes: u32::from(faults & 3),
        duplicates: u32::from(faults >> 2 & 3),
        drops: u32::from(faults >> 4 & 3),
        // A failed disk stops its node for good: rare, or little else would happen.
        disk_failures: u32::from(faults & 0x43 == 0x43),
        in_flight: 10,
        identical: if modes & 1 == 0 { Identical::Merge } else { Identical::Count },
        flush: if modes & 2 == 0 { FlushMode::Eager } else { FlushMode::Deferred },
        sync: [SyncMode::Prefix, SyncMode::Whole, SyncMode::Prefix, SyncMode::Eager]
            [usize::from(modes >> 2 & 3)],
        ..Bounds::default()
    };
    let config = Config {
        pre_vote: modes & 0x10 != 0,
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
    Setup::new(config, NODES).workload(OPS[usize::from(ops & 3)].into_iter().take(count)).bounds(bounds)
}

fn explain<P, Q>(setup: &Setup<P>, events: &[Event<P>], violation: Violation) -> Failure
where
    P: Subject<Config = Config, Op = KvOp>,
    Q: Properties<P> + Eq + Hash,
{
    let ways = Ways { plainer, ..Ways::default() };
    let scenario = match smallest::<P, Q>(setup, events, violation.property, &ways) {
        Some(shrunk) => {
            let comment = format!("{}\nshrunk: {shrunk}", shrunk.violation);
            scenario_text::<P, Q>(&shrunk.setup, &shrunk.events, &comment)
        }
        None => scenario_text::<P, Q>(setup, events, &violation.to_string()),
    };
    Failure { violation, scenario }
}

/// The run as a scenario file that names the configuration too.
pub fn scenario_text<P, Q>(setup: &Setup<P>, events: &[Event<P>], comment: &str) -> String
where
    P: Subject<Config = Config, Op = KvOp>,
    Q: Properties<P> + Eq + Hash,
{
    let default = Config::new(setup.nodes());
    let mut text = String::new();
    for (name, field) in FIELDS {
        let value = field(&setup.config);
        if value != field(&default) {
            let _ = writeln!(text, "config {name} {value}");
        }
    }
    text + &scenario::write::<P, Q>(setup, events, comment)
}

type Field = fn(&Config) -> u64;

/// What a `config` line of a scenario may set, and how it reads: switches as 0 and 1. Timeouts are missing,
/// because a world knows no time.
const FIELDS: [(&str, Field); 5] = [
    ("pre-vote", |config| u64::from(config.pre_vote)),
    ("batch-entries-max", |config| u64::from(config.batch_entries_max)),
    ("append-entries-max", |config| u64::from(config.append_entries_max)),
    ("in-flight-entries-max", |config| config.in_flight_entries_max),
    ("uncommitted-entries-max", |config| config.uncommitted_entries_max),
];

/// The setup that a scenario file of Raft describes, its `config` lines included.
///
/// # Errors
/// The setting that is unknown or makes no sense.
pub fn configure<P>(scenario: &Scenario<KvOp>) -> Result<Setup<P>, String>
where
    P: Subject<Config = Config, Op = KvOp>,
{
    fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
        value.parse().map_err(|_| format!("config {name}: `{value}` is not a number that it can be"))
    }
    let mut config = Config::new(scenario.nodes);
    for (name, value) in &scenario.config {
        match name.as_str() {
            "pre-vote" => match value.as_str() {
                "0" | "1" => config.pre_vote = value == "1",
                _ => return Err(format!("config {name}: `{value}` is neither 0 nor 1")),
            },
            "batch-entries-max" => config.batch_entries_max = number(name, value)?,
            "append-entries-max" => config.append_entries_max = number(name, value)?,
            "in-flight-entries-max" => config.in_flight_entries_max = number(name, value)?,
            "uncommitted-entries-max" => config.uncommitted_entries_max = number(name, value)?,
            _ => return Err(format!("config {name} is not a setting of Raft")),
        }
    }
    config.validate().map_err(|error| error.to_string())?;
    Ok(scenario.setup(config))
}
