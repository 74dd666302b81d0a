//! Hand-overs, one test per rule: who asks whom, how much goes over, and that nothing is lost or doubled on the way.

use swarm_protocol::{Input, WriteId};
use swarm_task_sharing::{Message, Op, Outcome, Record, Task, TaskId, Timer};

use crate::node::{Lone, N0, N1, N2, plain, task, tasks};

fn give(number: u64, ordinals: &[u64]) -> Message {
    Message::Give { number, tasks: tasks(N0, ordinals), load: 3 }
}

fn got(number: u64) -> Message {
    Message::Got { number, load: 0 }
}

// Asking.

/// Blumofe and Leiserson 1999, §3: who runs out of work steals from somebody chosen at random.
#[test]
fn an_idle_node_asks_another_at_random() {
    for (me, answer, victim) in [(N0, 0, "n1"), (N0, 1, "n2"), (N1, 0, "n0"), (N1, 1, "n2"), (N2, 1, "n1")] {
        let mut node = Lone::new(plain(3), me);
        node.choosing(&[answer]);
        let asked = node.timeout(Timer::Steal);
        assert_eq!(asked, [&*format!("send {victim} Steal"), "set Steal 10000us..=20000us"]);
    }
}

#[test]
fn who_was_last_heard_to_hold_most_is_asked_first_and_then_forgotten() {
    let mut node = Lone::new(plain(3), N0);
    node.message(N1, Message::Nothing { load: 2 });
    node.message(N2, Message::Got { number: 0, load: 5 });
    node.choosing(&[0]);
    let asked = |node: &mut Lone| node.timeout(Timer::Steal).remove(0);
    assert_eq!(
        [asked(&mut node), asked(&mut node), asked(&mut node)],
        [
            "send n2 Steal",
            "send n1 Steal",
            "send n1 Steal" // At random: nobody is known to have anything.
        ]
    );
}

#[test]
fn a_node_that_is_alone_asks_nobody() {
    let (node, asked) = Lone::boot(plain(1), N0, vec![]);
    assert!(asked.is_empty() && node.node.is_idle());
}

// Giving.

/// Hendler and Shavit 2002: a thief takes half of what its victim has.
#[test]
fn half_goes_over_the_oldest_and_not_before_it_is_on_disk() {
    for (count, gone, load) in [(2, "n0.1/0", 1), (5, "n0.1/0 n0.2/0", 3), (4, "n0.1/0 n0.2/0", 2)] {
        let mut node = Lone::with_tasks(plain(3), N0, count);
        assert_eq!(
            node.message(N1, Message::Steal),
            [
                "mark stolen".to_owned(),
                "set Resend 60000us..=120000us".to_owned(),
                format!("persist w1 {:?}", node.written.last().expect("it writes")),
                format!("send n1 Give(1: {gone} load {load}) after w1"),
            ]
        );
        assert_eq!(node.node.load(), load);
    }
}

#[test]
fn a_node_with_too_little_says_so() {
    let mut node = Lone::with_tasks(plain(3), N0, 1);
    assert_eq!(node.message(N1, Message::Steal), ["mark too-little-to-steal", "send n1 Nothing(load 1)"]);
}

#[test]
fn what_is_being_done_is_not_given_away() {
    let mut node = Lone::with_tasks(plain(3), N0, 2);
    assert_eq!(node.timeout(Timer::Turn), ["submit n0.2/0"]);
    node.invoke(1, Op::Submit(0));
    node.invoke(2, Op::Submit(0));
    node.message(N1, Message::Steal);
    assert_eq!(node.held(), [2, 4]);
    assert_eq!(node.timeout(Timer::Turn), ["refuse nothing-to-turn-to"]);
}

#[test]
fn a_batch_has_bounds() {
    let mut config = plain(3);
    config.batch_max = 2;
    let mut node = Lone::with_tasks(config, N0, 8);
    node.message(N1, Message::Steal);
    assert_eq!(node.node.disk().given[1].tasks, tasks(N0, &[1, 2]));
}

#[test]
fn an_overloaded_node_hands_over_unasked_to_who_has_least() {
    let mut config = plain(3);
    config.overloaded = 4;
    let mut node = Lone::with_tasks(config, N0, 4);
    node.message(N1, Message::Nothing { load: 3 });
    assert!(node.invoke(1, Op::Submit(0)).contains(&"mark handed-over".to_owned()));
    assert_eq!((node.node.disk().given[1].tasks.len(), node.node.load()), (1, 4), "half the difference");
    node.message(N2, Message::Nothing { load: 0 });
    node.invoke(2, Op::Submit(0));
    assert_eq!((node.node.disk().given[2].tasks.len(), node.node.load()), (2, 3));
}

