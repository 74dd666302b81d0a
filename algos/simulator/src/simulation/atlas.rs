//! The fault atlas: what a run has injected, held against what the protocol says that it can take.
//!
//! A protocol is safe and live under an [`Assumption`]: so many nodes down at a time, so many disks lost for
//! ever, clocks that run so far apart. A simulation that breaks it shows nothing. So every fault asks before
//! it strikes, and the atlas keeps the account that each [`Run`](super::Run) carries: what was done at most,
//! and whether it stayed inside. A [heedless](crate::profile::Profile::heedless) profile goes on where the
//! atlas would have said no; the run is then *outside*, and what it violates is no finding.
//!
//! **Never all copies.** A record that a majority has acknowledged is on a majority of the disks. With fewer
//! disks ever lost than a majority holds, a copy is left; with no more nodes down, lost ones among them, than
//! the assumption says, a majority still meets it. That is why disks are counted over the whole run and never
//! given back, and why a damaged disk counts from the moment of the damage, long before anybody reads it.
//!
//! Verified by `tests/it/atlas.rs`, which counts again from traces alone.

use core::fmt;

use swarm_protocol::NodeId;

/// What a protocol on so many nodes can take and still be safe and live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// How many nodes may be down at a time. One whose disk is lost is down for ever, unless it may return;
    /// one whose disk has failed a write counts until it is started again.
    pub down_max: u32,
    /// How many disks may be lost in a whole run: wiped, or damaged so that the journal refuses.
    pub lost_max: u32,
    /// How many disks may come to forget records that they had acknowledged, without noticing.
    pub forgetful_max: u32,
    /// Whether a node whose disk was wiped boots again, with nothing. Else it stays away: what it has promised
    /// it might break.
    pub wiped_returns: bool,
    /// By how many millionths a clock may run fast or slow.
    pub drift_per_million_max: u32,
    /// Whether clocks may jump.
    pub clocks_jump: bool,
    /// How many identities may behave in any way at all.
    pub byzantine_max: u32,
    /// How many nodes that are up, hear each other and have their disks are enough for progress.
    pub core_min: u32,
}

impl Assumption {
    /// The least: a minority of `nodes` may be down for a while, nothing is lost, and progress needs all.
    /// Clocks may do what they like.
    pub const fn crash_recovery(nodes: u32) -> Self {
        Assumption {
            down_max: nodes.saturating_sub(1) / 2,
            lost_max: 0,
            forgetful_max: 0,
            wiped_returns: false,
            drift_per_million_max: 1 << 15,
            clocks_jump: true,
            byzantine_max: 0,
            core_min: nodes,
        }
    }

    /// That of a protocol of majorities: a minority may be down or lost for ever, and a majority makes
    /// progress.
    pub const fn majority(nodes: u32) -> Self {
        let minority = nodes.saturating_sub(1) / 2;
        Assumption { lost_max: minority, core_min: nodes / 2 + 1, ..Assumption::crash_recovery(nodes) }
    }

    /// That of a protocol which less than a third of its nodes cannot deceive.
    pub const fn byzantine(nodes: u32) -> Self {
        let faulty = nodes.saturating_sub(1) / 3;
        Assumption {
            down_max: faulty,
            byzantine_max: faulty,
            core_min: nodes - faulty,
            ..Assumption::crash_recovery(nodes)
        }
    }
}

/// Something a fault is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// A node goes down, or its disk fails it.
    Down(NodeId),
    /// A disk is lost, now or when it is next read.
    Lost(NodeId),
    /// A disk will forget what it has acknowledged.
    Forgets(NodeId),
    /// Clocks run apart by so many millionths.
    Drift(u32),
    Jump,
    /// An identity becomes faulty.
    Byzantine(NodeId),
}

/// What a run has injected at most, as far as assumptions speak of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The most nodes that were down at a time.
    pub down_most: u64,
    /// Disks lost.
    pub lost: u64,
    /// Disks that forgot, or will when they are read.
    pub forgetful: u64,
    /// How many journals of such disks were read, and refused.
    pub refused: u64,
    /// The most by which a clock ran fast or slow, in millionths.
    pub drift_per_million_most: u64,
    /// Jumps of clocks.
    pub jumps: u64,
    /// Identities that were faulty.
    pub byzantine: u64,
    /// How often a fault stayed away because it would have gone outside.
    pub declined: u64,
    /// What went outside the assumption first, if anything did. Then the run says nothing.
    pub outside: Option<&'static str>,
}

