//! Raft: a cluster keeps a log of commands that all of its members apply in the same order, as long as a
//! majority of them is up and can talk to each other.
//!
//! [`Raft`] is one node as a value, a [`swarm_protocol::Protocol`]: the same type is model-checked,
//! simulated, fuzzed and timed. It replicates any [`Machine`]; [`Kv`] and [`PayloadLog`] are here.
//! [`Sessions`] makes it safe to repeat a command, and [`Managed`] adds changes of members.
//!
//! # References
//! - **Raft**: D. Ongaro and J. Ousterhout, *In Search of an Understandable Consensus Algorithm
//!   (Extended Version)*, 2014. Cited as "Raft §5.2" or "Raft Fig. 2".
//! - **dissertation**: D. Ongaro, *Consensus: Bridging Theory and Practice*, 2014: PreVote §9.6, writing
//!   to the leader's disk in parallel §10.2.1, disruptive servers §4.2.3, leaders that are cut off §6.2, reads
//!   §6.4, leadership transfer §3.10, witnesses §11.7.2.
//! - **OmniPaxos**: H. Ng, S. Haridi and P. Carbone, *Omni-Paxos: Breaking the Barriers of Partial Connectivity*,
//!   EuroSys 2023: what partial connectivity does to elections, §2.
//! - **Pâris 1986**: J.-F. Pâris, *Voting with Witnesses: A Consistency Scheme for Replicated Files*, ICDCS 1986; and
//!   **Harp**: B. Liskov et al., *Replication in the Harp File System*, SOSP 1991.
//! - **Rebello et al. 2020**: *Can Applications Recover from fsync Failures?*, USENIX ATC 2020.
//!
//! # Rules
//! In the words of Raft Fig. 2 and Fig. 3, where they are coded, and the test that shows each
//! (`tests/it/paper.rs` unless another file is named):
//!
//! | rule | function | test |
//! |---|---|---|
//! | a later term makes a follower | `step::on_message`, `state::enter_term` | `candidates_and_leaders_of_the_past_step_down` |
//! | requests of a past term are refused | `step::refuse_stale` | `requests_of_a_past_term_are_rejected` |
//! | an election begins with a timeout | `election::on_election_timeout` | `a_follower_without_a_leader_stands_for_election` |
//! | one vote per term | `election::on_request_vote` | `a_server_votes_once_per_term` |
//! | only for an up-to-date log (§5.4.1) | `election::is_up_to_date` | `a_voter_denies_its_vote_to_a_shorter_or_older_log` |
//! | term and vote durable before the answer | `state::save_vote`, `election::send_durable` | `a_vote_is_not_forgotten_within_its_term` |
//! | a majority elects | `election::count` | `a_majority_elects_and_fewer_do_not` |
//! | a no-op begins the term (§8) | `state::become_leader` | `a_leader_begins_its_term_with_a_no_op` |
//! | AppendEntries 2: previous entry must agree | `replication::on_append` | `a_follower_refuses_what_does_not_fit` |
//! | AppendEntries 3: only a conflict truncates | `replication::on_append` | `an_append_that_is_already_known_truncates_nothing` |
//! | AppendEntries 5: commit to the last new entry | `replication::on_append` | `commit_stops_at_the_last_new_entry` |
//! | entries durable before the answer | `replication::acknowledge` | `an_acknowledgement_waits_for_the_disk` |
//! | the leader counts itself when it is durable | `replication::advance_commit` | `a_leader_counts_itself_when_its_entry_is_durable` |
//! | only entries of its own term are counted (§5.4.2) | `replication::advance_commit` | `entries_of_earlier_terms_are_not_committed_by_counting` |
//! | after a conflict go back by terms (§5.3) | `replication::on_conflict` | `a_conflict_sends_the_leader_back_by_whole_terms` |
//! | what is committed is applied in order | `step::apply_committed` | `followers_learn_the_commit_index_and_apply` |
//! | PreVote (dissertation §9.6) | `election::on_request_pre_vote` | `beyond_the_paper`: `a_returning_server_does_not_disturb_the_leader` |
//! | a leader without a majority steps down (dissertation §6.2) | `tenure::check_quorum` | `dissertation`: `a_leader_that_no_majority_answers_steps_down` |
//! | who hears a leader keeps out of elections (dissertation §4.2.3) | `tenure::is_undisturbed` | `dissertation`: `a_server_that_hears_a_leader_keeps_out_of_elections` |
//! | a log that has grown gives way to a snapshot (§7, dissertation §5.1.2) | `snapshot::compact_if_due` | `snapshots`: `a_log_that_has_grown_gives_way_to_a_snapshot`, `a_large_machine_is_saved_as_seldom_as_its_size_asks` |
//! | InstallSnapshot 1 to 5: parts in order, each once (Fig. 13) | `snapshot::on_part` | `snapshots`: `parts_are_put_together_in_order_and_acknowledged_when_durable` |
//! | InstallSnapshot 6: what lies behind an entry that is there stays (Fig. 13) | `snapshot::on_part` | `snapshots`: `a_snapshot_of_what_the_log_holds_drops_nothing` |
//! | InstallSnapshot 7 and 8: else the log goes, the machine is reset (Fig. 13) | `snapshot::install` | `snapshots`: `a_snapshot_that_contradicts_the_log_replaces_it` |
//! | a read waits for an entry of the term (dissertation §6.4) | `reads::knows_what_is_committed` | `reads`: `reads_wait_for_an_entry_of_the_term` |
//! | a majority confirms the leader of a read (dissertation §6.4) | `reads::count_answer` | `reads`: `a_read_waits_for_a_majority_to_confirm_the_leader` |
//! | a lease begins with its round (dissertation §6.4.1) | `reads::is_leased` | `reads`: `a_lease_lasts_from_when_its_round_was_sent` |
//! | members change by learners and a joint configuration (§6, dissertation §4) | `change::on_change`, `Membership::next` | `membership`: `a_change_goes_by_learners_and_a_joint_configuration`, `a_joint_configuration_needs_both_majorities` |
//! | a leader that is left out steps down (dissertation §4.2.2) | `change::go_on_changing` | `membership`: `a_leader_that_is_removed_steps_down_when_it_is_done` |
//! | a command that is repeated is applied once (dissertation §6.3) | `Sessions::apply_once` | `sessions`: `a_command_that_comes_twice_is_applied_once`; `simulated`: `commands_that_are_repeated_are_applied_once` |
//! | a leader hands over to a target that has its whole log (dissertation §3.10) | `transfer::on_transfer`, `transfer::tell` | `transfer`: `a_leader_hands_over_when_it_is_asked_to`, `the_target_is_brought_up_to_date_first` |
//! | meanwhile it takes no commands, and after an election timeout it gives up (dissertation §3.10) | `step::on_invoke`, `transfer::abort_transfer` | `transfer`: `a_leader_that_hands_over_takes_no_commands_until_it_gives_up` |
//! | who is told stands at once (dissertation §3.10) | `transfer::on_timeout_now` | `transfer`: `who_is_told_stands_at_once` |
//! | and is heard by who hears a leader (dissertation §4.2.3) | `tenure::is_undisturbed` | `transfer`: `who_was_told_is_heard_where_others_are_not` |
//! | a leader that has told has no lease (dissertation §6.4.1) | `transfer::tell`, `reads::is_leased` | `transfer`: `a_leader_that_has_told_somebody_has_no_lease`, `no_leader_answers_a_stale_read_under_a_lease` |
//! | who is wanted more leads | `Config::patience`, `transfer::make_way` | `transfer`: `who_is_wanted_less_waits_longer`, `a_leader_makes_way_for_who_is_wanted_more` |
//! | a server that is left out stands until that is committed (dissertation §4.2.2) | `Members::may_stand` | `membership`: `who_alone_has_the_membership_that_removes_it_stands_for_election` |
//! | who would be elected but for its log is lent what that lacks (ours; OmniPaxos §2) | `election::on_request_pre_vote`, `loan::on_behind`, `loan::on_lend` | `loans`: `a_pre_candidate_asks_the_most_up_to_date_of_those_that_would_elect_it`, `a_borrower_takes_what_it_lacks_and_asks_again_to_be_elected` |
//! | a loan comes from a log that is more up-to-date | `loan::on_lend` | `loans`: `a_loan_that_comes_late_takes_nothing_away` |
//! | what contradicts a loan goes in a later term than it was acknowledged in | `loan::on_lend` | `loans`: `what_contradicts_a_loan_goes_in_the_next_term` |
//! | partially connected servers have a leader | all of these | `connectivity`: `partially_connected_clusters_lead_and_commit_within_four_election_timeouts` |
//! | a witness votes and acknowledges, and stores no commands (Pâris 1986, dissertation §11.7.2) | `Progress::next_withheld` | `witnesses`: `a_witness_votes_and_acknowledges_and_stores_no_commands` |
//! | it stands for nothing, and forgets a leader that is silent | `witness::lose_patience` | `witnesses`: `a_witness_stands_for_nothing`, `a_witness_elects_another_when_its_leader_is_silent` |
//! | it has what its leader holds durably | `Progress::next_withheld` | `witnesses`: `a_witness_is_sent_what_its_leader_holds_durably`, `a_leader_that_crashes_before_its_disk_is_done_leads_again` |
//! | it refuses who lacks what it has acknowledged (§5.4.1) | `election::on_request_vote` | `witnesses`: `who_lacks_what_a_witness_acknowledged_is_not_elected` |
//! | of a snapshot it has the last entry and the members | `Progress::next_withheld`, `snapshot::install` | `witnesses`: `a_witness_has_of_a_snapshot_where_it_ends` |
//! | it lends nothing and is handed nothing | `loan::on_behind`, `transfer::on_transfer` | `witnesses`: `a_witness_is_not_asked_for_a_loan`, `a_witness_is_handed_nothing` |
//! | full voters are a majority; witnesses join and leave, and remain what they are | `change::on_change`, `witness::misplaced_disk` | `witnesses`: `changes_that_leave_no_full_majority_are_refused`, `a_witness_joins_and_leaves`, `a_server_does_not_boot_from_a_disk_of_the_other_kind` |
//! | late writes count for what they wrote | `replication::truncate_after` | `beyond_the_paper`: `a_late_write_is_not_credited_to_other_entries` |
//!
//! The five properties of Fig. 3, and a sixth of what witnesses hold, are in [`properties`]; they are judged after
//! every step of every engine.
//!
//! # How a commit goes
//! Commands gather until the driver flushes. The flush seals them into one shared batch ([`Run`]), appends
//! it, hands it to the disk and sends it to every follower, all by reference. A follower acknowledges once
//! per flush, when its disk is done. What a majority holds durably is committed, applied and answered; the
//! commit index rides on the next append, or on a heartbeat if there is none. With three nodes that is
//! four messages per commit, and four per burst.
//!
//! # Deviations
//! - A request for votes waits until the candidate's vote, and with it all of its log, is durable, and
//!   the candidate's own vote counts from then on. Fig. 2 asks this of voters alone; but a candidate that
//!   loses the tail of its log in a crash could otherwise be elected by answers to what it no longer is.
//! - With PreVote and without CheckQuorum a server refuses while it knows a leader; it forgets its leader when
//!   its own election timer runs out. The dissertation asks for the least election timeout since the last
//!   message: that needs a clock, elects somewhat sooner, and is what a server does with CheckQuorum.
//! - A server that hears a leader ignores requests for its vote in its own term, too, not in later terms alone:
//!   it has promised to keep out for a while, whatever took it into that term meanwhile.
//! - A server that cannot win any more (refused by a majority) is a follower again, instead of a candidate
//!   until its timer runs out.
//! - What is in flight to a follower is limited in entries, messages and bytes. All of them are what lies between
//!   what was sent and what is acknowledged, so that no counter can leak.
//! - A leader that is deposed answers commands that did not reach its log with a redirect, and others
//!   never: they may still be committed.
//! - A follower answers a part of a snapshot with how much of it is there (Fig. 13 answers with a term alone), so
//!   that a transfer goes on where it was. A snapshot whose last entry stands in the follower's log is not
//!   installed, but acknowledged: the entries say the same.
//! - A server whose disk fails a write stops for good, as does one whose disk holds what no server can
//!   have written. A server does not forget that it promised something.
//! - A read is confirmed by messages of its own instead of heartbeats, and answered from the machine as it is when
//!   it is confirmed, which may be later than its read index.
//! - A leader that hands over goes on with reads that need no log, and after it has told its target it has no lease for
//!   the rest of its term, also if it gives up: the message may be late.
//! - With [`Config::lends`] entries come to a server from others than its leader. They bind nobody: nothing is
//!   acknowledged for them, and `loan.rs` says why no server drops what may be committed.
//! - A witness is sent entries once they are on its leader's disk, others while they are on their way there.
//! - Answers `Stale` and `Conflict` stand for the paper's `success = false`.
//!
//! # Limitations
//! Only the leader answers reads. Where there are witnesses, a majority of all may wait for one full server: `witness.rs`
//! says what is given up. A snapshot is written inside of a step, which takes
//! as long as that does. Without CheckQuorum a leader that is cut off from the majority goes on refusing nothing
//! until its limits of uncommitted entries and bytes, and with the only server that reaches a majority among its followers
//! it is kept. What a server has compacted it does not lend: where the only server that reaches a majority lags so far,
//! nobody leads until links are back. Byzantine nodes are outside of the model: an impossible message is
//! refused where it is recognised, a forged one is believed.

