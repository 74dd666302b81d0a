//! Runs of Raft as lines that etcd's trace specification reads, to be validated by TLC outside of this project.
//!
//! One JSON object a line, `{"tag":"trace","event":{…}}`, with the names and fields of `state_trace.go` of
//! etcd-io/raft, 3.6: the specification `tla/Traceetcdraft.tla` beside it takes each line for a step of
//! `etcdraft.tla` and checks its invariants along the way. Servers are named from 1, as 0 is nobody there.
//!
//! To validate a trace one needs Java, `tla2tools.jar`, `CommunityModules-deps.jar` and the folder `tla` of
//! etcd-io/raft, and runs `validate.sh -s Traceetcdraft.tla -c Traceetcdraft.cfg FILE` there. Nothing here does that:
//! what is tested is that each line has the fields, and follows from those before by [`rules`], a reading of that
//! specification by hand, which TLC has not confirmed.
//!
//! Drafts of that specification which ask for `applied` and for a line `Advance` as well are not served.
//!
//! What our Raft does and the specification has no event for is left out and counted, or ends the trace, with the
//! reason (see `raft/etcd.rs`, which writes them).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub mod rules;

/// What every line is tagged with.
pub const TAG: &str = "trace";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// [`TAG`].
    pub tag: String,
    /// What happened.
    pub event: Event,
}

/// What happened, and how the server stood: after it, or before it where a message is received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The kind of step.
    pub name: String,
    /// The server.
    pub nid: String,
    /// Term, vote, commit index.
    pub state: State,
    /// `StateFollower`, `StateCandidate` or `StateLeader`.
    pub role: String,
    /// The index of the last entry.
    pub log: u64,
    /// The voters; and those of the configuration that is left, in a joint one.
    pub conf: [Vec<String>; 2],
    /// The message sent or received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<Msg>,
}

/// What a server keeps of the term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The term.
    pub term: u64,
    /// For whom it voted, `0` for nobody.
    pub vote: String,
    /// The commit index.
    pub commit: u64,
}

/// A message, in the form that etcd gives every kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Msg {
    /// `MsgVote`, `MsgVoteResp`, `MsgApp` or `MsgAppResp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The term that it belongs to.
    pub term: u64,
    /// Who sends it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// How many entries it carries.
    pub entries: u64,
    /// The term of the entry at `index`.
    #[serde(rename = "logTerm")]
    pub log_term: u64,
    /// The last entry of a candidate, the one before those of an append, or the last one acknowledged.
    pub index: u64,
    /// Up to where the receiver may commit.
    pub commit: u64,
    /// Not used by these kinds: `0`.
    pub vote: String,
    /// Whether an answer refuses.
    pub reject: bool,
    /// Where a refused leader may look for agreement.
    #[serde(rename = "rejectHint")]
    pub reject_hint: u64,
}

/// A trace, and what became of the run in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The lines.
    pub text: String,
    /// How many.
    pub lines: usize,
    /// What happened without a line, and how often.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Why the trace ends before the run does, if so.
    pub ended: Option<String>,
    /// The first line that is no step of the specification as [`rules`] read it, from 1, and why.
    pub refused: Option<(usize, String)>,
}
