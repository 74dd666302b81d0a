//! Sessions of clients: a command that is sent twice is applied once (dissertation §6.3).
//!
//! A client that hears nothing cannot know whether its command was applied, and must ask again. [`Sessions`] makes
//! that safe around any machine: a client opens a session, numbers its commands, and repeats one as it was. The
//! machine keeps the answer to every command of which the client has not said that it knows the answer, and gives
//! it again instead of applying the command again. All of this is part of the replicated state: the log, the
//! snapshots and every replica agree on it.
//!
//! Memory is bounded. A session keeps at most [`WINDOW`] answers, and there are at most `SESSIONS` sessions: when one
//! more is opened, the one that was used least lately in the order of the log is closed. A client of a closed session is
//! told so, and that nothing was applied; a session is never opened unasked, which would forget what was applied.
//!
//! [`Session`] is the client's side. Requests have a text form for scenario files: `Open`, `Do(1,3,2,Put(1,7))`
//! (session 1, command 3, answers below 2 are known), `Read(Get(1))`. Verified by the tests below against
//! [`SessionsSpec`], which is written apart, and by simulations whose clients repeat commands.

use core::fmt::{self, Debug};
use core::hash::Hash;
use core::str::FromStr;
use std::collections::VecDeque;

use swarm_protocol::{Access, Drawn, Specification, Stream};

use crate::Machine;
use swarm_protocol::wire::{self, Wire};

/// How many commands of one session may be without a known answer.
pub const WINDOW: u64 = 4096;

/// What a client of [`Sessions`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Once<C> {
    /// A new session.
    Open,
    /// A command, to be applied unless it was.
    Do {
        /// The session, as it was answered.
        session: u64,
        /// Which command of the session: the same for the same command.
        number: u64,
        /// The client knows the answers to all commands before this one, or does not want them.
        known_below: u64,
        /// The command.
        command: C,
    },
    /// Something that changes nothing, and needs no session ([`Machine::read`]).
    Read(C),
}

/// What a client of [`Sessions`] is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OnceAnswer<A> {
    /// The session is open, by this name.
    Opened(u64),
    /// What the machine answered, now or when the command was first applied.
    Applied(A),
    /// There is no such session, or no longer: the command was not applied now, and it is not known whether it was
    /// before.
    Closed,
    /// The client has said that it knows the answer: the command was not applied now.
    Known,
    /// The command was not applied, and never will be as it is: what is wrong with it.
    Refused(&'static str),
}

impl<C: Debug> Debug for Once<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Once::Open => f.write_str("Open"),
            Once::Do { session, number, known_below, command } => {
                write!(f, "Do({session},{number},{known_below},{command:?})")
            }
            Once::Read(command) => write!(f, "Read({command:?})"),
        }
    }
}

impl<C: FromStr<Err = String>> FromStr for Once<C> {
    type Err = String;

    /// Reads what `Debug` prints.
    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("`{text}` is not a request: Open, Do(session,number,known,COMMAND), Read(COMMAND)");
        if text == "Open" {
            return Ok(Once::Open);
        }
        let (name, rest) =
            text.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(refused)?;
        match name {
            "Read" => rest.parse().map(Once::Read),
            "Do" => {
                let mut parts = rest.splitn(4, ',');
                let mut word = || parts.next().and_then(|text| text.trim().parse().ok()).ok_or_else(refused);
                let (session, number, known_below) = (word()?, word()?, word()?);
                let command = parts.next().ok_or_else(refused)?.trim().parse()?;
                Ok(Once::Do { session, number, known_below, command })
            }
            _ => Err(refused()),
        }
    }
}

impl<C: Drawn> Drawn for Once<C> {
    /// A few sessions, and few numbers: most commands are repeated sooner or later, some with others' numbers.
    fn draw(stream: &mut Stream) -> Self {
        let command = C::draw(stream);
        match stream.below(10) {
            0 => Once::Open,
            _ => {
                let number = stream.below(8);
                let known_below = number.saturating_sub(stream.below(8));
                Once::Do { session: 1 + stream.below(3), number, known_below, command }
            }
        }
    }
}

impl<A> OnceAnswer<A> {
    const TOO_FAR: Self = OnceAnswer::Refused("too many commands of the session have no known answer");
    const NOT_A_READ: Self = OnceAnswer::Refused("this changes the machine: it needs a session");
}

/// A machine that applies each command of a session once. At most `SESSIONS` are open.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sessions<M: Machine, const SESSIONS: usize = 1024> {
    machine: M,
    /// By ascending name.
    open: Vec<Kept<M::Answer>>,
    /// How many sessions were ever opened: the name of the last.
    opened: u64,
    /// How many requests were applied that used a session.
    uses: u64,
}

