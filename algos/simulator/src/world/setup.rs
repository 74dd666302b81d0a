//! What a run starts from and within which bounds it stays; constant during the run.

use core::fmt::Write;

use swarm_protocol::{NodeId, Protocol, Ticks};

use crate::{Participant, Slot, scenario};

/// When a node's batches leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlushMode {
    /// Right after every input.
    #[default]
    Eager,
    /// As an event of its own, as late as it likes: inputs between batch up.
    Deferred,
}

/// When writes become durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// In the step that asks for them: no crash falls between a write and what waits for it.
    #[default]
    Eager,
    /// As an event of its own that takes all outstanding writes along.
    Whole,
    /// As an event of its own that takes any number of outstanding writes along, oldest first.
    Prefix,
    /// As an event of its own that takes all outstanding writes along, and the node waits for it: until then nothing
    /// else happens to it but a crash or a failure of its disk.
    Blocking,
}

/// What becomes of a message sent while an equal one is in flight on the same link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identical {
    /// The two count as one. Legal, as the network may lose the other one, and far fewer states.
    #[default]
    Merge,
    /// Both are in flight.
    Count,
}

/// How much may go wrong, and how large a run may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many crashes may happen.
    pub crashes: u32,
    /// How many messages may be delivered a second time.
    pub duplicates: u32,
    /// How many messages may be lost by an event. Losing a message explicitly reaches nothing that
    /// never delivering it does not, unless `in_flight` is small.
    pub drops: u32,
    /// How many times a disk may fail.
    pub disk_failures: u32,
    /// How many timers may run out, of whatever kind and wherever: with few, a run begins few elections and repeats
    /// few messages, so that a space with much else in it is closed. [`u32::MAX`] is any number.
    pub timeouts: u32,
    /// How many messages may be in flight; what is sent beyond is lost, which a network may do.
    pub in_flight: u32,
    /// Whether equal messages merge.
    pub identical: Identical,
    /// When batches leave.
    pub flush: FlushMode,
    /// When writes become durable.
    pub sync: SyncMode,
    /// How many steps each node's clock may take; 0 for protocols that look at no clock.
    pub clock_steps: u32,
    /// The length of one step of a clock.
    pub clock_step: Ticks,
}

impl Default for Bounds {
    /// No faults, any number of timeouts, up to 32 messages in flight, everything eager, clocks that stand still.
    fn default() -> Self {
        Bounds {
            crashes: 0,
            duplicates: 0,
            drops: 0,
            disk_failures: 0,
            timeouts: u32::MAX,
            in_flight: 32,
            identical: Identical::Merge,
            flush: FlushMode::Eager,
            sync: SyncMode::Eager,
            clock_steps: 0,
            clock_step: Ticks::from_millis(1),
        }
    }
}

impl Bounds {
    /// Whether timers may run out only so many times.
    pub(crate) const fn counts_timeouts(&self) -> bool {
        self.timeouts != u32::MAX
    }

    /// Writes the bounds that differ from the default as lines of a scenario's header.
    pub fn header(&self, out: &mut String) {
        let default = Bounds::default();
        let mut number = |name: &str, value: u32, usual: u32| {
            if value != usual {
                let _ = writeln!(out, "{name} {value}");
            }
        };
        number("crashes", self.crashes, default.crashes);
        number("duplicates", self.duplicates, default.duplicates);
        number("drops", self.drops, default.drops);
        number("disk-failures", self.disk_failures, default.disk_failures);
        number("timeouts", self.timeouts, default.timeouts);
        number("in-flight", self.in_flight, default.in_flight);
        number("clock-steps", self.clock_steps, default.clock_steps);
        if self.clock_step != default.clock_step {
            let _ = writeln!(out, "clock-step {}", self.clock_step.as_micros());
        }
        if self.identical == Identical::Count {
            out.push_str("identical count\n");
        }
        if self.flush == FlushMode::Deferred {
            out.push_str("flushing deferred\n");
        }
        match self.sync {
            SyncMode::Eager => {}
            SyncMode::Whole => out.push_str("syncing whole\n"),
            SyncMode::Prefix => out.push_str("syncing prefix\n"),
            SyncMode::Blocking => out.push_str("syncing blocking\n"),
        }
    }
}

/// How a host does a task: a pure function.
pub type Perform<P> = fn(&<P as Protocol>::Config, &<P as Protocol>::Task) -> <P as Protocol>::Outcome;

