//! Runs of a world that nobody scripted: at random, or steered by bytes.
//!
//! Both only ever pick among enabled events, so that every seed and every byte string is a valid run.
//! Verified by flawed protocols that walks must catch, and by walking the same way twice.

use core::hash::Hash;
use std::collections::BTreeMap;

use swarm_protocol::{Properties, Stream, Violation};

use crate::event::EventClass;
use crate::{Applied, Event, Setup, Subject, Trace, World};

/// A run and what it reached.
#[derive(Clone, Debug)]
pub struct Walk<P: Subject> {
    /// What happened.
    pub trace: Trace<P>,
    /// How often each mark was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// How often inputs were refused, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// How many events of each class happened, by the discriminant of the class.
    pub classes: [u64; EventClass::ALL.len()],
    /// The property that the last event broke.
    pub violation: Option<Violation>,
}

impl<P: Subject> Walk<P> {
    fn new(setup: &Setup<P>) -> Self {
        Walk {
            trace: Trace::new(setup.header()),
            marks: BTreeMap::new(),
            refusals: BTreeMap::new(),
            classes: [0; EventClass::ALL.len()],
            violation: None,
        }
    }

    fn note(&mut self, event: Event<P>, applied: Applied) {
        for mark in applied.marks {
            *self.marks.entry(mark).or_default() += 1;
        }
        for reason in applied.refusals {
            *self.refusals.entry(reason).or_default() += 1;
        }
        self.classes[event.class() as usize] += 1;
        self.trace.push(event);
    }
}

/// How likely an event of each class is against one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights([u32; EventClass::ALL.len()]);

impl Weights {
    /// Every enabled event is as likely as any other.
    pub const EVEN: Weights = Weights([1; EventClass::ALL.len()]);

    /// Random weights, so that every run favours other kinds of events (Groce et al. 2012, *Swarm
    /// testing*): what one mix of events hides, another shows.
    pub fn swarm(stream: &mut Stream) -> Self {
        const WEIGHTS: [u32; 6] = [0, 1, 1, 4, 16, 64];
        Weights(std::array::from_fn(|_| WEIGHTS[stream.below(WEIGHTS.len() as u64) as usize]))
    }

    /// Sets the weight of one class.
    pub const fn with(mut self, class: EventClass, weight: u32) -> Self {
        self.0[class as usize] = weight;
        self
    }

    pub(crate) fn of<P: Subject>(&self, event: &Event<P>) -> u64 {
        u64::from(self.0[event.class() as usize])
    }
}

/// Walks at random for at most `steps` events, to the first violation, or to where nothing is enabled.
/// Where all weights are 0, every enabled event is as likely as any other.
pub fn walk<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    choices: Stream,
    weights: Weights,
    steps: usize,
) -> Walk<P> {
    walk_after::<P, Q>(setup, &[], choices, weights, steps)
}

/// The same, but the events of `before` happen first, those that are enabled: what is hard to reach at
/// random can be had in front. They count as steps.
pub fn walk_after<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    before: &[Event<P>],
    mut choices: Stream,
    weights: Weights,
    steps: usize,
) -> Walk<P> {
    let mut before = before.iter();
    run::<P, Q>(setup, |events, taken| {
        if taken == steps {
            return None;
        }
        let scripted = before.find_map(|event| events.iter().position(|enabled| enabled == event));
        if scripted.is_some() {
            return scripted;
        }
        let total: u64 = events.iter().map(|event| weights.of(event)).sum();
        if total == 0 {
            return Some(choices.below(events.len() as u64) as usize);
        }
        let mut left = choices.below(total);
        events.iter().position(|event| {
            let weight = weights.of(event);
            let here = left < weight;
            left = left.wrapping_sub(weight);
            here
        })
    })
}

/// Walks as the bytes say, two for each event: the first picks a class among those of which an event is
/// enabled, the second an event of that class. A byte left over is not used.
pub fn steer<P: Subject, Q: Properties<P> + Eq + Hash>(setup: &Setup<P>, bytes: &[u8]) -> Walk<P> {
    let mut pairs = bytes.chunks_exact(2);
    run::<P, Q>(setup, |events, _| {
        let pair = pairs.next()?;
        let mut classes = [0usize; EventClass::ALL.len()];
        for event in events {
            classes[event.class() as usize] += 1;
        }
        let enabled = classes.iter().filter(|count| **count > 0).count();
        let (class, count) = classes
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .nth(usize::from(pair[0]) % enabled)?;
        let of_class = |(_, event): &(usize, &Event<P>)| event.class() as usize == class;
        events.iter().enumerate().filter(of_class).nth(usize::from(pair[1]) % count).map(|(place, _)| place)
    })
}

/// Lets `pick` choose among enabled events, given how many have happened, until it has no more to say.
fn run<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    mut pick: impl FnMut(&[Event<P>], usize) -> Option<usize>,
) -> Walk<P> {
    let mut world = World::<P, Q>::new(setup);
    let mut walk = Walk::new(setup);
    let mut events = Vec::new();
    world.enabled(setup, &mut events);
    while !events.is_empty() {
        let Some(place) = pick(&events, walk.trace.len()) else { break };
        let event = events.swap_remove(place);
        // An event that would leave the boundary is only taken off the list.
        if let Ok(applied) = world.apply(setup, &event) {
            walk.note(event, applied);
            world.enabled(setup, &mut events);
        }
    }
    walk.violation = world.violation().cloned();
    walk
}
