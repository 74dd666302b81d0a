//! Bytes from outside: what a transport hands to the decoders, and what decoded messages do to a node.
//!
//! The first byte chooses one of four ways to read the others:
//!
//! | way | the rest is | what must hold |
//! |---|---|---|
//! | raw | a message, a record, a stream of frames | what decodes has exactly these bytes |
//! | stream | messages one behind the other, as on a link | as raw, and the node that gets them keeps its invariants |
//! | made | choices of which messages are made | as stream, and all come through a stream of frames, cut anywhere, as they were; a damaged stream is refused |
//! | disk | choices of which records are made | a node boots from them, and boots alike from their compacted form |
//!
//! The sender of a message is any node, a member or not, and the content what it likes: no correct node sent
//! it, so agreement between nodes is not judged here (see [`crate::raft_schedule`]), but a node must not
//! panic, break its own invariants, go back in term or commit index, or vote twice in a term.
//!
//! Verified by `tests/it/message.rs`: every message and every role is reached, and a decoder or a node that
//! breaks these rules is seen.

use core::fmt::Debug;

use swarm_protocol::{NodeId, Protocol as _};
use swarm_raft::wire::{self, Wire};
use swarm_raft::{Kv, KvOp, Message, Payload, Raft, Record};
use swarm_runtime::wire::{FrameReader, HEADER_BYTES, append_frame};

use crate::raft_node::{Node, Start};
use crate::source::Source;

/// The most messages or records of one input: what lies beyond is not read.
const STEPS_MAX: usize = 32;
/// The longest payload of a frame, in bytes.
const FRAME_BYTES_MAX: u32 = 512;

/// Does what the first byte says with the others.
///
/// # Panics
/// If one of the rules above does not hold.
pub fn run(data: &[u8]) {
    examine(data);
}

/// As [`run`]; returns the marks and refusals of the nodes that got something, in order, and the names of
/// what was decoded.
///
/// # Panics
/// If one of the rules above does not hold.
pub fn examine(data: &[u8]) -> Vec<&'static str> {
    let mut reached = Vec::new();
    let Some((&head, rest)) = data.split_first() else { return reached };
    let start = Start::ALL[usize::from(head >> 2 & 7)];
    match head & 3 {
        0 => raw(start, head, rest, &mut reached),
        1 => stream(start, rest, &mut reached),
        2 => made(start, rest, &mut reached),
        _ => disk(rest, &mut reached),
    }
    reached
}

/// Decodes `bytes` as a `T`; what decodes is encoded again.
///
/// # Panics
/// If that gives other bytes, or decodes to another value.
pub fn canonical<T: Wire + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = wire::decode(bytes).ok()?;
    let mut again = Vec::with_capacity(bytes.len());
    wire::encode(&value, &mut again);
    assert_eq!(again, bytes, "{value:?} was decoded from other bytes than it encodes to");
    Some(value)
}

/// The bytes of a value that was made, not decoded.
///
/// # Panics
/// If they do not decode to the same value.
pub fn encoded<T: Wire + PartialEq + Debug>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode(value, &mut bytes);
    assert_eq!(wire::decode(&bytes).as_ref(), Ok(value), "the encoding means something else");
    bytes
}

fn raw(start: Start, head: u8, bytes: &[u8], reached: &mut Vec<&'static str>) {
    let message = canonical::<Message<KvOp>>(bytes);
    let record = canonical::<Record<KvOp>>(bytes);
    let decoded = [
        ("message", message.is_some()),
        ("record", record.is_some()),
        ("message of payloads", canonical::<Message<Payload>>(bytes).is_some()),
        ("record of payloads", canonical::<Record<Payload>>(bytes).is_some()),
    ];
    reached.extend(decoded.iter().filter(|(_, decoded)| *decoded).map(|(name, _)| *name));
    if let Some(message) = message {
        let from = NodeId(u32::from(head >> 5));
        Node::new(Start::Fresh).receive(from, message.clone());
        let mut node = Node::new(start);
        node.receive(from, message);
        reached.extend(node.reached());
    }
    if let Some(record) = record {
        boot_twice(vec![record], reached);
    }
    let whole = frames(bytes, bytes.len());
    let pieces = frames(bytes, 1 + usize::from(head >> 2));
    assert_eq!(whole, pieces, "the frames depend on how the stream was cut");
    if !whole.0.is_empty() {
        reached.push("frame");
    }
    // What was taken for frames is made of these frames.
    let mut again = Vec::new();
    for payload in &whole.0 {
        append_frame(&mut again, FRAME_BYTES_MAX, |out| out.extend_from_slice(payload))
            .expect("a payload that came in a frame fits a frame");
    }
    assert!(bytes.starts_with(&again), "frames were read that are not there");
}

