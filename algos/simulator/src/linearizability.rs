//! Whether a history could have come from one sequential object (Herlihy and Wing 1990).
//!
//! The search is Wing and Gong's (1993) with Lowe's memory (2017): operations are linearized one by one,
//! each as soon as none that returned before it was invoked is left; a dead end takes the last one back.
//! Beginnings and ends stand in a doubly linked list, out of which an operation is lifted in constant
//! time, and into which it is put back. What makes it fast:
//!
//! - **Memory.** A pair of (set of operations linearized, state of the object) is entered once. Sets are
//!   stored and compared in full, as the position of the first gap and the words behind it: at a
//!   quiescent point, where nothing is open, that is a single position, so the search crosses it at most
//!   once per state of the object and needs no special treatment of it.
//! - **Pure operations.** One that by its answer can never change any state
//!   ([`Specification::is_pure`]) is linearized as soon as it fits and never tried elsewhere. "Does not
//!   change the state that it met" would be unsound: a write of the present value may be needed later.
//! - **Keys.** If every operation names its part of the object ([`Specification::key`]), each part is
//!   judged alone (locality, Herlihy and Wing §3).
//! - **Open operations** are tried last. One that would change nothing, or that equals (by its `Debug`
//!   text) an earlier one not tried yet, is left out: its absence can be no worse.
//!
//! - **Windows.** Where the search finds no way past a return, a long way behind may be to blame, or
//!   something near. So it asks whether a short window before that return has an order from *any* state that
//!   the object could be in and with *any* part of what was under way done: if not, nothing before matters.
//!
//! The search is exponential at worst: a limit on its memory makes it give up, as
//! [`Verdict::Undecided`], which is counted and never taken for a yes.
//!
//! Verified by `tests/it/history.rs`: 20,000 small histories each of a register with compare-and-set and
//! of a store with two keys, right and corrupted, against a brute-force twin that knows none of these
//! rules.

mod window;

use core::fmt::Write as _;
use std::collections::BTreeMap;

use swarm_protocol::{Specification, Violation};

use crate::history::{Call, History, Moment, Operation};
use crate::seen::SeenSet;

/// What is used if nothing else is said: half a gigabyte for the search, which it fills in half a minute.
pub const MEMORY_MAX: usize = 512 << 20;

/// The name of the property that this module judges.
pub const PROPERTY: &str = "linearizability";

/// What the search has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order of all answered operations, and some open ones, that the object would have
    /// answered so.
    Linearizable,
    /// There is none; the longest prefix of the history for which there is, and what stands in the way.
    Violated(Violation),
    /// The search ran out of memory before it knew.
    Undecided,
}

/// Judges a history with the default limit on memory, [`MEMORY_MAX`].
pub fn check<S: Specification>(history: &History<S>) -> Verdict {
    check_within(history, MEMORY_MAX)
}

/// Judges a history with `memory_max` bytes for the search of each part.
///
/// Costs about a microsecond per operation while few clients overlap on one part; exponential in the
/// number of overlapping clients at worst.
pub fn check_within<S: Specification>(history: &History<S>, memory_max: usize) -> Verdict {
    match judge(history, memory_max) {
        Judged::Linearizable => Verdict::Linearizable,
        Judged::Impossible(impossible) => {
            Verdict::Violated(Violation::new(PROPERTY, impossible.tell(history)))
        }
        Judged::Undecided => Verdict::Undecided,
    }
}

/// Why a history could not have come from the object, if it is known that it could not: what
/// [`check_within`] tells as text, as data for pictures.
pub fn impossible<S: Specification>(history: &History<S>, memory_max: usize) -> Option<Impossible> {
    match judge(history, memory_max) {
        Judged::Impossible(impossible) => Some(impossible),
        Judged::Linearizable | Judged::Undecided => None,
    }
}

enum Judged {
    Linearizable,
    Impossible(Impossible),
    Undecided,
}

fn judge<S: Specification>(history: &History<S>, memory_max: usize) -> Judged {
    let keyed = history.operations().all(|operation| S::key(&operation.op).is_some());
    let mut parts: BTreeMap<Option<u64>, Vec<Moment>> = BTreeMap::new();
    for moment in history.moments() {
        let (Moment::Invoked(call) | Moment::Returned(call)) = moment;
        let key = S::key(&history.operation(call).op).filter(|_| keyed);
        parts.entry(key).or_default().push(moment);
    }
    let mut undecided = false;
    for (key, moments) in parts {
        let refutes = |blocked| window::refutes(history, &moments, blocked);
        match Search::new(&Part::new(history, &moments)).run(memory_max, &refutes) {
            Outcome::Found => (),
            Outcome::GaveUp => undecided = true,
            Outcome::Refuted(evidence) => {
                let moments = &moments[..=evidence.possible];
                return Judged::Impossible(Part::new(history, moments).explain(key, &evidence));
            }
            Outcome::Impossible(evidence) => {
                return Judged::Impossible(explain_shortest(history, key, &moments, evidence, memory_max));
            }
        }
    }
    if undecided { Judged::Undecided } else { Judged::Linearizable }
}

