//! Loans: who is ahead says so, who would be elected but for its log is lent what it lacks, and what may go for it.

use swarm_protocol::{Input, NodeId, WriteId};
use swarm_raft::{Config, KvOp, Loan, Message, Record, Term, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, N3, N4, Node, append, entries};

fn lending(nodes: u32) -> Config {
    let config = Config { lends: true, ..Config::new(nodes) };
    assert_eq!(config.validate(), Ok(()));
    config
}

const fn asks(term: Term, last: (u64, Term)) -> Message<KvOp> {
    Message::RequestPreVote { term, last_index: last.0, last_term: last.1 }
}

const fn behind(term: Term, last: (u64, Term)) -> Message<KvOp> {
    Message::Behind { term, last_index: last.0, last_term: last.1 }
}

const fn ask(term: Term, prev: (u64, Term)) -> Message<KvOp> {
    Message::Ask { term, prev_index: prev.0, prev_term: prev.1 }
}

/// Entries of these terms behind entry `prev`, of a log that ends with `last`.
fn lend(term: Term, prev: (u64, Term), terms: &[Term], last: (u64, Term)) -> Message<KvOp> {
    let (prev_index, prev_term) = prev;
    let (last_index, last_term) = last;
    let entries = entries(prev_index.wrapping_add(1), terms);
    Message::Lend { term, loan: Box::new(Loan { prev_index, prev_term, last_index, last_term, entries }) }
}

/// Node 0 of `nodes`, which asks for PreVotes of the term after `term`, with a log of entries of these terms.
fn pre_candidate(nodes: u32, term: Term, terms: &[Term]) -> Node {
    let mut node = Node::with_log(lending(nodes), term, terms);
    node.timeout(Timer::Election);
    assert!(node.raft.is_pre_candidate());
    node
}

fn sent(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).filter(|text| text.starts_with("send")).collect()
}

// Who is ahead.

/// It says so only if its own log is all that keeps it from granting.
#[test]
fn a_voter_that_is_ahead_says_how_its_log_ends() {
    let mut node = Node::with_log(lending(3), 3, &[1, 2]);
    let told = ["mark pre-vote-refused", "send n1 Behind(t4 last 2@2)"];
    assert_eq!(node.message(N1, asks(4, (1, 2))), told, "shorter");
    assert_eq!(node.message(N1, asks(4, (9, 1))), told, "of an earlier term");
    assert_eq!(node.message(N1, asks(4, (2, 2))), ["send n1 PreVote(t4 granted)"]);
    let refused = ["mark pre-vote-refused", "send n1 PreVote(t3 refused)"];
    assert_eq!(node.message(N1, asks(3, (1, 2))), refused, "it is in that term already");
    node.message(N2, append(3, (2, 2), &[], 0));
    assert_eq!(node.message(N1, asks(4, (1, 2))), refused, "it hears a leader");
    let mut lends_nothing = Node::with_log(Config::new(3), 3, &[1, 2]);
    assert_eq!(lends_nothing.message(N1, asks(4, (1, 2))), refused);
}

// Whom to ask.

/// Whoever grants and whoever is ahead must be a majority; of the latter the most up-to-date is asked, once.
#[test]
fn a_pre_candidate_asks_the_most_up_to_date_of_those_that_would_elect_it() {
    let mut node = pre_candidate(5, 3, &[1, 1]);
    assert!(node.message(N1, behind(4, (3, 1))).is_empty(), "two of five");
    let asked = |lender: &str| ["mark loan-asked".to_owned(), format!("send {lender} Ask(t4 prev 2@1)")];
    assert_eq!(node.message(N4, Message::PreVote { term: 4, granted: true }), asked("n1"));
    assert!(node.message(N1, behind(4, (3, 1))).is_empty(), "it was asked");
    assert_eq!(node.message(N2, behind(4, (3, 2))), asked("n2"), "of a later term");
    assert!(node.message(N3, behind(4, (9, 1))).is_empty(), "longer, and of an earlier term");
    assert!(node.raft.is_pre_candidate(), "though three of five have refused");
    // With one of those that are ahead, were it not, it has its majority.
    assert_eq!(node.message(N3, Message::PreVote { term: 4, granted: true })[0], "mark campaign");
}

