//! What an event does beside changing the world, for whoever asks whether a run is fair.
//!
//! A timer that is set again begins anew, and so has not been kept waiting; the world, which knows no time, looks
//! as if it had run all along. And a message for which the bounds leave no room in flight is lost, as if by a
//! fault that nobody counted. Neither can be told from the worlds before and after.
//!
//! Verified by `tests/it/world.rs`.

use core::hash::Hash;
use std::sync::Arc;

use swarm_protocol::Properties;

use super::turn::{Leaving, Outcome};
use super::{Known, Setup, Subject, World};
use crate::{Event, Slot};

/// What an event does beside changing the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consequences<Timer> {
    /// Where it happens.
    pub at: Slot,
    /// The timers that the node sets, those included that run already.
    pub timers_set: Vec<Timer>,
    /// Whether a message is lost because as many are in flight as the bounds allow.
    pub crowded: bool,
}

impl<P: Subject, Q: Properties<P> + Eq + Hash> World<P, Q> {
    /// What `event` does beside changing the world; none if it is not enabled, or touches no node.
    pub fn consequences(
        &self,
        setup: &Setup<P>,
        event: &Event<P>,
        known: &Known<P>,
    ) -> Option<Consequences<P::Timer>> {
        let (event, answers) = match (event, &self.pending) {
            (Event::Drop { .. }, _) => return None,
            (Event::Choose { answer }, Some(pending)) => {
                (&pending.event, [&pending.answers[..], &[*answer]].concat())
            }
            (event, _) => (event, Vec::new()),
        };
        let (index, cause) = self.cause(setup, event).ok()?;
        let node = &self.nodes[index];
        let outcome = if answers.is_empty() {
            known.outcome(setup, node, &cause)
        } else {
            Arc::new(Outcome::of(setup, node, &cause, answers, &mut |_, _| ()))
        };
        let taken = match event {
            Event::Deliver { from, to, message } => self.network.find(*from, *to, message),
            _ => None,
        };
        let sent = || {
            outcome.leaving.iter().filter_map(|what| match what {
                Leaving::Message(envelope) => Some(envelope),
                Leaving::Answer(..) => None,
            })
        };
        let identical = setup.bounds.identical;
        let after =
            |room| self.network.hash_after(taken.map(|envelope| &**envelope), sent(), room, identical);
        let crowded = after(setup.bounds.in_flight) != after(u32::MAX);
        Some(Consequences { at: node.slot, timers_set: outcome.timers_set.clone(), crowded })
    }
}
