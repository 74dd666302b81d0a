//! A space searched from elsewhere, or under somebody's eyes.
//!
//! The worlds are those of [`Space`], one by one; the search begins at one that is handed in, or shows each world that
//! it meets. Verified by those who look: `tests/it/calibration.rs`, which counts what was met, and `tests/it/zoo.rs`,
//! which searches behind stories.

use std::hash::Hash;

use swarm_protocol::{Properties, Violation};
use swarm_simulator::world::Known;
use swarm_simulator::{Event, Setup, Subject, World};

use super::Space;
use crate::engine::{Ahead, System};

/// The worlds of a space, from `start` if there is one, each shown to `eye` when it is first met.
pub(crate) struct Around<P: Subject + 'static, Q: 'static, Eye> {
    pub(crate) space: Space<P, Q>,
    /// Where the search begins; none for where the space does.
    pub(crate) start: Option<World<P, Q>>,
    pub(crate) eye: Eye,
}

impl<P, Q, Eye> System for Around<P, Q, Eye>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
    Eye: Fn(&World<P, Q>) + Sync,
{
    type State = World<P, Q>;
    type Event = Event<P>;

    fn identity(&self) -> String {
        let space = self.space.identity();
        match &self.start {
            Some(start) => format!("{space} behind {}", start.fingerprint()),
            None => space,
        }
    }

    fn initial(&self) -> Vec<World<P, Q>> {
        self.start.as_ref().map_or_else(|| self.space.initial(), |start| vec![start.clone()])
    }

    fn events(&self, state: &World<P, Q>, out: &mut Vec<Event<P>>) {
        self.space.events(state, out);
    }

    fn after(&self, state: &World<P, Q>, event: &Event<P>, depth: u32) -> Option<World<P, Q>> {
        self.space.after(state, event, depth)
    }

    fn look_ahead(&self, state: &World<P, Q>, event: &Event<P>, depth: u32) -> Ahead {
        self.space.look_ahead(state, event, depth)
    }

    fn fingerprint(&self, state: &World<P, Q>) -> u64 {
        self.space.fingerprint(state)
    }

    fn violation(&self, state: &World<P, Q>) -> Option<Violation> {
        self.space.violation(state)
    }

    fn met(&self, state: &World<P, Q>, _depth: u32) {
        (self.eye)(state);
    }
}
