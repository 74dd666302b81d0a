//! Messages on their way, and the links that carry them.

use swarm_protocol::{Input, NodeId, Protocol, Purpose, Stream, Ticks, WriteId};

use super::purpose;
use crate::profile::{Conditions, Fault};

/// A message on its way, or a free place for one.
struct Parcel<P: Protocol> {
    /// Where it goes.
    to: NodeId,
    /// How many times it will arrive.
    copies: u32,
    /// What its receiver will take. It is kept as an input, so that it is moved once on its way there; what a
    /// free place holds is never looked at.
    input: Input<P>,
}

/// The fate of a message that is sent.
pub(super) enum Fate {
    /// It arrives after so long, and perhaps once more after so long.
    Arrives { first: Ticks, again: Option<Ticks>, delayed: bool },
    /// It does not, for this reason if no outage has cut the link.
    Lost(Option<Fault>),
}

/// The way from one place to another.
#[derive(Clone, Copy)]
struct Link {
    /// How long a message takes at least, in microseconds.
    latency: u32,
    /// How many faults cut the link, [`CLOGGED`] on top if it holds what it carries.
    obstacles: u16,
    /// The factor of the slower of its ends.
    slowness: u16,
}

pub(super) struct Network<P: Protocol> {
    nodes: usize,
    /// Messages on their way, at places that entries of the queue name.
    parcels: Vec<Parcel<P>>,
    free: Vec<u32>,
    /// By sender, then receiver.
    links: Vec<Link>,
    /// By place, how many times as long as usual its messages take.
    slowness: Vec<u16>,
    /// By sender, then receiver, until when the link holds what it carries. Empty until one does.
    clogged_until: Vec<Ticks>,
    /// Messages sent so far: the ordinal of the next.
    sent: u64,
    draws: Purpose,
    /// Nothing is lost, duplicated or delayed by chance.
    reliable: bool,
    /// Whether faults have ended.
    pub(super) healed: bool,
}

/// Set in the obstacles of a link that holds what it carries.
const CLOGGED: u16 = 1 << 15;

/// A delayed message takes up to this many times as long.
const DELAY_MAX: u64 = 64;

impl<P: Protocol> Network<P> {
    pub(super) fn new(nodes: usize, seed: u64, conditions: &Conditions) -> Self {
        let link = |number: usize| {
            let mut stream = Stream::new(seed, purpose::LINK, number as u64);
            let latency = conditions.latency.draw(&mut stream).0.max(1) as u32;
            Link { latency, obstacles: 0, slowness: 1 }
        };
        let rates =
            [conditions.loss_per_million, conditions.duplication_per_million, conditions.delay_per_million];
        Network {
            nodes,
            parcels: Vec::new(),
            free: Vec::new(),
            links: (0..nodes * nodes).map(link).collect(),
            slowness: vec![1; nodes],
            clogged_until: Vec::new(),
            sent: 0,
            draws: Purpose::new(seed, purpose::MESSAGE),
            reliable: rates == [0; 3],
            healed: false,
        }
    }

    /// What becomes of messages from now on is drawn as with this seed.
    pub(super) const fn draw_from(&mut self, seed: u64) {
        self.draws = Purpose::new(seed, purpose::MESSAGE);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.parcels.len() - self.free.len()
    }

    /// Decides what becomes of the next message, which is sent at `now`.
    #[inline(always)]
    pub(super) fn fate(&mut self, now: Ticks, from: NodeId, to: NodeId, conditions: &Conditions) -> Fate {
        let place = from.index() * self.nodes + to.index();
        let link = self.links[place];
        let mut stream = Stream::of(self.draws, self.sent);
        self.sent += 1;
        let time = |stream: &mut Stream| {
            (u64::from(link.latency) + stream.below(conditions.jitter.0 + 1)) * u64::from(link.slowness)
        };
        let first = time(&mut stream);
        if link.obstacles > 0 {
            if link.obstacles & !CLOGGED > 0 {
                return Fate::Lost(None);
            }
            // What is held leaves when the others do, and arrives close upon them.
            let held = self.clogged_until[place].since(now);
            return Fate::Arrives { first: held + Ticks(first), again: None, delayed: false };
        }
        if self.reliable || self.healed {
            return Fate::Arrives { first: Ticks(first), again: None, delayed: false };
        }
        // Zero rates draw nothing: the stream is this message's own.
        let mut strikes = |per_million: u32| per_million > 0 && stream.happens(per_million);
        if strikes(conditions.loss_per_million) {
            return Fate::Lost(Some(Fault::Loss));
        }
        let twice = strikes(conditions.duplication_per_million);
        let delayed = strikes(conditions.delay_per_million);
        let first = if delayed { first * stream.between(2, DELAY_MAX) } else { first };
        let again = twice.then(|| Ticks(time(&mut stream) * stream.between(1, DELAY_MAX)));
        Fate::Arrives { first: Ticks(first), again, delayed }
    }

    /// Puts a message on its way, on which it will arrive so many times, at least once, and returns its place.
    #[inline(always)]
    pub(super) fn take_off(&mut self, from: NodeId, to: NodeId, copies: u32, message: P::Message) -> u32 {
        let place = self.free.pop().unwrap_or(self.parcels.len() as u32);
        if let Some(parcel) = self.parcels.get_mut(place as usize) {
            (parcel.to, parcel.copies) = (to, copies);
            parcel.input = Input::Message { from, message };
        } else {
            self.parcels.push(Parcel { to, copies, input: Input::Message { from, message } });
        }
        place
    }