/// Looks for the shortest beginning of `moments` that is impossible, and says why it is.
///
/// A beginning knows less than the whole: operations that return behind its end are open in it. Where a
/// search is blocked at a return, all before that return is possible, for it found an order. So the
/// first attempt ends with that return, which nearly always does; otherwise ever longer ones follow. A
/// search that gives up counts as possible, which makes the evidence longer, not wrong.
fn explain_shortest<S: Specification>(
    history: &History<S>,
    key: Option<u64>,
    moments: &[Moment],
    mut evidence: Evidence<S>,
    memory_max: usize,
) -> Impossible {
    let (mut possible, mut impossible, mut step) = (evidence.possible, moments.len(), 1);
    while impossible - possible > 1 {
        let attempt = (possible + step).min(usize::midpoint(possible, impossible));
        match Search::new(&Part::new(history, &moments[..attempt])).run(memory_max, &|_| false) {
            Outcome::Found | Outcome::GaveUp => (possible, step) = (attempt, step * 2),
            Outcome::Impossible(shorter) | Outcome::Refuted(shorter) => {
                (possible, impossible) = (possible.max(shorter.possible), attempt);
                evidence = shorter;
            }
        }
    }
    Part::new(history, &moments[..impossible]).explain(key, &evidence)
}

/// The shortest beginning of a history, or of one part of it, that no order explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// The part of the object, if parts were judged alone.
    pub key: Option<u64>,
    /// How many operations were answered before: those have an order.
    pub returned: usize,
    /// The operation whose answer makes it impossible.
    pub last: Call,
    /// The end of the order that the search came furthest with, in that order.
    pub order: Vec<Call>,
    /// How many operations stand in that order before these.
    pub before: usize,
    /// The object after that order, as text.
    pub state: String,
    /// What had been asked for and is not in that order: none of it fits next, or what is left does not fit
    /// after it.
    pub pending: Vec<Call>,
}

impl Impossible {
    /// In words, some lines of them.
    pub fn tell<S: Specification>(&self, history: &History<S>) -> String {
        let key = self.key.map(|key| format!(" on key {key}")).unwrap_or_default();
        let mut text =
            format!("the answers of the first {} operations{key} fit one order, not so with", self.returned);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n  {:?}", history.operation(self.last));
        let _ = writeln!(text, "the search came furthest in this order, to the state {}:", self.state);
        for call in &self.order {
            let _ = writeln!(text, "  {:?}", history.operation(*call));
        }
        let _ = write!(text, "where none of these fits next, or those left do not fit after it:");
        for call in &self.pending {
            let _ = write!(text, "\n  {:?}", history.operation(*call));
        }
        text
    }
}

/// The operations that touch one part of the object.
struct Part<'h, S: Specification> {
    /// Answered operations in order of invocation.
    answered: Vec<Answered<'h, S>>,
    /// Open operations in order of invocation.
    open: Vec<Open<'h, S>>,
    /// Beginnings and ends of answered operations.
    entries: Vec<Entry>,
}

struct Answered<'h, S: Specification> {
    call: Call,
    operation: &'h Operation<S>,
    answer: &'h S::Answer,
    pure: bool,
    /// Where in `entries` it is invoked and returns.
    invoked: u32,
    returns: u32,
}

struct Open<'h, S: Specification> {
    call: Call,
    operation: &'h Operation<S>,
    /// The number of entries before its invocation.
    invoked: u32,
    /// The operation before this one in `open` with the same text.
    equal: Option<u32>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Position in `answered`.
    operation: u32,
    returns: bool,
    /// The number of moments before it.
    moment: u32,
}