#[test]
fn one_hand_over_at_a_time_is_under_way_to_a_node() {
    let mut node = Lone::with_tasks(plain(3), N0, 8);
    node.message(N1, Message::Steal);
    // It has not come, or the answer to it has not: the same again.
    assert_eq!(
        node.message(N1, Message::Steal),
        ["send n1 Give(1: n0.1/0 n0.2/0 n0.3/0 n0.4/0 load 4) after w1"]
    );
    node.message(N2, Message::Steal);
    assert_eq!(node.held(), [7, 8]);
}

// The lost reply.

#[test]
fn it_is_given_until_it_is_acknowledged() {
    let mut node = Lone::with_tasks(plain(3), N0, 2);
    node.message(N1, Message::Steal);
    let again = ["send n1 Give(1: n0.1/0 load 1) after w1", "set Resend 60000us..=120000us"];
    assert_eq!(node.timeout(Timer::Resend), again);
    assert_eq!(node.timeout(Timer::Resend), again);
    assert_eq!(node.message(N1, got(1)), ["persist w2 Arrived(n1)", "cancel Resend"]);
    assert_eq!(node.timeout(Timer::Resend), ["refuse nothing-to-give-again"]);
}

#[test]
fn a_receiver_acknowledges_when_it_is_on_disk() {
    let mut node = Lone::new(plain(3), N1);
    let asked = node.message(N0, give(1, &[1, 2]));
    assert_eq!(
        asked,
        [
            "persist w1 Received { from: n0, tasks: [n0.1/0, n0.2/0] }",
            "mark tasks-received",
            "send n0 Got(1 load 2) after w1",
            "cancel Steal",
            "set Turn 0us..=2000us",
        ]
    );
}

#[test]
fn what_is_given_again_is_acknowledged_again_and_not_taken_twice() {
    let mut node = Lone::new(plain(3), N1);
    node.message(N0, give(1, &[1]));
    assert_eq!(node.message(N0, give(1, &[1])), ["mark given-again", "send n0 Got(1 load 1) after w1"]);
    node.work(task(N0, 1).id, &[]);
    node.message(N0, give(1, &[1]));
    assert!(node.node.is_idle(), "it was done once");
}

#[test]
fn acknowledgements_come_late_and_twice() {
    let mut node = Lone::with_tasks(plain(3), N0, 4);
    node.message(N1, Message::Steal);
    node.message(N1, got(1));
    assert_eq!(node.message(N1, got(1)), ["refuse got-of-the-past"]);
    node.message(N1, Message::Steal);
    assert_eq!(node.message(N1, got(1)), ["refuse got-of-the-past"]);
    assert_eq!(node.node.disk().given[1].tasks, tasks(N0, &[3]), "the second is still under way");
}

/// A giver that crashes before it is written has given nothing; one that crashes after has, and gives it again.
#[test]
fn a_giver_that_crashes_owns_its_tasks_or_gives_them_again() {
    let mut node = Lone::with_tasks(plain(3), N0, 2);
    node.message(N1, Message::Steal);
    assert_eq!(node.crashed(2).held(), [1, 2]);
    let (again, asked) = Lone::boot(plain(3), N0, node.written.clone());
    assert_eq!((again.held(), again.node.disk().given[1].number), (vec![2], 1));
    assert_eq!(asked, ["set Turn 0us..=2000us", "set Resend 60000us..=120000us"]);
}

#[test]
fn a_receiver_that_crashes_has_all_of_it_or_nothing_and_is_given_it_again() {
    let mut node = Lone::new(plain(3), N1);
    node.message(N0, give(1, &[1, 2]));
    let mut before = node.crashed(0);
    assert!(before.node.is_idle());
    before.message(N0, give(1, &[1, 2]));
    assert_eq!((before.held(), node.crashed(1).held()), (vec![1, 2], vec![1, 2]));
}

// Doing.

#[test]
fn the_newest_task_is_done_first_and_completed_with_all_that_it_spawns() {
    let mut node = Lone::with_tasks(plain(3), N0, 2);
    assert_eq!(node.timeout(Timer::Turn), ["submit n0.2/0"]);
    let done = Outcome { id: task(N0, 2).id, spawned: vec![0, 1] };
    assert_eq!(
        node.input(Input::Done(done)),
        [
            "persist w1 Completed { id: n0.2, spawned: [n0.3/0, n0.4/1] }",
            "mark task-completed",
            "set Turn 0us..=2000us",
        ]
    );
    assert_eq!((node.held(), node.node.disk().completed), (vec![1, 3, 4], 1));
}

