//! Worlds in a few words: a search meets few nodes, messages and clusters in very many worlds, so each of them
//! stands once, and a world names them by number.
//!
//! This is the collapse compression of a checker for processes (Holzmann 1997, *State compression in SPIN*), carried
//! on to what happens: a turn is a function of a node and of what happens to it, and what becomes of a *cluster*, that
//! is of all nodes and of the memory of the properties, is a function of the cluster and of one turn. Both are kept
//! under the numbers, so that most events of a search cost a look at a table, the sum of a few hashes, and no
//! comparison, reference count or lock. Whatever is out of the ordinary (a question, a broken property) is done by the
//! [`World`] itself, which a collapsed one turns into and is made from.
//!
//! Values are compared in full before they share a number: nothing rests on a hash here, and a collapsed world has the
//! fingerprint of its world. Numbers mean something only beside the [`Collapse`] that gave them, and depend on the
//! order in which values were met; events are numbered as [`World::enabled`] lists them.
//!
//! That a protocol takes the same turn again is its contract, and is checked: one event in [`SAMPLE`] is taken anew
//! and compared. Verified by comparison with worlds, event by event, on toy protocols with every flaw and fault
//! (`tests/it/collapse.rs`), and by the counts of whole searches in `model-check`.

mod look;

use core::hash::Hash;
use core::mem::size_of;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;
use smallvec::SmallVec;
use swarm_protocol::{Properties, Violation, mix};

use self::look::Look;
use super::clients::Clients;
use super::independence::{Asleep, Deed, Deeds, Room, asleep_after, commute};
use super::known::lock;
use super::network::{Envelope, Network};
use super::node::NodeSlot;
use super::shelf::Shelf;
use super::turn::{Cause, Leaving, Outcome, Stop};
use super::value::combine;
use super::{Budget, Pending, Setup, Subject, World, is_turned_away, menu, verdict};
use crate::{Event, Slot};

/// A world, as numbers of a [`Collapse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapsed {
    /// The nodes, and what the properties remember.
    cluster: u32,
    /// What clients have seen, what is left of the bounds, and what is out of the ordinary.
    rest: u32,
    /// The messages in flight, in the order of the network.
    network: SmallVec<[u32; 4]>,
}

type KindOf<P> = dyn Fn(&Event<P>) -> u32 + Send + Sync;

/// Everything that worlds of one setup consist of, by number, and what becomes of it. Shared by the threads of a
/// search.
pub struct Collapse<P: Subject, Q> {
    /// Gives kinds of events small numbers.
    kind: Box<KindOf<P>>,
    /// The kinds of operations, by number in the workload.
    operations: Box<[u32]>,
    places: Shelf<Place<P>>,
    messages: Shelf<Message<P>>,
    clusters: Shelf<Cluster<Q>>,
    rests: Shelf<Rest<P>>,
    turns: Shelf<Turn<P>>,
    /// Turns by place and cause.
    taken: [Mutex<HashTable<Taken>>; PARTS],
    /// What threads have at hand, while they do not.
    hands: Mutex<Vec<Hand>>,
    /// What values own beside the shelves, as far as it is counted.
    owned: AtomicU64,
}

/// A node's slot.
struct Place<P: Subject> {
    slot: Arc<NodeSlot<P>>,
    /// What can happen to it, but for messages, in the order of [`World::enabled`], with the kind
    /// of event.
    menu: Box<[(Cause<P>, u32)]>,
    /// What becomes of it under each: a number of a turn and one more, or 0 as long as that is not known.
    turns: Box<[AtomicU32]>,
}

struct Message<P: Subject> {
    envelope: Arc<Envelope<P>>,
    /// The kinds of events that deliver, duplicate and drop it.
    kinds: [u32; 3],
}

/// All nodes, and what the properties remember.
struct Cluster<Q> {
    places: SmallVec<[u32; 4]>,
    nodes_hash: u64,
    properties: Q,
    properties_hash: u64,
    /// What becomes of it under each of the menus of its nodes: [`Next`] in one word, or 0 as long as that is not known.
    nexts: Box<[AtomicU32]>,
}