    /// A copy of the message at `place` arrives: where, and whether it is the last one.
    #[inline]
    pub(super) fn arrive(&mut self, place: u32) -> (NodeId, bool) {
        let parcel = &mut self.parcels[place as usize];
        parcel.copies -= 1;
        (parcel.to, parcel.copies == 0)
    }

    /// Where the message at `place` goes.
    pub(super) fn destination(&self, place: u32) -> NodeId {
        self.parcels[place as usize].to
    }

    /// Takes a copy of the message at `place`: if it is the last one, itself.
    ///
    /// # Panics
    /// If no message is on its way there.
    #[inline]
    pub(super) fn land(&mut self, place: u32, last: bool) -> Input<P> {
        let input = &mut self.parcels[place as usize].input;
        if last {
            self.free.push(place);
            // Moved as a whole, without a look at what it is.
            return core::mem::replace(input, Input::Persisted(WriteId::new(1)));
        }
        match input {
            Input::Message { from, message } => Input::Message { from: *from, message: message.clone() },
            _ => panic!("an entry of the queue names a message on its way"),
        }
    }

    /// Messages from and to this place take so many times as long as usual.
    pub(super) fn slow(&mut self, place: NodeId, factor: u16) {
        self.slowness[place.index()] = factor;
        for other in 0..self.nodes {
            let slowness = factor.max(self.slowness[other]);
            self.links[place.index() * self.nodes + other].slowness = slowness;
            self.links[other * self.nodes + place.index()].slowness = slowness;
        }
    }

    /// Cuts each of these links once more, or mends one cut of each.
    pub(super) fn cut(&mut self, links: &[(u32, u32)], cut: bool) {
        for (from, to) in links {
            let obstacles = &mut self.links[*from as usize * self.nodes + *to as usize].obstacles;
            *obstacles = if cut { *obstacles + 1 } else { *obstacles - 1 };
        }
    }

    /// Makes these links hold what they carry until then. Nothing happens, and `false` comes back, if one
    /// of them does already.
    pub(super) fn clog(&mut self, links: &[(u32, u32)], until: Ticks) -> bool {
        let places = || links.iter().map(|(from, to)| *from as usize * self.nodes + *to as usize);
        if places().any(|link| self.links[link].obstacles & CLOGGED > 0) {
            return false;
        }
        self.clogged_until.resize(self.nodes * self.nodes, Ticks::ZERO);
        for (from, to) in links {
            let link = *from as usize * self.nodes + *to as usize;
            self.links[link].obstacles |= CLOGGED;
            self.clogged_until[link] = until;
        }
        true
    }

    /// Lets these links carry again.
    pub(super) fn unclog(&mut self, links: &[(u32, u32)]) {
        for (from, to) in links {
            self.links[*from as usize * self.nodes + *to as usize].obstacles &= !CLOGGED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Types;
    use super::*;
    use crate::profile::{Pace, Profile};

    const NODES: u32 = 3;

    /// How long the first message from `from` to `to` takes after `change`, if it arrives.
    fn time(from: u32, to: u32, change: impl FnOnce(&mut Network<Types>)) -> Option<u64> {
        let conditions = Conditions::draw(1, Profile::CALM, &Pace::default());
        let mut network = Network::new(NODES as usize, 1, &conditions);
        change(&mut network);
        match network.fate(Ticks::ZERO, NodeId(from), NodeId(to), &conditions) {
            Fate::Arrives { first, again: None, delayed: false } => Some(first.0),
            Fate::Arrives { .. } => panic!("nothing is to happen to it"),
            Fate::Lost(fault) => {
                assert_eq!(fault, None);
                None
            }
        }
    }

    #[test]
    fn a_message_takes_as_long_as_the_slower_of_its_ends_and_as_the_link_lets_it() {
        for (from, to) in (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to))) {
            let usual = time(from, to, |_| {}).expect("it arrives");
            let slow = time(from, to, |network| {
                network.slow(NodeId(0), 3);
                network.slow(NodeId(1), 7);
            });
            let factor = if from == 1 || to == 1 {
                7
            } else if from == 0 || to == 0 {
                3
            } else {
                1
            };
            assert_eq!(slow, Some(usual * factor), "{from} to {to}");
            let again = time(from, to, |network| {
                network.slow(NodeId(1), 7);
                network.slow(NodeId(1), 1);
            });
            assert_eq!(again, Some(usual));
            assert_eq!(time(from, to, |network| network.cut(&[(from, to)], true)), None);
            let held = time(from, to, |network| assert!(network.clog(&[(from, to)], Ticks(50_000))));
            assert_eq!(held, Some(usual + 50_000));
        }
    }

    #[test]
    fn a_parcel_is_itself_once_and_its_place_is_used_again() {
        let conditions = Conditions::draw(1, Profile::CALM, &Pace::default());
        let mut network = Network::<Types>::new(NODES as usize, 1, &conditions);
        let takes = |network: &mut Network<Types>, place, message: u8, last| {
            assert_eq!(network.arrive(place), (NodeId(2), last));
            let landed = network.land(place, last);
            assert!(matches!(landed, Input::Message { from: NodeId(1), message: m } if m == message));
        };
        let one = network.take_off(NodeId(1), NodeId(2), 2, 7);
        let other = network.take_off(NodeId(1), NodeId(2), 1, 8);
        takes(&mut network, one, 7, false);
        assert_eq!(network.in_flight(), 2);
        takes(&mut network, one, 7, true);
        assert_eq!(network.in_flight(), 1);
        assert_eq!(network.take_off(NodeId(1), NodeId(2), 1, 9), one);
        takes(&mut network, other, 8, true);
        takes(&mut network, one, 9, true);
        assert_eq!(network.in_flight(), 0);
    }
}
