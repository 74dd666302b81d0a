//! Histories, and the search that judges them against a twin that knows none of its rules.

use swarm_protocol::{Specification, Stream, Ticks};
use swarm_simulator::history::{History, Moment, Operation};
use swarm_simulator::linearizability::{Verdict, check, check_within};

/// A register with compare-and-set.
#[derive(Clone, Debug)]
enum Op {
    Read,
    Write(u8),
    Swap(u8, u8),
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Value(u8),
    Written,
    Swapped(bool),
}

struct Register;

impl Specification for Register {
    type State = u8;
    type Op = Op;
    type Answer = Answer;

    fn apply(state: &mut u8, op: &Op) -> Answer {
        match op {
            Op::Read => Answer::Value(*state),
            Op::Write(value) => {
                *state = *value;
                Answer::Written
            }
            Op::Swap(expected, value) => {
                let swapped = *state == *expected;
                if swapped {
                    *state = *value;
                }
                Answer::Swapped(swapped)
            }
        }
    }

    fn is_pure(op: &Op, answer: &Answer) -> bool {
        matches!((op, answer), (Op::Read, _) | (_, Answer::Swapped(false)))
    }
}

/// Two registers under the keys 0 and 1.
struct Store;

impl Specification for Store {
    type State = [u8; 2];
    type Op = (u8, Op);
    type Answer = Answer;

    fn apply(state: &mut [u8; 2], (key, op): &(u8, Op)) -> Answer {
        Register::apply(&mut state[usize::from(*key)], op)
    }

    fn is_pure((_, op): &(u8, Op), answer: &Answer) -> bool {
        Register::is_pure(op, answer)
    }

    fn key((key, _): &(u8, Op)) -> Option<u64> {
        Some(u64::from(*key))
    }
}

fn random_op(draw: &mut Stream) -> Op {
    match draw.below(4) {
        0 | 1 => Op::Read,
        2 => Op::Write(draw.below(3) as u8),
        _ => Op::Swap(draw.below(3) as u8, draw.below(3) as u8),
    }
}

fn random_keyed_op(draw: &mut Stream) -> (u8, Op) {
    (draw.below(2) as u8, random_op(draw))
}

fn wrong_answer(draw: &mut Stream, answer: &Answer) -> Answer {
    match answer {
        Answer::Value(_) => Answer::Value(draw.below(4) as u8),
        Answer::Swapped(_) => Answer::Swapped(draw.below(2) == 0),
        Answer::Written => Answer::Written,
    }
}

/// A history of `clients` that take effect one after the other, at a moment between question and answer
/// each. Of a thousand operations `lost` stay without an answer (half of them without effect), and of a
/// thousand answers `corrupted` are changed.
fn random_history<S: Specification<Answer = Answer>>(
    seed: u64,
    clients: usize,
    operations: usize,
    lost: u64,
    corrupted: u64,
    random_op: fn(&mut Stream) -> S::Op,
) -> History<S> {
    enum Client {
        Idle,
        Asked(swarm_simulator::history::Call),
        Told(swarm_simulator::history::Call, Answer),
    }
    let mut draw = Stream::new(seed, 0, 0);
    let mut history = History::new();
    let mut state = S::State::default();
    let mut running: Vec<_> = (0..clients).map(|_| Client::Idle).collect();
    let (mut started, mut ended, mut process) = (0, 0, 0);
    while ended < operations {
        let client = draw.below(clients as u64) as usize;
        let now = Ticks(u64::from(process));
        running[client] = match core::mem::replace(&mut running[client], Client::Idle) {
            Client::Idle if started == operations => Client::Idle,
            Client::Idle => {
                started += 1;
                process += 1;
                Client::Asked(history.invoke(process, now, random_op(&mut draw)))
            }
            Client::Asked(call) => {
                let fate = draw.below(2000);
                if fate < lost {
                    ended += 1;
                    Client::Idle
                } else {
                    let answer = S::apply(&mut state, &history.operation(call).op);
                    if fate < 2 * lost {
                        ended += 1;
                        Client::Idle
                    } else {
                        Client::Told(call, answer)
                    }
                }
            }
            Client::Told(call, answer) => {
                ended += 1;
                let answer =
                    if draw.below(1000) < corrupted { wrong_answer(&mut draw, &answer) } else { answer };
                assert!(history.complete(call, now, answer));
                Client::Idle
            }
        };
    }
    history
}