/// What is kept of a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Kept<A> {
    name: u64,
    /// Which use was its last.
    used: u64,
    /// Nobody asks for answers before this command.
    below: u64,
    /// The answers from there on; none where a command has not come yet. The last is there.
    answers: VecDeque<Option<A>>,
}

impl<M: Machine, const SESSIONS: usize> Default for Sessions<M, SESSIONS> {
    fn default() -> Self {
        const { assert!(SESSIONS > 0, "somebody must be served") };
        Sessions { machine: M::default(), open: Vec::new(), opened: 0, uses: 0 }
    }
}

impl<M: Machine, const SESSIONS: usize> Sessions<M, SESSIONS> {
    /// The machine.
    pub const fn inner(&self) -> &M {
        &self.machine
    }

    /// How many sessions are open.
    pub const fn open(&self) -> usize {
        self.open.len()
    }

    /// Opens a session. Costs a look at each when there are as many as may be.
    fn open_one(&mut self) -> u64 {
        if self.open.len() == SESSIONS {
            let least = self.open.iter().enumerate().min_by_key(|(_, kept)| kept.used);
            let place = least.expect("there is at least one").0;
            self.open.remove(place);
        }
        (self.opened, self.uses) = (self.opened + 1, self.uses + 1);
        let kept = Kept { name: self.opened, used: self.uses, below: 0, answers: VecDeque::new() };
        self.open.push(kept);
        self.opened
    }

    /// Where the session stands. While none of those before it was closed, its name says so.
    #[inline]
    fn place(&self, name: u64) -> Option<usize> {
        let guess = name.checked_sub(self.open.first()?.name)? as usize;
        if self.open.get(guess).is_some_and(|kept| kept.name == name) {
            return Some(guess);
        }
        self.open.binary_search_by_key(&name, |kept| kept.name).ok()
    }

    #[inline]
    fn apply_once(
        &mut self,
        session: u64,
        number: u64,
        known_below: u64,
        command: &M::Command,
    ) -> OnceAnswer<M::Answer> {
        let Some(place) = self.place(session) else { return OnceAnswer::Closed };
        self.uses += 1;
        let kept = &mut self.open[place];
        kept.used = self.uses;
        kept.forget_below(known_below);
        let Some(ahead) = number.checked_sub(kept.below) else { return OnceAnswer::Known };
        if ahead >= WINDOW {
            return OnceAnswer::TOO_FAR;
        }
        if kept.answers.len() <= ahead as usize {
            kept.answers.resize(ahead as usize + 1, None);
        }
        let slot = &mut kept.answers[ahead as usize];
        let answer = slot.get_or_insert_with(|| self.machine.apply(command));
        OnceAnswer::Applied(answer.clone())
    }
}

impl<A> Kept<A> {
    /// The client does not ask for these any more.
    #[inline]
    fn forget_below(&mut self, known_below: u64) {
        if let Some(gone) = known_below.checked_sub(self.below) {
            self.answers.drain(..self.answers.len().min(usize::try_from(gone).unwrap_or(usize::MAX)));
            self.below = known_below;
        }
    }
}

