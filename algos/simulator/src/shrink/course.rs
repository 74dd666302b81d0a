//! A run that can be taken up anywhere, and what it is without some of its events.
//!
//! The run keeps worlds on its way, so that leaving events out plays what comes after them and nothing
//! before; and it keeps the fingerprint after each event: once a run without some events comes to the same
//! world as the whole run, the rest of the two is the same, and is not played.

use core::hash::Hash;
use core::sync::atomic::{AtomicBool, Ordering};

use swarm_protocol::{Properties, Violation};

use super::values::follow;
use crate::{Event, Setup, Subject, World};

/// How many worlds a run keeps.
const WORLDS_MAX: usize = 256;

/// How much the worlds kept at a time may hold. What a world holds is not known, but that no event adds more than
/// its share: a world counts as many as the events that led to it.
pub(super) const HELD_MAX: usize = 2_000_000;

/// How many events may be tried, and how many were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    pub(super) spent: u64,
    pub(super) limit: u64,
    /// Something was left undone for want of events, or because somebody asked to stop.
    pub(super) ran_out: bool,
    /// The most that was held at a time.
    pub(super) held_most: usize,
    stop: Option<&'static AtomicBool>,
}

impl Purse {
    pub(super) const fn new(limit: u64, stop: Option<&'static AtomicBool>) -> Self {
        Purse { spent: 0, limit, ran_out: false, held_most: 0, stop }
    }

    /// Takes one event out, if there is one.
    pub(super) fn pay(&mut self) -> bool {
        // Relaxed: a request, which may be seen late.
        self.ran_out |=
            self.spent >= self.limit || self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        self.spent += u64::from(!self.ran_out);
        !self.ran_out
    }

    /// Notes how much is held.
    pub(super) fn hold(&mut self, held: usize) {
        self.held_most = self.held_most.max(held);
    }
}

/// How far apart the worlds of so many events are kept: at most [`WORLDS_MAX`] of them, and half of what may be
/// held, at `0`, `stride`, `2 * stride`, …, which is about `events² / (2 * stride)`.
fn stride(events: usize) -> usize {
    let few = events.div_ceil(WORLDS_MAX);
    let small = (events as u64).pow(2).div_ceil(HELD_MAX as u64) as usize;
    few.max(small).max(1)
}

/// A run to the violation of one property.
pub(super) struct Course<P: Subject, Q> {
    /// What happened. Every event makes a difference, and the last one breaks the property.
    pub(super) events: Vec<Event<P>>,
    /// What is broken.
    pub(super) violation: Violation,
    /// The fingerprint of the world after each event.
    prints: Vec<u64>,
    /// The worlds before the events `0`, `stride`, `2 * stride`, …
    worlds: Vec<World<P, Q>>,
    stride: usize,
}

