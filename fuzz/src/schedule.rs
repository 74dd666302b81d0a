//! Bytes as a schedule of any protocol: they choose what a run starts from, faults and a workload, then every
//! event of a cluster.
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
//! The file knows no algorithm. Verified with Raft by `tests/it/schedule.rs`, and with protocols brought from
//! elsewhere by the tests of `model-check`. Not covered: more than [`EVENTS_MAX`] events.

use core::fmt::{self, Display};
use core::hash::Hash;

use swarm_protocol::{Properties, Violation};
use swarm_simulator::scenario;
use swarm_simulator::shrink::{Ways, smallest};
use swarm_simulator::world::{FlushMode, Identical, SyncMode};
use swarm_simulator::{Bounds, Event, EventClass, Setup, Subject, World};

/// How many bytes choose what a run starts from.
pub const HEADER_BYTES: usize = 4;
/// The most events of one run: what lies beyond is not read, so that no input takes long.
pub const EVENTS_MAX: usize = 48;

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

/// What a run reached.
#[derive(Clone, Debug)]
pub struct Reached<P: Subject> {
    /// What happened, in order.
    pub events: Vec<Event<P>>,
    /// The marks, in order.
    pub marks: Vec<&'static str>,
}

/// What the first bytes of an input choose, and the others. Bytes that are missing are 0.
fn split(data: &[u8]) -> ([u8; HEADER_BYTES], &[u8]) {
    let mut header = [0; HEADER_BYTES];
    let (head, rest) = data.split_at(data.len().min(HEADER_BYTES));
    header[..head.len()].copy_from_slice(head);
    (header, rest)
}

/// The faults and modes that a header chooses.
pub fn bounds(header: [u8; HEADER_BYTES]) -> Bounds {
    let [faults, modes, ..] = header;
    Bounds {
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
    }
}

/// Runs the schedule that `data` is, from the setup that its header chooses.
///
/// # Errors
/// The first property that it breaks, with the scenario, shrunk in these `ways`, below what `preface` says of the
/// configuration.
pub fn judge<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash>(
    data: &[u8],
    setup: impl FnOnce([u8; HEADER_BYTES]) -> Setup<P>,
    ways: &Ways<P>,
    preface: impl FnOnce(&Setup<P>) -> String,
) -> Result<Reached<P>, Box<Failure>> {
    let (header, rest) = split(data);
    let setup = setup(header);
    let from_scratch = header[0] >> 2 == FROM_SCRATCH;

    let mut world = World::<P, Q>::new(&setup);
    let mut reached = Reached { events: Vec::new(), marks: Vec::new() };
    let mut enabled = Vec::new();
    for pair in rest.chunks_exact(2).take(EVENTS_MAX) {
        world.enabled(&setup, &mut enabled);
        let Some(place) = pick(&enabled, pair[0], pair[1]) else { break };
        let event = enabled.swap_remove(place);
        // An event that would leave the boundary does not happen, and its bytes say nothing.
        let Ok(applied) = world.apply(&setup, &event) else { continue };
        reached.events.push(event);
        reached.marks.extend(applied.marks);
        let verdict = if from_scratch { world.check_full(&setup) } else { Ok(()) };
        if let Some(violation) = world.violation().cloned().or(verdict.err()) {
            return Err(Box::new(explain::<P, Q>(&setup, &reached.events, violation, ways, preface)));
        }
    }
    Ok(reached)
}

fn explain<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: &[Event<P>],
    violation: Violation,
    ways: &Ways<P>,
    preface: impl FnOnce(&Setup<P>) -> String,
) -> Failure {
    let scenario = match smallest::<P, Q>(setup, events, violation.property, ways) {
        Some(shrunk) => {
            let comment = format!("{}\nshrunk: {shrunk}", shrunk.violation);
            let text = scenario::write::<P, Q>(&shrunk.setup, &shrunk.events, &comment);
            scenario::configured(&text, &preface(&shrunk.setup))
        }
        None => {
            let text = scenario::write::<P, Q>(setup, events, &violation.to_string());
            scenario::configured(&text, &preface(setup))
        }
    };
    Failure { violation, scenario }
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
