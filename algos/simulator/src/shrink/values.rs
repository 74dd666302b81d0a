//! The same run with other values: events that stand in for events that are not there any more.
//!
//! Where an operation or a node's name is another, so are the messages that carry it. A run is followed in such a world by
//! events much like its own: of the same kind, at the same place, from the same sender, and with the text
//! that has most in common. Whether what comes out breaks the property is seen by playing it.

use core::fmt::Debug;
use core::hash::Hash;
use core::ops::Range;
use core::str::FromStr;

use swarm_protocol::{NodeId, OpId, Properties};

use super::course::Purse;
use crate::{Event, Setup, Slot, Subject, World};

/// The events of a run in another setup, or their stand-ins; those without are skipped. `None` if the purse
/// is empty.
pub(super) fn follow<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: &[Event<P>],
    purse: &mut Purse,
) -> Option<Vec<Event<P>>> {
    let mut world = World::<P, Q>::new(setup);
    let mut happened = Vec::new();
    let mut enabled = Vec::new();
    for event in events {
        if world.violation().is_some() {
            break;
        }
        if !purse.pay() {
            return None;
        }
        match world.apply(setup, event) {
            Ok(applied) if applied.changed => happened.push(event.clone()),
            Ok(_) => {}
            Err(_) => {
                world.enabled(setup, &mut enabled);
                // Looking through them costs about as much as trying them.
                if !enabled.iter().all(|_| purse.pay()) {
                    return None;
                }
                if let Some(other) = stand_in(&enabled, event)
                    && world.apply(setup, other).is_ok_and(|applied| applied.changed)
                {
                    happened.push(other.clone());
                }
            }
        }
    }
    Some(happened)
}

/// The enabled event that is most like `event`, if one is like it at all.
fn stand_in<'a, P: Subject>(enabled: &'a [Event<P>], event: &Event<P>) -> Option<&'a Event<P>> {
    let same_place = |other: &&Event<P>| {
        (other.class(), other.slot(), other.sender()) == (event.class(), event.slot(), event.sender())
    };
    let text = format!("{event:?}");
    // Timers are the same by name, messages by the word with which they begin: `deliver n0 n1 Append(…`.
    let words = match event {
        _ if event.sender().is_some() => 4,
        Event::Timeout { .. } => 3,
        _ => 2,
    };
    let head = |text: &str| -> Vec<String> {
        let is_letter = |c: char| c.is_alphanumeric() || c == '\'';
        text.split(|c| !is_letter(c)).take(words).map(str::to_owned).collect()
    };
    let common = |other: &Event<P>| {
        let other = format!("{other:?}");
        let alike = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
            a.zip(b).take_while(|(a, b)| a == b).count()
        };
        let prefix = alike(&mut text.chars(), &mut other.chars());
        let suffix = alike(&mut text.chars().rev(), &mut other.chars().rev());
        (head(&other) == head(&text)).then_some(prefix + suffix)
    };
    let likeness = enabled.iter().filter(same_place).filter_map(|other| Some((common(other)?, other)));
    // Of equally like ones the first: `max_by_key` gives the last.
    likeness.rev().max_by_key(|(common, _)| *common).map(|(_, other)| other)
}

/// The event in a cluster whose nodes go by other names: none if it is about a node without one. Messages are
/// as they were; whom they name is for [`follow`] to find.
pub(super) fn renamed<P: Subject>(
    event: &Event<P>,
    name: impl Fn(NodeId) -> Option<NodeId>,
) -> Option<Event<P>> {
    let slot = |slot: &Slot| {
        let node = name(slot.node())?;
        Some(if slot.is_twin() { Slot::twin_of(node) } else { Slot::of(node) })
    };
    let mut event = event.clone();
    match &mut event {
        Event::Deliver { from, to, .. }
        | Event::Duplicate { from, to, .. }
        | Event::Drop { from, to, .. } => {
            *from = name(*from)?;
            *to = slot(to)?;
        }
        Event::Timeout { at, .. }
        | Event::Invoke { at, .. }
        | Event::Flush { at }
        | Event::Sync { at, .. }
        | Event::DiskFail { at }
        | Event::Crash { at, .. }
        | Event::Restart { at }
        | Event::Advance { at } => *at = slot(at)?,
        Event::Choose { .. } => {}
    }
    Some(event)
}

/// The event in a workload without the operations of these numbers: none if it asks for one of them.
pub(super) fn without_operations<P: Subject>(event: &Event<P>, numbers: Range<u64>) -> Option<Event<P>> {
    match event {
        Event::Invoke { id, .. } if numbers.contains(&id.0) => None,
        Event::Invoke { at, id, op } if id.0 >= numbers.end => {
            Some(Event::Invoke { at: *at, id: OpId(id.0 - (numbers.end - numbers.start)), op: op.clone() })
        }
        other => Some(other.clone()),
    }
}

/// Operations like this one with a smaller number in it, the smallest first: what its text, with a number
/// replaced by 0, 1 or its half, is read as.
pub fn plainer<Op: FromStr + Debug + PartialEq>(op: &Op) -> Vec<Op> {
    let text = format!("{op:?}");
    let mut found: Vec<Op> = Vec::new();
    let mut start = 0;
    while let Some(offset) = text[start..].find(|c: char| c.is_ascii_digit()) {
        let begin = start + offset;
        let digits = text[begin..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - begin);
        let end = begin + digits;
        if let Ok(number) = text[begin..end].parse::<u64>() {
            let smaller = [0, 1, number / 2].into_iter().filter(|smaller| *smaller < number);
            for instead in smaller {
                let text = format!("{}{instead}{}", &text[..begin], &text[end..]);
                if let Ok(plain) = text.parse::<Op>()
                    && plain != *op
                    && !found.contains(&plain)
                {
                    found.push(plain);
                }
            }
        }
        start = end;
    }
    found
}
