//! From a run of thousands of events that fails to the few that matter.
//!
//! Events are left out by [`crate::shrink`]. What that cannot leave out are operations, because a world
//! asks for its workload in order: here they are taken out of the workload itself, one at a time, and the
//! later ones renamed. Verified by `tests/it/simulation.rs`.

use core::hash::Hash;

use swarm_protocol::{OpId, Properties, Service};

use super::Traced;
use crate::shrink::{replay, shrink};
use crate::{Event, Setup, Subject};

impl<P: Service + Subject> Traced<P> {
    /// A setup and a run in its world that break `property` with far fewer events and operations than
    /// this run. `None` if the run does not break it in a world.
    ///
    /// Costs a replay for each attempt to leave something out: seconds for thousands of events.
    pub fn shrunk<Q: Properties<P> + Eq + Hash>(
        &self,
        config: P::Config,
        property: &str,
    ) -> Option<(Setup<P>, Vec<Event<P>>)> {
        let (mut setup, events) = self.in_world(config);
        let mut events = shrink::<P, Q>(&setup, &events, property)?;
        let mut number = setup.workload.len();
        while number > 0 {
            number -= 1;
            let op = setup.workload.remove(number);
            let without: Vec<_> =
                events.iter().filter_map(|event| without_op(event, number as u64)).collect();
            let (world, happened) = replay::<P, Q>(&setup, &without);
            if world.violation().is_some_and(|violation| violation.property == property) {
                events = happened;
            } else {
                setup.workload.insert(number, op);
            }
        }
        let events = shrink::<P, Q>(&setup, &events, property)?;
        Some((setup, events))
    }
}

/// The event in a workload without operation `number`: none if it asks for that.
fn without_op<P: Service>(event: &Event<P>, number: u64) -> Option<Event<P>> {
    match event {
        Event::Invoke { id, .. } if id.0 == number => None,
        Event::Invoke { at, id, op } if id.0 > number => {
            Some(Event::Invoke { at: *at, id: OpId(id.0 - 1), op: op.clone() })
        }
        other => Some(other.clone()),
    }
}
