//! Handler sequences of task sharing: bytes choose limits, faults and a workload, then every event of a cluster of
//! three.
//!
//! How bytes are read is [`crate::schedule`]'s; here is what a header means. Verified by `tests/it/task_sharing.rs`: random
//! bytes reach every kind of event and every mark in the list there, and find a bug that is put back. Not covered: more
//! than three nodes.

use core::hash::Hash;

use swarm_protocol::Properties;
use swarm_simulator::shrink::Ways;
use swarm_simulator::{Setup, Subject};
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{Config, Node, Op, Outcome, Task, split};

use crate::schedule::{self, Failure, HEADER_BYTES, Reached};

/// The number of nodes.
pub const NODES: u32 = 3;

/// Runs the schedule that `data` is.
///
/// # Panics
/// If it breaks a property; the message holds the shrunk scenario.
pub fn run(data: &[u8]) {
    if let Err(failure) = judge::<Node, TaskProperties>(data) {
        panic!("{failure}");
    }
}

/// Runs the schedule that `data` is on any nodes of this configuration and these tasks.
///
/// # Errors
/// The first property that it breaks, with the shrunk scenario.
pub fn judge<P, Q>(data: &[u8]) -> Result<Reached<P>, Box<Failure>>
where
    P: Subject<Config = Config, Op = Op, Task = Task, Outcome = Outcome>,
    Q: Properties<P> + Eq + Hash,
{
    schedule::judge::<P, Q>(data, setup, &Ways::default(), |_| String::new())
}

/// What the header chooses.
pub fn setup<P>(header: [u8; HEADER_BYTES]) -> Setup<P>
where
    P: Subject<Config = Config, Op = Op, Task = Task, Outcome = Outcome>,
{
    let [_, modes, limits, ops] = header;
    let config = Config {
        tasks_max: 3 + usize::from(limits & 3),
        batch_max: 1 + usize::from(limits >> 2 & 1),
        overloaded: 1 + usize::from(limits >> 3 & 3),
        waiting_max: 1,
        journal_records_max: [0, 3][usize::from(modes >> 4 & 1)],
        ..Config::new(NODES)
    };
    const OPS: [[Op; 5]; 4] = [
        [Op::Submit(0), Op::Submit(0), Op::Finish, Op::Submit(0), Op::Finish],
        [Op::Submit(1), Op::Finish, Op::Finish, Op::Submit(0), Op::Submit(0)],
        [Op::Submit(2), Op::Submit(0), Op::Finish, Op::Submit(0), Op::Submit(1)],
        [Op::Finish, Op::Submit(1), Op::Submit(0), Op::Submit(0), Op::Finish],
    ];
    let count = 2 + usize::from(ops >> 2 & 3);
    Setup::new(config, NODES)
        .workload(OPS[usize::from(ops & 3)].into_iter().take(count))
        .bounds(schedule::bounds(header))
        .perform(|_, task| split(task))
}
