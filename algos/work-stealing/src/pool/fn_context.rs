//! Closures that are told whether another thread took them.

use core::fmt;

use super::member::Context;
use super::run_globally;

/// What a closure of [`join_context`] is told.
#[derive(Clone, Copy)]
pub struct FnContext<'a> {
    context: Context<'a>,
    migrated: bool,
}

impl<'a> FnContext<'a> {
    /// Whether the closure runs on another thread than the one that called [`join_context`].
    pub fn migrated(&self) -> bool {
        self.migrated
    }

    /// What [`Context::join`] needs.
    pub fn context(&self) -> Context<'a> {
        self.context
    }
}

impl fmt::Debug for FnContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnContext").field("migrated", &self.migrated).finish_non_exhaustive()
    }
}

/// As [`join`](super::join()), for closures that go on with the [`Context`], or otherwise if another thread took them.
///
/// ```
/// use swarm_work_stealing::{ThreadPoolBuilder, join_context};
///
/// let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
/// let (a, b) = pool.install(|| join_context(|a| a.migrated(), |b| b.migrated()));
/// assert_eq!((a, b), (false, false));
/// ```
pub fn join_context<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext<'_>) -> RA + Send,
    B: FnOnce(FnContext<'_>) -> RB + Send,
    RA: Send,
    RB: Send,
{
    Context::with_current(|current| match current {
        Some(context) => {
            // Jobs stay in their crew, where a number says who it is.
            let here = context.index();
            context.join(
                |context| a(FnContext { context, migrated: false }),
                |context| b(FnContext { context, migrated: context.index() != here }),
            )
        }
        None => run_globally(|context| {
            context.join(
                |context| a(FnContext { context, migrated: true }),
                |context| b(FnContext { context, migrated: true }),
            )
        }),
    })
}
