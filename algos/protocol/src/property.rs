//! What must hold across nodes, and what clients may see.

use core::fmt::{self, Debug};
use core::hash::Hash;

use crate::{NodeId, Protocol, Stream};

/// A property that does not hold, and the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The property's name, as in [`Properties::NAMES`].
    pub property: &'static str,
    /// What was seen, with the values.
    pub detail: String,
}

impl Violation {
    /// A violation of `property`, evidenced by `detail`.
    pub fn new(property: &'static str, detail: impl Into<String>) -> Self {
        Violation { property, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)
    }
}

impl std::error::Error for Violation {}

/// The safety properties of a protocol, in the paper's words, written once and used by checker,
/// simulator, fuzzer, tests and benches.
///
/// The value itself is the memory that a property about the past needs (who led which term, what was
/// ever committed). It is part of the checker's state: its equality and hash cover exactly what later
/// verdicts depend on, and are canonical. It never calls the code it judges: it counts quorums and
/// compares logs in its own words.
pub trait Properties<P: Protocol>: Clone + Debug + Default {
    /// The names of all properties, in the order in which they are judged.
    const NAMES: &'static [&'static str];

    /// Whether the order of two steps of different nodes, neither of which depends on the other, is of no account: the
    /// memory after both is the same in either order, and so is whether a property is broken, if not in which words.
    /// A search may then go but one of the two ways; it tries some of the others, and says so if this is not true.
    const COMMUTE: bool = false;

    /// Judges the cluster after node `touched` took one input (or booted). `nodes[i]` is `None` while
    /// node `i` is down. Should cost in proportion to what changed, not to the length of the run. Unless told
    /// otherwise it judges from scratch, which serves properties of the moment on small clusters.
    ///
    /// # Errors
    /// The first property that does not hold.
    fn after_step(
        &mut self,
        config: &P::Config,
        nodes: &[Option<&P>],
        _touched: NodeId,
    ) -> Result<(), Violation> {
        self.full(config, nodes)
    }

    /// Judges the cluster from scratch, in the plainest form: the twin that the incremental form is
    /// compared with.
    ///
    /// # Errors
    /// The first property that does not hold.
    fn full(&self, config: &P::Config, nodes: &[Option<&P>]) -> Result<(), Violation>;
}

/// The sequential object that clients are promised: histories are judged against it.
pub trait Specification {
    /// The object's state; its default is the initial one.
    type State: Clone + Default + Eq + Ord + Hash + Debug;
    /// What clients ask for.
    type Op: Clone + Debug;
    /// What clients are told.
    type Answer: Clone + PartialEq + Debug;

    /// Applies `op` and says what the client is told.
    fn apply(state: &mut Self::State, op: &Self::Op) -> Self::Answer;

    /// Whether `op`, having been answered so, can never have changed any state: reads, failed
    /// compare-and-sets. Must be a function of operation and answer alone; "does not change the state
    /// it met" is not enough and makes the checker unsound.
    fn is_pure(_op: &Self::Op, _answer: &Self::Answer) -> bool {
        false
    }

    /// The part of the object that `op` touches, if operations on different parts are independent: the
    /// history is then judged part by part (Herlihy and Wing 1990, §3: locality).
    fn key(_op: &Self::Op) -> Option<u64> {
        None
    }

    /// What `op` does to a register, given its answer, if it has one: for promises about registers, such as
    /// [`Promise::ReadYourWrites`]. Equal values have equal numbers.
    fn access(_op: &Self::Op, _answer: Option<&Self::Answer>) -> Access {
        Access::Other
    }
}

/// An operation of which simulated clients can think for themselves. A type of another crate goes into one of yours.
pub trait Drawn: Sized {
    /// What a client asks for next: little enough to choose from that operations collide.
    fn draw(stream: &mut Stream) -> Self;
}

/// There is but one.
impl Drawn for () {
    fn draw(_: &mut Stream) {}
}

/// One of two.
impl Drawn for bool {
    fn draw(stream: &mut Stream) -> Self {
        stream.below(2) == 1
    }
}

macro_rules! small_numbers {
    ($($number:ty)*) => {$(
        /// One of the first eight.
        impl Drawn for $number {
            fn draw(stream: &mut Stream) -> Self {
                stream.below(8) as $number
            }
        }
    )*};
}
small_numbers!(u8 u16 u32 u64 usize);

/// What an operation does to one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It has read this value: `None` is the initial one, which nobody writes.
    Read {
        /// Which register.
        key: u64,
        /// What was read.
        value: Option<u64>,
    },
    /// It writes this value, if it takes effect.
    Write {
        /// Which register.
        key: u64,
        /// What is written.
        value: u64,
    },
    /// It has read one value and written another in its place.
    Update {
        /// Which register.
        key: u64,
        /// What was read.
        read: Option<u64>,
        /// What was written.
        write: u64,
    },
    /// Neither, or nothing that is known.
    Other,
}

/// What clients may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// All operations seem to take effect one after the other, each between its question and its answer
    /// (Herlihy and Wing 1990).
    Linearizability,
    /// All operations seem to take effect one after the other, those of each client as it asked for them
    /// (Lamport 1979).
    SequentialConsistency,
    /// A client sees its own writes (this and the following: Terry et al. 1994).
    ReadYourWrites,
    /// A client never sees an older state than it has seen.
    MonotonicReads,
    /// A client's writes take effect as it asked for them.
    MonotonicWrites,
    /// A client's write comes after what the client has read.
    WritesFollowReads,
}

impl Promise {
    /// The property that is violated where the promise is broken.
    pub const fn name(self) -> &'static str {
        match self {
            Promise::Linearizability => "linearizability",
            Promise::SequentialConsistency => "sequential_consistency",
            Promise::ReadYourWrites => "read_your_writes",
            Promise::MonotonicReads => "monotonic_reads",
            Promise::MonotonicWrites => "monotonic_writes",
            Promise::WritesFollowReads => "writes_follow_reads",
        }
    }

    /// Whether it is about what one client sees of registers.
    pub const fn is_session_guarantee(self) -> bool {
        !matches!(self, Promise::Linearizability | Promise::SequentialConsistency)
    }
}

/// A protocol whose clients are promised a sequential object, and how its answers read.
pub trait Service: Protocol {
    /// The object.
    type Spec: Specification<Op = Self::Op>;

    /// What clients may rely on: judged over the histories of simulated runs.
    const PROMISES: &'static [Promise] = &[Promise::Linearizability];

    /// What an answer means to the client.
    fn reply(answer: &Self::Answer) -> Reply<<Self::Spec as Specification>::Answer>;
}

/// Says that a protocol whose answers are [`Reply`] promises its clients a sequential object, linearizable:
/// `promise!(Node, Register<u8>);` is the [`Service`] in which nothing else is left to say.
#[macro_export]
macro_rules! promise {
    ($protocol:ty, $object:ty) => {
        impl $crate::Service for $protocol {
            type Spec = $object;

            fn reply(answer: &Self::Answer) -> Self::Answer {
                ::core::clone::Clone::clone(answer)
            }
        }
    };
}

/// An answer as a client reads it. It can be a protocol's own type of answer, too, if there is no more to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply<A> {
    /// The operation took effect once, and this is what it returned.
    Done(A),
    /// The operation was not taken and never will be; it may be asked again, best at the node named.
    NotTaken(Option<NodeId>),
    /// The operation may or may not take effect, now or later.
    Unknown,
}
