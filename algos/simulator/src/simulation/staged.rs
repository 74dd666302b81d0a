//! A run that begins in a situation of its own and ends at a mark: an experiment, where a campaign is a search.
//!
//! A [`Stage`] says what each node boots from, who stays down, which messages are on their way at the beginning, how
//! long messages of each kind and writes take, which links break for good and when, and which mark of the nodes ends the
//! run. All else is as in any run:
//! the same nodes, timers drawn from their ranges, judged after every step, a function of the seed.
//!
//! Faults of the profile strike as ever; nothing is healed. Messages take the stage's time where they arrive at all
//! and are not repeated or delayed by a fault. A node that stays down is none that the atlas counts. No world can
//! follow: it boots from empty disks. Verified by `tests/it/staged.rs`, and by the figure of a paper that is
//! reproduced this way.

use swarm_protocol::{NodeId, NodeSet, Properties, Protocol, Service, Stream, Ticks};

use super::engine::{Due, Engine, Kind};
use super::{Run, Simulation, Traced, purpose};
use crate::profile::Span;

/// Where a run begins, how fast things go in it, and what ends it.
#[derive(Clone, Debug)]
pub struct Stage<P: Protocol> {
    /// What each node boots from, all of it durable; nodes beyond have empty disks.
    pub disks: Vec<Vec<P::Record>>,
    /// Who is down from the beginning to the end.
    pub down: NodeSet,
    /// What is on its way at the beginning.
    pub arriving: Vec<Arrival<P>>,
    /// Which links carry nothing any more, from when on.
    pub cuts: Vec<Cut>,
    /// How long a message takes, every time of the span being equally likely.
    pub latency: fn(&P::Message) -> Span,
    /// How long a disk takes to sync.
    pub sync: Span,
    /// The run ends when a node reaches this mark.
    pub ends: &'static str,
    /// The run is cut short at this time, if it did not end before.
    pub until: Ticks,
}

/// A link that breaks for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What is sent from then on does not arrive.
    pub at: Ticks,
    /// Who sends.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
}

/// A message on its way at the beginning of a run.
#[derive(Clone, Debug)]
pub struct Arrival<P: Protocol> {
    /// When it arrives.
    pub at: Ticks,
    /// Who sent it.
    pub from: NodeId,
    /// Where it arrives.
    pub to: NodeId,
    /// What was sent.
    pub message: P::Message,
}

impl<P: Protocol> Stage<P> {
    /// Whether what is sent now from one place to another does not arrive.
    pub(super) fn has_cut(&self, now: Ticks, from: NodeId, to: NodeId) -> bool {
        self.cuts.iter().any(|cut| cut.at <= now && (cut.from, cut.to) == (from, to))
    }
}

impl<P: Service, Q: Properties<P>> Simulation<P, Q> {
    /// The run of `seed` on this stage: [`Run::time`] is when it ended, and [`Run::cut_short`] says that it did not.
    ///
    /// # Panics
    /// If the stage names a node that the simulation does not have.
    pub fn run_staged(&self, seed: u64, stage: &Stage<P>) -> Run {
        Engine::new(self, seed, false).staged(stage).run().run
    }

    /// The same, with everything that happened in it.
    ///
    /// # Panics
    /// As [`Simulation::run_staged`].
    pub fn trace_staged(&self, seed: u64, stage: &Stage<P>) -> Traced<P> {
        Engine::new(self, seed, true).staged(stage).run()
    }
}

impl<'a, P: Service, Q: Properties<P>> Engine<'a, P, Q> {
    fn staged(mut self, stage: &'a Stage<P>) -> Self {
        let nodes = self.simulation.nodes;
        let known = |node: NodeId| node.0 < nodes;
        assert!(stage.disks.len() <= nodes as usize, "{} disks of {nodes} nodes", stage.disks.len());
        assert!(stage.down.iter().all(known), "of {nodes} nodes {:?} are down", stage.down);
        assert!(
            stage.arriving.iter().all(|arrival| known(arrival.from) && known(arrival.to)),
            "something arrives where no node is"
        );
        assert!(
            stage.cuts.iter().all(|cut| known(cut.from) && known(cut.to)),
            "a link is cut where no node is"
        );
        self.conditions.sync = stage.sync;
        for (host, disk) in self.hosts.iter_mut().zip(&stage.disks) {
            host.begin_with(disk.iter().cloned());
        }
        self.stage = Some(stage);
        self
    }

    /// Whether a node boots at the beginning.
    pub(super) fn boots(&self, node: NodeId) -> bool {
        self.stage.is_none_or(|stage| !stage.down.contains(node))
    }

    /// Puts on its way what is so at the beginning. False if there is no stage.
    pub(super) fn set_the_stage(&mut self) -> bool {
        let Some(stage) = self.stage else { return false };
        for Arrival { at, from, to, message } in &stage.arriving {
            let place = self.network.take_off(*from, *to, 1, message.clone());
            self.schedule_after(*at, Due::numbered(Kind::Message, place));
        }
        true
    }

    /// How long a message takes on this stage.
    #[cold]
    pub(super) fn staged_latency(&mut self, stage: &Stage<P>, message: &P::Message) -> Ticks {
        let mut stream = Stream::new(self.seed, purpose::STAGE, self.staged);
        self.staged += 1;
        (stage.latency)(message).draw(&mut stream)
    }
}
