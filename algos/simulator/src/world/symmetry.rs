//! Worlds under other names, and one fingerprint for all of them.
//!
//! The fingerprint of a world is made of sums over its nodes and messages. So a part's hash under every renaming
//! is made once and kept, and the fingerprint of the renamed world costs additions; the least of all is the
//! same for all of them: [`World::canonical`]. No world is renamed for it.
//!
//! Worlds that differ in names do the same only if names do not matter to the setup: all nodes must be alike in
//! its configuration, none may have a twin, writes must become durable at once (what waits for a write does so in the
//! order in which it was asked for, which is that of names): [`unlike`]. Its boundary must not ask for names. Nor may
//! messages find no room in flight: of those that a node sends to several others the first have a place, and the order
//! is that of names; a search must take what leads there for out of bounds. [`World::does_the_same`] looks at one
//! event; a search asks it now and then.
//!
//! Verified by `tests/it/symmetry.rs` of the checker: canonical fingerprints against worlds that were renamed, as
//! many orbits as a search over all states finds.

use core::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashTable;
use smallvec::SmallVec;
use swarm_protocol::{Properties, Rename, Renaming, Symmetric, mix};

use super::value::{PROPERTIES, QUESTION, VIOLATION, combine};
use super::{Pending, Setup, Subject, SyncMode, World};
use crate::Event;
use crate::fingerprint::hash_of;

/// How many parts are locked apart.
const SHARDS: usize = 16;

/// Why the nodes of a setup are not alike, if it tells.
pub fn unlike<P: Subject + Symmetric>(setup: &Setup<P>) -> Option<&'static str> {
    match () {
        () if setup.participants().len() > setup.nodes() as usize => Some("a node has a twin"),
        () if setup.bounds.sync != SyncMode::Eager => {
            Some("writes wait, and what waits for them has an order")
        }
        () if !P::alike(&setup.config, setup.nodes()) => Some("the configuration tells nodes apart"),
        () if setup.workload.iter().any(P::names_nodes) => Some("a client names nodes"),
        () => None,
    }
}

/// The hash of a part, and its hashes under all renamings.
type Parts = HashTable<(u64, Arc<[u64]>)>;

/// All renamings of the nodes of a setup, and what the parts of worlds hash to under them.
pub struct Orbits {
    names: Vec<Renaming>,
    /// By the hash of a node, a message or properties: its hashes under all renamings.
    parts: [Mutex<Parts>; SHARDS],
    /// How many parts of worlds each table may hold.
    parts_max: usize,
}

impl Orbits {
    /// The renamings of the nodes of a setup: n! of them. At most `parts_max` parts of worlds will be kept, of
    /// eight bytes for each renaming.
    ///
    /// # Panics
    /// If a node has a twin.
    pub fn new<P: Subject>(setup: &Setup<P>, parts_max: usize) -> Self {
        assert_eq!(
            setup.participants().len(),
            setup.nodes() as usize,
            "a node with a twin is not like others"
        );
        Orbits {
            names: Renaming::all(setup.nodes()),
            parts: std::array::from_fn(|_| Mutex::new(HashTable::new())),
            parts_max: parts_max / SHARDS,
        }
    }

    /// The one renaming that changes nothing: worlds under other names stay other worlds.
    ///
    /// # Panics
    /// If a node has a twin.
    pub fn told_apart<P: Subject>(setup: &Setup<P>) -> Self {
        let mut orbits = Orbits::new(setup, 0);
        orbits.names.truncate(1);
        orbits
    }

    /// All renamings, the one that changes nothing first.
    pub fn names(&self) -> &[Renaming] {
        &self.names
    }

    /// What a part hashes to under each renaming.
    fn hashes(&self, hash: u64, renamed: impl FnMut(&Renaming) -> u64) -> Arc<[u64]> {
        let place = mix(hash);
        // A thread that panicked has left the table whole: protocol code does not run under the lock.
        let lock = || self.parts[place as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, hashes)) = lock().find(place, |(other, _)| *other == hash) {
            return Arc::clone(hashes);
        }
        let hashes: Arc<[u64]> = self.names.iter().map(renamed).collect();
        let mut parts = lock();
        if parts.len() < self.parts_max && parts.find(place, |(other, _)| *other == hash).is_none() {
            parts.insert_unique(place, (hash, Arc::clone(&hashes)), |(other, _)| mix(*other));
        }
        hashes
    }
}

