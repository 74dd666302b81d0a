//! Whether a window of a history is impossible whatever was before it.
//!
//! The window begins in any state that the operations of the history can bring the object to, and whatever
//! was under way at its beginning may take effect in it, at any time and with any answer, or not at all. A
//! history that has an order gives one for each of its windows, so that a window without one proves that
//! the history has none. The other way round it proves nothing.
//!
//! Verified by the test below, where windows never refute what the search finds an order for, and by
//! `tests/it/history.rs`: a wrong answer deep in a long history of many clients is found.

use std::collections::{BTreeMap, BTreeSet};

use swarm_protocol::Specification;

use super::{Outcome, Part, Search};
use crate::history::{History, Moment};

/// The lengths of windows that are tried, in moments.
const LENGTHS: [usize; 4] = [32, 128, 512, 2048];

/// The most states that an object may have for a window to be tried from all of them.
const STATES_MAX: usize = 64;

/// The most operations tried to find these states.
const STEPS_MAX: usize = 100_000;

/// What the search of a window may remember, in bytes.
const MEMORY_MAX: usize = 8 << 20;

/// Whether some window of `moments` that ends with the return behind the first `blocked` is impossible.
pub(super) fn refutes<S: Specification>(history: &History<S>, moments: &[Moment], blocked: usize) -> bool {
    refutes_within(history, moments, blocked, &LENGTHS)
}

fn refutes_within<S: Specification>(
    history: &History<S>,
    moments: &[Moment],
    blocked: usize,
    lengths: &[usize],
) -> bool {
    let end = blocked + 1;
    let Some(states) = states(history, &moments[..end]) else { return false };
    lengths.iter().take_while(|length| **length < end).any(|length| {
        let window = opened(history, &moments[..end], end - length);
        let part = Part::new(history, &window);
        let impossible = |state: &S::State| {
            let search = Search::beginning_with(&part, state.clone());
            matches!(search.run(MEMORY_MAX, &|_| false), Outcome::Impossible(_))
        };
        states.iter().all(impossible)
    })
}

/// The moments from `start` on, with all that was under way at `start` as operations without an answer.
fn opened<S: Specification>(history: &History<S>, moments: &[Moment], start: usize) -> Vec<Moment> {
    let mut under_way = BTreeSet::new();
    for moment in &moments[..start] {
        match moment {
            Moment::Invoked(call) => under_way.insert(*call),
            Moment::Returned(call) => under_way.remove(call),
        };
    }
    let changes = |call: &&_| {
        let operation = history.operation(**call);
        !operation.returned.as_ref().is_some_and(|(_, answer)| S::is_pure(&operation.op, answer))
    };
    let before = under_way.iter().filter(changes).map(|call| Moment::Invoked(*call));
    let inside = |moment: &&Moment| !matches!(moment, Moment::Returned(call) if under_way.contains(call));
    before.chain(moments[start..].iter().filter(inside).copied()).collect()
}

/// All states that the operations of these moments can bring an object to, in whatever order and number.
fn states<S: Specification>(history: &History<S>, moments: &[Moment]) -> Option<BTreeSet<S::State>> {
    let invoked = moments.iter().filter_map(|moment| match moment {
        Moment::Invoked(call) => Some(&history.operation(*call).op),
        Moment::Returned(_) => None,
    });
    let ops: BTreeMap<String, &S::Op> = invoked.map(|op| (format!("{op:?}"), op)).collect();
    let mut states = BTreeSet::from([S::State::default()]);
    let mut open = vec![S::State::default()];
    let mut steps = 0;
    while let Some(state) = open.pop() {
        steps += ops.len();
        for op in ops.values() {
            let mut after = state.clone();
            S::apply(&mut after, op);
            if states.insert(after.clone()) {
                open.push(after);
            }
        }
        if states.len() > STATES_MAX || steps > STEPS_MAX {
            return None;
        }
    }
    Some(states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::{Stream, Ticks};

    /// A register whose writes return what they overwrite (with `Some`), and reads.
    struct Swap;

    impl Specification for Swap {
        type State = u8;
        type Op = Option<u8>;
        type Answer = u8;

        fn apply(state: &mut u8, op: &Option<u8>) -> u8 {
            op.map_or(*state, |value| std::mem::replace(state, value))
        }

        fn is_pure(op: &Option<u8>, _answer: &u8) -> bool {
            op.is_none()
        }
    }

    /// Clients that ask, take effect and are answered at random moments; some answers are wrong.
    fn random(seed: u64) -> History<Swap> {
        let mut draw = Stream::new(seed, 0, 0);
        let (mut history, mut state) = (History::new(), 0);
        let mut clients = [None; 4];
        let mut process = 0;
        for now in 0..60 {
            let client = &mut clients[draw.below(4) as usize];
            *client = match *client {
                None => {
                    let op = (draw.below(2) == 0).then_some(draw.below(3) as u8);
                    process += 1;
                    Some((history.invoke(process, Ticks(now), op), None))
                }
                Some((call, None)) => {
                    Some((call, Some(Swap::apply(&mut state, &history.operation(call).op))))
                }
                // One in ten never hears of it.
                Some(_) if draw.below(10) == 0 => None,
                Some((call, Some(answer))) => {
                    let wrong = seed % 2 == 1 && draw.below(10) == 0;
                    history.complete(call, Ticks(now), if wrong { draw.below(3) as u8 } else { answer });
                    None
                }
            };
        }
        history
    }

    #[test]
    fn windows_refute_nothing_that_has_an_order_and_much_that_has_none() {
        let (mut possible, mut refuted, mut missed) = (0, 0, 0);
        for seed in 0..400 {
            let history = random(seed);
            let moments: Vec<_> = history.moments().collect();
            for blocked in 0..moments.len() {
                if matches!(moments[blocked], Moment::Invoked(_)) {
                    continue;
                }
                let part = Part::new(&history, &moments[..=blocked]);
                let found = matches!(Search::new(&part).run(usize::MAX, &|_| false), Outcome::Found);
                match (found, refutes_within(&history, &moments, blocked, &[4, 8, 16, 32])) {
                    (true, true) => panic!("seed {seed}, moment {blocked}: it has an order\n{history:?}"),
                    (true, false) => possible += 1,
                    (false, true) => refuted += 1,
                    (false, false) => missed += 1,
                }
            }
        }
        assert!(possible > 2_000 && refuted > 200, "{possible} possible, {refuted} refuted, {missed} missed");
    }
}
