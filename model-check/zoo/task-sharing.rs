//! Where bugs of task sharing are hunted: worlds small enough to search, and simulations. The hunter of the zoo, built
//! against the crate as it is and against each edited copy of it; see `model_check::zoo`.
//!
//! Each ground has what its bugs need and little else, so that the checker comes to the end of most of them.

use std::fmt::Write as _;
use std::process::ExitCode;

use model_check::zoo::ground::{Dialect, Ground};
use model_check::zoo::hunt;
use swarm_protocol::{Drawn as _, Stream, Ticks};
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup};
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{Config, Node, Op, Outcome, Task, split};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hunt::main(&GROUNDS, &Dialect { write, read, perform: Some(perform) })
}

const GROUNDS: [Ground<Node, TaskProperties>; 6] = [
    // Two tasks, and a crash between a write and what waits for it.
    Ground {
        name: "hand-overs",
        setup: || setup(plain(2), &TASKS[..2], crash(u32::MAX, 8), given_at_most(3)),
        narrow: || setup(plain(2), &TASKS[..2], crash(4, 2), given_at_most(2)),
        story: "",
        walk_events: 30,
        simulation: || simulation(Config { overloaded: 4, ..Config::new(3) }, submissions),
    },
    // Three tasks, of which the second comes late: what one hand-over leaves behind for the next.
    Ground {
        name: "one-after-the-other",
        setup: || setup(plain(2), &TASKS, repeated(u32::MAX, 8), given_at_most(3)),
        narrow: || setup(plain(2), &TASKS, repeated(4, 3), given_at_most(2)),
        story: "",
        walk_events: 30,
        simulation: || simulation(Config { overloaded: 4, ..Config::new(3) }, submissions),
    },
    // Nodes that hold two tasks at most, and write all that they know as one again and again.
    Ground {
        name: "room",
        setup: || {
            let config = Config { journal_records_max: 3, ..narrow(2) };
            setup(config, &FOUR, crash(u32::MAX, 8), given_at_most(3))
        },
        narrow: || setup(narrow(2), &FOUR, Bounds { duplicates: 0, ..repeated(3, 2) }, given_at_most(1)),
        story: "",
        walk_events: 30,
        simulation: || simulation(Config { journal_records_max: 8, ..narrow(3) }, submissions),
    },
    // The end of all work.
    Ground {
        name: "rounds",
        setup: || setup(plain(2), &WITH_THE_END, repeated(u32::MAX, 8), |node| node.disk().round <= 4),
        narrow: || {
            setup(plain(2), &WITH_THE_END, Bounds { crashes: 1, ..repeated(5, 2) }, |node| {
                node.disk().round <= 2 && given_at_most(1)(node)
            })
        },
        story: "",
        walk_events: 40,
        simulation: || simulation(Config::new(3), questions),
    },
    // The same with disks that take their time.
    Ground {
        name: "durable-rounds",
        setup: || setup(plain(2), &WITH_THE_END[1..], crash(u32::MAX, 8), |node| node.disk().round <= 4),
        narrow: || {
            let bounds = Bounds { duplicates: 0, ..crash(4, 2) };
            setup(plain(2), &WITH_THE_END[1..], bounds, |node| node.disk().round <= 3)
        },
        story: "",
        walk_events: 40,
        simulation: || simulation(Config::new(3), questions),
    },
    // What is lost, and must be told again. Worlds know no promises: what they show here is that nothing else is wrong.
    Ground {
        name: "patience",
        setup: || setup(plain(2), &WITH_THE_END, repeated(u32::MAX, 8), |node| node.disk().round <= 4),
        narrow: || {
            let bounds = Bounds { duplicates: 0, ..repeated(4, 2) };
            setup(plain(2), &WITH_THE_END, bounds, |node| node.disk().round <= 2)
        },
        story: "",
        walk_events: 40,
        simulation: || {
            let mut simulation = simulation(Config::new(3), hardly_anything_but_questions);
            let faults = [Fault::Crash, Fault::Partition, Fault::OneWay, Fault::Loss];
            simulation.profile = Profile::new("patience", Faults::of(&faults));
            simulation.pace.outage = Span::micros(10_000, 500_000);
            simulation.pace.think = Span::micros(0, 20_000);
            simulation.operations_max = 300;
            simulation
        },
    },
];

