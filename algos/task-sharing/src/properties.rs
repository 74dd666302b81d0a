//! What must hold across nodes, in words of their own: what is on disks is counted here, and no code of the protocol is
//! asked.
//!
//! Where a task is follows from what two nodes have on disk: it is on its way from one to another while the first has
//! given it under a number that the second has not received. A node that is down may have anything on its disk, so what
//! is about all nodes is judged while all are up: what is wrong on a disk stays wrong until then.
//!
//! Verified by hand-made violations of each (below), and by flaws put into the protocol.

use swarm_protocol::{NodeId, Properties, Violation};

use crate::disk::{Disk, Given};
use crate::{Config, Node, Round, Task, TaskId};

/// The properties, and what must be remembered for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TaskProperties {
    /// The round under way, and whether no task was anywhere when it began.
    began: Option<(Round, bool)>,
    /// The last round that was announced, by the initiator as it is up now.
    announced: Round,
}

/// No task is owned by two nodes, or by one and on its way to another.
const ONE_OWNER: &str = "one_owner";
/// Every task that came into the world is held, on its way, or completed.
const NO_TASK_LOST: &str = "no_task_lost";
/// No more tasks were completed than came into the world and are gone.
const COMPLETED_ONCE: &str = "completed_once";
/// Who says that all was done when a round began says the truth.
const TERMINATION_IS_TRUE: &str = "termination_is_true";

/// What is on its way, of what these nodes know: from whom, and what.
fn on_the_way<'a>(nodes: &'a [Option<&Node>]) -> impl Iterator<Item = (NodeId, &'a Task)> {
    let up = || (0..).map(NodeId).zip(nodes).filter_map(|(name, node)| Some((name, node.as_ref()?.disk())));
    let received = |from: NodeId, to: NodeId| {
        let there = nodes.get(to.index()).copied().flatten();
        there.map(|node| node.disk().received.get(from.index()).copied().unwrap_or(0))
    };
    up().flat_map(|(from, disk)| (0..).map(NodeId).zip(&disk.given).map(move |(to, given)| (from, to, given)))
        .filter(move |(from, to, given)| received(*from, *to).is_some_and(|number| number < given.number))
        .flat_map(|(from, _, Given { tasks, .. })| tasks.iter().map(move |task| (from, task)))
}

