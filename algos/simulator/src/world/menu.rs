//! What can happen to one node, whatever its cluster: the part of [`World::enabled`] that is a function of a slot.
//!
//! [`World::enabled`]: super::World::enabled

use swarm_protocol::OpId;

use super::node::NodeSlot;
use super::turn::Cause;
use super::{FlushMode, Setup, Subject, SyncMode, clock_end};
use crate::{Event, Slot};

/// Shows everything but messages that can happen to `node`, in the order in which worlds list it. Faults are shown
/// if the bounds allow any; that the next operation is asked for is shown as number 0.
pub(super) fn each<P: Subject>(setup: &Setup<P>, node: &NodeSlot<P>, mut show: impl FnMut(Cause<P>)) {
    let Some(state) = &node.state else { return show(Cause::Boot) };
    let bounds = &setup.bounds;
    node.timers().iter().for_each(|timer| show(Cause::Timeout(*timer)));
    show(Cause::Invoke(0));
    if bounds.flush == FlushMode::Deferred && state.needs_flush() {
        show(Cause::Flush);
    }
    let outstanding = node.outstanding().len() as u32;
    let fewest = if bounds.sync == SyncMode::Prefix { 1 } else { outstanding.max(1) };
    (fewest..=outstanding).for_each(|writes| show(Cause::Sync(writes)));
    if outstanding > 0 && bounds.disk_failures > 0 {
        show(Cause::DiskFail);
    }
    if bounds.crashes > 0 {
        (0..=outstanding).for_each(|kept| show(Cause::Crash(kept)));
    }
    if node.clock < clock_end(setup) {
        show(Cause::Advance);
    }
}

/// The event that is `cause` to the node in slot `at`.
pub(super) fn event<P: Subject>(setup: &Setup<P>, at: Slot, cause: &Cause<P>) -> Event<P> {
    match *cause {
        Cause::Message(ref envelope) => {
            Event::Deliver { from: envelope.from, to: at, message: envelope.message.clone() }
        }
        Cause::Timeout(timer) => Event::Timeout { at, timer },
        Cause::Invoke(number) => {
            Event::Invoke { at, id: OpId(number as u64), op: setup.workload[number].clone() }
        }
        Cause::Flush => Event::Flush { at },
        Cause::Sync(writes) => Event::Sync { at, writes },
        Cause::DiskFail => Event::DiskFail { at },
        Cause::Crash(kept) => Event::Crash { at, kept },
        Cause::Boot => Event::Restart { at },
        Cause::Advance => Event::Advance { at },
    }
}
