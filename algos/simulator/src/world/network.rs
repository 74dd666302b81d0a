//! Messages in flight: a sorted multiset with a hash that is updated, not recomputed.

use core::cmp::Ordering;
use core::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use swarm_protocol::{NodeId, Protocol, Rename, Renaming, Symmetric};

use super::Identical;
use crate::{Slot, fingerprint::hash_of};

/// One message on its way. Shared by all worlds in which it is in flight.
pub(crate) struct Envelope<P: Protocol> {
    pub(crate) from: NodeId,
    pub(crate) to: Slot,
    pub(crate) message: P::Message,
    /// Of the fields above.
    hash: u64,
}

impl<P: Protocol<Message: Ord + core::hash::Hash>> Envelope<P> {
    pub(crate) fn new(from: NodeId, to: Slot, message: P::Message) -> Self {
        let hash = hash_of(PURPOSE, &(from, to, &message));
        Envelope { from, to, message, hash }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The message under other names.
    pub(crate) fn renamed(&self, names: &Renaming) -> Self
    where
        P: Symmetric,
    {
        let (mut to, mut message) = (self.to, self.message.clone());
        to.rename(names);
        message.rename(names);
        Envelope::new(names.of(self.from), to, message)
    }
}

impl<P: Protocol<Message: Ord>> PartialEq for Envelope<P> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && compare(self, other) == Ordering::Equal
    }
}

/// The messages in flight. Without order between them: any may arrive next.
pub(crate) struct Network<P: Protocol> {
    /// Ascending by receiver, sender, message.
    list: SmallVec<[Arc<Envelope<P>>; 8]>,
    /// The wrapping sum of the envelopes' hashes, so that adding and removing cost one hash.
    hash: u64,
}

const PURPOSE: u64 = 0x004e_4554;

impl<P: Protocol<Message: Ord + core::hash::Hash>> Network<P> {
    pub(crate) fn new() -> Self {
        Network { list: SmallVec::new(), hash: 0 }
    }

    /// Messages in flight, in their order.
    pub(crate) fn of(list: impl Iterator<Item = Arc<Envelope<P>>>) -> Self {
        let list: SmallVec<_> = list.collect();
        let hash = list.iter().map(|envelope: &Arc<Envelope<P>>| envelope.hash).fold(0, u64::wrapping_add);
        Network { list, hash }
    }

    /// Those that share what is in flight elsewhere.
    pub(crate) fn shared(&self) -> &[Arc<Envelope<P>>] {
        &self.list
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn hash_from_scratch(&self) -> u64 {
        let hash =
            |envelope: &Arc<Envelope<P>>| hash_of(PURPOSE, &(envelope.from, envelope.to, &envelope.message));
        self.list.iter().map(hash).fold(0, u64::wrapping_add)
    }

    /// All messages under other names.
    pub(crate) fn renamed(&self, names: &Renaming) -> Self
    where
        P: Symmetric,
    {
        let mut list: SmallVec<[Arc<Envelope<P>>; 8]> =
            self.list.iter().map(|envelope| Arc::new(envelope.renamed(names))).collect();
        list.sort_unstable_by(|a, b| compare(a, b));
        let hash = list.iter().map(|envelope| envelope.hash).fold(0, u64::wrapping_add);
        Network { list, hash }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Envelope<P>> {
        self.list.iter().map(|envelope| &**envelope)
    }

    /// Each message once, also if several equal ones are in flight.
    pub(crate) fn distinct(&self) -> impl Iterator<Item = &Envelope<P>> {
        let differs_from_previous = move |&(i, envelope): &(usize, &Arc<Envelope<P>>)| {
            i == 0 || {
                let previous = &self.list[i - 1];
                envelope != previous
            }
        };
        self.list.iter().enumerate().filter(differs_from_previous).map(|(_, envelope)| &**envelope)
    }

    fn search(&self, from: NodeId, to: Slot, message: &P::Message) -> Result<usize, usize> {
        self.list.binary_search_by(|envelope| {
            (envelope.to, envelope.from, &envelope.message).cmp(&(to, from, message))
        })
    }

    pub(crate) fn contains(&self, from: NodeId, to: Slot, message: &P::Message) -> bool {
        self.search(from, to, message).is_ok()
    }

    /// The message, if it is in flight.
    pub(crate) fn find(&self, from: NodeId, to: Slot, message: &P::Message) -> Option<&Arc<Envelope<P>>> {
        self.search(from, to, message).ok().map(|position| &self.list[position])
    }

    /// Puts a message in flight; it is lost if that many are in flight already, and merges with an equal
    /// one if asked to.
    pub(crate) fn send(&mut self, envelope: &Arc<Envelope<P>>, limit: u32, equal: Identical) {
        if self.list.len() >= limit as usize {
            return;
        }
        let position = match self.search(envelope.from, envelope.to, &envelope.message) {
            Ok(_) if equal == Identical::Merge => return,
            Ok(position) | Err(position) => position,
        };
        self.hash = self.hash.wrapping_add(envelope.hash);
        self.list.insert(position, Arc::clone(envelope));
    }

    /// The hash after `taken` has left and `sent` were [sent](Network::send), in that order.
    pub(crate) fn hash_after<'a>(
        &self,
        taken: Option<&Envelope<P>>,
        sent: impl Iterator<Item = &'a Arc<Envelope<P>>>,
        limit: u32,
        equal: Identical,
    ) -> u64
    where
        P: 'a,
    {
        let mut hash = self.hash;
        let mut len = self.list.len();
        if let Some(taken) = taken {
            hash = hash.wrapping_sub(taken.hash);
            len -= 1;
        }
        let mut fresh: SmallVec<[&Arc<Envelope<P>>; 8]> = SmallVec::new();
        for envelope in sent {
            if len >= limit as usize {
                break;
            }
            if equal == Identical::Merge {
                let same = |other: &Arc<Envelope<P>>| Arc::ptr_eq(other, envelope) || other == envelope;
                // Equal ones do not stand twice in the list of those that merge.
                let left = taken.is_some_and(|taken| *taken == **envelope);
                if fresh.iter().any(|other| same(other)) || (!left && self.list.iter().any(same)) {
                    continue;
                }
            }
            hash = hash.wrapping_add(envelope.hash);
            len += 1;
            fresh.push(envelope);
        }
        hash
    }

    /// Takes a message out; says whether it was in flight.
    pub(crate) fn remove(&mut self, from: NodeId, to: Slot, message: &P::Message) -> bool {
        let found = self.search(from, to, message);
        if let Ok(position) = found {
            let envelope = self.list.remove(position);
            self.hash = self.hash.wrapping_sub(envelope.hash);
        }
        found.is_ok()
    }
}

/// The order in which messages in flight are listed.
pub(crate) fn compare<P: Protocol<Message: Ord>>(a: &Envelope<P>, b: &Envelope<P>) -> Ordering {
    (a.to, a.from, &a.message).cmp(&(b.to, b.from, &b.message))
}

impl<P: Protocol> Clone for Network<P> {
    fn clone(&self) -> Self {
        Network { list: self.list.clone(), hash: self.hash }
    }
}

impl<P: Protocol<Message: Ord>> PartialEq for Network<P> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arc<Envelope<P>>, &Arc<Envelope<P>>)| Arc::ptr_eq(a, b) || a == b;
        self.hash == other.hash
            && self.list.len() == other.list.len()
            && self.list.iter().zip(&other.list).all(same)
    }
}

impl<P: Protocol> fmt::Debug for Envelope<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.from, self.to, self.message)
    }
}
