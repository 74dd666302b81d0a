//! Turns that a thread gives to other work.

use super::member::Context;

/// What has come of a turn that a thread gave away. See [`yield_now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// A job was run.
    Executed,
    /// There was none.
    Idle,
}

/// Runs one job of this thread's pool, if there is any: of this thread's, what its own [`join`](super::join())s have
/// left included, of another's, or from outside. None if the thread is in no pool.
///
/// For a closure that looks for something again and again. The job may go on for long, and runs upon whatever
/// this thread is about: it must not want a lock that the thread holds.
///
/// ```
/// use swarm_work_stealing::{ThreadPoolBuilder, Yield, spawn, yield_now};
///
/// assert_eq!(yield_now(), None);
/// let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
/// let turns = pool.install(|| {
///     spawn(|| ());
///     [yield_now(), yield_now()]
/// });
/// assert_eq!(turns, [Some(Yield::Executed), Some(Yield::Idle)]);
/// ```
pub fn yield_now() -> Option<Yield> {
    Context::with_current(|current| current.map(Context::yield_now))
}

/// As [`yield_now`], but for jobs that this thread has left or was sent: it takes nothing from others.
pub fn yield_local() -> Option<Yield> {
    Context::with_current(|current| current.map(Context::yield_local))
}
