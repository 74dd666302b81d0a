//! Nodes that lie: adversaries at a node's network boundary, and Twins.
//!
//! Two ways in which an identity may be faulty, both without a line of code inside the protocol:
//! - **Twins** (Bano et al. 2020, *Twins: BFT Systems Made Robust*): two unmodified instances under one
//!   identity. Messages to the identity are sent to both; which of the two hears and reaches whom is drawn
//!   again and again, so that they come to tell different nodes different things.
//! - An [`Adversary`] sits between a node and the network, and does as it likes with what the node sends.
//!
//! How many identities are faulty is drawn up to what the protocol's assumption allows
//! ([`super::Assumption::byzantine_max`]). Nobody looks at a faulty one: properties see it as a node that is
//! down, its invariants and its answers to clients count for nothing.
//!
//! Verified by `tests/it/byzantine.rs`: each vice is what its line says, a protocol that trusts identities
//! breaks under it, and one that counts quorums does not. Not modelled: adversaries that know the state of
//! other nodes, or agree with each other.

use core::fmt::{self, Debug};

use swarm_protocol::{NodeId, NodeSet, Protocol, Stream};

use super::links::Links;

/// What leaves a node instead of what it meant to send: receivers and messages.
pub type Outbox<P> = Vec<(NodeId, <P as Protocol>::Message)>;

/// Somebody between a node and the network.
pub trait Adversary<P: Protocol>: Debug {
    /// The node, one of `nodes`, sends `message` to `to`: what is put into `out` leaves instead.
    fn send(&mut self, draw: &mut Stream, nodes: u32, to: NodeId, message: P::Message, out: &mut Outbox<P>);
}

/// Makes an adversary for one run.
pub type Make<P> = fn() -> Box<dyn Adversary<P>>;

/// The adversaries that need nothing of a protocol, each in its own words below.
pub fn named<P: Protocol + 'static>() -> Vec<Make<P>> {
    vec![|| Box::new(Silent), || Box::new(Withholder::default()), || Box::new(Replayer::new())]
}

/// Hears everything and says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl<P: Protocol> Adversary<P> for Silent {
    fn send(&mut self, _: &mut Stream, _: u32, _: NodeId, _: P::Message, _: &mut Outbox<P>) {}
}

/// Has friends, and says to them alone what it has to say to all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Withholder {
    friends: Option<NodeSet>,
}

impl<P: Protocol> Adversary<P> for Withholder {
    fn send(&mut self, draw: &mut Stream, _: u32, to: NodeId, message: P::Message, out: &mut Outbox<P>) {
        let friends = *self.friends.get_or_insert_with(|| NodeSet::from_bits(draw.draw()));
        if friends.contains(to) {
            out.push((to, message));
        }
    }
}

/// Says again, to anybody and as often as it likes, what it has said before.
pub struct Replayer<P: Protocol> {
    said: Vec<P::Message>,
}

/// A replayer remembers so many messages.
const SAID_MAX: usize = 64;

impl<P: Protocol> Replayer<P> {
    /// One who has said nothing.
    pub const fn new() -> Self {
        Replayer { said: Vec::new() }
    }
}

impl<P: Protocol> Default for Replayer<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Protocol> Debug for Replayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replayer")
    }
}

impl<P: Protocol> Adversary<P> for Replayer<P> {
    fn send(&mut self, draw: &mut Stream, nodes: u32, to: NodeId, message: P::Message, out: &mut Outbox<P>) {
        if self.said.len() < SAID_MAX {
            self.said.push(message.clone());
        } else {
            self.said[draw.below(SAID_MAX as u64) as usize] = message.clone();
        }
        out.push((to, message));
        while draw.below(2) == 0 {
            let again = &self.said[draw.below(self.said.len() as u64) as usize];
            out.push((NodeId(draw.below(u64::from(nodes)) as u32), again.clone()));
        }
    }
}

/// Tells some nodes something else than others, by a forgery that knows the protocol: it turns a message into
/// another that the same node could have sent.
pub struct Equivocator<P: Protocol> {
    forge: fn(&P::Message, &mut Stream) -> P::Message,
    deceived: Option<NodeSet>,
}

impl<P: Protocol> Equivocator<P> {
    /// One who forges like this.
    pub const fn new(forge: fn(&P::Message, &mut Stream) -> P::Message) -> Self {
        Equivocator { forge, deceived: None }
    }
}

impl<P: Protocol> Debug for Equivocator<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Equivocator")
    }
}

