//! Which events of a world commute, and sleep sets: what need not happen again as it has happened before.
//!
//! Two events of different nodes that ask for different things of what nodes share lead to the same world in either
//! order. Sleep sets (Godefroid 1996, *Partial-order methods for the verification of concurrent systems*, §5) make use
//! of that: of the two orders only one is gone. An event sleeps in a world if it could have happened one or more
//! events earlier and has been tried there. Every world is still visited, and after as few events as without: of all
//! shortest ways to a world, the one whose events come first in the order of [`World::enabled`], event by event, never
//! meets a sleeping one. For if it did, that event could be moved to where it was tried, which gives a way as short
//! that comes before. The argument needs three things: the order of events is the same in all worlds; a world takes
//! what sleeps in it from *all* the worlds one event before it, and so what sleeps is what sleeps by all of them; and
//! events that are taken to commute do. Forgetting that something sleeps costs time alone.
//!
//! What nodes share, and is looked at here: the messages in flight and the room for more, clients, what is left of the
//! bounds, and the memory of the properties, which say themselves whether it depends on the order
//! ([`Properties::COMMUTE`]). Questions, violations and what leads there commute with nothing.
//!
//! Verified by `tests/it/collapse.rs` on a toy with every fault, questions and twins, and by `tests/it/reduction.rs` of
//! the checker on Raft: in every reachable world of small setups every pair that is said to commute is tried in both
//! orders; and the numbers of worlds of each depth are those of a search without.
//!
//! [`World::enabled`]: super::World::enabled
//! [`Properties::COMMUTE`]: swarm_protocol::Properties::COMMUTE

use smallvec::SmallVec;

use super::collapse::{Spends, Successor};

/// Names of events that sleep in one world.
pub type Asleep = SmallVec<[u32; 6]>;

/// What an event asks for of what nodes share.
#[derive(Clone, Copy)]
pub(super) struct Deed<'a> {
    /// The same in all worlds in which the event may sleep: see [`name_of_message`] and [`name_of_item`].
    pub(super) name: u32,
    /// Whose turn it is; none for a loss.
    pub(super) index: Option<usize>,
    /// Which of what is shared beside messages, as bits.
    pub(super) touches: u8,
    /// The message that must be in flight for it.
    pub(super) about: Option<u32>,
    /// Whether that message is in flight no longer.
    pub(super) takes: bool,
    /// What is sent.
    pub(super) sent: &'a [u32],
    /// It sleeps.
    pub(super) asleep: bool,
}

/// What clients have seen and ask for next.
pub(super) const CLIENTS: u8 = 1;

/// What is touched by an event that spends this.
pub(super) const fn touched(spends: Spends) -> u8 {
    match spends {
        Spends::Nothing => 0,
        Spends::Invoke => CLIENTS,
        Spends::Duplicate => 1 << 1,
        Spends::Drop => 1 << 2,
        Spends::DiskFail => 1 << 3,
        Spends::Crash => 1 << 4,
        Spends::Timeout => 1 << 5,
    }
}

/// The name of what happens to a message: delivered, duplicated or dropped. Messages have numbers below 2²⁸.
pub(super) const fn name_of_message(what: Spends, message: u32) -> u32 {
    (match what {
        Spends::Duplicate => 1,
        Spends::Drop => 2,
        _ => 0,
    }) << 28
        | message
}

/// The name of an item of the menu of the node at `index`: while the event sleeps that node takes no turn, and its
/// menu stays. None for numbers that no cluster has.
pub(super) const fn name_of_item(index: usize, item: usize) -> Option<u32> {
    if index < 1 << 14 && item < 1 << 14 { Some(3 << 28 | (index as u32) << 14 | item as u32) } else { None }
}

/// The network as far as it matters to whether events commute.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// How many messages are in flight, and may be.
    pub(super) taken: usize,
    pub(super) limit: usize,
}

impl Room {
    /// Whether nothing that the events send is lost, whichever of them happen.
    fn suffices(self, a: &Deed<'_>, b: &Deed<'_>) -> bool {
        let fits = |takes: usize, sent: usize| sent == 0 || self.taken + sent <= self.limit + takes;
        let (a, b) = ((usize::from(a.takes), a.sent.len()), (usize::from(b.takes), b.sent.len()));
        fits(a.0, a.1) && fits(b.0, b.1) && fits(a.0 + b.0, a.1 + b.1)
    }
}

/// Whether two events that can happen in a world lead to one world in either order.
pub(super) fn commute(a: &Deed<'_>, b: &Deed<'_>, room: Room) -> bool {
    let one_node = a.index.is_some() && a.index == b.index;
    let one_message = a.about.is_some() && a.about == b.about;
    // Whether an equal message is in flight decides whether one that is sent is another.
    let meets = |a: &Deed<'_>, b: &Deed<'_>| b.about.is_some_and(|message| a.sent.contains(&message));
    !one_node
        && a.touches & b.touches == 0
        && !one_message
        && !meets(a, b)
        && !meets(b, a)
        && room.suffices(a, b)
}

/// The events of one world in their order, and where they lead; nowhere where they sleep and are not tried.
pub(super) type Deeds<'a> = Vec<(Option<Successor>, Option<Deed<'a>>)>;

/// What sleeps in the world that the event at `at` leads to: of what slept, or came before it, all that commutes
/// with it.
pub(super) fn asleep_after(deeds: &Deeds<'_>, at: usize, room: Room) -> Asleep {
    let Some(deed) = &deeds[at].1 else { return Asleep::new() };
    let others = deeds.iter().enumerate().filter(|(other, _)| *other != at);
    let others = others.filter_map(|(other, (_, about))| Some((other, about.as_ref()?)));
    let sleeps = others.filter(|(other, about)| (*other < at || about.asleep) && commute(deed, about, room));
    sleeps.map(|(_, about)| about.name).collect()
}