/// Linearizability by its definition: every order that respects time, every subset of open operations.
fn brute_force<S: Specification>(history: &History<S>, moments: usize) -> bool {
    struct Item<'h, S: Specification> {
        operation: &'h Operation<S>,
        invoked: usize,
        returned: Option<usize>,
    }
    fn search<S: Specification>(items: &[Item<'_, S>], done: u64, state: &S::State) -> bool {
        let left = || (0..items.len()).filter(|i| done >> i & 1 == 0);
        let Some(first_return) = left().filter_map(|i| items[i].returned).min() else { return true };
        left().filter(|i| items[*i].invoked < first_return).any(|i| {
            let mut after = state.clone();
            let answer = S::apply(&mut after, &items[i].operation.op);
            let fits = match (&items[i].returned, &items[i].operation.returned) {
                (Some(_), Some((_, told))) => answer == *told,
                _ => true,
            };
            fits && search(items, done | 1 << i, &after)
        })
    }
    let mut items: Vec<Item<'_, S>> = Vec::new();
    let mut place = std::collections::BTreeMap::new();
    for (at, moment) in history.moments().take(moments).enumerate() {
        match moment {
            Moment::Invoked(call) => {
                place.insert(call, items.len());
                items.push(Item { operation: history.operation(call), invoked: at, returned: None });
            }
            Moment::Returned(call) => items[place[&call]].returned = Some(at),
        }
    }
    search(&items, 0, &S::State::default())
}

/// Compares the search with brute force on `count` small histories, half of them with wrong answers.
/// Returns how many were linearizable and how many not.
fn compare<S: Specification<Answer = Answer>>(
    count: u64,
    random_op: fn(&mut Stream) -> S::Op,
    mut also: impl FnMut(&History<S>, &Verdict),
) -> (u32, u32) {
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..count {
        let clients = 2 + (seed % 4) as usize;
        let operations = 5 + (seed / 4 % 6) as usize;
        let lost = [0, 0, 150, 400][(seed / 24 % 4) as usize];
        let corrupted = if seed % 2 == 0 { 0 } else { 250 };
        let history = random_history::<S>(seed, clients, operations, lost, corrupted, random_op);
        let verdict = check(&history);
        let expected = brute_force(&history, usize::MAX);
        assert_eq!(verdict == Verdict::Linearizable, expected, "seed {seed}: {verdict:?}\n{history:#?}");
        assert_ne!(verdict, Verdict::Undecided);
        also(&history, &verdict);
        if expected { right += 1 } else { wrong += 1 }
    }
    (right, wrong)
}

#[test]
fn search_equals_brute_force_on_registers_and_names_the_longest_prefix() {
    let mut violations = 0;
    let (right, wrong) = compare::<Register>(20_000, random_op, |history, verdict| {
        let Verdict::Violated(violation) = verdict else { return };
        // Brute force over all prefixes takes its time: one in four.
        violations += 1;
        if violations % 4 != 0 {
            return;
        }
        // The longest prefix that brute force finds an order for ends before the return that blocks.
        let moments: Vec<_> = history.moments().collect();
        let blocked = (0..moments.len()).find(|end| !brute_force(history, end + 1)).expect("one blocks");
        let returned = moments[..blocked].iter().filter(|m| matches!(m, Moment::Returned(_))).count();
        let beginning = format!("the answers of the first {returned} operations fit one order");
        assert!(violation.detail.starts_with(&beginning), "{beginning} expected: {violation}\n{history:#?}");
    });
    assert!(right > 10_000 && wrong > 3_000, "both kinds are met: {right} right, {wrong} wrong");
}

#[test]
fn search_by_keys_equals_brute_force_on_the_whole_store() {
    let (right, wrong) = compare::<Store>(20_000, random_keyed_op, |_, _| ());
    assert!(right > 10_000 && wrong > 3_000, "both kinds are met: {right} right, {wrong} wrong");
}

