//! What nearly every registration names: `use model_check::prelude::*;`.

pub use swarm_simulator::world::SyncMode;
pub use swarm_simulator::{Bounds, Setup};

pub use crate::instance::Pinned;
pub use crate::registered::Registered;
