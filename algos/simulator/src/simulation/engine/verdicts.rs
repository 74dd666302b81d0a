//! Verdicts: after each step on the node that took it and on all together, and from scratch now and then.

use swarm_protocol::{NodeId, Properties, Service, Violation};

use super::Engine;
use crate::world::{INVARIANTS, PANIC};

/// So many nodes are a few.
const FEW: usize = 8;

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    #[inline]
    pub(super) fn judge(&mut self, node: NodeId) -> Result<(), Violation> {
        if !self.simulation.judged {
            return Ok(());
        }
        let config = &self.simulation.config;
        if self.liars.is_some() {
            return self.judge_among_liars(node);
        }
        if let Some(state) = &self.nodes[node.index()] {
            self.phase = INVARIANTS;
            state.assert_invariants(config);
            self.phase = PANIC;
        }
        // After every step: what a few nodes need is a loop over an array.
        let mut few = [None; FEW];
        let many: Vec<_>;
        let nodes = match few.get_mut(..self.nodes.len()) {
            Some(few) => {
                for (place, state) in few.iter_mut().zip(&self.nodes) {
                    *place = state.as_ref();
                }
                &*few
            }
            None => {
                many = self.nodes.iter().map(Option::as_ref).collect();
                &many[..]
            }
        };
        self.properties.after_step(config, nodes, node)?;
        if self.turns.is_multiple_of(self.simulation.full_every.max(1)) {
            self.properties.full(config, nodes)?;
        }
        Ok(())
    }

    /// What properties see: nodes that lie count as down.
    fn observed(&self) -> Vec<Option<&P>> {
        let nodes = (0..self.simulation.nodes).map(NodeId).zip(&self.nodes);
        nodes.map(|(node, state)| state.as_ref().filter(|_| !self.is_liar(node))).collect()
    }

    #[cold]
    fn judge_among_liars(&mut self, node: NodeId) -> Result<(), Violation> {
        if self.is_liar(node) {
            return Ok(());
        }
        let config = &self.simulation.config;
        if let Some(state) = &self.nodes[node.index()] {
            self.phase = INVARIANTS;
            state.assert_invariants(config);
            self.phase = PANIC;
        }
        let mut properties = core::mem::take(&mut self.properties);
        let judged = properties.after_step(config, &self.observed(), node);
        self.properties = properties;
        judged?;
        if self.turns.is_multiple_of(self.simulation.full_every.max(1)) {
            self.judge_from_scratch()
        } else {
            Ok(())
        }
    }

    pub(super) fn judge_from_scratch(&self) -> Result<(), Violation> {
        self.properties.full(&self.simulation.config, &self.observed())
    }
}
