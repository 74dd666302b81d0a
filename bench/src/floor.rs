//! Floors: the smallest programs with the data flow of a commit and no protocol.
//!
//! A leader and two followers in one thread; the leader appends, sends to each, counts acknowledgements,
//! and the commit index rides on the next append: four messages for a burst, three logs, three appliers.
//! There are no terms, elections, checks, disks or faults, so this is no consensus. It bounds what any
//! implementation of the same flow can reach on this machine, and says how much of a contestant's time is
//! its protocol and how much is moving commands.
//!
//! What moves is a choice, so there are three floors; the fastest for a payload and window is *the* floor.
//!
//! | floor | a log entry is | a command is copied | machines could do it |
//! |---|---|---|---|
//! | [`Shared`]`<`[`Handles`]`>` | a place in a burst shared by all three logs | never | in one process |
//! | [`Shared`]`<`[`Slab`]`>` | the same, the commands laid end to end | once | in one process |
//! | [`Arena`] | bytes in each node's own ring | five times: in, twice out, twice in | on a wire |
//!
//! The two drivers, of [`Shared`] and of [`Arena`], are alike and written out all the same: behind one trait of
//! logs the arena was slower at window 1, and a floor that an abstraction lifts is none.
//!
//! Verified by the digests of [`crate::workload::prove`], which every node of every floor must reach.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use reports::artifact::{Implementation, Role};

use crate::paired::Contestant;
use crate::workload::{Burst, Cluster, Digest};

/// Leader and followers.
const NODES: usize = 3;

/// The commands that a ring holds: more than are in flight, and fewer than a second-level cache.
const RING_COMMANDS: u64 = 4_096;

/// The three floors.
pub fn contestants() -> Vec<Contestant> {
    let named = |name, settings| Implementation::new(Role::Floor, name, env!("CARGO_PKG_VERSION"), settings);
    vec![
        Contestant::new(
            named("floor share", "one shared list of handles per burst, no copy of a command"),
            |_| Shared::<Handles>::default(),
        ),
        Contestant::new(named("floor slab", "one shared copy of each burst, commands end to end"), |_| {
            Shared::<Slab>::default()
        }),
        Contestant::new(
            named("floor arena", "nothing shared: commands are copied into each log and message"),
            |load| Arena::new(load.bytes),
        ),
    ]
}

/// Commands of one burst as the logs hold them.
pub trait Held {
    /// Takes a burst in.
    fn collect(burst: Burst) -> Self;

    /// Lets a node apply the burst.
    fn apply(&self, digest: &mut Digest);

    /// The number of commands.
    fn commands(&self) -> u64;
}

/// A burst as a list of handles to the client's own allocations; one command needs no list.
#[derive(Debug)]
pub struct Handles(SmallVec<[Bytes; 1]>);

impl Held for Handles {
    fn collect(burst: Burst) -> Self {
        Handles(burst.collect())
    }

    fn apply(&self, digest: &mut Digest) {
        for command in &self.0 {
            digest.take(command);
        }
    }

    fn commands(&self) -> u64 {
        self.0.len() as u64
    }
}

/// A burst with its commands, all of one length, laid end to end; the client's allocations are freed at
/// once.
#[derive(Debug)]
pub struct Slab {
    bytes: Vec<u8>,
    command_bytes: usize,
}

impl Held for Slab {
    fn collect(mut burst: Burst) -> Self {
        let first = burst.next().unwrap_or_default();
        let mut bytes = Vec::with_capacity(first.len() * (burst.len() + 1));
        bytes.extend_from_slice(&first);
        burst.for_each(|command| bytes.extend_from_slice(&command));
        Slab { bytes, command_bytes: first.len().max(1) }
    }

    fn apply(&self, digest: &mut Digest) {
        for command in self.bytes.chunks_exact(self.command_bytes) {
            digest.take(command);
        }
    }

    fn commands(&self) -> u64 {
        (self.bytes.len() / self.command_bytes) as u64
    }
}

/// What travels: entries are counted from 1.
enum Message<E> {
    Append { after: u64, commit: u64, entries: E },
    Acknowledge { from: usize, last: u64 },
}

/// One node's place in the flow.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The last entry in the log.
    last: u64,
    /// The last entry known to be on two nodes; at most `last`.
    commit: u64,
    /// The last entry applied; at most `commit`.
    applied: u64,
    digest: Digest,
}

/// What the leader knows of each node.
#[derive(Default)]
struct Replication {
    /// The last entry that each node is known to have.
    matched: [u64; NODES],
    /// The last entry sent to each node.
    sent: [u64; NODES],
    messages: u64,
}

