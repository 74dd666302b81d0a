//! Tasks, and what comes of them.

use core::fmt;

use swarm_protocol::NodeId;

/// The name of a task: where it came into the world, and as which one there, from 1. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The node that took it from a client, or did the task that spawned it.
    pub home: NodeId,
    /// Its ordinal there.
    pub ordinal: u64,
}

/// Something to be done, once.
///
/// What that is only the host knows: the protocol moves tasks about and asks the host to do them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// What the client said of it: to [`split`], how much there is to do.
    pub size: u8,
}

/// What a task has come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// Which task is done.
    pub id: TaskId,
    /// The sizes of the tasks that it spawns.
    pub spawned: Vec<u8>,
}

/// A way to do tasks, for checks: a task of size `s` spawns one of each smaller size, so that 2ˢ tasks come of it (a
/// binomial tree).
pub fn split(task: &Task) -> Outcome {
    Outcome { id: task.id, spawned: (0..task.size).collect() }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.home, self.ordinal)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.id, self.size)
    }
}
