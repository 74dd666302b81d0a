//! What clients have seen, summarised: just enough to tell whether the history is linearizable.
//!
//! Instead of the history, a world keeps the set of configurations that just-in-time linearization
//! (Lowe 2017, *Testing for linearizability*, §4) may be in: the state of the sequential object, and the
//! pending operations that have already taken effect, with what they returned. An operation takes effect
//! no earlier than some operation's return demands it. The set is canonical, so that histories which
//! clients cannot tell apart give equal worlds; an empty set means that no order explains what was seen.
//!
//! Every operation is a process of its own; one whose answer never arrives may take effect at any later
//! time, or never. Verified by comparison with brute force over all permutations (tests below).

use core::fmt;
use core::hash::Hash;
use std::collections::BTreeSet;

use smallvec::SmallVec;
use swarm_protocol::{OpId, Reply, Specification, Violation};

use crate::fingerprint::hash_of;

/// The property that no order explains what clients saw.
pub const LINEARIZABILITY: &str = "linearizability";

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
    /// Ascending, without repetition.
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
    /// If no order of operations explains it, or nobody waits for that answer.
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
        match &reply {
            Reply::Done(answer) => {
                self.returns(workload, number, answer);
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
        if self.configurations.is_empty() {
            let detail = format!("no order explains that {id:?} {:?} got {reply:?}", workload[number]);
            return Err(Violation::new(LINEARIZABILITY, detail));
        }
        Ok(())
    }

    /// Keeps the configurations in which `op` returns `answer`, after as many other pending operations
    /// as it takes.
    fn returns(&mut self, workload: &[S::Op], op: usize, answer: &S::Answer) {
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
