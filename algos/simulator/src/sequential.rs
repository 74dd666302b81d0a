//! Whether a history is sequentially consistent (Lamport 1979): some order of all operations, in which each
//! client's stand as it asked for them, is one that the object would have answered so.
//!
//! Unlike linearizability, clocks do not count: an operation that ended before another began may come later,
//! if the two are of different clients. So parts of the object cannot be judged alone either, and nothing is
//! settled before the end: deciding it is NP-complete, and this is for histories of some hundred operations.
//!
//! The search takes the next operation of one client after the other, remembers which pairs of (how far
//! each client is, state of the object) it has been in, and takes at once an operation that by its answer
//! changes no state ([`Specification::is_pure`]): later it could only be harder to fit. An operation without
//! an answer takes effect at its place among its client's, or never.
//!
//! Verified by `tests/it/sequential.rs`: thousands of small histories against a twin that tries every
//! interleaving; whatever is linearizable is sequentially consistent; a history that is only the latter.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use swarm_protocol::{Specification, Violation};

use crate::consistency::Judgement;
use crate::history::{History, Operation};
use crate::seen::SeenSet;

/// The name of the property that this module judges.
pub const PROPERTY: &str = "sequential_consistency";

/// Judges a history with `memory_max` bytes for the search.
///
/// Costs about a microsecond for each pair of progress and state that is visited: few where answers tell
/// much, exponential in the number of clients at worst.
pub fn check_within<S: Specification>(history: &History<S>, memory_max: usize) -> Judgement {
    Search::new(history).run(memory_max)
}

struct Search<'h, S: Specification> {
    /// The operations of each client, in the order in which it asked.
    clients: Vec<Vec<&'h Operation<S>>>,
    /// How many operations of each client have their place.
    done: Vec<u32>,
    /// Answered operations that have no place yet.
    left: usize,
    states: Vec<S::State>,
    numbers: BTreeMap<S::State, u32>,
    state: u32,
    frames: Vec<Frame>,
    seen: SeenSet,
    /// How many answered operations were left where the search came furthest, and what it says of it.
    furthest: (usize, String),
}

/// One operation that got its place, and how to take it back.
struct Frame {
    choice: usize,
    state_before: u32,
    /// Not to be tried elsewhere.
    settled: bool,
}

impl<'h, S: Specification> Search<'h, S> {
    fn new(history: &'h History<S>) -> Self {
        let mut clients: BTreeMap<u32, Vec<&Operation<S>>> = BTreeMap::new();
        for operation in history.operations() {
            clients.entry(operation.process).or_default().push(operation);
        }
        // What nobody learns of at the end changes nothing for anybody.
        let clients: Vec<_> = clients.into_values().collect();
        Search {
            done: vec![0; clients.len()],
            left: clients.iter().flatten().filter(|operation| operation.returned.is_some()).count(),
            clients,
            states: vec![S::State::default()],
            numbers: BTreeMap::from([(S::State::default(), 0)]),
            state: 0,
            frames: Vec::new(),
            seen: SeenSet::new(),
            furthest: (usize::MAX, String::new()),
        }
    }

    fn run(mut self, memory_max: usize) -> Judgement {
        let all = self.left;
        let mut choice = self.first_choice();
        while self.left > 0 {
            if self.seen.bytes() > memory_max {
                return Judgement::Undecided;
            }
            if choice == 2 * self.clients.len() {
                self.note();
                match self.take_back() {
                    Some(next) => choice = next,
                    None => {
                        let (left, told) = self.furthest;
                        let detail = format!(
                            "no order that keeps each client's own explains all {all} answers; \
                             the search came furthest with {}, {told}",
                            all - left
                        );
                        return Judgement::Violated(Violation::new(PROPERTY, detail));
                    }
                }
            } else if self.place(choice, false) {
                choice = self.first_choice();
            } else {
                choice += 1;
            }
        }
        Judgement::Holds
    }

    /// The next operation of a client.
    fn next_of(&self, client: usize) -> Option<&'h Operation<S>> {
        self.clients[client].get(self.done[client] as usize).copied()
    }

    /// Takes all pure operations that fit here, and gives the first choice among the others. Choice `2 c` is
    /// the next operation of client `c`, choice `2 c + 1` that it never takes effect.
    fn first_choice(&mut self) -> usize {
        while (0..self.clients.len()).any(|client| {
            let pure = self.next_of(client).is_some_and(|operation| {
                let answer = operation.returned.as_ref();
                answer.is_some_and(|(_, answer)| S::is_pure(&operation.op, answer))
            });
            pure && self.place(2 * client, true)
        }) {}
        0
    }

    /// Gives the next operation of a client its place here, if it fits and the search has not been there.
    fn place(&mut self, choice: usize, settled: bool) -> bool {
        let client = choice / 2;
        let Some(operation) = self.next_of(client) else { return false };
        let mut state = self.states[self.state as usize].clone();
        let takes_effect = choice.is_multiple_of(2);
        let told = takes_effect.then(|| S::apply(&mut state, &operation.op));
        // What was answered took effect, and told this.
        let answer = operation.returned.as_ref().map(|(_, answer)| answer);
        if answer.is_some() && answer != told.as_ref() {
            return false;
        }
        let state_before = self.state;
        self.state = match self.numbers.get(&state) {
            Some(number) => *number,
            None => {
                let number = self.states.len() as u32;
                self.states.push(state.clone());
                self.numbers.insert(state, number);
                number
            }
        };
        self.done[client] += 1;
        if !settled && !self.is_new() {
            self.done[client] -= 1;
            self.state = state_before;
            return false;
        }
        self.left -= usize::from(operation.returned.is_some());
        self.frames.push(Frame { choice, state_before, settled });
        true
    }

    fn is_new(&mut self) -> bool {
        let mut key = vec![u64::from(self.state)];
        key.extend(
            self.done
                .chunks(2)
                .map(|two| u64::from(two[0]) << 32 | two.get(1).map_or(0, |other| u64::from(*other))),
        );
        self.seen.insert(&key)
    }

    /// Takes back the last operation that may go elsewhere, with all settled ones behind it, and gives the
    /// choice to try next.
    fn take_back(&mut self) -> Option<usize> {
        while let Some(Frame { choice, state_before, settled }) = self.frames.pop() {
            let client = choice / 2;
            self.done[client] -= 1;
            self.left +=
                usize::from(self.next_of(client).is_some_and(|operation| operation.returned.is_some()));
            self.state = state_before;
            if !settled {
                return Some(choice + 1);
            }
        }
        None
    }

    /// At a dead end: keeps what is to be said of it, if the search never came further.
    fn note(&mut self) {
        if self.left >= self.furthest.0 {
            return;
        }
        let mut told =
            format!("to the state {:?}, where none of these fits next:", self.states[self.state as usize]);
        for client in 0..self.clients.len() {
            if let Some(operation) = self.next_of(client) {
                // Writing to a string cannot fail.
                let _ = write!(told, "\n  {operation:?}");
            }
        }
        self.furthest = (self.left, told);
    }
}
