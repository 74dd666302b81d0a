//! Nodes that keep something back and say that they need no flush: nobody would ever flush them.

use swarm_protocol::{Delay, Effects, Input, Never, NodeId, Protocol, Reply, Service, Ticks};
use swarm_simulator::sampler::{Sampler, Walks};
use swarm_simulator::world::CONTRACT;
use swarm_simulator::{Bounds, Setup};

use crate::echo::{Anything, Silence};

/// A node that answers a timeout with a message, which leaves with the next flush.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Batching {
    honest: bool,
    ticks: u32,
    batched: bool,
}

impl Protocol for Batching {
    /// Whether nodes say that they need a flush when they do.
    type Config = bool;
    type Message = u32;
    type Timer = ();
    type Op = ();
    type Answer = ();
    type Record = Never;
    type Task = Never;
    type Outcome = Never;

    fn recover(
        honest: &bool,
        _me: NodeId,
        _disk: impl Iterator<Item = Never>,
        out: &mut Effects<Self>,
    ) -> Self {
        out.set_timer((), Delay::exactly(Ticks(1)));
        Batching { honest: *honest, ticks: 0, batched: false }
    }

    fn step(&mut self, _: &bool, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        if matches!(input, Input::Timeout(())) {
            (self.ticks, self.batched) = (self.ticks + 1, true);
            out.set_timer((), Delay::exactly(Ticks(1)));
        }
    }

    fn flush(&mut self, _: &bool, _now: Ticks, out: &mut Effects<Self>) {
        if std::mem::take(&mut self.batched) {
            out.send(NodeId(0), self.ticks);
        }
    }

    fn needs_flush(&self) -> bool {
        self.honest && self.batched
    }
}

impl Service for Batching {
    type Spec = Silence;
    fn reply((): &()) -> Reply<()> {
        Reply::Done(())
    }
}

#[test]
fn what_is_kept_back_without_a_word_breaks_the_contract() {
    for honest in [true, false] {
        let setup = Setup::new(honest, 2).bounds(Bounds::default());
        let mut walks = Walks::<Batching, Anything>::new(&setup, &[], Sampler::Uniform, 0, 100);
        let violation = walks.walk(|_| ()).violation;
        let property = violation.as_ref().map(|violation| violation.property);
        assert_eq!(property, (!honest).then_some(CONTRACT), "{violation:?}");
    }
}