impl<M: Machine, const SESSIONS: usize> Machine for Sessions<M, SESSIONS>
where
    M::Answer: Wire + Ord + Hash,
{
    type Command = Once<M::Command>;
    type Answer = OnceAnswer<M::Answer>;
    type Spec = SessionsSpec<M::Spec, SESSIONS>;

    fn apply(&mut self, command: &Self::Command) -> Self::Answer {
        match command {
            Once::Open => OnceAnswer::Opened(self.open_one()),
            Once::Do { session, number, known_below, command } => {
                self.apply_once(*session, *number, *known_below, command)
            }
            Once::Read(command) => {
                self.machine.read(command).map_or(OnceAnswer::NOT_A_READ, OnceAnswer::Applied)
            }
        }
    }

    fn read(&self, command: &Self::Command) -> Option<Self::Answer> {
        match command {
            Once::Read(command) => {
                Some(self.machine.read(command).map_or(OnceAnswer::NOT_A_READ, OnceAnswer::Applied))
            }
            Once::Open | Once::Do { .. } => None,
        }
    }

    fn bytes(command: &Self::Command) -> u64 {
        match command {
            Once::Open => size_of::<Self::Command>() as u64,
            // Session, number, and what is known.
            Once::Do { command, .. } => M::bytes(command) + 24,
            Once::Read(command) => M::bytes(command),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        wire::write_u64s(out, &[self.opened, self.uses]);
        wire::write_count(out, self.open.len());
        for Kept { name, used, below, answers } in &self.open {
            wire::write_u64s(out, &[*name, *used, *below]);
            wire::write_count(out, answers.len());
            for answer in answers {
                out.push(u8::from(answer.is_some()));
                if let Some(answer) = answer {
                    answer.write(out);
                }
            }
        }
        self.machine.save(out);
    }

    fn restore(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let (opened, uses) = (wire::read_u64(bytes).ok()?, wire::read_u64(bytes).ok()?);
        let count = wire::read_count(bytes, "sessions", 28).ok().filter(|count| *count <= SESSIONS)?;
        let mut open: Vec<Kept<_>> = Vec::with_capacity(count);
        for _ in 0..count {
            let mut word = || wire::read_u64(bytes).ok();
            let (name, used, below) = (word()?, word()?, word()?);
            let ascends = open.last().is_none_or(|last| last.name < name);
            if !ascends || name > opened || used > uses {
                return None;
            }
            let kept = wire::read_count(bytes, "answers", 1).ok().filter(|kept| *kept as u64 <= WINDOW)?;
            let mut answers = VecDeque::with_capacity(kept);
            for _ in 0..kept {
                let is_there = wire::read_bool(bytes).ok()?;
                answers.push_back(if is_there { Some(M::Answer::read(bytes).ok()?) } else { None });
            }
            open.push(Kept { name, used, below, answers });
        }
        let machine = M::restore(bytes)?;
        Some(Sessions { machine, open, opened, uses })
    }

    fn kind(command: &Self::Command) -> &'static str {
        match command {
            Once::Open => "Open",
            Once::Do { command, .. } | Once::Read(command) => M::kind(command),
        }
    }
}

/// A client's side of its session: numbers its commands, and knows which answers are still to come.
#[derive(Clone, Debug)]
pub struct Session {
    name: u64,
    /// The first command without an answer.
    below: u64,
    /// Whether each from there on has its answer; the first has not.
    answered: VecDeque<bool>,
}

impl Session {
    /// The session that [`Once::Open`] was answered with.
    pub const fn new(name: u64) -> Self {
        Session { name, below: 0, answered: VecDeque::new() }
    }

    /// The next command, and its number. To ask again, send the same value again. `None` while [`WINDOW`] commands
    /// from the first without an answer on are under way: the cluster would refuse more.
    pub fn next<C>(&mut self, command: C) -> Option<(u64, Once<C>)> {
        if self.answered.len() as u64 == WINDOW {
            return None;
        }
        let number = self.below + self.answered.len() as u64;
        self.answered.push_back(false);
        Some((number, Once::Do { session: self.name, number, known_below: self.below, command }))
    }

    /// The command has its answer: the cluster may forget it.
    pub fn answered(&mut self, number: u64) {
        let place = number.checked_sub(self.below).and_then(|place| usize::try_from(place).ok());
        if let Some(slot) = place.and_then(|place| self.answered.get_mut(place)) {
            *slot = true;
        }
        while self.answered.pop_front_if(|answered| *answered).is_some() {
            self.below += 1;
        }
    }
}

/// What clients of sessions are promised: that of the machine, each numbered command once.
#[derive(Clone, Copy, Debug)]
pub struct SessionsSpec<S, const SESSIONS: usize>(core::marker::PhantomData<S>);

/// The object that [`SessionsSpec`] promises.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Promised<T, A> {
    object: T,
    opened: u64,
    /// In the order of the last use.
    sessions: Vec<PromisedSession<A>>,
}

/// Name, what is known, and the answers with their numbers.
type PromisedSession<A> = (u64, u64, Vec<(u64, A)>);

impl<T: Default, A> Default for Promised<T, A> {
    fn default() -> Self {
        Promised { object: T::default(), opened: 0, sessions: Vec::new() }
    }
}

