//! Nodes with more timers than there is room for are told so.

use swarm_protocol::{Delay, Effects, Input, Never, NodeId, Protocol, Reply, Service, Ticks};
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::CONTRACT;

use crate::echo::{Anything, Silence};

/// A node that sets timers as it boots, and stops all but the last again if it is tidy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Alarms;

#[derive(Clone, Debug)]
struct Config {
    timers: u32,
    tidy: bool,
}

impl Protocol for Alarms {
    type Config = Config;
    type Message = ();
    type Timer = u32;
    type Op = ();
    type Answer = ();
    type Record = Never;
    type Task = Never;
    type Outcome = Never;

    fn recover(
        config: &Config,
        _me: NodeId,
        _disk: impl Iterator<Item = Never>,
        out: &mut Effects<Self>,
    ) -> Self {
        for timer in 0..config.timers {
            if config.tidy && timer > 0 {
                out.cancel_timer(timer - 1);
            }
            out.set_timer(timer, Delay::exactly(Ticks(u64::MAX)));
        }
        Alarms
    }

    fn step(&mut self, _: &Config, _now: Ticks, _input: Input<Self>, _out: &mut Effects<Self>) {}
}

impl Service for Alarms {
    type Spec = Silence;
    fn reply((): &()) -> Reply<()> {
        Reply::Done(())
    }
}

#[test]
fn more_timers_than_there_is_room_for_break_the_contract() {
    let room = 1 << 14;
    for (timers, tidy, fits) in [(room, false, true), (room + 1, false, false), (room + 1, true, false)] {
        let simulation = Simulation::<Alarms, Anything>::new(Config { timers, tidy }, 1, |_: &mut _| ());
        // The client of such a node gets nowhere in any case.
        let violation = simulation.run(0).violation.expect("there is no progress");
        assert_eq!(violation.property != CONTRACT, fits, "{timers} timers, {violation:?}");
        assert_eq!(violation.detail.contains("16384 timers"), !fits, "{violation:?}");
    }
}
