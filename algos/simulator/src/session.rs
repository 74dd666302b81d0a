//! Session guarantees (Terry et al. 1994): what one client may rely on where replicas lag behind.
//!
//! | guarantee | in the order of all writes to a register |
//! |---|---|
//! | read your writes | a read returns the client's own last write before it, or a later one |
//! | monotonic reads | a read returns what the client's last read returned, or a later write |
//! | monotonic writes | a client's writes stand as it asked for them |
//! | writes follow reads | a client's write stands behind what it read before |
//!
//! A history keeps some of them if, for each register, **one** order of its writes and one write for each
//! read to have come from satisfy them all. Every read must come from a write that was asked for before the
//! read returned, or from the initial value: that is judged along. A write without an answer may be read,
//! and binds its client to nothing. Registers are judged apart, and so are processes: one that goes on under
//! a new number after it waited in vain begins a new session.
//!
//! The last two say something only beside monotonic reads: alone, some order always does.
//!
//! Where every value is written once, the order exists unless the demands go round in a circle, which takes
//! linear time to see. Where a read may have come from several writes, they are tried in turn, up to a
//! limit: then it is undecided.
//!
//! Verified by `tests/it/session.rs`: thousands of small histories against a twin that tries every order of
//! writes and every origin of reads, and for each guarantee a history that breaks it alone.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use swarm_protocol::{Access, Promise, Specification, Violation};

use crate::consistency::{self, Judgement};
use crate::history::{History, Moment, Operation};

/// What a history breaks whose clients read what nobody wrote.
pub const READS_WHAT_WAS_WRITTEN: &str = "reads_what_was_written";

/// How often origins of reads are chosen anew before the search gives up.
const ATTEMPTS_MAX: u32 = 20_000;

/// What is demanded.
#[derive(Clone, Copy, Debug)]
struct Demands<'a>(&'a [Promise]);

impl Demands<'_> {
    fn has(self, promise: Promise) -> bool {
        self.0.contains(&promise)
    }
}

/// Judges whether a history keeps `promises`; those that are no session guarantees are passed over. The
/// property told is the guarantee that is broken by itself, or else the last one without which the others hold.
pub fn check<S: Specification>(history: &History<S>, promises: &[Promise]) -> Judgement {
    let names: Vec<_> = promises.iter().copied().filter(|promise| promise.is_session_guarantee()).collect();
    if names.is_empty() {
        return Judgement::Holds;
    }
    let registers = registers(history);
    let mut undecided = false;
    for (key, register) in &registers {
        match register.judge(Demands(&names)) {
            Outcome::Holds => {}
            Outcome::Undecided => undecided = true,
            Outcome::Unwritten(read) => {
                let detail = format!("nobody had written what this reads from key {key}:\n  {read:?}");
                return Judgement::Violated(Violation::new(READS_WHAT_WAS_WRITTEN, detail));
            }
            Outcome::Violated => {
                let broken = |names: &[Promise]| matches!(register.judge(Demands(names)), Outcome::Violated);
                let others = |name: &Promise| -> Vec<_> {
                    names.iter().copied().filter(|other| other != name).collect()
                };
                let alone = names.iter().find(|name| broken(&[**name]));
                let told = alone.or_else(|| names.iter().rev().find(|name| !broken(&others(name))));
                let property = told.map_or(consistency::SESSION_GUARANTEES, |name| name.name());
                let detail = register.tell(*key, alone.map_or(&names[..], core::slice::from_ref));
                return Judgement::Violated(Violation::new(property, detail));
            }
        }
    }
    if undecided { Judgement::Undecided } else { Judgement::Holds }
}

/// What a session did to a register, in its order.
#[derive(Clone, Copy)]
enum Deed {
    /// The read of this number.
    Read(usize),
    /// The write of this number, answered.
    Wrote(usize),
}

/// All that was done to one register.
struct Register<'h, S: Specification> {
    /// Values written. Number 0 is the initial value.
    writes: Vec<Option<u64>>,
    /// Reads, and the writes that each may have come from.
    reads: Vec<(&'h Operation<S>, Vec<usize>)>,
    /// By process.
    sessions: BTreeMap<u32, Vec<Deed>>,
}

