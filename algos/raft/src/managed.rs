//! A machine whose clients may also ask for other members, and for another leader.
//!
//! [`Managed`] adds to any machine's commands what concerns the cluster: [`Raft`](crate::Raft) acts on that, and the
//! machine never sees it. So a machine of few commands stays one, and a cluster that never changes need not know how.
//! What clients are promised is what the machine promises; a change or a transfer is told as done, and changes
//! nothing of it.
//!
//! Requests have a text form for scenario files: `Put(1,7)`, `Change(voters 0,1,3 learners 2)`, `Transfer(2)`. Verified
//! by the tests below and by everything that runs a managed store.

use core::fmt::{self, Debug};
use core::str::FromStr;

use swarm_protocol::{Access, Drawn, NodeId, NodeSet, Specification, Stream};

use crate::{Administration, Machine};

/// A machine, and a cluster that can be asked for other members.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Managed<M>(M);

impl<M> Managed<M> {
    /// The machine.
    pub const fn inner(&self) -> &M {
        &self.0
    }
}

/// What a client of [`Managed`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request<C> {
    /// Something of the machine.
    Command(C),
    /// Of the cluster, that these take part from now on (Raft §6).
    Change {
        /// Who votes, at least one.
        voters: NodeSet,
        /// Who replicates without a vote.
        learners: NodeSet,
    },
    /// Of the cluster, that this voter lead (dissertation §3.10).
    Transfer(NodeId),
}

/// What a client of [`Managed`] is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ManagedAnswer<A> {
    /// The machine's answer.
    Applied(A),
    /// The members are as was asked, by a committed entry.
    Changed,
    /// The leader has told the voter to stand for election, and has made way.
    Transferred,
}

impl<C> From<C> for Request<C> {
    fn from(command: C) -> Self {
        Request::Command(command)
    }
}

impl<C: Drawn> Drawn for Request<C> {
    /// A command. Who is to take part depends on the size of the cluster: that is for whoever draws to know.
    fn draw(stream: &mut Stream) -> Self {
        Request::Command(C::draw(stream))
    }
}

impl<C: Debug> Debug for Request<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, name: &str, nodes: NodeSet| {
            write!(f, "{name}")?;
            nodes.iter().enumerate().try_for_each(|(place, NodeId(node))| {
                write!(f, "{}{node}", if place == 0 { " " } else { "," })
            })
        };
        match self {
            Request::Command(command) => command.fmt(f),
            Request::Change { voters, learners } => {
                f.write_str("Change(")?;
                list(f, "voters", *voters)?;
                if !learners.is_empty() {
                    list(f, " learners", *learners)?;
                }
                f.write_str(")")
            }
            Request::Transfer(NodeId(to)) => write!(f, "Transfer({to})"),
        }
    }
}

impl<C: FromStr<Err = String>> FromStr for Request<C> {
    type Err = String;

    /// Reads what `Debug` prints.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(to) = text.strip_prefix("Transfer(").and_then(|text| text.strip_suffix(')')) {
            let to = to.parse().ok().filter(|to: &u32| *to < NodeSet::CAPACITY);
            let refused = || format!("`{text}` names no server: Transfer(2)");
            return to.map(|to| Request::Transfer(NodeId(to))).ok_or_else(refused);
        }
        let Some(change) = text.strip_prefix("Change(").and_then(|text| text.strip_suffix(')')) else {
            return text.parse().map(Request::Command);
        };
        let refused =
            || format!("`{text}` is not a change: Change(voters 0,1,3), Change(voters 0 learners 1,2)");
        let nodes = |list: &str| -> Option<NodeSet> {
            let mut nodes = NodeSet::EMPTY;
            for node in list.split(',') {
                let node = node.trim().parse().ok().filter(|node: &u32| *node < NodeSet::CAPACITY)?;
                nodes.insert(NodeId(node)).then_some(())?;
            }
            Some(nodes)
        };
        let (voters, learners) =
            change.split_once(" learners ").map_or((change, None), |(a, b)| (a, Some(b)));
        let voters = voters.strip_prefix("voters ").and_then(nodes).ok_or_else(refused)?;
        let learners = learners.map_or(Some(NodeSet::EMPTY), nodes).ok_or_else(refused)?;
        Ok(Request::Change { voters, learners })
    }
}

impl<M: Machine> Machine for Managed<M> {
    type Command = Request<M::Command>;
    type Answer = ManagedAnswer<M::Answer>;
    type Spec = ManagedSpec<M::Spec>;

    fn apply(&mut self, command: &Self::Command) -> Self::Answer {
        match command {
            Request::Command(command) => ManagedAnswer::Applied(self.0.apply(command)),
            Request::Change { .. } => ManagedAnswer::Changed,
            Request::Transfer(_) => ManagedAnswer::Transferred,
        }
    }

