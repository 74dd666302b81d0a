//! Trees of any depth: an explicit stack for each thread instead of recursion.

use core::fmt;
use core::mem;
use std::sync::PoisonError;

use super::member::Context;
use super::scope::Scope;
use crate::sync::Mutex;

/// The tasks that a thread has before it. See [`traverse`](super::traverse()).
pub struct Pending<'a, T>(&'a mut Vec<T>);

impl<T> Pending<'_, T> {
    /// Adds a task; the newest comes first.
    #[inline]
    pub fn push(&mut self, task: T) {
        self.0.push(task);
    }
}

impl<T> Extend<T> for Pending<'_, T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, tasks: I) {
        self.0.extend(tasks);
    }
}

impl<T> fmt::Debug for Pending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

struct Traversal<E, V, A> {
    empty: E,
    visit: V,
    sums: Mutex<Vec<A>>,
}

impl<E, V, A> Traversal<E, V, A> {
    fn walk<'scope, T>(&'scope self, scope: &Scope<'scope>, mut tasks: Vec<T>)
    where
        T: Send + 'scope,
        A: Send + 'scope,
        E: Fn() -> A + Sync,
        V: Fn(&mut A, T, &mut Pending<'_, T>) + Sync,
    {
        let mut sum = (self.empty)();
        Context::with_current(|context| {
            let context = context.expect("jobs run on members");
            while let Some(task) = tasks.pop() {
                (self.visit)(&mut sum, task, &mut Pending(&mut tasks));
                if context.is_asked() && tasks.len() >= 2 {
                    // The older half, which stands nearer to the root.
                    let newer = tasks.split_off(tasks.len().div_ceil(2));
                    let older = mem::replace(&mut tasks, newer);
                    context.answer();
                    scope.spawn(move |scope| self.walk(scope, older));
                }
            }
        });
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
    }
}

pub(crate) fn traverse<T: Send, A: Send>(
    context: Context<'_>,
    roots: Vec<T>,
    empty: impl Fn() -> A + Sync,
    visit: impl Fn(&mut A, T, &mut Pending<'_, T>) + Sync,
    merge: impl Fn(A, A) -> A,
) -> A {
    let traversal = Traversal { empty, visit, sums: Mutex::new(Vec::new()) };
    Scope::open(context, |scope| traversal.walk(scope, roots));
    let sums = traversal.sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.into_iter().reduce(merge).expect("there is one sum at least")
}
