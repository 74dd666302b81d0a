//! How pools are made.

use core::any::Any;
use core::fmt;
use std::error::Error;
use std::sync::Arc;
use std::{io, thread};

use super::ThreadPool;
use super::crew::{Crew, Handlers, Place};
use crate::sync::{QUEUED_MAX, global_crew};

/// What a pool shall be like.
///
/// ```
/// use swarm_work_stealing::ThreadPoolBuilder;
///
/// let pool = ThreadPoolBuilder::new().num_threads(3).thread_name(|i| format!("ant-{i}")).build().unwrap();
/// let names = pool.broadcast(|_| std::thread::current().name().map(str::to_owned));
/// assert_eq!(names[2].as_deref(), Some("ant-2"));
/// ```
pub struct ThreadPoolBuilder {
    num_threads: usize,
    queued_max: usize,
    stack_size: Option<usize>,
    thread_name: Option<Box<dyn FnMut(usize) -> String>>,
    handlers: Handlers,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadPoolBuilder {
    /// As many threads as the machine runs at once, everything else as it comes.
    pub fn new() -> Self {
        ThreadPoolBuilder {
            num_threads: 0,
            queued_max: QUEUED_MAX,
            stack_size: None,
            thread_name: None,
            handlers: Handlers::default(),
        }
    }

    /// So many threads; 0 for as many as the machine runs at once.
    #[must_use]
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// While so many of its jobs wait, a thread's `join` runs both closures itself; 4 if nothing is said, and at
    /// least 1.
    ///
    /// What it runs itself nobody else can take. Where closures spawn work of equal size on both sides that is as
    /// good, and several times as fast. Where the first closure of a `join` goes deep at once and the second ones
    /// are large, ask for more: with `usize::MAX` every second closure waits for others, down to a depth of
    /// 1,024.
    #[must_use]
    pub fn queued_max(mut self, jobs: usize) -> Self {
        self.queued_max = jobs.max(1);
        self
    }

    /// Threads with stacks of so many bytes.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How threads are called, by their number.
    #[must_use]
    pub fn thread_name(mut self, name: impl FnMut(usize) -> String + 'static) -> Self {
        self.thread_name = Some(Box::new(name));
        self
    }

    /// What is called with the panics of spawned closures, for which nobody waits. Without it, or if it panics,
    /// such a panic ends the process.
    #[must_use]
    pub fn panic_handler(mut self, handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> Self {
        self.handlers.panic = Some(Box::new(handler));
        self
    }

    /// What each thread calls first, with its number.
    #[must_use]
    pub fn start_handler(mut self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.handlers.start = Some(Box::new(handler));
        self
    }

    /// What each thread calls last, with its number.
    #[must_use]
    pub fn exit_handler(mut self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.handlers.exit = Some(Box::new(handler));
        self
    }

    /// Makes the pool.
    ///
    /// # Errors
    /// If a thread could not be started; those that were end.
    ///
    /// # Panics
    /// With what the function that names threads panics with; those that were started end.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        Ok(ThreadPool::of(self.start()?))
    }

    /// Makes the pool of those who are in none.
    ///
    /// # Errors
    /// If there is one already, made here or by its first use; if a thread could not be started.
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        let crew = self.start()?;
        global_crew().set(crew).map_err(|crew| {
            crew.leave();
            ThreadPoolBuildError(Reason::GlobalExists)
        })
    }

    pub(crate) fn start(mut self) -> Result<Arc<Crew>, ThreadPoolBuildError> {
        let mut thread_name = self.thread_name.take();
        let stack_size = self.stack_size;
        let mut begun = Begun(Some(self.crew()));
        let crew = begun.0.as_ref().expect("it is taken last");
        // SAFETY: once.
        let places = unsafe { Place::all(crew) };
        for (number, place) in places.enumerate() {
            let name = thread_name.as_mut().map(|name| name(number));
            place.start(name, stack_size).map_err(|error| ThreadPoolBuildError(Reason::Thread(error)))?;
        }
        Ok(begun.0.take().expect("nobody else takes it"))
    }

    /// A pool and its threads' places, for whoever brings threads: models.
    #[doc(hidden)]
    pub fn build_without_threads(self) -> (ThreadPool, Vec<Place>) {
        let crew = self.crew();
        // SAFETY: once.
        let places = unsafe { Place::all(&crew) }.collect();
        (ThreadPool::of(crew), places)
    }

    fn crew(self) -> Arc<Crew> {
        let threads = match self.num_threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        Crew::new(threads, self.queued_max, self.handlers)
    }
}

/// A crew of which not all threads have been started: those that were end if the others do not follow, also if it
/// is a panic that keeps them from it.
struct Begun(Option<Arc<Crew>>);

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(crew) = &self.0 {
            crew.leave();
        }
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("num_threads", &self.num_threads)
            .field("queued_max", &self.queued_max)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

/// Why there is no pool.
#[derive(Debug)]
pub struct ThreadPoolBuildError(Reason);

#[derive(Debug)]
enum Reason {
    GlobalExists,
    Thread(io::Error),
}

impl fmt::Display for ThreadPoolBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::GlobalExists => write!(f, "the global pool exists already"),
            Reason::Thread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl Error for ThreadPoolBuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::GlobalExists => None,
            Reason::Thread(error) => Some(error),
        }
    }
}