impl Replication {
    /// The last entry that two of three have: the middle one.
    fn commit(&self) -> u64 {
        let [a, b, c] = self.matched;
        a.max(b).min(a.min(b).max(c))
    }
}

/// One node's log of shared bursts.
struct SharedLog<H> {
    /// Oldest first; a burst is the unit of log and message.
    bursts: VecDeque<Arc<H>>,
    /// How many bursts, from the end, are not applied yet.
    unapplied: usize,
    place: Place,
}

impl<H: Held> SharedLog<H> {
    fn append(&mut self, burst: Arc<H>) {
        self.place.last += burst.commands();
        self.bursts.push_back(burst);
        self.unapplied += 1;
    }

    /// Applies what is committed: always whole bursts, since only whole bursts are acknowledged.
    fn apply(&mut self) -> u64 {
        let before = self.place.applied;
        while self.place.applied < self.place.commit {
            let burst = &self.bursts[self.bursts.len() - self.unapplied];
            burst.apply(&mut self.place.digest);
            self.place.applied += burst.commands();
            self.unapplied -= 1;
        }
        self.place.applied - before
    }
}

/// A floor whose nodes share each burst.
pub struct Shared<H> {
    logs: [SharedLog<H>; NODES],
    inboxes: [VecDeque<Message<Arc<H>>>; NODES],
    replication: Replication,
}

impl<H> Default for Shared<H> {
    fn default() -> Self {
        let log = || SharedLog { bursts: VecDeque::new(), unapplied: 0, place: Place::default() };
        Shared {
            logs: [log(), log(), log()],
            inboxes: Default::default(),
            replication: Replication::default(),
        }
    }
}

impl<H: Held> Cluster for Shared<H> {
    fn propose(&mut self, burst: Burst) {
        let leader = &mut self.logs[0];
        leader.append(Arc::new(H::collect(burst)));
        self.replication.matched[0] = leader.place.last;
    }

    fn pump(&mut self) -> u64 {
        let [leader, followers @ ..] = &mut self.logs;
        while let Some(message) = self.inboxes[0].pop_front() {
            if let Message::Acknowledge { from, last } = message {
                self.replication.matched[from] = last;
            }
        }
        leader.place.commit = self.replication.commit();
        for to in 1..NODES {
            while self.replication.sent[to] < leader.place.last {
                // Bursts are of various lengths, so the first one not sent is looked for from the end.
                let after = self.replication.sent[to];
                let mut first = leader.place.last;
                let burst = leader.bursts.iter().rev().find(|burst| {
                    first -= burst.commands();
                    first == after
                });
                let entries = Arc::clone(burst.expect("what is not sent is held"));
                self.replication.sent[to] += entries.commands();
                self.replication.messages += 1;
                self.inboxes[to].push_back(Message::Append { after, commit: leader.place.commit, entries });
            }
        }
        let newly = leader.apply();
        for (follower, node) in followers.iter_mut().zip(1..) {
            while let Some(message) = self.inboxes[node].pop_front() {
                if let Message::Append { after, commit, entries } = message {
                    assert_eq!(after, follower.place.last, "lanes keep their order");
                    follower.append(entries);
                    follower.place.commit = commit.min(follower.place.last);
                    self.replication.messages += 1;
                    let last = follower.place.last;
                    self.inboxes[0].push_back(Message::Acknowledge { from: node, last });
                }
            }
            follower.apply();
        }
        newly
    }

    fn settle(&mut self) {
        let commit = self.logs[0].place.commit;
        for follower in &mut self.logs[1..] {
            follower.place.commit = commit;
            follower.apply();
        }
    }

    fn applied(&self) -> Vec<Digest> {
        self.logs.iter().map(|log| log.place.digest).collect()
    }

    fn messages(&self) -> u64 {
        self.replication.messages
    }
}

/// One node's log: a ring of the latest [`RING_COMMANDS`] commands, all of one length.
struct Ring {
    bytes: Vec<u8>,
    command_bytes: usize,
    place: Place,
}

impl Ring {
    fn new(command_bytes: usize) -> Self {
        Ring {
            bytes: vec![0; RING_COMMANDS as usize * command_bytes],
            command_bytes,
            place: Place::default(),
        }
    }

    /// The bytes of the entries after `after`, up to the end of the ring or to the last entry.
    fn stretch(&self, after: u64) -> std::ops::Range<usize> {
        let start = (after % RING_COMMANDS) as usize;
        let entries = ((self.place.last - after) as usize).min(RING_COMMANDS as usize - start);
        start * self.command_bytes..(start + entries) * self.command_bytes
    }