impl<P: Protocol> Adversary<P> for Equivocator<P> {
    fn send(&mut self, draw: &mut Stream, _: u32, to: NodeId, message: P::Message, out: &mut Outbox<P>) {
        let deceived = *self.deceived.get_or_insert_with(|| NodeSet::from_bits(draw.draw()));
        let lie = deceived.contains(to);
        out.push((to, if lie { (self.forge)(&message, draw) } else { message }));
    }
}

/// Who lies in a run. Twins stand at places of their own, behind those of all nodes.
pub(super) struct Liars<P: Protocol> {
    nodes: u32,
    twins: NodeSet,
    adversaries: Vec<(NodeId, Box<dyn Adversary<P>>)>,
    /// Messages that an adversary was asked about: the ordinal of its next draws.
    pub(super) asked: u64,
}

impl<P: Protocol> Liars<P> {
    pub(super) const fn new(nodes: u32) -> Self {
        Liars { nodes, twins: NodeSet::EMPTY, adversaries: Vec::new(), asked: 0 }
    }

    pub(super) fn add_twin(&mut self, node: NodeId) {
        self.twins.insert(node);
    }

    pub(super) fn add_adversary(&mut self, node: NodeId, adversary: Box<dyn Adversary<P>>) {
        self.adversaries.push((node, adversary));
    }

    pub(super) const fn twins(&self) -> NodeSet {
        self.twins
    }

    /// Whether whoever stands at a place has a lying identity.
    pub(super) fn is_liar(&self, place: NodeId) -> bool {
        place.0 >= self.nodes
            || self.twins.contains(place)
            || self.adversaries.iter().any(|(node, _)| *node == place)
    }

    /// The places of an identity.
    pub(super) fn places(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<P> {
        let twin = self.twins.contains(node).then_some(NodeId(node.0 + self.nodes));
        core::iter::once(node).chain(twin)
    }

    /// What leaves a place instead of a message.
    pub(super) fn instead(
        &mut self,
        draw: &mut Stream,
        from: NodeId,
        to: NodeId,
        message: P::Message,
    ) -> (Outbox<P>, bool) {
        let mut out = Vec::new();
        let adversary = self.adversaries.iter_mut().find(|(node, _)| *node == from);
        let asked = adversary.is_some();
        match adversary {
            Some((_, adversary)) => adversary.send(draw, self.nodes, to, message, &mut out),
            None => out.push((to, message)),
        }
        out.retain(|(to, _)| to.0 < self.nodes);
        (out, asked)
    }

    /// Draws which links between twins and the others are cut: each of the others is with one of two twins,
    /// or with both.
    pub(super) fn wiring(&self, draw: &mut Stream) -> Links {
        let mut cut = Vec::new();
        for node in self.twins.iter() {
            for other in (0..self.nodes).filter(|other| *other != node.0) {
                let apart = match draw.below(5) {
                    0 | 1 => node.0,
                    2 | 3 => node.0 + self.nodes,
                    _ => continue,
                };
                cut.extend([(apart, other), (other, apart)]);
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_node_is_with_one_of_two_twins_at_least() {
        // The messages of no protocol are needed for that.
        #[derive(Debug)]
        enum Nobody {}
        impl Protocol for Nobody {
            type Config = ();
            type Message = u8;
            type Timer = ();
            type Op = ();
            type Answer = ();
            type Record = ();
            type Task = ();
            type Outcome = ();
            fn recover(
                (): &(),
                _: NodeId,
                _: impl Iterator<Item = ()>,
                _: &mut swarm_protocol::Effects<Self>,
            ) -> Self {
                unreachable!("nobody boots")
            }
            fn step(
                &mut self,
                (): &(),
                _: swarm_protocol::Ticks,
                _: swarm_protocol::Input<Self>,
                _: &mut swarm_protocol::Effects<Self>,
            ) {
            }
        }
        let mut liars = Liars::<Nobody>::new(4);
        liars.add_twin(NodeId(1));
        assert!(
            liars.places(NodeId(1)).eq([NodeId(1), NodeId(5)]) && liars.places(NodeId(0)).eq([NodeId(0)])
        );
        assert!(liars.is_liar(NodeId(5)) && liars.is_liar(NodeId(1)) && !liars.is_liar(NodeId(2)));
        let mut with_both = 0;
        for seed in 0..200 {
            let cut = liars.wiring(&mut Stream::new(seed, 0, 0));
            for other in [0, 2, 3] {
                let lost = [1, 5].map(|twin| cut.contains(&(twin, other)));
                assert_ne!(lost, [true, true]);
                assert_eq!(lost, [1, 5].map(|twin| cut.contains(&(other, twin))), "both ways");
                with_both += u32::from(lost == [false, false]);
            }
        }
        assert!((60..240).contains(&with_both), "{with_both} of 600");
    }
}
