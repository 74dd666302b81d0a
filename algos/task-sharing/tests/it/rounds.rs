//! Termination detection, one test per rule of EWD 998, in our words, and per rule that we have added.

use swarm_protocol::Input;
use swarm_task_sharing::{Message, Op, Outcome, Timer, Token};

use crate::node::{Lone, N0, N1, N2, plain, task, tasks, token};

/// What the node sends on, if it does.
fn sent_on(asked: &[String]) -> Option<&str> {
    asked.iter().map(String::as_str).find(|text| text.contains("Token("))
}

fn give(number: u64, ordinals: &[u64]) -> Message {
    Message::Give { number, tasks: tasks(N0, ordinals), load: 0 }
}

/// Node 1 of three, undisturbed since round 1, which it has sent on.
fn at_rest() -> Lone {
    let mut node = Lone::new(plain(3), N1);
    node.message(N0, Message::Token(token(1, 0)));
    node
}

/// Rule 0: a machine counts messages sent less messages received; here hand-overs.
#[test]
fn a_node_adds_what_it_has_begun_less_what_it_has_received() {
    let mut giver = Lone::with_tasks(plain(3), N1, 2);
    giver.message(N2, Message::Steal);
    giver.work(task(N1, 2).id, &[]);
    let asked = giver.message(N0, Message::Token(token(1, 0)));
    assert_eq!(sent_on(&asked), Some("send n2 Token(1 after 0 black +1 submitted 2) after w3"));
    let mut receiver = at_rest();
    receiver.message(N0, give(1, &[1]));
    receiver.message(N0, give(1, &[1]));
    receiver.work(task(N0, 1).id, &[]);
    let asked = receiver.message(N0, Message::Token(Token { under_way: 1, submitted: 5, ..token(2, 1) }));
    assert_eq!(sent_on(&asked), Some("send n2 Token(2 after 1 black +0 submitted 5) after w4"));
}

/// Rule 2: an active machine keeps the token, and hands it over when it is passive.
#[test]
fn a_busy_node_keeps_the_token_until_it_has_nothing_to_do() {
    let mut node = at_rest();
    node.message(N0, give(1, &[1]));
    assert_eq!(sent_on(&node.message(N0, Message::Token(token(2, 1)))), None);
    assert_eq!(sent_on(&node.timeout(Timer::Turn)), None);
    let done = Outcome { id: task(N0, 1).id, spawned: vec![] };
    let asked = node.input(Input::Done(done));
    assert_eq!(sent_on(&asked), Some("send n2 Token(2 after 1 black -1 submitted 0) after w4"));
}

/// Rule 4: a black machine hands over a black token; rule 7: with that it becomes white.
#[test]
fn a_node_is_white_again_when_the_token_has_passed() {
    let mut node = at_rest();
    let asked = node.message(N0, Message::Token(token(2, 1)));
    assert_eq!(sent_on(&asked), Some("send n2 Token(2 after 1 white +0 submitted 0) after w2"));
    let asked = node.message(N0, Message::Token(Token { black: true, ..token(3, 2) }));
    assert_eq!(sent_on(&asked), Some("send n2 Token(3 after 2 black +0 submitted 0) after w3"));
}

/// Rule 3: a machine that receives a message becomes black. So does one to which a client submits a task.
#[test]
fn whatever_brings_tasks_blackens() {
    for disturbed in
        [|node: &mut Lone| node.message(N0, give(1, &[1])), |node: &mut Lone| node.invoke(1, Op::Submit(0))]
    {
        let mut node = at_rest();
        disturbed(&mut node);
        let held = node.node.disk().held[0];
        node.work(held.id, &[]);
        let asked = node.message(N0, Message::Token(token(2, 1)));
        assert!(sent_on(&asked).is_some_and(|text| text.contains("black")), "{asked:?}");
    }
}

/// Ours: a node that boots does not know what it has missed.
#[test]
fn a_node_that_boots_is_black() {
    let mut node = at_rest().crashed(1);
    let asked = node.message(N0, Message::Token(token(2, 1)));
    assert_eq!(sent_on(&asked), Some("send n2 Token(2 after 1 black +0 submitted 0) after w1"));
}

/// Ours: a token that comes late makes nobody white for a round that began in the meantime.
#[test]
fn only_a_round_that_came_back_before_makes_white() {
    let mut node = at_rest();
    // Round 2 is taken for lost; its token comes late. Whatever happened before is not for round 3 to forget.
    node.message(N0, Message::Token(token(2, 1)));
    let asked = node.message(N0, Message::Token(token(3, 1)));
    assert_eq!(sent_on(&asked), Some("send n2 Token(3 after 1 black +0 submitted 0) after w3"));
}

/// Ours: no token goes on twice, not even across a crash.
#[test]
fn tokens_of_the_past_are_refused() {
    let mut node = at_rest();
    assert_eq!(node.message(N0, Message::Token(token(1, 0))), ["refuse token-of-the-past"]);
    assert_eq!(node.crashed(1).message(N0, Message::Token(token(1, 0))), ["refuse token-of-the-past"]);
    node.message(N0, give(1, &[1]));
    node.message(N0, Message::Token(token(3, 1)));
    assert_eq!(node.message(N0, Message::Token(token(2, 1))), ["refuse token-of-the-past"]);
    node.message(N0, Message::Token(token(4, 1)));
    let asked = node.work(task(N0, 1).id, &[]);
    assert!(sent_on(&asked).is_some_and(|text| text.contains("Token(4 after 1 black")), "{asked:?}");
}

