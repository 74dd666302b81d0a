//! Whether a history keeps what its protocol promises: [`swarm_protocol::Service::PROMISES`].
//!
//! A replicated log promises linearizability; a store that gossips may promise no more than that clients see
//! their own writes. Each promise is judged by its own module: [`crate::linearizability`],
//! [`crate::sequential`], [`crate::session`]. A world judges linearizability alone, in its summary of what
//! clients saw, and nothing where that is not promised. Verified by `tests/it/session.rs` on a store whose
//! replicas lag behind.

use swarm_protocol::{Promise, Service, Violation};

use crate::history::History;
use crate::linearizability::{self, Verdict};
use crate::{sequential, session};

/// What is broken where no session guarantee is broken alone, but no order of writes allows all.
pub const SESSION_GUARANTEES: &str = "session_guarantees";

/// What a search for an order has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// There is one.
    Holds,
    /// There is none.
    Violated(Violation),
    /// The search gave up before it knew: counted, and never taken for a yes.
    Undecided,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Linearizable => Judgement::Holds,
            Verdict::Violated(violation) => Judgement::Violated(violation),
            Verdict::Undecided => Judgement::Undecided,
        }
    }
}

/// Judges what `P` promises, with `memory_max` bytes for each search. The first promise that is broken
/// counts; if none is, one that could not be decided.
pub fn judge<P: Service>(history: &History<P::Spec>, memory_max: usize) -> Judgement {
    let promised = |promise| P::PROMISES.contains(&promise);
    let mut judgements = vec![session::check(history, P::PROMISES)];
    if promised(Promise::SequentialConsistency) {
        judgements.push(sequential::check_within(history, memory_max));
    }
    if promised(Promise::Linearizability) {
        judgements.push(linearizability::check_within(history, memory_max).into());
    }
    let mut undecided = false;
    for judgement in judgements {
        match judgement {
            Judgement::Holds => {}
            Judgement::Undecided => undecided = true,
            Judgement::Violated(_) => return judgement,
        }
    }
    if undecided { Judgement::Undecided } else { Judgement::Holds }
}
