//! The bug zoo: real bugs, put back into the code one at a time, to see whether the engines notice.
//!
//! A bug is data: a file `zoo/<algorithm>.toml` says what to replace in the algorithm's sources, which
//! property that must break, and where to look. Copies of the crate are edited so that each
//! bug is a choice at run time ([`schemata`]), and built together with the engines ([`workshop`]); each engine hunts ([`hunt`]) on the bug's [`ground`] within a
//! budget of states, steps or seeds, so that what it finds does not depend on the machine; and the control,
//! the same hunt in the same crate without the bug, must find nothing ([`round`]).
//!
//! Code that threads share has a zoo of another kind: [`threads`].
//!
//! Verified by `tests/it/zoo.rs`: the catalogue of every algorithm applies to the sources as they are, and
//! every kind of broken catalogue is refused with its line. That hunts find something is what the zoo
//! itself shows; its canary must be caught by every engine.

pub mod catalogue;
pub mod ground;
pub mod hunt;
pub mod round;
pub mod schemata;
pub mod threads;
pub mod workshop;
