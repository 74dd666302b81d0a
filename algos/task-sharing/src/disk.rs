//! What a node has on disk: records, and what they come to.
//!
//! A step changes [`Disk`] and writes the record of that change at once; what tells others of it leaves when the record
//! is durable. So a node works with what will be on its disk, and after a crash with what is: the records before some
//! point, in order. Compaction replaces records by one that holds all of them.
//!
//! Verified by `tests/it/recovery.rs`: records boot the node that wrote them, compacted anywhere or not at all.

use std::collections::VecDeque;

use swarm_protocol::NodeId;

use crate::{Round, Task, TaskId};

/// One change of what a node knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// A client has submitted this task here.
    Submitted(Task),
    /// These tasks go to another node, as the next hand-over to it.
    Given {
        /// The receiver.
        to: NodeId,
        /// The tasks, in their order.
        tasks: Vec<Task>,
    },
    /// The hand-over under way to this node has arrived there.
    Arrived(NodeId),
    /// These tasks have come from another node, as the next hand-over from it.
    Received {
        /// The giver.
        from: NodeId,
        /// The tasks, in their order.
        tasks: Vec<Task>,
    },
    /// A task is done.
    Completed {
        /// Which one.
        id: TaskId,
        /// What it has spawned, here.
        spawned: Vec<Task>,
    },
    /// The token of this round goes on to the next node.
    Round(Round),
    /// What all records so far come to.
    Whole(Box<Disk>),
}

/// What was given to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Given {
    /// The number of the last hand-over to it; 0 if there was none.
    pub number: u64,
    /// The tasks of that one until it is known to have arrived; then none.
    pub tasks: Vec<Task>,
}

/// What the records of a node come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// How many tasks came into the world here: ordinals up to this are taken.
    pub created: u64,
    /// How many of those clients have submitted; the others were spawned.
    pub submitted: u64,
    /// How many tasks, from wherever, were completed here.
    pub completed: u64,
    /// The tasks that this node owns, the oldest first. None stands twice, or in `given`, too.
    pub held: VecDeque<Task>,
    /// What was given to each node, by its number; as long as it must be.
    pub given: Vec<Given>,
    /// The number of the last hand-over from each node, by its number; as long as it must be.
    pub received: Vec<u64>,
    /// The last round whose token went on from here; 0 if none has.
    pub round: Round,
}

impl Disk {
    /// What these records come to, oldest first.
    pub fn replay(records: impl Iterator<Item = Record>) -> Self {
        let mut disk = Disk::default();
        records.for_each(|record| disk.apply(&record));
        disk
    }

    /// Takes in one record.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Submitted(task) => {
                self.submitted += 1;
                self.create(*task);
            }
            Record::Given { to, tasks } => {
                self.held.retain(|task| !tasks.contains(task));
                let given = at(&mut self.given, *to);
                given.number += 1;
                given.tasks.clone_from(tasks);
            }
            Record::Arrived(to) => at(&mut self.given, *to).tasks.clear(),
            Record::Received { from, tasks } => {
                *at(&mut self.received, *from) += 1;
                self.held.extend(tasks);
            }
            Record::Completed { id, spawned } => {
                self.completed += 1;
                self.held.retain(|task| task.id != *id);
                for task in spawned {
                    self.create(*task);
                }
            }
            Record::Round(round) => self.round = *round,
            Record::Whole(whole) => self.clone_from(whole),
        }
    }

    fn create(&mut self, task: Task) {
        self.created = task.id.ordinal;
        self.held.push_back(task);
    }

    /// What was given to `node` last.
    pub fn given_to(&self, node: NodeId) -> Option<&Given> {
        self.given.get(node.index()).filter(|given| given.number > 0)
    }

    /// The number of the last hand-over from `node`; 0 if there was none.
    pub fn received_from(&self, node: NodeId) -> u64 {
        self.received.get(node.index()).copied().unwrap_or(0)
    }

    /// The nodes to which something is under way, as far as is known here.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (NodeId, &Given)> {
        let nodes = (0..).map(NodeId).zip(&self.given);
        nodes.filter(|(_, given)| !given.tasks.is_empty())
    }

    /// Hand-overs begun here, less those that have come here (EWD 998, rule 0).
    pub(crate) fn balance(&self) -> i64 {
        let given: u64 = self.given.iter().map(|given| given.number).sum();
        let received: u64 = self.received.iter().sum();
        given.wrapping_sub(received).cast_signed()
    }
}

fn at<T: Default + Clone>(list: &mut Vec<T>, node: NodeId) -> &mut T {
    if list.len() <= node.index() {
        list.resize(node.index() + 1, T::default());
    }
    &mut list[node.index()]
}
