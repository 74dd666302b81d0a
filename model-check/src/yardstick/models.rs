//! Small models of processes, for comparisons between engines: each is written once more in Promela, in
//! `model-check/spin`.
//!
//! Verified by their numbers of states, in `tests/it/engine.rs` and `tests/it/spin.rs`: that of two-phase commit is
//! published, and SPIN comes to the others.

use std::fmt::Debug;
use std::hash::Hash;

use swarm_protocol::{Violation, mix};
use swarm_simulator::hash_of;

use crate::engine::System;
use crate::engine::lasso::{Fair, Next};

/// What a state of these models is.
pub(super) trait Plain: Clone + Debug + PartialEq + Hash + Send + Sync + 'static {}

impl<T: Clone + Debug + PartialEq + Hash + Send + Sync + 'static> Plain for T {}

/// Processes that take turns, each bound to go on while it can.
pub(super) struct Processes<State> {
    name: &'static str,
    count: usize,
    initial: State,
    /// The states that one step of a process may lead to, in a fixed order.
    steps: fn(&State, usize) -> Vec<State>,
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

/// Two-phase commit as in TLA⁺'s `TwoPhase` (Gray and Lamport 2006, *Consensus on transaction commit*).
pub struct TwoPhase {
    /// How many take part beside the coordinator; below 16.
    pub managers: u32,
    /// A manager may abort after it has promised.
    pub breaks_promises: bool,
}

/// A state of [`TwoPhase`].
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub struct Commit {
    /// Two bits for each: working, prepared, committed, aborted.
    managers: u32,
    /// The coordinator's: 0 undecided, 1 committed, 2 aborted.
    pub(super) decision: u32,
    /// Of whom the coordinator knows that they are prepared.
    known: u32,
    /// Who has said so.
    said: u32,
}

const WORKING: u32 = 0;
pub(super) const PREPARED: u32 = 1;
pub(super) const COMMITTED: u32 = 2;
const ABORTED: u32 = 3;

impl Commit {
    pub(super) const fn of(&self, manager: u32) -> u32 {
        self.managers >> (2 * manager) & 3
    }

    const fn with(self, manager: u32, to: u32) -> Self {
        Commit { managers: self.managers & !(3 << (2 * manager)) | to << (2 * manager), ..self }
    }
}

/// What happens in [`TwoPhase`], by the number of a manager.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The coordinator learns that it is prepared.
    Hear(u32),
    /// The coordinator decides: 1 to commit, 2 to abort.
    Decide(u32),
    /// It is prepared, and says so.
    Prepare(u32),
    /// It aborts by itself.
    Abort(u32),
    /// It does what is decided.
    Obey(u32),
}

impl System for TwoPhase {
    type State = Commit;
    type Event = Step;

    fn identity(&self) -> String {
        format!("two-phase commit of {}", self.managers)
    }

    fn initial(&self) -> Vec<Commit> {
        vec![Commit { managers: 0, decision: 0, known: 0, said: 0 }]
    }

    fn events(&self, state: &Commit, out: &mut Vec<Step>) {
        out.clear();
        if state.decision == 0 {
            out.extend((state.known == (1 << self.managers) - 1).then_some(Step::Decide(1)));
            out.push(Step::Decide(2));
        }
        for manager in 0..self.managers {
            if state.decision == 0 && state.said >> manager & 1 == 1 {
                out.push(Step::Hear(manager));
            }
            if state.of(manager) == WORKING {
                out.push(Step::Prepare(manager));
            }
            if state.of(manager) == WORKING || self.breaks_promises && state.of(manager) == PREPARED {
                out.push(Step::Abort(manager));
            }
            if state.decision > 0 {
                out.push(Step::Obey(manager));
            }
        }
    }

    fn after(&self, state: &Commit, event: &Step, _depth: u32) -> Option<Commit> {
        Some(match *event {
            Step::Hear(manager) => Commit { known: state.known | 1 << manager, ..*state },
            Step::Decide(decision) => Commit { decision, ..*state },
            Step::Prepare(manager) => {
                Commit { said: state.said | 1 << manager, ..state.with(manager, PREPARED) }
            }
            Step::Abort(manager) => state.with(manager, ABORTED),
            Step::Obey(manager) => state.with(manager, if state.decision == 1 { COMMITTED } else { ABORTED }),
        })
    }

    fn fingerprint(&self, state: &Commit) -> u64 {
        let two = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        mix(mix(two(state.managers, state.decision)) ^ two(state.known, state.said))
    }

    fn violation(&self, state: &Commit) -> Option<Violation> {
        let any = |is: u32| (0..self.managers).any(|manager| state.of(manager) == is);
        (any(COMMITTED) && any(ABORTED)).then(|| Violation::new("consistent", "some committed, some aborted"))
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
pub(super) struct Bits {
    pub(super) sending: u8,
    pub(super) awaited: u8,
    pub(super) data: Option<u8>,
    pub(super) ack: Option<u8>,
}

/// The alternating-bit protocol; with a thief, messages may be lost.
pub(super) fn alternating_bit(lossy: bool) -> Processes<Bits> {
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
pub(super) struct Rivals {
    /// 0 wants nothing, 1 and 2 on its way, 3 inside.
    pub(super) place: [u8; 2],
    pub(super) want: [bool; 2],
    pub(super) turn: usize,
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
pub(super) fn mutual_exclusion(naive: bool) -> Processes<Rivals> {
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
pub(super) struct Ring {
    toward: [Vec<u8>; 4],
    pub(super) started: [bool; 4],
    pub(super) leads: [bool; 4],
}

/// Chang and Roberts' election of the greatest name.
pub(super) fn ring_election() -> Processes<Ring> {
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
