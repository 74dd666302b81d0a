//! How long a cluster is without a leader when its leader has crashed: Raft Fig. 16, by the simulator on the
//! checked type.
//!
//! Five servers; the leader sends one last round of heartbeats and crashes at some moment of its heartbeat interval,
//! which is half the least election timeout. The four others hold logs of different length, so that some of them
//! cannot win. What is measured is the time from the crash to the moment when one of them leads. PreVote and
//! CheckQuorum are off, as in the paper.
//!
//! The paper says that a round trip with its disk write took about 15 ms, and not how it divides. That decides much:
//! votes split while requests are on their way. The division here, [`FITTED`], is the one of five tried by an outside
//! model that came closest to the published figures, so these are fitted and no prediction. A reply is as slow as it
//! is because it waits for the disk: there disks themselves take no time. [`WRITTEN`] stands beside it:
//! disks of 9 ms, which our candidates wait for before they ask (see *Deviations* of `swarm_raft`), so that requests
//! are under way for as long as replies.
//!
//! Every trial is a run of [`Simulation`] on a [`Stage`], judged after every step as in a campaign. Verified by
//! `tests/it/elections.rs`, which asks of fewer trials what [`judge`] asks of a thousand.

mod figure;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use swarm_protocol::{Delay, NodeId, Stream, Ticks, Violation, mix};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Entries, Entry, KvOp, Message, Record, Request, Run};
use swarm_simulator::profile::Span;
use swarm_simulator::simulation::{Arrival, Simulation, Stage};

use crate::raft::Node;
use crate::registered::Registered as _;

pub use self::figure::{SEEDS, judge, reproduce};

/// The servers of the experiment.
const SERVERS: u32 = 5;

/// The one that crashes. It is never booted: of what it did, the last heartbeats are on their way.
const LEADER: NodeId = NodeId(SERVERS - 1);

/// The term that it led.
const TERM: u64 = 1;

/// A trial that has no leader by then has none.
pub const CAP: Ticks = Ticks::from_millis(20_000);

/// The draws of a trial beside those of its run.
const TRIAL: u64 = 0x4649_4731_3600;

/// How the time of a request and its answer divides.
#[derive(Debug)]
pub struct Delays {
    /// In words.
    pub said: &'static str,
    /// How long a message takes, every time of the span being equally likely.
    pub latency: fn(&Message<Request<KvOp>>) -> Span,
    /// How long a disk takes to sync.
    pub sync: Span,
}

/// The division that came closest to the paper's figures.
pub const FITTED: Delays = Delays {
    said: "request 3 ms; reply, with its disk write, 12 ms; each ±50 %",
    latency: |message| if is_reply(message) { Span::micros(6000, 18_000) } else { REQUEST },
    sync: Span::micros(0, 0),
};

/// The same requests, and disks that whoever votes waits for: a candidate's own vote, too.
pub const WRITTEN: Delays = Delays {
    said: "request and reply 3 ms, every disk write 9 ms; each ±50 %",
    latency: |_| REQUEST,
    sync: Span::micros(4500, 13_500),
};

/// How long a request takes, or a heartbeat.
const REQUEST: Span = Span::micros(1500, 4500);

fn is_reply(message: &Message<Request<KvOp>>) -> bool {
    matches!(
        message,
        Message::PreVote { .. }
            | Message::Vote { .. }
            | Message::Appended { .. }
            | Message::Conflict { .. }
            | Message::Stale { .. }
            | Message::Confirmed { .. }
    )
}

/// Election timeouts, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range(pub u64, pub u64);

impl Range {
    /// As the paper writes it.
    pub fn name(self) -> String {
        format!("{}–{} ms", self.0, self.1)
    }

    fn delay(self) -> Delay {
        Delay { min: Ticks::from_millis(self.0), max: Ticks::from_millis(self.1) }
    }
}

/// The upper half of the figure: how much randomness.
pub const RANDOMNESS: [Range; 6] =
    [Range(150, 150), Range(150, 151), Range(150, 155), Range(150, 175), Range(150, 200), Range(150, 300)];

/// The lower half: at what scale.
pub const SCALE: [Range; 5] =
    [Range(12, 24), Range(25, 50), Range(50, 100), Range(100, 200), Range(150, 300)];