    fn administration(command: &Self::Command) -> Option<(Administration, Self::Answer)> {
        match *command {
            Request::Command(_) => None,
            Request::Change { voters, learners } => {
                Some((Administration::Change { voters, learners }, ManagedAnswer::Changed))
            }
            Request::Transfer(to) => Some((Administration::Transfer { to }, ManagedAnswer::Transferred)),
        }
    }

    fn read(&self, command: &Self::Command) -> Option<Self::Answer> {
        match command {
            Request::Command(command) => self.0.read(command).map(ManagedAnswer::Applied),
            Request::Change { .. } | Request::Transfer(_) => None,
        }
    }

    fn bytes(command: &Self::Command) -> u64 {
        match command {
            Request::Command(command) => M::bytes(command),
            Request::Change { .. } | Request::Transfer(_) => size_of::<Self::Command>() as u64,
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        M::restore(bytes).map(Managed)
    }

    fn kind(command: &Self::Command) -> &'static str {
        match command {
            Request::Command(command) => M::kind(command),
            Request::Change { .. } => "Change",
            Request::Transfer(_) => "Transfer",
        }
    }
}

/// What clients of a managed machine are promised: what its own are.
#[derive(Clone, Copy, Debug)]
pub struct ManagedSpec<S>(core::marker::PhantomData<S>);

/// The part of the object that changes of members and of leaders touch: no key of a machine.
const MEMBERS: u64 = u64::MAX;

impl<S: Specification> Specification for ManagedSpec<S> {
    type State = S::State;
    type Op = Request<S::Op>;
    type Answer = ManagedAnswer<S::Answer>;

    fn apply(state: &mut Self::State, op: &Self::Op) -> Self::Answer {
        match op {
            Request::Command(op) => ManagedAnswer::Applied(S::apply(state, op)),
            Request::Change { .. } => ManagedAnswer::Changed,
            Request::Transfer(_) => ManagedAnswer::Transferred,
        }
    }

    fn is_pure(op: &Self::Op, answer: &Self::Answer) -> bool {
        match (op, answer) {
            (Request::Command(op), ManagedAnswer::Applied(answer)) => S::is_pure(op, answer),
            (Request::Change { .. } | Request::Transfer(_), _) => true,
            (Request::Command(_), ManagedAnswer::Changed | ManagedAnswer::Transferred) => false,
        }
    }

    fn key(op: &Self::Op) -> Option<u64> {
        match op {
            Request::Command(op) => S::key(op),
            Request::Change { .. } | Request::Transfer(_) => Some(MEMBERS),
        }
    }

    fn access(op: &Self::Op, answer: Option<&Self::Answer>) -> Access {
        match (op, answer) {
            (Request::Command(op), None) => S::access(op, None),
            (Request::Command(op), Some(ManagedAnswer::Applied(answer))) => S::access(op, Some(answer)),
            _ => Access::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kv, KvAnswer, KvOp, KvSpec};

    #[test]
    fn a_managed_store_is_a_store() {
        let (mut store, mut state) = (Managed::<Kv>::default(), Vec::new());
        let nodes = NodeSet::first(2);
        let change = Request::Change { voters: nodes, learners: NodeSet::EMPTY };
        for (op, answer) in [
            (Request::Command(KvOp::Put(1, 7)), ManagedAnswer::Applied(KvAnswer::Stored)),
            (change, ManagedAnswer::Changed),
            (Request::Transfer(NodeId(1)), ManagedAnswer::Transferred),
            (Request::Command(KvOp::Get(1)), ManagedAnswer::Applied(KvAnswer::Value(Some(7)))),
        ] {
            let read = store.read(&op);
            assert_eq!(store.apply(&op), answer);
            assert!(read.is_none_or(|read| read == answer));
            assert_eq!(ManagedSpec::<KvSpec>::apply(&mut state, &op), answer);
        }
        let mut bytes = Vec::new();
        store.save(&mut bytes);
        assert_eq!(Managed::restore(&bytes), Some(store));
        assert!(Managed::<Kv>::administration(&change).is_some());
        assert!(Managed::<Kv>::administration(&Request::Command(KvOp::Get(1))).is_none());
    }

    #[test]
    fn text_round_trips() {
        let set = NodeSet::from_bits;
        for (request, text) in [
            (Request::Command(KvOp::Put(1, 7)), "Put(1,7)"),
            (Request::Change { voters: set(0b1011), learners: set(0) }, "Change(voters 0,1,3)"),
            (Request::Change { voters: set(1), learners: set(6) }, "Change(voters 0 learners 1,2)"),
            (Request::Transfer(NodeId(2)), "Transfer(2)"),
        ] {
            assert_eq!(format!("{request:?}"), text);
            assert_eq!(text.parse(), Ok(request));
        }
        for text in [
            "Change()",
            "Change(voters )",
            "Change(voters 0,0)",
            "Change(voters 64)",
            "Pot(1)",
            "Transfer(64)",
            "Transfer(n1)",
        ] {
            assert!(text.parse::<Request<KvOp>>().is_err(), "{text}");
        }
    }
}