#[test]
fn who_would_not_be_elected_with_any_log_asks_nobody() {
    let mut node = pre_candidate(5, 3, &[1, 1]);
    for voter in [N1, N2] {
        assert!(node.message(voter, Message::PreVote { term: 3, granted: false }).is_empty());
    }
    assert!(node.message(N3, behind(4, (3, 1))).is_empty());
    assert!(node.message(N4, Message::PreVote { term: 3, granted: false }).is_empty());
    assert!(!node.raft.is_pre_candidate(), "three of five hear a leader");
    assert_eq!(node.message(N4, behind(4, (3, 1))), ["refuse not-a-pre-candidate"]);
}

#[test]
fn an_answer_counts_for_the_question_and_the_log_that_it_answers() {
    let mut node = pre_candidate(3, 3, &[1, 1]);
    assert_eq!(node.message(N1, behind(5, (3, 1))), ["refuse pre-vote-for-another-term"]);
    assert_eq!(node.message(N1, behind(4, (2, 1))), ["refuse behind-in-the-past"]);
    assert_eq!(node.message(N1, behind(3, (3, 1))), ["refuse pre-vote-for-another-term"]);
}

// The lender.

#[test]
fn what_follows_the_last_place_of_agreement_is_lent_as_much_as_an_append_carries() {
    let config = Config { append_entries_max: 2, ..lending(3) };
    let mut node = Node::with_log(config, 5, &[1, 2, 2, 2, 4]);
    let before = node.raft.clone();
    let lent = |prev: &str, terms: &[(u64, Term)]| {
        let entries: Vec<_> =
            terms.iter().map(|(index, term)| format!("Put({index},{term})@{term}")).collect();
        [format!("send n1 Lend(t6 prev {prev} [{}] last 5@4)", entries.join(" "))]
    };
    assert_eq!(node.message(N1, ask(6, (1, 1))), lent("1@1", &[(2, 2), (3, 2)]));
    assert_eq!(node.message(N1, ask(6, (4, 2))), lent("4@2", &[(5, 4)]), "less, if there is no more");
    // Whatever the asker has of term 1 behind the first entry is not here, nor of term 3 behind the fourth.
    assert_eq!(node.message(N1, ask(6, (3, 1))), lent("1@1", &[(2, 2), (3, 2)]));
    assert_eq!(node.message(N1, ask(6, (5, 3))), lent("4@2", &[(5, 4)]));
    assert_eq!(node.message(N1, ask(6, (9, 3))), lent("4@2", &[(5, 4)]));
    assert_eq!(node.raft, before, "nobody is bound");
    assert_eq!(node.raft.metrics().counts.loans_given, 5);
}

#[test]
fn nothing_is_lent_to_whom_this_server_would_not_elect() {
    let mut node = Node::with_log(lending(3), 5, &[1, 4]);
    assert_eq!(node.message(N1, ask(6, (2, 4))), ["refuse nothing-to-lend"]);
    assert_eq!(node.message(N1, ask(6, (1, 5))), ["refuse nothing-to-lend"]);
    assert_eq!(node.message(N1, ask(5, (1, 1))), ["send n1 PreVote(t5 refused)"]);
    assert_eq!(node.message(N1, ask(4, (1, 1))), ["refuse stale-term", "send n1 PreVote(t5 refused)"]);
    node.message(N2, append(5, (2, 4), &[], 0));
    assert_eq!(node.message(N1, ask(6, (1, 1))), ["refuse hears-a-leader"]);
}

#[test]
fn what_is_compacted_is_not_lent_and_that_is_counted() {
    let mut config = lending(3);
    config.compaction.log_bytes = 1;
    config.compaction.tail_entries = 1;
    let mut node = Node::with_log(config, 5, &[1, 1, 1]);
    node.message(N2, append(5, (3, 1), &[5], 3));
    node.flush();
    node.timeout(Timer::Election);
    assert_eq!(node.raft.log().base_index(), 2);
    assert_eq!(node.message(N1, ask(6, (1, 1))), ["refuse loan-is-compacted"]);
    assert_eq!(
        sent(&node.message(N1, ask(6, (2, 1)))).len(),
        1,
        "it knows the term of entry 2, and what follows"
    );
    let counts = node.raft.metrics().counts;
    assert_eq!((counts.loans_given, counts.loans_refused_compacted), (1, 1));
}

// The borrower.

