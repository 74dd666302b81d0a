//! The primitives that everything here stands on: std's in production, loom's under `--cfg steal_loom`,
//! shuttle's under `--cfg steal_shuttle`. Nothing else of this crate names an atomic type of std's or looks
//! at those cfgs. Under `--cfg steal_sanitized` std's fences are told to ThreadSanitizer, which sees none.
//!
//! Every access whose ordering matters has a name, a [`Site`]. In production [`order`] returns the ordering
//! written beside the name; under loom a test may weaken one site (`weakened`), and `sites_met` lists those
//! that a model came by with the ordering that stands there. `cargo xtask zoo work-stealing` weakens each of them in turn:
//! a site of which no weakening is noticed is either too strong or untested.
//!
//! Loom 0.7 remembers of each atomic the last access alone: a thread's load hides the loads of others before it
//! from the thread's own store, and the order in which the store came first is then not tried. Where a
//! store follows a load for thrift only, the load is left out under loom ([`set_if_other`]).
//!
//! Under shuttle every access is told to `trace` too, by which stateright knows equal states.
//!
//! What else differs under the checkers: buffers are as small as they can be (`CAPACITY_MIN`, `SHARED`,
//! `BLOCK`, `LANE`), nobody is given time before being passed over (`PATIENCE`) and hardly any before it goes to
//! sleep (`ROUNDS`), a slot's words are pointers instead
//! of bytes that may be uninitialised, so that models hold types without padding, and freed memory is kept
//! to the end of the execution, marked as dead in a cell that the checkers watch ([`Life`]): a use after it
//! was freed is then a finding instead of undefined behaviour. Miri runs production, with numbers as small and words
//! that are pointers.

/// Names the accesses, and lists them.
macro_rules! sites {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The accesses whose orderings matter, named after what they do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Site {
            $($(#[$doc])* $name,)*
        }

        impl Site {
            /// All of them.
            pub const ALL: &[Site] = &[$(Site::$name),*];
        }
    };
}

sites! {
    /// Chase–Lev: the owner publishes what it wrote into a slot.
    PushPublish,
    /// Chase–Lev: the owner learns how far thieves are, before it uses a slot again.
    PushRoom,
    /// Chase–Lev: between the owner's lowered back and its look at the front.
    PopBarrier,
    /// Chase–Lev: the owner's look at the front after that.
    PopFront,
    /// Chase–Lev: the owner takes the last task, or in FIFO order any.
    PopTake,
    /// Chase–Lev: between a thief's look at the front and its look at the back.
    StealBarrier,
    /// Chase–Lev: a thief's look at the back.
    StealBack,
    /// Chase–Lev: a thief makes sure that the buffer it announced is the one in use.
    StealBuffer,
    /// Chase–Lev: a thief takes what it has copied.
    StealTake,
    /// Chase–Lev: the owner puts another buffer into use.
    SwapBuffer,
    /// Split: the owner lays tasks out for thieves.
    ShareOut,
    /// Split: the owner learns how far thieves are, before it uses a slot again.
    ShareRoom,
    /// Split: the owner takes back what is laid out.
    TakeBack,
    /// Split: a thief's look at what is laid out.
    LookShared,
    /// Split: a thief takes what it has copied.
    TakeShared,
    /// Hazards: a thread says what it is about to read, and no longer reads what it announced before.
    Announce,
    /// Hazards: between an announcement and the second look that makes it count.
    AnnounceBarrier,
    /// Hazards: a thread says that it reads nothing any more.
    Withdraw,
    /// Hazards: between unlinking something and looking for announcements of it.
    ScanBarrier,
    /// Hazards: the look at an announcement.
    Scan,
    /// Hazards: a thread takes a seat that another has left.
    SeatTake,
    /// Hazards: a thread leaves its seat.
    SeatLeave,
    /// Hazards: a new seat joins the list.
    SeatLink,
    /// Hazards: a look at the list of seats.
    SeatList,
    /// Injector: a look at which block is first or last.
    BlockLook,
    /// Injector: a producer fills its slot.
    SlotFill,
    /// Injector: a consumer's look at a slot.
    SlotLook,
    /// Injector: a consumer passes over a slot.
    SlotPass,
    /// Injector: a block gets a successor.
    BlockLink,
    /// Injector: a look at a block's successor.
    BlockNext,
    /// Injector: the last block becomes its successor.
    TailMove,
    /// Injector: the first block becomes its successor.
    HeadMove,
    /// Injector: a block that is out of use joins the list of those to free.
    RetireLink,
    /// Injector: a thread takes the list of blocks to free.
    RetireTake,
    /// Lane: the owner lays jobs out for thieves.
    LaneOut,
    /// Lane: a thief takes a job.
    LaneTake,
    /// Latch: what was waited for has happened.
    LatchSet,
    /// Latch: the look whether it has.
    LatchLook,
    /// Latch of many: one of them is done.
    CountDown,
    /// Sleep: between lying down and the last look for work.
    LieDownBarrier,
    /// Sleep: between publishing work and the look for sleepers.
    WorkBarrier,
    /// Sleep: between the end of a search and the last look for work.
    SearchBarrier,
}

#[cfg(not(any(steal_loom, steal_shuttle)))]
#[path = "sync/native.rs"]
mod body;
#[cfg(steal_loom)]
#[path = "sync/loom.rs"]
mod body;
#[cfg(steal_shuttle)]
#[path = "sync/shuttle.rs"]
mod body;
#[cfg(any(steal_loom, steal_shuttle))]
mod grave;
#[cfg(steal_shuttle)]
pub mod trace;
mod word;

pub(crate) use body::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, BEHIND_BARRIER, BLOCK, CAPACITY_MIN, Condvar, LANE, Life,
    Mutex, MutexGuard, Ordering, PATIENCE, QUEUED_MAX, ROUNDS, SHARED, UnsafeCell, as_barrier, discard,
    fence, fence_behind_barrier, global_crew, keep, lock_over, order, pause, registry, set_if_other,
    spawn_thread, spin_loop, swap_if_other, thread_cell, thread_local,
};
#[cfg(steal_shuttle)]
pub use body::{Gate, frozen_after};
#[cfg(steal_loom)]
pub use body::{overwritten, sites_met, trace_reads, weakened};
#[cfg(any(steal_loom, steal_shuttle))]
pub use grave::begin;
pub(crate) use word::{Word, blank, words};