/// Execution is at least once: a node that crashes before the completion is on disk does the task again.
#[test]
fn a_completion_that_was_not_written_is_done_again() {
    let mut node = Lone::with_tasks(plain(3), N0, 1);
    node.work(task(N0, 1).id, &[0]);
    let mut again = node.crashed(1);
    assert_eq!((again.held(), again.node.disk().completed), (vec![1], 0));
    again.work(task(N0, 1).id, &[0]);
    assert_eq!((again.held(), again.node.disk().completed), (vec![2], 1));
}

#[test]
fn a_submission_is_acknowledged_when_it_is_on_disk() {
    let mut node = Lone::new(plain(3), N1);
    assert_eq!(
        node.invoke(7, Op::Submit(2)),
        [
            "persist w1 Submitted(n1.1/2)",
            "answer op7 Taken(n1.1) after w1",
            "cancel Steal",
            "set Turn 0us..=2000us",
        ]
    );
}

#[test]
fn a_full_node_sends_clients_to_who_has_less() {
    let mut config = plain(3);
    config.tasks_max = 16;
    config.overloaded = 16;
    let mut node = Lone::with_tasks(config, N0, 16);
    assert_eq!(node.invoke(7, Op::Submit(0)), ["mark submission-turned-away", "answer op7 Full(None)"]);
    node.message(N2, Message::Nothing { load: 9 });
    assert_eq!(node.invoke(8, Op::Submit(0))[1], "answer op8 Full(Some(n2))");
}

// What no node would send.

#[test]
fn impossible_messages_are_refused_by_name() {
    let refused = |message: Message, from, reason: &str| {
        let mut node = Lone::with_tasks(plain(3), N0, 2);
        let before = node.node.disk().clone();
        assert_eq!(node.message(from, message), [format!("refuse {reason}")]);
        assert_eq!(node.node.disk(), &before);
    };
    let batch =
        |count: u64| Message::Give { number: 1, tasks: tasks(N1, &(1..=count).collect::<Vec<_>>()), load: 0 };
    refused(Message::Steal, swarm_protocol::NodeId(3), "unknown-node");
    refused(Message::Steal, N0, "unknown-node");
    refused(give(2, &[]), N1, "give-of-the-future");
    refused(batch(0), N1, "batch-of-no-size");
    refused(batch(17), N1, "batch-of-no-size");
    refused(give(1, &[2]), N1, "task-that-is-here");
    refused(give(1, &[3]), N1, "task-that-is-here");
    refused(Message::Give { number: 1, tasks: tasks(N2, &[4, 4]), load: 0 }, N1, "task-that-is-here");
    refused(got(1), N1, "got-of-the-future");
    refused(got(0), N1, "got-of-the-past");
}

#[test]
fn a_node_takes_no_more_than_it_has_room_for() {
    let mut config = plain(3);
    config.tasks_max = 16;
    config.overloaded = 16;
    let mut node = Lone::with_tasks(config, N0, 15);
    let two = Message::Give { number: 1, tasks: tasks(N1, &[1, 2]), load: 0 };
    assert_eq!(node.message(N1, two.clone()), ["refuse no-room"]);
    node.work(task(N0, 15).id, &[]);
    assert!(node.message(N1, two).contains(&"mark tasks-received".to_owned()));
}

#[test]
fn outcomes_that_nobody_waits_for_and_timers_out_of_place_are_refused() {
    let mut node = Lone::with_tasks(plain(3), N0, 1);
    let outcome = Outcome { id: TaskId { home: N0, ordinal: 1 }, spawned: vec![] };
    assert_eq!(node.input(Input::Done(outcome)), ["refuse not-being-done"]);
    assert_eq!(node.timeout(Timer::Steal), ["refuse not-idle"]);
    assert_eq!(Lone::new(plain(3), N0).timeout(Timer::Turn), ["refuse nothing-to-turn-to"]);
}

#[test]
fn a_node_whose_disk_fails_does_nothing_more() {
    let mut node = Lone::new(plain(3), N0);
    node.invoke(1, Op::Submit(0));
    assert!(node.input(Input::DiskFailed(WriteId::new(1))).is_empty());
    assert_eq!(node.timeout(Timer::Turn), ["refuse disk-failed"]);
    assert_eq!(node.message(N1, Message::Steal), ["refuse disk-failed"]);
}

/// A task that comes back while its first journey is not known to have ended waits for that.
#[test]
fn a_task_that_returns_early_is_taken_when_its_giver_knows_that_it_had_arrived() {
    let mut node = Lone::with_tasks(plain(2), N0, 2);
    node.message(N1, Message::Steal);
    let back = Message::Give { number: 1, tasks: vec![Task { ..task(N0, 1) }], load: 0 };
    assert_eq!(node.message(N1, back.clone()), ["refuse task-that-is-here"]);
    node.message(N1, got(1));
    node.message(N1, back);
    assert_eq!(node.held(), [2, 1]);
    assert!(matches!(node.written.last(), Some(Record::Received { .. })));
}
