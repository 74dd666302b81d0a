//! One registration, from which every tool follows.
//!
//! A protocol says in [`Registered`] what a tool cannot guess: its name, a configuration, what must hold.
//! The rest has defaults, and can be said more exactly: instances with pinned counts, marks that must be reached,
//! sizes. The line `model_check::main!(Node);` then is a program with all the verbs; see [`crate::bring_your_own`].
//! The workspace's own binaries run its algorithms by the same registration ([`ALGORITHMS`]).
//!
//! Verified by `tests/it/brought.rs`, which starts the programs of two registered protocols.

use std::ffi::OsString;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use fuzz::schedule;
use reports::artifact::Elections;
use reports::command_line::{self, Exit, Refused};
use swarm_protocol::{Drawn, Properties, Service, Specification, Stream, Violation};
use swarm_simulator::profile::Profile;
use swarm_simulator::scenario::Scenario;
use swarm_simulator::shrink::Ways;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup, Subject};

use crate::campaign::{Campaign, Simulate};
use crate::etcd_trace::Written;
use crate::instance::{Check, Instance, Pinned};
use crate::timed::{self, Load, Wrong};
use crate::verbs::{self, Caller};

/// A protocol whose nodes, messages and histories several threads may hold. Implemented for every type that
/// qualifies.
pub trait Shared:
    Subject<
        Config: Clone + Send + Sync,
        Message: Send + Sync,
        Timer: Send + Sync,
        Op: Drawn + Send + Sync,
        Answer: Send + Sync,
        Record: Send + Sync,
        Task: Send + Sync,
        Outcome: Send + Sync,
    > + Service<Spec: Specification<State: Send + Sync, Answer: Send + Sync>>
    + Send
    + Sync
    + 'static
{
}

impl<P> Shared for P where
    P: Subject<
            Config: Clone + Send + Sync,
            Message: Send + Sync,
            Timer: Send + Sync,
            Op: Drawn + Send + Sync,
            Answer: Send + Sync,
            Record: Send + Sync,
            Task: Send + Sync,
            Outcome: Send + Sync,
        > + Service<Spec: Specification<State: Send + Sync, Answer: Send + Sync>>
        + Send
        + Sync
        + 'static
{
}

/// What the tools are told of a protocol beside what it is.
pub trait Registered: Shared {
    /// What must hold across its nodes.
    type Properties: Properties<Self> + Eq + Hash + Send + Sync + 'static;

    /// Its name in artifacts: lower-case letters, digits and dashes.
    const NAME: &'static str;

    /// The sizes of simulated clusters: that of even seeds, and that of odd ones. The checker's instance, unless
    /// told otherwise, has the first.
    const NODES: [u32; 2] = [3, 5];

    /// Sizes that simulated clusters have now and then: one seed in eight has the next of these.
    const RARE_NODES: &'static [u32] = &[];

    /// The most nodes that a command line may ask for.
    const NODES_MAX: u32 = 9;

