//! Task sharing, as the checker and the simulator see it: instances with what is known of them, and the workload of
//! campaigns.
//!
//! Rounds are bounded by the boundary of the instance, tasks by what clients submit and what that spawns. In a world the
//! host does a task within the step that asks for it; simulations take time for it.
//!
//! Verified by the pinned counts, by what each instance must reach, and by the promises that must be kept.

use swarm_protocol::{Drawn as _, Stream};
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::{OpStatus, SyncMode};
use swarm_simulator::{Bounds, Setup, World};
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{Config, Node, Op, Outcome, Task, split};

use crate::adapter::Goal;
use crate::engine::lasso::Promise;
use crate::instance::{Check, Instance, Pinned};
use crate::liveness::{Expected, Lively};
use crate::registered::{Extent, Registered};

type Cluster = World<Node, TaskProperties>;

/// Marks that many runs under all kinds of faults must reach.
const MARKS: &[&str] = &[
    "all-done",
    "given-again",
    "handed-over",
    "journal-compacted",
    "round-in-vain",
    "stolen",
    "submission-turned-away",
    "task-completed",
    "tasks-received",
    "token-lost",
    "too-little-to-steal",
    "too-many-wait",
];

/// Marks that every instance in which tasks move reaches.
const MOVED: &[&str] = &["stolen", "tasks-received", "task-completed", "given-again"];

fn perform(_: &Config, task: &Task) -> Outcome {
    split(task)
}

fn setup(nodes: u32, workload: &[Op], bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let config = Config { journal_records_max: 0, overloaded: 2, ..Config::new(nodes) };
    let workload = workload.iter().copied();
    Setup::new(config, nodes).workload(workload).bounds(bounds).within(within).perform(perform)
}

/// Whether a task that came into the world elsewhere was completed by some node.
fn completed_by_another(world: &Cluster) -> bool {
    world.nodes().flatten().any(|node| node.disk().completed > node.disk().created)
}

/// Hand-overs between two nodes.
pub const TWO_NODES: Instance<Node, TaskProperties> = Instance {
    name: "two-nodes",
    about: "hand-overs between two nodes: two tasks, loss, duplication, one crash and restart, writes that take their time",
    boundary: "two hand-overs each way",
    setup: || {
        let bounds = Bounds {
            crashes: 1,
            duplicates: 1,
            drops: 1,
            in_flight: 2,
            sync: SyncMode::Whole,
            ..Bounds::default()
        };
        setup(2, &[Op::Submit(0), Op::Submit(0)], bounds, given_at_most_twice)
    },
    depth_max: None,
    marks: MOVED,
    goals: &[Goal { name: "completed-by-another", holds: completed_by_another }],
    breaks: None,
    pinned: Pinned { states: 1_512_833, generated: 9_103_041, depth: 27 },
};

fn given_at_most_twice(node: &Node) -> bool {
    node.disk().given.iter().all(|given| given.number <= 2)
}

/// The same within a fraction of a second.
pub const FEW: Instance<Node, TaskProperties> = Instance {
    name: "two-nodes-few",
    about: "hand-overs between two nodes, and the end of all work: two tasks, duplication, one crash and restart",
    boundary: "one hand-over each way, two rounds",
    setup: || {
        let bounds = Bounds { crashes: 1, duplicates: 1, in_flight: 2, timeouts: 5, ..Bounds::default() };
        setup(2, &TWO_AND_THE_END, bounds, given_once_in_two_rounds)
    },
    depth_max: None,
    marks: &["all-done", "stolen", "tasks-received", "task-completed", "given-again"],
    goals: &[Goal { name: "completed-by-another", holds: completed_by_another }],
    breaks: None,
    pinned: Pinned { states: 468_758, generated: 1_710_596, depth: 21 },
};

/// Termination detection on two nodes.
pub const TWO_NODES_FINISH: Instance<Node, TaskProperties> = Instance {
    name: "two-nodes-finish",
    about: "the end of all work on two nodes: two tasks, loss, duplication, one crash and restart",
    boundary: "one hand-over each way, three rounds",
    setup: || {
        let bounds = Bounds { crashes: 1, duplicates: 1, drops: 1, in_flight: 2, ..Bounds::default() };
        setup(2, &TWO_AND_THE_END, bounds, |node| {
            node.disk().round <= 3 && node.disk().given.iter().all(|given| given.number <= 1)
        })
    },
    depth_max: None,
    marks: &["all-done", "round-in-vain", "token-lost", "stolen"],
    goals: &[Goal { name: "finish-answered", holds: |world| world.operations()[2] == OpStatus::Returned }],
    breaks: None,
    pinned: Pinned { states: 1_778_408, generated: 8_892_549, depth: 27 },
};

