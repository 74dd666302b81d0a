//! What clients have seen, summarised: just enough to tell whether the history is linearizable.
//!
//! Instead of the history, a world keeps the set of configurations that just-in-time linearization
//! (Lowe 2017, *Testing for linearizability*, §4) may be in: the state of the sequential object, and the
//! pending operations that have already taken effect, with what they returned. An operation takes effect
//! no earlier than some operation's return demands it. The set is canonical, so that histories which
//! clients cannot tell apart give equal worlds; an empty set means that no order explains what was seen.
//!
//! Every operation is a process of its own; one whose answer never arrives may take effect at any later
//! time, or never. So each operation that stays open may double the set. Where it would grow beyond
//! [`EXPLANATIONS_MAX`], the summary is given up: from then on nothing is known of the history, which the world
//! that holds it says as a violation of its own, unless its setup lets it go on ([`super::Setup::may_give_up`]).
//!
//! Verified by comparison with brute force over all permutations (tests below).

use core::fmt;
use core::hash::Hash;
use std::collections::BTreeSet;

use smallvec::SmallVec;
use swarm_protocol::{OpId, Reply, Specification, Violation};

use crate::fingerprint::hash_of;

/// The property that no order explains what clients saw.
pub const LINEARIZABILITY: &str = "linearizability";

/// The property that what clients saw has few enough explanations to be judged.
pub const EXPLANATIONS: &str = "explanations";

/// How many explanations one answer may lead to before the summary is given up. An exhaustive search of few
/// operations stays far below; a long run with a dozen open operations does not.
pub(crate) const EXPLANATIONS_MAX: usize = 1 << 14;

/// Where one operation of the workload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpStatus {
    /// Not asked for, or not taken: it may be asked for.
    Available,
    /// Asked for, not answered.
    Pending,
    /// The client was told that it may or may not take effect, and waits no more.
    Open,
    /// Answered.
    Returned,
}

/// One way in which the history so far can be explained.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Configuration<State, Answer> {
    state: State,
    /// Operations that have taken effect and have not returned, by number, with what they will return;
    /// without it once nobody waits for it.
    effective: SmallVec<[(u32, Option<Answer>); 2]>,
}

/// A canonical summary of a client history.
pub(crate) struct Clients<S: Specification> {
    status: SmallVec<[OpStatus; 8]>,
    /// Ascending, without repetition. Empty once the summary was given up, or no order explains what was seen.
    configurations: Vec<Configuration<S::State, S::Answer>>,
    /// Of the fields above.
    hash: u64,
}