    /// Marks that many runs under all kinds of faults must reach, and that the checker's instance must.
    const MARKS: &'static [&'static str] = &[];

    /// What the checker's instance, unless told otherwise, comes to; [`Pinned::NOTHING`] until it is known.
    const PINNED: Pinned = Pinned::NOTHING;

    /// The type as a path, for sources that name it; what the compiler calls it, unless told otherwise.
    const TYPE: &'static str = "";

    /// What a reader types to start its program; what cargo is seen to have started, unless told otherwise.
    const PROGRAM: &'static str = "";

    /// What a cluster of this size agrees on.
    fn config(nodes: u32) -> Self::Config;

    /// What the cluster of a scenario agrees on, its `config` lines included: unless told otherwise, there are
    /// none.
    ///
    /// # Errors
    /// The line that means nothing.
    fn read(scenario: &Scenario<Self::Op>) -> Result<Self::Config, String> {
        match scenario.config.iter().next() {
            Some((key, value)) => Err(format!("`config {key} {value}` means nothing here")),
            None => Ok(Self::config(scenario.nodes)),
        }
    }

    /// What a client asks for next.
    fn operation(draw: &mut Stream) -> Self::Op {
        Self::Op::draw(draw)
    }

    /// What the checker searches, unless told otherwise: three operations, a crash at any moment, also between a
    /// write and what rests on it, and a message that arrives twice.
    fn setup() -> Setup<Self> {
        let [nodes, _] = Self::NODES;
        let mut draw = Stream::new(0, 0, 0);
        let bounds = Bounds { crashes: 1, duplicates: 1, sync: SyncMode::Whole, ..Bounds::default() };
        let workload = (0..3).map(|_| Self::operation(&mut draw)).collect::<Vec<_>>();
        Setup::new(Self::config(nodes), nodes).workload(workload).bounds(bounds).perform(Self::perform)
    }

    /// Does a task that a node submits.
    ///
    /// # Panics
    /// Unless a protocol that submits tasks says how they are done.
    fn perform(_config: &Self::Config, task: &Self::Task) -> Self::Outcome {
        panic!("{} submits {task:?}, and nobody says how that is done", Self::NAME)
    }

    /// What the fuzzer starts from: the first bytes of an input choose faults, the size and up to four operations.
    fn fuzzed(header: [u8; schedule::HEADER_BYTES]) -> Setup<Self> {
        let [_, modes, size, ops] = header;
        let nodes = Self::NODES[usize::from(size & 1)];
        let mut draw = Stream::new(u64::from(ops), u64::from(modes >> 4), 0);
        let count = 1 + usize::from(ops & 3);
        let workload = (0..count).map(|_| Self::operation(&mut draw)).collect::<Vec<_>>();
        let setup = Setup::new(Self::config(nodes), nodes).workload(workload).perform(Self::perform);
        setup.bounds(schedule::bounds(header))
    }

    /// What a scenario file of the fuzzer says of the configuration: lines `config NAME VALUE`.
    fn preface(_setup: &Setup<Self>) -> String {
        String::new()
    }

    /// What is checked.
    fn instances(_extent: Extent) -> Vec<Box<dyn Check>> {
        vec![Box::new(Instance::<Self, Self::Properties> {
            name: Self::NAME,
            about: "every order of events within the bounds",
            boundary: "that of the setup",
            setup: Self::setup,
            depth_max: None,
            marks: Self::MARKS,
            goals: &[],
            breaks: None,
            pinned: Self::PINNED,
        })]
    }

    /// What is checked with states that differ in the names of nodes counted once; nothing unless the protocol says
    /// that its nodes are alike. See [`crate::symmetry`].
    fn alike(_extent: Extent) -> Vec<Box<dyn Check>> {
        Vec::new()
    }

    /// The same as is simulated, on disks that keep nothing, if that is to be had: what must fail.
    fn campaign_without_storage(_profile: Profile, _sizes: [u32; 2]) -> Option<Box<dyn Simulate>> {
        None
    }

    /// How long its clusters are without a leader after a crash, if anybody has published figures to compare.
    fn elections() -> Option<Experiment> {
        None
    }

    /// The run of `seed` as etcd's trace specification reads it, if the protocol is the one that it specifies.
    fn etcd_trace(_clusters: &Campaign<Self, Self::Properties>, _seed: u64) -> Option<Written> {
        None
    }

    /// What half of the seeds simulate, one of these after the other: the same at this size, with what is left to be
    /// switched on. Nothing unless told otherwise.
    fn variants(_nodes: u32) -> Vec<Simulation<Self, Self::Properties>> {
        Vec::new()
    }

    /// What is simulated, at this size and without faults yet.
    fn simulation(nodes: u32) -> Simulation<Self, Self::Properties> {
        let mut simulation = Simulation::new(Self::config(nodes), nodes, Self::operation);
        simulation.perform = Some(Self::perform);
        simulation
    }
}

/// An experiment about elections: on these seeds, on so many threads, until it is done or stopped. It tells what comes
/// next, and errs by what a run violated, and which.
pub type Experiment = fn(
    Range<u64>,
    usize,
    &AtomicBool,
    &mut dyn FnMut(&str),
) -> Result<Option<Elections>, (String, Violation)>;