    /// Writes whole commands behind the last entry, over the oldest ones.
    fn append(&mut self, mut commands: &[u8]) {
        while !commands.is_empty() {
            let start = (self.place.last % RING_COMMANDS) as usize * self.command_bytes;
            let (now, later) = commands.split_at(commands.len().min(self.bytes.len() - start));
            self.bytes[start..start + now.len()].copy_from_slice(now);
            self.place.last += (now.len() / self.command_bytes) as u64;
            commands = later;
        }
    }

    fn apply(&mut self) -> u64 {
        let newly = self.place.commit - self.place.applied;
        let mut left = newly as usize * self.command_bytes;
        while left > 0 {
            let stretch = self.stretch(self.place.applied);
            let taken = stretch.len().min(left);
            for command in self.bytes[stretch][..taken].chunks_exact(self.command_bytes) {
                self.place.digest.take(command);
            }
            self.place.applied += (taken / self.command_bytes) as u64;
            left -= taken;
        }
        newly
    }
}

/// The floor whose nodes share nothing: each copies the commands, as machines must.
pub struct Arena {
    rings: [Ring; NODES],
    inboxes: [VecDeque<Message<Vec<u8>>>; NODES],
    replication: Replication,
    /// Buffers of messages that were read, to be used again.
    spare: Vec<Vec<u8>>,
}

impl Arena {
    /// Logs for commands of one length.
    ///
    /// # Panics
    /// If the length is 0.
    pub fn new(command_bytes: usize) -> Self {
        assert!(command_bytes > 0, "commands have a length");
        let ring = || Ring::new(command_bytes);
        Arena {
            rings: [ring(), ring(), ring()],
            inboxes: Default::default(),
            replication: Replication::default(),
            spare: Vec::new(),
        }
    }
}

impl Cluster for Arena {
    fn propose(&mut self, burst: Burst) {
        let leader = &mut self.rings[0];
        burst.for_each(|command| leader.append(&command));
        self.replication.matched[0] = leader.place.last;
    }

    fn pump(&mut self) -> u64 {
        let [leader, followers @ ..] = &mut self.rings;
        while let Some(message) = self.inboxes[0].pop_front() {
            if let Message::Acknowledge { from, last } = message {
                self.replication.matched[from] = last;
            }
        }
        leader.place.commit = self.replication.commit();
        for to in 1..NODES {
            let after = self.replication.sent[to];
            if after < leader.place.last {
                let mut entries = self.spare.pop().unwrap_or_default();
                let first = leader.stretch(after);
                entries.extend_from_slice(&leader.bytes[first.clone()]);
                let second = leader.stretch(after + (first.len() / leader.command_bytes) as u64);
                entries.extend_from_slice(&leader.bytes[second]);
                self.replication.sent[to] = leader.place.last;
                self.replication.messages += 1;
                self.inboxes[to].push_back(Message::Append { after, commit: leader.place.commit, entries });
            }
        }
        let newly = leader.apply();
        for (follower, node) in followers.iter_mut().zip(1..) {
            while let Some(message) = self.inboxes[node].pop_front() {
                if let Message::Append { after, commit, mut entries } = message {
                    assert_eq!(after, follower.place.last, "lanes keep their order");
                    follower.append(&entries);
                    entries.clear();
                    self.spare.push(entries);
                    follower.place.commit = commit.min(follower.place.last);
                    self.replication.messages += 1;
                    let last = follower.place.last;
                    self.inboxes[0].push_back(Message::Acknowledge { from: node, last });
                }
            }
            follower.apply();
        }
        newly
    }

    fn settle(&mut self) {
        let commit = self.rings[0].place.commit;
        for follower in &mut self.rings[1..] {
            follower.place.commit = commit;
            follower.apply();
        }
    }

    fn applied(&self) -> Vec<Digest> {
        self.rings.iter().map(|ring| ring.place.digest).collect()
    }

    fn messages(&self) -> u64 {
        self.replication.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Load, prove};

    #[test]
    fn floors_do_the_work_at_every_window_and_length() {
        for bytes in [8, 64, 1024] {
            // Enough commands to go round the ring, and windows that do not divide it.
            for (window, commands) in [(1, 20), (7, 20_000), (64, 20_000), (1000, 20_000)] {
                let load = Load::new(5, bytes, window);
                let proofs = [
                    prove(&mut Shared::<Handles>::default(), &load, commands),
                    prove(&mut Shared::<Slab>::default(), &load, commands),
                    prove(&mut Arena::new(bytes), &load, commands),
                ];
                for proof in proofs {
                    let proof = proof.unwrap_or_else(|wrong| panic!("{load:?}: {wrong}"));
                    assert_eq!(proof.digest.commands, commands);
                    let bursts = commands.div_ceil(window);
                    assert_eq!(proof.messages, 4 * bursts, "{load:?}");
                }
            }
        }
    }
}
