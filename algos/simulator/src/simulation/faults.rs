//! When faults strike, and when what lasts ends.
//!
//! Each kind of fault that strikes at moments has its own rhythm: the time to the next is drawn between
//! half and one and a half times the mean that the seed drew for the kind. What lasts is an outage that
//! knows how to mend itself. Whom a fault strikes, and how, stands in `breakage` and `links`.
//!
//! Verified by `tests/it/faults.rs`.

use swarm_protocol::{NodeId, Properties, Service, Stream, Ticks, Violation};

use super::atlas::Harm;
use super::engine::{Due, Engine, Kind};
use super::links::{self, Links};
use super::{Injury, purpose};
use crate::profile::{Fault, Faults, Span};

/// A fault that lasts, by what ends it.
enum Outage {
    Cut(Links),
    /// Links that are cut and mended in turn, until then.
    Flapping {
        links: Links,
        cut: bool,
        until: Ticks,
    },
    Clogged(Links),
    Slow(u32),
    Full(NodeId),
    Mended,
}

/// Faults under way.
pub(super) struct Outages {
    list: Vec<Outage>,
    /// How often links that flap have done so.
    flaps: u64,
    /// How often each fault has looked for a victim: the ordinal of its next draws.
    tried: [u64; Fault::ALL.len()],
    /// How often each fault has struck.
    pub(super) struck: [u64; Fault::ALL.len()],
}

/// Kinds of faults that strike at moments; the others are properties of a whole run.
const STRIKING: Faults = Faults::of(&[
    Fault::Partition,
    Fault::OneWay,
    Fault::Crash,
    Fault::Slowness,
    Fault::Stall,
    Fault::DiskFailure,
    Fault::Partial,
    Fault::Bridge,
    Fault::Flapping,
    Fault::Clog,
    Fault::Jump,
    Fault::Wipe,
    Fault::Misdirected,
    Fault::Corruption,
    Fault::DiskFull,
    Fault::Twins,
    Fault::Pause,
]);

/// A slow node takes up to this many times as long.
const SLOWNESS_MAX: u64 = 50;

/// How long links that flap stay cut, or whole.
const FLAP: Span = Span::micros(1_000, 200_000);

