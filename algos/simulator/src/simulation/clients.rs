//! Clients in a closed loop: ask, wait, think, ask again.
//!
//! A client follows the node that an operation which was not taken names. One that waits in vain goes
//! on as another process: what it asked for stays open, and may still take effect. A question reaches its
//! node, and an answer its client, at the moment at which it is noted; the ways between them are part of
//! the thinking.

use std::collections::BTreeSet;

use swarm_protocol::{Input, NodeId, OpId, Properties, Reply, Service, Stream, Ticks, Violation};

use super::engine::{Due, Engine, Kind};
use super::purpose;
use crate::history::{Call, History};
use crate::profile::Span;
use crate::world::CONTRACT;
use crate::{Event, EventClass};

pub(super) struct Client {
    process: u32,
    /// The number of the operation that it waits for.
    waits: Option<u32>,
    target: Option<NodeId>,
    /// Until when it waits.
    deadline: Ticks,
    /// The queue will look whether it has waited long enough: one entry, which moves on.
    watched: bool,
    /// It asks for nothing until everything is healed.
    parked: bool,
    /// It completed an operation that it asked for after everything was healed.
    pub(super) satisfied: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Pending,
    /// Nobody waits for an answer: it was said that there may be none.
    Open,
    Answered,
}

struct Asked {
    client: u32,
    call: Call,
    /// Its number in the list of all work.
    work: u32,
    status: Status,
}

pub(super) struct Clients<P: Service> {
    list: Vec<Client>,
    pub(super) unsatisfied: u32,
    /// By the number of the operation: a name, under which work is asked for once.
    asked: Vec<Asked>,
    /// Where in the history each piece of work was asked for first.
    work: Vec<Call>,
    /// Work that was not taken. Whichever client asks next asks for the first of it: in this order a
    /// [`crate::World`] allows it, too.
    turned_away: BTreeSet<u32>,
    /// Operations before this number were asked for while faults went on.
    asked_before_healing: u32,
    processes: u32,
    draws: u64,
    pub(super) history: History<P::Spec>,
    pub(super) healed_at: Option<Ticks>,
    pub(super) recovery: Option<Ticks>,
}

/// How long a client that was sent to a certain node waits before it asks there.
const REDIRECT: Span = Span::micros(50, 1_000);
/// How long a client waits that was turned away, or found nobody.
const RETRY: Span = Span::micros(1_000, 50_000);

impl<P: Service> Clients<P> {
    pub(super) fn new(clients: u32) -> Self {
        let client = |process| Client {
            process,
            waits: None,
            target: None,
            deadline: Ticks::ZERO,
            watched: false,
            parked: false,
            satisfied: false,
        };
        Clients {
            list: (0..clients).map(client).collect(),
            unsatisfied: clients,
            asked: Vec::new(),
            work: Vec::new(),
            turned_away: BTreeSet::new(),
            asked_before_healing: 0,
            processes: clients,
            draws: 0,
            history: History::new(),
            healed_at: None,
            recovery: None,
        }
    }
}

impl<P: Service> Clients<P> {
    /// Whom a client is about to ask, if it would rather wait than ask another: every other one would.
    pub(super) fn insists_on(&self, client: u32) -> Option<NodeId> {
        self.list[client as usize].target.filter(|_| client % 2 == 1)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.list.len() as u32
    }

