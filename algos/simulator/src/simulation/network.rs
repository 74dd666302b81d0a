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

    /// Takes a copy of the message at `place`: if it is the last one, itself.
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