/// One crash, that may fall between a write and what waits for it, and so many time-outs.
fn durably(timeouts: u32) -> Bounds {
    Bounds { crashes: 1, in_flight: 2, timeouts, sync: SyncMode::Whole, ..Bounds::default() }
}

/// Termination detection on two nodes whose writes take their time, of one task.
pub const DURABLE_FINISH_FEW: Instance<Node, TaskProperties> = Instance {
    name: "durable-finish-few",
    about: "the end of all work on two nodes: one task, one crash and restart, writes that take their time, few time-outs",
    boundary: "two rounds",
    setup: || setup(2, &[Op::Submit(0), Op::Finish], durably(3), given_once_in_two_rounds),
    depth_max: None,
    marks: &["all-done", "round-in-vain", "token-lost"],
    goals: &[Goal { name: "finish-answered", holds: |world| world.operations()[1] == OpStatus::Returned }],
    breaks: None,
    pinned: Pinned { states: 58_865, generated: 166_359, depth: 19 },
};

/// The same, of tasks that change hands.
pub const DURABLE_FINISH: Instance<Node, TaskProperties> = Instance {
    name: "durable-finish",
    about: "the end of all work on two nodes: two tasks, one crash and restart, writes that take their time, few time-outs",
    boundary: "one hand-over each way, two rounds",
    setup: || setup(2, &TWO_AND_THE_END, durably(4), given_once_in_two_rounds),
    depth_max: None,
    marks: DURABLY_MOVED,
    goals: &[Goal { name: "finish-answered", holds: |world| world.operations()[2] == OpStatus::Returned }],
    breaks: None,
    pinned: Pinned { states: 1_375_353, generated: 4_308_941, depth: 26 },
};

/// The same, and one more time-out.
pub const DURABLE_FINISH_LONGER: Instance<Node, TaskProperties> = Instance {
    name: "durable-finish-longer",
    about: "the end of all work on two nodes: two tasks, one crash and restart, writes that take their time",
    setup: || setup(2, &TWO_AND_THE_END, durably(5), given_once_in_two_rounds),
    pinned: Pinned { states: 4_320_894, generated: 15_352_683, depth: 28 },
    ..DURABLE_FINISH
};

const TWO_AND_THE_END: [Op; 3] = [Op::Submit(0), Op::Submit(0), Op::Finish];

/// Marks of hand-overs and rounds together.
const DURABLY_MOVED: &[&str] =
    &["all-done", "given-again", "round-in-vain", "stolen", "task-completed", "tasks-received", "token-lost"];

fn given_once_in_two_rounds(node: &Node) -> bool {
    node.disk().round <= 2 && node.disk().given.iter().all(|given| given.number <= 1)
}

/// Hand-overs among three nodes.
pub const THREE_NODES: Instance<Node, TaskProperties> = Instance {
    name: "three-nodes",
    about: "hand-overs among three nodes: two tasks, one crash and restart",
    boundary: "one hand-over from each node to each",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, timeouts: 4, ..Bounds::default() };
        setup(3, &[Op::Submit(0), Op::Submit(0)], bounds, |node| {
            node.disk().given.iter().all(|given| given.number <= 1)
        })
    },
    depth_max: None,
    marks: MOVED,
    goals: &[Goal { name: "completed-by-another", holds: completed_by_another }],
    breaks: None,
    pinned: Pinned { states: 712_285, generated: 2_188_981, depth: 21 },
};

/// Termination detection on three nodes.
pub const THREE_NODES_FINISH: Instance<Node, TaskProperties> = Instance {
    name: "three-nodes-finish",
    about: "the end of all work on three nodes: one task that spawns another, one crash and restart",
    boundary: "two rounds",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, timeouts: 4, ..Bounds::default() };
        setup(3, &[Op::Submit(1), Op::Finish], bounds, |node| node.disk().round <= 2)
    },
    depth_max: None,
    marks: &["all-done", "round-in-vain", "too-little-to-steal"],
    goals: &[Goal { name: "finish-answered", holds: |world| world.operations()[1] == OpStatus::Returned }],
    breaks: None,
    pinned: Pinned { states: 700_211, generated: 1_973_018, depth: 21 },
};

