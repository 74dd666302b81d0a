//! Where bugs of Raft are hunted: worlds small enough to search, and simulations. The hunter of the zoo,
//! built against the crate as it is and against each edited copy of it; see `model_check::zoo`.
//!
//! Each ground has what its bugs need and little else: a bug that needs four elections needs no crash.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use model_check::zoo::ground::{Dialect, Ground};
use model_check::zoo::hunt;
use swarm_protocol::{Delay, Drawn, NodeId, NodeSet, Stream, Ticks};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Managed, Raft, Reads, Request};
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::{Assumption, Simulation};
use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Node = Raft<Managed<Kv>>;
type Op = Request<KvOp>;

fn main() -> ExitCode {
    hunt::main(&GROUNDS, &Dialect { write, read, perform: None })
}

const GROUNDS: [Ground<Node, RaftProperties>; 29] = [
    // One term, and crashes between a vote and its write.
    Ground {
        name: "elections",
        setup: || setup(config(3), 1, crash(32), |node| node.term() <= 1),
        narrow: || setup(config(3), 0, crash(4), |node| node.term() <= 1),
        story: "",
        walk_events: 40,
        simulation: || crashes(config(3)),
    },
    // The same, and two candidates.
    Ground {
        name: "two-candidates",
        setup: || setup(config(3), 0, crash(32), |node| node.term() <= 1),
        narrow: || setup(config(3), 0, crash(8), |node| node.term() <= 1),
        story: TWO_CANDIDATES,
        walk_events: 30,
        simulation: || {
            // Time-outs closer to each other make for many candidates at a time, and for long elections.
            let election_timeout = Delay { min: Ticks::from_millis(150), max: Ticks::from_millis(200) };
            let mut simulation = crashes(Config { election_timeout, ..config(3) });
            simulation.pace.progress = Ticks::from_millis(60_000);
            simulation
        },
    },
    // Several leaders, appends that come late or twice.
    Ground {
        name: "logs",
        setup: || setup(config(3), 2, Bounds { duplicates: 1, ..Bounds::default() }, |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { duplicates: 1, in_flight: 6, ..Bounds::default() };
            setup(config(3), 1, bounds, |node| node.term() <= 2 && n1_only_votes(node))
        },
        story: LEADER,
        walk_events: 100,
        simulation: || partitions(config(3)),
    },
    // Two logs that have diverged.
    Ground {
        name: "diverged-logs",
        setup: || setup(config(3), 2, Bounds::default(), |node| node.term() <= 3),
        narrow: || setup(config(3), 2, Bounds::default(), |node| node.term() <= 3 && n1_only_votes(node)),
        story: DIVERGED,
        walk_events: 80,
        simulation: || partitions(config(3)),
    },
    // Appends that are lost by a crash before they are durable. The no-op of a term is append enough.
    Ground {
        name: "disks",
        setup: || setup(config(3), 0, crash(4), |node| node.term() <= 2),
        narrow: || {
            setup(config(3), 0, crash(6), |node| {
                let stands_again = stands(node) && node.me() == NodeId(0) && node.term() == 2;
                node.term() <= 2 && n1_only_votes(node) && !stands_again
            })
        },
        story: LEADER_OF_TERM_1,
        walk_events: 40,
        simulation: || crashes(config(3)),
    },
    // Raft Fig. 8: four elections, and appends of one entry each.
    Ground {
        name: "figure-8",
        setup: || {
            setup(single(config(3)), 2, Bounds { drops: 5, ..Bounds::default() }, |node| node.term() <= 4)
        },
        narrow: || {
            let bounds = Bounds { drops: 5, ..Bounds::default() };
            setup(single(config(3)), 2, bounds, |node| node.term() <= 4 && n1_only_votes(node))
        },
        story: FIGURE_8,
        walk_events: 30,
        simulation: || partitions(single(config(3))),
    },
    // Five nodes from the beginning: four elections, of which each needs two votes.
    Ground {
        name: "five",
        setup: || setup(config(5), 1, five(), |node| node.term() <= 4),
        narrow: || setup(config(5), 1, five(), |node| node.term() <= 4 && only_n0_and_n3_stand(node)),
        story: "",
        walk_events: 80,
        simulation: || partitions(config(5)),
    },
    // The same, with appends of one entry each.
    Ground {
        name: "five-one-entry",
        setup: || setup(single(config(5)), 0, five(), |node| node.term() <= 4),
        narrow: || setup(single(config(5)), 0, five(), |node| node.term() <= 4 && only_n0_and_n3_stand(node)),
        story: "",
        walk_events: 80,
        simulation: || partitions(single(config(5))),
    },
    // Disks as in `disks`, from the beginning.
    Ground {
        name: "disks-from-the-start",
        setup: || setup(config(3), 0, crash(32), |node| node.term() <= 2),
        narrow: || setup(config(3), 0, crash(6), |node| node.term() <= 2 && n1_only_votes(node)),
        story: "",
        walk_events: 60,
        simulation: || crashes(config(3)),
    },
    // Two crashes, each between two writes, and three elections.
    Ground {
        name: "two-crashes",
        setup: || setup(config(3), 0, Bounds { crashes: 2, ..write_by_write(32) }, |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { crashes: 2, ..write_by_write(4) };
            setup(config(3), 0, bounds, |node| node.term() <= 3 && n0_stands_last(node))
        },
        story: "",
        walk_events: 60,
        simulation: || crashes(config(3)),
    },
    // Five nodes whose writes become durable one by one, three elections and a crash.
    Ground {
        name: "five-disks",
        setup: || setup(config(5), 0, Bounds { crashes: 1, ..write_by_write(64) }, |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { crashes: 1, ..write_by_write(6) };
            setup(config(5), 0, bounds, |node| node.term() <= 3 && n0_stands_last(node))
        },
        story: "",
        walk_events: 80,
        simulation: || crashes(config(5)),
    },
    // Appends under way to a disk, and further ones behind them: three commands and a crash.
    Ground {
        name: "pipelined-disks",
        setup: || setup(config(3), 3, crash(32), |node| node.term() <= 2),
        narrow: || {
            setup(config(3), 3, crash(6), |node| {
                let in_vain = node.me() == NodeId(2) || node.me() == NodeId(1) && node.term() == 1;
                node.term() <= 2 && !(in_vain && stands(node))
            })
        },
        story: "",
        walk_events: 60,
        simulation: || crashes(config(3)),
    },
    // Two terms without entries: who stands for both, and a crash.
    Ground {
        name: "two-terms",
        setup: || {
            let bounds = Bounds { crashes: 1, ..Bounds::default() };
            setup(config(3), 0, bounds, |node| node.term() <= 2)
        },
        narrow: || {
            let bounds = Bounds { crashes: 1, in_flight: 6, ..Bounds::default() };
            setup(config(3), 0, bounds, |node| node.term() <= 2)
        },
        story: "",
        walk_events: 40,
        simulation: || crashes(config(3)),
    },
    // Elections that begin with PreVote.
    Ground {
        name: "pre-votes",
        setup: || setup(pre_votes(3), 0, Bounds::default(), |node| node.term() <= 1),
        narrow: || {
            let bounds = Bounds { in_flight: 6, ..Bounds::default() };
            setup(pre_votes(3), 0, bounds, |node| node.term() <= 1)
        },
        story: "",
        walk_events: 40,
        simulation: || by_majority(partitions(pre_votes(3))),
    },
    // Votes of five that may arrive twice, in one term.
    Ground {
        name: "five-votes",
        setup: || setup(config(5), 0, Bounds { duplicates: 1, ..five() }, |node| node.term() <= 1),
        narrow: || {
            let bounds = Bounds { duplicates: 1, ..five() };
            setup(config(5), 0, bounds, |node| node.term() <= 1 && only_n0_and_n3_stand(node))
        },
        story: "",
        walk_events: 40,
        simulation: || {
            let election_timeout = Delay { min: Ticks::from_millis(150), max: Ticks::from_millis(200) };
            let mut simulation = partitions(Config { election_timeout, ..config(5) });
            simulation.pace.progress = Ticks::from_millis(60_000);
            simulation
        },
    },
    // Clients that read what others wrote, and leaders that others have replaced.
    Ground {
        name: "clients",
        setup: || clients(Bounds::default()),
        narrow: || clients(Bounds { in_flight: 6, ..Bounds::default() }),
        story: LEADER,
        walk_events: 60,
        simulation: || partitions(config(3)),
    },
    // Leaders that step down without a majority, and nodes that hear a leader.
    Ground {
        name: "majorities",
        setup: || undisturbed(2),
        narrow: || undisturbed(1),
        story: "",
        walk_events: 60,
        simulation: || by_majority(partitions(Config { check_quorum: true, ..config(3) })),
    },
    // Followers to whom little may be under way.
    Ground {
        name: "windows",
        setup: || setup(window(3), 3, Bounds::default(), |node| node.term() <= 2),
        narrow: || setup(window(3), 3, Bounds::default(), |node| node.term() <= 2 && n1_only_votes(node)),
        story: LEADER,
        walk_events: 60,
        simulation: || partitions(window(3)),
    },
    // Logs that fall apart again and again, and have to be brought together by any majority.
    Ground {
        name: "partitions",
        setup: || setup(config(3), 2, Bounds::default(), |node| node.term() <= 3),
        narrow: || setup(config(3), 2, Bounds::default(), |node| node.term() <= 3 && n1_only_votes(node)),
        story: DIVERGED,
        walk_events: 80,
        simulation: || {
            // Clients that hardly think: logs of several entries that nobody else has.
            let mut simulation = by_majority(partitions(config(3)));
            simulation.pace.think = Span::micros(0, 20_000);
            simulation.operations_max = 500;
            simulation
        },
    },
    // A new leader, and a read that goes by a round.
    Ground {
        name: "reads",
        setup: || reads(1, Bounds::default()),
        narrow: || reads(1, Bounds { in_flight: 6, ..Bounds::default() }),
        story: LEADER,
        walk_events: 60,
        simulation: || reading(Config { reads: Reads::Index, ..config(3) }),
    },
    // The same, and a read before it.
    Ground {
        name: "reads-again",
        setup: || reads(0, Bounds::default()),
        narrow: || reads(0, Bounds { in_flight: 6, ..Bounds::default() }),
        story: READ_ONCE,
        walk_events: 60,
        simulation: || reading(Config { reads: Reads::Index, ..config(3) }),
    },
    // One voter, and two learners who hold what it holds, or more, after a crash.
    Ground {
        name: "learners",
        setup: || setup(learners(), 0, crash(32), |node| node.term() <= 2),
        narrow: || setup(learners(), 0, crash(6), |node| node.term() <= 2),
        story: "",
        walk_events: 40,
        simulation: || crashes(learners()),
    },
    // One voter that two others replace, and a crash.
    Ground {
        name: "replaced",
        setup: || change(voters(3, 0b001), 0b110, crash(32)),
        narrow: || change(voters(3, 0b001), 0b110, crash(4)),
        story: ONE_LEADS,
        walk_events: 60,
        simulation: || changes(crashes(voters(3, 0b001))),
    },
    // Of three voters two go, and a second leader is elected.
    Ground {
        name: "removals",
        setup: || change(config(3), 0b001, Bounds::default()),
        narrow: || change(config(3), 0b001, Bounds { in_flight: 6, ..Bounds::default() }),
        story: LEADER,
        walk_events: 60,
        simulation: || changes(partitions(config(3))),
    },
    // Any change, again and again.
    Ground {
        name: "changes",
        setup: || change(config(3), 0b110, Bounds { crashes: 1, ..Bounds::default() }),
        narrow: || change(config(3), 0b110, Bounds { crashes: 1, in_flight: 6, ..Bounds::default() }),
        story: LEADER,
        walk_events: 80,
        simulation: || changes(partitions(config(3))),
    },
    // Reads under a lease. Worlds know no time: what they show here is that nothing else is wrong.
    Ground {
        name: "leases",
        setup: || leased(Bounds::default()),
        narrow: || leased(Bounds { in_flight: 4, ..Bounds::default() }),
        story: "",
        walk_events: 40,
        simulation: || leasing(),
    },
    // Two leaders, each with an entry that nobody else has, and a loan that is under way.
    Ground {
        name: "loans",
        setup: || {
            let bounds = Bounds { drops: LOSSES, ..Bounds::default() };
            setup(lending(3), 1, bounds, |node| node.term() <= 5)
        },
        narrow: || {
            let bounds = Bounds { drops: LOSSES, ..Bounds::default() };
            setup(lending(3), 0, bounds, |node| {
                node.term() <= 4 && (node.me() == NodeId(1) || !stands_again(node))
            })
        },
        story: LENT,
        walk_events: 40,
        simulation: || parted(lending(3)),
    },
    // Of three voters the last is a witness, and n0 leads.
    Ground {
        name: "witnesses",
        setup: || setup(witnessed(config(3)), 1, Bounds::default(), |node| node.term() <= 2),
        narrow: || {
            let bounds = Bounds { in_flight: 6, ..Bounds::default() };
            setup(witnessed(config(3)), 1, bounds, |node| node.term() <= 2 && n1_only_votes(node))
        },
        story: LEADER,
        walk_events: 40,
        simulation: || all_return(partitions(witnessed(pre_votes(3)))),
    },
    // The same, and who is behind is lent what it lacks.
    Ground {
        name: "witnesses-and-loans",
        setup: || setup(witnessed(lending(3)), 1, Bounds::default(), |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { in_flight: 6, ..Bounds::default() };
            setup(witnessed(lending(3)), 1, bounds, |node| node.term() <= 2)
        },
        story: "",
        walk_events: 60,
        simulation: || all_return(parted(witnessed(lending(3)))),
    },
];