impl<'h, S: Specification> Part<'h, S> {
    /// The part of `history` that consists of `moments`. An operation that returns in none of them is
    /// open.
    fn new(history: &'h History<S>, moments: &[Moment]) -> Self {
        let returning = |moment: &Moment| match moment {
            Moment::Returned(call) => Some(*call),
            Moment::Invoked(_) => None,
        };
        // Where in `answered` each operation stands, once it is known.
        let mut number_of: BTreeMap<Call, u32> =
            moments.iter().filter_map(returning).map(|call| (call, 0)).collect();
        let mut latest_of_text: BTreeMap<String, u32> = BTreeMap::new();
        let mut part = Part { answered: Vec::new(), open: Vec::new(), entries: Vec::new() };
        for (place, moment) in (0u32..).zip(moments) {
            let (Moment::Invoked(call) | Moment::Returned(call)) = moment;
            let operation = history.operation(*call);
            let here = part.entries.len() as u32;
            match (number_of.get_mut(call), &operation.returned) {
                (Some(number), Some((_, answer))) => {
                    let returns = matches!(moment, Moment::Returned(_));
                    if returns {
                        part.answered[*number as usize].returns = here;
                    } else {
                        *number = part.answered.len() as u32;
                        let pure = S::is_pure(&operation.op, answer);
                        part.answered.push(Answered {
                            call: *call,
                            operation,
                            answer,
                            pure,
                            invoked: here,
                            returns: here,
                        });
                    }
                    part.entries.push(Entry { operation: *number, returns, moment: place });
                }
                _ => {
                    let equal = latest_of_text.insert(format!("{:?}", operation.op), part.open.len() as u32);
                    part.open.push(Open { call: *call, operation, invoked: here, equal });
                }
            }
        }
        part
    }

    /// Says why this part, whose last moment is the return that makes it impossible, has no order.
    fn explain(&self, key: Option<u64>, evidence: &Evidence<S>) -> Impossible {
        let last = self.entries.last().expect("it ends with a return");
        Impossible {
            key,
            returned: self.answered.len() - 1,
            last: self.answered[last.operation as usize].call,
            order: evidence.tail.clone(),
            before: evidence.before,
            state: format!("{:?}", evidence.state),
            pending: evidence.pending.clone(),
        }
    }

    fn call(&self, step: Step) -> Call {
        match step {
            Step::Answered(number) => self.answered[number as usize].call,
            Step::Open(number) => self.open[number as usize].call,
        }
    }
}

/// An operation, by its position in [`Part::answered`] or [`Part::open`].
#[derive(Clone, Copy)]
enum Step {
    Answered(u32),
    Open(u32),
}

/// How far the search came at best.
struct Evidence<S: Specification> {
    /// The return in `entries` that no order got past.
    blocked: u32,
    /// The number of moments before it: so many are possible.
    possible: usize,
    /// The object after the order found last that gets there.
    state: S::State,
    /// The end of that order.
    tail: Vec<Call>,
    /// How many operations stand in it before that end.
    before: usize,
    /// What was invoked before `blocked` and is not in that order.
    pending: Vec<Call>,
}

/// How much a search remembers when it first doubts that there is an order, in bytes.
const DOUBT_FIRST: usize = 4 << 20;

/// The number of operations shown of an order.
const TAIL: usize = 12;

enum Outcome<S: Specification> {
    Found,
    /// The whole search was in vain.
    Impossible(Evidence<S>),
    /// Nothing can get past the return that blocks the search.
    Refuted(Evidence<S>),
    GaveUp,
}

/// One operation that was linearized, and how to take it back.
struct Frame {
    step: Step,
    /// The state before, as a number of `States`.
    before: u32,
    /// Not to be tried elsewhere: a pure operation.
    settled: bool,
}

/// The states met so far, numbered, so that comparing two costs nothing.
struct States<S: Specification> {
    all: Vec<S::State>,
    numbers: BTreeMap<S::State, u32>,
}

impl<S: Specification> States<S> {
    fn number(&mut self, state: S::State) -> u32 {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(state.clone());
        self.numbers.insert(state, number);
        number
    }
}

/// A set of numbers, few of which lie far behind the first gap.
struct Done {
    words: Vec<u64>,
    /// All words before are full, this one is not (or is the end).
    first_gap: usize,
    count: u32,
}

impl Done {
    fn new(capacity: usize) -> Self {
        Done { words: vec![0; capacity.div_ceil(64)], first_gap: 0, count: 0 }
    }

    fn contains(&self, number: u32) -> bool {
        self.words[number as usize / 64] >> (number % 64) & 1 == 1
    }

    fn insert(&mut self, number: u32) {
        self.words[number as usize / 64] |= 1 << (number % 64);
        self.count += 1;
        while self.words.get(self.first_gap) == Some(&u64::MAX) {
            self.first_gap += 1;
        }
    }

    fn remove(&mut self, number: u32) {
        self.words[number as usize / 64] &= !(1 << (number % 64));
        self.count -= 1;
        self.first_gap = self.first_gap.min(number as usize / 64);
    }

