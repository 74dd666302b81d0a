//! Session guarantees, against a twin that tries everything, and as the promise of a store that gossips.

use std::collections::BTreeMap;

use swarm_protocol::{
    Access, Effects, Input, Never, NodeId, Promise, Properties, Protocol, Reply, Service, Specification,
    Stream, Ticks, Violation,
};
use swarm_simulator::consistency::Judgement;
use swarm_simulator::history::{Call, History, Moment};
use swarm_simulator::profile::Profile;
use swarm_simulator::session::{READS_WHAT_WAS_WRITTEN, check};
use swarm_simulator::simulation::Simulation;

const ALL: [Promise; 4] =
    [Promise::ReadYourWrites, Promise::MonotonicReads, Promise::MonotonicWrites, Promise::WritesFollowReads];

/// Registers under keys.
#[derive(Debug)]
struct Registers;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Op {
    Read(u64),
    Write(u64, u64),
    /// Writes and says what was there.
    Swap(u64, u64),
}

impl Specification for Registers {
    type State = BTreeMap<u64, u64>;
    type Op = Op;
    type Answer = Option<u64>;

    fn apply(state: &mut Self::State, op: &Op) -> Option<u64> {
        match *op {
            Op::Read(key) => state.get(&key).copied(),
            Op::Write(key, value) => {
                state.insert(key, value);
                None
            }
            Op::Swap(key, value) => state.insert(key, value),
        }
    }

    fn access(op: &Op, answer: Option<&Option<u64>>) -> Access {
        match (*op, answer) {
            (Op::Read(key), Some(value)) => Access::Read { key, value: *value },
            (Op::Read(_), None) => Access::Other,
            (Op::Write(key, value), _) | (Op::Swap(key, value), None) => Access::Write { key, value },
            (Op::Swap(key, write), Some(read)) => Access::Update { key, read: *read, write },
        }
    }
}

/// A few sessions that read what was asked for before or nothing, and write few values.
fn random(seed: u64) -> History<Registers> {
    let mut draw = Stream::new(seed, 0, 0);
    let (sessions, keys, values) = (1 + seed % 3, 1 + seed / 3 % 2, 2 + seed / 6 % 3);
    let mut history = History::new();
    let mut asked: Vec<(u64, u64)> = Vec::new();
    let mut closed = Vec::new();
    for now in 0..4 + seed / 18 % 4 {
        let session = draw.below(sessions) as u32;
        if closed.contains(&session) {
            continue;
        }
        let key = draw.below(keys);
        let written: Vec<_> =
            asked.iter().filter(|(other, _)| *other == key).map(|(_, value)| *value).collect();
        let seen = |draw: &mut Stream| match draw.below(written.len() as u64 + 1) {
            0 if draw.below(40) == 0 => Some(9),
            place => (place as usize).checked_sub(1).map(|place| written[place]),
        };
        let (op, answer) = match draw.below(5) {
            0..=2 => (Op::Read(key), seen(&mut draw)),
            3 => (Op::Write(key, draw.below(values)), None),
            _ => (Op::Swap(key, draw.below(values)), seen(&mut draw)),
        };
        if let Op::Write(key, value) | Op::Swap(key, value) = op {
            asked.push((key, value));
        }
        let call = history.invoke(session, Ticks(now), op);
        if draw.below(8) == 0 {
            closed.push(session);
        } else {
            history.complete(call, Ticks(now), answer);
        }
    }
    history
}

/// One thing that a session did, in the twin: a read of some value, or a write by its number.
enum Deed {
    Read(Vec<usize>),
    Write(usize),
}

/// By the definition: for each key every order of its writes and every origin of each read.
fn brute_force(history: &History<Registers>, promises: &[Promise]) -> bool {
    (0..2).all(|key| brute_force_key(history, key, promises))
}

fn brute_force_key(history: &History<Registers>, of_key: u64, promises: &[Promise]) -> bool {
    // Number 0 is the initial value.
    let mut writes: Vec<(Option<u64>, Option<Call>)> = vec![(None, None)];
    let mut sessions: BTreeMap<u32, Vec<Deed>> = BTreeMap::new();
    // Operations of these histories return before the next is invoked, or never.
    for moment in history.moments() {
        let Moment::Invoked(call) = moment else { continue };
        let operation = history.operation(call);
        let answer = operation.returned.as_ref().map(|(_, answer)| answer);
        let (read, write) = match Registers::access(&operation.op, answer) {
            Access::Read { key, value } if key == of_key => (Some(value), None),
            Access::Write { key, value } if key == of_key => (None, Some(value)),
            Access::Update { key, read, write } if key == of_key => (Some(read), Some(write)),
            _ => continue,
        };
        let session = sessions.entry(operation.process).or_default();
        if let Some(value) = read {
            let origins = (0..writes.len()).filter(|number| writes[*number].0 == value);
            session.push(Deed::Read(origins.collect()));
        }
        if let Some(value) = write {
            writes.push((Some(value), Some(call)));
            if answer.is_some() {
                session.push(Deed::Write(writes.len() - 1));
            }
        }
    }
    let mut orders = vec![vec![0]];
    for write in 1..writes.len() {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            (1..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, write);
                order
            })
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders.iter().any(|order| {
        let place = |write: usize| order.iter().position(|other| *other == write).unwrap();
        sessions.values().all(|session| fits(session, &place, promises, &mut Vec::new()))
    })
}