/// Which instances are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those that tests run, which end within seconds.
    Small,
    /// Those that end within a minute or two.
    Quick,
    /// All that are searched.
    Full,
    /// All that can be looked at, the smallest first.
    Explorable,
}

/// A registered protocol, whichever it is.
pub trait Algorithm: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Its type as a path, for sources that name it.
    fn type_name(&self) -> String;

    /// Whether it is the type that the compiler calls so.
    fn is(&self, type_name: &str) -> bool;

    /// What is checked.
    fn instances(&self, extent: Extent) -> Vec<Box<dyn Check>>;

    /// What is checked up to the names of nodes; empty if nothing is.
    fn alike(&self, extent: Extent) -> Vec<Box<dyn Check>>;

    /// What is simulated, at this size or at its own two.
    fn campaign(&self, profile: Profile, nodes: Option<u32>) -> Box<dyn Simulate>;

    /// The same on disks that keep nothing, if the protocol has that.
    fn campaign_without_storage(&self, profile: Profile, nodes: Option<u32>) -> Option<Box<dyn Simulate>>;

    /// How long its clusters are without a leader after a crash, if there is an experiment about that.
    fn elections(&self) -> Option<Experiment>;

    /// The run of `seed` in a campaign as etcd's trace specification reads it, if the protocol is the one that it
    /// specifies.
    fn etcd_trace(&self, profile: Profile, nodes: Option<u32>, seed: u64) -> Option<Written>;

    /// The sizes of its simulated clusters, for even and for odd seeds.
    fn sizes(&self) -> [u32; 2];

    /// The sizes that it may have.
    fn nodes(&self) -> RangeInclusive<u32>;
}

/// A registered protocol with what its own program runs beside: the workspace's algorithms have fuzz targets and
/// benchmarks of their own.
pub trait Brought: Algorithm {
    /// Runs the schedule that bytes are.
    ///
    /// # Panics
    /// If it breaks a property; the message holds the shrunk scenario.
    fn fuzz_one(&self, data: &[u8]);

    /// See [`timed::prove`].
    ///
    /// # Errors
    /// As there.
    fn prove(&self, load: &Load) -> Result<(), Wrong>;

    /// See [`timed::throughput`].
    ///
    /// # Errors
    /// As there.
    fn throughput(&self, load: &Load, seed: u64) -> Result<f64, Wrong>;

    /// See [`timed::latencies`].
    ///
    /// # Errors
    /// As there.
    fn latencies(&self, load: &Load, seed: u64) -> Result<Vec<u64>, Wrong>;

    /// See [`timed::floor`].
    fn floor(&self, load: &Load, seed: u64) -> f64;
}

/// The registration of `P`, as a value.
struct Of<P>(PhantomData<fn() -> P>);

impl<P: Registered> Of<P> {
    const VALUE: &'static Of<P> = &Of::<P>(PhantomData);
    const ONE: &'static [&'static dyn Algorithm; 1] = &[Self::VALUE];

    fn clusters(profile: Profile, nodes: Option<u32>) -> Campaign<P, P::Properties> {
        let sizes = nodes.map_or(P::NODES, |nodes| [nodes; 2]);
        let rare = if nodes.is_some() { &[] } else { P::RARE_NODES };
        let make = |nodes| P::simulation(nodes).profile(profile);
        let [few, many] =
            sizes.map(|nodes| P::variants(nodes).into_iter().map(move |variant| variant.profile(profile)));
        let variants = few.zip(many).map(|(few, many)| [few, many]);
        Campaign::with_rare(sizes, rare, P::MARKS, make).varied(variants)
    }
}

