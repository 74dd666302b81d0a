//! When faults strike, whom, and when they end.
//!
//! Each kind of fault that strikes at moments has its own rhythm: the time to the next is drawn between
//! half and one and a half times the mean that the seed drew for the kind. What lasts is an outage that
//! knows how to mend itself.

use swarm_protocol::{Input, NodeId, Properties, Service, Stream, Ticks, Violation};

use super::engine::{Due, Engine};
use super::purpose;
use crate::profile::{Fault, Faults};
use crate::{Event, EventClass, Slot};

/// A fault that lasts, by what ends it.
enum Outage {
    Cut(Vec<(u32, u32)>),
    Slow(u32),
    Mended,
}

/// Faults under way.
pub(super) struct Outages {
    list: Vec<Outage>,
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
]);

/// A slow node takes up to this many times as long.
const SLOWNESS_MAX: u64 = 50;

impl Outages {
    pub(super) const fn new() -> Self {
        Outages { list: Vec::new(), tried: [0; Fault::ALL.len()], struck: [0; Fault::ALL.len()] }
    }
}

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    fn fault_draw(&self, fault: Fault) -> Stream {
        Stream::new(self.seed, purpose::FAULT + fault as u64, self.outages.tried[fault as usize])
    }

    /// Schedules the first strike of each kind that is switched on.
    pub(super) fn start_faults(&mut self) {
        self.outages.struck[Fault::Drift as usize] =
            self.hosts.iter().filter(|host| host.drift != 0).count() as u64;
        for fault in self.conditions.faults.iter().filter(|fault| STRIKING.contains(*fault)) {
            self.schedule_next(fault);
        }
    }

    fn schedule_next(&mut self, fault: Fault) {
        let mean = self.conditions.interval[fault as usize].0;
        let pause = Ticks(self.fault_draw(fault).between(mean / 2, mean + mean / 2));
        self.schedule_after(pause, Due::Fault(fault));
    }

    /// A fault of this kind strikes, if it finds a victim.
    pub(super) fn strike(&mut self, fault: Fault) -> Result<(), Violation> {
        if self.network.healed {
            return Ok(());
        }
        let mut stream = self.fault_draw(fault);
        // The first draw of this stream was the pause that led here.
        stream.draw();
        let struck = match fault {
            Fault::Partition => self.partition(&mut stream),
            Fault::OneWay => self.one_way(&mut stream),
            Fault::Crash => self.crash(&mut stream),
            Fault::Slowness => self.slow_down(&mut stream),
            Fault::Stall => self.stall(&mut stream),
            Fault::DiskFailure => self.fail_disk(&mut stream)?,
            Fault::Loss | Fault::Duplication | Fault::Delay | Fault::Drift | Fault::Batching => false,
        };
        self.outages.tried[fault as usize] += 1;
        self.outages.struck[fault as usize] += u64::from(struck);
        self.schedule_next(fault);
        Ok(())
    }

    fn outage(&mut self, stream: &mut Stream, what: Outage) {
        let length = self.simulation.pace.outage.draw_scale(stream);
        self.outages.list.push(what);
        self.schedule_after(length, Due::Mend(self.outages.list.len() as u32 - 1));
    }

    fn cut(&mut self, fault: Fault, stream: &mut Stream, links: Vec<(u32, u32)>) -> bool {
        for node in (0..self.simulation.nodes).filter(|node| links.iter().any(|(from, _)| from == node)) {
            self.met(fault, NodeId(node));
        }
        for (from, to) in &links {
            self.network.cut(*from, *to, true);
        }
        let struck = !links.is_empty();
        if struck {
            self.outage(stream, Outage::Cut(links));
        }
        struck
    }

    /// Two sides that do not hear each other; in one case of two, one side is a single node. In one case
    /// of four a third node hears both: a partial partition.
    fn partition(&mut self, stream: &mut Stream) -> bool {
        let n = self.simulation.nodes;
        let alone = (stream.below(2) == 0).then(|| stream.below(u64::from(n)) as u32);
        let bridge = (stream.below(4) == 0).then(|| stream.below(u64::from(n)) as u32);
        let side: Vec<bool> =
            (0..n).map(|node| alone.map_or_else(|| stream.below(2) == 0, |alone| alone == node)).collect();
        let apart =
            |a: u32, b: u32| side[a as usize] != side[b as usize] && bridge != Some(a) && bridge != Some(b);
        let links = (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).filter(|(a, b)| apart(*a, *b)).collect();
        self.cut(Fault::Partition, stream, links)
    }

    /// One node is not heard by some, or by anyone, whom it hears.
    fn one_way(&mut self, stream: &mut Stream) -> bool {
        let n = self.simulation.nodes;
        let mute = stream.below(u64::from(n)) as u32;
        let by_all = stream.below(2) == 0;
        let links = (0..n)
            .filter(|to| *to != mute && (by_all || stream.below(2) == 0))
            .map(|to| (mute, to))
            .collect();
        self.cut(Fault::OneWay, stream, links)
    }

    /// In one case of two a node goes down now, in the other when it next has writes under way: between
    /// two of them, that is.
    fn crash(&mut self, stream: &mut Stream) -> bool {
        let victim = NodeId(stream.below(u64::from(self.simulation.nodes)) as u32);
        if stream.below(2) == 0 {
            self.hosts[victim.index()].ambushed = true;
            return false;
        }
        self.go_down(victim, stream)
    }

    /// A node that was ambushed goes down, with writes under way.
    pub(super) fn spring(&mut self, victim: NodeId) {
        if self.network.healed {
            return;
        }
        let mut stream = Stream::new(self.seed, purpose::AMBUSH, self.outages.struck[Fault::Crash as usize]);
        let struck = self.go_down(victim, &mut stream);
        self.outages.struck[Fault::Crash as usize] += u64::from(struck);
    }

    fn go_down(&mut self, victim: NodeId, stream: &mut Stream) -> bool {
        let down = self.nodes.iter().filter(|node| node.is_none()).count();
        if down >= self.simulation.down_max as usize || self.nodes[victim.index()].is_none() {
            return false;
        }
        self.met(Fault::Crash, victim);
        let host = &mut self.hosts[victim.index()];
        let kept = stream.below(u64::from(host.outstanding()) + 1) as u32;
        host.crash(kept, stream.below(2) == 0);
        self.nodes[victim.index()] = None;
        self.note(EventClass::Crash, victim, u64::from(kept), || Event::Crash { at: Slot::of(victim), kept });
        let length = self.simulation.pace.outage.draw_scale(stream);
        self.schedule_after(length, Due::Restart { node: victim });
        true
    }

    fn slow_down(&mut self, stream: &mut Stream) -> bool {
        let victim = stream.below(u64::from(self.simulation.nodes)) as u32;
        if self.hosts[victim as usize].slowness > 1 {
            return false;
        }
        self.met(Fault::Slowness, NodeId(victim));
        self.hosts[victim as usize].slowness = stream.between(2, SLOWNESS_MAX);
        self.outage(stream, Outage::Slow(victim));
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

    fn fail_disk(&mut self, stream: &mut Stream) -> Result<bool, Violation> {
        let victim = NodeId(stream.below(u64::from(self.simulation.nodes)) as u32);
        if self.nodes[victim.index()].is_none() || self.hosts[victim.index()].outstanding() == 0 {
            return Ok(false);
        }
        self.met(Fault::DiskFailure, victim);
        let first = self.hosts[victim.index()].fail();
        self.note(EventClass::DiskFail, victim, 0, || Event::DiskFail { at: Slot::of(victim) });
        self.input(victim, Input::DiskFailed(first))?;
        Ok(true)
    }

    /// An outage ends.
    pub(super) fn mend(&mut self, number: u32) {
        match core::mem::replace(&mut self.outages.list[number as usize], Outage::Mended) {
            Outage::Cut(links) => {
                for (from, to) in links {
                    self.network.cut(from, to, false);
                }
            }
            Outage::Slow(node) => self.hosts[node as usize].slowness = 1,
            Outage::Mended => {}
        }
    }

    /// Everything that lasts ends, nothing strikes any more, and all nodes are up.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.network.healed = true;
        for number in 0..self.outages.list.len() as u32 {
            self.mend(number);
        }
        for node in (0..self.simulation.nodes).map(NodeId) {
            let host = &mut self.hosts[node.index()];
            if core::mem::take(&mut host.stalled_until) > self.now && host.syncing > 0 {
                // The sync under way may wait for the end of the stall: another one takes its place.
                host.disk += 1;
                host.syncing = 0;
                self.start_sync(node);
            }
            self.restart(node)?;
        }
        self.heal_clients();
        self.schedule_after(self.simulation.pace.progress, Due::Deadline);
        Ok(())
    }

    /// A node boots, if it is down.
    pub(super) fn restart(&mut self, node: NodeId) -> Result<(), Violation> {
        if self.nodes[node.index()].is_some() {
            return Ok(());
        }
        self.note(EventClass::Restart, node, 0, || Event::Restart { at: Slot::of(node) });
        self.boot(node)
    }
}
