//! What happens in one collapsed world: every event, in the order of [`World::enabled`], and where it leads.
//!
//! Causes on the menus of the nodes have their answers beside the cluster; those beyond them, and what becomes of the
//! rest, are looked up in the hand of the thread and then in the tables of the [`Collapse`]. What is out of the
//! ordinary is done by a [`World`]. Verified with the module above.

use core::hash::Hash;
use core::sync::atomic::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;
use swarm_protocol::Properties;

use super::{
    CLUSTERS_SEEN, Cluster, Collapse, Collapsed, Hand, Message, Next, RESTS_SEEN, Rest, SLEEPERS_TRIED, Seen,
    Spends, Successor, code_of_invoke, slot_of,
};
use crate::Event;
use crate::world::independence::{CLIENTS, Deed, name_of_item, name_of_message, touched};
use crate::world::known::{SAMPLE, inconstant};
use crate::world::network::compare;
use crate::world::turn::{Cause, Outcome};
use crate::world::value::combine;
use crate::world::{Identical, Setup, Subject, World, menu};

/// What is at hand while one state is gone on from.
pub(super) struct Look<'a, 'l, P: Subject, Q, M, F> {
    pub(super) all: &'a Collapse<P, Q>,
    pub(super) setup: &'a Setup<P>,
    pub(super) hand: &'l mut Hand,
    pub(super) state: &'l Collapsed,
    pub(super) cluster: &'a Cluster<Q>,
    pub(super) rest: &'a Rest<P>,
    /// The sum of the hashes of the messages in flight.
    pub(super) network_hash: u64,
    /// The names of what sleeps.
    pub(super) asleep: &'a [u32],
    /// The number of the event that comes next, and its kind.
    pub(super) event: u32,
    pub(super) kind: u32,
    pub(super) mark: &'l mut M,
    pub(super) found: &'l mut F,
}