/// Whether a client has asked for the end, and is not told, and the initiator has not forgotten it in a crash.
fn waits(world: &Cluster) -> bool {
    world.nodes().flatten().any(Node::has_clients_waiting)
}

/// Whether a client has asked for the end, and is not told.
fn asks(world: &Cluster) -> bool {
    world.operations().last() == Some(&OpStatus::Pending)
}

/// What must happen at last.
pub const LIVELY: Lively<Node, TaskProperties> = Lively {
    instance: Instance {
        name: "lively-two-nodes",
        about: "what must happen at last: two nodes, one task that spawns another, one crash and restart",
        boundary: "one hand-over each way, four rounds",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 4, ..Bounds::default() };
            setup(2, &[Op::Submit(1), Op::Finish], bounds, |node| {
                node.disk().round <= 4 && node.disk().given.iter().all(|given| given.number <= 1)
            })
        },
        depth_max: None,
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned { states: 208_214, generated: 1_000_323, depth: 25 },
    },
    promises: &[
        Expected {
            promise: Promise::again_and_again("all-is-done-again", |world: &Cluster| {
                world.nodes().all(|node| node.is_some_and(Node::is_idle))
            }),
            kept: true,
        },
        Expected {
            promise: Promise::whenever("who-waits-is-told", waits, |world| !waits(world)),
            kept: true,
        },
        // An initiator that crashes forgets who waits.
        Expected { promise: Promise::whenever("who-asks-is-told", asks, |world| !asks(world)), kept: false },
    ],
};

impl Registered for Node {
    type Properties = TaskProperties;
    const NAME: &'static str = "task-sharing";
    const TYPE: &'static str = "swarm_task_sharing::Node";
    const MARKS: &'static [&'static str] = MARKS;
    const RARE_NODES: &'static [u32] = &[1, 2, 4, 7];

    fn config(nodes: u32) -> Config {
        Config::new(nodes)
    }

    fn perform(_: &Config, task: &Task) -> Outcome {
        split(task)
    }

    fn simulation(nodes: u32) -> Simulation<Self, TaskProperties> {
        let mut simulation =
            Simulation::new(Self::config(nodes), nodes, Op::draw).clients_between(1..=6).operations_from(50);
        simulation.workloads = vec![Op::draw, in_bursts, few];
        simulation.perform = Some(<Self as Registered>::perform);
        simulation
    }

    fn variants(nodes: u32) -> Vec<Simulation<Self, TaskProperties>> {
        // Little room, so that all bounds are met, and a journal that is compacted all the time.
        let mut narrow = Self::simulation(nodes);
        let config = &mut narrow.config;
        (config.tasks_max, config.batch_max, config.overloaded) = (8, 3, 4);
        (config.waiting_max, config.journal_records_max) = (2, 16);
        vec![narrow]
    }

    fn instances(extent: Extent) -> Vec<Box<dyn Check>> {
        let small: [Box<dyn Check>; 2] = [Box::new(DURABLE_FINISH_FEW), Box::new(FEW)];
        let more: [Box<dyn Check>; 6] = [
            Box::new(LIVELY),
            Box::new(THREE_NODES),
            Box::new(THREE_NODES_FINISH),
            Box::new(DURABLE_FINISH),
            Box::new(TWO_NODES),
            Box::new(TWO_NODES_FINISH),
        ];
        let longer: [Box<dyn Check>; 1] = [Box::new(DURABLE_FINISH_LONGER)];
        let all = small.into_iter().chain(more).chain(longer);
        match extent {
            Extent::Small => all.take(2).collect(),
            Extent::Quick => all.take(8).collect(),
            Extent::Full | Extent::Explorable => all.collect(),
        }
    }
}

/// Large tasks, which many nodes have to work on.
fn in_bursts(draw: &mut Stream) -> Op {
    if draw.below(8) == 0 { Op::Finish } else { Op::Submit(draw.below(6) as u8) }
}

/// As many questions as tasks.
fn few(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Finish } else { Op::Submit(draw.below(2) as u8) }
}