impl<P: Registered> Algorithm for Of<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn type_name(&self) -> String {
        if P::TYPE.is_empty() { std::any::type_name::<P>() } else { P::TYPE }.to_owned()
    }

    fn is(&self, type_name: &str) -> bool {
        std::any::type_name::<P>() == type_name
    }

    fn instances(&self, extent: Extent) -> Vec<Box<dyn Check>> {
        P::instances(extent)
    }

    fn alike(&self, extent: Extent) -> Vec<Box<dyn Check>> {
        P::alike(extent)
    }

    fn campaign(&self, profile: Profile, nodes: Option<u32>) -> Box<dyn Simulate> {
        Box::new(Self::clusters(profile, nodes))
    }

    fn campaign_without_storage(&self, profile: Profile, nodes: Option<u32>) -> Option<Box<dyn Simulate>> {
        P::campaign_without_storage(profile, nodes.map_or(P::NODES, |nodes| [nodes; 2]))
    }

    fn elections(&self) -> Option<Experiment> {
        P::elections()
    }

    fn etcd_trace(&self, profile: Profile, nodes: Option<u32>, seed: u64) -> Option<Written> {
        P::etcd_trace(&Self::clusters(profile, nodes), seed)
    }

    fn sizes(&self) -> [u32; 2] {
        P::NODES
    }

    fn nodes(&self) -> RangeInclusive<u32> {
        1..=P::NODES_MAX
    }
}

impl<P: Registered> Brought for Of<P> {
    fn fuzz_one(&self, data: &[u8]) {
        fuzz_one::<P>(data);
    }

    fn prove(&self, load: &Load) -> Result<(), Wrong> {
        timed::prove::<P>(load, 0)
    }

    fn throughput(&self, load: &Load, seed: u64) -> Result<f64, Wrong> {
        timed::throughput::<P>(load, seed)
    }

    fn latencies(&self, load: &Load, seed: u64) -> Result<Vec<u64>, Wrong> {
        timed::latencies::<P>(load, seed)
    }

    fn floor(&self, load: &Load, seed: u64) -> f64 {
        timed::floor::<P>(load, seed)
    }
}

/// Runs the schedule that bytes are: a fuzz target is `fuzz_target!(|data: &[u8]| fuzz_one::<Node>(data))`.
///
/// # Panics
/// If it breaks a property; the message holds the shrunk scenario.
pub fn fuzz_one<P: Registered>(data: &[u8]) {
    if let Err(failure) = schedule::judge::<P, P::Properties>(data, P::fuzzed, &Ways::default(), P::preface) {
        panic!("{failure}");
    }
}

/// The algorithms of this workspace.
#[cfg(feature = "algorithms")]
pub const ALGORITHMS: &[&dyn Algorithm] =
    &[Of::<crate::raft::Node>::VALUE, Of::<swarm_task_sharing::Node>::VALUE];

/// `P` as the tools see it.
pub fn algorithm<P: Registered>() -> &'static dyn Algorithm {
    Of::<P>::ONE[0]
}

const HELP: &str = "\
VERB [--quick|--full] [--json] ...

  verify     check every property in every state within bounds
  explore    look at those states in a browser
  simulate   run one seed after the other under faults
  fuzz       run bytes as schedules
  bench      measure operations per CPU-second and latencies
  report     render what the others have left as HTML

What a verb has beside: VERB --help. Exit codes: 0 nothing found; 1 something found; 2 wrong usage;
3 something missing; 130 interrupted.
";

/// Registers a protocol: `model_check::main!(Node);` is the program with all the verbs.
#[macro_export]
macro_rules! main {
    ($protocol:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main::<$protocol>()
        }
    };
}

/// The program of one registered protocol: a command line that begins with a verb.
pub fn main<P: Registered>() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let verb = words.next();
    let caller = Caller::brought(words.collect(), P::PROGRAM, Of::<P>::ONE);
    match verb.as_ref().and_then(|verb| verb.to_str()) {
        Some("verify") => verbs::verify::main(caller),
        Some("explore") => verbs::explore::main(caller),
        Some("simulate") => verbs::simulate::main(caller),
        Some("fuzz") => verbs::fuzz::main(caller, Of::<P>::VALUE),
        Some("bench") => verbs::bench::main(caller, Of::<P>::VALUE),
        Some("report") => verbs::report::main(caller),
        Some("--help" | "-h" | "help") => {
            print!("{HELP}");
            Exit::Fine.into()
        }
        _ => command_line::end(P::NAME, Err(unknown(verb.as_ref()))),
    }
}

fn unknown(verb: Option<&OsString>) -> Refused {
    match verb {
        None => Refused::usage("which verb?"),
        Some(verb) => Refused::usage(format!("`{}` is not a verb", verb.to_string_lossy().escape_debug())),
    }
}