impl<S: Specification, const SESSIONS: usize> Specification for SessionsSpec<S, SESSIONS>
where
    S::Answer: Ord + Hash,
{
    type State = Promised<S::State, S::Answer>;
    type Op = Once<S::Op>;
    type Answer = OnceAnswer<S::Answer>;

    fn apply(state: &mut Self::State, op: &Self::Op) -> Self::Answer {
        match op {
            Once::Open => {
                state.opened += 1;
                if state.sessions.len() == SESSIONS {
                    state.sessions.remove(0);
                }
                state.sessions.push((state.opened, 0, Vec::new()));
                OnceAnswer::Opened(state.opened)
            }
            Once::Do { session, number, known_below, command } => {
                let Some(place) = state.sessions.iter().position(|(name, ..)| name == session) else {
                    return OnceAnswer::Closed;
                };
                let used = state.sessions.remove(place);
                state.sessions.push(used);
                let (_, below, answers) = state.sessions.last_mut().expect("it was just used");
                *below = (*below).max(*known_below);
                answers.retain(|(number, _)| number >= below);
                if let Some((_, answer)) = answers.iter().find(|(of, _)| of == number) {
                    return OnceAnswer::Applied(answer.clone());
                }
                if number < below {
                    return OnceAnswer::Known;
                }
                if number - *below >= WINDOW {
                    return OnceAnswer::TOO_FAR;
                }
                let answer = S::apply(&mut state.object, command);
                answers.push((*number, answer.clone()));
                answers.sort_unstable();
                OnceAnswer::Applied(answer)
            }
            Once::Read(command) => {
                let answer = S::apply(&mut state.object.clone(), command);
                let writes = matches!(S::access(command, None), Access::Write { .. } | Access::Update { .. });
                if writes || !S::is_pure(command, &answer) {
                    return OnceAnswer::NOT_A_READ;
                }
                OnceAnswer::Applied(answer)
            }
        }
    }

    fn is_pure(op: &Self::Op, _answer: &Self::Answer) -> bool {
        matches!(op, Once::Read(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kv, KvAnswer, KvOp, KvSpec};

    type Few = Sessions<Kv, 3>;
    type FewSpec = SessionsSpec<KvSpec, 3>;

    fn put(session: u64, number: u64, known_below: u64, value: u64) -> Once<KvOp> {
        Once::Do { session, number, known_below, command: KvOp::Put(1, value) }
    }

    const STORED: OnceAnswer<KvAnswer> = OnceAnswer::Applied(KvAnswer::Stored);

    #[test]
    fn a_command_that_comes_twice_is_applied_once() {
        let mut store = Few::default();
        assert_eq!(store.apply(&Once::Open), OnceAnswer::Opened(1));
        let swap = |number| Once::Do { session: 1, number, known_below: 0, command: KvOp::Cas(1, 7, 8) };
        assert_eq!(store.apply(&put(1, 0, 0, 7)), STORED);
        assert_eq!(store.apply(&swap(1)), OnceAnswer::Applied(KvAnswer::Swapped(true)));
        // Applied again, the first would undo the second, and the second would fail.
        assert_eq!(store.apply(&put(1, 0, 0, 7)), STORED);
        assert_eq!(store.inner().get(1), Some(8));
        assert_eq!(store.apply(&swap(1)), OnceAnswer::Applied(KvAnswer::Swapped(true)));
        assert_eq!(store.apply(&swap(2)), OnceAnswer::Applied(KvAnswer::Swapped(false)));
    }

    #[test]
    fn what_the_client_knows_is_forgotten_and_never_applied_again() {
        let mut store = Few::default();
        store.apply(&Once::Open);
        for number in 0..10 {
            assert_eq!(store.apply(&put(1, number, number, number)), STORED);
            assert_eq!(store.open[0].answers.len(), 1);
        }
        assert_eq!(store.apply(&put(1, 3, 0, 3)), OnceAnswer::Known);
        assert_eq!(store.apply(&put(1, u64::MAX, 0, 3)), OnceAnswer::TOO_FAR);
        assert_eq!(store.apply(&put(1, 9 + WINDOW, 0, 3)), OnceAnswer::TOO_FAR);
        assert_eq!(store.inner().get(1), Some(9));
        assert_eq!(store.apply(&put(1, u64::MAX, u64::MAX, 4)), STORED);
    }

    #[test]
    fn the_session_that_was_used_least_lately_is_closed_and_not_opened_unasked() {
        let mut store = Few::default();
        for name in 1..=3 {
            assert_eq!(store.apply(&Once::Open), OnceAnswer::Opened(name));
        }
        for (name, answer) in [(1, STORED), (3, STORED), (4, OnceAnswer::Closed), (0, OnceAnswer::Closed)] {
            assert_eq!(store.apply(&put(name, 0, 0, name)), answer);
        }
        assert_eq!(store.apply(&Once::Open), OnceAnswer::Opened(4));
        for (name, answer) in [(2, OnceAnswer::Closed), (1, STORED), (3, STORED), (4, STORED)] {
            assert_eq!(store.apply(&put(name, 1, 0, name)), answer);
        }
        assert_eq!(store.open(), 3);
    }

    #[test]
    fn reads_need_no_session_and_nothing_else_goes_without() {
        let mut store = Few::default();
        store.apply(&Once::Open);
        store.apply(&put(1, 0, 0, 7));
        let get = Once::Read(KvOp::Get(1));
        let found = OnceAnswer::Applied(KvAnswer::Value(Some(7)));
        assert_eq!((store.read(&get), store.apply(&get)), (Some(found), found));
        let write = Once::Read(KvOp::Put(1, 8));
        assert_eq!(
            (store.read(&write), store.apply(&write)),
            (Some(OnceAnswer::NOT_A_READ), OnceAnswer::NOT_A_READ)
        );
        assert_eq!(store.read(&put(1, 0, 0, 7)), None);
        assert_eq!(store.inner().get(1), Some(7));
    }

    /// Against the promise, which was written apart; saved and restored on the way.
    #[test]
    fn answers_are_as_promised() {
        let mut draw = Stream::new(1, 0, 0);
        for _ in 0..200 {
            let (mut store, mut promised) = (Few::default(), Promised::default());
            for _ in 0..80 {
                let op = match draw.below(8) {
                    0 => Once::Read(KvOp::draw(&mut draw)),
                    1 => Once::Do {
                        session: store.opened.saturating_sub(draw.below(5)),
                        number: draw.below(6),
                        known_below: draw.below(6),
                        command: KvOp::draw(&mut draw),
                    },
                    2 => put(draw.below(4), draw.below(3) + WINDOW - 1, 0, 9),
                    _ => Once::draw(&mut draw),
                };
                let (before, read) = (store.clone(), store.read(&op));
                let answer = store.apply(&op);
                assert_eq!(answer, FewSpec::apply(&mut promised, &op), "{op:?}");
                assert!(read.is_none_or(|read| read == answer && store == before), "{op:?}");
                assert!(!FewSpec::is_pure(&op, &answer) || store == before, "{op:?}");
                let mut saved = Vec::new();
                store.save(&mut saved);
                assert_eq!(Few::restore(&saved).as_ref(), Some(&store));
                for cut in [1, 7, 20, 28] {
                    let other = saved.get(..saved.len().saturating_sub(cut)).and_then(Few::restore);
                    assert!(other.is_none_or(|other| other != store), "{cut} bytes less");
                }
            }
        }
    }

    #[test]
    fn bytes_that_no_sessions_wrote_are_refused() {
        let mut store = Few::default();
        for name in 1..=3 {
            assert_eq!(store.apply(&Once::Open), OnceAnswer::Opened(name));
        }
        let mut saved = Vec::new();
        store.save(&mut saved);
        assert!(Few::restore(&saved).is_some());
        assert!(Sessions::<Kv, 2>::restore(&saved).is_none(), "more than there may be");
        let first = 8 + 8 + 4;
        for (at, byte, what) in
            [(0, 2, "opened"), (8, 2, "uses"), (first, 3, "not ascending"), (first + 24, 1, "answers")]
        {
            let mut other = saved.clone();
            other[at] = byte;
            assert!(Few::restore(&other).is_none(), "{what}");
        }
    }

    #[test]
    fn a_session_numbers_its_commands_and_says_what_it_knows() {
        let mut session = Session::new(5);
        let known = |once| match once {
            Some((number, Once::Do { session: 5, number: same, known_below, command: () })) => {
                assert_eq!(number, same);
                Some((number, known_below))
            }
            None => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(known(session.next(())), Some((0, 0)));
        assert_eq!(known(session.next(())), Some((1, 0)));
        session.answered(1);
        session.answered(7); // It was never sent.
        assert_eq!(known(session.next(())), Some((2, 0)));
        session.answered(0);
        session.answered(0);
        assert_eq!(known(session.next(())), Some((3, 2)));
        for number in 4..2 + WINDOW {
            assert_eq!(known(session.next(())), Some((number, 2)));
        }
        assert_eq!(known(session.next(())), None);
    }

    #[test]
    fn text_round_trips() {
        for (request, text) in [
            (Once::Open, "Open"),
            (put(1, 3, 2, 7), "Do(1,3,2,Put(1,7))"),
            (Once::Read(KvOp::Get(1)), "Read(Get(1))"),
        ] {
            assert_eq!(format!("{request:?}"), text);
            assert_eq!(text.parse(), Ok(request));
        }
        for text in ["Do", "Do()", "Do(1,2,Put(1,7))", "Do(1,-3,2,Put(1,7))", "Read()", "Put(1,7)", "Open()"]
        {
            assert!(text.parse::<Once<KvOp>>().is_err(), "{text}");
        }
    }
}