/// Whether the reads of a session have origins that keep the promises in this order.
fn fits(
    session: &[Deed],
    place: &dyn Fn(usize) -> usize,
    promises: &[Promise],
    // Place of what was read or written, and whether it was written.
    past: &mut Vec<(usize, bool)>,
) -> bool {
    let Some((deed, rest)) = session.split_first() else { return true };
    let asked = |promise| promises.contains(&promise);
    let mut next = |here: usize, wrote: bool| {
        let kept = past.iter().all(|(before, written)| {
            let demanded = match (written, wrote) {
                (true, false) => asked(Promise::ReadYourWrites),
                (false, false) => asked(Promise::MonotonicReads),
                (true, true) => asked(Promise::MonotonicWrites),
                (false, true) => asked(Promise::WritesFollowReads),
            };
            !demanded || *before <= here
        });
        past.push((here, wrote));
        let found = kept && fits(rest, place, promises, past);
        past.pop();
        found
    };
    match deed {
        Deed::Write(write) => next(place(*write), true),
        Deed::Read(origins) => origins.iter().any(|origin| next(place(*origin), false)),
    }
}

#[test]
fn every_set_of_guarantees_is_judged_as_by_brute_force() {
    let (mut right, mut wrong) = ([0; 16], [0; 16]);
    for seed in 0..6_000 {
        let history = random(seed);
        for set in 1..16_usize {
            let promises: Vec<_> = (0..4).filter(|bit| set >> bit & 1 == 1).map(|bit| ALL[bit]).collect();
            let judged = check(&history, &promises);
            let expected = brute_force(&history, &promises);
            assert_eq!(
                judged == Judgement::Holds,
                expected,
                "seed {seed} {promises:?}: {judged:?}\n{history:#?}"
            );
            assert_ne!(judged, Judgement::Undecided);
            if expected { right[set] += 1 } else { wrong[set] += 1 }
        }
    }
    assert!(right[1..].iter().chain(&wrong[1..]).all(|count| *count > 50), "{right:?} {wrong:?}");
    assert!(wrong[15] > wrong[1] + 100 && wrong[15] > wrong[2] + 100, "{wrong:?}: together they say more");
}

/// Who asked, what, and what it was told.
type Told = (u32, Op, Option<u64>);

fn told(operations: &[Told]) -> History<Registers> {
    let mut history = History::new();
    for (now, (process, op, answer)) in (0..).zip(operations) {
        let call = history.invoke(*process, Ticks(now), *op);
        history.complete(call, Ticks(now), *answer);
    }
    history
}

#[test]
fn each_guarantee_is_broken_by_a_history_that_keeps_the_others() {
    use Op::{Read, Write};
    let stories: [(Promise, &[Told]); 4] = [
        (Promise::ReadYourWrites, &[(0, Write(0, 1), None), (0, Read(0), None)]),
        (Promise::MonotonicReads, &[(0, Write(0, 1), None), (1, Read(0), Some(1)), (1, Read(0), None)]),
        (
            Promise::MonotonicWrites,
            &[(0, Write(0, 1), None), (0, Write(0, 2), None), (1, Read(0), Some(2)), (1, Read(0), Some(1))],
        ),
        (
            Promise::WritesFollowReads,
            &[
                (0, Write(0, 1), None),
                (1, Read(0), Some(1)),
                (1, Write(0, 2), None),
                (2, Read(0), Some(2)),
                (2, Read(0), Some(1)),
            ],
        ),
    ];
    for (broken, story) in stories {
        let history = told(story);
        let Judgement::Violated(violation) = check(&history, &ALL) else { panic!("{broken:?} is broken") };
        assert_eq!(violation.property, broken.name(), "{violation}");
        let others: Vec<_> = ALL.into_iter().filter(|promise| *promise != broken).collect();
        assert_eq!(check(&history, &others), Judgement::Holds, "{broken:?} alone");
    }
    let Judgement::Violated(violation) = check(&told(&[(0, Read(0), Some(1))]), &ALL[..1]) else {
        panic!("nobody wrote it")
    };
    assert_eq!(violation.property, READS_WHAT_WAS_WRITTEN);
    assert_eq!(check(&told(&[(0, Read(0), Some(1))]), &[Promise::Linearizability]), Judgement::Holds);
}

