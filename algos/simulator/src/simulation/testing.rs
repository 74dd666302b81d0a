//! What tests of several files here need.

use swarm_protocol::{Effects, Input, Never, NodeId, Protocol, Ticks};

/// A protocol for its types alone.
#[derive(Debug)]
pub(super) struct Types;

impl Protocol for Types {
    type Config = ();
    type Message = u8;
    type Timer = ();
    type Op = ();
    type Answer = ();
    type Record = u8;
    type Task = Never;
    type Outcome = Never;

    fn recover((): &(), _: NodeId, _: impl Iterator<Item = u8>, _: &mut Effects<Self>) -> Self {
        Types
    }

    fn step(&mut self, (): &(), _: Ticks, _: Input<Self>, _: &mut Effects<Self>) {}

    fn compact(records: &mut Vec<u8>) {
        *records = vec![records.iter().sum()];
    }
}