// The initiator.

/// n0 of three, whom a client asks under the name op9; round 1 is under way.
fn asked() -> Lone {
    let mut node = Lone::new(plain(3), N0);
    assert_eq!(
        node.invoke(9, Op::Finish),
        [
            "persist w1 Round(1)",
            "set Round 400000us..=600000us",
            "send n1 Token(1 after 0 white +0 submitted 0) after w1",
        ]
    );
    node
}

/// Rule 5: an inconclusive probe is followed by another; rules 1 and 6: its token is white, and so is the initiator.
#[test]
fn a_round_that_comes_back_black_is_followed_by_another() {
    let mut node = asked();
    let black = Token { black: true, ..token(1, 0) };
    assert_eq!(
        node.message(N2, Message::Token(black)),
        [
            "cancel Round",
            "mark round-in-vain",
            "persist w2 Round(2)",
            "set Round 400000us..=600000us",
            "send n1 Token(2 after 1 white +0 submitted 0) after w2",
        ]
    );
}

/// The probe is conclusive if machine 0 is passive and white, the token is white, and the sum is 0.
#[test]
fn all_is_done_if_everybody_was_at_rest_and_nothing_under_way() {
    let mut node = asked();
    let back = Token { submitted: 4, ..token(1, 0) };
    assert_eq!(
        node.message(N2, Message::Token(back)),
        ["cancel Round", "answer op9 Finished { submitted: 4 } after w1", "mark all-done",]
    );
    for not_yet in
        [Token { under_way: 1, ..back }, Token { under_way: -1, ..back }, Token { black: true, ..back }]
    {
        assert!(asked().message(N2, Message::Token(not_yet)).contains(&"mark round-in-vain".to_owned()));
    }
    let mut disturbed = asked();
    disturbed.invoke(10, Op::Submit(0));
    assert_eq!(disturbed.message(N2, Message::Token(back)), ["cancel Round", "mark round-in-vain"]);
    let mut disturbed = asked();
    disturbed.invoke(10, Op::Submit(0));
    disturbed.work(task(N0, 1).id, &[]);
    assert!(disturbed.message(N2, Message::Token(back)).contains(&"mark round-in-vain".to_owned()));
}

#[test]
fn the_initiator_begins_when_it_has_nothing_to_do() {
    let mut node = Lone::with_tasks(plain(3), N0, 1);
    assert!(node.invoke(9, Op::Finish).is_empty());
    let begun = node.work(task(N0, 1).id, &[]);
    assert_eq!(sent_on(&begun), Some("send n1 Token(1 after 0 white +0 submitted 0) after w2"));
}

/// Ours: who asks while a round is under way is answered by the next.
#[test]
fn a_round_answers_who_had_asked_when_it_began() {
    let mut node = asked();
    assert!(node.invoke(10, Op::Finish).is_empty());
    let told = node.message(N2, Message::Token(token(1, 0)));
    let answers: Vec<_> = told.iter().filter(|text| text.starts_with("answer")).collect();
    assert_eq!(answers, ["answer op9 Finished { submitted: 0 } after w1"]);
    assert_eq!(sent_on(&told), Some("send n1 Token(2 after 1 white +0 submitted 0) after w2"));
}

#[test]
fn a_token_that_does_not_come_back_is_taken_for_lost() {
    let mut node = asked();
    let asked = node.timeout(Timer::Round);
    assert_eq!(asked[0], "mark token-lost");
    assert_eq!(sent_on(&asked), Some("send n1 Token(2 after 0 white +0 submitted 0) after w2"));
    assert_eq!(node.message(N2, Message::Token(token(1, 0))), ["refuse token-of-the-past"]);
}

/// Ours: an initiator that boots gives no number twice.
#[test]
fn rounds_are_counted_across_crashes() {
    let mut node = asked().crashed(1);
    assert_eq!(node.timeout(Timer::Round), ["refuse no-round-under-way"]);
    assert_eq!(
        sent_on(&node.invoke(1, Op::Finish)),
        Some("send n1 Token(2 after 0 white +0 submitted 0) after w1")
    );
}

#[test]
fn a_node_that_is_alone_knows_at_once() {
    let mut node = Lone::new(plain(1), N0);
    node.invoke(1, Op::Submit(0));
    node.work(task(N0, 1).id, &[]);
    let told = node.invoke(2, Op::Finish);
    assert!(told.contains(&"answer op2 Finished { submitted: 1 } after w3".to_owned()), "{told:?}");
}

#[test]
fn others_send_clients_to_the_initiator_which_keeps_so_many_waiting() {
    assert_eq!(Lone::new(plain(3), N1).invoke(1, Op::Finish), ["answer op1 Ask(n0)"]);
    let mut config = plain(3);
    config.waiting_max = 1;
    let mut node = Lone::new(config, N0);
    node.invoke(1, Op::Finish);
    assert_eq!(node.invoke(2, Op::Finish), ["mark too-many-wait", "answer op2 Full(None)"]);
}