    /// Appends the words from the first gap to the last member, and returns how many they are.
    fn write_rest(&self, key: &mut Vec<u64>) -> u64 {
        let before = key.len();
        let mut missing = self.count - self.first_gap as u32 * 64;
        for word in &self.words[self.first_gap..] {
            if missing == 0 {
                break;
            }
            missing -= word.count_ones();
            key.push(*word);
        }
        (key.len() - before) as u64
    }
}

struct Search<'p, 'h, S: Specification> {
    part: &'p Part<'h, S>,
    /// The list of entries that are not lifted out, as successor and predecessor of each. One place
    /// more than there are entries is the head, before the first and behind the last.
    next: Vec<u32>,
    previous: Vec<u32>,
    answered: Done,
    open: Done,
    states: States<S>,
    state: u32,
    frames: Vec<Frame>,
    seen: SeenSet,
    /// The words of the pair looked up last.
    key: Vec<u64>,
    evidence: Option<Evidence<S>>,
}

impl<'p, 'h, S: Specification> Search<'p, 'h, S> {
    fn new(part: &'p Part<'h, S>) -> Self {
        Self::beginning_with(part, S::State::default())
    }

    /// A search whose object begins in this state.
    fn beginning_with(part: &'p Part<'h, S>, state: S::State) -> Self {
        let places = part.entries.len() as u32 + 1;
        let mut states = States { all: Vec::new(), numbers: BTreeMap::new() };
        let state = states.number(state);
        Search {
            part,
            next: (0..places).map(|place| (place + 1) % places).collect(),
            previous: (0..places).map(|place| (place + places - 1) % places).collect(),
            answered: Done::new(part.answered.len()),
            open: Done::new(part.open.len()),
            states,
            state,
            frames: Vec::new(),
            seen: SeenSet::new(),
            key: Vec::new(),
            evidence: None,
        }
    }

    /// Searches. The longer it takes, the likelier nothing gets past the return that blocks it: now and then
    /// `refutes` is asked whether that can be shown, given the number of moments before the return.
    fn run(mut self, memory_max: usize, refutes: &dyn Fn(usize) -> bool) -> Outcome<S> {
        let mut candidate = self.first_candidate();
        let mut next_doubt = DOUBT_FIRST;
        while (self.answered.count as usize) < self.part.answered.len() {
            match candidate {
                Some(step) if self.try_step(step) => {
                    candidate = self.first_candidate();
                    if self.seen.bytes() > memory_max {
                        return Outcome::GaveUp;
                    }
                }
                Some(step) => candidate = self.candidate_after(step),
                None => {
                    self.note_evidence();
                    if self.seen.bytes() > next_doubt {
                        next_doubt = self.seen.bytes().saturating_mul(4);
                        let blocked = self.evidence.as_ref().map(|evidence| evidence.possible);
                        if blocked.is_some_and(refutes) {
                            return Outcome::Refuted(self.evidence.expect("it is blocked"));
                        }
                    }
                    match self.take_back() {
                        Some(step) => candidate = self.candidate_after(step),
                        None => {
                            return Outcome::Impossible(self.evidence.expect("the dead end was noted"));
                        }
                    }
                }
            }
        }
        Outcome::Found
    }

    const fn head(&self) -> u32 {
        self.part.entries.len() as u32
    }

    /// The first operation that may come next: an answered one if there is any.
    fn first_candidate(&self) -> Option<Step> {
        self.invocation_at(self.next[self.head() as usize]).or_else(|| self.open_from(0))
    }

    /// The one to try when `step` does not do.
    fn candidate_after(&self, step: Step) -> Option<Step> {
        match step {
            Step::Answered(number) => {
                let entry = self.part.answered[number as usize].invoked;
                self.invocation_at(self.next[entry as usize]).or_else(|| self.open_from(0))
            }
            Step::Open(number) => self.open_from(number + 1),
        }
    }

    /// The answered operation invoked at this place, if it is no return: nothing that is invoked behind
    /// the first return may come before the operation returning there.
    fn invocation_at(&self, place: u32) -> Option<Step> {
        let entry = self.part.entries.get(place as usize)?;
        (!entry.returns).then_some(Step::Answered(entry.operation))
    }

    /// The first open operation from position `from` that may come next.
    fn open_from(&self, from: u32) -> Option<Step> {
        if from as usize >= self.part.open.len() {
            return None;
        }
        let bound = self.first_return();
        (from..self.part.open.len() as u32)
            .take_while(|number| self.part.open[*number as usize].invoked <= bound)
            .find(|number| {
                // Of equal ones the first comes first: whatever the later can do, it can.
                let equal_waits =
                    self.part.open[*number as usize].equal.is_some_and(|e| !self.open.contains(e));
                !self.open.contains(*number) && !equal_waits
            })
            .map(Step::Open)
    }