#[test]
fn a_borrower_takes_what_it_lacks_and_asks_again_to_be_elected() {
    let mut node = pre_candidate(3, 3, &[1, 1]);
    node.message(N1, behind(4, (4, 3)));
    let effects = node.message(N1, lend(4, (2, 1), &[3, 3], (4, 3)));
    let expected = [
        "persist w1 Append(3 [Put(3,3)@3 Put(4,3)@3])",
        "mark loan-taken",
        "set Election 150000us..=300000us",
        "send n1 RequestPreVote(t4 last 4@3)",
        "send n2 RequestPreVote(t4 last 4@3)",
    ];
    assert_eq!(effects, expected);
    assert_eq!((node.raft.term(), node.raft.commit_index(), node.raft.durable_index()), (3, 0, 2));
    // It stands with what it was lent when that is durable.
    let effects = node.message(N1, Message::PreVote { term: 4, granted: true });
    let request = "send n1 RequestVote(t4 last 4@3) after w2";
    assert!(effects.iter().any(|effect| effect == request), "{effects:?}");
    assert_eq!(node.raft.metrics().counts.loans_taken, 1);
}

#[test]
fn a_loan_is_taken_piece_by_piece() {
    let mut node = pre_candidate(3, 3, &[1]);
    node.message(N1, behind(4, (4, 3)));
    let piece = |node: &mut Node, prev, terms: &[Term]| node.message(N1, lend(4, prev, terms, (4, 3)));
    let effects = piece(&mut node, (1, 1), &[2, 3]);
    assert_eq!(sent(&effects), ["send n1 Ask(t4 prev 3@3)"]);
    assert!(effects.contains(&"set Election 150000us..=300000us".to_owned()), "it has got on: {effects:?}");
    // The same once more: known, and no news.
    assert_eq!(sent(&piece(&mut node, (1, 1), &[2, 3])), ["send n1 Ask(t4 prev 3@3)"]);
    assert_eq!(sent(&piece(&mut node, (3, 3), &[3])).len(), 2, "it asks both for PreVotes");
    assert_eq!(node.terms(), [1, 2, 3, 3]);
    assert_eq!(piece(&mut node, (3, 3), &[3]), ["refuse loan-of-the-past"]);
}

/// Only a conflict truncates, as in AppendEntries. The leader of this term, if there is one, may count on what goes, and
/// never goes back behind what was acknowledged to it: the borrower leaves its term first, and for good.
#[test]
fn what_contradicts_a_loan_goes_in_the_next_term() {
    let mut node = pre_candidate(3, 3, &[1, 1, 1]);
    node.message(N1, behind(4, (3, 2)));
    let effects = node.message(N1, lend(4, (1, 1), &[1, 2], (3, 2)));
    let expected = [
        "persist w1 Vote(t4 none)",
        "mark log-truncated",
        "persist w2 Truncate(2)",
        "persist w3 Append(3 [Put(3,2)@2])",
        "mark loan-taken",
        "set Election 150000us..=300000us",
        "send n1 RequestPreVote(t5 last 3@2)",
        "send n2 RequestPreVote(t5 last 3@2)",
    ];
    assert_eq!(effects, expected);
    assert_eq!((node.terms(), node.raft.term(), node.raft.vote()), (vec![1, 1, 2], 4, None));
    assert_eq!(node.message(N2, append(3, (3, 1), &[], 3)), ["refuse stale-term", "send n2 Stale(t4)"]);
    // Writes of what has gone are not credited to what stands there.
    let effects = node.message(N1, Message::PreVote { term: 4, granted: true });
    assert_eq!(effects, ["refuse pre-vote-for-another-term"]);
}

#[test]
fn a_loan_that_does_not_fit_is_asked_for_further_back() {
    let mut node = pre_candidate(3, 4, &[1, 2, 3, 3]);
    node.message(N1, behind(5, (5, 4)));
    let effects = node.message(N1, lend(5, (4, 2), &[4], (5, 4)));
    assert_eq!(effects, ["mark loan-does-not-fit", "mark loan-asked", "send n1 Ask(t5 prev 2@2)"]);
    assert_eq!(node.terms(), [1, 2, 3, 3]);
    node.message(N1, lend(5, (2, 2), &[2, 2, 4], (5, 4)));
    assert_eq!((node.terms(), node.raft.term()), (vec![1, 2, 2, 2, 4], 5));
}

