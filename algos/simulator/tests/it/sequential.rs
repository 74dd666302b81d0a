//! Sequential consistency, against a twin that tries every interleaving.

use std::collections::BTreeMap;

use swarm_protocol::{Specification, Stream, Ticks};
use swarm_simulator::consistency::Judgement;
use swarm_simulator::history::{History, Operation};
use swarm_simulator::linearizability::{self, Verdict};
use swarm_simulator::sequential::check_within;

/// Two registers, of which writes return what they overwrite only now and then: pure and other operations.
struct Two;

#[derive(Clone, Debug)]
enum Op {
    Read(usize),
    Write(usize, u8),
    Swap(usize, u8),
}

impl Specification for Two {
    type State = [u8; 2];
    type Op = Op;
    type Answer = Option<u8>;

    fn apply(state: &mut [u8; 2], op: &Op) -> Option<u8> {
        match op {
            Op::Read(key) => Some(state[*key]),
            Op::Write(key, value) => {
                state[*key] = *value;
                None
            }
            Op::Swap(key, value) => Some(std::mem::replace(&mut state[*key], *value)),
        }
    }

    fn is_pure(op: &Op, _answer: &Option<u8>) -> bool {
        matches!(op, Op::Read(_))
    }
}

/// Clients that see replicas which are behind: answers are those of an order of its own, or wrong.
fn random(seed: u64) -> History<Two> {
    let mut draw = Stream::new(seed, 0, 0);
    let (clients, operations) = (2 + seed % 2, 4 + seed / 2 % 4);
    let (mut history, mut state) = (History::new(), [0; 2]);
    let mut open = BTreeMap::new();
    for now in 0..operations {
        let mut process = draw.below(clients);
        // Who waits in vain goes on as another.
        while open.contains_key(&process) {
            process += 10;
        }
        let key = draw.below(2) as usize;
        let op = match draw.below(4) {
            0 | 1 => Op::Read(key),
            2 => Op::Write(key, 1 + draw.below(2) as u8),
            _ => Op::Swap(key, 1 + draw.below(2) as u8),
        };
        let call = history.invoke(process as u32, Ticks(now), op.clone());
        let right = Two::apply(&mut state, &op);
        let answer = match (draw.below(10), right) {
            (0, _) => {
                open.insert(process, call);
                continue;
            }
            (1..=3, Some(_)) => Some(draw.below(3) as u8),
            _ => right,
        };
        history.complete(call, Ticks(now), answer);
    }
    history
}

/// By the definition: every interleaving of the clients, with and without what was never answered.
fn brute_force(history: &History<Two>) -> bool {
    fn search(clients: &[Vec<&Operation<Two>>], done: &mut Vec<usize>, state: [u8; 2]) -> bool {
        let answered = |client: usize, from: usize| {
            clients[client][from..].iter().any(|operation| operation.returned.is_some())
        };
        if !(0..clients.len()).any(|client| answered(client, done[client])) {
            return true;
        }
        (0..clients.len()).any(|client| {
            let Some(operation) = clients[client].get(done[client]) else { return false };
            let mut after = state;
            let told = Two::apply(&mut after, &operation.op);
            let ways = match &operation.returned {
                Some((_, answer)) if *answer == told => vec![after],
                Some(_) => vec![],
                None => vec![after, state],
            };
            done[client] += 1;
            let found = ways.into_iter().any(|state| search(clients, done, state));
            done[client] -= 1;
            found
        })
    }
    let mut clients: BTreeMap<u32, Vec<&Operation<Two>>> = BTreeMap::new();
    for operation in history.operations() {
        clients.entry(operation.process).or_default().push(operation);
    }
    let clients: Vec<_> = clients.into_values().collect();
    search(&clients, &mut vec![0; clients.len()], [0; 2])
}

#[test]
fn search_equals_brute_force_and_is_weaker_than_linearizability() {
    let (mut right, mut wrong, mut only) = (0, 0, 0);
    for seed in 0..20_000 {
        let history = random(seed);
        let judged = check_within(&history, 1 << 20);
        let expected = brute_force(&history);
        assert_eq!(judged == Judgement::Holds, expected, "seed {seed}: {judged:?}\n{history:#?}");
        let linearizable = linearizability::check(&history) == Verdict::Linearizable;
        assert!(
            !linearizable || expected,
            "seed {seed}: linearizable, so sequentially consistent\n{history:#?}"
        );
        if expected {
            right += 1;
        } else {
            wrong += 1;
        }
        only += u32::from(expected && !linearizable);
    }
    assert!(right > 5_000 && wrong > 3_000 && only > 300, "{right} right, {wrong} wrong, {only} no more");
}

fn told(operations: &[(u32, Op, Option<u8>)]) -> History<Two> {
    let mut history = History::new();
    for (now, (process, op, answer)) in (0..).zip(operations) {
        let call = history.invoke(*process, Ticks(now), op.clone());
        history.complete(call, Ticks(now), *answer);
    }
    history
}

#[test]
fn a_read_may_be_late_but_not_before_the_clients_own_write() {
    let late = told(&[(0, Op::Write(0, 1), None), (1, Op::Read(0), Some(0))]);
    assert_eq!(check_within(&late, 1 << 20), Judgement::Holds);
    assert!(matches!(linearizability::check(&late), Verdict::Violated(_)));
    let own = told(&[(0, Op::Write(0, 1), None), (0, Op::Read(0), Some(0))]);
    let Judgement::Violated(violation) = check_within(&own, 1 << 20) else { panic!("its own write") };
    assert_eq!(violation.property, "sequential_consistency");
    assert!(
        violation.detail.contains("furthest with 1, ") && violation.detail.contains("p0 Read(0)"),
        "{violation}"
    );
    // Two observers that disagree on the order of two writes.
    let disagree = told(&[
        (0, Op::Write(0, 1), None),
        (1, Op::Write(1, 1), None),
        (2, Op::Read(0), Some(1)),
        (2, Op::Read(1), Some(0)),
        (3, Op::Read(1), Some(1)),
        (3, Op::Read(0), Some(0)),
    ]);
    assert!(matches!(check_within(&disagree, 1 << 20), Judgement::Violated(_)));
}

#[test]
fn a_search_without_memory_says_so_and_hundreds_of_operations_are_decided() {
    let mut draw = Stream::new(3, 0, 0);
    let (mut history, mut state) = (History::<Two>::new(), [0; 2]);
    for now in 0..300 {
        let op = if draw.below(2) == 0 { Op::Read(0) } else { Op::Swap(0, draw.below(200) as u8) };
        let call = history.invoke(draw.below(4) as u32, Ticks(now), op.clone());
        let answer = Two::apply(&mut state, &op);
        history.complete(call, Ticks(now), answer);
    }
    assert_eq!(check_within(&history, 64 << 20), Judgement::Holds);
    assert_eq!(check_within(&history, 0), Judgement::Undecided);
}
