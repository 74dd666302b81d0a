//! What a node has on disk: records, and what they come to.
//!
//! A step changes [`Disk`] and writes the record of that change at once; what tells others of it leaves when the record
//! is durable. So a node works with what will be on its disk, and after a crash with what is: the records before some
//! point, in order. Compaction replaces records by one that holds all of them.
//!
//! Records that are whole one by one may still be none that a node has written one after the other: what they come to
//! is looked at before a node boots from it ([`Disk::damage`]).
//!
//! Verified by `tests/it/recovery.rs`: records boot the node that wrote them, compacted anywhere or not at all, and others
//! boot none; and by the fuzz target `task_sharing_message`, with any records.

use std::collections::VecDeque;

use swarm_protocol::NodeId;

use crate::{Config, Round, Task, TaskId};

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
                self.submitted = self.submitted.saturating_add(1);
                self.create(*task);
            }
            Record::Given { to, tasks } => {
                self.held.retain(|task| !tasks.contains(task));
                let given = at(&mut self.given, *to);
                given.number = given.number.saturating_add(1);
                given.tasks.clone_from(tasks);
            }
            Record::Arrived(to) => at(&mut self.given, *to).tasks.clear(),
            Record::Received { from, tasks } => {
                let received = at(&mut self.received, *from);
                *received = received.saturating_add(1);
                self.held.extend(tasks);
            }
            Record::Completed { id, spawned } => {
                self.completed = self.completed.saturating_add(1);
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

    /// Why no node `me` of this cluster can have written what comes to this, if none can.
    pub(crate) fn damage(&self, config: &Config, me: NodeId) -> Option<&'static str> {
        let nodes = config.nodes as usize;
        let to_itself = self.given_to(me).is_some() || self.received_from(me) > 0;
        if to_itself || self.given.len().max(self.received.len()) > nodes {
            return Some("disk-names-no-other-node");
        }
        let given = || self.given.iter().map(|given| given.number);
        let counts = [self.created, self.completed, self.round];
        if given().chain(self.received.iter().copied()).chain(counts).any(|number| number > COUNT_MAX) {
            return Some("disk-counts-too-far");
        }
        let nameless = self.given.iter().any(|given| given.number == 0 && !given.tasks.is_empty());
        if nameless || self.submitted > self.created {
            return Some("disk-counts-contradict");
        }
        let tasks = self.held.iter().chain(self.given.iter().flat_map(|given| &given.tasks));
        let mut ids: Vec<TaskId> = tasks.map(|task| task.id).collect();
        if ids.iter().any(|id| id.home == me && id.ordinal > self.created) {
            return Some("disk-has-a-task-of-the-future");
        }
        ids.sort_unstable();
        ids.windows(2).any(|pair| pair[0] == pair[1]).then_some("disk-has-a-task-twice")
    }

    /// Hand-overs begun here, less those that have come here (EWD 998, rule 0).
    pub(crate) fn balance(&self) -> i64 {
        // Numbers of a damaged disk may add up to more than fits.
        let given = self.given.iter().fold(0, |sum: u64, given| sum.wrapping_add(given.number));
        self.received.iter().fold(given, |sum, received| sum.wrapping_sub(*received)).cast_signed()
    }
}

/// No node counts this far, and from here on every number has successors enough.
const COUNT_MAX: u64 = u64::MAX / 2;

fn at<T: Default + Clone>(list: &mut Vec<T>, node: NodeId) -> &mut T {
    if list.len() <= node.index() {
        list.resize(node.index() + 1, T::default());
    }
    &mut list[node.index()]
}