    /// What was asked for, each piece of work once, and which of it each operation's name meant.
    pub(super) fn work(&self) -> (Vec<P::Op>, Vec<OpId>) {
        let ops = self.work.iter().map(|first| self.history.operation(*first).op.clone()).collect();
        (ops, self.asked.iter().map(|asked| OpId(u64::from(asked.work))).collect())
    }
}

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    fn client_draw(&mut self) -> Stream {
        self.clients.draws += 1;
        Stream::new(self.seed, purpose::CLIENT, self.clients.draws)
    }

    /// Lets every client begin.
    pub(super) fn start_clients(&mut self) {
        for client in 0..self.clients.list.len() as u32 {
            let mut stream = self.client_draw();
            let pause = self.simulation.pace.think.draw(&mut stream);
            self.schedule_after(pause, Due::numbered(Kind::Client, client));
        }
    }

    /// Everything is healed: parked clients go on.
    pub(super) fn heal_clients(&mut self) {
        self.clients.healed_at = Some(self.now);
        self.clients.asked_before_healing = self.clients.asked.len() as u32;
        for client in 0..self.clients.list.len() {
            if core::mem::replace(&mut self.clients.list[client].parked, false) {
                self.schedule_after(Ticks(1), Due::numbered(Kind::Client, client as u32));
            }
        }
    }

    /// A client asks.
    pub(super) fn client_turn(&mut self, client: u32) -> Result<(), Violation> {
        let mut stream = self.client_draw();
        let own = client as usize;
        let healed = self.clients.healed_at.is_some();
        let enough = self.clients.work.len() >= self.operations_max as usize;
        if !healed && enough && self.clients.turned_away.is_empty() {
            self.clients.list[own].parked = true;
            return Ok(());
        }
        let held = |target: &NodeId| self.hosts[target.index()].held_until > self.now;
        let up = |target: &NodeId| self.is_reachable(*target) && !held(target);
        let target = self.clients.list[own].target.filter(up).or_else(|| {
            let nodes = || (0..self.simulation.nodes).map(NodeId).filter(up);
            let running = nodes().count() as u64;
            let chosen = (running > 0).then(|| stream.below(running))?;
            nodes().nth(chosen as usize)
        });
        let Some(target) = target else {
            let pause = RETRY.draw(&mut stream);
            self.schedule_after(pause, Due::numbered(Kind::Client, client));
            return Ok(());
        };
        let number = self.clients.asked.len() as u32;
        let again = self.clients.turned_away.pop_first();
        let op = match again {
            Some(work) => {
                let first = self.clients.work[work as usize];
                self.clients.history.operation(first).op.clone()
            }
            None => {
                let mut stream = Stream::new(self.seed, purpose::WORKLOAD, self.clients.work.len() as u64);
                (self.simulation.workloads[self.workload as usize])(&mut stream)
            }
        };
        let waiting = &mut self.clients.list[own];
        waiting.target = Some(target);
        waiting.waits = Some(number);
        let patience = self.simulation.pace.client_timeout;
        waiting.deadline = self.now + patience;
        let watched = core::mem::replace(&mut waiting.watched, true);
        let call = self.clients.history.invoke(waiting.process, self.now, op.clone());
        let work = again.unwrap_or_else(|| {
            self.clients.work.push(call);
            self.clients.work.len() as u32 - 1
        });
        self.clients.asked.push(Asked { client, call, work, status: Status::Pending });
        if !watched {
            self.schedule_after(patience, Due::numbered(Kind::Patience, client));
        }
        let place = self.place_asked(target, &mut stream);
        let at = self.slot(place);
        let id = OpId(u64::from(number));
        self.note(EventClass::Invoke, place, id.0, || Event::Invoke { at, id, op: op.clone() });
        self.input(place, Input::Invoke { id, op })
    }

    /// The queue looks whether a client has waited for as long as it does.
    pub(super) fn look_at(&mut self, client: u32) {
        let waiting = &mut self.clients.list[client as usize];
        waiting.watched = waiting.waits.is_some() && self.now < waiting.deadline;
        if waiting.watched {
            let left = waiting.deadline - self.now;
            self.schedule_after(left, Due::numbered(Kind::Patience, client));
        } else if waiting.waits.is_some() {
            waiting.target = None;
            self.go_on_as_another(client);
        }
    }

    fn go_on_as_another(&mut self, client: u32) {
        let waiting = &mut self.clients.list[client as usize];
        waiting.waits = None;
        waiting.process = self.clients.processes;
        self.clients.processes += 1;
        self.think(client);
    }

    fn think(&mut self, client: u32) {
        let mut stream = self.client_draw();
        let pause = self.simulation.pace.think.draw(&mut stream);
        self.schedule_after(pause, Due::numbered(Kind::Client, client));
    }

    /// A node answers.
    ///
    /// # Errors
    /// If nobody asked, or the operation was answered before.
    pub(super) fn answered(&mut self, node: NodeId, id: OpId, answer: P::Answer) -> Result<(), Violation> {
        if self.is_liar(node) {
            // Nobody believes it.
            return Ok(());
        }
        let number = id.0 as usize;
        let Some(asked) = self.clients.asked.get_mut(number) else {
            return Err(Violation::new(CONTRACT, format!("{node} answers {id:?}, and nobody asked")));
        };
        match asked.status {
            Status::Pending => (),
            Status::Open => return Ok(()),
            Status::Answered => {
                let detail = format!("{node} answers {id:?} with {answer:?} after it was answered");
                return Err(Violation::new(CONTRACT, detail));
            }
        }
        let (client, call) = (asked.client, asked.call);
        let waits = self.clients.list[client as usize].waits == Some(id.0 as u32);
        asked.status = Status::Answered;
        match P::reply(&answer) {
            Reply::Done(answer) => {
                self.clients.history.complete(call, self.now, answer);
                if let Some(healed_at) = self.clients.healed_at {
                    self.clients.recovery.get_or_insert(self.now.since(healed_at));
                    let satisfied = number as u32 >= self.clients.asked_before_healing;
                    let client = &mut self.clients.list[client as usize];
                    if satisfied && waits && !client.satisfied {
                        client.satisfied = true;
                        self.clients.unsatisfied -= 1;
                    }
                }
                if waits {
                    self.clients.list[client as usize].waits = None;
                    self.think(client);
                }
            }
            Reply::NotTaken(better) => {
                self.clients.history.not_taken(call);
                self.clients.turned_away.insert(asked.work);
                if waits {
                    let waiting = &mut self.clients.list[client as usize];
                    waiting.waits = None;
                    waiting.target = better;
                    let mut stream = self.client_draw();
                    let pause = if better.is_some() { REDIRECT } else { RETRY }.draw(&mut stream);
                    self.schedule_after(pause, Due::numbered(Kind::Client, client));
                }
            }
            Reply::Unknown => {
                asked.status = Status::Open;
                if waits {
                    self.go_on_as_another(client);
                }
            }
        }
        Ok(())
    }
}