/// With PreVote.
fn pre_votes(nodes: u32) -> Config {
    Config { pre_vote: true, ..config(nodes) }
}

/// The same, and who is behind is lent what it lacks, an entry at a time.
fn lending(nodes: u32) -> Config {
    single(Config { lends: true, ..pre_votes(nodes) })
}

/// The last server is a witness.
fn witnessed(config: Config) -> Config {
    Config { witnesses: config.servers.iter().last().into_iter().collect(), ..config }
}

/// What is committed may be on one full server alone: after all faults everybody is there.
fn all_return(simulation: Simulation<Node, RaftProperties>) -> Simulation<Node, RaftProperties> {
    let nodes = simulation.nodes;
    let assumption = Assumption { lost_max: 0, core_min: nodes, ..simulation.assumption };
    simulation.assumption(assumption)
}

/// Two entries at most under way to a follower.
fn window(nodes: u32) -> Config {
    Config { in_flight_entries_max: 2, ..config(nodes) }
}

/// A write and reads of it, in two terms.
fn clients(bounds: Bounds) -> Setup<Node> {
    let mut setup = setup(config(3), 0, bounds, |node| node.term() <= 2);
    setup.workload = [KvOp::Put(1, 7), KvOp::Get(1), KvOp::Get(1)].map(Op::from).into();
    setup
}

