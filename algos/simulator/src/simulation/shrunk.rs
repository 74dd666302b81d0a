//! From a simulated run of thousands of events that fails to the few of a world that matter.
//!
//! A world cannot follow everything: progress, and what clients saw under clocks that run, is a matter of
//! time. Verified by `tests/it/simulation.rs`.

use core::hash::Hash;

use swarm_protocol::Properties;

use super::Traced;
use crate::Subject;
use crate::shrink::{Shrunk, Ways, smallest};

impl<P: Subject<Config: Clone>> Traced<P> {
    /// A run in a world that breaks `property`, far smaller than this run. `None` if this one does not break
    /// it in a world.
    ///
    /// Costs what [`smallest`] does.
    pub fn shrunk<Q: Properties<P> + Eq + Hash>(
        &self,
        config: P::Config,
        property: &str,
        ways: &Ways<P>,
    ) -> Option<Shrunk<P>> {
        let (setup, events) = self.in_world(config);
        smallest::<P, Q>(&setup, &events, property, ways)
    }
}
