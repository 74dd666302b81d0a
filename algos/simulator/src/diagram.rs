//! Pictures of a run: a Mermaid sequence diagram, and a table in plain text.
//!
//! Verified by the tests in which a counterexample is printed.

use core::fmt::Write;
use std::collections::BTreeSet;

use swarm_protocol::{Protocol, Violation};

use crate::{Event, Slot, Trace};

/// The run as a Mermaid sequence diagram. A message is drawn where it arrives, a lost one ends in a
/// cross; what happens inside one node is a note over it. The violation, if any, is the last note.
pub fn mermaid<P: Protocol>(trace: &Trace<P>, violation: Option<&Violation>) -> String {
    let mut slots: BTreeSet<Slot> = trace.events().filter_map(Event::slot).collect();
    slots.extend(trace.events().filter_map(|event| match event {
        Event::Deliver { from, .. } | Event::Duplicate { from, .. } | Event::Drop { from, .. } => {
            Some(Slot::of(*from))
        }
        _ => None,
    }));
    let mut out = String::from("sequenceDiagram\n");
    if trace.events().any(|event| matches!(event, Event::Invoke { .. })) {
        out.push_str("    participant client\n");
    }
    for slot in &slots {
        let _ = writeln!(out, "    participant {} as {slot}", name(*slot));
    }
    let mut last = None;
    for event in trace.events() {
        last = event.slot().or(last);
        let _ = match event {
            Event::Deliver { from, to, message } => {
                writeln!(out, "    {from}->>{}: {}", name(*to), escaped(&format!("{message:?}")))
            }
            Event::Duplicate { from, to, message } => {
                writeln!(out, "    {from}->>{}: {} (a copy)", name(*to), escaped(&format!("{message:?}")))
            }
            Event::Drop { from, to, message } => {
                writeln!(out, "    {from}-x{}: {}", name(*to), escaped(&format!("{message:?}")))
            }
            Event::Invoke { at, id, op } => {
                writeln!(out, "    client->>{}: {}", name(*at), escaped(&format!("{id:?} {op:?}")))
            }
            other => match last {
                Some(slot) => writeln!(out, "    Note over {}: {}", name(slot), escaped(&short(other))),
                None => Ok(()),
            },
        };
    }
    if let (Some(violation), Some(slot)) = (violation, last) {
        let _ = writeln!(out, "    Note over {}: violates {}", name(slot), escaped(violation.property));
    }
    out
}

/// An event without the slot, which the picture shows.
fn short<P: Protocol>(event: &Event<P>) -> String {
    let word = event.class().name();
    match event {
        Event::Timeout { timer, .. } => format!("{word} {timer:?}"),
        Event::Sync { writes: count, .. }
        | Event::Crash { kept: count, .. }
        | Event::Choose { answer: count } => format!("{word} {count}"),
        _ => word.to_owned(),
    }
}

/// A name that diagrams take: no quotes.
pub(crate) fn name(slot: Slot) -> String {
    slot.to_string().replace('\'', "_twin")
}

/// Text in which nothing has a meaning to Mermaid.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

/// The run as a table in plain text: number, instant where known, place, event.
pub fn table<P: Protocol>(trace: &Trace<P>, violation: Option<&Violation>) -> String {
    let timed = trace.events.iter().any(|(now, _)| now.is_some());
    let mut out = String::new();
    for (number, (now, event)) in trace.events.iter().enumerate() {
        let _ = write!(out, "{:>5}  ", number + 1);
        if timed {
            let _ = write!(out, "{:>12}  ", now.map_or_else(String::new, |now| now.to_string()));
        }
        let place = event.slot().map_or_else(String::new, |slot| slot.to_string());
        let _ = writeln!(out, "{place:<5} {event:?}");
    }
    if let Some(violation) = violation {
        let _ = writeln!(out, "violates {violation}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_has_a_meaning_to_mermaid() {
        assert_eq!(escaped("a<b>;#\nc"), "a#lt;b#gt;#59;#35; c");
        assert_eq!(name(Slot::twin_of(swarm_protocol::NodeId(1))), "n1_twin");
    }
}