/// With CheckQuorum, and clocks that take so many steps of the least election timeout.
fn undisturbed(clock_steps: u32) -> Setup<Node> {
    let config = Config { check_quorum: true, ..config(3) };
    let clock_step = Ticks(config.election_timeout.min.as_micros());
    let bounds = Bounds { clock_steps, clock_step, in_flight: 6, ..Bounds::default() };
    setup(config, 0, bounds, |node| node.term() <= 2)
}

/// A write and a read on either side of it, of which the first so many are left out.
fn reads(skip: usize, bounds: Bounds) -> Setup<Node> {
    let workload = [KvOp::Get(1), KvOp::Put(1, 7), KvOp::Get(1)].map(Op::from);
    Setup::new(Config { reads: Reads::Index, ..config(3) }, 3)
        .workload(workload.into_iter().skip(skip))
        .bounds(bounds)
        .within(|node| node.term() <= 2 && n1_only_votes(node))
}

/// Clients that read all the time, and a network that falls apart.
fn reading(config: Config) -> Simulation<Node, RaftProperties> {
    let faults = [Fault::Partition, Fault::OneWay, Fault::Delay, Fault::Crash];
    let profile = Profile::new("reading", Faults::of(&faults));
    let pace = Pace {
        latency: Span::micros(2_000, 20_000),
        outage: Span::micros(50_000, 1_000_000),
        interval: Span::micros(100_000, 1_000_000),
        think: Span::micros(0, 5_000),
        progress: Ticks::from_millis(60_000),
        ..Pace::default()
    };
    let mut simulation = simulation(config).profile(profile).pace(pace).clients(6);
    simulation.operations_max = 1000;
    simulation
}