/// Nodes that are all up.
fn all_up<'a>(nodes: &'a [Option<&'a Node>]) -> Option<Vec<&'a Disk>> {
    nodes.iter().map(|node| node.map(Node::disk)).collect()
}

fn one_owner(nodes: &[Option<&Node>]) -> Result<(), Violation> {
    let holders = (0..).map(NodeId).zip(nodes).filter_map(|(name, node)| Some((name, (*node)?.disk())));
    let held = holders.flat_map(|(name, disk)| disk.held.iter().map(move |task| (name, task)));
    let mut owned: Vec<(TaskId, NodeId)> =
        held.chain(on_the_way(nodes)).map(|(name, task)| (task.id, name)).collect();
    owned.sort_unstable();
    let twice = owned.windows(2).find(|pair| pair[0].0 == pair[1].0);
    twice.map_or(Ok(()), |pair| {
        let detail = format!("{} and {} own {:?}", pair[0].1, pair[1].1, pair[0].0);
        Err(Violation::new(ONE_OWNER, detail))
    })
}

fn none_lost_none_twice(nodes: &[Option<&Node>]) -> Result<(), Violation> {
    let Some(disks) = all_up(nodes) else { return Ok(()) };
    let sum = |of: fn(&Disk) -> u64| disks.iter().map(|disk| of(disk)).sum::<u64>();
    let (created, completed) = (sum(|disk| disk.created), sum(|disk| disk.completed));
    let (held, moving) = (sum(|disk| disk.held.len() as u64), on_the_way(nodes).count() as u64);
    let accounted = held + moving + completed;
    if accounted == created {
        return Ok(());
    }
    let property = if accounted < created { NO_TASK_LOST } else { COMPLETED_ONCE };
    let detail = format!(
        "{created} came into the world, {held} are held, {moving} on their way, {completed} completed"
    );
    Err(Violation::new(property, detail))
}

/// Whether there is no task anywhere; not if a node is down, as nobody knows what it has.
fn all_done(nodes: &[Option<&Node>]) -> bool {
    all_up(nodes).is_some_and(|disks| disks.iter().all(|disk| disk.held.is_empty()))
        && on_the_way(nodes).next().is_none()
}

impl Properties<Node> for TaskProperties {
    const NAMES: &'static [&'static str] = &[ONE_OWNER, NO_TASK_LOST, COMPLETED_ONCE, TERMINATION_IS_TRUE];

    fn after_step(
        &mut self,
        config: &Config,
        nodes: &[Option<&Node>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        self.full(config, nodes)?;
        if touched != NodeId(0) {
            return Ok(());
        }
        let Some(initiator) = nodes.first().copied().flatten() else { return Ok(()) };
        let (under_way, announced) = (initiator.round_under_way(), initiator.announced());
        if announced > self.announced {
            let began = self.began.filter(|(round, _)| *round == announced);
            // Of a round that began in this very step nothing was remembered.
            let true_then = began.map_or_else(|| all_done(nodes), |(_, done)| done);
            if !true_then {
                let detail = format!("round {announced} says that all was done when it began");
                return Err(Violation::new(TERMINATION_IS_TRUE, detail));
            }
        }
        self.announced = announced;
        if self.began.map(|(round, _)| round) != under_way {
            self.began = under_way.map(|round| (round, all_done(nodes)));
        }
        Ok(())
    }

    fn full(&self, _config: &Config, nodes: &[Option<&Node>]) -> Result<(), Violation> {
        one_owner(nodes)?;
        none_lost_none_twice(nodes)
    }
}

#[cfg(test)]
mod tests {
    use swarm_protocol::{Choices, Effects, Protocol as _};

    use super::*;
    use crate::disk::Record;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn task(ordinal: u64) -> Task {
        Task { id: TaskId { home: A, ordinal }, size: 0 }
    }

    fn node(me: NodeId, records: &[Record]) -> Node {
        let mut effects = Effects::new(Choices::script(vec![]));
        Node::recover(&Config::new(2), me, records.iter().cloned(), &mut effects)
    }

    fn judge(nodes: &[Option<&Node>]) -> Result<(), &'static str> {
        TaskProperties::default().full(&Config::new(2), nodes).map_err(|violation| violation.property)
    }

    fn submitted(count: u64) -> Vec<Record> {
        (1..=count).map(|ordinal| Record::Submitted(task(ordinal))).collect()
    }

    fn and(mut records: Vec<Record>, more: Record) -> Vec<Record> {
        records.push(more);
        records
    }

    fn given() -> Record {
        Record::Given { to: B, tasks: vec![task(1)] }
    }

    fn received() -> Record {
        Record::Received { from: A, tasks: vec![task(1)] }
    }

    fn completed(ordinal: u64) -> Record {
        Record::Completed { id: task(ordinal).id, spawned: vec![] }
    }

    #[test]
    fn every_step_of_a_hand_over_is_fine() {
        let giving = and(submitted(2), given());
        let given = and(giving.clone(), Record::Arrived(B));
        let done = vec![received(), completed(1)];
        for (giver, receiver) in [
            (submitted(2), vec![]),
            (giving.clone(), vec![]),
            (giving.clone(), vec![received()]),
            (giving, done.clone()),
            (given.clone(), vec![received()]),
            (and(given, completed(2)), done),
        ] {
            let (giver, receiver) = (node(A, &giver), node(B, &receiver));
            assert_eq!(judge(&[Some(&giver), Some(&receiver)]), Ok(()), "{giver:?} {receiver:?}");
            assert_eq!(judge(&[Some(&giver), None]), Ok(()));
        }
    }

    #[test]
    fn two_owners_are_found() {
        let (held, taken) = (node(A, &submitted(2)), node(B, &[received()]));
        assert_eq!(judge(&[Some(&held), Some(&taken)]), Err(ONE_OWNER));
        // On its way, and there already under another number.
        let again = [given(), Record::Arrived(B), given()];
        let again = again.into_iter().fold(submitted(2), and);
        assert_eq!(judge(&[Some(&node(A, &again)), Some(&taken)]), Err(ONE_OWNER));
    }

    #[test]
    fn what_is_nowhere_is_lost_and_what_is_done_twice_is_too_much() {
        let forgotten = node(A, &[given(), Record::Arrived(B)].into_iter().fold(submitted(2), and));
        let nothing = node(B, &[]);
        assert_eq!(judge(&[Some(&forgotten), Some(&nothing)]), Err(NO_TASK_LOST));
        assert_eq!(judge(&[Some(&forgotten), None]), Ok(()), "the other may have it");
        let twice = node(B, &[received(), completed(1), completed(1)]);
        assert_eq!(judge(&[Some(&forgotten), Some(&twice)]), Err(COMPLETED_ONCE));
    }

    #[test]
    fn an_end_that_is_none_is_found() {
        let busy = node(B, &[received()]);
        let idle = node(B, &[received(), completed(1)]);
        let mut first = node(A, &[given(), Record::Arrived(B)].into_iter().fold(submitted(1), and));
        for (other, verdict) in [(Some(&idle), true), (Some(&busy), false), (None, false)] {
            let mut properties = TaskProperties::default();
            let mut after = |first: &Node, other, touched| {
                properties.after_step(&Config::new(2), &[Some(first), other], touched).is_ok()
            };
            first.asking.under_way = Some((1, 0));
            first.asking.announced = 0;
            assert!(after(&first, other, A));
            // It is done in the meantime: that is too late.
            assert!(after(&first, Some(&idle), B));
            first.asking.under_way = None;
            first.asking.announced = 1;
            assert_eq!(after(&first, Some(&idle), A), verdict, "{other:?}");
        }
    }
}