/// What was acknowledged since the loan was asked for may be committed, and need not be in the lender's log.
#[test]
fn a_loan_that_comes_late_takes_nothing_away() {
    let mut node = pre_candidate(3, 3, &[1]);
    node.message(N1, behind(4, (2, 2)));
    let late = lend(4, (1, 1), &[2], (2, 2));
    node.message(N2, append(3, (1, 1), &[3], 0));
    node.flush();
    assert_eq!(node.message(N1, late.clone()), ["refuse not-a-pre-candidate"], "it follows n2");
    node.timeout(Timer::Election);
    assert_eq!(node.message(N1, late.clone()), ["refuse loan-of-the-past"]);
    node.message(N2, Message::PreVote { term: 4, granted: true });
    assert!(node.raft.is_candidate());
    assert_eq!(node.message(N1, late), ["refuse not-a-pre-candidate"]);
    assert_eq!(node.terms(), [1, 3]);
    let other = lend(6, (1, 1), &[2, 4], (3, 4));
    let mut node = pre_candidate(3, 3, &[1]);
    assert_eq!(node.message(N1, other), ["refuse loan-for-another-term"]);
}

#[test]
fn a_leader_borrows_nothing() {
    let mut node = Node::leader(lending_after_all(), 3, &[1]);
    assert_eq!(node.message(N1, lend(4, (1, 1), &[3, 3], (3, 3))), ["refuse not-a-pre-candidate"]);
}

/// The harness elects without PreVote.
fn lending_after_all() -> Config {
    Config { pre_vote: false, ..lending(3) }
}

/// A log that is more up-to-date has all that is committed: this one is not what it says.
#[test]
fn a_loan_never_touches_what_is_committed() {
    let mut node = Node::with_log(lending(3), 3, &[1, 1, 1]);
    node.message(N2, append(3, (3, 1), &[], 2));
    node.flush();
    node.timeout(Timer::Election);
    let terms: [((u64, Term), &[Term]); 4] =
        [((1, 1), &[2, 2]), ((1, 2), &[2, 2]), ((2, 2), &[2]), ((0, 0), &[1, 2, 2])];
    for (prev, terms) in terms {
        let lent = lend(4, prev, terms, (3, 2));
        assert_eq!(node.message(N1, lent), ["refuse loan-contradicts-what-is-committed"], "{prev:?}");
    }
    node.message(N1, lend(4, (2, 1), &[2], (3, 2)));
    assert_eq!(node.terms(), [1, 1, 2]);
}

#[test]
fn impossible_loans_are_refused_and_change_nothing() {
    let mut node = pre_candidate(3, 3, &[1]);
    let before = node.raft.clone();
    for (reason, message) in [
        ("loan-of-nothing", lend(4, (1, 1), &[], (2, 2))),
        ("loan-of-nothing", lend(4, (1, 1), &[2, 2], (2, 2))),
        ("loan-of-nothing", lend(4, (u64::MAX, 1), &[2], (u64::MAX, 2))),
        ("loan-of-nothing", lend(4, (u64::MAX - 1, 1), &[2], (u64::MAX, 2))),
        ("terms-decrease", lend(4, (1, 1), &[3], (2, 2))),
        ("terms-decrease", lend(4, (1, 3), &[2], (2, 3))),
        ("terms-decrease", lend(4, (1, 1), &[4], (2, 4))),
    ] {
        assert_eq!(node.message(N1, message.clone()), [format!("refuse {reason}")], "{message:?}");
    }
    assert_eq!(node.raft, before);
    let mut last = Node::with_log(lending(3), Term::MAX - 2, &[1, 2]);
    last.timeout(Timer::Election);
    let term = Term::MAX - 1;
    assert_eq!(last.message(N1, lend(term, (1, 1), &[3], (2, 3))), ["refuse loan-for-another-term"]);
}

// Together.

/// A restart finds the term, the log cut, and the loan, in this order, or less.
#[test]
fn a_crash_in_the_middle_of_a_loan_leaves_what_a_borrower_was() {
    for kept in 0..=3 {
        let mut node = pre_candidate(3, 3, &[1, 1]);
        node.message(N1, behind(4, (2, 2)));
        node.message(N1, lend(4, (1, 1), &[2], (2, 2)));
        let mut disk = vec![Record::Vote { term: 3, vote: None }];
        disk.push(Record::Append { first: 1, entries: entries(1, &[1, 1]) });
        disk.extend(node.written.iter().take(kept).cloned());
        let mut booted = Node::boot(lending(3), N0, disk);
        let found = (booted.raft.term(), booted.terms());
        let expected = [(3, vec![1, 1]), (4, vec![1, 1]), (4, vec![1]), (4, vec![1, 2])];
        assert_eq!(found, expected[kept], "{kept} records");
        assert_eq!(booted.input(Input::Persisted(WriteId::new(1))).len(), 0);
    }
}

