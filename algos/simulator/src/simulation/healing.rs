//! The second phase: faults end, a legal core is healed, and it must make progress.
//!
//! What must make progress is as much as the protocol's assumption promises, and often no more: in one case
//! of two all that can still be healed is, in the other a random core of the size that the assumption names
//! as enough, or somewhat more. Of the rest each stays down, or is up and cut off from all others. Clients
//! talk to the core alone. Healing all nodes in every run would hide a protocol that needs one more than it
//! says.
//!
//! Verified by `tests/it/healing.rs`: cores are legal, every node is left out in some run, and a protocol that
//! needs everyone is found out.

use swarm_protocol::{NodeId, Properties, Service, Stream, Violation};

use super::engine::{Due, Engine, Kind};
use super::purpose;
use crate::{Event, EventClass, Slot};

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    /// Draws the core: which nodes are healed.
    fn draw_core(&self, stream: &mut Stream) -> Vec<bool> {
        let n = self.simulation.nodes;
        let able = |node: &NodeId| {
            let host = &self.hosts[node.index()];
            !(host.away || self.atlas.is_byzantine(*node) || host.has_failed && host.is_damaged())
        };
        let mut able: Vec<_> = (0..n).map(NodeId).filter(able).collect();
        let least = (self.atlas.assumption().core_min as usize).min(able.len());
        let size = match stream.below(2) {
            0 => able.len(),
            _ => least + stream.below((able.len() - least) as u64 + 1) as usize,
        };
        let mut core = vec![false; n as usize];
        for _ in 0..size {
            let chosen = stream.below(able.len() as u64) as usize;
            core[able.swap_remove(chosen).index()] = true;
        }
        core
    }

    /// Everything that lasts ends, nothing strikes any more, and the core is up and connected.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.network.healed = true;
        self.mend_all()?;
        let mut stream = Stream::new(self.seed, purpose::CORE, 0);
        self.core = self.draw_core(&mut stream);
        for node in (0..self.simulation.nodes).map(NodeId) {
            if self.core[node.index()] {
                self.recuperate(node)?;
            } else {
                self.leave_out(node, &mut stream)?;
            }
        }
        self.heal_clients();
        self.schedule_after(self.simulation.pace.progress, Due::numbered(Kind::Deadline, 0));
        Ok(())
    }

    /// A node of the core is up, with a disk that works.
    fn recuperate(&mut self, node: NodeId) -> Result<(), Violation> {
        let host = &mut self.hosts[node.index()];
        if core::mem::take(&mut host.stalled_until) > self.now && host.syncing > 0 {
            // The sync under way may wait for the end of the stall: another one takes its place.
            host.disk += 1;
            host.syncing = 0;
            self.start_sync(node);
        }
        self.restart(node)
    }

    /// A node outside the core stays down, or is cut off. Faulty ones go on as they like.
    fn leave_out(&mut self, node: NodeId, stream: &mut Stream) -> Result<(), Violation> {
        let returns = stream.below(2) == 0 && !self.hosts[node.index()].away;
        if self.atlas.is_byzantine(node) {
            return Ok(());
        }
        let others = (0..self.simulation.nodes).filter(|other| *other != node.0);
        let links: Vec<_> = others.flat_map(|other| [(node.0, other), (other, node.0)]).collect();
        // Two nodes outside the core are cut off from each other twice, which does no harm.
        self.network.cut(&links, true);
        if returns { self.restart(node) } else { Ok(()) }
    }

    /// A node boots, if it is down and may; one whose disk has failed is started again.
    pub(super) fn restart(&mut self, node: NodeId) -> Result<(), Violation> {
        if self.hosts[node.index()].away {
            return Ok(());
        }
        if self.hosts[node.index()].has_failed {
            self.give_up(node)?;
        }
        if self.nodes[node.index()].is_some() || self.hosts[node.index()].away {
            return Ok(());
        }
        self.note(EventClass::Restart, node, 0, || Event::Restart { at: Slot::of(node) });
        if !self.hosts[node.index()].full {
            self.atlas.returned(node);
        }
        self.boot(node)
    }

    /// There is room again on a disk that was full.
    pub(super) fn has_room(&mut self, node: NodeId) -> Result<(), Violation> {
        if self.hosts[node.index()].has_failed {
            return self.restart(node);
        }
        if self.nodes[node.index()].is_some() {
            self.atlas.returned(node);
        }
        Ok(())
    }

    /// Whether a client may talk to a node.
    pub(super) fn is_reachable(&self, node: NodeId) -> bool {
        let up = self.nodes.get(node.index()).is_some_and(Option::is_some);
        up && self.core.get(node.index()).copied().unwrap_or(true)
    }
}