enum Outcome<'h, S: Specification> {
    Holds,
    Violated,
    Unwritten(&'h Operation<S>),
    Undecided,
}

/// Sorts what was done by registers.
fn registers<S: Specification>(history: &History<S>) -> BTreeMap<u64, Register<'_, S>> {
    let mut registers: BTreeMap<u64, Register<'_, S>> = BTreeMap::new();
    // Writes by value, in order of invocation; those asked for so far are the ones a read may come from.
    let mut pending = BTreeMap::new();
    for moment in history.moments() {
        let (Moment::Invoked(call) | Moment::Returned(call)) = moment;
        let operation = history.operation(call);
        let answer = operation.returned.as_ref().map(|(_, answer)| answer);
        let (key, read, write) = match S::access(&operation.op, answer) {
            Access::Read { key, value } => (key, Some(value), None),
            Access::Write { key, value } => (key, None, Some(value)),
            Access::Update { key, read, write } => (key, Some(read), Some(write)),
            Access::Other => continue,
        };
        let register = registers.entry(key).or_insert_with(|| Register {
            writes: vec![None],
            reads: Vec::new(),
            sessions: BTreeMap::new(),
        });
        match moment {
            Moment::Invoked(_) => {
                let session = register.sessions.entry(operation.process).or_default();
                // Origins are added when it returns: until then writes may be asked for that it sees.
                let reads = read.filter(|_| answer.is_some()).map(|_| {
                    register.reads.push((operation, Vec::new()));
                    session.push(Deed::Read(register.reads.len() - 1));
                    register.reads.len() - 1
                });
                let writes = write.map(|value| {
                    register.writes.push(Some(value));
                    if answer.is_some() {
                        session.push(Deed::Wrote(register.writes.len() - 1));
                    }
                    register.writes.len() - 1
                });
                pending.insert(call, (reads, writes));
            }
            Moment::Returned(_) => {
                if let (Some(value), Some((Some(number), own))) = (read, pending.get(&call)) {
                    let written = register.writes.iter().enumerate();
                    // Latest first: most reads are of the last write.
                    let mut origins: Vec<_> = written
                        .filter(|(write, written)| **written == value && Some(*write) != *own)
                        .map(|(write, _)| write)
                        .collect();
                    origins.reverse();
                    register.reads[*number].1 = origins;
                }
            }
        }
    }
    registers
}