impl<P: Subject, Q: Properties<P> + Eq + Hash> Course<P, Q> {
    /// Lets the events that are enabled happen in turn and skips the others. `None` if that does not break
    /// `property`.
    pub(super) fn play<'a>(
        setup: &Setup<P>,
        events: impl IntoIterator<Item = &'a Event<P>>,
        property: &str,
        purse: &mut Purse,
    ) -> Option<Self>
    where
        P: 'a,
    {
        let mut world = World::<P, Q>::new(setup);
        let mut happened = Vec::new();
        for event in events {
            if world.violation().is_some() || !purse.pay() {
                break;
            }
            if world.apply(setup, event).is_ok_and(|applied| applied.changed) {
                happened.push(event.clone());
            }
        }
        let violation = world.violation().filter(|violation| violation.property == property)?.clone();
        let course = Self::along(setup, happened, violation);
        purse.hold(course.held());
        Some(course)
    }

    /// The run of these events, of which each makes a difference, and the last breaks a property.
    fn along(setup: &Setup<P>, events: Vec<Event<P>>, violation: Violation) -> Self {
        let stride = stride(events.len());
        let (prints, worlds) = (Vec::with_capacity(events.len()), Vec::new());
        let mut course = Course { events, violation, prints, worlds, stride };
        course.note_from(setup, World::new(setup));
        course
    }

    /// Notes fingerprints and worlds from where they end: that is, from `world` on.
    fn note_from(&mut self, setup: &Setup<P>, mut world: World<P, Q>) {
        for place in self.prints.len()..self.events.len() {
            if place == self.worlds.len() * self.stride {
                self.worlds.push(world.clone());
            }
            let applied = world.apply(setup, &self.events[place]);
            debug_assert!(applied.is_ok_and(|applied| applied.changed), "{:?}", self.events[place]);
            self.prints.push(world.fingerprint());
        }
        if let Some(violation) = world.violation() {
            self.violation = violation.clone();
        }
    }

    /// What the worlds hold: see [`HELD_MAX`].
    pub(super) fn held(&self) -> usize {
        (0..self.worlds.len()).map(|number| number * self.stride).sum()
    }

    /// The number of events.
    pub(super) const fn len(&self) -> usize {
        self.events.len()
    }

    /// The fingerprints after each event.
    pub(super) fn prints(&self) -> &[u64] {
        &self.prints
    }

    /// The world before event `place`, which is one of them.
    pub(super) fn before(&self, setup: &Setup<P>, place: usize) -> World<P, Q> {
        let kept = place / self.stride;
        let mut world = self.worlds[kept].clone();
        for event in &self.events[kept * self.stride..place] {
            let _ = world.apply(setup, event);
        }
        world
    }

    /// Leaves out the events from `start` to `end`, and those that are not enabled or do nothing without
    /// them, if the rest still breaks the property. Says whether it does.
    pub(super) fn spare(&mut self, setup: &Setup<P>, start: usize, end: usize, purse: &mut Purse) -> bool {
        let mut world = self.before(setup, start);
        let mut kept = Vec::new();
        let mut place = end;
        while place < self.len() && world.violation().is_none() {
            if !purse.pay() {
                return false;
            }
            if world.apply(setup, &self.events[place]).is_ok_and(|applied| applied.changed) {
                kept.push(place);
            }
            place += 1;
            if world.fingerprint() == self.prints[place - 1] {
                kept.extend(place..self.len());
                place = self.len() + 1;
            }
        }
        let same_end = place > self.len();
        let broken = world.violation().is_some_and(|other| other.property == self.violation.property);
        if !same_end && !broken {
            return false;
        }
        let rest = kept.into_iter().map(|place| self.events[place].clone()).collect();
        self.go_on_with(setup, start, rest);
        true
    }

    /// Leaves out the events at `places`, which ascend, and lets others stand in for those that are not enabled
    /// without them, if that is shorter and breaks the property, too. Says whether it does.
    pub(super) fn spare_with_stand_ins(
        &mut self,
        setup: &Setup<P>,
        places: impl IntoIterator<Item = usize>,
        purse: &mut Purse,
    ) -> bool {
        let mut places = places.into_iter().peekable();
        let Some(&start) = places.peek() else { return false };
        let mut left = Vec::new();
        for (place, event) in self.events.iter().enumerate().skip(start) {
            if places.next_if_eq(&place).is_none() {
                left.push(event.clone());
            }
        }
        let Some((rest, world)) = follow(setup, self.before(setup, start), &left, purse) else {
            return false;
        };
        let broken = world.violation().is_some_and(|other| other.property == self.violation.property);
        let shorter = broken && start + rest.len() < self.len();
        if shorter {
            self.go_on_with(setup, start, rest);
        }
        shorter
    }

    /// Puts `rest`, of which each makes a difference, in the place of the events from `start` on, which is one
    /// of them.
    pub(super) fn go_on_with(&mut self, setup: &Setup<P>, start: usize, rest: Vec<Event<P>>) {
        let world = self.before(setup, start);
        self.events.truncate(start);
        self.prints.truncate(start);
        self.worlds.truncate(start.div_ceil(self.stride));
        self.events.extend(rest);
        self.note_from(setup, world);
        // Fewer events, so worlds closer to each other.
        if self.stride > 1 && self.len() * 2 <= self.stride * WORLDS_MAX {
            let events = core::mem::take(&mut self.events);
            *self = Self::along(setup, events, self.violation.clone());
        }
    }

    /// Leaves out what can be spared, from large chunks to single events, from the end to the beginning
    /// (delta debugging), until no single event can be spared or the purse is empty.
    pub(super) fn minimise(&mut self, setup: &Setup<P>, purse: &mut Purse) {
        let mut chunk = self.len().div_ceil(2);
        while chunk > 0 && !purse.ran_out {
            let (mut end, mut progress) = (self.len(), false);
            while end > 0 && !purse.ran_out {
                let start = end.saturating_sub(chunk);
                progress |= self.spare(setup, start, end, purse);
                end = start;
            }
            if !(progress && chunk == 1) {
                chunk /= 2;
            }
        }
    }
}
