//! Which events of a [`World`] are bound to happen, for the search for [lassos](crate::engine::lasso).
//!
//! | event | bound to happen |
//! |---|---|
//! | `deliver` | a message that stays in flight while its receiver is up arrives, each by itself |
//! | `timeout` | a timer that is armed and is not set anew runs out |
//! | `sync` | of the outstanding writes of a node some become durable |
//! | `flush` | what a node has batched leaves |
//! | `restart` | a node that is down comes back |
//! | `advance` | a clock moves, up to its last step |
//! | `choose` | a question gets an answer, whichever |
//! | `duplicate`, `drop`, `disk-fail`, `crash` | never: these are faults |
//! | `invoke` | never: it is the client's wish |
//!
//! So messages may take as long as they like, but a network that is sent the same message again and again
//! delivers it: equal messages in flight count as one. Losses are faults, of which the bounds allow so many. An
//! event that leads out of the boundary of the instance, or whose messages find no room in flight, leads out of
//! bounds: what the network loses for want of room is no run of the protocol.
//!
//! Not verified: protocols that ask questions ([`swarm_protocol::Effects::choose`]) in a loop. While a question
//! waits nothing else is possible, so that such a loop passes for fair whatever it puts off. What is kept is
//! kept all the same.
//!
//! Verified by `tests/it/liveness.rs`.

use std::hash::Hash;

use swarm_protocol::Properties;
use swarm_simulator::world::{Consequences, Known};
use swarm_simulator::{Event, EventClass, NotEnabled, Setup, Slot, Subject, World, hash_of};

use crate::adapter::Space;
use crate::engine::lasso::{Fair, Next};

/// What actions are hashed for.
const ACTION: u64 = 0x4641_4952;

fn of_timer<P: Subject>(at: Slot, timer: P::Timer) -> u64 {
    hash_of(ACTION, &(EventClass::Timeout, at, timer))
}

/// The action that an event belongs to.
fn action<P: Subject>(event: &Event<P>) -> Option<u64> {
    let class = event.class();
    match event {
        Event::Deliver { from, to, message } => Some(hash_of(ACTION, &(class, from, to, message))),
        Event::Timeout { at, timer } => Some(of_timer::<P>(*at, *timer)),
        Event::Sync { at, .. } | Event::Flush { at } | Event::Restart { at } | Event::Advance { at } => {
            Some(hash_of(ACTION, &(class, at)))
        }
        Event::Choose { .. } => Some(hash_of(ACTION, &class)),
        Event::Duplicate { .. }
        | Event::Drop { .. }
        | Event::Invoke { .. }
        | Event::DiskFail { .. }
        | Event::Crash { .. } => None,
    }
}

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> Fair for Space<P, Q>
where
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    fn action(&self, event: &Event<P>) -> Option<u64> {
        action(event)
    }

    fn follow(&self, state: &World<P, Q>, event: &Event<P>, _depth: u32) -> Next<World<P, Q>> {
        let mut next = state.clone();
        let changed = match next.apply_known(self.setup(), event, self.known()) {
            Err(NotEnabled::Boundary) => return Next::Beyond,
            Err(_) => return Next::Nothing,
            Ok(applied) => applied.changed,
        };
        // A world in which nothing has changed may be one that a message did not find room in.
        let consequences = state.consequences(self.setup(), event, self.known());
        if consequences.as_ref().is_some_and(|consequences| consequences.crowded) {
            return Next::Beyond;
        }
        if !changed {
            return Next::Nothing;
        }
        let renewed = consequences.map_or(Vec::new(), |Consequences { at, timers_set, .. }| {
            timers_set.iter().map(|timer| of_timer::<P>(at, *timer)).collect()
        });
        Next::State { state: next, renewed }
    }
}
