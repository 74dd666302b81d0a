//! Hand-overs: a task changes hands by two durable steps, so that it is lost with no message and no crash, and owned by
//! one node at a time.
//!
//! ```text
//! giver                                        receiver
//! writes Given, number k: owns it no more
//!          ── Give(k), once that is durable ──▶
//!                                              writes Received, if k is the next: owns it
//!          ◀── Got(k), once that is durable ──
//! writes Arrived: forgets it
//! ```
//!
//! Between two nodes one hand-over is under way each way, and it is given again until it is acknowledged: `Give` may be
//! lost, late, repeated or given by a giver that has crashed since, and so may `Got`. The number tells which it is:
//! one that is not the next is known already, and acknowledged again. A hand-over is not taken back, as nobody knows
//! whether it has arrived: tasks on their way to a node that is down wait for it.
//!
//! Who is idle asks. Whom: who was last heard to hold most, or else, if nobody is known to have enough, anybody at
//! random (Blumofe and Leiserson 1999, §3). What was heard is forgotten with the question: a node that is down is not
//! asked for ever. Half of the tasks go over, the oldest (Hendler and Shavit 2002, *Non-blocking steal-half work queues*).
//!
//! Verified by `tests/it/hand_over.rs`, step by step, and by the properties.

use swarm_protocol::{Effects, NodeId};

use crate::disk::Record;
use crate::{Config, Message, Node, Task, Timer};

impl Node {
    /// An idle node asks another one.
    pub(crate) fn on_idle(&mut self, config: &Config, out: &mut Effects<Self>) {
        if !self.is_idle() || config.nodes < 2 {
            return out.refuse("not-idle");
        }
        let victim = self.most_loaded(config).unwrap_or_else(|| {
            let other = out.choose("victim", config.nodes - 1);
            NodeId(if other < self.me.0 { other } else { other + 1 })
        });
        self.loads[victim.index()] = None;
        out.send_durably(victim, Message::Steal);
        Node::wait_to_steal(config, out);
    }

    /// Who was last heard to hold most, if that is enough to give some away; the first of several.
    fn most_loaded(&self, config: &Config) -> Option<NodeId> {
        let known = (0..).map(NodeId).zip(&self.loads).filter_map(|(node, load)| Some((node, (*load)?)));
        let enough = known.filter(|(node, load)| *node != self.me && *load as usize >= config.steal_min);
        enough.max_by_key(|(node, load)| (*load, core::cmp::Reverse(*node))).map(|(node, _)| node)
    }

    /// Who was last heard to hold least, if that is less than `load`, and nothing is on its way there; the first of
    /// several.
    pub(crate) fn least_loaded(&self, load: u32) -> Option<NodeId> {
        let known = (0..).map(NodeId).zip(&self.loads).filter_map(|(node, load)| Some(((*load)?, node)));
        let less = known.filter(|(known, node)| *node != self.me && *known < load && !self.gives_to(*node));
        less.min().map(|(_, node)| node)
    }

    fn gives_to(&self, node: NodeId) -> bool {
        self.disk.given_to(node).is_some_and(|given| !given.tasks.is_empty())
    }

    /// A node that asks has nothing. What is on its way there already is given again, as that may be what it waits for.
    pub(crate) fn on_steal(&mut self, config: &Config, from: NodeId, out: &mut Effects<Self>) {
        self.hear(from, 0);
        if self.gives_to(from) {
            self.give_again(from, out);
        } else if self.disk.held.len() < config.steal_min {
            out.mark("too-little-to-steal");
            out.send_durably(from, Message::Nothing { load: self.load() });
        } else {
            out.mark("stolen");
            self.give(config, from, self.disk.held.len() / 2, out);
        }
    }

    /// A node with too many tasks gives some to who has least: half of what there is between them.
    pub(crate) fn hand_over(&mut self, config: &Config, out: &mut Effects<Self>) {
        if self.disk.held.len() <= config.overloaded {
            return;
        }
        // To one that has two less, at least: what moves makes them no more unequal.
        if let Some(to) = self.least_loaded(self.load() - 1) {
            let theirs = self.loads[to.index()].unwrap_or(0);
            out.mark("handed-over");
            self.give(config, to, ((self.load() - theirs) / 2) as usize, out);
        }
    }

