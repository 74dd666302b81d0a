//! What an input reaches, and a small corpus chosen by it.
//!
//! libFuzzer looks at the edges of the code; without it, what an input reaches is told by what the protocols
//! say of themselves: marks and refusals, and which followed which. `UPDATE_CORPUS=1 cargo test -p fuzz`
//! chooses the corpus anew; `tests/it/corpus.rs` demands that the committed one reaches what it should.

use std::collections::BTreeSet;

use swarm_protocol::NodeId;
use swarm_runtime::wire::append_frame;
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{self as task_sharing, Node, Task, TaskId, Token};

use crate::inputs::{self, Kept};
use crate::raft_message::encoded;
use crate::scenario::Fate;
use crate::source::Source;
use crate::{raft_log, raft_message, raft_schedule, scenario, task_sharing_message, task_sharing_schedule};

/// The most files of one corpus.
pub const FILES_MAX: usize = 48;
/// The most bytes of one corpus.
pub const BYTES_MAX: usize = 12 << 10;
/// How many inputs are tried to make a chosen one shorter.
const SHRINK_ATTEMPTS: u32 = 300;

/// What an input of `target` reaches, by names that are stable from run to run; nothing for an unknown
/// target.
///
/// # Panics
/// If the input breaks something.
pub fn reached(target: &str, data: &[u8]) -> BTreeSet<String> {
    match target {
        "raft_log" => {
            let done = raft_log::examine(data);
            let pairs = done.windows(2).map(|pair| pair.join(" then "));
            pairs.chain(done.iter().map(|done| (*done).to_owned())).collect()
        }
        "raft_message" => {
            let way = ["raw", "stream", "made", "disk"][usize::from(data.first().map_or(0, |head| head & 3))];
            raft_message::examine(data).into_iter().map(|what| format!("{way}: {what}")).collect()
        }
        "raft_schedule" => match raft_schedule::judge_with_changes(data) {
            Ok(run) => {
                let classes = run.events.iter().map(|event| event.class().name().to_owned());
                let marks = run.marks.iter().map(|mark| (*mark).to_owned());
                let pairs = run.marks.windows(2).map(|pair| pair.join(" then "));
                classes.chain(marks).chain(pairs).collect()
            }
            Err(failure) => panic!("{failure}"),
        },
        "scenario" => {
            let words = |text: &str| {
                let text: String = text.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').collect();
                text.split_whitespace().filter(|word| word.len() > 2).take(6).collect::<Vec<_>>().join(" ")
            };
            let first = |reason: &str| {
                words(reason.rsplit('`').next().unwrap_or_default().lines().next().unwrap_or(""))
            };
            let fate = scenario::examine(&scenario::text(data));
            BTreeSet::from([match fate {
                Fate::Refused(error) => format!("refused: {}", first(&error.reason)),
                Fate::Read => "read".to_owned(),
                Fate::Unconfigured(reason) => format!("unconfigured: {}", first(&reason)),
                Fate::Impossible(error) => format!("impossible: {}", first(&error.reason)),
                Fate::Played(events) => format!("played {}", events.min(8)),
            }])
        }
        "task_sharing_message" => {
            let way = ["raw", "stream", "made", "disk"][usize::from(data.first().map_or(0, |head| head & 3))];
            task_sharing_message::examine(data).into_iter().map(|what| format!("{way}: {what}")).collect()
        }
        "task_sharing_schedule" => match task_sharing_schedule::judge::<Node, TaskProperties>(data) {
            Ok(run) => {
                let classes = run.events.iter().map(|event| event.class().name().to_owned());
                let marks = run.marks.iter().map(|mark| (*mark).to_owned());
                let pairs = run.marks.windows(2).map(|pair| pair.join(" then "));
                classes.chain(marks).chain(pairs).collect()
            }
            Err(failure) => panic!("{failure}"),
        },
        _ => BTreeSet::new(),
    }
}

