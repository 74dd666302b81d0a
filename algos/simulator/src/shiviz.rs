//! A run as a log that ShiViz draws: who could have known of what (Beschastnikh et al. 2016, *Debugging
//! distributed systems*).
//!
//! Each record is an event and the vector clock of the host where it happens. The first line of the log is
//! the expression that ShiViz reads the records by, the second, which is empty, would part several runs.
//! Hosts are the nodes, `clients`, and `network` where messages are lost. Verified by the tests of
//! `tests/it/shiviz.rs`: clocks count, and a message carries its sender's.

use core::fmt::Write as _;
use core::hash::Hash;
use std::collections::BTreeMap;

use swarm_protocol::{NodeId, Properties};

use crate::diagram::name;
use crate::world::OpStatus;
use crate::{Event, Setup, Slot, Subject, World};

/// How records are read: two lines each, the event and its host with the clock.
pub const PARSER: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>\{.*\})";

const CLIENTS: &str = "clients";
const NETWORK: &str = "network";

type Clock = BTreeMap<String, u64>;

/// What happened and who knew of it, so far.
struct Log {
    text: String,
    clocks: BTreeMap<String, Clock>,
}

impl Log {
    /// Notes an event at a host, which learns what `from` knew.
    fn note(&mut self, host: &str, event: &str, from: Option<&Clock>) {
        let clock = self.clocks.entry(host.to_owned()).or_default();
        for (other, count) in from.into_iter().flatten() {
            let known = clock.entry(other.clone()).or_default();
            *known = (*known).max(*count);
        }
        *clock.entry(host.to_owned()).or_default() += 1;
        let counts: Vec<_> = clock.iter().map(|(host, count)| format!("\"{host}\": {count}")).collect();
        let event = event.replace(['\n', '\r'], " ");
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{event}\n{host} {{{}}}", counts.join(", "));
    }

    fn clock(&self, host: &str) -> Clock {
        self.clocks.get(host).cloned().unwrap_or_default()
    }
}

/// The log of a run in a world of `setup`; events that are not enabled are left out. The last record says
/// what is violated, if anything is.
pub fn log<P: Subject, Q: Properties<P> + Eq + Hash>(setup: &Setup<P>, events: &[Event<P>]) -> String {
    let mut log = Log { text: format!("{PARSER}\n\n"), clocks: BTreeMap::new() };
    let mut world = World::<P, Q>::new(setup);
    for slot in setup.slots() {
        log.note(&name(slot), "boot", None);
    }
    // What the sender of each message in flight knew when it sent it.
    let mut sent: BTreeMap<(NodeId, Slot, P::Message), Clock> = BTreeMap::new();
    let mut acting = None;
    note_sent(&world, &mut sent, |from| log.clock(&name(Slot::of(from))));
    for event in events {
        let before = world.operations().to_vec();
        if world.apply(setup, event).is_err() {
            continue;
        }
        acting = event.slot().or(acting);
        let host = match event {
            Event::Drop { .. } => NETWORK.to_owned(),
            _ => acting.map_or_else(|| NETWORK.to_owned(), name),
        };
        let carried = match event {
            Event::Deliver { from, to, message }
            | Event::Duplicate { from, to, message }
            | Event::Drop { from, to, message } => sent.get(&(*from, *to, message.clone())).cloned(),
            Event::Invoke { id, op, .. } => {
                log.note(CLIENTS, &format!("{id:?} {op:?}"), None);
                Some(log.clock(CLIENTS))
            }
            _ => None,
        };
        let violated = world.violation().map(|violation| format!(", violates {}", violation.property));
        log.note(&host, &format!("{event:?}{}", violated.unwrap_or_default()), carried.as_ref());
        let clock = log.clock(&host);
        note_sent(&world, &mut sent, |_| clock.clone());
        for (number, (before, now)) in before.iter().zip(world.operations()).enumerate() {
            let told = match now {
                OpStatus::Returned => "answered",
                OpStatus::Open => "left open",
                OpStatus::Available | OpStatus::Pending => continue,
            };
            if before != now {
                log.note(CLIENTS, &format!("op{number} {told}"), Some(&clock));
            }
        }
    }
    log.text
}

/// Forgets the messages that are not in flight any more, and notes what the senders of new ones know.
fn note_sent<P: Subject, Q: Properties<P> + Eq + Hash>(
    world: &World<P, Q>,
    sent: &mut BTreeMap<(NodeId, Slot, P::Message), Clock>,
    clock: impl Fn(NodeId) -> Clock,
) {
    let mut still = BTreeMap::new();
    for (from, to, message) in world.in_flight() {
        let key = (from, to, message.clone());
        let known = sent.remove(&key).unwrap_or_else(|| clock(from));
        still.entry(key).or_insert(known);
    }
    *sent = still;
}