impl<'h, S: Specification> Register<'h, S> {
    fn judge(&self, demands: Demands<'_>) -> Outcome<'h, S> {
        if let Some((read, _)) = self.reads.iter().find(|(_, origins)| origins.is_empty()) {
            return Outcome::Unwritten(read);
        }
        // What each read came from: its origin by position, if it is chosen.
        let mut chosen: Vec<Option<usize>> =
            self.reads.iter().map(|(_, origins)| (origins.len() == 1).then_some(0)).collect();
        let unsure: Vec<usize> = (0..chosen.len()).filter(|read| chosen[*read].is_none()).collect();
        let mut attempts = 0;
        let mut depth = 0;
        if !self.possible(demands, &chosen) {
            return Outcome::Violated;
        }
        while depth < unsure.len() {
            attempts += 1;
            if attempts > ATTEMPTS_MAX {
                return Outcome::Undecided;
            }
            let read = unsure[depth];
            let next = chosen[read].map_or(0, |origin| origin + 1);
            if next == self.reads[read].1.len() {
                chosen[read] = None;
                let Some(before) = depth.checked_sub(1) else { return Outcome::Violated };
                depth = before;
                continue;
            }
            chosen[read] = Some(next);
            if self.possible(demands, &chosen) {
                depth += 1;
            }
        }
        Outcome::Holds
    }

    /// Whether some order of the writes satisfies the demands, as far as origins are chosen. Demands say
    /// "not behind"; a circle of them that goes through two writes cannot be satisfied.
    fn possible(&self, demands: Demands<'_>, chosen: &[Option<usize>]) -> bool {
        let mut edges: Vec<Vec<usize>> = vec![(1..self.writes.len()).collect()];
        edges.resize(self.writes.len(), Vec::new());
        for session in self.sessions.values() {
            // Points that stand behind all own writes so far, and behind all that was read so far.
            let (mut wrote, mut has_read) = (None, None);
            let mut last_write: Option<usize> = None;
            for deed in session {
                match deed {
                    Deed::Read(number) => {
                        let Some(origin) = chosen[*number] else { continue };
                        let origin = self.reads[*number].1[origin];
                        if let Some(point) = wrote.filter(|_| demands.has(Promise::ReadYourWrites)) {
                            edges[point as usize].push(origin);
                        }
                        if let Some(point) = has_read.filter(|_| demands.has(Promise::MonotonicReads)) {
                            edges[point as usize].push(origin);
                        }
                        has_read = Some(behind(&mut edges, has_read, origin));
                    }
                    Deed::Wrote(write) => {
                        if let Some(last) = last_write.filter(|_| demands.has(Promise::MonotonicWrites)) {
                            edges[last].push(*write);
                        }
                        if let Some(point) = has_read.filter(|_| demands.has(Promise::WritesFollowReads)) {
                            edges[point as usize].push(*write);
                        }
                        last_write = Some(*write);
                        wrote = Some(behind(&mut edges, wrote, *write));
                    }
                }
            }
        }
        !circle_of_two(&edges, self.writes.len())
    }

    fn tell(&self, key: u64, promises: &[Promise]) -> String {
        let names: Vec<_> = promises.iter().map(|promise| promise.name()).collect();
        let (writes, names) = (self.writes.len() - 1, names.join(", "));
        let mut text = format!("on key {key} no order of the {writes} writes allows {names}");
        for (process, session) in self.sessions.iter().take(TOLD_MAX) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  p{process}:");
            for deed in session.iter().take(TOLD_MAX) {
                let _ = match deed {
                    Deed::Read(number) => {
                        let value = self.reads[*number].1.first().map(|origin| self.writes[*origin]);
                        write!(text, " reads {}", shown(value.flatten()))
                    }
                    Deed::Wrote(write) => write!(text, " writes {}", shown(self.writes[*write])),
                };
            }
        }
        text
    }
}

/// How many sessions, and how many deeds of each, are told.
const TOLD_MAX: usize = 12;

fn shown(value: Option<u64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

/// A new point behind another point, if there is one, and behind a write.
fn behind(edges: &mut Vec<Vec<usize>>, point: Option<u32>, write: usize) -> u32 {
    let number = edges.len();
    edges.push(Vec::new());
    edges[write].push(number);
    if let Some(point) = point {
        edges[point as usize].push(number);
    }
    number as u32
}

/// Whether two of the first `writes` nodes reach each other. Tarjan's components, without recursion.
fn circle_of_two(edges: &[Vec<usize>], writes: usize) -> bool {
    const UNSEEN: usize = usize::MAX;
    let (mut index, mut low) = (vec![UNSEEN; edges.len()], vec![0; edges.len()]);
    let (mut on_stack, mut stack, mut next) = (vec![false; edges.len()], Vec::new(), 0);
    for root in 0..edges.len() {
        if index[root] != UNSEEN {
            continue;
        }
        // A node and the position of the edge to follow next.
        let mut path = vec![(root, 0)];
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            if *edge == 0 {
                (index[node], low[node]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(target) = edges[node].get(*edge) {
                *edge += 1;
                if index[*target] == UNSEEN {
                    path.push((*target, 0));
                } else if on_stack[*target] {
                    low[node] = low[node].min(index[*target]);
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                low[*before] = low[*before].min(low[node]);
            }
            if low[node] == index[node] {
                let mut members = 0;
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    members += usize::from(member < writes);
                    if member == node {
                        break;
                    }
                }
                if members > 1 {
                    return true;
                }
            }
        }
    }
    false
}
