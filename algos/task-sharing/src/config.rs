//! What all nodes agree on: bounds, and how patient they are.

use core::fmt;

use swarm_protocol::{Delay, NodeId, NodeSet, Ticks};

/// The node that begins rounds, and tells clients that all is done.
pub const INITIATOR: NodeId = NodeId(0);

/// The configuration of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many nodes there are, at least 1 and at most [`NodeSet::CAPACITY`](swarm_protocol::NodeSet::CAPACITY).
    pub nodes: u32,
    /// How many tasks a node holds before it takes none from clients and peers. What tasks spawn is taken in all the
    /// same.
    pub tasks_max: usize,
    /// How many tasks one hand-over moves at most.
    pub batch_max: usize,
    /// With fewer tasks a node gives none away when it is asked; at least 2, so that it keeps one.
    pub steal_min: usize,
    /// With more tasks than this a node hands over unasked.
    pub overloaded: usize,
    /// How many clients may wait for the end of all work.
    pub waiting_max: usize,
    /// After so many records a node writes all that it knows as one, and says that those before are superfluous; 0 for
    /// never.
    pub journal_records_max: u32,
    /// How long a task lies before its node turns to it: until then it can be stolen.
    pub turn: Delay,
    /// How long an idle node waits before it asks another one for tasks.
    pub steal: Delay,
    /// How long a node waits for an acknowledgement before it gives again.
    pub resend: Delay,
    /// How long the initiator waits for its token before it takes it for lost. Nodes without tasks must send it round
    /// the ring within that, a write each, or the end is told to nobody.
    pub round: Delay,
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There are no nodes.
    NoNodes,
    /// There are more nodes than sets of them can hold.
    TooManyNodes,
    /// A batch holds no task, or more than a node.
    Batch,
    /// A node would give its last task away.
    StealMin,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::NoNodes => "a cluster has at least one node",
            ConfigError::TooManyNodes => "a cluster has at most 64 nodes",
            ConfigError::Batch => "a batch holds at least one task, and no more than a node",
            ConfigError::StealMin => "a node that has fewer than two tasks gives none away",
        })
    }
}

impl std::error::Error for ConfigError {}

const fn between(min_millis: u64, max_millis: u64) -> Delay {
    Delay { min: Ticks::from_millis(min_millis), max: Ticks::from_millis(max_millis) }
}

impl Config {
    /// Bounds and patience for a cluster of `nodes` in one data centre. A token may take 50 milliseconds per node.
    pub const fn new(nodes: u32) -> Self {
        let round_millis = if nodes > 8 { 50 * nodes as u64 } else { 400 };
        Config {
            nodes,
            tasks_max: 64,
            batch_max: 16,
            steal_min: 2,
            overloaded: 12,
            waiting_max: 16,
            journal_records_max: 256,
            turn: between(0, 2),
            steal: between(10, 20),
            resend: between(60, 120),
            round: between(round_millis, round_millis + round_millis / 2),
        }
    }

    /// Whether nodes can work with this.
    ///
    /// # Errors
    /// What is wrong.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        if self.nodes == 0 {
            return Err(ConfigError::NoNodes);
        }
        if self.nodes > NodeSet::CAPACITY {
            return Err(ConfigError::TooManyNodes);
        }
        if self.batch_max == 0 || self.batch_max > self.tasks_max {
            return Err(ConfigError::Batch);
        }
        if self.steal_min < 2 {
            return Err(ConfigError::StealMin);
        }
        Ok(())
    }

    /// The node after `node` on the ring.
    pub(crate) const fn next(&self, node: NodeId) -> NodeId {
        NodeId((node.0 + 1) % self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_cannot_work_with_is_refused() {
        let usual = Config::new(3);
        assert_eq!(usual.validate(), Ok(()));
        for (config, error) in [
            (Config { nodes: 0, ..usual.clone() }, ConfigError::NoNodes),
            (Config { nodes: 65, ..usual.clone() }, ConfigError::TooManyNodes),
            (Config { batch_max: 0, ..usual.clone() }, ConfigError::Batch),
            (Config { batch_max: 65, ..usual.clone() }, ConfigError::Batch),
            (Config { steal_min: 1, ..usual.clone() }, ConfigError::StealMin),
        ] {
            assert_eq!(config.validate(), Err(error), "{error}");
        }
    }
}
