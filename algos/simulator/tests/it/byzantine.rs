//! Nodes that lie, and a broadcast that does or does not believe them.
//!
//! n0 says a value to all. A node delivers it at once if it trusts identities; if it counts, when a Byzantine
//! quorum of nodes has echoed it, each of which echoes one value for ever (Bracha's consistent broadcast).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use swarm_protocol::quorum::{byzantine_faults, byzantine_quorum};
use swarm_protocol::{
    Effects, Input, Never, NodeId, NodeSet, Properties, Protocol, Reply, Service, Specification, Stream,
    Ticks, Violation,
};
use swarm_simulator::Event;
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::simulation::{
    Adversary, Assumption, Equivocator, Make, Replayer, Silent, Simulation, Summary, Withholder,
};

/// When a node delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trusts {
    /// When it hears of a value from n0: an identity, it believes, says one thing.
    Identities,
    /// When it has heard enough echoes, from whomever.
    Echoes,
    /// When it has heard echoes from enough nodes.
    Quorums,
}

#[derive(Clone, Copy, Debug)]
struct Config {
    nodes: u32,
    trusts: Trusts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Say(u8),
    Echo(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Listener {
    me: NodeId,
    /// The one value that this node echoes. On disk before it is said.
    echoes: Option<u8>,
    /// By value, who has echoed it, and how often it was echoed.
    heard: BTreeMap<u8, (NodeSet, u32)>,
    delivered: Option<u8>,
}

impl Listener {
    fn on_say(&mut self, config: Config, value: u8, out: &mut Effects<Self>) {
        if config.trusts == Trusts::Identities {
            self.delivered.get_or_insert(value);
        }
        if self.echoes.is_some() {
            return out.refuse("echoed-before");
        }
        self.echoes = Some(value);
        let write = out.persist(value);
        out.broadcast_after(write, Message::Echo(value));
        self.on_echo(config, self.me, value);
    }

    fn on_echo(&mut self, config: Config, from: NodeId, value: u8) {
        let (who, times) = self.heard.entry(value).or_insert((NodeSet::EMPTY, 0));
        who.insert(from);
        *times += 1;
        let heard = if config.trusts == Trusts::Echoes { *times as usize } else { who.len() };
        if heard >= byzantine_quorum(config.nodes as usize) && config.trusts != Trusts::Identities {
            self.delivered.get_or_insert(value);
        }
    }
}

impl Protocol for Listener {
    type Config = Config;
    type Message = Message;
    type Timer = ();
    type Op = u8;
    type Answer = ();
    type Record = u8;
    type Task = Never;
    type Outcome = Never;

    fn recover(_: &Config, me: NodeId, disk: impl Iterator<Item = u8>, _: &mut Effects<Self>) -> Self {
        Listener { me, echoes: disk.last(), heard: BTreeMap::new(), delivered: None }
    }

    fn step(&mut self, config: &Config, _: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, op } => {
                if self.me == NodeId(0) && self.echoes.is_none() {
                    out.broadcast(Message::Say(op));
                    self.on_say(*config, op, out);
                }
                out.answer(id, ());
            }
            Input::Message { from: NodeId(0), message: Message::Say(value) } => {
                self.on_say(*config, value, out);
            }
            Input::Message { from, message: Message::Echo(value) } => self.on_echo(*config, from, value),
            _ => out.refuse("not-for-me"),
        }
    }
}

/// Clients are told that they were heard.
#[derive(Debug)]
struct Heard;

impl Specification for Heard {
    type State = ();
    type Op = u8;
    type Answer = ();

    fn apply((): &mut (), _: &u8) {}
}

impl Service for Listener {
    type Spec = Heard;

    fn reply((): &()) -> Reply<()> {
        Reply::Done(())
    }
}

/// What a consistent broadcast promises.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Consistency {
    /// The first value that a correct node delivered.
    delivered: Option<u8>,
}