/// The constant part of a run: who takes part, what clients will ask for, and the bounds. A world is
/// nothing without its setup, and is always used with the one it was made from.
#[derive(Debug)]
pub struct Setup<P: Protocol> {
    /// What all nodes agree on.
    pub config: P::Config,
    /// What clients ask for, in this order, each operation once (again if it was not taken), at any
    /// running slot. Operation `i` goes by the name `op{i}`.
    pub workload: Vec<P::Op>,
    /// How much may go wrong.
    pub bounds: Bounds,
    /// The boundary of the instance: an event that takes a node to a state outside of it is not enabled.
    pub within: fn(&P) -> bool,
    /// How a submitted task is done; without it, submitting one breaks the contract.
    pub perform: Option<Perform<P>>,
    /// What clients saw may have too many explanations to be judged: it then is not, and nothing is said, as
    /// where a long run is played for the sake of another property. Otherwise that is a violation of
    /// [`super::EXPLANATIONS`], so that no search takes it for a yes.
    pub may_give_up: bool,
    /// What a scenario has to say of the configuration: lines `config KEY VALUE`.
    pub settings: String,
    /// Nodes first, in order of their names; then twins.
    participants: Vec<Participant>,
    nodes: u32,
}

impl<P: Protocol<Config: Clone>> Clone for Setup<P> {
    fn clone(&self) -> Self {
        Setup {
            config: self.config.clone(),
            workload: self.workload.clone(),
            settings: self.settings.clone(),
            participants: self.participants.clone(),
            ..*self
        }
    }
}

impl<P: Protocol> Setup<P> {
    /// A cluster of the nodes `0..nodes`, without clients, faults or boundary.
    pub fn new(config: P::Config, nodes: u32) -> Self {
        Setup {
            config,
            workload: Vec::new(),
            bounds: Bounds::default(),
            within: |_| true,
            perform: None,
            may_give_up: false,
            settings: String::new(),
            participants: (0..nodes).map(|node| Participant::Node(NodeId(node))).collect(),
            nodes,
        }
    }

    /// Lets clients ask for `workload`.
    pub fn workload(mut self, workload: impl IntoIterator<Item = P::Op>) -> Self {
        self.workload = workload.into_iter().collect();
        self
    }

    /// Sets the bounds.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Says what a scenario has to say of the configuration.
    pub fn settings(mut self, settings: String) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the boundary.
    pub fn within(mut self, within: fn(&P) -> bool) -> Self {
        self.within = within;
        self
    }

    /// Sets how tasks are done.
    pub fn perform(mut self, perform: Perform<P>) -> Self {
        self.perform = Some(perform);
        self
    }

    /// Adds a twin of `node`.
    ///
    /// # Panics
    /// If there is no such node, or it has a twin already.
    pub fn twin(mut self, node: NodeId) -> Self {
        assert!(node.0 < self.nodes, "{node} is not one of the {} nodes", self.nodes);
        let twin = Participant::Twin(node);
        assert!(!self.participants.contains(&twin), "{node} has a twin already");
        self.participants.push(twin);
        self
    }

    /// Makes it a smaller cluster of the first `nodes` nodes, which agree on `config`.
    pub(crate) fn resize(&mut self, nodes: u32, config: P::Config) {
        self.participants.retain(|participant| participant.slot().node().0 < nodes);
        (self.nodes, self.config) = (nodes.min(self.nodes), config);
    }

    /// The nodes with a twin.
    pub fn twins(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.participants[self.nodes as usize..].iter().map(|twin| twin.slot().node())
    }

    /// Takes the twin of `node` out.
    pub(crate) fn remove_twin(&mut self, node: NodeId) {
        self.participants.retain(|participant| *participant != Participant::Twin(node));
    }

    /// Everyone who takes part: nodes in order of their names, then twins.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The number of nodes, twins not counted.
    pub const fn nodes(&self) -> u32 {
        self.nodes
    }

    /// All slots, in the order of [`Setup::participants`].
    pub fn slots(&self) -> impl ExactSizeIterator<Item = Slot> + '_ {
        self.participants.iter().map(|participant| participant.slot())
    }

    /// The position of a slot among [`Setup::slots`].
    pub(crate) fn index(&self, slot: Slot) -> Option<usize> {
        if !slot.is_twin() {
            return (slot.0 < self.nodes).then_some(slot.0 as usize);
        }
        self.slots().position(|other| other == slot)
    }

    /// Whether two slots act under this node's name: it is faulty then, and not judged.
    pub(crate) fn has_twin(&self, node: NodeId) -> bool {
        self.participants[self.nodes as usize..].contains(&Participant::Twin(node))
    }

    /// The header of a scenario file that starts from this setup. The boundary is code and is not in it, nor is of
    /// the configuration more than [`Setup::settings`].
    pub fn header(&self) -> String {
        let mut header = format!("version {}\nnodes {}\n", scenario::VERSION, self.nodes);
        for twin in &self.participants[self.nodes as usize..] {
            let _ = writeln!(header, "twin {}", twin.slot().node());
        }
        header.push_str(&self.settings);
        self.bounds.header(&mut header);
        for op in &self.workload {
            let _ = writeln!(header, "op {op:?}");
        }
        header
    }
}
