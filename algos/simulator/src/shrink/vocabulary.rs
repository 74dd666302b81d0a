//! Shorter ways between two places of a run, by search: breadth first, over events that the run uses.
//!
//! Leaving events out keeps the others in their order. A search finds other orders too: from a place of the
//! run it looks for a world of a later place, or for the violation, in fewer events than the run takes. It
//! visits each world once and looks no deeper than would be a gain; if it sees all of that, there is no
//! shorter way with these events.

use core::hash::Hash;
use std::collections::BTreeMap;

use swarm_protocol::Properties;

use super::course::{Course, Purse};
use crate::event::EventClass;
use crate::seen::SeenSet;
use crate::world::{Ahead, Known};
use crate::{Event, Setup, Slot, Subject, World};

/// Which events a search may use.
pub(super) enum Vocabulary<P: Subject> {
    /// These.
    Words(Vec<Event<P>>),
    /// All of these kinds at these slots.
    Kinds(Vec<(EventClass, Option<Slot>)>),
    /// All that are enabled.
    Everything,
}

impl<P: Subject> Vocabulary<P> {
    /// The events of a run.
    pub(super) fn words(events: &[Event<P>]) -> Self {
        let mut words = events.to_vec();
        words.sort();
        words.dedup();
        Vocabulary::Words(words)
    }

    /// The kinds of events of a run, and where they happen.
    pub(super) fn kinds(events: &[Event<P>]) -> Self {
        let mut kinds: Vec<_> = events.iter().map(|event| (event.class(), event.slot())).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Vocabulary::Kinds(kinds)
    }

    /// Replaces `out` by what may be tried in a world.
    fn candidates<Q: Properties<P> + Eq + Hash>(
        &self,
        setup: &Setup<P>,
        world: &World<P, Q>,
        out: &mut Vec<Event<P>>,
    ) {
        match self {
            Vocabulary::Words(words) => {
                out.clear();
                out.extend_from_slice(words);
            }
            Vocabulary::Kinds(kinds) => {
                world.enabled(setup, out);
                out.retain(|event| kinds.binary_search(&(event.class(), event.slot())).is_ok());
            }
            Vocabulary::Everything => world.enabled(setup, out),
        }
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It found a shorter way, which the run now goes.
    Shorter,
    /// It saw all there was to see: there is no shorter way.
    Exhausted,
    /// It was cut off before.
    CutOff,
}

/// How many turns a search remembers.
const TURNS_MAX: usize = 1 << 16;

/// An event that led to a world which was not seen before, and the step before it.
struct Step<P: Subject> {
    event: Event<P>,
    before: Option<u32>,
}

/// Looks from the place `from` of the run for a shorter way on, trying at most `tries` events.
pub(super) fn search<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    course: &mut Course<P, Q>,
    from: usize,
    vocabulary: &Vocabulary<P>,
    tries: u64,
    purse: &mut Purse,
) -> Ended {
    // Where the run has each world, latest first.
    let place_of: BTreeMap<u64, usize> =
        course.prints().iter().enumerate().skip(from).map(|(place, print)| (*print, place + 1)).collect();
    let known = Known::new(TURNS_MAX);
    let start = course.before(setup, from);
    let mut seen = SeenSet::new();
    seen.insert(&[start.fingerprint()]);
    let mut steps: Vec<Step<P>> = Vec::new();
    let mut level = vec![(start, None)];
    let mut candidates = Vec::new();
    let (mut tried, mut depth, mut cut_off) = (0, 0, false);
    // The best way so far: how many events it saves, its last step, and the place where it joins the run.
    let mut best: Option<(usize, u32, usize)> = None;
    'search: while !level.is_empty() && depth + 1 < course.len() - from {
        depth += 1;
        let mut next_level = Vec::new();
        for (world, before) in level {
            vocabulary.candidates(setup, &world, &mut candidates);
            for event in candidates.drain(..) {
                tried += 1;
                if tried > tries || !purse.pay() {
                    cut_off = true;
                    break 'search;
                }
                // Most events of a vocabulary are not enabled, or lead where the search has been.
                match world.look_ahead(setup, &event, &known, |_| ()) {
                    Ahead::Nothing => continue,
                    Ahead::World(print) if seen.contains(&[print]) => continue,
                    Ahead::World(_) | Ahead::Unclear => {}
                }
                let mut next = world.clone();
                if !next.apply_known(setup, &event, &known).is_ok_and(|applied| applied.changed) {
                    continue;
                }
                let print = next.fingerprint();
                if !seen.insert(&[print]) {
                    continue;
                }
                let number = steps.len() as u32;
                steps.push(Step { event, before });
                let broken = next.violation().map(|violation| violation.property);
                let joins = match broken {
                    Some(property) if property == course.violation.property => Some(course.len()),
                    Some(_) => continue,
                    None => place_of.get(&print).copied(),
                };
                let saved = joins.map_or(0, |place| (place - from).saturating_sub(depth));
                if let Some(place) = joins.filter(|_| best.is_none_or(|(most, ..)| saved > most)) {
                    best = (saved > 0).then_some((saved, number, place)).or(best);
                }
                if broken.is_some() {
                    // No way to the end is shorter than the first.
                    break 'search;
                }
                next_level.push((next, Some(number)));
            }
        }
        level = next_level;
    }
    let Some((_, last, place)) = best else {
        return if cut_off { Ended::CutOff } else { Ended::Exhausted };
    };
    let mut way = Vec::new();
    let mut step = Some(last);
    while let Some(number) = step {
        way.push(steps[number as usize].event.clone());
        step = steps[number as usize].before;
    }
    way.reverse();
    way.extend_from_slice(&course.events[place..]);
    course.go_on_with(setup, from, way);
    Ended::Shorter
}