/// Beside it, on disks that take their time.
pub const BESIDE: [Range; 2] = [Range(150, 155), Range(150, 200)];

/// What a follower holds: so many entries of the leader's term, and that it voted for the leader.
fn disk(entries: u64) -> Vec<Record<Request<KvOp>>> {
    let command = |number| Entry::Command(KvOp::Put(0, number).into());
    let batch: Arc<[Entry<Request<KvOp>>]> =
        std::iter::once(Entry::NoOp).chain((1..entries).map(command)).collect();
    vec![
        Record::Vote { term: TERM, vote: Some(LEADER) },
        Record::Append { first: 1, entries: Run::new(TERM, batch).into() },
    ]
}

/// The lengths of the followers' logs, 1 to 4 in any order.
fn lengths(draw: &mut Stream) -> [u64; LEADER.0 as usize] {
    let mut lengths = core::array::from_fn(|place| place as u64 + 1);
    for place in (1..lengths.len()).rev() {
        lengths.swap(place, draw.below(place as u64 + 1) as usize);
    }
    lengths
}

/// One trial: how long the cluster was without a leader; none if it was to the end of [`CAP`].
///
/// # Errors
/// What the run violated.
pub fn trial(range: Range, delays: &Delays, seed: u64) -> Result<Option<Ticks>, Violation> {
    let seed = mix(mix(range.0 << 32 | range.1) ^ seed);
    let mut draw = Stream::new(seed, TRIAL, 0);
    let mut config = Config::new(SERVERS);
    config.pre_vote = false;
    config.check_quorum = false;
    config.election_timeout = range.delay();
    config.heartbeat_interval = Ticks(config.election_timeout.min.0 / 2);
    // The last heartbeats leave at 0.
    let crash = Ticks(draw.below(config.heartbeat_interval.0));
    let heartbeat =
        Message::Append { term: TERM, prev_index: 0, prev_term: 0, commit: 0, entries: Entries::none() };
    let under_way = (delays.latency)(&heartbeat);
    let arriving = (0..LEADER.0).map(|follower| Arrival {
        at: Ticks(draw.between(under_way.min.0, under_way.max.0)),
        from: LEADER,
        to: NodeId(follower),
        message: heartbeat.clone(),
    });
    let arriving = arriving.collect();
    let stage = Stage::<Node> {
        disks: lengths(&mut draw).map(disk).into(),
        down: [LEADER].into_iter().collect(),
        arriving,
        cuts: Vec::new(),
        latency: delays.latency,
        sync: delays.sync,
        ends: "leader-elected",
        until: Ticks(crash.0 + CAP.0),
    };
    let simulation = Simulation::<Node, RaftProperties>::new(config, SERVERS, Node::operation).clients(0);
    let run = simulation.run_staged(seed, &stage);
    match run.violation {
        Some(violation) => Err(violation),
        None => Ok((!run.cut_short).then(|| run.time.since(crash))),
    }
}

/// What trials came to: the times in milliseconds, ascending, of those that had a leader in time, and how many had
/// none.
pub type Tried = (Vec<f64>, u64);

/// Trials of one range on `threads` threads. The result does not depend on `threads`. None if `stop` was set.
///
/// # Errors
/// The lowest seed whose run violated something, and what.
pub fn trials(
    range: Range,
    delays: &Delays,
    seeds: core::ops::Range<u64>,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Option<Tried>, (u64, Violation)> {
    // Relaxed: the counter hands out numbers and orders nothing else; the flag is a request that may be seen late.
    let next = AtomicU64::new(seeds.start);
    let done = Mutex::new((Vec::new(), 0u64, None::<(u64, Violation)>));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let result = trial(range, delays, seed);
            let (times, open, violated) = &mut *done.lock().expect("no thread panics with it");
            match result {
                Ok(Some(time)) => times.push(time.as_micros() as f64 / 1000.0),
                Ok(None) => *open += 1,
                Err(violation) if violated.as_ref().is_none_or(|(lowest, _)| seed < *lowest) => {
                    *violated = Some((seed, violation));
                }
                Err(_) => {}
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let (mut times, open, violated) = done.into_inner().expect("no thread panicked with it");
    times.sort_by(f64::total_cmp);
    match violated {
        Some(violated) => Err(violated),
        None => Ok(Some((times, open))),
    }
}
