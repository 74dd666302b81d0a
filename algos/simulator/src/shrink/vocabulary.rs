//! Shorter ways between two places of a run, by search: breadth first, over events that the run uses.
//!
//! Leaving events out keeps the others in their order. A search finds other orders too: from a place of the
//! run it looks for a world of a later place, or for the violation, in fewer events than the run takes. It
//! visits each world once and looks no deeper than would be a gain; if it sees all of that, there is no
//! shorter way with these events.
//!
//! A world is made when it is its turn to be gone on from, of the one before it: only those are kept, and no
//! more than [`HELD_MAX`] says.

use core::hash::Hash;
use std::collections::BTreeMap;
use std::rc::Rc;

use swarm_protocol::Properties;

use super::course::{Course, HELD_MAX, Purse};
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

    /// What may be tried in a world; `enabled` is a place for it.
    fn candidates<'a, Q: Properties<P> + Eq + Hash>(
        &'a self,
        setup: &Setup<P>,
        world: &World<P, Q>,
        enabled: &'a mut Vec<Event<P>>,
    ) -> &'a [Event<P>] {
        if let Vocabulary::Words(words) = self {
            return words;
        }
        world.enabled(setup, enabled);
        if let Vocabulary::Kinds(kinds) = self {
            enabled.retain(|event| kinds.binary_search(&(event.class(), event.slot())).is_ok());
        }
        enabled
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
    // Worlds to be gone on from: each as the one before it, and the step that leads there.
    let mut level = vec![(Rc::new(start), None::<u32>)];
    let mut enabled = Vec::new();
    let (mut tried, mut depth, mut cut_off) = (0, 0, false);
    let mut held = course.held();
    // The best way so far: how many events it saves, its last step, and the place where it joins the run.
    let mut best: Option<(usize, u32, usize)> = None;
    'search: while !level.is_empty() && depth + 1 < course.len() - from {
        depth += 1;
        // As much as the events that led to it: no event leaves more than its share behind.
        let weight = WORLD + from + depth;
        let mut next_level = Vec::new();
        for (before, number) in level {
            let mut world = World::clone(&before);
            if let Some(number) = number {
                let made = world.apply_known(setup, &steps[number as usize].event, &known);
                debug_assert!(made.is_ok_and(|applied| applied.changed), "it was looked ahead to");
                if Rc::strong_count(&before) == 1 {
                    held -= weight - 1;
                }
            }
            drop(before);
            let world = Rc::new(world);
            for event in vocabulary.candidates(setup, &world, &mut enabled) {
                tried += 1;
                if tried > tries || !purse.pay() {
                    cut_off = true;
                    break 'search;
                }
                // Most events of a vocabulary are not enabled, or lead where the search has been.
                let (print, broken) = match world.look_ahead(setup, event, &known, |_| ()) {
                    Ahead::Nothing => continue,
                    Ahead::World(print) => (print, None),
                    Ahead::Unclear => {
                        let mut next = World::clone(&world);
                        if !next.apply_known(setup, event, &known).is_ok_and(|applied| applied.changed) {
                            continue;
                        }
                        (next.fingerprint(), next.violation().map(|violation| violation.property))
                    }
                };
                if !seen.insert(&[print]) {
                    continue;
                }
                let next = steps.len() as u32;
                steps.push(Step { event: event.clone(), before: number });
                let joins = match broken {
                    Some(property) if property == course.violation.property => Some(course.len()),
                    Some(_) => continue,
                    None => place_of.get(&print).copied(),
                };
                let saved = joins.map_or(0, |place| (place - from).saturating_sub(depth));
                if let Some(place) = joins.filter(|_| best.is_none_or(|(most, ..)| saved > most)) {
                    best = (saved > 0).then_some((saved, next, place)).or(best);
                }
                if broken.is_some() {
                    // No way to the end is shorter than the first.
                    break 'search;
                }
                next_level.push((Rc::clone(&world), Some(next)));
            }
            if Rc::strong_count(&world) > 1 {
                held += weight;
                purse.hold(held);
                if held > HELD_MAX {
                    cut_off = true;
                    break 'search;
                }
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

/// What a world counts for beside the events behind it: about as much as a small one takes, against an event.
const WORLD: usize = 16;
