//! What breaks at a node: it goes down, its disk loses, fails or spoils records, its clock jumps.
//!
//! A node goes down with what its journal will find again: the durable records, and of those on their way as
//! many as the device kept and the reading rule trusts ([`super::disk`]). Nothing strikes that the
//! [atlas](super::atlas) does not permit; a disk that is damaged counts as lost at once, though nobody notices
//! before the node boots again.
//!
//! Verified by `tests/it/{faults,disks,atlas}.rs`.

use swarm_protocol::{Input, NodeId, Properties, Service, Stream, Violation};

use super::atlas::Harm;
use super::disk::{self, Found, Frame, Journal, Truth};
use super::engine::{Due, Engine, Kind};
use super::{Injury, purpose};
use crate::profile::{Fault, Span};
use crate::{Event, EventClass, Slot};

/// By how much a clock jumps.
const JUMP: Span = Span::micros(1_000, 10_000_000);

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    fn any_node(&self, stream: &mut Stream) -> NodeId {
        NodeId(stream.below(u64::from(self.simulation.nodes)) as u32)
    }

    /// In one case of two a node goes down now, in the other when it next has writes under way: between
    /// two of them, that is.
    pub(super) fn crash(&mut self, stream: &mut Stream) -> Result<bool, Violation> {
        let victim = self.any_node(stream);
        if stream.below(2) == 0 {
            self.hosts[victim.index()].ambushed = true;
            return Ok(false);
        }
        self.go_down(victim, stream)
    }

    /// A node that was ambushed goes down, with writes under way.
    pub(super) fn spring(&mut self, victim: NodeId) -> Result<(), Violation> {
        if self.network.healed {
            return Ok(());
        }
        let mut stream = Stream::new(self.seed, purpose::AMBUSH, self.outages.struck[Fault::Crash as usize]);
        let struck = self.go_down(victim, &mut stream)?;
        self.outages.struck[Fault::Crash as usize] += u64::from(struck);
        Ok(())
    }

    fn go_down(&mut self, victim: NodeId, stream: &mut Stream) -> Result<bool, Violation> {
        if self.nodes[victim.index()].is_none() || !self.atlas.permits(&[Harm::Down(victim)]) {
            return Ok(false);
        }
        self.met(Fault::Crash, victim);
        let found = self.what_is_found(victim, stream)?;
        self.take_down(victim, &found, stream.below(2) == 0);
        if found != Found::Refused {
            let length = self.outage_length(stream);
            self.schedule_after(length, Due::of(Kind::Restart, victim, 0));
        }
        Ok(true)
    }

    /// A node goes down with what its journal has been found to hold.
    fn take_down(&mut self, victim: NodeId, found: &Found, compact: bool) {
        let host = &mut self.hosts[victim.index()];
        let durable = host.durable().len() as u32;
        let records = match found {
            Found::Records(records) => *records,
            Found::Refused => {
                host.away = true;
                self.atlas.refused();
                durable
            }
        };
        host.crash(records, compact && *found != Found::Refused);
        self.down(victim, records.saturating_sub(durable));
    }

    fn down(&mut self, victim: NodeId, kept: u32) {
        self.nodes[victim.index()] = None;
        self.note(EventClass::Crash, victim, u64::from(kept), || Event::Crash { at: Slot::of(victim), kept });
    }

    /// A node goes down, and its disk is gone.
    pub(super) fn wipe(&mut self, stream: &mut Stream) -> bool {
        let victim = self.any_node(stream);
        let harms = [Harm::Down(victim), Harm::Lost(victim)];
        if self.nodes[victim.index()].is_none() || !self.atlas.permits(&harms) {
            return false;
        }
        self.met(Fault::Wipe, victim);
        let returns = self.atlas.assumption().wiped_returns;
        let host = &mut self.hosts[victim.index()];
        host.crash(0, false);
        host.away = !returns;
        self.injure(Injury::Wiped(victim));
        self.down(victim, 0);
        if returns {
            let length = self.outage_length(stream);
            self.schedule_after(length, Due::of(Kind::Restart, victim, 0));
        }
        true
    }

    /// What the journal of a node that goes down will find when it is read.
    fn what_is_found(&mut self, victim: NodeId, stream: &mut Stream) -> Result<Found, Violation> {
        let host = &self.hosts[victim.index()];
        let (durable, outstanding) = (host.durable().len() as u32, host.outstanding());
        // Every draw is made, whatever is switched on.
        let kept = stream.below(u64::from(outstanding) + 1) as u32;
        let (survivors, reordered, torn) = (stream.draw(), stream.below(2) == 0, stream.below(2) == 0);
        let on = |fault, drawn| drawn && outstanding > 0 && self.conditions.faults.contains(fault);
        let (reordered, torn) = (on(Fault::Reordered, reordered), on(Fault::Torn, torn));
        if !reordered && !torn && !host.is_damaged() {
            return Ok(Found::Records(durable + kept));
        }
        let mut journal = host.journal();
        let mut survives = Stream::new(survivors, purpose::AMBUSH, 0);
        journal.frames.extend((0..outstanding).map(|ordinal| {
            let there = if reordered { survives.below(2) == 0 } else { ordinal < kept };
            if there { Frame::Whole { place: durable + ordinal, durable } } else { Frame::Unreadable }
        }));
        let tail = &mut journal.frames[durable as usize..];
        let whole = |frame: &Frame| *frame != Frame::Unreadable;
        let disorder = tail.iter().skip_while(|frame| whole(frame)).any(whole);
        let last = tail.iter_mut().rev().find(|frame| whole(frame));
        let mut struck = [(Fault::Reordered, disorder), (Fault::Torn, false)];
        if let Some(last) = last.filter(|_| torn) {
            *last = Frame::Unreadable;
            struck[1].1 = true;
        }
        for (fault, _) in struck.into_iter().filter(|(_, struck)| *struck) {
            self.outages.struck[fault as usize] += 1;
            self.met(fault, victim);
        }
        let truth = truth_of(&journal, durable);
        disk::judged(&(self.simulation.journal)(&journal), &truth)
    }

    /// A synced record becomes unreadable.
    pub(super) fn corrupt(&mut self, stream: &mut Stream) -> bool {
        let victim = self.any_node(stream);
        let durable = self.hosts[victim.index()].durable().len() as u64;
        if self.nodes[victim.index()].is_none() || durable == 0 {
            return false;
        }
        self.spoil(Fault::Corruption, victim, &[(stream.below(durable) as u32, Frame::Unreadable)])
    }

    /// A synced record went to the place of an earlier one, and is not in its own.
    pub(super) fn misdirect(&mut self, stream: &mut Stream) -> bool {
        let victim = self.any_node(stream);
        let durable = self.hosts[victim.index()].durable().len() as u64;
        if self.nodes[victim.index()].is_none() || durable < 2 {
            return false;
        }
        // In one case of two it is the newest.
        let place = stream.between(1, durable - 1).max((durable - 1) * stream.below(2));
        let frame = self.hosts[victim.index()].journal().frames[place as usize];
        let other = stream.below(place) as u32;
        self.spoil(Fault::Misdirected, victim, &[(other, frame), (place as u32, Frame::Unreadable)])
    }

    /// Damages a journal, if the atlas permits what will come of it.
    fn spoil(&mut self, fault: Fault, victim: NodeId, damage: &[(u32, Frame)]) -> bool {
        let host = &self.hosts[victim.index()];
        let mut journal = host.journal();
        for (place, frame) in damage {
            journal.frames[*place as usize] = *frame;
        }
        // What is written later can only prove more.
        let truth = truth_of(&journal, journal.frames.len() as u32);
        let noticed = [Harm::Lost(victim), Harm::Forgets(victim)];
        if !self.atlas.permits(if truth.proved { &noticed[..1] } else { &noticed }) {
            return false;
        }
        self.met(fault, victim);
        for (place, frame) in damage {
            self.hosts[victim.index()].spoil(*place, *frame);
            self.injure(Injury::Spoilt(victim, *place));
        }
        true
    }

    /// A disk fails the writes under way. Its node is started again later.
    pub(super) fn fail_disk(&mut self, stream: &mut Stream) -> Result<bool, Violation> {
        let victim = self.any_node(stream);
        if self.nodes[victim.index()].is_none()
            || self.hosts[victim.index()].outstanding() == 0
            || !self.atlas.permits(&[Harm::Down(victim)])
        {
            return Ok(false);
        }
        let length = self.outage_length(stream);
        self.schedule_after(length, Due::of(Kind::Restart, victim, 0));
        self.met(Fault::DiskFailure, victim);
        self.fail_writes(victim)?;
        Ok(true)
    }

    /// The outstanding writes of a node, of which there are some, fail.
    pub(super) fn fail_writes(&mut self, victim: NodeId) -> Result<(), Violation> {
        let first = self.hosts[victim.index()].fail();
        self.note(EventClass::DiskFail, victim, 0, || Event::DiskFail { at: Slot::of(victim) });
        self.input(victim, Input::DiskFailed(first))
    }

    /// A node whose disk has failed goes down, to be started again if its journal can be read; what it had
    /// under way is lost.
    pub(super) fn give_up(&mut self, victim: NodeId) -> Result<(), Violation> {
        let host = &self.hosts[victim.index()];
        let durable = host.durable().len() as u32;
        let found = if host.is_damaged() {
            let journal = host.journal();
            disk::judged(&(self.simulation.journal)(&journal), &truth_of(&journal, durable))?
        } else {
            Found::Records(durable)
        };
        self.take_down(victim, &found, false);
        Ok(())
    }

    /// A clock jumps.
    pub(super) fn jump(&mut self, stream: &mut Stream) -> bool {
        let victim = self.any_node(stream);
        let (far, back) = (JUMP.draw_scale(stream).0.cast_signed(), stream.below(2) == 0);
        if !self.atlas.permits(&[Harm::Jump]) {
            return false;
        }
        self.met(Fault::Jump, victim);
        // A clock that is set back to its beginning goes on from there. Set back further, it would stand still until
        // then, which no clock does, and which keeps whoever measures time by it waiting for as long.
        let shown = self.hosts[victim.index()].clock(self.now).0.cast_signed();
        let far = if back { -far.min(shown) } else { far };
        self.hosts[victim.index()].offset += far;
        self.injure(Injury::Jumped(victim, far));
        true
    }
}

/// What is known of a journal of which so many records were durable.
fn truth_of(journal: &Journal, durable: u32) -> Truth {
    let right = (0..)
        .zip(&journal.frames)
        .take_while(|(own, frame)| matches!(frame, Frame::Whole { place, .. } if place == own));
    let whole = right.count() as u32;
    let says = |frame: &Frame| matches!(frame, Frame::Whole { durable, .. } if *durable > whole);
    let proved = whole < journal.finished || journal.frames.iter().skip(whole as usize).any(says);
    Truth { durable, whole, proved }
}
