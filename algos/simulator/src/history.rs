//! What clients asked and what they were told, in the order in which it happened.
//!
//! A [`History`] is filled by whoever drives clients: simulator, cluster runner, bench. The order of the
//! calls is the real-time order: an operation whose answer was noted before another was invoked comes
//! first. Histories noted by several threads are merged by [`History::from_timed`], where equal times
//! count as overlapping.
//!
//! An operation without an answer stays *open*: it may take effect at any time after its invocation, or
//! never. One that was surely not taken is struck out.
//!
//! Verified by `tests/it/history.rs`. Judged by [`crate::linearizability`].

use core::fmt;

use swarm_protocol::{Specification, Ticks};

/// Which operation of a [`History`] is meant: its position in order of invocation, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u32);

impl Call {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation of a client.
pub struct Operation<S: Specification> {
    /// Who asked. A process whose operation stayed open asks nothing more: its client goes on under a
    /// new number.
    pub process: u32,
    /// What was asked.
    pub op: S::Op,
    /// When.
    pub invoked: Ticks,
    /// When and what was answered, if it was.
    pub returned: Option<(Ticks, S::Answer)>,
    /// Surely never taken: no part of what is judged.
    struck_out: bool,
}

impl<S: Specification> Operation<S> {
    /// An operation with its times, for [`History::from_timed`]. Units of the times are the caller's, as
    /// long as all are the same.
    pub const fn timed(
        process: u32,
        op: S::Op,
        invoked: Ticks,
        returned: Option<(Ticks, S::Answer)>,
    ) -> Self {
        Operation { process, op, invoked, returned, struck_out: false }
    }

    /// Whether it was surely not taken.
    pub const fn is_struck_out(&self) -> bool {
        self.struck_out
    }
}

impl<S: Specification> Clone for Operation<S> {
    fn clone(&self) -> Self {
        Operation {
            process: self.process,
            op: self.op.clone(),
            invoked: self.invoked,
            returned: self.returned.clone(),
            struck_out: self.struck_out,
        }
    }
}

impl<S: Specification> fmt::Debug for Operation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{} {:?}", self.process, self.op)?;
        match &self.returned {
            Some((at, answer)) => write!(f, " -> {answer:?} [{}..{at}]", self.invoked),
            None => write!(f, " -> no answer [{}..]", self.invoked),
        }
    }
}

/// A beginning or an end of an operation, at its place in the order of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The operation was asked for.
    Invoked(Call),
    /// Its answer arrived.
    Returned(Call),
}

/// Operations and the order of their beginnings and ends. See the module.
pub struct History<S: Specification> {
    /// In order of invocation.
    operations: Vec<Operation<S>>,
    /// Every operation that is not struck out has one `Invoked`, and at most one `Returned` after it.
    moments: Vec<Moment>,
    completed: u32,
    struck_out: u32,
}

impl<S: Specification> Clone for History<S> {
    fn clone(&self) -> Self {
        History { operations: self.operations.clone(), moments: self.moments.clone(), ..*self }
    }
}

impl<S: Specification> fmt::Debug for History<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.operations()).finish()
    }
}

impl<S: Specification> Default for History<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Specification> History<S> {
    /// Nothing was asked yet.
    pub const fn new() -> Self {
        History { operations: Vec::new(), moments: Vec::new(), completed: 0, struck_out: 0 }
    }

    /// The history of operations noted apart from each other, ordered by their times. Operations that
    /// touch at one instant overlap: of that instant, invocations come first.
    ///
    /// An answer that is dated before its question is an error of the clocks used and is taken to have
    /// come at the instant of the question.
    ///
    /// # Panics
    /// If there are more than 2³² operations.
    pub fn from_timed(operations: impl IntoIterator<Item = Operation<S>>) -> Self {
        let mut operations: Vec<_> = operations.into_iter().collect();
        operations.sort_by_key(|operation| operation.invoked);
        let mut order = Vec::with_capacity(operations.len() * 2);
        for (index, operation) in operations.iter().enumerate() {
            let call = Call(u32::try_from(index).expect("at most 2^32 operations"));
            order.push((operation.invoked, false, Moment::Invoked(call)));
            if let Some((at, _)) = &operation.returned {
                order.push(((*at).max(operation.invoked), true, Moment::Returned(call)));
            }
        }
        order.sort_by_key(|(at, is_return, _)| (*at, *is_return));
        let completed = operations.iter().filter(|operation| operation.returned.is_some()).count() as u32;
        let moments = order.into_iter().map(|(_, _, moment)| moment).collect();
        History { operations, moments, completed, struck_out: 0 }
    }

    /// Notes that `process` asks for `op` now.
    ///
    /// # Panics
    /// After 2³² operations.
    pub fn invoke(&mut self, process: u32, at: Ticks, op: S::Op) -> Call {
        let call = Call(u32::try_from(self.operations.len()).expect("at most 2^32 operations"));
        self.operations.push(Operation::timed(process, op, at, None));
        self.moments.push(Moment::Invoked(call));
        call
    }

    /// Notes that `call` is answered now. Says whether that was news: `false` for an operation that is
    /// answered or struck out already, which is left as it is.
    ///
    /// # Panics
    /// If `call` is none of this history's.
    pub fn complete(&mut self, call: Call, at: Ticks, answer: S::Answer) -> bool {
        let operation = &mut self.operations[call.index()];
        if operation.returned.is_some() || operation.struck_out {
            return false;
        }
        operation.returned = Some((at, answer));
        self.moments.push(Moment::Returned(call));
        self.completed += 1;
        true
    }

    /// Strikes out an operation that was not taken and never will be. Says whether that was news.
    ///
    /// # Panics
    /// If `call` is none of this history's.
    pub fn not_taken(&mut self, call: Call) -> bool {
        let operation = &mut self.operations[call.index()];
        if operation.returned.is_some() || operation.struck_out {
            return false;
        }
        operation.struck_out = true;
        self.struck_out += 1;
        true
    }

    /// One operation.
    ///
    /// # Panics
    /// If `call` is none of this history's.
    pub fn operation(&self, call: Call) -> &Operation<S> {
        &self.operations[call.index()]
    }

    /// All operations in order of invocation, also those struck out.
    pub fn all(&self) -> impl Iterator<Item = &Operation<S>> {
        self.operations.iter()
    }

    /// The operations that are judged, in order of invocation: all that are not struck out.
    pub fn operations(&self) -> impl Iterator<Item = &Operation<S>> {
        self.operations.iter().filter(|operation| !operation.struck_out)
    }

    /// Beginnings and ends of the operations that are judged, in order.
    pub fn moments(&self) -> impl Iterator<Item = Moment> + '_ {
        self.moments.iter().copied().filter(|moment| {
            let (Moment::Invoked(call) | Moment::Returned(call)) = moment;
            !self.operations[call.index()].struck_out
        })
    }

    /// The number of answered operations.
    pub const fn completed(&self) -> u32 {
        self.completed
    }

    /// The number of operations without an answer.
    pub const fn open(&self) -> u32 {
        self.operations.len() as u32 - self.completed - self.struck_out
    }

    /// The number of operations that were surely not taken.
    pub const fn struck_out(&self) -> u32 {
        self.struck_out
    }
}
