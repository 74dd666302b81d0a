//! What nearly every protocol names: `use swarm_protocol::prelude::*;`.

pub use crate::objects::{Numbered, Register, RegisterOp};
pub use crate::{
    Alarm, Delay, Drawn, Effects, Input, Never, NodeId, NodeSet, OpId, Properties, Protocol, Reply, Service,
    Specification, Stream, Ticks, Violation, promise,
};