/// Inputs that random bytes hardly come by: values off the wire, one of each kind, and a file as people write
/// it.
fn written(target: &str) -> Vec<Vec<u8>> {
    match target {
        "raft_message" => {
            // In the ways of the first byte: raw, to each start; then all as a stream, to each start.
            let messages: Vec<Vec<u8>> = (0..8u8)
                .map(|kind| encoded(&Source::new(&[kind, 2, 2, 2, 2, 1, 2, 0, 3]).message(3, 5)))
                .collect();
            let records = (0..4u8).map(|kind| encoded(&Source::new(&[kind, 2, 1, 2, 0, 3]).record(3, 5)));
            let raw = messages.iter().cloned().chain(records).map(|bytes| [vec![0], bytes].concat());
            let streams = (0..8u8).map(|start| {
                let all = messages.iter().flat_map(|message| [&[0x0e][..], message].concat());
                [start << 2 | 1].into_iter().chain(all).collect()
            });
            let mut frame = vec![0];
            append_frame(&mut frame, 64, |out| out.extend_from_slice(b"payload")).expect("it fits");
            raw.chain(streams).chain([frame]).collect()
        }
        "task_sharing_message" => {
            let tasks = || vec![Task { id: TaskId { home: NodeId(1), ordinal: 1 }, size: 1 }];
            let token = Token { round: 1, after: 0, black: false, under_way: 0, submitted: 0 };
            let messages = [
                encoded(&task_sharing::Message::Steal),
                encoded(&task_sharing::Message::Nothing { load: 4 }),
                encoded(&task_sharing::Message::Give { number: 1, tasks: tasks(), load: 2 }),
                encoded(&task_sharing::Message::Got { number: 1, load: 2 }),
                encoded(&task_sharing::Message::Token(token)),
            ];
            let others = [
                encoded(&task_sharing::Record::Received { from: NodeId(1), tasks: tasks() }),
                encoded(&task_sharing::Record::Whole(Box::default())),
                encoded(&task_sharing::Op::Submit(9)),
                encoded(&task_sharing::Answer::Finished { submitted: 3 }),
            ];
            let raw = messages.iter().cloned().chain(others).map(|bytes| [vec![0x20], bytes].concat());
            let streams = (0..4u8).map(|start| {
                let all = messages.iter().flat_map(|message| [&[0x25][..], message].concat());
                [start << 2 | 1].into_iter().chain(all).collect()
            });
            raw.chain(streams).collect()
        }
        "scenario" => {
            let file = "nodes 3\nconfig pre-vote 0\nop Put(0,1)\nsyncing prefix\ncrashes 1\ntimeout n0 Election\n\
                sync n0 1\ndeliver n0 n1\nsync n1 1\ndeliver n1 n0\ninvoke n0 op0\ncrash n0 0\nrestart n0\n";
            vec![[b"\0", file.as_bytes()].concat()]
        }
        _ => Vec::new(),
    }
}

/// A small corpus: of some written inputs, and the first `count` drawn by seed 0, those that reach something
/// new, made shorter, within the limits above.
pub fn choose(target: &str, count: u64) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let mut chosen: Vec<Kept> = Vec::new();
    let mut bytes_left = BYTES_MAX;
    let mut written = written(target).into_iter();
    for number in 0..count {
        let input = written.next().unwrap_or_else(|| inputs::drawn(0, number, &chosen));
        let new: BTreeSet<_> = reached(target, &input).difference(&seen).cloned().collect();
        if new.is_empty() {
            continue;
        }
        let input =
            inputs::shrink(&input, SHRINK_ATTEMPTS, |shorter| reached(target, shorter).is_superset(&new));
        let Some(left) = bytes_left.checked_sub(input.len()) else { continue };
        bytes_left = left;
        seen.extend(reached(target, &input));
        chosen.push(Kept { path: format!("{:02}", chosen.len()).into(), bytes: input });
        if chosen.len() == FILES_MAX {
            break;
        }
    }
    chosen.into_iter().map(|kept| kept.bytes).collect()
}