impl Account {
    /// The verdict: whether the run stayed inside the protocol's assumption.
    pub const fn is_inside(&self) -> bool {
        self.outside.is_none()
    }

    /// What was injected, in words.
    pub fn injected(&self) -> String {
        format!(
            "at most {} down, {} disks lost ({} journals refused), {} forgetful, drift of {} ppm, {} jumps, {} Byzantine; {} faults declined",
            self.down_most,
            self.lost,
            self.refused,
            self.forgetful,
            self.drift_per_million_most,
            self.jumps,
            self.byzantine,
            self.declined
        )
    }

    /// Takes in what another run injected: the most of what there can be at a time, the sum of the rest. Its
    /// verdict is left out.
    pub(super) fn add(&mut self, other: &Account) {
        self.down_most = self.down_most.max(other.down_most);
        self.lost += other.lost;
        self.refused += other.refused;
        self.forgetful += other.forgetful;
        self.drift_per_million_most = self.drift_per_million_most.max(other.drift_per_million_most);
        self.jumps += other.jumps;
        self.byzantine += other.byzantine;
        self.declined += other.declined;
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outside {
            None => write!(f, "inside the assumption: {}", self.injected()),
            Some(what) => write!(f, "outside the assumption ({what}): {}", self.injected()),
        }
    }
}

/// How it stands with a node: which harms were done to it, as bits.
#[derive(Clone, Copy, Default)]
struct Standing(u8);

const DOWN: u8 = 1;
const LOST: u8 = 2;
const FORGETFUL: u8 = 4;
const BYZANTINE: u8 = 8;

impl Standing {
    const fn is(self, harm: u8) -> bool {
        self.0 & harm > 0
    }

    /// Notes a harm, and returns 1 if it is new.
    const fn mark(&mut self, harm: u8) -> u64 {
        let new = !self.is(harm);
        self.0 |= harm;
        new as u64
    }
}

/// The one who keeps the account.
pub(super) struct Atlas {
    assumption: Assumption,
    heedless: bool,
    nodes: Vec<Standing>,
    down: u64,
    account: Account,
}

impl Atlas {
    pub(super) fn new(nodes: u32, assumption: Assumption, heedless: bool) -> Self {
        let nodes = vec![Standing::default(); nodes as usize];
        Atlas { assumption, heedless, nodes, down: 0, account: Account::default() }
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
    }

    pub(super) const fn assumption(&self) -> &Assumption {
        &self.assumption
    }

    pub(super) fn is_byzantine(&self, node: NodeId) -> bool {
        self.nodes[node.index()].is(BYZANTINE)
    }