struct Rest<P: Subject> {
    clients: Arc<Clients<P::Spec>>,
    budget: Budget,
    pending: Option<Box<Pending<P>>>,
    violation: Option<Box<Violation>>,
}

/// What becomes of a node.
struct Turn<P: Subject> {
    outcome: Outcome<P>,
    /// The place that the node is at then.
    next: Next,
    /// The messages that leave it, in order.
    sent: SmallVec<[u32; 4]>,
    /// Whether clients are told something.
    answers: bool,
    /// Whether all that came of it is that a client was told to ask elsewhere.
    turned_away: bool,
    /// Whether the marks were told to the search.
    noted: AtomicBool,
}

#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// It leaves the boundary: this does not happen.
    Refused,
    /// A question or a violation: the world has to say.
    Unusual,
    /// This number.
    To(u32),
}

impl Next {
    const fn word(self) -> u32 {
        match self {
            Next::Refused => 1,
            Next::Unusual => 2,
            Next::To(number) => number + 3,
        }
    }

    const fn of(word: u32) -> Option<Self> {
        match word {
            0 => None,
            1 => Some(Next::Refused),
            2 => Some(Next::Unusual),
            more => Some(Next::To(more - 3)),
        }
    }
}

/// A turn by the place and the code of the cause.
struct Taken {
    place: u32,
    code: u32,
    turn: u32,
}

/// A cause beyond the menus in one word: the number of a message, or an operation at a node.
const fn code_of_invoke(index: usize, operation: usize) -> Option<u32> {
    if index < 1 << 15 && operation < 1 << 16 {
        Some(1 << 31 | (index as u32) << 16 | operation as u32)
    } else {
        None
    }
}

/// What an event uses up.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Spends {
    Nothing,
    Duplicate,
    Drop,
    DiskFail,
    Crash,
    Invoke,
    /// Where timeouts are counted.
    Timeout,
}

/// What one thread has found before: places for the latest answers, one for each key.
struct Hand {
    clusters: Box<[Seen]>,
    rests: Box<[Seen]>,
    /// How many events were looked up.
    found: u64,
    /// How many events slept.
    slept: u64,
}

/// An answer, under a key of two words; without one as long as `next` is 0.
#[derive(Clone, Copy, Default)]
struct Seen {
    of: u32,
    code: u32,
    next: u32,
    turn: u32,
}

/// How many answers a thread keeps: on clusters, and on what is beside them.
const CLUSTERS_SEEN: usize = 1 << 18;
const RESTS_SEEN: usize = 1 << 10;
const PARTS: usize = 16;
/// One event of so many that sleep is tried.
const SLEEPERS_TRIED: u64 = 64;

/// Where in a table of answers a key has its place.
const fn slot_of(of: u32, code: u32, answers: usize) -> usize {
    (mix((of as u64) << 32 | code as u64) >> (64 - answers.ilog2())) as usize
}

/// An event that does something.
pub struct Successor {
    /// Which of the events that [`World::enabled`] lists.
    pub event: u32,
    /// The number of its kind.
    pub kind: u32,
    /// The fingerprint of the world it leads to.
    pub fingerprint: u64,
    /// That world.
    pub state: Collapsed,
}

impl<P: Subject, Q: Properties<P> + Eq + Hash> Collapse<P, Q> {
    /// Nothing has a number yet but the kinds of events, which `kind` tells: small ones, as others may count by them.
    pub fn new(setup: &Setup<P>, kind: impl Fn(&Event<P>) -> u32 + Send + Sync + 'static) -> Self {
        let operation = |number| kind(&menu::event(setup, Slot(0), &Cause::Invoke(number)));
        Collapse {
            operations: (0..setup.workload.len()).map(operation).collect(),
            kind: Box::new(kind),
            places: Shelf::new(),
            messages: Shelf::new(),
            clusters: Shelf::new(),
            rests: Shelf::new(),
            turns: Shelf::new(),
            taken: std::array::from_fn(|_| Mutex::new(HashTable::new())),
            hands: Mutex::new(Vec::new()),
            owned: AtomicU64::new(0),
        }
    }

