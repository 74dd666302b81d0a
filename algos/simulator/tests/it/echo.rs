//! Nodes that never fall silent: what one is sent it sends back, and its timer never rests. Every step changes
//! something, and there is always plenty to pick from, so that what walks are made of says how they pick.

use core::hash::Hash;

use swarm_protocol::{
    Delay, Effects, Input, Never, NodeId, Properties, Protocol, Reply, Service, Specification, Ticks,
    Violation,
};
use swarm_simulator::{Bounds, Setup};

/// A node, by how often its timer ran out and how many messages came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Echo {
    ticks: u32,
    taken: u32,
}

impl Protocol for Echo {
    /// How many nodes there are.
    type Config = u32;
    /// How often it went to and fro.
    type Message = u32;
    type Timer = ();
    type Op = ();
    type Answer = ();
    type Record = Never;
    type Task = Never;
    type Outcome = Never;

    fn recover(nodes: &u32, me: NodeId, _disk: impl Iterator<Item = Never>, out: &mut Effects<Self>) -> Self {
        out.set_timer((), Delay::exactly(Ticks(1)));
        for peer in (0..*nodes).map(NodeId).filter(|peer| *peer != me) {
            out.send(peer, 0);
        }
        Echo { ticks: 0, taken: 0 }
    }

    fn step(&mut self, _nodes: &u32, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Message { from, message } => {
                self.taken += 1;
                out.send(from, message + 1);
            }
            Input::Timeout(()) => {
                self.ticks += 1;
                out.set_timer((), Delay::exactly(Ticks(1)));
            }
            _ => {}
        }
    }

    /// How often the timer ran out that did so most.
    fn abstraction(nodes: &[Option<&Self>]) -> u64 {
        nodes.iter().flatten().map(|node| u64::from(node.ticks)).max().unwrap_or(0)
    }
}

/// Nobody asks for anything.
pub(crate) struct Silence;

impl Specification for Silence {
    type State = ();
    type Op = ();
    type Answer = ();
    fn apply((): &mut (), (): &()) {}
}

impl Service for Echo {
    type Spec = Silence;
    fn reply((): &()) -> Reply<()> {
        Reply::Done(())
    }
}

/// Whatever they do is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Anything;

impl<P: Protocol> Properties<P> for Anything {
    const NAMES: &'static [&'static str] = &[];
    fn full(&self, _: &P::Config, _: &[Option<&P>]) -> Result<(), Violation> {
        Ok(())
    }
}

/// Three nodes.
pub(crate) fn setup() -> Setup<Echo> {
    Setup::new(3, 3).bounds(Bounds::default())
}