    /// Gives the oldest tasks, so many at most, but for one that is being done.
    fn give(&mut self, config: &Config, to: NodeId, count: usize, out: &mut Effects<Self>) {
        let idle = self.disk.held.iter().filter(|task| Some(task.id) != self.doing);
        let tasks: Vec<Task> = idle.take(count.min(config.batch_max)).copied().collect();
        if tasks.is_empty() {
            return;
        }
        let heard = self.loads[to.index()].unwrap_or(0);
        self.hear(to, heard.saturating_add(tasks.len() as u32));
        if !self.is_giving() {
            out.set_timer(Timer::Resend, config.resend);
        }
        self.write(config, Record::Given { to, tasks }, out);
        self.give_again(to, out);
    }

    /// Sends what is on its way to `to`, once it is on disk here that it is.
    fn give_again(&self, to: NodeId, out: &mut Effects<Self>) {
        if let Some(given) = self.disk.given_to(to) {
            let (number, tasks) = (given.number, given.tasks.clone());
            out.send_durably(to, Message::Give { number, tasks, load: self.load() });
        }
    }

    /// Nobody has acknowledged for a while.
    pub(crate) fn on_resend(&self, config: &Config, out: &mut Effects<Self>) {
        if !self.is_giving() {
            return out.refuse("nothing-to-give-again");
        }
        for (to, _) in self.disk.unacknowledged() {
            self.give_again(to, out);
        }
        out.set_timer(Timer::Resend, config.resend);
    }

    /// Tasks arrive.
    pub(crate) fn on_give(
        &mut self,
        config: &Config,
        from: NodeId,
        number: u64,
        tasks: Vec<Task>,
        load: u32,
        out: &mut Effects<Self>,
    ) {
        let known = self.disk.received_from(from);
        if number <= known {
            // The acknowledgement was lost, or is late. It says no more than that of `known` would.
            out.mark("given-again");
            self.hear(from, load);
            return out.send_durably(from, Message::Got { number, load: self.load() });
        }
        if number != known + 1 {
            return out.refuse("give-of-the-future");
        }
        if tasks.is_empty() || tasks.len() > config.batch_max {
            return out.refuse("batch-of-no-size");
        }
        if self.disk.held.len() + tasks.len() > config.tasks_max {
            // It is given again: by then there may be room.
            return out.refuse("no-room");
        }
        if self.has_any(&tasks) {
            return out.refuse("task-that-is-here");
        }
        let was_idle = self.is_idle();
        self.hear(from, load);
        // EWD 998, rule 3.
        self.disturbed = true;
        self.write(config, Record::Received { from, tasks }, out);
        out.mark("tasks-received");
        // Not before they are on disk: the giver forgets them.
        out.send_durably(from, Message::Got { number, load: self.load() });
        self.take_up(config, was_idle, out);
    }

    /// Whether one of these tasks is here, or was until it was given away, or stands there twice.
    fn has_any(&self, tasks: &[Task]) -> bool {
        let given = || self.disk.unacknowledged().flat_map(|(_, given)| &given.tasks);
        (1..).zip(tasks).any(|(next, task)| {
            let mut others =
                self.disk.held.iter().chain(given()).chain(tasks.get(next..).unwrap_or_default());
            let own = task.id.home == self.me && task.id.ordinal > self.disk.created;
            own || others.any(|other| other.id == task.id)
        })
    }

    /// A hand-over has arrived.
    pub(crate) fn on_got(
        &mut self,
        config: &Config,
        from: NodeId,
        number: u64,
        load: u32,
        out: &mut Effects<Self>,
    ) {
        let given = self.disk.given_to(from).map_or(0, |given| given.number);
        if number > given {
            return out.refuse("got-of-the-future");
        }
        self.hear(from, load);
        if number < given || !self.gives_to(from) {
            return out.refuse("got-of-the-past");
        }
        self.write(config, Record::Arrived(from), out);
        if !self.is_giving() {
            out.cancel_timer(Timer::Resend);
        }
        self.hand_over(config, out);
    }
}