const TASKS: [Op; 3] = [Op::Submit(0); 3];

const FOUR: [Op; 4] = [Op::Submit(0); 4];

const WITH_THE_END: [Op; 3] = [Op::Submit(0), Op::Submit(0), Op::Finish];

fn perform(_: &Config, task: &Task) -> Outcome {
    split(task)
}

/// Nodes that never compact, and hand over unasked when they hold more than two.
fn plain(nodes: u32) -> Config {
    Config { journal_records_max: 0, overloaded: 2, ..Config::new(nodes) }
}

/// Nodes that hold two tasks at most, and give one at a time.
fn narrow(nodes: u32) -> Config {
    Config { tasks_max: 2, batch_max: 1, ..plain(nodes) }
}

fn given_at_most(times: u64) -> fn(&Node) -> bool {
    match times {
        1 => |node| node.disk().given.iter().all(|given| given.number <= 1),
        2 => |node| node.disk().given.iter().all(|given| given.number <= 2),
        _ => |node| node.disk().given.iter().all(|given| given.number <= 3),
    }
}

/// So many time-outs, and a message that comes twice.
fn repeated(timeouts: u32, in_flight: u32) -> Bounds {
    Bounds { duplicates: 1, timeouts, in_flight, ..Bounds::default() }
}

/// The same, and a crash that may fall between a write and what waits for it.
fn crash(timeouts: u32, in_flight: u32) -> Bounds {
    Bounds { crashes: 1, sync: SyncMode::Whole, ..repeated(timeouts, in_flight) }
}

fn setup(config: Config, workload: &[Op], bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let nodes = config.nodes;
    Setup::new(config, nodes)
        .workload(workload.iter().copied())
        .bounds(bounds)
        .within(within)
        .perform(perform)
}

/// Nodes that crash all the time, most often with a write under way, on a network that loses, repeats and delays.
fn simulation(config: Config, draw: fn(&mut Stream) -> Op) -> Simulation<Node, TaskProperties> {
    let faults = [Fault::Crash, Fault::Loss, Fault::Delay, Fault::Duplication];
    let pace = Pace {
        sync: Span::micros(1_000, 20_000),
        outage: Span::micros(1_000, 200_000),
        interval: Span::micros(20_000, 500_000),
        think: Span::micros(0, 100_000),
        faults: Ticks::from_millis(2_000),
        ..Pace::default()
    };
    let nodes = config.nodes;
    let mut simulation = Simulation::new(config, nodes, draw)
        .profile(Profile::new("hand-overs", Faults::of(&faults)))
        .pace(pace)
        .clients(3);
    simulation.operations_max = 60;
    simulation.perform = Some(perform);
    simulation
}

/// Mostly tasks.
fn submissions(draw: &mut Stream) -> Op {
    Op::draw(draw)
}

/// As many questions as tasks.
fn questions(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Finish } else { Op::Submit(draw.below(2) as u8) }
}

/// Few tasks, of which much comes: who is told nothing has hardly anything else to be told.
fn hardly_anything_but_questions(draw: &mut Stream) -> Op {
    if draw.below(16) == 0 { Op::Submit(3) } else { Op::Finish }
}

fn write(config: &Config) -> String {
    let usual = Config::new(config.nodes);
    let mut lines = String::new();
    for (name, limit, usual) in [
        ("tasks_max", config.tasks_max, usual.tasks_max),
        ("batch_max", config.batch_max, usual.batch_max),
        ("overloaded", config.overloaded, usual.overloaded),
        ("journal_records_max", config.journal_records_max as usize, usual.journal_records_max as usize),
    ] {
        if limit != usual {
            let _ = writeln!(lines, "config {name} {limit}");
        }
    }
    lines
}

fn read(scenario: &Scenario<Op>) -> Result<Config, String> {
    let mut config = Config::new(scenario.nodes);
    for (key, value) in &scenario.config {
        let number = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
        match key.as_str() {
            "tasks_max" => config.tasks_max = number,
            "batch_max" => config.batch_max = number,
            "overloaded" => config.overloaded = number,
            "journal_records_max" => config.journal_records_max = number as u32,
            _ => return Err(format!("`config {key} {value}` means nothing here")),
        }
    }
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}
