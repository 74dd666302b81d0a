//! Work stealing: deques whose owner works at one end while thieves take from the other, a queue for
//! everybody, and a pool of threads for work that forks and joins.
//!
//! | | owner | thieves | choose it |
//! |---|---|---|---|
//! | [`Worker::new_split`] | push and pop on a stack of its own, no fence | up to half of what is laid out, one compare-and-swap | unless something below applies |
//! | [`Worker::new_lifo`] | one fence per pop | one by one | where every task must be stealable at once |
//! | [`Worker::new_fifo`] | one compare-and-swap per pop | up to half, one compare-and-swap | where the oldest task goes first |
//! | [`Injector`] | | from anywhere to anywhere | for tasks from outside |
//!
//! Names and behaviour follow `crossbeam-deque`, so that `crossbeam-deque = { package = "swarm-work-stealing", … }`
//! puts this in its place; that crate's own tests pass unchanged (`cargo xtask test drop-in`).
//! [`Worker::new_split`] is what it does not have.
//!
//! | pool | does |
//! |---|---|
//! | [`join`], [`Context::join`] | runs two closures, perhaps at the same time |
//! | [`scope`] | waits for any number of closures, which may borrow |
//! | [`spawn`] | leaves a closure for which nobody waits |
//! | [`broadcast`] | runs a closure on every thread |
//! | [`traverse`] | works off a tree of any depth without recursion |
//!
//! Their names and behaviour follow `rayon-core`: `join`, `scope`, `spawn`, `broadcast`, [`ThreadPool`] with
//! `install` and [`ThreadPoolBuilder`] are called alike, with [`scope_fifo`], [`in_place_scope`], [`spawn_fifo`],
//! [`spawn_broadcast`], [`join_context`] and [`yield_now`], and most of that crate's tests of them pass (`cargo xtask
//! test drop-in`; its table says which are left out, and why). What differs: a `join` leaves few jobs for others unless
//! [`ThreadPoolBuilder::queued_max`] says more; if its first closure panics, its second may not run.
//!
//! # What holds
//! - Each task that was pushed is popped, stolen or dropped, once.
//! - Nobody waits for anybody: a thread that stops at any step of any operation keeps neither owner nor
//!   thieves from finishing theirs.
//! - No data races, those included whose result is thrown away; tasks of any size, alignment and padding.
//! - Deques grow as they must and give memory back after a burst.
//! - Whatever was left to a pool runs once, also if the pool is dropped; no closure runs after the call that lent
//!   it something has returned or unwound, whoever panics; a pool without work sleeps.
//!
//! # Words
//! The *owner* is the thread that holds the [`Worker`], a *thief* one that holds a [`Stealer`]. A *task* is
//! whatever the deque holds. A *member* is a thread of a pool, whose threads are its *crew*, and a *job* a closure
//! that another thread may run; a *lane* is the stack on which `join` leaves jobs. A *block* is the injector's unit
//! of memory, a *buffer* a Chase–Lev deque's.
//!
//! # Verification
//! Every interleaving of small models by loom, weak memory included; every one of larger models by stateright, and
//! many of still larger ones by shuttle, also with a thread stopped at every step, where memory is sequentially
//! consistent; any sequence of operations against a `VecDeque`; threads under load; both, smaller, under Miri. Each
//! file says what of it is argued only. To run: `cargo xtask test loom shuttle stateright miri drop-in`, `cargo test -p
//! swarm-work-stealing`.
//!
//! # References
//! - \[CL05] Chase, Lev: *Dynamic Circular Work-Stealing Deque*, SPAA 2005.
//! - \[L13] Lê, Pop, Cohen, Zappa Nardelli: *Correct and Efficient Work-Stealing for Weak Memory Models*,
//!   PPoPP 2013.
//! - \[DP14] van Dijk, van de Pol: *Lace: Non-blocking Split Deque for Work-Stealing*, Euro-Par 2014 workshops.
//! - \[ACR13] Acar, Charguéraud, Rainey: *Scheduling Parallel Programs by Work Stealing with Private Deques*,
//!   PPoPP 2013.
//! - \[M04] Michael: *Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects*, IEEE TPDS 15(6), 2004.
//! - \[MA13] Morrison, Afek: *Fast Concurrent Queues for x86 Processors*, PPoPP 2013.
//! - \[YM16] Yang, Mellor-Crummey: *A Wait-free Queue as Fast as Fetch-and-Add*, PPoPP 2016.

mod batch;
mod chase_lev;
mod hazard;
mod injector;
#[doc(hidden)]
pub mod pool;
mod slots;
mod split;
mod steal;
#[doc(hidden)]
pub mod sync;
mod worker;

pub use injector::Injector;
pub use pool::{
    BroadcastContext, Context, FnContext, Pending, Scope, ScopeFifo, ThreadPool, ThreadPoolBuildError,
    ThreadPoolBuilder, Yield, broadcast, current_num_threads, current_thread_index, in_place_scope,
    in_place_scope_fifo, join, join_context, scope, scope_fifo, spawn, spawn_broadcast, spawn_fifo, traverse,
    yield_local, yield_now,
};
pub use steal::Steal;
pub use worker::{Stealer, Worker};
