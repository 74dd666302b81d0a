//! A batch on its way from where it is stolen into the thief's own deque.
//!
//! Tasks are copied straight into the free places of the destination, where nobody sees them, and become its
//! own once the thief knows that it has them. They are laid so that the destination pops them in the order in
//! which the source would have: the same way round between deques of one order, turned between two. A thief
//! that wants one task at once keeps the one that it would pop first, out of the destination.

use core::mem::MaybeUninit;

use crate::chase_lev::Pops;
use crate::worker::Worker;

/// What a thief has copied and does not have yet.
pub(crate) struct Batch<'a, T> {
    into: &'a Worker<T>,
    /// Whether one task is kept out of the destination.
    keeps_one: bool,
    kept: Option<MaybeUninit<T>>,
    /// How many tasks wait in the destination.
    staged: usize,
    /// The task that was kept, once the thief has it.
    task: Option<T>,
}

impl<'a, T> Batch<'a, T> {
    /// A batch that goes into the destination whole.
    pub(crate) fn whole(into: &'a Worker<T>) -> Self {
        Batch { into, keeps_one: false, kept: None, staged: 0, task: None }
    }

    /// A batch of which one task is kept out.
    pub(crate) fn keeping_one(into: &'a Worker<T>) -> Self {
        Batch { keeps_one: true, ..Batch::whole(into) }
    }

    /// The task that was kept out.
    pub(crate) fn task(self) -> Option<T> {
        self.task
    }

    pub(crate) fn reserve(&self, count: usize) {
        self.into.reserve(count);
    }

    /// Copies `count` tasks, of which `read` gives the oldest first, from a source that pops so.
    #[inline]
    pub(crate) fn stage(&mut self, count: usize, source: Pops, read: impl Fn(usize) -> MaybeUninit<T>) {
        let (first, rest) = match (self.keeps_one, source) {
            (false, _) => (0, count),
            (true, Pops::Oldest) => (1, count - 1),
            (true, Pops::Newest) => (0, count - 1),
        };
        self.reserve(rest);
        if self.into.pops() == source {
            self.into.stage_all(rest, |place| read(first + place));
        } else {
            self.into.stage_all(rest, |place| read(first + rest - 1 - place));
        }
        self.kept = self.keeps_one.then(|| if first == 1 { read(0) } else { read(rest) });
        self.staged = rest;
    }

    /// Makes what was copied the destination's own. The thief must have all of it.
    #[inline]
    pub(crate) fn commit(&mut self) {
        self.into.commit(self.staged);
        // SAFETY: the copy of a task that this thread has is whole, and used once.
        self.task = self.kept.take().map(|task| unsafe { task.assume_init() });
    }

    /// Adds a task that the thief has, from a source that gives its oldest first and pops its newest.
    pub(crate) fn stage_one(&mut self, task: MaybeUninit<T>) {
        let older = if self.keeps_one { self.kept.replace(task) } else { Some(task) };
        if let Some(older) = older {
            self.into.stage(self.staged, older);
            self.staged += 1;
        }
    }

    /// Makes what was added one by one the destination's own.
    pub(crate) fn commit_in_turn(&mut self) {
        if self.into.pops() == Pops::Oldest {
            let last = self.staged.saturating_sub(1);
            for place in 0..self.staged / 2 {
                let older = self.into.staged(place);
                let newer = self.into.staged(last - place);
                self.into.stage(place, newer);
                self.into.stage(last - place, older);
            }
        }
        self.commit();
    }
}