/// So many servers, of which those vote at first.
fn voters(servers: u32, voters: u64) -> Config {
    Config { voters: NodeSet::from_bits(voters), ..config(servers) }
}

/// One voter and two learners.
fn learners() -> Config {
    Config { learners: NodeSet::from_bits(0b110), ..voters(3, 0b001) }
}

/// A change to these voters, and a write, in two terms.
fn change(config: Config, to: u64, bounds: Bounds) -> Setup<Node> {
    let mut setup = setup(config, 0, bounds, |node| node.term() <= 2);
    let change = Op::Change { voters: NodeSet::from_bits(to), learners: NodeSet::EMPTY };
    setup.workload = vec![change, KvOp::Put(1, 7).into()];
    setup
}

/// Clients that ask for other voters as often as for anything else.
fn changes(simulation: Simulation<Node, RaftProperties>) -> Simulation<Node, RaftProperties> {
    let change = |draw: &mut Stream| {
        let voters = NodeSet::from_bits(1 + draw.below(7));
        if draw.below(2) == 0 { Op::draw(draw) } else { Op::Change { voters, learners: NodeSet::EMPTY } }
    };
    simulation.workloads([change as fn(&mut Stream) -> Op])
}

/// n0 leads term 1, alone: its vote is durable.
const ONE_LEADS: &str = "\
timeout n0 Election
sync n0 1
sync n0 1
invoke n0 op0";