    /// The first return that is left: the end of what may come next.
    fn first_return(&self) -> u32 {
        let mut place = self.next[self.head() as usize];
        while self.part.entries.get(place as usize).is_some_and(|entry| !entry.returns) {
            place = self.next[place as usize];
        }
        place
    }

    /// Linearizes `step` here, if the object answers so and the search has not been there.
    fn try_step(&mut self, step: Step) -> bool {
        let mut after = self.states.all[self.state as usize].clone();
        let settled = match step {
            Step::Answered(number) => {
                let answered = &self.part.answered[number as usize];
                if S::apply(&mut after, &answered.operation.op) != *answered.answer {
                    return false;
                }
                answered.pure
            }
            Step::Open(number) => {
                S::apply(&mut after, &self.part.open[number as usize].operation.op);
                if after == self.states.all[self.state as usize] {
                    return false;
                }
                false
            }
        };
        let before = self.state;
        self.state = self.states.number(after);
        self.mark(step);
        if !settled && !self.is_new() {
            self.unmark(step);
            self.state = before;
            return false;
        }
        if let Step::Answered(number) = step {
            let answered = &self.part.answered[number as usize];
            self.lift(answered.invoked);
            self.lift(answered.returns);
        }
        self.frames.push(Frame { step, before, settled });
        true
    }

    /// Takes back the last operation that may be tried elsewhere, and all settled ones behind it.
    fn take_back(&mut self) -> Option<Step> {
        while let Some(frame) = self.frames.pop() {
            if let Step::Answered(number) = frame.step {
                let answered = &self.part.answered[number as usize];
                self.put_back(answered.returns);
                self.put_back(answered.invoked);
            }
            self.unmark(frame.step);
            self.state = frame.before;
            if !frame.settled {
                return Some(frame.step);
            }
        }
        None
    }

    fn mark(&mut self, step: Step) {
        match step {
            Step::Answered(number) => self.answered.insert(number),
            Step::Open(number) => self.open.insert(number),
        }
    }

    fn unmark(&mut self, step: Step) {
        match step {
            Step::Answered(number) => self.answered.remove(number),
            Step::Open(number) => self.open.remove(number),
        }
    }

    fn lift(&mut self, place: u32) {
        let (previous, next) = (self.previous[place as usize], self.next[place as usize]);
        self.next[previous as usize] = next;
        self.previous[next as usize] = previous;
    }

    /// Undoes the latest `lift` that is not undone: the place still knows its neighbours.
    fn put_back(&mut self, place: u32) {
        let (previous, next) = (self.previous[place as usize], self.next[place as usize]);
        self.next[previous as usize] = place;
        self.previous[next as usize] = place;
    }

    /// Remembers the present state and set of operations; says whether they were new.
    fn is_new(&mut self) -> bool {
        // The first two words say how the others are to be read, so no two pairs share a key.
        self.key.clear();
        self.key.extend([0, 0]);
        let answered = self.answered.write_rest(&mut self.key);
        self.open.write_rest(&mut self.key);
        self.key[0] = u64::from(self.state) << 32 | answered;
        self.key[1] = (self.answered.first_gap as u64) << 32 | self.open.first_gap as u64;
        self.seen.insert(&self.key)
    }

    /// At a dead end: keeps what is to be said of it, if no order got further.
    fn note_evidence(&mut self) {
        let blocked = self.first_return();
        if self.evidence.as_ref().is_some_and(|best| best.blocked >= blocked) {
            return;
        }
        // All before the first gaps are in that order.
        let answered = self.part.answered.iter().enumerate().skip(self.answered.first_gap * 64);
        let open = self.part.open.iter().enumerate().skip(self.open.first_gap * 64);
        let pending = answered
            .take_while(|(_, operation)| operation.invoked < blocked)
            .filter(|(number, _)| !self.answered.contains(*number as u32))
            .map(|(number, _)| Step::Answered(number as u32))
            .chain(
                open.take_while(|(_, operation)| operation.invoked <= blocked)
                    .filter(|(number, _)| !self.open.contains(*number as u32))
                    .map(|(number, _)| Step::Open(number as u32)),
            )
            .map(|step| self.part.call(step))
            .collect();
        let before = self.frames.len().saturating_sub(TAIL);
        let tail = &self.frames[before..];
        self.evidence = Some(Evidence {
            blocked,
            possible: self.part.entries[blocked as usize].moment as usize,
            state: self.states.all[self.state as usize].clone(),
            tail: tail.iter().map(|frame| self.part.call(frame.step)).collect(),
            before,
            pending,
        });
    }
}
