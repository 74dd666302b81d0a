//! Messages on their way, and the links that carry them.

use swarm_protocol::{NodeId, Protocol, Purpose, Stream, Ticks};

use super::purpose;
use crate::profile::{Conditions, Fault};

/// The way of a message.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// How many times it will arrive, at least 1.
    pub(super) copies: u32,
}

/// The fate of a message that is sent.
pub(super) enum Fate {
    /// It arrives after so long, and perhaps once more after so long.
    Arrives { first: Ticks, again: Option<Ticks>, delayed: bool },
    /// It does not, for this reason if no outage has cut the link.
    Lost(Option<Fault>),
}

pub(super) struct Network<P: Protocol> {
    nodes: usize,
    /// Messages on their way, at places that entries of the queue name: where they go, and what they are.
    routes: Vec<Route>,
    messages: Vec<Option<P::Message>>,
    free: Vec<u32>,
    /// By sender, then receiver: how many faults cut the link, [`CLOGGED`] on top if it holds what it
    /// carries, and how long a message takes at least.
    obstacles: Vec<u16>,
    latency: Vec<u32>,
    /// By sender, then receiver, until when the link holds what it carries. Empty until one does.
    clogged_until: Vec<Ticks>,
    /// Messages sent so far: the ordinal of the next.
    sent: u64,
    draws: Purpose,
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
            conditions.latency.draw(&mut stream).0.max(1) as u32
        };
        Network {
            nodes,
            routes: Vec::new(),
            messages: Vec::new(),
            free: Vec::new(),
            obstacles: vec![0; nodes * nodes],
            latency: (0..nodes * nodes).map(link).collect(),
            clogged_until: Vec::new(),
            sent: 0,
            draws: Purpose::new(seed, purpose::MESSAGE),
            healed: false,
        }
    }

    /// What becomes of messages from now on is drawn as with this seed.
    pub(super) const fn draw_from(&mut self, seed: u64) {
        self.draws = Purpose::new(seed, purpose::MESSAGE);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.routes.len() - self.free.len()
    }

    /// Decides what becomes of the next message, which is sent at `now`. `slowness` is the factor of the
    /// slower of its ends.
    #[inline]
    pub(super) fn fate(
        &mut self,
        now: Ticks,
        from: NodeId,
        to: NodeId,
        slowness: u64,
        conditions: &Conditions,
    ) -> Fate {
        let link = from.index() * self.nodes + to.index();
        let mut stream = Stream::of(self.draws, self.sent);
        self.sent += 1;
        let time = |stream: &mut Stream| {
            (u64::from(self.latency[link]) + stream.below(conditions.jitter.0 + 1)) * slowness
        };
        let first = time(&mut stream);
        let obstacles = self.obstacles[link];
        if obstacles > 0 {
            if obstacles & !CLOGGED > 0 {
                return Fate::Lost(None);
            }
            // What is held leaves when the others do, and arrives close upon them.
            let held = self.clogged_until[link].since(now);
            return Fate::Arrives { first: held + Ticks(first), again: None, delayed: false };
        }
        if self.healed {
            return Fate::Arrives { first: Ticks(first), again: None, delayed: false };
        }
        // Zero rates, which are the most usual, draw nothing: the stream is this message's own.
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

    /// Puts a message on its way and returns its place.
    #[inline]
    pub(super) fn take_off(&mut self, route: Route, message: P::Message) -> u32 {
        if let Some(place) = self.free.pop() {
            self.routes[place as usize] = route;
            self.messages[place as usize] = Some(message);
            place
        } else {
            self.routes.push(route);
            self.messages.push(Some(message));
            self.routes.len() as u32 - 1
        }
    }

    /// The way of the message at `place`, a copy of which arrives now.
    #[inline]
    pub(super) fn route(&self, place: u32) -> Route {
        self.routes[place as usize]
    }

    /// Takes a copy of the message at `place`: the last one itself.
    ///
    /// # Panics
    /// If no message is at that place: an error of the engine.
    #[inline]
    pub(super) fn land(&mut self, place: u32) -> P::Message {
        let copies = &mut self.routes[place as usize].copies;
        let message = &mut self.messages[place as usize];
        *copies -= 1;
        let landed = if *copies == 0 {
            self.free.push(place);
            message.take()
        } else {
            message.clone()
        };
        landed.expect("an entry of the queue names a message on its way")
    }

    /// Cuts each of these links once more, or mends one cut of each.
    pub(super) fn cut(&mut self, links: &[(u32, u32)], cut: bool) {
        for (from, to) in links {
            let obstacles = &mut self.obstacles[*from as usize * self.nodes + *to as usize];
            *obstacles = if cut { *obstacles + 1 } else { *obstacles - 1 };
        }
    }

    /// Makes these links hold what they carry until then. Nothing happens, and `false` comes back, if one
    /// of them does already.
    pub(super) fn clog(&mut self, links: &[(u32, u32)], until: Ticks) -> bool {
        let places = || links.iter().map(|(from, to)| *from as usize * self.nodes + *to as usize);
        if places().any(|link| self.obstacles[link] & CLOGGED > 0) {
            return false;
        }
        self.clogged_until.resize(self.nodes * self.nodes, Ticks::ZERO);
        for (from, to) in links {
            let link = *from as usize * self.nodes + *to as usize;
            self.obstacles[link] |= CLOGGED;
            self.clogged_until[link] = until;
        }
        true
    }

    /// Lets these links carry again.
    pub(super) fn unclog(&mut self, links: &[(u32, u32)]) {
        for (from, to) in links {
            self.obstacles[*from as usize * self.nodes + *to as usize] &= !CLOGGED;
        }
    }
}
