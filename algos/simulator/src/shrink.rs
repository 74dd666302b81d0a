//! Smaller runs that break the same property.
//!
//! Events are values, so a shorter run is the run without some of them: what is not enabled any more is
//! skipped. Deleting goes from large chunks to single events (delta debugging: Zeller and Hildebrandt
//! 2002) until no single event can be spared. Verified by tests that try to spare each event of the
//! result.

use core::hash::Hash;

use swarm_protocol::Properties;

use crate::{Event, Setup, Subject, World};

/// Lets the events that are enabled happen in turn and skips the others, to the first violation. Returns
/// the world and the events that made a difference.
pub fn replay<'a, P: Subject + 'a, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: impl IntoIterator<Item = &'a Event<P>>,
) -> (World<P, Q>, Vec<Event<P>>) {
    let mut world = World::new(setup);
    let mut happened = Vec::new();
    for event in events {
        if world.violation().is_some() {
            break;
        }
        if world.apply(setup, event).is_ok_and(|applied| applied.changed) {
            happened.push(event.clone());
        }
    }
    (world, happened)
}

/// A run that breaks `property` and from which no single event can be spared, made of events of the run
/// given. `None` if that one does not break it.
///
/// Costs a replay for each attempt: about n log n attempts where most events can be spared, n² at worst.
pub fn shrink<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: &[Event<P>],
    property: &str,
) -> Option<Vec<Event<P>>> {
    let attempt = |events: &mut dyn Iterator<Item = &Event<P>>| {
        let (world, happened) = replay::<P, Q>(setup, events);
        world.violation().is_some_and(|violation| violation.property == property).then_some(happened)
    };
    let mut best = attempt(&mut events.iter())?;
    let mut chunk = best.len().div_ceil(2);
    while chunk > 0 {
        let (mut start, mut progress) = (0, false);
        while start < best.len() {
            let end = (start + chunk).min(best.len());
            match attempt(&mut best[..start].iter().chain(&best[end..])) {
                // The next chunk now begins where this one did.
                Some(shorter) => (best, progress) = (shorter, true),
                None => start = end,
            }
        }
        if !(progress && chunk == 1) {
            chunk /= 2;
        }
    }
    Some(best)
}