/// The payloads of the frames in `bytes`, which arrive in pieces of `piece` bytes, and whether the stream was
/// refused, not counting that it may end inside a frame.
fn frames(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    let mut payloads = Vec::new();
    for mut piece in bytes.chunks(piece.max(1)) {
        loop {
            let next = reader.next(&mut piece).map(|payload| payload.map(<[u8]>::to_vec));
            assert!(reader.allocated_bytes() <= HEADER_BYTES + FRAME_BYTES_MAX as usize);
            match next {
                Ok(Some(payload)) => payloads.push(payload),
                Ok(None) => break,
                Err(_) => return (payloads, true),
            }
        }
    }
    (payloads, false)
}

/// Messages off the front of `bytes`, each behind a byte that names the sender and says what else happens.
fn stream(start: Start, mut bytes: &[u8], reached: &mut Vec<&'static str>) {
    let mut node = Node::new(start);
    for _ in 0..STEPS_MAX {
        let Some(&choice) = bytes.split_off_first() else { break };
        let before = bytes;
        let Ok(message) = Message::<KvOp>::read(&mut bytes) else { break };
        canonical::<Message<KvOp>>(&before[..before.len() - bytes.len()]);
        node.receive(NodeId(u32::from(choice & 3)), message);
        node.live(choice);
    }
    reached.extend(node.reached());
}

fn made(start: Start, bytes: &[u8], reached: &mut Vec<&'static str>) {
    let mut source = Source::new(bytes);
    let mut node = Node::new(start);
    let cut = 1 + source.below(64);
    let damage = source.byte();
    let mut link = Vec::new();
    let mut sent = Vec::new();
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            break;
        }
        let choice = source.byte();
        let message = source.message(node.raft().term(), node.raft().log().last_index());
        let bytes = encoded(&message);
        append_frame(&mut link, FRAME_BYTES_MAX, |out| out.extend_from_slice(&bytes))
            .expect("messages made here are short");
        sent.push(bytes);
        node.receive(NodeId(u32::from(choice & 3)), message);
        node.live(choice);
    }
    assert_eq!(frames(&link, cut), (sent.clone(), false), "a stream of frames in pieces of {cut} bytes");
    reached.extend(node.reached());
    // One damaged byte: what came before its frame arrives, and nothing else does.
    if let Some(at) = usize::from(damage).checked_rem(link.len()) {
        link[at] ^= damage | 1;
        let (arrived, _) = frames(&link, cut);
        assert!(
            arrived.len() < sent.len() && sent.starts_with(&arrived),
            "damage at byte {at} went unnoticed"
        );
    }
}

fn disk(bytes: &[u8], reached: &mut Vec<&'static str>) {
    let mut source = Source::new(bytes);
    let (mut term, mut last_index) = (0, 0);
    let mut records = Vec::new();
    while !source.is_empty() && records.len() < STEPS_MAX {
        let record = source.record(term, last_index);
        assert_eq!(canonical::<Record<KvOp>>(&encoded(&record)).as_ref(), Some(&record));
        match &record {
            Record::Vote { term: next, .. } => term = *next,
            Record::Append { entries, .. } => last_index = last_index.saturating_add(entries.count()),
            Record::Truncate { after } => last_index = last_index.min(*after),
            Record::Snapshot(snapshot) => last_index = last_index.max(snapshot.index),
        }
        records.push(record);
    }
    boot_twice(records, reached);
}

/// Boots a node from records, which may be any, and from their compacted form.
fn boot_twice(mut records: Vec<Record<KvOp>>, reached: &mut Vec<&'static str>) {
    let node = Node::boot(records.clone());
    reached.extend(node.reached());
    if !node.raft().is_halted() && node.raft().log().last_index() > 0 {
        reached.push("boots with a log");
    }
    Raft::<Kv>::compact(&mut records);
    let again = Node::boot(records);
    assert_eq!(node.raft(), again.raft(), "compacted records boot another node");
}