impl Properties<Listener> for Consistency {
    const NAMES: &'static [&'static str] = &["agreement", "quorum"];

    fn after_step(
        &mut self,
        config: &Config,
        nodes: &[Option<&Listener>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        let Some(value) = nodes[touched.index()].and_then(|node| node.delivered) else { return Ok(()) };
        let first = *self.delivered.get_or_insert(value);
        if first != value {
            return Err(Violation::new("agreement", format!("{first} and {value} are delivered")));
        }
        let said = nodes.iter().flatten().filter(|node| node.echoes == Some(value)).count();
        let n = config.nodes as usize;
        if config.trusts != Trusts::Identities && said < byzantine_quorum(n) - byzantine_faults(n) {
            return Err(Violation::new(
                "quorum",
                format!("{value} is delivered, and {said} correct nodes echo it"),
            ));
        }
        Ok(())
    }

    fn full(&self, _: &Config, _: &[Option<&Listener>]) -> Result<(), Violation> {
        Ok(())
    }
}

type Cluster = Simulation<Listener, Consistency>;

fn cluster(trusts: Trusts, faults: &[Fault], adversaries: Vec<Make<Listener>>) -> Cluster {
    let pace = Pace {
        faults: Ticks::from_millis(300),
        interval: Span::micros(2_000, 20_000),
        outage: Span::micros(5_000, 200_000),
        think: Span::micros(0, 20_000),
        progress: Ticks::from_millis(5_000),
        ..Pace::default()
    };
    let profile = Profile::new("liars", Faults::of(faults));
    let config = Config { nodes: 4, trusts };
    let mut simulation = Simulation::new(config, 4, |draw| draw.below(200) as u8).profile(profile).pace(pace);
    simulation.adversaries = adversaries;
    simulation.assumption(Assumption::byzantine(4))
}

fn campaign(cluster: &Cluster) -> Summary {
    seeds(cluster, 200)
}

fn seeds(cluster: &Cluster, count: u64) -> Summary {
    cluster.campaign(0..count, 2, &AtomicBool::new(false), |_| ())
}

/// Another value under the same word.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that adversaries ask for")]
fn forge(message: &Message, draw: &mut Stream) -> Message {
    let other = 200 + draw.below(50) as u8;
    match message {
        Message::Say(_) => Message::Say(other),
        Message::Echo(_) => Message::Echo(other),
    }
}

#[test]
fn liars_change_the_runs_that_count_them_and_meet_nodes() {
    let adversaries: Vec<Make<Listener>> = vec![|| Box::new(Equivocator::new(forge))];
    for fault in [Fault::Twins, Fault::Adversary] {
        let with = cluster(Trusts::Quorums, &[fault], adversaries.clone()).cover_every(1);
        let without = cluster(Trusts::Quorums, &[], adversaries.clone());
        let mut struck_runs = 0;
        for seed in 0..60 {
            let (with, without) = (with.run(seed), without.run(seed));
            let struck = with.faults.get(fault.name()).copied().unwrap_or(0);
            let differ = with.digest != without.digest;
            assert!(with.account.byzantine > 0 || !differ, "nobody lies, and seed {seed} is another");
            let covered = with.coverage.as_ref().expect("every seed tells");
            let met = covered.faults.iter().filter(|((name, ..), _)| *name == fault.name());
            let met: u64 = met.map(|(_, count)| count).sum();
            assert!(met >= struck, "{fault:?} strikes {struck} times and meets {met} nodes: seed {seed}");
            struck_runs += u32::from(struck > 0 && differ);
        }
        assert!(struck_runs > 5, "{fault:?}: {struck_runs}");
    }
}

#[test]
fn who_trusts_identities_is_deceived_by_twins_and_who_counts_quorums_is_not() {
    let faults = [Fault::Twins, Fault::Delay];
    let deceived = campaign(&cluster(Trusts::Identities, &faults, Vec::new()));
    assert!(deceived.violated.contains_key("agreement"), "{deceived:?}");
    let sound = campaign(&cluster(Trusts::Quorums, &faults, Vec::new()));
    assert!(sound.violations.is_empty(), "{:#?}", sound.violations[0]);
    assert!(
        sound.faults["twins"] > 50 && sound.account.byzantine > 50 && sound.outside.is_empty(),
        "{sound:?}"
    );
    // Without a liar nobody is deceived.
    let honest = campaign(&cluster(Trusts::Identities, &[Fault::Delay], Vec::new()));
    assert!(honest.violations.is_empty(), "{:#?}", honest.violations[0]);
}