    /// How many clusters were met: fewer than worlds, as many worlds differ in messages and clients alone.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// How many turns were taken.
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    /// What grows with what is met, in bytes, without what messages, records, and the states of nodes and properties
    /// own on the heap. What each thread has at hand does not grow.
    pub fn bytes(&self) -> u64 {
        let shelves = [
            self.places.bytes(),
            self.messages.bytes(),
            self.clusters.bytes(),
            self.rests.bytes(),
            self.turns.bytes(),
        ];
        let taken: usize = self.taken.iter().map(|part| lock(part).allocation_size()).sum();
        shelves.iter().sum::<u64>() + self.owned.load(Ordering::Relaxed) + taken as u64
    }

    /// The numbers of a world of this setup.
    pub fn fold(&self, setup: &Setup<P>, world: &World<P, Q>) -> Collapsed {
        let places = world.nodes.iter().map(|slot| self.place(setup, slot)).collect();
        let cluster = self.cluster(places, world.nodes_hash, &world.properties, world.properties_hash);
        let same = |rest: &Rest<P>| {
            rest.clients == world.clients
                && rest.budget == world.budget
                && rest.pending == world.pending
                && rest.violation == world.violation
        };
        let rest = self.rests.once(mix(world.rest_hash()), same, || Rest {
            clients: Arc::clone(&world.clients),
            budget: world.budget,
            pending: world.pending.clone(),
            violation: world.violation.clone(),
        });
        let network = world.network.shared().iter().map(|envelope| self.message(setup, envelope)).collect();
        Collapsed { cluster, rest, network }
    }

    /// The world of these numbers.
    ///
    /// # Panics
    /// If they are those of another `Collapse`.
    pub fn unfold(&self, state: &Collapsed) -> World<P, Q> {
        let cluster = self.clusters.get(state.cluster);
        let rest = self.rests.get(state.rest);
        let slot = |place: &u32| Arc::clone(&self.places.get(*place).slot);
        World {
            nodes: cluster.places.iter().map(slot).collect(),
            nodes_hash: cluster.nodes_hash,
            network: Network::of(
                state.network.iter().map(|message| Arc::clone(&self.messages.get(*message).envelope)),
            ),
            clients: Arc::clone(&rest.clients),
            properties: cluster.properties.clone(),
            properties_hash: cluster.properties_hash,
            budget: rest.budget,
            pending: rest.pending.clone(),
            violation: rest.violation.clone(),
        }
    }

    /// The fingerprint of the world.
    pub fn fingerprint(&self, state: &Collapsed) -> u64 {
        let rest = self.rests.get(state.rest);
        if rest.pending.is_some() || rest.violation.is_some() {
            return self.unfold(state).fingerprint();
        }
        let cluster = self.clusters.get(state.cluster);
        let hashes =
            [cluster.nodes_hash, self.network_hash(state), rest.clients.hash(), cluster.properties_hash];
        combine(hashes, rest.budget)
    }

    /// The property that the last event broke.
    pub fn violation(&self, state: &Collapsed) -> Option<&Violation> {
        self.rests.get(state.rest).violation.as_deref()
    }