impl<S: Specification<Answer: Ord + Hash>> Clients<S> {
    /// No operation of `n` has been asked for.
    pub(crate) fn new(n: usize) -> Self {
        let initial = Configuration { state: S::State::default(), effective: SmallVec::new() };
        let mut clients = Clients {
            status: SmallVec::from_elem(OpStatus::Available, n),
            configurations: vec![initial],
            hash: 0,
        };
        clients.rehash();
        clients
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn hash_from_scratch(&self) -> u64 {
        hash_of(0x0043_4C49, &(&self.status[..], &self.configurations))
    }

    fn rehash(&mut self) {
        self.hash = self.hash_from_scratch();
    }

    pub(crate) fn status(&self) -> &[OpStatus] {
        &self.status
    }

    /// The operation that clients ask for next.
    pub(crate) fn next(&self) -> Option<usize> {
        self.status.iter().position(|status| *status == OpStatus::Available)
    }

    pub(crate) fn invoke(&mut self, op: usize) {
        self.status[op] = OpStatus::Pending;
        self.rehash();
    }

    /// Notes what a client was told.
    ///
    /// # Errors
    /// If no order of operations explains it, nobody waits for that answer, or there are too many ways to explain
    /// it, which is told once.
    pub(crate) fn answer(
        &mut self,
        workload: &[S::Op],
        id: OpId,
        reply: Reply<S::Answer>,
    ) -> Result<(), Violation> {
        let number = usize::try_from(id.0).unwrap_or(usize::MAX);
        match self.status.get(number) {
            Some(OpStatus::Pending) => {}
            // The client has stopped waiting.
            Some(OpStatus::Open) => return Ok(()),
            Some(status) => {
                let detail = format!("{id:?} is answered with {reply:?} while it is {status:?}");
                return Err(Violation::new(super::CONTRACT, detail));
            }
            None => {
                return Err(Violation::new(super::CONTRACT, format!("{id:?} is answered, and nobody asked")));
            }
        }
        let judged = !self.configurations.is_empty();
        let mut explained = true;
        match &reply {
            Reply::Done(answer) => {
                explained = self.returns(workload, number, answer);
                self.status[number] = OpStatus::Returned;
            }
            Reply::NotTaken(_) => {
                self.configurations.retain(|configuration| configuration.effect_of(number).is_err());
                self.status[number] = OpStatus::Available;
            }
            Reply::Unknown => {
                self.forget(number);
                self.status[number] = OpStatus::Open;
            }
        }
        self.rehash();
        if !explained {
            let detail = format!("there are more than {EXPLANATIONS_MAX} ways to explain what clients saw");
            return Err(Violation::new(EXPLANATIONS, detail));
        }
        if judged && self.configurations.is_empty() {
            let detail = format!("no order explains that {id:?} {:?} got {reply:?}", workload[number]);
            return Err(Violation::new(LINEARIZABILITY, detail));
        }
        Ok(())
    }

    /// Keeps the configurations in which `op` returns `answer`, after as many other pending operations
    /// as it takes. Gives up, and says so by `false`, if there are too many.
    fn returns(&mut self, workload: &[S::Op], op: usize, answer: &S::Answer) -> bool {
        let mut kept = Vec::new();
        let mut reached = BTreeSet::new();
        let mut open = Vec::new();
        for mut configuration in std::mem::take(&mut self.configurations) {
            match configuration.effect_of(op) {
                Ok(position) => {
                    if configuration.effective.remove(position).1.as_ref() == Some(answer) {
                        kept.push(configuration);
                    }
                }
                Err(_) => open.push(configuration),
            }
        }
        while let Some(configuration) = open.pop() {
            if kept.len() + reached.len() > EXPLANATIONS_MAX {
                return false;
            }
            let mut state = configuration.state.clone();
            if S::apply(&mut state, &workload[op]) == *answer {
                kept.push(Configuration { state, effective: configuration.effective.clone() });
            }
            for (other, status) in self.status.iter().enumerate() {
                let Err(position) = configuration.effect_of(other) else { continue };
                let waits = match status {
                    OpStatus::Pending => true,
                    OpStatus::Open => false,
                    OpStatus::Available | OpStatus::Returned => continue,
                };
                if other == op {
                    continue;
                }
                let mut next = configuration.clone();
                let returned = S::apply(&mut next.state, &workload[other]);
                next.effective.insert(position, (other as u32, waits.then_some(returned)));
                if reached.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        self.settle(kept);
        true
    }

    /// What `op` returned, or will return, no longer matters: nobody waits for it.
    fn forget(&mut self, op: usize) {
        let mut kept = std::mem::take(&mut self.configurations);
        for configuration in &mut kept {
            if let Ok(position) = configuration.effect_of(op) {
                configuration.effective[position].1 = None;
            }
        }
        self.settle(kept);
    }

    /// Takes configurations in, in canonical order.
    fn settle(&mut self, mut configurations: Vec<Configuration<S::State, S::Answer>>) {
        configurations.sort_unstable();
        configurations.dedup();
        self.configurations = configurations;
    }
}

impl<State, Answer> Configuration<State, Answer> {
    /// Where the effect of `op` is noted, or else where it would be.
    fn effect_of(&self, op: usize) -> Result<usize, usize> {
        self.effective.binary_search_by_key(&op, |(other, _)| *other as usize)
    }
}

impl<S: Specification> Clone for Clients<S> {
    fn clone(&self) -> Self {
        Clients { status: self.status.clone(), configurations: self.configurations.clone(), hash: self.hash }
    }
}

impl<S: Specification> PartialEq for Clients<S> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.status == other.status && self.configurations == other.configurations
    }
}

impl<S: Specification> fmt::Debug for Clients<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.status)?;
        for Configuration { state, effective } in &self.configurations {
            write!(f, " | {state:?} {effective:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;

    /// A register whose writes return what they overwrite, so that order shows.
    struct Swap;

    impl Specification for Swap {
        type State = u8;
        type Op = Option<u8>;
        type Answer = u8;

        fn apply(state: &mut u8, op: &Option<u8>) -> u8 {
            op.map_or(*state, |value| std::mem::replace(state, value))
        }
    }

    const OPS: [Option<u8>; 6] = [Some(1), None, Some(2), None, Some(1), None];

    /// One operation of a plain history, with instants.
    #[derive(Clone, Debug)]
    struct Call {
        op: usize,
        invoked: usize,
        returned: Option<(usize, u8)>,
    }

    /// Whether some order explains the calls: tries all of them.
    fn explained(calls: &[Call], done: &mut Vec<usize>, state: u8) -> bool {
        let left = || (0..calls.len()).filter(|i| !done.contains(i));
        let Some(first_return) = left().filter_map(|i| calls[i].returned).map(|(at, _)| at).min() else {
            return true;
        };
        let candidates: Vec<_> = left().filter(|i| calls[*i].invoked < first_return).collect();
        candidates.into_iter().any(|i| {
            let mut next = state;
            let told = Swap::apply(&mut next, &OPS[calls[i].op]);
            done.push(i);
            let fits = calls[i].returned.is_none_or(|(_, answer)| answer == told);
            let found = fits && explained(calls, done, next);
            done.pop();
            found
        })
    }

    /// A random history of an object that sometimes lies; says whether it ended in a violation.
    fn check(seed: u64) -> bool {
        let mut stream = Stream::new(seed, 0, 0);
        let mut clients = Clients::<Swap>::new(OPS.len());
        let (mut calls, mut object): (Vec<Call>, u8) = (Vec::new(), 0);
        // What the object did for each pending operation, once it did it.
        let mut told: [Option<u8>; OPS.len()] = [None; OPS.len()];
        for now in 0..40 {
            let pending: Vec<_> =
                (0..OPS.len()).filter(|op| clients.status()[*op] == OpStatus::Pending).collect();
            let next = clients.next();
            if pending.is_empty() && next.is_none() {
                break;
            }
            if let Some(op) = next.filter(|_| pending.is_empty() || stream.below(2) == 0) {
                clients.invoke(op);
                calls.push(Call { op, invoked: now, returned: None });
                continue;
            }
            let op = pending[stream.below(pending.len() as u64) as usize];
            let act = |told: &mut Option<u8>, object: &mut u8| {
                *told.get_or_insert_with(|| Swap::apply(object, &OPS[op]))
            };
            let reply = match stream.below(10) {
                0..=3 => {
                    act(&mut told[op], &mut object);
                    continue;
                }
                4 if told[op].is_none() || stream.below(4) == 0 => Reply::NotTaken(None),
                5 => Reply::Unknown,
                6 if stream.below(3) == 0 => Reply::Done(stream.below(3) as u8),
                _ => Reply::Done(act(&mut told[op], &mut object)),
            };
            let call = calls.iter_mut().rfind(|call| call.op == op).expect("it is pending");
            match reply {
                Reply::Done(answer) => call.returned = Some((now, answer)),
                Reply::NotTaken(_) => {
                    calls.retain(|call| call.op != op);
                    told[op] = None;
                }
                Reply::Unknown => {}
            }
            let before = clients.clone();
            let verdict = clients.answer(&OPS, OpId(op as u64), reply.clone());
            assert_eq!(clients.hash(), clients.hash_from_scratch());
            assert_eq!(
                verdict.is_ok(),
                explained(&calls, &mut Vec::new(), 0),
                "seed {seed}: {before:?}, then {op} got {reply:?}: {calls:?}"
            );
            if let Err(violation) = verdict {
                assert_eq!(violation.property, LINEARIZABILITY);
                return true;
            }
        }
        false
    }

    #[test]
    fn verdicts_are_those_of_trying_every_order() {
        let violations = (0..20_000).filter(|seed| check(*seed)).count();
        assert!((2_000..18_000).contains(&violations), "{violations} of 20000 are enough of either kind");
    }

    #[test]
    fn the_summary_forgets_what_clients_cannot_tell() {
        // Two reads that returned, in either order, leave no trace but that they returned.
        let run = |order: [u64; 2]| {
            let mut clients = Clients::<Swap>::new(2);
            clients.invoke(0);
            clients.invoke(1);
            for id in order {
                assert_eq!(clients.answer(&[None, None], OpId(id), Reply::Done(0)), Ok(()));
            }
            clients
        };
        let (one, other) = (run([0, 1]), run([1, 0]));
        assert!(one == other && one.hash() == other.hash());
        assert_eq!(one.configurations.len(), 1);
    }

    #[test]
    fn a_history_with_too_many_explanations_is_given_up_once_and_aloud() {
        // Writes of different values that nobody hears of: each may have taken effect, in any order.
        let workload: Vec<_> = (0..20).map(Some).collect();
        let mut clients = Clients::<Swap>::new(workload.len());
        (0..workload.len()).for_each(|op| clients.invoke(op));
        for id in 1..19 {
            assert_eq!(clients.answer(&workload, OpId(id), Reply::Unknown), Ok(()));
        }
        let verdict = clients.answer(&workload, OpId(0), Reply::Done(99));
        assert_eq!(verdict.map_err(|violation| violation.property), Err(EXPLANATIONS));
        assert_eq!(clients.status()[0], OpStatus::Returned);
        assert_eq!(clients.hash(), clients.hash_from_scratch());
        // Nothing is known from then on, and nothing is said.
        assert_eq!(clients.answer(&workload, OpId(19), Reply::Done(99)), Ok(()));
    }

    #[test]
    fn answers_nobody_waits_for_break_the_contract() {
        let mut clients = Clients::<Swap>::new(1);
        for id in [0, 1, u64::MAX] {
            let verdict = clients.answer(&[None], OpId(id), Reply::Done(0));
            assert_eq!(verdict.map_err(|violation| violation.property), Err(super::super::CONTRACT));
        }
        clients.invoke(0);
        assert_eq!(clients.answer(&[None], OpId(0), Reply::Unknown), Ok(()));
        assert_eq!(clients.answer(&[None], OpId(0), Reply::Done(9)), Ok(()), "the client has gone");
    }
}
