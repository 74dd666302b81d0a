//! Two ways to run a protocol under faults, and what they share.
//!
//! | | time | who decides what happens next | for |
//! |---|---|---|---|
//! | [`World`] | none | the caller, among all enabled events | checker, [`walk`], fuzzer, [`scenario`] files |
//! | [`simulation::Simulation`] | virtual | one seed | millions of steps with faults, and healing |
//!
//! Both run the same [`swarm_protocol::Protocol`] values, judge the same properties, and speak of what
//! happens as the same [`Event`]s: a [`Trace`] of one can be replayed in the other, [shrunk](mod@shrink),
//! [drawn](diagram) and written down as a [`scenario`]. What clients saw is judged against the sequential
//! object that they were promised: in a world by a summary that is part of the state, in a simulation by
//! [`linearizability`] over the whole [`history`].
//!
//! This crate knows no protocol. It is verified on toy protocols with known flaws: each must be caught,
//! by the property that it breaks.
//!
//! # Example
//! Agreement on one value. n0 asks, the others prepare, n0 decides; three states, and what is promised is
//! on disk before it is said. `World` visits every order of events with a crash anywhere; `Simulation`
//! runs it through loss, partitions and crashes.
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! use swarm_protocol::{
//!     Delay, Effects, Input, Never, NodeId, NodeSet, OpId, Properties, Protocol, Reply, Service,
//!     Specification, Stream, Ticks, Violation,
//! };
//! use swarm_simulator::profile::Profile;
//! use swarm_simulator::simulation::Simulation;
//! use swarm_simulator::world::SyncMode;
//! use swarm_simulator::{Bounds, Setup, World};
//!
//! #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
//! enum State {
//!     #[default]
//!     Idle,
//!     Prepared(u8),
//!     Decided(u8),
//! }
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! struct Node {
//!     me: NodeId,
//!     state: State,
//!     /// n0: who has prepared.
//!     ready: NodeSet,
//!     /// n0: who waits for the decision.
//!     client: Option<OpId>,
//! }
//!
//! #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
//! enum Message {
//!     Prepare(u8),
//!     Ready,
//!     Decide(u8),
//! }
//!
//! #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
//! enum Timer {
//!     Retry,
//! }
//!
//! /// What a proposal comes to.
//! #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
//! enum Answer {
//!     Agreed(u8),
//!     AskLater,
//!     Ask(NodeId),
//! }
//!
//! const LEADER: NodeId = NodeId(0);
//! const RETRY: Delay = Delay { min: Ticks::from_millis(20), max: Ticks::from_millis(40) };
//!
//! impl Node {
//!     fn become_state(&mut self, state: State, out: &mut Effects<Self>) {
//!         if self.state != state {
//!             self.state = state;
//!             out.persist(state);
//!         }
//!     }
//!
//!     /// Sends what rests on the present state: once that is on disk.
//!     fn send(&self, to: NodeId, message: Message, out: &mut Effects<Self>) {
//!         match out.last_write() {
//!             Some(write) => out.send_after(write, to, message),
//!             None => out.send(to, message),
//!         }
//!     }
//!
//!     fn ask_others(&self, nodes: u32, value: u8, out: &mut Effects<Self>) {
//!         out.set_timer(Timer::Retry, RETRY);
//!         for node in NodeSet::first(nodes).difference(self.ready).iter() {
//!             self.send(node, Message::Prepare(value), out);
//!         }
//!     }
//! }
//!
//! impl Protocol for Node {
//!     type Config = u32; // How many nodes there are.
//!     type Message = Message;
//!     type Timer = Timer;
//!     type Op = u8; // The value proposed.
//!     type Answer = Answer;
//!     type Record = State;
//!     type Task = Never;
//!     type Outcome = Never;
//!     const LAST_RECORD_ONLY: bool = true;
//!
//!     fn recover(
//!         nodes: &u32,
//!         me: NodeId,
//!         disk: impl Iterator<Item = State>,
//!         out: &mut Effects<Self>,
//!     ) -> Self {
//!         let state = disk.last().unwrap_or_default();
//!         let node = Node { me, state, ready: [LEADER].into_iter().collect(), client: None };
//!         if let (LEADER, State::Prepared(value)) = (me, state) {
//!             node.ask_others(*nodes, value, out);
//!         }
//!         node
//!     }
//!
//!     fn step(&mut self, nodes: &u32, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
//!         match (input, self.state) {
//!             (Input::Invoke { id, .. }, _) if self.me != LEADER => out.answer(id, Answer::Ask(LEADER)),
//!             (Input::Invoke { id, op }, State::Idle) => {
//!                 self.become_state(State::Prepared(op), out);
//!                 self.client = Some(id);
//!                 self.ask_others(*nodes, op, out);
//!             }
//!             (Input::Invoke { id, .. }, State::Prepared(_)) => out.answer(id, Answer::AskLater),
//!             (Input::Invoke { id, .. }, State::Decided(value)) => match out.last_write() {
//!                 Some(write) => out.answer_after(write, id, Answer::Agreed(value)),
//!                 None => out.answer(id, Answer::Agreed(value)),
//!             },
//!             (Input::Timeout(Timer::Retry), State::Prepared(value)) => {
//!                 self.ask_others(*nodes, value, out);
//!             }
//!             (Input::Message { message: Message::Prepare(value), .. }, State::Idle) => {
//!                 self.become_state(State::Prepared(value), out);
//!                 self.send(LEADER, Message::Ready, out);
//!             }
//!             (Input::Message { message: Message::Prepare(_), .. }, _) => {
//!                 self.send(LEADER, Message::Ready, out);
//!             }
//!             (Input::Message { from, message: Message::Ready }, State::Prepared(value)) => {
//!                 self.ready.insert(from);
//!                 if self.ready == NodeSet::first(*nodes) {
//!                     self.become_state(State::Decided(value), out);
//!                     out.cancel_timer(Timer::Retry);
//!                     out.mark("decided");
//!                     for node in (1..*nodes).map(NodeId) {
//!                         self.send(node, Message::Decide(value), out);
//!                     }
//!                     if let (Some(id), Some(write)) = (self.client.take(), out.last_write()) {
//!                         out.answer_after(write, id, Answer::Agreed(value));
//!                     }
//!                 }
//!             }
//!             (Input::Message { from, message: Message::Ready }, State::Decided(value)) => {
//!                 self.send(from, Message::Decide(value), out);
//!             }
//!             (Input::Message { message: Message::Decide(value), .. }, _) => {
//!                 self.become_state(State::Decided(value), out);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//!
//! /// The first proposal wins, and everyone is told so.
//! struct FirstWins;
//!
//! impl Specification for FirstWins {
//!     type State = Option<u8>;
//!     type Op = u8;
//!     type Answer = Answer;
//!
//!     fn apply(state: &mut Option<u8>, op: &u8) -> Answer {
//!         Answer::Agreed(*state.get_or_insert(*op))
//!     }
//! }
//!
//! impl Service for Node {
//!     type Spec = FirstWins;
//!
//!     fn reply(answer: &Answer) -> Reply<Answer> {
//!         match answer {
//!             Answer::Agreed(_) => Reply::Done(answer.clone()),
//!             Answer::AskLater => Reply::NotTaken(None),
//!             Answer::Ask(node) => Reply::NotTaken(Some(*node)),
//!         }
//!     }
//! }
//!
//! /// No two nodes decide differently.
//! #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
//! struct Agreement;
//!
//! impl Properties<Node> for Agreement {
//!     const NAMES: &'static [&'static str] = &["agreement"];
//!
//!     fn after_step(&mut self, nodes: &u32, all: &[Option<&Node>], _: NodeId) -> Result<(), Violation> {
//!         self.full(nodes, all)
//!     }
//!
//!     fn full(&self, _nodes: &u32, all: &[Option<&Node>]) -> Result<(), Violation> {
//!         let decided = all.iter().flatten().filter_map(|node| match node.state {
//!             State::Decided(value) => Some(value),
//!             State::Idle | State::Prepared(_) => None,
//!         });
//!         let values: BTreeSet<_> = decided.collect();
//!         if values.len() > 1 {
//!             return Err(Violation::new("agreement", format!("{values:?} are decided")));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // Every order of events, with a crash between any two of them, also between two writes.
//! let bounds = Bounds { crashes: 1, sync: SyncMode::Prefix, ..Bounds::default() };
//! let setup = Setup::<Node>::new(2, 2).workload([1, 2]).bounds(bounds);
//! let initial = World::<Node, Agreement>::new(&setup);
//! let (mut seen, mut open) = (BTreeSet::from([initial.fingerprint()]), vec![initial]);
//! let (mut events, mut decided) = (Vec::new(), 0);
//! while let Some(world) = open.pop() {
//!     world.enabled(&setup, &mut events);
//!     for event in &events {
//!         let mut next = world.clone();
//!         let Ok(applied) = next.apply(&setup, event) else { continue };
//!         assert_eq!(next.violation(), None, "after {event:?}");
//!         decided += applied.marks.iter().filter(|mark| **mark == "decided").count();
//!         if seen.insert(next.fingerprint()) {
//!             open.push(next);
//!         }
//!     }
//! }
//! assert!(seen.len() > 100 && decided > 10, "{} states, {decided} decisions", seen.len());
//!
//! // Long runs in virtual time with every fault there is, each a function of its seed.
//! fn propose(draw: &mut Stream) -> u8 {
//!     draw.below(100) as u8
//! }
//! let cluster = Simulation::<Node, Agreement>::new(3, 3, propose).profile(Profile::EVERYTHING);
//! for seed in 0..5 {
//!     let run = cluster.run(seed);
//!     assert_eq!(run.violation, None, "seed {seed}");
//! }
//! ```

pub mod consistency;
pub mod coverage;
pub mod diagram;
mod event;
mod fingerprint;
pub mod history;
pub mod linearizability;
pub mod panics;
pub mod profile;
mod queue;
pub mod sampler;
pub mod scenario;
mod seen;
pub mod sequential;
pub mod session;
pub mod shiviz;
pub mod shrink;
pub mod simulation;
mod slot;
pub mod timeline;
mod trace;
pub mod walk;
pub mod world;

pub use event::{Event, EventClass};
pub use fingerprint::hash_of;
pub use slot::{Participant, Slot};
pub use trace::Trace;
pub use world::{Applied, Bounds, NotEnabled, Setup, Subject, World};