/// With leases that allow for more than clocks of a simulation run apart, rounds so often that one is always under
/// way, and whoever stands for election stands as soon as its promise has run out.
fn lease(nodes: u32) -> Config {
    let election_timeout = Delay { min: Ticks::from_millis(150), max: Ticks::from_millis(155) };
    let heartbeat_interval = Ticks::from_millis(15);
    let reads = Reads::Lease { drift_per_million: 34_000 };
    Config { check_quorum: true, reads, election_timeout, heartbeat_interval, ..config(nodes) }
}

fn leased(bounds: Bounds) -> Setup<Node> {
    let workload = [KvOp::Put(1, 7), KvOp::Get(1)].map(Op::from);
    Setup::new(lease(3), 3).workload(workload).bounds(bounds).within(|node| node.term() <= 1)
}

/// Clients that read all the time, and leaders that are held up and cut off, and come back when another has just begun.
fn leasing() -> Simulation<Node, RaftProperties> {
    let profile = Profile::new("leasing", Faults::of(&[Fault::Pause, Fault::Delay]));
    let pace = Pace {
        latency: Span::micros(2_000, 10_000),
        sync: Span::micros(50, 1_000),
        think: Span::micros(0, 5_000),
        outage: Span::micros(20_000, 500_000),
        interval: Span::micros(100_000, 1_000_000),
        faults: Ticks::from_millis(4_000),
        progress: Ticks::from_millis(60_000),
        ..Pace::default()
    };
    let mut simulation = simulation(lease(3)).profile(profile).pace(pace).clients(6);
    simulation.workloads = vec![asking];
    simulation.operations_max = 20_000;
    simulation
}