impl<'a, P, Q, M, F> Look<'a, '_, P, Q, M, F>
where
    P: Subject,
    Q: Properties<P> + Eq + Hash,
    M: FnMut(&'static str),
    F: FnMut(u32, Option<Successor>, Option<Deed<'a>>),
{
    /// Shows everything that can happen, in the order of [`World::enabled`].
    pub(super) fn at_all(&mut self) {
        if self.rest.violation.is_some() {
            return;
        }
        if let Some(pending) = &self.rest.pending {
            for answer in 0..pending.ways {
                let event = Event::Choose { answer };
                self.kind = (self.all.kind)(&event);
                self.by_world(&event);
                self.event += 1;
            }
            return;
        }
        self.deliveries();
        let mut first = 0;
        for index in 0..self.cluster.places.len() {
            first += self.menu(index, first);
        }
    }

    fn deliveries(&mut self) {
        let budget = self.rest.budget;
        for at in 0..self.state.network.len() {
            let message = self.state.network[at];
            if at > 0 && self.state.network[at - 1] == message {
                continue;
            }
            let all = self.all;
            let Message { envelope, kinds } = all.messages.get(message);
            let up = |index: &usize| all.places.get(self.cluster.places[*index]).slot.state.is_some();
            if let Some(index) = self.setup.index(envelope.to).filter(up) {
                let cause = || Cause::Message(Arc::clone(envelope));
                let (next, turn) = self.beyond_menus(index, message, cause);
                for (spends, kind) in [(Spends::Nothing, kinds[0]), (Spends::Duplicate, kinds[1])] {
                    if spends == Spends::Nothing || budget.duplicates > 0 {
                        self.kind = kind;
                        let name = Some(name_of_message(spends, message));
                        let delivered = (spends == Spends::Nothing).then_some(at);
                        let deed = self.deed(name, index, turn, spends, Some((message, delivered)));
                        self.unless_asleep(deed, |look, deed| {
                            look.happens(index, next, turn, spends, delivered, deed, cause);
                        });
                        self.event += 1;
                    }
                }
            }
            if budget.drops > 0 {
                let Next::To(rest) = self.rest_after(Spends::Drop, None) else {
                    unreachable!("nobody is told of a loss")
                };
                let mut network = self.state.network.clone();
                network.remove(at);
                self.kind = kinds[2];
                let hash = self.network_hash.wrapping_sub(envelope.hash());
                let name = name_of_message(Spends::Drop, message);
                let asleep = self.asleep.contains(&name);
                let touches = touched(Spends::Drop);
                let deed =
                    Deed { name, index: None, touches, about: Some(message), takes: true, sent: &[], asleep };
                let cluster = self.state.cluster;
                self.unless_asleep(Some(deed), |look, deed| look.shows(cluster, rest, network, hash, deed));
                self.event += 1;
            }
        }
    }

    /// What can happen to the node at `index`, but for messages; returns how much that is.
    fn menu(&mut self, index: usize, first: usize) -> usize {
        let (all, number) = (self.all, self.cluster.places[index]);
        let place = all.places.get(number);
        for (at, (cause, kind)) in place.menu.iter().enumerate() {
            let spends = match cause {
                Cause::Invoke(_) => Spends::Invoke,
                Cause::Timeout(_) if self.rest.budget.timeouts == 0 => continue,
                Cause::Timeout(_) if self.setup.bounds.counts_timeouts() => Spends::Timeout,
                Cause::DiskFail if self.rest.budget.disk_failures == 0 => continue,
                Cause::DiskFail => Spends::DiskFail,
                Cause::Crash(_) if self.rest.budget.crashes == 0 => continue,
                Cause::Crash(_) => Spends::Crash,
                _ => Spends::Nothing,
            };
            self.kind = *kind;
            if spends == Spends::Invoke {
                let Some(operation) = self.rest.clients.next() else { continue };
                self.kind = all.operations[operation];
                let cause = || Cause::Invoke(operation);
                if let Some(code) = code_of_invoke(index, operation) {
                    let (next, turn) = self.beyond_menus(index, code, cause);
                    let deed = self.deed(name_of_item(index, at), index, turn, spends, None);
                    self.unless_asleep(deed, |look, deed| {
                        look.happens(index, next, turn, spends, None, deed, cause);
                    });
                } else {
                    self.by_world(&menu::event(self.setup, place.slot.slot, &cause()));
                }
            } else {
                // Acquire and release: whoever sees a number sees what has it.
                let turn = match place.turns[at].load(Ordering::Acquire).checked_sub(1) {
                    Some(turn) => turn,
                    None => {
                        let turn = all.take(self.setup, place, cause);
                        place.turns[at].store(turn + 1, Ordering::Release);
                        turn
                    }
                };
                let deed = self.deed(name_of_item(index, at), index, turn, spends, None);
                self.unless_asleep(deed, |look, deed| {
                    let next = look.next_by_menu(first + at, index, turn, cause);
                    look.happens(index, next, turn, spends, None, deed, || cause.clone());
                });
            }
            self.event += 1;
        }
        place.menu.len()
    }

    /// What becomes of the cluster under the item of this number of the menus of its nodes.
    fn next_by_menu(&self, item: usize, index: usize, turn: u32, cause: &Cause<P>) -> Next {
        let known = &self.cluster.nexts[item];
        Next::of(known.load(Ordering::Acquire)).unwrap_or_else(|| {
            let judged = !matches!(cause, Cause::Crash(_) | Cause::Advance);
            let turn = self.all.turns.get(turn);
            let next = self.all.cluster_after(self.setup, self.cluster, index, turn, judged);
            known.store(next.word(), Ordering::Release);
            next
        })
    }

    /// What an event asks for: a turn of the node at `index`, about a message or not, which is at this place in flight
    /// if it leaves the network.
    fn deed(
        &self,
        name: Option<u32>,
        index: usize,
        turn: u32,
        spends: Spends,
        message: Option<(u32, Option<usize>)>,
    ) -> Option<Deed<'a>> {
        let name = name?;
        let turn = self.all.turns.get(turn);
        let touches = touched(spends) | if turn.answers { CLIENTS } else { 0 };
        Some(Deed {
            name,
            index: Some(index),
            touches,
            about: message.map(|(message, _)| message),
            takes: message.is_some_and(|(_, delivered)| delivered.is_some()),
            sent: &turn.sent,
            asleep: self.asleep.contains(&name),
        })
    }

    /// Lets an event happen, unless it sleeps; of those that sleep one now and then.
    fn unless_asleep(&mut self, deed: Option<Deed<'a>>, happens: impl FnOnce(&mut Self, Option<Deed<'a>>)) {
        if deed.is_some_and(|deed| deed.asleep) {
            self.hand.slept += 1;
            if !self.hand.slept.is_multiple_of(SLEEPERS_TRIED) {
                return (self.found)(self.event, None, deed);
            }
        }
        happens(self, deed);
    }

    /// What becomes of the cluster under a cause that has a code, and the turn.
    fn beyond_menus(&mut self, index: usize, code: u32, cause: impl Fn() -> Cause<P>) -> (Next, u32) {
        let of = self.state.cluster;
        let seen = &mut self.hand.clusters[slot_of(of, code, CLUSTERS_SEEN)];
        if let Some(next) = Next::of(seen.next).filter(|_| (seen.of, seen.code) == (of, code)) {
            return (next, seen.turn);
        }
        let turn = self.all.taken(self.setup, self.cluster.places[index], code, cause);
        let next = self.all.cluster_after(self.setup, self.cluster, index, self.all.turns.get(turn), true);
        *seen = Seen { of, code, next: next.word(), turn };
        (next, turn)
    }

    fn rest_after(&mut self, spends: Spends, turn: Option<u32>) -> Next {
        let (of, code) = (self.state.rest, (spends as u32) << 28 | turn.unwrap_or((1 << 28) - 1));
        let seen = &mut self.hand.rests[slot_of(of, code, RESTS_SEEN)];
        if let Some(next) = Next::of(seen.next).filter(|_| (seen.of, seen.code) == (of, code)) {
            return next;
        }
        let told = turn.map(|turn| self.all.turns.get(turn));
        let next = self.all.rest_after(self.setup, self.rest, spends, told);
        *seen = Seen { of, code, next: next.word(), turn: 0 };
        next
    }

    /// Shows what an event leads to: at the node at `index`, by a turn after which the cluster is `next`.
    #[allow(clippy::too_many_arguments, reason = "each says something else about one event")]
    fn happens(
        &mut self,
        index: usize,
        next: Next,
        turn: u32,
        spends: Spends,
        delivered: Option<usize>,
        deed: Option<Deed<'a>>,
        cause: impl Fn() -> Cause<P>,
    ) {
        let cluster = match next {
            Next::Refused => return,
            Next::Unusual => return self.by_itself(index, spends, &cause()),
            Next::To(cluster) => cluster,
        };
        let place = self.all.places.get(self.cluster.places[index]);
        let known = self.all.turns.get(turn);
        self.hand.found += 1;
        if self.hand.found.is_multiple_of(SAMPLE) {
            let again = Outcome::of(self.setup, &place.slot, &cause(), Vec::new(), &mut |_, _| ());
            if again != known.outcome {
                let mut world = self.all.unfold(self.state);
                world.violation = Some(Box::new(inconstant(&place.slot)));
                return self.shows_world(&world);
            }
        }
        // Relaxed: marks may be told twice. Level by level, the first time is the one after the fewest events.
        if !known.noted.load(Ordering::Relaxed) {
            known.outcome.marks.iter().for_each(|mark| (self.mark)(mark));
            known.noted.store(true, Ordering::Relaxed);
        }
        let spends = if known.turned_away { Spends::Nothing } else { spends };
        let answers = known.answers && !known.turned_away;
        let rest = if answers || spends != Spends::Nothing {
            match self.rest_after(spends, answers.then_some(turn)) {
                Next::To(rest) => rest,
                Next::Refused | Next::Unusual => return self.by_itself(index, spends, &cause()),
            }
        } else {
            self.state.rest
        };
        let mut hash = self.network_hash;
        let mut network = self.state.network.clone();
        if let Some(at) = delivered {
            hash = hash.wrapping_sub(self.all.messages.get(network.remove(at)).envelope.hash());
        }
        for message in &known.sent {
            if network.len() >= self.setup.bounds.in_flight as usize {
                break;
            }
            if self.setup.bounds.identical == Identical::Merge && network.contains(message) {
                continue;
            }
            let envelope = &self.all.messages.get(*message).envelope;
            let before = |other: &u32| compare(&self.all.messages.get(*other).envelope, envelope).is_lt();
            network.insert(network.partition_point(before), *message);
            hash = hash.wrapping_add(envelope.hash());
        }
        self.shows(cluster, rest, network, hash, deed);
    }

    fn shows(
        &mut self,
        cluster: u32,
        rest: u32,
        network: SmallVec<[u32; 4]>,
        network_hash: u64,
        deed: Option<Deed<'a>>,
    ) {
        let state = Collapsed { cluster, rest, network };
        if state == *self.state {
            return;
        }
        let (nodes, others) = (self.all.clusters.get(cluster), self.all.rests.get(rest));
        let hashes = [nodes.nodes_hash, network_hash, others.clients.hash(), nodes.properties_hash];
        let fingerprint = combine(hashes, others.budget);
        let successor = Successor { event: self.event, kind: self.kind, fingerprint, state };
        (self.found)(self.event, Some(successor), deed);
    }

    /// Lets the world do what is out of the ordinary.
    fn by_itself(&mut self, index: usize, spends: Spends, cause: &Cause<P>) {
        let at = self.all.places.get(self.cluster.places[index]).slot.slot;
        let event = match (menu::event(self.setup, at, cause), spends) {
            (Event::Deliver { from, to, message }, Spends::Duplicate) => {
                Event::Duplicate { from, to, message }
            }
            (event, _) => event,
        };
        self.by_world(&event);
    }

    fn by_world(&mut self, event: &Event<P>) {
        let mut world = self.all.unfold(self.state);
        if let Ok(applied) = world.apply(self.setup, event) {
            applied.marks.iter().for_each(|mark| (self.mark)(mark));
            if applied.changed {
                self.shows_world(&world);
            }
        }
    }

    fn shows_world(&mut self, world: &World<P, Q>) {
        let state = self.all.fold(self.setup, world);
        let (event, kind, fingerprint) = (self.event, self.kind, world.fingerprint());
        (self.found)(event, Some(Successor { event, kind, fingerprint, state }), None);
    }
}
