//! What Raft nodes send each other.
//!
//! A message says the term it belongs to and just what its handler needs; who sent it is the link's
//! business. The text is one line that names the message in traces and scenario files:
//! `Append(t2 prev 3@1 [Put(1,7)@2] c2)` is an append of term 2 behind entry 3 of term 1, with one entry
//! of term 2 and commit index 2.

use core::fmt::{self, Debug};

use crate::{Entries, Index, Loan, Part, Term};

/// | message | from | to | answered by |
/// |---|---|---|---|
/// | `RequestPreVote` | pre-candidate | every voter | `PreVote` or `Behind` |
/// | `PreVote` | voter | pre-candidate | nothing |
/// | `RequestVote` | candidate | every voter | `Vote` |
/// | `Vote` | voter | candidate | nothing |
/// | `TimeoutNow` | leader | who is to lead | `RequestVote`, to every voter |
/// | `Append` | leader | every follower | `Appended`, `Conflict` or `Stale` |
/// | `Appended` | follower | leader | nothing |
/// | `Conflict` | follower | leader | `Append` further back |
/// | `Stale` | node of a later term | leader of the past | nothing |
/// | `Part` | leader | a follower that lags far | `Received`, `Appended` or `Stale` |
/// | `Received` | follower | leader | the next `Part` |
/// | `Confirm` | leader | every other voter | `Confirmed` or `Stale` |
/// | `Confirmed` | voter | leader | nothing |
/// | `Behind` | voter | pre-candidate | `Ask`, of one of them |
/// | `Ask` | pre-candidate | a voter that is ahead | `Lend` |
/// | `Lend` | voter | pre-candidate | `Ask`, until it has all |
///
/// To a witness an `Append` carries no commands, and a `Part` no bytes; see `witness.rs`.
///
/// Order and hash cover logical content: entries, not the batches that they came in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message<C> {
    /// Would you vote for me in `term`, which I have not entered yet (dissertation §9.6)?
    RequestPreVote {
        /// The term that the sender would enter.
        term: Term,
        /// The index of the sender's last entry.
        last_index: Index,
        /// The term of the sender's last entry.
        last_term: Term,
    },
    /// The answer to `RequestPreVote`. Binds nobody.
    PreVote {
        /// If granted, the term asked about; if not, the sender's own.
        term: Term,
        /// Whether the sender would vote so.
        granted: bool,
    },
    /// Vote for me in `term` (Raft §5.2).
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// The index of the candidate's last entry.
        last_index: Index,
        /// The term of the candidate's last entry.
        last_term: Term,
        /// Whether the leader before has told the candidate to stand (dissertation §3.10, §4.2.3).
        told: bool,
    },
    /// The answer to `RequestVote`. If granted, the vote is durable.
    Vote {
        /// The sender's term.
        term: Term,
        /// Whether the sender votes for the candidate.
        granted: bool,
    },
    /// These entries follow entry `prev_index`; without entries, a heartbeat (Raft §5.3).
    Append {
        /// The leader's term.
        term: Term,
        /// The index of the entry before the new ones.
        prev_index: Index,
        /// The term of the entry before the new ones.
        prev_term: Term,
        /// The leader's commit index.
        commit: Index,
        /// The new entries.
        entries: Entries<C>,
    },
    /// The sender's log agrees with its leader's up to `matched`, durably.
    Appended {
        /// The sender's term.
        term: Term,
        /// The index up to which the logs agree.
        matched: Index,
    },
    /// The sender has no entry that agrees with the leader's at `prev_index`.
    Conflict {
        /// The sender's term.
        term: Term,
        /// What the append said.
        prev_index: Index,
        /// The last index at which the logs may agree, as far as the sender can tell.
        hint_index: Index,
        /// The term of the sender's entry at `hint_index`.
        hint_term: Term,
    },
    /// An append came from a leader of the past.
    Stale {
        /// The sender's term.
        term: Term,
    },
    /// A part of a snapshot, in place of entries that the leader no longer has (Raft §7).
    Part {
        /// The leader's term.
        term: Term,
        /// The part.
        part: Box<Part>,
    },
    /// The sender has so much of the snapshot that it is being sent, not yet all.
    Received {
        /// The sender's term.
        term: Term,
        /// The last entry that the snapshot covers.
        index: Index,
        /// How many bytes are there: where the next part begins.
        offset: u64,
    },
    /// Do I lead still (dissertation §6.4)?
    Confirm {
        /// The leader's term.
        term: Term,
        /// The number of the question in this term.
        round: u64,
    },
    /// The sender knew of no later term when it got this question.
    Confirmed {
        /// The sender's term.
        term: Term,
        /// The number of the question.
        round: u64,
    },
    /// Stand for election at once: this leader makes way for you (dissertation §3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
    /// The answer to `RequestPreVote` by a voter that would grant it but for the asker's log: its own is ahead.
    Behind {
        /// The term asked about.
        term: Term,
        /// The index of the sender's last entry.
        last_index: Index,
        /// The term of the sender's last entry.
        last_term: Term,
    },
    /// Lend me what follows this entry, so that I can be elected in `term`.
    Ask {
        /// The term that the sender would enter.
        term: Term,
        /// The index of an entry of the sender's, behind which their logs may differ.
        prev_index: Index,
        /// The term of that entry.
        prev_term: Term,
    },
    /// The answer to `Ask`.
    Lend {
        /// The term asked about.
        term: Term,
        /// What is lent.
        loan: Box<Loan<C>>,
    },
}

