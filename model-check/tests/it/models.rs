//! Small models of processes, for comparisons between engines: each is written once more in Promela, in
//! `model-check/spin`.

use std::fmt::Debug;
use std::hash::Hash;

use model_check::engine::System;
use model_check::engine::lasso::{Fair, Next};
use swarm_protocol::Violation;
use swarm_simulator::hash_of;

use crate::engine::{Step, TwoPhase};

/// What a state of these models is.
pub(crate) trait Plain: Clone + Debug + PartialEq + Hash + Send + Sync + 'static {}

impl<T: Clone + Debug + PartialEq + Hash + Send + Sync + 'static> Plain for T {}

/// Processes that take turns, each bound to go on while it can.
pub(crate) struct Processes<State> {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    pub(crate) initial: State,
    /// The states that one step of a process may lead to, in a fixed order.
    pub(crate) steps: fn(&State, usize) -> Vec<State>,
}

impl<State: Plain> System for Processes<State> {
    type State = State;
    /// Which process takes which of its steps.
    type Event = (usize, usize);

    fn identity(&self) -> String {
        self.name.to_owned()
    }

    fn initial(&self) -> Vec<State> {
        vec![self.initial.clone()]
    }

    fn events(&self, state: &State, out: &mut Vec<(usize, usize)>) {
        out.clear();
        for process in 0..self.count {
            out.extend((0..(self.steps)(state, process).len()).map(|step| (process, step)));
        }
    }

    fn after(&self, state: &State, (process, step): &(usize, usize), _depth: u32) -> Option<State> {
        (self.steps)(state, *process).into_iter().nth(*step)
    }

    fn fingerprint(&self, state: &State) -> u64 {
        hash_of(0, state)
    }

    fn violation(&self, _state: &State) -> Option<Violation> {
        None
    }
}

impl<State: Plain> Fair for Processes<State> {
    fn action(&self, (process, _): &(usize, usize)) -> Option<u64> {
        Some(*process as u64)
    }
}

/// The managers, each with its link to the coordinator, and the coordinator are processes.
impl Fair for TwoPhase {
    fn action(&self, event: &Step) -> Option<u64> {
        Some(match event {
            Step::Hear(manager) | Step::Prepare(manager) | Step::Abort(manager) | Step::Obey(manager) => {
                u64::from(*manager)
            }
            Step::Decide(_) => u64::from(self.managers),
        })
    }

    /// A step that leads to the same state is none.
    fn follow(&self, state: &Self::State, event: &Step, depth: u32) -> Next<Self::State> {
        match self.after(state, event, depth) {
            Some(next) if next != *state => Next::State { state: next, renewed: Vec::new() },
            _ => Next::Nothing,
        }
    }
}

/// What the sender and the receiver of the alternating-bit protocol know, and what is on its way.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct Bits {
    pub(crate) sending: u8,
    pub(crate) awaited: u8,
    pub(crate) data: Option<u8>,
    pub(crate) ack: Option<u8>,
}

/// The alternating-bit protocol; with a thief, messages may be lost.
pub(crate) fn alternating_bit(lossy: bool) -> Processes<Bits> {
    Processes {
        name: "alternating-bit",
        count: if lossy { 3 } else { 2 },
        initial: Bits { sending: 0, awaited: 0, data: None, ack: None },
        steps: |bits, process| match process {
            0 => {
                let send = bits.data.is_none().then(|| Bits { data: Some(bits.sending), ..bits.clone() });
                let hear = bits.ack.map(|ack| {
                    let sending = if ack == bits.sending { 1 - ack } else { bits.sending };
                    Bits { sending, ack: None, ..bits.clone() }
                });
                send.into_iter().chain(hear).collect()
            }
            1 => {
                let data = bits.data.filter(|_| bits.ack.is_none());
                let receive = data.map(|data| {
                    let awaited = if data == bits.awaited { 1 - data } else { bits.awaited };
                    Bits { awaited, data: None, ack: Some(data), ..bits.clone() }
                });
                receive.into_iter().collect()
            }
            _ => {
                let data = bits.data.map(|_| Bits { data: None, ..bits.clone() });
                let ack = bits.ack.map(|_| Bits { ack: None, ..bits.clone() });
                data.into_iter().chain(ack).collect()
            }
        },
    }
}

/// Two processes that want to be alone.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct Rivals {
    /// 0 wants nothing, 1 and 2 on its way, 3 inside.
    pub(crate) place: [u8; 2],
    pub(crate) want: [bool; 2],
    pub(crate) turn: usize,
}

impl Rivals {
    fn moved(&self, me: usize, to: u8, want: bool) -> Self {
        let mut next = self.clone();
        next.place[me] = to;
        next.want[me] = want;
        next
    }
}

/// Peterson's algorithm, or one whose processes step back when both want.
pub(crate) fn mutual_exclusion(naive: bool) -> Processes<Rivals> {
    let initial = Rivals { place: [0; 2], want: [false; 2], turn: 0 };
    let steps: fn(&Rivals, usize) -> Vec<Rivals> = if naive {
        |rivals, me| match (rivals.place[me], rivals.want[1 - me]) {
            (0, _) => vec![rivals.clone(), rivals.moved(me, 1, true)],
            (1, false) => vec![rivals.moved(me, 3, true)],
            (1, true) => vec![rivals.moved(me, 2, false)],
            (2, _) => vec![rivals.moved(me, 1, true)],
            _ => vec![rivals.moved(me, 0, false)],
        }
    } else {
        |rivals, me| match rivals.place[me] {
            0 => vec![rivals.clone(), rivals.moved(me, 1, true)],
            1 => vec![Rivals { turn: 1 - me, ..rivals.moved(me, 2, true) }],
            2 if !rivals.want[1 - me] || rivals.turn == me => vec![rivals.moved(me, 3, true)],
            2 => vec![],
            _ => vec![rivals.moved(me, 0, false)],
        }
    };
    Processes { name: "mutual-exclusion", count: 2, initial, steps }
}

/// Four nodes in a ring, and the names on their way to each.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct Ring {
    toward: [Vec<u8>; 4],
    pub(crate) started: [bool; 4],
    pub(crate) leads: [bool; 4],
}

/// Chang and Roberts' election of the greatest name.
pub(crate) fn ring_election() -> Processes<Ring> {
    const NAMES: [u8; 4] = [3, 1, 4, 2];
    Processes {
        name: "ring-election",
        count: 4,
        initial: Ring::default(),
        steps: |ring, me| {
            let next = (me + 1) % 4;
            let mut steps = Vec::new();
            if !ring.started[me] {
                let mut after = ring.clone();
                after.started[me] = true;
                after.toward[next].push(NAMES[me]);
                steps.push(after);
            }
            if !ring.toward[me].is_empty() {
                let mut after = ring.clone();
                let heard = after.toward[me].remove(0);
                if heard > NAMES[me] {
                    after.toward[next].push(heard);
                }
                after.leads[me] |= heard == NAMES[me];
                steps.push(after);
            }
            steps
        },
    }
}
