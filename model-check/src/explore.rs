//! Stateright's Explorer on an instance: walk through its states in a browser.
//!
//! Verified by `tests/it/explore.rs`, which asks a served instance for its status over the loopback.

use std::hash::Hash;
use std::net::{SocketAddr, TcpListener};

use stateright::Model;
use swarm_protocol::Properties;
use swarm_simulator::world::Known;
use swarm_simulator::{Event, Setup, Subject, World};

use crate::adapter::Space;

/// Serves a space until the process ends.
///
/// # Errors
/// If nothing can listen at the address.
pub fn serve<P, Q>(space: Space<P, Q>, address: SocketAddr) -> std::io::Result<()>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    // Stateright panics if it cannot listen: ask first.
    drop(TcpListener::bind(address)?);
    let _ = space.checker().serve(address);
    Ok(())
}
