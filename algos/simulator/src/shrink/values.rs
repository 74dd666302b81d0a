//! The same run with other values: events that stand in for events that are not there any more.
//!
//! Where an operation or a node's name is another, so are the messages that carry it. A run is followed in such a world by
//! events much like its own: of the same kind, at the same place, from the same sender, and with the text
//! that has most in common. Whether what comes out breaks the property is seen by playing it.

use core::cmp::Reverse;
use core::fmt::Debug;
use core::hash::Hash;
use core::ops::Range;
use core::str::FromStr;

use swarm_protocol::{NodeId, OpId, Properties};

use super::course::Purse;
use crate::{Event, Setup, Slot, Subject, World};

/// What happened, and the world that it led to.
pub(super) type Followed<P, Q> = (Vec<Event<P>>, World<P, Q>);

/// Lets the events of a run happen in a world that is not the one they are from, or their stand-ins; those
/// without are skipped. `None` if the purse is empty.
pub(super) fn follow<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    mut world: World<P, Q>,
    events: &[Event<P>],
    purse: &mut Purse,
) -> Option<Followed<P, Q>> {
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
    Some((happened, world))
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
    let likeness = |other: &Event<P>| {
        let other = format!("{other:?}");
        (head(&other) == head(&text)).then(|| likeness(&text, &other))
    };
    let alike = enabled.iter().filter(same_place).filter_map(|other| Some((likeness(other)?, other)));
    // Of equally like ones the first: `max_by_key` gives the last.
    alike.rev().max_by_key(|(likeness, _)| *likeness).map(|(_, other)| other)
}

/// How like two texts are: by what they begin and end with apart from their numbers, and then by how near their
/// numbers are, as where one of the first events is left out all that is counted moves by one.
fn likeness(one: &str, other: &str) -> (usize, Reverse<u64>) {
    let words = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    let alike = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let (a, b) = (words(one), words(other));
    let common = alike(&mut a.chars(), &mut b.chars()) + alike(&mut a.chars().rev(), &mut b.chars().rev());
    let apart = numbers(one).into_iter().zip(numbers(other)).map(|(a, b)| a.abs_diff(b));
    (common, Reverse(apart.fold(0, u64::saturating_add)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_alike_by_their_words_and_then_by_how_near_their_numbers_are() {
        let nearest = |texts: &[&'static str], text: &str| {
            texts.iter().copied().max_by_key(|other| likeness(text, other)).unwrap()
        };
        let votes = ["Vote(t1 granted)", "Vote(t6 granted)", "Vote(t8 refused)", "Vote(t12 granted)"];
        assert_eq!(nearest(&votes, "Vote(t7 granted)"), "Vote(t6 granted)");
        assert_eq!(nearest(&votes, "Vote(t7 refused)"), "Vote(t8 refused)");
        assert_eq!(nearest(&votes, "Vote(t10 granted)"), "Vote(t12 granted)", "numbers, not digits");
    }
}