    /// Shows every event that does something to one of `states`, with the position of the state, and where it leads.
    /// A mark is told when it is reached for the first time, and perhaps again.
    ///
    /// # Panics
    /// If the states are those of another `Collapse`.
    pub fn successors(
        &self,
        setup: &Setup<P>,
        states: &[Collapsed],
        mut mark: impl FnMut(&'static str),
        mut found: impl FnMut(usize, Successor),
    ) {
        self.look(
            setup,
            states,
            |_| &[],
            &mut mark,
            |_, position, successor, _| {
                if let Some(successor) = successor {
                    found(position, successor);
                }
            },
        );
    }

    /// Shows every event that does something to one of `states` and does not sleep there, as [`Collapse::successors`]
    /// does, with what sleeps in the world that it leads to. Now and then one that sleeps is shown, too, without that:
    /// where it leads must be found on another way, of as many events or of fewer.
    ///
    /// What sleeps in `states` is of use beside this `Collapse` alone.
    ///
    /// # Panics
    /// If the states are those of another `Collapse`.
    pub fn successors_awake(
        &self,
        setup: &Setup<P>,
        states: &[Collapsed],
        asleep: &[Asleep],
        mut mark: impl FnMut(&'static str),
        mut found: impl FnMut(usize, Successor, Option<Asleep>),
    ) {
        let limit = setup.bounds.in_flight as usize;
        let mut deeds = Deeds::new();
        let mut before = 0;
        let mut tell = |deeds: &mut Deeds<'_>, position: usize| {
            let room = Room { taken: states[position].network.len(), limit };
            for at in 0..deeds.len() {
                let Some(successor) = deeds[at].0.take() else { continue };
                let sleeps = deeds[at].1.is_some_and(|deed| deed.asleep);
                let asleep = (!sleeps).then(|| asleep_after(deeds, at, room));
                found(position, successor, asleep);
            }
            deeds.clear();
        };
        self.look(
            setup,
            states,
            |position| &asleep[position],
            &mut mark,
            |_, position, successor, deed| {
                if position != before {
                    tell(&mut deeds, before);
                    before = position;
                }
                deeds.push((successor, deed));
            },
        );
        tell(&mut deeds, before);
    }

    /// Every two events of a world that are taken to commute, as [`World::enabled`] lists them: for tests, which try
    /// them in both orders.
    pub fn commuting(&self, setup: &Setup<P>, state: &Collapsed) -> Vec<(u32, u32)> {
        let mut deeds = Vec::new();
        self.look(
            setup,
            std::slice::from_ref(state),
            |_| &[],
            &mut |_| (),
            |event, _, _, deed| {
                deeds.extend(deed.map(|deed| (event, deed)));
            },
        );
        let room = Room { taken: state.network.len(), limit: setup.bounds.in_flight as usize };
        let pairs = deeds.iter().enumerate().flat_map(|(at, one)| {
            deeds[at + 1..]
                .iter()
                .filter(move |other| commute(&one.1, &other.1, room))
                .map(move |other| (one.0, other.0))
        });
        pairs.collect()
    }

    /// Shows what happens in each of `states` to `found`: the number of the event, the position of the state, where the
    /// event leads, unless it sleeps, and what it asks for, unless it is out of the ordinary.
    fn look<'a>(
        &'a self,
        setup: &'a Setup<P>,
        states: &[Collapsed],
        asleep: impl Fn(usize) -> &'a [u32],
        mark: &mut impl FnMut(&'static str),
        mut found: impl FnMut(u32, usize, Option<Successor>, Option<Deed<'a>>),
    ) {
        let hand = lock(&self.hands).pop();
        let mut hand = hand.unwrap_or_else(Hand::new);
        for (position, state) in states.iter().enumerate() {
            let mut look = Look {
                all: self,
                setup,
                hand: &mut hand,
                state,
                cluster: self.clusters.get(state.cluster),
                rest: self.rests.get(state.rest),
                network_hash: self.network_hash(state),
                asleep: asleep(position),
                event: 0,
                kind: 0,
                mark,
                found: &mut |event, successor, deed| found(event, position, successor, deed),
            };
            look.at_all();
        }
        lock(&self.hands).push(hand);
    }

    fn network_hash(&self, state: &Collapsed) -> u64 {
        let hashes = state.network.iter().map(|message| self.messages.get(*message).envelope.hash());
        hashes.fold(0, u64::wrapping_add)
    }

    fn own(&self, bytes: usize) {
        // Relaxed: a count.
        self.owned.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn place(&self, setup: &Setup<P>, slot: &Arc<NodeSlot<P>>) -> u32 {
        let same = |place: &Place<P>| Arc::ptr_eq(&place.slot, slot) || place.slot == *slot;
        self.places.once(mix(slot.hash()), same, || {
            let mut menu = Vec::new();
            menu::each(setup, slot, |cause| {
                let kind = match cause {
                    // Which operation is asked for next is not known here.
                    Cause::Invoke(_) => 0,
                    _ => (self.kind)(&menu::event(setup, slot.slot, &cause)),
                };
                menu.push((cause, kind));
            });
            let turns: Box<[AtomicU32]> = menu.iter().map(|_| AtomicU32::new(0)).collect();
            self.own(size_of::<NodeSlot<P>>() + menu.len() * size_of::<(Cause<P>, u32, AtomicU32)>());
            Place { slot: Arc::clone(slot), menu: menu.into_boxed_slice(), turns }
        })
    }

    fn message(&self, setup: &Setup<P>, envelope: &Arc<Envelope<P>>) -> u32 {
        let same = |other: &Message<P>| Arc::ptr_eq(&other.envelope, envelope) || other.envelope == *envelope;
        self.messages.once(mix(envelope.hash()), same, || {
            self.own(size_of::<Envelope<P>>());
            let delivered = menu::event(setup, envelope.to, &Cause::Message(Arc::clone(envelope)));
            let (from, to, message) = (envelope.from, envelope.to, &envelope.message);
            let duplicated = Event::Duplicate { from, to, message: message.clone() };
            let dropped = Event::Drop { from, to, message: message.clone() };
            let kinds = [delivered, duplicated, dropped].map(|event| (self.kind)(&event));
            Message { envelope: Arc::clone(envelope), kinds }
        })
    }

    fn cluster(
        &self,
        places: SmallVec<[u32; 4]>,
        nodes_hash: u64,
        properties: &Q,
        properties_hash: u64,
    ) -> u32 {
        let hash = mix(nodes_hash ^ properties_hash.rotate_left(32));
        let same = |other: &Cluster<Q>| other.places == places && other.properties == *properties;
        self.clusters.once(hash, same, || {
            let items: usize = places.iter().map(|place| self.places.get(*place).menu.len()).sum();
            self.own(items * size_of::<AtomicU32>());
            let nexts = (0..items).map(|_| AtomicU32::new(0)).collect();
            let properties = properties.clone();
            Cluster { places: places.clone(), nodes_hash, properties, properties_hash, nexts }
        })
    }

    /// Lets `cause` happen to a node, and gives what becomes of it a number.
    fn take(&self, setup: &Setup<P>, place: &Place<P>, cause: &Cause<P>) -> u32 {
        let outcome = Outcome::of(setup, &place.slot, cause, Vec::new(), &mut |_, _| ());
        let next = match &outcome.node {
            Ok(node) => Next::To(self.place(setup, node)),
            Err(Stop::Boundary) => Next::Refused,
            Err(Stop::Asked(..) | Stop::Violated(_)) => Next::Unusual,
        };
        let message = |what: &Leaving<P>| match what {
            Leaving::Message(envelope) => Some(self.message(setup, envelope)),
            Leaving::Answer(..) => None,
        };
        let sent: SmallVec<[u32; 4]> = outcome.leaving.iter().filter_map(message).collect();
        let answers = sent.len() < outcome.leaving.len();
        let event = menu::event(setup, place.slot.slot, cause);
        let turned_away = is_turned_away(&event, &outcome.leaving);
        self.own(outcome.leaving.len() * size_of::<Leaving<P>>() + outcome.marks.len() * size_of::<&str>());
        self.turns.put(Turn { outcome, next, sent, answers, turned_away, noted: AtomicBool::new(false) })
    }

    /// The turn that was taken at this place under the cause of this code, or is taken now.
    fn taken(&self, setup: &Setup<P>, place: u32, code: u32, cause: impl Fn() -> Cause<P>) -> u32 {
        let hash = mix(u64::from(place) << 32 | u64::from(code));
        let part = &self.taken[hash as usize % PARTS];
        let same = |taken: &Taken| taken.place == place && taken.code == code;
        if let Some(taken) = lock(part).find(hash, same) {
            return taken.turn;
        }
        // Without the lock: protocol code runs here. Another thread may do the same, and be first.
        let turn = self.take(setup, self.places.get(place), &cause());
        let mut part = lock(part);
        if let Some(taken) = part.find(hash, same) {
            return taken.turn;
        }
        let rehash = |taken: &Taken| mix(u64::from(taken.place) << 32 | u64::from(taken.code));
        part.insert_unique(hash, Taken { place, code, turn }, rehash);
        turn
    }

    /// What becomes of a cluster when the node at `index` has taken a turn.
    fn cluster_after(
        &self,
        setup: &Setup<P>,
        cluster: &Cluster<Q>,
        index: usize,
        turn: &Turn<P>,
        judged: bool,
    ) -> Next {
        let Next::To(place) = turn.next else { return turn.next };
        let mut places = cluster.places.clone();
        let before = std::mem::replace(&mut places[index], place);
        let node = &self.places.get(place).slot;
        let before = self.places.get(before).slot.hash();
        let nodes_hash = cluster.nodes_hash.wrapping_sub(before).wrapping_add(node.hash());
        let touched = node.slot.node();
        if !judged || setup.has_twin(touched) {
            return Next::To(self.cluster(places, nodes_hash, &cluster.properties, cluster.properties_hash));
        }
        let state = |place: &u32| {
            let node = &*self.places.get(*place).slot;
            node.state.as_ref().filter(|_| !setup.has_twin(node.slot.node()))
        };
        let nodes: SmallVec<[Option<&P>; 8]> =
            places.iter().take(setup.nodes() as usize).map(state).collect();
        match verdict(setup, &cluster.properties, cluster.properties_hash, &nodes, touched) {
            (Ok(()), hash, properties) => Next::To(self.cluster(places, nodes_hash, &properties, hash)),
            (Err(_), ..) => Next::Unusual,
        }
    }

    /// What becomes of the rest when an event `spends` and a turn answers clients.
    fn rest_after(&self, setup: &Setup<P>, rest: &Rest<P>, spends: Spends, turn: Option<&Turn<P>>) -> Next {
        let mut clients = Arc::clone(&rest.clients);
        let mut budget = rest.budget;
        match spends {
            Spends::Nothing => {}
            Spends::Duplicate => budget.duplicates -= 1,
            Spends::Drop => budget.drops -= 1,
            Spends::DiskFail => budget.disk_failures -= 1,
            Spends::Crash => budget.crashes -= 1,
            Spends::Timeout => budget.timeouts -= 1,
            Spends::Invoke => {
                if let Some(number) = clients.next() {
                    Arc::make_mut(&mut clients).invoke(number);
                }
            }
        }
        for what in turn.into_iter().flat_map(|turn| &turn.outcome.leaving) {
            if let Leaving::Answer(id, answer) = what {
                let told = Arc::make_mut(&mut clients).answer(&setup.workload, *id, P::reply(answer));
                if told.is_err() {
                    return Next::Unusual;
                }
            }
        }
        let same = |other: &Rest<P>| {
            other.clients == clients
                && other.budget == budget
                && other.pending.is_none()
                && other.violation.is_none()
        };
        let hash = mix(combine([0, 0, clients.hash(), 0], budget));
        let make = || Rest { clients: Arc::clone(&clients), budget, pending: None, violation: None };
        Next::To(self.rests.once(hash, same, make))
    }
}

impl Hand {
    fn new() -> Self {
        let nothing = |answers| vec![Seen::default(); answers].into_boxed_slice();
        Hand { clusters: nothing(CLUSTERS_SEEN), rests: nothing(RESTS_SEEN), found: 0, slept: 0 }
    }
}

impl Collapsed {
    /// Appends the numbers to `out`, so that [`Collapsed::decode`] finds where they end.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut word = |word: u32| out.extend_from_slice(&word.to_le_bytes());
        word(self.cluster);
        word(self.rest);
        word(self.network.len() as u32);
        self.network.iter().for_each(|message| word(*message));
    }

    /// Takes what [`Collapsed::encode`] wrote from the front of `bytes`; none if that is not there.
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut word = || {
            let (word, more) = bytes.split_first_chunk()?;
            *bytes = more;
            Some(u32::from_le_bytes(*word))
        };
        let (cluster, rest, messages) = (word()?, word()?, word()?);
        let network = (0..messages).map(|_| word()).collect::<Option<_>>()?;
        Some(Collapsed { cluster, rest, network })
    }
}