impl Outages {
    pub(super) const fn new() -> Self {
        let zero = [0; Fault::ALL.len()];
        Outages { list: Vec::new(), flaps: 0, tried: zero, struck: zero }
    }
}

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    fn fault_draw(&self, fault: Fault) -> Stream {
        Stream::new(self.seed, purpose::FAULT + fault as u64, self.outages.tried[fault as usize])
    }

    /// Schedules the first strike of each kind that is switched on.
    pub(super) fn start_faults(&mut self) {
        for node in (0..self.hosts.len()).filter(|node| self.hosts[*node].drift != 0).collect::<Vec<_>>() {
            self.outages.struck[Fault::Drift as usize] += 1;
            self.met(Fault::Drift, NodeId(node as u32));
        }
        for fault in self.conditions.faults.iter().filter(|fault| STRIKING.contains(*fault)) {
            self.schedule_next(fault);
        }
    }

    fn schedule_next(&mut self, fault: Fault) {
        let mean = self.conditions.interval[fault as usize].0;
        let pause = Ticks(self.fault_draw(fault).between(mean / 2, mean + mean / 2));
        self.schedule_after(pause, Due::numbered(Kind::Fault, fault as u32));
    }

    /// A fault of this kind strikes, if it finds a victim and the atlas permits.
    pub(super) fn strike(&mut self, fault: Fault) -> Result<(), Violation> {
        if self.network.healed {
            return Ok(());
        }
        let mut stream = self.fault_draw(fault);
        // The first draw of this stream was the pause that led here.
        stream.draw();
        let draw = &mut stream;
        let struck = match fault {
            Fault::Partition => self.cut(fault, draw, links::full),
            Fault::Bridge => self.cut(fault, draw, links::bridge),
            Fault::Partial => self.cut(fault, draw, links::partial),
            Fault::OneWay => self.cut(fault, draw, links::one_way),
            Fault::Flapping => self.flap(draw),
            Fault::Clog => self.clog(draw),
            Fault::Crash => self.crash(draw)?,
            Fault::Wipe => self.wipe(draw),
            Fault::Slowness => self.slow_down(draw),
            Fault::Stall => self.stall(draw),
            Fault::DiskFailure => self.fail_disk(draw)?,
            Fault::DiskFull => self.fill_disk(draw),
            Fault::Corruption => self.corrupt(draw),
            Fault::Misdirected => self.misdirect(draw),
            Fault::Jump => self.jump(draw),
            Fault::Twins => self.rewire_twins(draw),
            Fault::Pause => self.hold_up(draw),
            Fault::Loss
            | Fault::Duplication
            | Fault::Delay
            | Fault::Drift
            | Fault::Batching
            | Fault::Torn
            | Fault::Reordered
            | Fault::Adversary => false,
        };
        self.outages.tried[fault as usize] += 1;
        self.outages.struck[fault as usize] += u64::from(struck);
        self.schedule_next(fault);
        Ok(())
    }

    /// How long an outage that begins now lasts: until everything is healed, at most.
    pub(super) fn outage_length(&self, stream: &mut Stream) -> Ticks {
        let left = self.simulation.pace.faults.since(self.now);
        self.simulation.pace.outage.draw_scale(stream).min(left)
    }

    fn outage(&mut self, length: Ticks, what: Outage) {
        self.outages.list.push(what);
        self.schedule_after(length, Due::numbered(Kind::Mend, self.outages.list.len() as u32 - 1));
    }

    fn cut(&mut self, fault: Fault, stream: &mut Stream, shape: fn(&mut Stream, u32) -> Links) -> bool {
        let links = shape(stream, self.simulation.nodes);
        self.met_links(fault, &links);
        self.network.cut(&links, true);
        let struck = !links.is_empty();
        if struck {
            let length = self.outage_length(stream);
            self.outage(length, Outage::Cut(links));
        }
        struck
    }

    /// Notes for coverage whom a fault of links keeps from being heard.
    fn met_links(&mut self, fault: Fault, links: &[(u32, u32)]) {
        for node in (0..self.simulation.nodes).filter(|node| links.iter().any(|(from, _)| from == node)) {
            self.met(fault, NodeId(node));
        }
    }

    /// Of each pair of twins, every other node is with one for a while, or with both.
    fn rewire_twins(&mut self, stream: &mut Stream) -> bool {
        let Some(liars) = &self.liars else { return false };
        let links = liars.wiring(stream);
        self.met_links(Fault::Twins, &links);
        self.network.cut(&links, true);
        let struck = !links.is_empty();
        if struck {
            let length = self.outage_length(stream);
            self.outage(length, Outage::Cut(links));
        }
        struck
    }

    fn flap(&mut self, stream: &mut Stream) -> bool {
        let links = links::any(stream, self.simulation.nodes);
        if links.is_empty() {
            return false;
        }
        let until = self.now + self.outage_length(stream);
        self.met_links(Fault::Flapping, &links);
        self.network.cut(&links, true);
        self.outage(FLAP.draw_scale(stream), Outage::Flapping { links, cut: true, until });
        true
    }

    fn clog(&mut self, stream: &mut Stream) -> bool {
        let links = links::around(stream, self.simulation.nodes);
        let length = self.outage_length(stream);
        if links.is_empty() || !self.network.clog(&links, self.now + length) {
            return false;
        }
        self.met_links(Fault::Clog, &links);
        self.outage(length, Outage::Clogged(links));
        true
    }

    fn slow_down(&mut self, stream: &mut Stream) -> bool {
        let victim = stream.below(u64::from(self.simulation.nodes)) as u32;
        if self.hosts[victim as usize].slowness > 1 {
            return false;
        }
        self.met(Fault::Slowness, NodeId(victim));
        let factor = stream.between(2, SLOWNESS_MAX);
        self.hosts[victim as usize].slowness = factor;
        self.network.slow(NodeId(victim), factor as u16);
        let length = self.outage_length(stream);
        self.outage(length, Outage::Slow(victim));
        true
    }

    fn stall(&mut self, stream: &mut Stream) -> bool {
        let victim = stream.below(u64::from(self.simulation.nodes)) as usize;
        let until = self.now + self.simulation.pace.outage.draw_scale(stream);
        self.met(Fault::Stall, NodeId(victim as u32));
        let stalled_until = &mut self.hosts[victim].stalled_until;
        *stalled_until = until.max(*stalled_until);
        true
    }

    /// A node takes nothing for a while. Of four times in three it is one that has a role of its own, if there is
    /// one: if a single node leads, it. And in three it is cut off from the others for longer, so that what it finds
    /// when it goes on is what they sent before.
    fn hold_up(&mut self, stream: &mut Stream) -> bool {
        let nodes = self.simulation.nodes;
        let (any, special) = (stream.below(u64::from(nodes)) as usize, stream.below(4) > 0);
        let role = |node: usize| self.nodes[node].as_ref().map(P::role);
        let alone = |node: &usize| {
            let others = (0..nodes as usize).filter(|other| other != node);
            role(*node).is_some() && others.map(role).all(|other| other != role(*node))
        };
        let victim = (0..nodes as usize).find(alone).filter(|_| special).unwrap_or(any);
        let (length, more) = (self.outage_length(stream), self.outage_length(stream));
        let until = self.now + length;
        if self.nodes[victim].is_none() || self.hosts[victim].held_until >= until {
            return false;
        }
        let node = NodeId(victim as u32);
        self.met(Fault::Pause, node);
        self.hosts[victim].held_until = until;
        self.held_until = until.max(self.held_until);
        if stream.below(4) > 0 {
            let others = (0..nodes).filter(|other| *other != node.0);
            let links: Links = others.flat_map(|other| [(node.0, other), (other, node.0)]).collect();
            self.network.cut(&links, true);
            let left = self.simulation.pace.faults.since(self.now);
            self.outage((length + more).min(left), Outage::Cut(links));
        }
        true
    }

    /// Whether the node is held up: then what is due is due when it goes on, in the same order.
    pub(super) fn postpones(&mut self, node: NodeId, due: Due) -> bool {
        let left = self.hosts[node.index()].held_until.since(self.now);
        if left > Ticks::ZERO {
            self.schedule_after(left, due);
        }
        left > Ticks::ZERO
    }

    /// A disk takes no more writes for a while: whoever writes is told so, and started again at the end.
    fn fill_disk(&mut self, stream: &mut Stream) -> bool {
        let victim = NodeId(stream.below(u64::from(self.simulation.nodes)) as u32);
        let host = &self.hosts[victim.index()];
        if self.nodes[victim.index()].is_none() || host.full || !self.atlas.permits(&[Harm::Down(victim)]) {
            return false;
        }
        self.met(Fault::DiskFull, victim);
        self.hosts[victim.index()].full = true;
        self.injure(Injury::Full(victim));
        let length = self.outage_length(stream);
        self.outage(length, Outage::Full(victim));
        true
    }

    /// An outage ends, or turns.
    pub(super) fn mend(&mut self, number: u32) -> Result<(), Violation> {
        match core::mem::replace(&mut self.outages.list[number as usize], Outage::Mended) {
            Outage::Cut(links) => self.network.cut(&links, false),
            Outage::Flapping { links, cut, until } => {
                if cut {
                    self.network.cut(&links, false);
                }
                if self.now >= until || self.network.healed {
                    return Ok(());
                }
                if !cut {
                    self.network.cut(&links, true);
                }
                self.outages.flaps += 1;
                let mut stream = Stream::new(self.seed, purpose::FLAP, self.outages.flaps);
                self.outages.list[number as usize] = Outage::Flapping { links, cut: !cut, until };
                self.schedule_after(FLAP.draw_scale(&mut stream), Due::numbered(Kind::Mend, number));
            }
            Outage::Clogged(links) => self.network.unclog(&links),
            Outage::Slow(node) => {
                self.hosts[node as usize].slowness = 1;
                self.network.slow(NodeId(node), 1);
            }
            Outage::Full(node) => {
                self.hosts[node.index()].full = false;
                self.has_room(node)?;
            }
            Outage::Mended => {}
        }
        Ok(())
    }

    /// Every outage ends.
    pub(super) fn mend_all(&mut self) -> Result<(), Violation> {
        for number in 0..self.outages.list.len() as u32 {
            self.mend(number)?;
        }
        Ok(())
    }
}
