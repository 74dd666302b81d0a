//! One node.

use swarm_protocol::{Effects, NodeId, OpId};

use crate::config::INITIATOR;
use crate::disk::{Disk, Record};
use crate::{Config, Round, TaskId, Timer, Token};

/// One node that shares tasks with the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub(crate) me: NodeId,
    /// What is on disk when all writes under way are done.
    pub(crate) disk: Disk,
    /// The task that the host is doing: one that is held.
    pub(crate) doing: Option<TaskId>,
    /// What each node was last heard to hold, by its number; none if that is too long ago to be relied on.
    pub(crate) loads: Vec<Option<u32>>,
    /// Whether tasks have come here, from a peer or a client, since the last token passed; so does a node that boots.
    pub(crate) disturbed: bool,
    /// The token, as long as there are tasks here.
    pub(crate) token: Option<Token>,
    /// What the initiator keeps; nothing on other nodes.
    pub(crate) asking: Asking,
    /// Records since the last one that holds all; 0 if nobody counts.
    pub(crate) records: u32,
    /// A write has failed, or what was on disk was written by no node like this: the node does nothing more.
    pub(crate) failed: bool,
}

/// What the initiator knows of rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Asking {
    /// Who waits for the end of all work, in the order of asking.
    pub(crate) waiting: Vec<OpId>,
    /// The round under way, and how many of those who wait had asked when it began.
    pub(crate) under_way: Option<(Round, usize)>,
    /// The last round that came back; 0 if none has.
    pub(crate) returned: Round,
    /// The last round that found all at rest; 0 if none has.
    pub(crate) announced: Round,
}

impl Node {
    /// A node with what is on its disk; one that has failed, if no node can have written that.
    pub(crate) fn boot(config: &Config, me: NodeId, disk: Disk, out: &mut Effects<Self>) -> Self {
        let damage = disk.damage(config, me);
        if let Some(reason) = damage {
            out.refuse(reason);
        }
        Node {
            me,
            disk: if damage.is_none() { disk } else { Disk::default() },
            doing: None,
            loads: vec![None; config.nodes as usize],
            disturbed: true,
            token: None,
            asking: Asking::default(),
            records: 0,
            failed: damage.is_some(),
        }
    }

    /// What is on its disk when all writes under way are done.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Whether it does nothing more, as its disk has failed or was damaged.
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// How many tasks it holds.
    pub fn load(&self) -> u32 {
        self.disk.held.len() as u32
    }

    /// Whether it has nothing to do (EWD 998: "passive").
    pub fn is_idle(&self) -> bool {
        self.disk.held.is_empty()
    }

    /// Whether it begins rounds.
    pub const fn is_initiator(&self) -> bool {
        self.me.0 == INITIATOR.0
    }

    /// The round under way, as the initiator knows it.
    pub fn round_under_way(&self) -> Option<Round> {
        self.asking.under_way.map(|(round, _)| round)
    }

    /// Whether clients wait here for the end of all work.
    pub const fn has_clients_waiting(&self) -> bool {
        !self.asking.waiting.is_empty()
    }

    /// The last round that found all at rest, as the initiator knows it; 0 if none has since it booted.
    pub const fn announced(&self) -> Round {
        self.asking.announced
    }

    /// Whether it waits for hand-overs to be acknowledged.
    pub fn is_giving(&self) -> bool {
        self.disk.unacknowledged().next().is_some()
    }

    /// Changes what is on disk, and writes that.
    pub(crate) fn write(&mut self, config: &Config, record: Record, out: &mut Effects<Self>) {
        self.disk.apply(&record);
        out.persist(record);
        if config.journal_records_max == 0 {
            return;
        }
        self.records += 1;
        if self.records >= config.journal_records_max {
            self.records = 0;
            let whole = out.persist(Record::Whole(Box::new(self.disk.clone())));
            out.retire(whole);
            out.mark("journal-compacted");
        }
    }

    /// Notes what another node was heard to hold.
    pub(crate) fn hear(&mut self, from: NodeId, load: u32) {
        self.loads[from.index()] = Some(load);
    }

    /// Lets the newest task lie for a turn.
    pub(crate) fn turn_to_work(config: &Config, out: &mut Effects<Self>) {
        out.set_timer(Timer::Turn, config.turn);
    }

    /// Waits for a while before others are asked for tasks; a node that is alone asks nobody.
    pub(crate) fn wait_to_steal(config: &Config, out: &mut Effects<Self>) {
        if config.nodes > 1 {
            out.set_timer(Timer::Steal, config.steal);
        }
    }

    pub(crate) fn check_invariants(&self, config: &Config) {
        let mut ids: Vec<TaskId> = self.disk.held.iter().map(|task| task.id).collect();
        let held = ids.len();
        ids.extend(self.disk.unacknowledged().flat_map(|(_, given)| &given.tasks).map(|task| task.id));
        assert!(
            self.doing.is_none_or(|doing| ids[..held].contains(&doing)),
            "{} does {:?} and holds {:?}",
            self.me,
            self.doing,
            self.disk.held
        );
        let own = ids.iter().filter(|id| id.home == self.me).map(|id| id.ordinal).max().unwrap_or(0);
        assert!(own <= self.disk.created, "{} has {own} of {} created", self.me, self.disk.created);
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{} has a task twice: {:?}", self.me, self.disk);
        for (to, given) in self.disk.unacknowledged() {
            assert!(to != self.me && to.0 < config.nodes, "{} gives to {to}", self.me);
            assert!(given.number > 0, "{} gives {given:?} under no number", self.me);
        }
        assert!(self.disk.submitted <= self.disk.created, "{:?}", self.disk);
        assert!(
            self.token.is_none() || !self.is_idle() || self.failed,
            "{} is idle and keeps the token",
            self.me
        );
        let Asking { waiting, under_way, returned, announced } = &self.asking;
        assert!(waiting.len() <= config.waiting_max, "{} clients wait", waiting.len());
        assert!(announced <= returned && *returned <= self.disk.round, "{:?}", self.asking);
        if let Some((round, asked)) = under_way {
            assert!(*round == self.disk.round && *asked <= waiting.len(), "{:?}", self.asking);
        }
    }
}
