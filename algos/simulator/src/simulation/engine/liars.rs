//! Who lies, and where: an identity that has a twin stands at two places.

use smallvec::SmallVec;
use swarm_protocol::{NodeId, NodeSet, Properties, Service, Stream};

use super::super::adversary::Liars;
use super::super::atlas::{Atlas, Harm};
use super::super::{Simulation, purpose};
use super::Engine;
use crate::Slot;
use crate::profile::{Conditions, Fault};

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    /// Who stands at a place.
    #[inline]
    pub(super) const fn identity(&self, place: NodeId) -> NodeId {
        NodeId(if place.0 < self.simulation.nodes { place.0 } else { place.0 - self.simulation.nodes })
    }

    /// The slot of a place.
    #[inline]
    pub(in super::super) fn slot(&self, place: NodeId) -> Slot {
        match place.0.checked_sub(self.simulation.nodes) {
            None => Slot::of(place),
            Some(twin) => Slot::twin_of(NodeId(twin)),
        }
    }

    /// Whether a lying identity stands at a place.
    #[inline]
    pub(in super::super) fn is_liar(&self, place: NodeId) -> bool {
        self.liars.as_ref().is_some_and(|liars| liars.is_liar(place))
    }

    /// Which place of an identity a client's question reaches.
    pub(in super::super) fn place_asked(&self, node: NodeId, stream: &mut Stream) -> NodeId {
        let Some(liars) = &self.liars else { return node };
        let places: SmallVec<[NodeId; 2]> = liars.places(node).collect();
        places[stream.below(places.len() as u64) as usize]
    }
}

/// Draws which identities lie, and how, as far as faults are switched on and the atlas permits.
pub(super) fn draw<P: Service, Q: Properties<P>>(
    simulation: &Simulation<P, Q>,
    seed: u64,
    conditions: &Conditions,
    atlas: &mut Atlas,
) -> Option<Liars<P>> {
    let twins = conditions.faults.contains(Fault::Twins);
    let adversaries = conditions.faults.contains(Fault::Adversary) && !simulation.adversaries.is_empty();
    let most = simulation.assumption.byzantine_max.min(simulation.nodes).min(NodeSet::CAPACITY);
    if most == 0 || !(twins || adversaries) {
        return None;
    }
    let mut stream = Stream::new(seed, purpose::LIARS, 0);
    let mut liars = Liars::new(simulation.nodes);
    let mut honest: Vec<_> = (0..simulation.nodes.min(NodeSet::CAPACITY)).map(NodeId).collect();
    for _ in 0..stream.between(1, u64::from(most)) {
        let node = honest.swap_remove(stream.below(honest.len() as u64) as usize);
        if !atlas.permits(&[Harm::Byzantine(node)]) {
            continue;
        }
        let either = stream.below(2) == 0;
        if twins && (either || !adversaries) {
            liars.add_twin(node);
        } else {
            let kinds = &simulation.adversaries;
            liars.add_adversary(node, kinds[stream.below(kinds.len() as u64) as usize]());
        }
    }
    Some(liars)
}
