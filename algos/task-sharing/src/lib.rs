//! Task sharing: work stealing between peers. Clients submit tasks to whichever node they like; idle nodes ask busy ones
//! for some, overloaded nodes hand some over unasked, and one node can say when all is done.
//!
//! [`Node`] is one node as a value, a [`swarm_protocol::Protocol`]: the same type is model-checked, simulated and run.
//! Work stealing between the threads of one process is another crate; this is its networked form, among nodes that crash
//! and come back with their disks, on a network that loses, repeats, delays and reorders.
//!
//! # What is promised
//! - **A task that was acknowledged is completed**, if its nodes come back for long enough. It is owned by one node at a
//!   time, however often messages are lost and nodes crash while it changes hands.
//! - **It is completed once**: one node writes that it is, in the record that holds what it has spawned. It may be
//!   *executed* more than once, by that node, if that crashes before the record is on disk. Nothing leaves a node that
//!   rests on a completion that is not.
//! - **The end of all work is told truly**: at some moment after the question no node had a task and none was on its way.
//!   It is told at last, if clients submit no more and all nodes are up.
//!
//! # References
//! - **EWD 998**: E. W. Dijkstra, *Shmuel Safra's version of termination detection*, 1987.
//! - **Blumofe and Leiserson 1999**: *Scheduling Multithreaded Computations by Work Stealing*, J. ACM 46(5): random
//!   victims, §3; the owner works on the newest task, thieves take the oldest.
//! - **Hendler and Shavit 2002**: *Non-Blocking Steal-Half Work Queues*, PODC.
//! - **Eager, Lazowska and Zahorjan 1986**: *Adaptive Load Sharing in Homogeneous Distributed Systems*, IEEE TSE 12(5):
//!   thresholds, and senders beside receivers as the ones who begin.
//!
//! # Rules
//! The test that shows each is in `tests/it/hand_over.rs`, or in `rounds.rs` from the token on, unless said otherwise.
//!
//! | rule | function | test |
//! |---|---|---|
//! | an idle node asks another at random | `sharing::on_idle` | `an_idle_node_asks_another_at_random` |
//! | or who was last heard to hold most | `sharing::on_idle` | `who_was_last_heard_to_hold_most_is_asked_first_and_then_forgotten` |
//! | half goes over, the oldest | `sharing::on_steal` | `half_goes_over_the_oldest_and_not_before_it_is_on_disk` |
//! | who has too little says so | `sharing::on_steal` | `a_node_with_too_little_says_so` |
//! | what is being done stays | `sharing::give` | `what_is_being_done_is_not_given_away` |
//! | who has too much hands over to who has least | `sharing::hand_over` | `an_overloaded_node_hands_over_unasked_to_who_has_least` |
//! | one hand-over at a time between two nodes | `sharing::on_steal`, `least_loaded` | `one_hand_over_at_a_time_is_under_way_to_a_node` |
//! | a giver has written it before it gives | `sharing::give` | `half_goes_over_the_oldest_and_not_before_it_is_on_disk` |
//! | and gives until it is acknowledged | `sharing::on_resend` | `it_is_given_until_it_is_acknowledged` |
//! | a receiver has written it before it acknowledges | `sharing::on_give` | `a_receiver_acknowledges_when_it_is_on_disk` |
//! | and takes it once | `sharing::on_give` | `what_is_given_again_is_acknowledged_again_and_not_taken_twice` |
//! | a completion and what it spawns are one record | `step::on_done` | `the_newest_task_is_done_first_and_completed_with_all_that_it_spawns` |
//! | a node keeps the token until it is passive (EWD 998, rule 2) | `rounds::go_round` | `a_busy_node_keeps_the_token_until_it_has_nothing_to_do` |
//! | and adds its balance (EWD 998, rule 0) | `rounds::send_on` | `a_node_adds_what_it_has_begun_less_what_it_has_received` |
//! | who receives is black (EWD 998, rule 3) | `sharing::on_give` | `whatever_brings_tasks_blackens` |
//! | a black node blackens the token, and is white then (EWD 998, rules 4 and 7) | `rounds::send_on` | `a_node_is_white_again_when_the_token_has_passed` |
//! | a round in vain is followed by another (EWD 998, rules 1, 5 and 6) | `rounds::on_return` | `a_round_that_comes_back_black_is_followed_by_another` |
//! | white, passive, sum 0: all is done (EWD 998) | `rounds::on_return` | `all_is_done_if_everybody_was_at_rest_and_nothing_under_way` |
//! | submissions blacken (ours) | `step::on_submit` | `whatever_brings_tasks_blackens` |
//! | a node does not boot from what none has written (ours) | `state::boot` | `recovery`: `a_node_does_not_boot_from_records_that_none_has_written` |
//! | boots blacken (ours) | `state::boot` | `a_node_that_boots_is_black` |
//! | so do rounds that got lost (ours) | `rounds::send_on` | `only_a_round_that_came_back_before_makes_white` |
//! | no token goes on twice (ours) | `rounds::on_token` | `tokens_of_the_past_are_refused` |
//!
//! # Deviations
//! - EWD 998 knows neither crashes nor losses nor work from outside. What was added, and why what is announced is still
//!   true, stands in `rounds.rs`. The price is a second round: the first one makes white.
//! - The counter of EWD 998 is no variable but the difference of numbers of hand-overs, which are on disk.
//! - Rounds go round when a client asks, and not before.
//! - A thief that is refused waits until its timer runs out, instead of asking the next at once: idle nodes cost a
//!   message per interval each.
//!
//! # Limitations
//! - A hand-over is not taken back, so tasks on their way to a node that is lost for good are lost with it. Nodes are
//!   assumed to come back, with their disks.
//! - What tasks spawn is taken in whatever [`Config::tasks_max`] says; a node with more takes none from elsewhere.
//! - Only the initiator knows the end, and while it is down nobody is told. While clients go on submitting it may not be
//!   told at all. A token that is lost costs a round, and two rounds in a row must come back: among many nodes on a
//!   network that goes on losing messages that may take long.
//! - A client whose answer was lost does not know whether its task was taken: asked again, it is another task.
//! - A message that no node would send is refused where that shows; a forged one that fits is believed.

mod config;
mod disk;
mod message;
pub mod properties;
mod rounds;
mod service;
mod sharing;
mod state;
mod step;
mod task;
pub mod wire;

pub use config::{Config, ConfigError, INITIATOR};
pub use disk::{Disk, Given, Record};
pub use message::{Message, Token};
pub use service::{Answer, Op, Tally, Told};
pub use state::Node;
pub use task::{Outcome, Task, TaskId, split};

/// The number of a round: rounds are counted from 1, and 0 is before all of them.
pub type Round = u64;

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A busy node's next turn to a task.
    Turn,
    /// An idle node's next question.
    Steal,
    /// A giver's patience.
    Resend,
    /// The initiator's patience.
    Round,
}