    /// What is wrong with all of `harms`, beside what was done before, if anything is.
    fn objection(&self, harms: &[Harm]) -> Option<&'static str> {
        let (mut down, mut lost, mut forgetful, mut byzantine) =
            (self.down, self.account.lost, self.account.forgetful, self.account.byzantine);
        let assumption = &self.assumption;
        for harm in harms {
            let new = |node: NodeId, harm| u64::from(!self.nodes[node.index()].is(harm));
            match *harm {
                Harm::Down(node) => down += new(node, DOWN),
                Harm::Lost(node) => lost += new(node, LOST),
                Harm::Forgets(node) => forgetful += new(node, FORGETFUL),
                Harm::Byzantine(node) => byzantine += new(node, BYZANTINE),
                Harm::Drift(drift) if drift > assumption.drift_per_million_max => return Some("clock drift"),
                Harm::Jump if !assumption.clocks_jump => return Some("clock jumps"),
                Harm::Drift(_) | Harm::Jump => {}
            }
        }
        [
            (down, assumption.down_max, "nodes down"),
            (lost, assumption.lost_max, "disks lost"),
            (forgetful, assumption.forgetful_max, "forgetful disks"),
            (byzantine, assumption.byzantine_max, "Byzantine nodes"),
        ]
        .into_iter()
        .find_map(|(sum, most, what)| (sum > u64::from(most)).then_some(what))
    }

    /// Whether all of this may be done; then it counts as done.
    pub(super) fn permits(&mut self, harms: &[Harm]) -> bool {
        let objection = self.objection(harms);
        if objection.is_some() && !self.heedless {
            self.account.declined += 1;
            return false;
        }
        let account = &mut self.account;
        account.outside = account.outside.or(objection);
        for harm in harms {
            match *harm {
                Harm::Down(node) => {
                    self.down += self.nodes[node.index()].mark(DOWN);
                    account.down_most = account.down_most.max(self.down);
                }
                Harm::Lost(node) => account.lost += self.nodes[node.index()].mark(LOST),
                Harm::Forgets(node) => account.forgetful += self.nodes[node.index()].mark(FORGETFUL),
                Harm::Byzantine(node) => account.byzantine += self.nodes[node.index()].mark(BYZANTINE),
                Harm::Drift(drift) => {
                    let most = &mut account.drift_per_million_most;
                    *most = u64::from(drift).max(*most);
                }
                Harm::Jump => account.jumps += 1,
            }
        }
        true
    }

    /// A journal refuses: its disk was counted as lost when it was damaged.
    pub(super) const fn refused(&mut self) {
        self.account.refused += 1;
    }

    /// A node is up again.
    pub(super) fn returned(&mut self, node: NodeId) {
        let standing = &mut self.nodes[node.index()];
        self.down -= u64::from(standing.is(DOWN));
        standing.0 &= !DOWN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];

    #[test]
    fn what_would_go_outside_is_declined_and_does_not_count() {
        let [a, b, c] = NODES;
        let mut atlas = Atlas::new(3, Assumption::majority(3), false);
        assert!(atlas.permits(&[Harm::Down(a)]));
        assert!(!atlas.permits(&[Harm::Down(b)]));
        // One that is down may fail once more.
        assert!(atlas.permits(&[Harm::Down(a), Harm::Lost(a)]));
        atlas.returned(a);
        assert!(atlas.permits(&[Harm::Down(b)]));
        assert!(!atlas.permits(&[Harm::Lost(c)]) && !atlas.permits(&[Harm::Forgets(c)]));
        assert!(!atlas.permits(&[Harm::Byzantine(c)]) && !atlas.permits(&[Harm::Drift(1 << 16)]));
        let expected = Account { down_most: 1, lost: 1, declined: 5, ..Account::default() };
        assert_eq!(*atlas.account(), expected);
        assert!(atlas.account().is_inside());
    }

    #[test]
    fn all_of_a_harm_is_permitted_or_nothing() {
        let mut atlas = Atlas::new(3, Assumption::crash_recovery(3), false);
        assert!(!atlas.permits(&[Harm::Down(NODES[0]), Harm::Lost(NODES[0])]));
        assert_eq!(atlas.account().down_most, 0);
    }

    #[test]
    fn a_heedless_atlas_permits_all_and_says_what_went_outside_first() {
        let mut atlas = Atlas::new(3, Assumption::crash_recovery(3), true);
        assert!(atlas.permits(&[Harm::Down(NODES[0])]) && atlas.account().is_inside());
        assert!(atlas.permits(&[Harm::Lost(NODES[0])]) && atlas.permits(&[Harm::Down(NODES[1])]));
        assert_eq!(atlas.account().outside, Some("disks lost"));
        assert!(
            atlas.account().to_string().starts_with("outside the assumption (disks lost): at most 2 down")
        );
    }

    #[test]
    fn assumptions_leave_a_core() {
        for nodes in 1..=9 {
            for assumption in
                [Assumption::crash_recovery(nodes), Assumption::majority(nodes), Assumption::byzantine(nodes)]
            {
                assert!(nodes - assumption.lost_max.max(assumption.byzantine_max) >= assumption.core_min);
            }
            assert!(2 * Assumption::majority(nodes).core_min > nodes);
            assert!(3 * Assumption::byzantine(nodes).byzantine_max < nodes);
        }
    }
}