#[test]
fn long_histories_of_values_written_once_are_judged_and_one_old_read_is_found() {
    let mut operations = Vec::new();
    for n in 0..5_000 {
        operations.push((0, Op::Write(0, n), None));
        operations.push((1, Op::Read(0), Some(n)));
    }
    assert_eq!(check(&told(&operations), &ALL), Judgement::Holds);
    operations.push((1, Op::Read(0), Some(17)));
    let Judgement::Violated(violation) = check(&told(&operations), &ALL) else { panic!("an old read") };
    assert_eq!(violation.property, "monotonic_reads", "the reader has seen later ones");
}

/// A store that gossips: each node answers from what it has, and tells the others of each write. `FORGETS`:
/// a node answers every third read with what it had before it last learned something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Store<const LINEARIZABLE: bool, const FORGETS: bool> {
    me: NodeId,
    /// Stamp (counter and node) and value.
    now: (u64, u32, Option<u64>),
    before: (u64, u32, Option<u64>),
    reads: u64,
}

impl<const LINEARIZABLE: bool, const FORGETS: bool> Store<LINEARIZABLE, FORGETS> {
    fn learn(&mut self, news: (u64, u32, Option<u64>)) {
        if news > self.now {
            self.before = std::mem::replace(&mut self.now, news);
        }
    }
}

impl<const LINEARIZABLE: bool, const FORGETS: bool> Protocol for Store<LINEARIZABLE, FORGETS> {
    type Config = ();
    type Message = (u64, u32, Option<u64>);
    type Timer = ();
    type Op = Op;
    type Answer = Option<u64>;
    type Record = Never;
    type Task = Never;
    type Outcome = Never;

    fn recover((): &(), me: NodeId, _: impl Iterator<Item = Never>, _: &mut Effects<Self>) -> Self {
        Store { me, now: (0, 0, None), before: (0, 0, None), reads: 0 }
    }

    fn step(&mut self, (): &(), _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, op: Op::Read(_) } => {
                self.reads += 1;
                let forgets = FORGETS && self.reads.is_multiple_of(3);
                out.answer(id, if forgets { self.before.2 } else { self.now.2 });
            }
            Input::Invoke { id, op: Op::Write(_, value) | Op::Swap(_, value) } => {
                self.learn((self.now.0 + 1, self.me.0, Some(value)));
                out.broadcast(self.now);
                out.answer(id, None);
            }
            Input::Message { message, .. } => self.learn(message),
            _ => {}
        }
    }
}

impl<const LINEARIZABLE: bool, const FORGETS: bool> Service for Store<LINEARIZABLE, FORGETS> {
    type Spec = Registers;

    const PROMISES: &'static [Promise] = if LINEARIZABLE { &[Promise::Linearizability] } else { &ALL };

    fn reply(answer: &Option<u64>) -> Reply<Option<u64>> {
        Reply::Done(*answer)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Nothing;

impl<P: Protocol> Properties<P> for Nothing {
    const NAMES: &'static [&'static str] = &[];

    fn after_step(&mut self, _: &P::Config, _: &[Option<&P>], _: NodeId) -> Result<(), Violation> {
        Ok(())
    }

    fn full(&self, _: &P::Config, _: &[Option<&P>]) -> Result<(), Violation> {
        Ok(())
    }
}

/// Reads, and writes of values that nobody else writes.
fn operation(draw: &mut Stream) -> Op {
    if draw.below(3) == 0 { Op::Write(0, draw.below(1 << 40)) } else { Op::Read(0) }
}

#[test]
fn a_store_that_gossips_keeps_session_guarantees_and_claims_no_more() {
    let broken = |runs: &dyn Fn(u64) -> Option<Violation>| {
        let mut broken = BTreeMap::new();
        for seed in 0..20 {
            if let Some(violation) = runs(seed) {
                *broken.entry(violation.property).or_insert(0) += 1;
            }
        }
        broken
    };
    // Clients stay with their nodes while these are up.
    let modest = Simulation::<Store<false, false>, Nothing>::new((), 3, operation).profile(Profile::CALM);
    assert_eq!(broken(&|seed| modest.run(seed).violation), BTreeMap::new());
    assert!((0..20).all(|seed| !modest.run(seed).undecided));
    let proud = Simulation::<Store<true, false>, Nothing>::new((), 3, operation).profile(Profile::CALM);
    let seen = broken(&|seed| proud.run(seed).violation);
    assert!(seen.len() == 1 && seen["linearizability"] > 10, "{seen:?}");
    let forgetful = Simulation::<Store<false, true>, Nothing>::new((), 3, operation).profile(Profile::CALM);
    let seen = broken(&|seed| forgetful.run(seed).violation);
    assert!(seen.keys().all(|name| ["read_your_writes", "monotonic_reads"].contains(name)), "{seen:?}");
    assert_eq!(seen.values().sum::<i32>(), 20, "{seen:?}");
}