#[test]
fn each_adversary_deceives_who_forgets_its_vice() {
    let equivocator: Make<Listener> = || Box::new(Equivocator::new(forge));
    let replayer: Make<Listener> = || Box::new(Replayer::new());
    // A partition keeps others from hearing what is said: then a single echo, heard again and again, decides.
    let faults = [Fault::Adversary, Fault::Delay, Fault::Partition];
    for (adversary, trusts, property, runs) in
        [(equivocator, Trusts::Identities, "agreement", 200), (replayer, Trusts::Echoes, "quorum", 6000)]
    {
        let deceived = seeds(&cluster(trusts, &faults, vec![adversary]), runs);
        assert!(deceived.violated.contains_key(property), "{trusts:?}: {:?}", deceived.violated);
        let sound = campaign(&cluster(Trusts::Quorums, &faults, vec![adversary]));
        assert!(sound.violations.is_empty() && sound.faults["adversary"] > 100, "{:#?}", sound.violations);
    }
}

#[test]
fn links_are_lost_between_twins_and_others_and_nowhere_else() {
    let cluster = cluster(Trusts::Quorums, &[Fault::Twins], Vec::new());
    // Twins stand at the places of 0 to 3, and their siblings behind those.
    let twin_at = |twins: &[NodeId], place: u32| twins.contains(&NodeId(place % 4));
    let (mut to_twins, mut from_twins) = (0, 0);
    for seed in 0..60 {
        let traced = cluster.trace(seed);
        for (at, event) in &traced.trace {
            let Event::Drop { from, to, .. } = event else { continue };
            let (from, to) = (twin_at(&traced.twins, from.0), twin_at(&traced.twins, to.node().0));
            assert!(from != to, "seed {seed}, {at}: {event:?}");
            from_twins += u32::from(from);
            to_twins += u32::from(to);
        }
    }
    assert!(
        to_twins > 20 && from_twins > 20,
        "{to_twins} messages to twins are lost, {from_twins} from them"
    );
}

/// Whom the liar's messages reach, by seed, of those in which he says something.
fn reached(adversary: Make<Listener>) -> Vec<BTreeSet<u32>> {
    let cluster = cluster(Trusts::Quorums, &[Fault::Adversary], vec![adversary]);
    let reached = (0..60).filter_map(|seed| {
        let traced = cluster.trace(seed);
        let liar = *traced.liars.first()?;
        let receivers = traced.trace.iter().filter_map(|(_, event)| match event {
            Event::Deliver { from, to, .. } if *from == liar => Some(to.node().0),
            _ => None,
        });
        Some(receivers.collect())
    });
    reached.collect()
}

#[test]
fn the_silent_say_nothing_and_withholders_choose_their_friends() {
    let silent = reached(|| Box::new(Silent));
    assert!(silent.len() > 20 && silent.iter().all(BTreeSet::is_empty));
    let friends = reached(|| Box::new(Withholder::default()));
    let sizes: BTreeSet<_> = friends.iter().map(BTreeSet::len).collect();
    assert!(sizes.contains(&1) && sizes.contains(&2), "{sizes:?}");
}

/// Says the same, and the opposite to whoever comes after.
#[derive(Debug)]
struct Gossip;

impl Adversary<Listener> for Gossip {
    fn send(
        &mut self,
        _: &mut Stream,
        nodes: u32,
        to: NodeId,
        message: Message,
        out: &mut Vec<(NodeId, Message)>,
    ) {
        out.push((to, message));
        out.push((NodeId((to.0 + 1) % nodes), message));
        // Who is not there is not reached.
        out.push((NodeId(nodes), message));
    }
}

#[test]
fn an_adversary_of_ones_own_says_what_it_likes_to_whom_it_likes() {
    let sound = campaign(&cluster(Trusts::Quorums, &[Fault::Adversary], vec![|| Box::new(Gossip)]));
    assert!(sound.violations.is_empty() && sound.faults["adversary"] > 100);
}

#[test]
fn nobody_lies_where_the_assumption_has_no_liars() {
    let mut cluster =
        cluster(Trusts::Identities, &[Fault::Twins, Fault::Adversary], vec![|| Box::new(Silent)]);
    cluster.assumption = Assumption::crash_recovery(4);
    let summary = campaign(&cluster);
    assert_eq!((summary.account.byzantine, summary.violations.len()), (0, 0));
    assert_eq!(summary.faults, BTreeMap::new());
}