/// Reads and writes of one key; and now and then another is to lead.
fn asking(draw: &mut Stream) -> Op {
    match draw.below(256) {
        0..=3 => Op::Transfer(NodeId(draw.below(3) as u32)),
        4..=23 => KvOp::Put(0, draw.below(1000)).into(),
        _ => KvOp::Get(0).into(),
    }
}

/// Five nodes have more messages under way than three.
fn five() -> Bounds {
    Bounds { in_flight: 64, ..Bounds::default() }
}

/// Of five nodes two stand for election, and the others vote.
fn only_n0_and_n3_stand(node: &Node) -> bool {
    node.me() == NodeId(0) || node.me() == NodeId(3) || !stands(node)
}

/// One crash, that may fall between a write and what waits for it.
fn crash(in_flight: u32) -> Bounds {
    Bounds { crashes: 1, in_flight, sync: SyncMode::Whole, ..Bounds::default() }
}

/// Writes that become durable one by one.
fn write_by_write(in_flight: u32) -> Bounds {
    Bounds { in_flight, sync: SyncMode::Prefix, ..Bounds::default() }
}

/// n2 stands in term 1, n1 in term 2, n0 in what follows.
fn n0_stands_last(node: &Node) -> bool {
    !stands(node) || node.term() + u64::from(node.me().0) == 3 || node.me() == NodeId(0) && node.term() >= 2
}

/// n0 leads term 1 by the vote of n1.
const LEADER: &str = "\
timeout n0 Election
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1";

