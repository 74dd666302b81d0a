//! Witnesses: voters that store no commands and run no machine (Pâris 1986, Harp, dissertation §11.7.2).
//!
//! A witness is a voter like any other where terms and indexes are all that counts: it votes by §5.4.1, acknowledges
//! entries when they are durable, confirms its leader, promises to keep out of elections. Of a command its log holds that
//! there is one, and of which term ([`Entry::Withheld`]); memberships it holds as they are, as it must know who votes. It
//! stands for no election, is handed no leadership, lends nothing, and sends clients to its leader. Its leader keeps
//! commands from it, and sends it of a snapshot which entry was the last, its term and the members. When its log has
//! grown it drops the front for such a snapshot of its own.
//!
//! Who is a witness is said by [`Config::witnesses`], of a server and for good. Changes of members take it in and leave
//! it out like others. **What a server is never changes**: a witness that were to be a full voter would have been counted
//! for entries whose commands it lacks, and a full voter that were to be a witness could be made a full one again by a
//! truncated entry. So whoever wants that removes the server, and adds another under another number. A server that
//! boots from the disk of the other kind stops; one that is sent what the other kind is sent refuses it.
//!
//! **Safety** is Raft's, as its proofs speak of indexes and terms. A leader is elected by a majority whose logs are no
//! more up-to-date than its own, witnesses among them, so that its log has every committed entry (§5.4.3); and it is a
//! full server, whose log has the commands of all its entries, as it got them from full leaders and full lenders alone.
//! No committed command is lost, as long as no disk is: full voters are a majority of every configuration
//! ([`has_full_majority`]), so that each majority has a full one in it, whose disk holds what it acknowledged.
//!
//! **Liveness** is what a user gives up. The commands of committed entries may be on fewer full servers than a majority: of
//! two full ones and a witness, on one. While that one is down nobody leads, as the witness rightly refuses the other,
//! though a majority is up; and if its disk is lost, so is the command, and the cluster stands still rather than go on
//! without it. Without witnesses a cluster of three loses nothing with any one disk. What
//! is kept: of three servers any one may be down, but a full one that alone is up-to-date; and once all full ones are up
//! somebody leads, as the one of them whose log is most up-to-date has all their votes, and those are a majority.
//!
//! An entry that was never committed must not be worth waiting for. A leader may lose what it had not written yet in a
//! crash; if a witness had that, it would refuse even this leader. So **a witness is sent what its leader holds durably**
//! ([`Progress::next_withheld`]): what stands on a witness has stood on the disk of a full server before. Others are sent
//! entries while the leader writes them (dissertation §10.2.1); a commit that needs the witness waits for one disk
//! more.
//!
//! A witness that hears nothing forgets its leader, though it does not stand: it must elect somebody else (PreVote).
//!
//! Verified by `tests/it/witnesses.rs`, by the property `payload_placement`, by the instances of the checker with a
//! witness, by campaigns, where a witness votes in one variant and joins and leaves in another, and by bugs of the zoo.
//! Not there: an entry of a witness takes as much memory as one of a small command; windows of bytes count what is
//! withheld; a full server that boots from the disk of a witness which is one snapshot and nothing behind it does not
//! notice if an empty state can be restored.

use std::sync::Arc;

use swarm_protocol::{Effects, NodeSet, quorum};

use crate::state::Progress;
use crate::{Config, Entries, Entry, Index, Log, Machine, Message, Raft, Snapshot, Term};

/// Whether the full ones among these voters are a majority: enough to elect one of them, and met by every majority.
pub(crate) const fn has_full_majority(voters: NodeSet, witnesses: NodeSet) -> bool {
    voters.difference(witnesses).len() >= quorum::majority(voters.len())
}

/// Why a server of this kind, a witness or a full one, cannot have written this, if it cannot.
pub(crate) fn misplaced_disk<C>(
    witness: bool,
    log: &Log<C>,
    snapshot: Option<&Snapshot>,
) -> Option<&'static str> {
    let holds_state = snapshot.is_some_and(|snapshot| !snapshot.data.is_empty());
    if witness && (holds_state || log.iter().any(|(_, entry)| matches!(entry, Entry::Command(_)))) {
        return Some("disk-of-a-full-server");
    }
    let withheld = !witness && log.iter().any(|(_, entry)| matches!(entry, Entry::Withheld));
    withheld.then_some("disk-of-a-witness")
}

impl<C> Entries<C> {
    /// Whether a server of this kind, a witness or a full one, may hold these.
    fn suit(&self, witness: bool) -> bool {
        self.iter().all(|(_, entry)| match entry {
            Entry::NoOp | Entry::Membership(_) => true,
            Entry::Command(_) => !witness,
            Entry::Withheld => witness,
        })
    }
}

impl<M: Machine> Raft<M> {
    /// Whether this server votes, and stores no commands.
    pub const fn is_witness(&self) -> bool {
        self.witnesses.contains(self.me)
    }

    /// Why nobody can have sent this to a server of this kind, if nobody can.
    pub(crate) fn misplaced(&self, message: &Message<M::Command>) -> Option<&'static str> {
        let witness = self.is_witness();
        match message {
            Message::Append { entries, .. } if !entries.suit(witness) => {
                Some(if witness { "witness-takes-no-commands" } else { "commands-are-withheld" })
            }
            Message::Lend { loan, .. } if !witness && !loan.entries.suit(false) => {
                Some("commands-are-withheld")
            }
            Message::Part { part, .. } if witness && part.total > 0 => Some("witness-takes-no-state"),
            _ => None,
        }
    }

    /// A witness that hears from no leader has none, and elects somebody else; it does not stand itself.
    #[cold]
    pub(crate) fn lose_patience(&mut self, config: &Config, out: &mut Effects<Self>) {
        self.become_follower(config, None, out);
        out.refuse("witness-does-not-stand");
    }
}

impl Progress {
    /// What a witness needs next, without commands and state, as far as the leader holds it durably; notes it as sent.
    #[cold]
    pub(crate) fn next_withheld<M: Machine>(
        &mut self,
        config: &Config,
        term: Term,
        commit: Index,
        log: &Log<M::Command>,
        durable: Index,
        snapshot: Option<&Snapshot>,
    ) -> Message<M::Command> {
        if self.next <= log.base_index() {
            let snapshot = snapshot.expect("a snapshot covers what the log has dropped");
            let Snapshot { index, term: last_term, membership, .. } = *snapshot;
            let bare = Snapshot { index, term: last_term, membership, data: Arc::from([]) };
            return self.next_part(config, term, &bare);
        }
        let entries_max = u64::from(config.append_entries_max).min(durable.saturating_sub(self.next - 1));
        match self.next_append::<M>(config, term, commit, log, entries_max) {
            Message::Append { term, prev_index, prev_term, commit, entries } => {
                Message::Append { term, prev_index, prev_term, commit, entries: entries.withheld() }
            }
            other => other,
        }
    }
}