impl<C> Message<C> {
    /// The term that the message belongs to.
    pub const fn term(&self) -> Term {
        match self {
            Message::RequestPreVote { term, .. }
            | Message::PreVote { term, .. }
            | Message::RequestVote { term, .. }
            | Message::Vote { term, .. }
            | Message::Append { term, .. }
            | Message::Appended { term, .. }
            | Message::Conflict { term, .. }
            | Message::Stale { term }
            | Message::Part { term, .. }
            | Message::Received { term, .. }
            | Message::Confirm { term, .. }
            | Message::Confirmed { term, .. }
            | Message::TimeoutNow { term }
            | Message::Behind { term, .. }
            | Message::Ask { term, .. }
            | Message::Lend { term, .. } => *term,
        }
    }

    /// The name of the variant.
    pub const fn kind(&self) -> &'static str {
        match self {
            Message::RequestPreVote { .. } => "RequestPreVote",
            Message::PreVote { .. } => "PreVote",
            Message::RequestVote { .. } => "RequestVote",
            Message::Vote { .. } => "Vote",
            Message::Append { .. } => "Append",
            Message::Appended { .. } => "Appended",
            Message::Conflict { .. } => "Conflict",
            Message::Stale { .. } => "Stale",
            Message::Part { .. } => "Part",
            Message::Received { .. } => "Received",
            Message::Confirm { .. } => "Confirm",
            Message::Confirmed { .. } => "Confirmed",
            Message::TimeoutNow { .. } => "TimeoutNow",
            Message::Behind { .. } => "Behind",
            Message::Ask { .. } => "Ask",
            Message::Lend { .. } => "Lend",
        }
    }

    /// Whether the term is one that the sender has not entered: it commits nobody to anything.
    pub const fn is_hypothetical(&self) -> bool {
        matches!(
            self,
            Message::RequestPreVote { .. }
                | Message::PreVote { granted: true, .. }
                | Message::Behind { .. }
                | Message::Ask { .. }
                | Message::Lend { .. }
        )
    }
}

impl<C: Debug> Debug for Message<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = |granted: &bool| if *granted { "granted" } else { "refused" };
        match self {
            Message::RequestPreVote { term, last_index, last_term } => {
                write!(f, "RequestPreVote(t{term} last {last_index}@{last_term})")
            }
            Message::PreVote { term, granted } => write!(f, "PreVote(t{term} {})", verdict(granted)),
            Message::RequestVote { term, last_index, last_term, told } => {
                let told = if *told { " told" } else { "" };
                write!(f, "RequestVote(t{term} last {last_index}@{last_term}{told})")
            }
            Message::Vote { term, granted } => write!(f, "Vote(t{term} {})", verdict(granted)),
            Message::Append { term, prev_index, prev_term, commit, entries } => {
                write!(f, "Append(t{term} prev {prev_index}@{prev_term} {entries:?} c{commit})")
            }
            Message::Appended { term, matched } => write!(f, "Appended(t{term} {matched})"),
            Message::Conflict { term, prev_index, hint_index, hint_term } => {
                write!(f, "Conflict(t{term} prev {prev_index} hint {hint_index}@{hint_term})")
            }
            Message::Stale { term } => write!(f, "Stale(t{term})"),
            Message::Part { term, part } => write!(f, "Part(t{term} {part:?})"),
            Message::Received { term, index, offset } => write!(f, "Received(t{term} {index} {offset})"),
            Message::Confirm { term, round } => write!(f, "Confirm(t{term} round {round})"),
            Message::Confirmed { term, round } => write!(f, "Confirmed(t{term} round {round})"),
            Message::TimeoutNow { term } => write!(f, "TimeoutNow(t{term})"),
            Message::Behind { term, last_index, last_term } => {
                write!(f, "Behind(t{term} last {last_index}@{last_term})")
            }
            Message::Ask { term, prev_index, prev_term } => {
                write!(f, "Ask(t{term} prev {prev_index}@{prev_term})")
            }
            Message::Lend { term, loan } => {
                let Loan { prev_index, prev_term, last_index, last_term, entries } = &**loan;
                write!(
                    f,
                    "Lend(t{term} prev {prev_index}@{prev_term} {entries:?} last {last_index}@{last_term})"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entries_cut;

    #[test]
    fn a_message_fits_the_line_it_travels_in() {
        assert!(size_of::<Message<u64>>() <= 72, "{}", size_of::<Message<u64>>());
    }

    #[test]
    fn text_is_compact_and_says_everything() {
        let append = Message::Append {
            term: 2,
            prev_index: 3,
            prev_term: 1,
            commit: 2,
            entries: entries_cut(&[(2, 7)], 0),
        };
        assert_eq!(format!("{append:?}"), "Append(t2 prev 3@1 [7@2] c2)");
        let vote: Message<u8> = Message::Vote { term: 4, granted: false };
        assert_eq!(format!("{vote:?}"), "Vote(t4 refused)");
        let request = |told| Message::<u8>::RequestVote { term: 4, last_index: 3, last_term: 2, told };
        assert_eq!(format!("{:?}", request(false)), "RequestVote(t4 last 3@2)");
        assert_eq!(format!("{:?}", request(true)), "RequestVote(t4 last 3@2 told)");
        assert_eq!((append.kind(), vote.kind()), ("Append", "Vote"));
    }
}