mod batch;
mod change;
mod config;
mod coverage;
mod election;
mod kv;
mod loan;
mod log;
mod machine;
mod managed;
mod members;
mod message;
mod metrics;
mod payload;
pub mod properties;
mod reads;
mod record;
mod replication;
pub mod sessions;
mod snapshot;
mod state;
mod step;
mod symmetry;
mod tenure;
#[cfg(test)]
mod testing;
mod transfer;
pub mod wire;
mod witness;

pub use batch::{Entries, Entry, Run};
pub use config::{Compaction, Config, ConfigError, Reads};
pub use kv::{Kv, KvAnswer, KvOp, KvSpec};
pub use loan::Loan;
pub use log::Log;
pub use machine::{Administration, Machine};
pub use managed::{Managed, ManagedAnswer, ManagedSpec, Request};
pub use members::Membership;
pub use message::Message;
pub use metrics::{Counts, FollowerMetrics, Metrics, Sending};
pub use payload::{Payload, PayloadLog, PayloadSpec};
pub use record::Record;
pub use sessions::{Once, OnceAnswer, Sessions};
pub use snapshot::{Part, Snapshot};
pub use state::Raft;

use swarm_protocol::NodeId;

/// The number of a term: terms are counted from 1, and 0 is before all of them (Raft §5.1).
pub type Term = u64;

/// A place in the log: entries are counted from 1, and 0 is before all of them (Raft §5.3).
pub type Index = u64;

/// The timers of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// A follower's or candidate's patience (Raft §5.2).
    Election,
    /// A leader's next round of heartbeats.
    Heartbeat,
}

/// What a client is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer<A> {
    /// The command is committed and applied, with this result.
    Applied(A),
    /// The command was not taken: this node does not lead. The leader is named if it is known.
    Redirect(Option<NodeId>),
    /// The command was not taken: too many are uncommitted, or a change of members is under way.
    Busy,
    /// The command was not taken, and never will be: what is wrong with it.
    Refused(&'static str),
}