impl<P: Subject + Symmetric, Q: Properties<P> + Eq + Hash + Rename> World<P, Q> {
    /// The world under other names, but for the words in which a violation is told.
    #[must_use]
    pub fn renamed(&self, names: &Renaming) -> Self {
        let mut renamed = self.clone();
        renamed.nodes = self.nodes.iter().map(|node| Arc::new(node.renamed(names))).collect();
        names.rearrange(&mut renamed.nodes);
        renamed.nodes_hash = renamed.nodes.iter().map(|node| node.hash()).fold(0, u64::wrapping_add);
        renamed.network = self.network.renamed(names);
        renamed.properties.rename(names);
        renamed.properties_hash = hash_of(PROPERTIES, &renamed.properties);
        renamed.pending = self.pending.as_ref().map(|pending| {
            let Pending { event, answers, label, ways } = &**pending;
            let (event, answers) = (event.renamed(names), answers.clone());
            Box::new(Pending { event, answers, label, ways: *ways })
        });
        renamed
    }

    /// The least fingerprint that this world has under any names: all worlds that differ in names alone share
    /// it. Of a broken property only the name counts.
    pub fn canonical(&self, orbits: &Orbits) -> u64 {
        let least = self.prints(orbits).into_iter().min().unwrap_or(0);
        match &self.violation {
            None => least,
            Some(violation) => mix(least ^ hash_of(VIOLATION, violation.property)),
        }
    }

    /// How many worlds there are that differ from this one in names alone, itself included: at least one, at most as
    /// many as there are renamings.
    pub fn orbit_size(&self, orbits: &Orbits) -> usize {
        let mut prints = self.prints(orbits);
        prints.sort_unstable();
        prints.dedup();
        prints.len()
    }

    /// The fingerprint under each renaming, but for what is broken.
    fn prints(&self, orbits: &Orbits) -> SmallVec<[u64; 24]> {
        let mut sums: SmallVec<[(u64, u64); 24]> = SmallVec::from_elem((0, 0), orbits.names.len());
        for node in &self.nodes {
            let hashes = orbits.hashes(node.hash(), |names| node.renamed(names).hash());
            sums.iter_mut().zip(&*hashes).for_each(|((nodes, _), hash)| *nodes = nodes.wrapping_add(*hash));
        }
        for envelope in self.network.iter() {
            let hashes = orbits.hashes(envelope.hash(), |names| envelope.renamed(names).hash());
            sums.iter_mut().zip(&*hashes).for_each(|((_, sent), hash)| *sent = sent.wrapping_add(*hash));
        }
        let properties = orbits.hashes(self.properties_hash, |names| {
            let mut properties = self.properties.clone();
            properties.rename(names);
            hash_of(PROPERTIES, &properties)
        });
        let prints =
            sums.iter().zip(&*properties).zip(&orbits.names).map(|(((nodes, sent), properties), names)| {
                let print = combine([*nodes, *sent, self.clients.hash(), *properties], self.budget);
                match &self.pending {
                    None => print,
                    Some(pending) => {
                        let event = pending.event.renamed(names);
                        mix(print ^ hash_of(QUESTION, &(&event, &pending.answers, pending.ways)))
                    }
                }
            });
        prints.collect()
    }

    /// Whether `event`, which leads from this world to `next`, leads from this world under other names to `next`
    /// under the same, and sets the same timers.
    pub fn does_the_same(&self, setup: &Setup<P>, event: &Event<P>, next: &Self, names: &Renaming) -> bool {
        let mut renamed = self.renamed(names);
        renamed.apply(setup, &event.renamed(names)).is_ok() && {
            let expected = next.renamed(names);
            // What is broken is told with names.
            let broken = |world: &Self| world.violation().map(|violation| violation.property);
            let same = (broken(&renamed), &renamed.pending) == (broken(&expected), &expected.pending);
            same && renamed.marker() == expected.marker()
        }
    }
}