/// n0 has led term 1 and n2 leads term 2, both by the vote of n1, after PreVotes; each has an entry that nobody else
/// has. n1 has not heard from n2 yet, has asked n0 for a loan, and is about to be lent it. What the network has lost is
/// of no use to anybody any more.
const LENT: &str = "\
timeout n0 Election
drop n0 n2 RequestPreVote(t1
deliver n0 n1 RequestPreVote(t1
deliver n1 n0 PreVote(t1 granted
drop n0 n2 RequestVote(t1
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
drop n0 n1 Append(t1
drop n0 n2 Append(t1
timeout n2 Election
drop n2 n0 RequestPreVote(t1
deliver n2 n1 RequestPreVote(t1
deliver n1 n2 PreVote(t1 refused
timeout n2 Election
drop n2 n0 RequestPreVote(t2
deliver n2 n1 RequestPreVote(t2
deliver n1 n2 PreVote(t2 granted
deliver n2 n1 RequestVote(t2
deliver n1 n2 Vote(t2
deliver n2 n0 RequestVote(t2
drop n0 n2 Vote(t2
timeout n1 Election
drop n1 n2 RequestPreVote(t3
deliver n1 n0 RequestPreVote(t3
deliver n0 n1 Behind(t3
deliver n1 n0 Ask(t3";

/// n0 leads term 1 and has answered a read that both others confirmed, one of them just now.
const READ_ONCE: &str = "\
timeout n0 Election
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
deliver n0 n1 Append(t1
deliver n1 n0 Appended(t1
invoke n0 op0
deliver n0 n1 Confirm(t1 round 1
deliver n0 n2 Confirm(t1 round 1
deliver n2 n0 Confirmed(t1 round 1";

/// How many messages the network loses in [`LENT`].
const LOSSES: u32 = 8;

/// Whether the server stands for a term that nobody has led in [`LENT`].
fn stands_again(node: &Node) -> bool {
    stands(node) && node.term() > 2
}

/// n0 has led term 1 and n2 leads term 2, both by the vote of n1; each has a command that nobody else has.
const DIVERGED: &str = "\
timeout n0 Election
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
invoke n0 op0
timeout n2 Election
timeout n2 Election
deliver n2 n1 RequestVote(t2
deliver n1 n2 Vote(t2
invoke n2 op1";

/// n0 leads term 1, which all nodes are in, by the vote of n1, where its no-op has arrived.
const LEADER_OF_TERM_1: &str = "\
timeout n0 Election
sync n0 1
deliver n0 n1 RequestVote(t1
sync n1 1
deliver n1 n0 Vote(t1
deliver n0 n2 RequestVote(t1
sync n2 1
deliver n0 n1 Append(t1";

/// n0 leads term 1 by the vote of n1, and n2 stands for election in term 1, too.
const TWO_CANDIDATES: &str = "\
timeout n0 Election
sync n0 1
deliver n0 n1 RequestVote(t1
sync n1 1
deliver n1 n0 Vote(t1
timeout n2 Election
sync n2 1";

/// The checker's worlds give each node its part: who is who makes no difference to a bug.
fn n1_only_votes(node: &Node) -> bool {
    node.me() != NodeId(1) || !stands(node)
}

fn stands(node: &Node) -> bool {
    node.is_candidate() || node.is_leader()
}

/// Raft Fig. 8 up to (b): n0 has appended in term 1, n2 in term 2, each alone, and n0 leads term 3. What the
/// network has lost is of no use to anybody any more.
const FIGURE_8: &str = "\
timeout n0 Election
drop n0 n2 RequestVote(t1
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
invoke n0 op0
timeout n2 Election
drop n2 n0 RequestVote(t1
drop n2 n1 RequestVote(t1
timeout n2 Election
deliver n2 n1 RequestVote(t2
deliver n1 n2 Vote(t2
invoke n2 op1
deliver n2 n0 RequestVote(t2
drop n0 n2 Vote(t2
timeout n0 Election
drop n0 n2 RequestVote(t3
deliver n0 n1 RequestVote(t3
deliver n1 n0 Vote(t3";

/// PreVote adds a round to each election, and few bugs need it.
fn config(nodes: u32) -> Config {
    Config { pre_vote: false, ..Config::new(nodes) }
}

fn setup(config: Config, commands: usize, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let workload = [KvOp::Put(1, 7), KvOp::Put(1, 8), KvOp::Put(1, 9)].map(Op::from);
    let nodes = config.servers.len() as u32;
    Setup::new(config, nodes).workload(workload.into_iter().take(commands)).bounds(bounds).within(within)
}

/// One entry per append.
fn single(config: Config) -> Config {
    Config { append_entries_max: 1, batch_entries_max: 1, ..config }
}

fn simulation(config: Config) -> Simulation<Node, RaftProperties> {
    let nodes = config.servers.len() as u32;
    Simulation::new(config, nodes, Op::draw).profile(Profile::EVERYTHING)
}

/// A network that falls apart and heals all the time, and brings messages late and twice.
fn partitions(config: Config) -> Simulation<Node, RaftProperties> {
    let faults = [Fault::Partition, Fault::OneWay, Fault::Delay, Fault::Loss, Fault::Duplication];
    let profile = Profile::new("partitions", Faults::of(&faults));
    let pace = Pace {
        outage: Span::micros(10_000, 1_000_000),
        interval: Span::micros(50_000, 1_000_000),
        think: Span::micros(0, 200_000),
        ..Pace::default()
    };
    let mut simulation = simulation(config).profile(profile).pace(pace);
    simulation.operations_max = 100;
    simulation
}

/// The same, of links between some, and of all but one.
fn parted(config: Config) -> Simulation<Node, RaftProperties> {
    let faults = [Fault::Partition, Fault::Partial, Fault::Bridge, Fault::OneWay, Fault::Delay, Fault::Crash];
    let pace = Pace {
        latency: Span::micros(1_000, 30_000),
        outage: Span::micros(50_000, 1_500_000),
        interval: Span::micros(50_000, 500_000),
        think: Span::micros(0, 50_000),
        ..Pace::default()
    };
    let mut simulation =
        by_majority(simulation(config)).profile(Profile::new("parted", Faults::of(&faults))).pace(pace);
    simulation.operations_max = 300;
    simulation
}

/// After all faults a majority may be all there is.
fn by_majority(simulation: Simulation<Node, RaftProperties>) -> Simulation<Node, RaftProperties> {
    let nodes = simulation.nodes;
    simulation.assumption(Assumption::majority(nodes))
}

/// Nodes that crash all the time, most often with a write under way, and are soon back.
fn crashes(config: Config) -> Simulation<Node, RaftProperties> {
    let profile = Profile::new("crashes", Faults::of(&[Fault::Crash, Fault::Delay, Fault::Loss]));
    let pace = Pace {
        sync: Span::micros(5_000, 50_000),
        outage: Span::micros(1_000, 50_000),
        interval: Span::micros(20_000, 200_000),
        think: Span::micros(0, 1_000_000),
        ..Pace::default()
    };
    let mut simulation = simulation(config).profile(profile).pace(pace).clients(1);
    simulation.operations_max = 20;
    simulation
}

/// As `tests/scenarios` of the crate have it.
fn write(config: &Config) -> String {
    let usual = Config::new(0);
    let mut lines = String::new();
    if config.pre_vote != usual.pre_vote {
        lines.push_str("config pre_vote off\n");
    }
    if config.lends != usual.lends {
        lines.push_str("config lends on\n");
    }
    if config.check_quorum != usual.check_quorum {
        lines.push_str("config check_quorum on\n");
    }
    if config.reads != Reads::Log {
        let _ = writeln!(lines, "config reads {}", config.reads);
    }
    for (name, limit, usual) in [
        ("append_entries_max", u64::from(config.append_entries_max), u64::from(usual.append_entries_max)),
        ("batch_entries_max", u64::from(config.batch_entries_max), u64::from(usual.batch_entries_max)),
        ("in_flight_entries_max", config.in_flight_entries_max, usual.in_flight_entries_max),
    ] {
        if limit != usual {
            let _ = writeln!(lines, "config {name} {limit}");
        }
    }
    let listed =
        |nodes: NodeSet| nodes.iter().map(|NodeId(node)| node.to_string()).collect::<Vec<_>>().join(",");
    if config.voters != config.servers {
        let _ = writeln!(lines, "config voters {}", listed(config.voters));
    }
    if !config.witnesses.is_empty() {
        let _ = writeln!(lines, "config witnesses {}", listed(config.witnesses));
    }
    if !config.learners.is_empty() {
        let _ = writeln!(lines, "config learners {}", listed(config.learners));
    }
    lines
}

fn read(scenario: &Scenario<Op>) -> Result<Config, String> {
    let mut config = Config::new(scenario.nodes);
    for (key, value) in &scenario.config {
        match (key.as_str(), value.as_str()) {
            ("pre_vote", "off") => config.pre_vote = false,
            ("lends", "on") => config.lends = true,
            ("check_quorum", "on") => config.check_quorum = true,
            ("voters", _) => config.voters = nodes(value)?,
            ("learners", _) => config.learners = nodes(value)?,
            ("witnesses", _) => config.witnesses = nodes(value)?,
            ("reads", _) => config.reads = value.parse()?,
            ("append_entries_max", _) => config.append_entries_max = number(value)?,
            ("batch_entries_max", _) => config.batch_entries_max = number(value)?,
            ("in_flight_entries_max", _) => config.in_flight_entries_max = number(value)?,
            _ => return Err(format!("`config {key} {value}` means nothing here")),
        }
    }
    Ok(config)
}

/// Numbers of nodes, as in `0,2`.
fn nodes(list: &str) -> Result<NodeSet, String> {
    let node = |text: &str| number(text).map(NodeId);
    let listed: Vec<_> = list.split(',').map(node).collect::<Result<_, _>>()?;
    if listed.iter().any(|node| node.0 >= NodeSet::CAPACITY) {
        return Err(format!("`{list}` names a node that cannot be"));
    }
    Ok(listed.into_iter().collect())
}

fn number<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is not a number"))
}