/// The constrained election of OmniPaxos §2: n2 alone reaches a majority, and lacks what n0, n1 and n3 have, of which
/// n0, the leader, reaches nobody any more.
fn constrained(lends: bool) -> Cluster {
    let logs: [&[Term]; 5] = [&[1, 2, 2], &[1, 2, 2], &[1, 1], &[1, 2, 2], &[1]];
    let mut cluster = Cluster::with_logs(Config { lends, ..Config::new(5) }, 2, &logs);
    cluster.isolated = [N0].into();
    for (one, other) in [(N1, N3), (N1, N4), (N3, N4)] {
        cluster.cut.extend([(one, other), (other, one)]);
    }
    cluster
}

#[test]
fn a_server_that_alone_reaches_a_majority_borrows_and_leads() {
    let mut cluster = constrained(true);
    cluster.timeout(N2, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N2).is_leader());
    assert_eq!(cluster.terms(N2)[..3], [1, 2, 2], "its own second entry has gone");
    cluster.invoke(N2, 1, KvOp::Put(1, 7));
    cluster.settle();
    assert_eq!(cluster.answers.len(), 1);
}

/// Seen to fail, so that the story above says something.
#[test]
fn without_loans_nobody_leads_in_a_constrained_election() {
    let mut cluster = constrained(false);
    for _ in 0..10 {
        for node in [N1, N2, N3, N4] {
            cluster.timeout(node, Timer::Election);
            cluster.settle();
        }
    }
    assert!([N0, N1, N2, N3, N4].iter().all(|node: &NodeId| !cluster.node(*node).is_leader()));
}

/// n0 leads term 3 and was told that n1 has its entry 2, which n1 then gives up for a loan of n2's. As n1 has left the
/// term, n0 begins anew in a later one; in term 3 it would never go back behind what was acknowledged.
#[test]
fn a_leader_gets_through_to_a_borrower_that_gave_up_what_it_had_acknowledged() {
    let config = Config { append_entries_max: 1, ..lending(3) };
    let mut cluster = Cluster::with_logs(config, 2, &[&[1, 1], &[1], &[1, 2]]);
    let until = |cluster: &mut Cluster, holds: fn(&Cluster) -> bool| {
        while !holds(cluster) {
            if !cluster.deliver() {
                cluster.sync(N0, usize::MAX);
                cluster.sync(N1, usize::MAX);
            }
        }
        cluster.lose_all();
    };
    cluster.isolated = [N2].into();
    cluster.timeout(N0, Timer::Election);
    until(&mut cluster, |cluster| cluster.node(N0).metrics().followers.iter().any(|peer| peer.matched == 2));
    assert_eq!((cluster.terms(N0), cluster.terms(N1)), (vec![1, 1, 3], vec![1, 1]));
    cluster.isolated = [N0].into();
    cluster.timeout(N1, Timer::Election);
    until(&mut cluster, |cluster| cluster.terms(N1) == [1, 2]);
    cluster.isolated = [N2].into();
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    cluster.timeout(N0, Timer::Election);
    cluster.settle();
    assert_eq!((cluster.node(N0).term(), cluster.node(N0).commit_index()), (5, 4));
}

/// Piece by piece, with single entries, and with a conflict whose repair is less up-to-date for a while.
#[test]
fn a_log_that_fell_far_apart_is_borrowed_entry_by_entry() {
    let config = Config { append_entries_max: 1, ..lending(3) };
    let mut cluster = Cluster::with_logs(config, 5, &[&[1, 3, 3, 3], &[1, 2, 2, 4, 4], &[1]]);
    cluster.isolated = [N2].into();
    cluster.timeout(N0, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N0).is_leader());
    assert_eq!(cluster.terms(N0)[..5], [1, 2, 2, 4, 4]);
    assert_eq!(cluster.node(N0).term(), 7, "one term for the conflict, one for the election");
    assert_eq!(cluster.marks["loan-taken"], 4);
}