#[test]
fn long_histories_of_many_clients_are_judged_and_one_wrong_read_is_found() {
    let mut history = random_history::<Register>(42, 16, 20_000, 0, 0, random_op);
    assert_eq!(check(&history), Verdict::Linearizable);
    // A value that nobody ever wrote.
    let call = history.invoke(99, Ticks(30_000), Op::Read);
    history.complete(call, Ticks(30_001), Answer::Value(9));
    let Verdict::Violated(violation) = check(&history) else { panic!("the wrong read was not found") };
    assert!(violation.detail.contains("first 20000 operations"), "{violation}");
    assert!(violation.detail.contains("p99 Read -> Value(9)"), "{violation}");
}

#[test]
fn one_wrong_answer_among_those_of_many_clients_is_found_and_drawn() {
    let mut history = random_history::<Register>(7, 16, 20_000, 0, 0, random_op);
    let before = history.completed();
    let now = Ticks(40_000);
    // While others are under way, one reads what nobody wrote; and all goes on.
    let under_way: Vec<_> =
        (0..15).map(|n| history.invoke(100_000 + n, now, Op::Write((n % 3) as u8))).collect();
    let read = history.invoke(200_000, now, Op::Read);
    history.complete(read, now, Answer::Value(9));
    for call in under_way {
        history.complete(call, now, Answer::Written);
    }
    let Verdict::Violated(violation) = check(&history) else { panic!("the wrong read was not found") };
    assert!(violation.detail.contains(&format!("first {before} operations")), "{violation}");
    assert!(violation.detail.contains("p200000 Read -> Value(9)"), "{violation}");
}

#[test]
fn an_open_write_may_take_effect_late_or_never_and_not_twice() {
    let history = |reads: &[u8]| {
        let mut history = History::<Register>::new();
        history.invoke(0, Ticks(0), Op::Write(1));
        for (process, (at, value)) in (1..).zip((1..).zip(reads)) {
            let call = history.invoke(process, Ticks(at), Op::Read);
            history.complete(call, Ticks(at), Answer::Value(*value));
        }
        history
    };
    for reads in [&[0, 0][..], &[0, 1, 1], &[1, 1], &[]] {
        assert_eq!(check(&history(reads)), Verdict::Linearizable, "{reads:?}");
    }
    for reads in [&[1, 0][..], &[0, 1, 0], &[2]] {
        assert!(matches!(check(&history(reads)), Verdict::Violated(_)), "{reads:?}");
    }
}

#[test]
fn an_operation_that_was_not_taken_is_no_part_of_the_history() {
    let mut history = History::<Register>::new();
    let write = history.invoke(0, Ticks(0), Op::Write(1));
    let read = history.invoke(1, Ticks(1), Op::Read);
    assert!(history.complete(read, Ticks(2), Answer::Value(1)));
    assert_eq!(check(&history), Verdict::Linearizable);
    assert!(history.not_taken(write));
    assert!(matches!(check(&history), Verdict::Violated(_)));
    assert!(!history.not_taken(write) && !history.complete(write, Ticks(3), Answer::Written), "no news");
    assert!(!history.complete(read, Ticks(3), Answer::Value(0)) && !history.not_taken(read), "no news");
    assert_eq!((history.completed(), history.open(), history.struck_out()), (1, 0, 1));
    assert_eq!(history.moments().count(), 2);
}

#[test]
fn merged_histories_count_touching_operations_as_overlapping() {
    let timed = |process, op, invoked, returned, answer| {
        Operation::<Register>::timed(process, op, Ticks(invoked), Some((Ticks(returned), answer)))
    };
    let check = |read_at| {
        check(&History::from_timed([
            timed(1, Op::Read, read_at, read_at + 1, Answer::Value(0)),
            timed(0, Op::Write(1), 0, 5, Answer::Written),
        ]))
    };
    assert_eq!(check(4), Verdict::Linearizable);
    assert_eq!(check(5), Verdict::Linearizable, "they touch");
    assert!(matches!(check(6), Verdict::Violated(_)), "the read came later");
}

#[test]
fn a_search_without_memory_says_that_it_does_not_know() {
    let history = random_history::<Register>(7, 12, 400, 0, 0, random_op);
    assert_eq!(check_within(&history, 0), Verdict::Undecided);
    assert_eq!(check(&history), Verdict::Linearizable);
}
