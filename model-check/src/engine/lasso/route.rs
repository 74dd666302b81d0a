//! The way to a component that holds a fair run, and a way round in it that is one.

use std::collections::{BTreeMap, VecDeque};

use super::graph::{Components, Edge, Graph};

/// The numbers of events on a way; of a stem, the first says which initial state.
type Way = Vec<u16>;

impl Graph {
    /// A shortest way to a loop that breaks the promise, and the loop; none if there is no such loop among the
    /// states that were gone on from.
    pub(super) fn lasso(&self) -> Option<(Way, Way)> {
        let reach = Reach::of(self);
        let components = self.components(&reach.waiting);
        let begin = reach.order.iter().copied().find(|place| components.is_fair(*place))?;
        Some((reach.way(self, begin), self.round(&components, begin)))
    }

    /// A way round from `begin`, which lies in a component that holds a fair run, that puts off nothing.
    fn round(&self, components: &Components, begin: u32) -> Way {
        let possible = |place: u32| {
            let own = self.edges(place).iter().filter(|edge| !edge.renews && edge.action != Edge::NO_ACTION);
            own.map(|edge| edge.action)
        };
        let mut put_off: Vec<u32> = possible(begin).collect();
        put_off.sort_unstable();
        put_off.dedup();
        let (mut round, mut at) = (Way::new(), begin);
        while !put_off.is_empty() {
            // The nearest edge that takes one of them, or that leads to where one is impossible.
            let helps = |place: u32, edge: &Edge| {
                self.satisfied(place, edge).any(|action| put_off.contains(&action))
                    || put_off.iter().any(|action| possible(edge.target).all(|other| other != *action))
            };
            let way = self.nearest(components, at, helps);
            assert!(!way.is_empty(), "a fair component lets every action be satisfied");
            for (place, edge) in way {
                for action in self.satisfied(place, &edge) {
                    put_off.retain(|other| *other != action);
                }
                put_off.retain(|action| possible(edge.target).any(|other| other == *action));
                round.push(edge.event);
                at = edge.target;
            }
        }
        if at != begin {
            let way = self.nearest(components, at, |_, edge| edge.target == begin);
            round.extend(way.into_iter().map(|(_, edge)| edge.event));
        }
        round
    }

    /// The actions that an event takes or lets begin anew.
    fn satisfied<'a>(&'a self, place: u32, edge: &Edge) -> impl Iterator<Item = u32> + 'a {
        let event = edge.event;
        let same = self.edges(place).iter().filter(move |edge| edge.event == event);
        same.map(|edge| edge.action).filter(|action| *action != Edge::NO_ACTION)
    }

    /// The shortest way inside the component from `from` over a last edge that `ends` it, with where each edge
    /// begins; empty if there is none.
    fn nearest(
        &self,
        components: &Components,
        from: u32,
        ends: impl Fn(u32, &Edge) -> bool,
    ) -> Vec<(u32, Edge)> {
        let mut origins: BTreeMap<u32, Option<(u32, Edge)>> = BTreeMap::from([(from, None)]);
        let mut open = VecDeque::from([from]);
        while let Some(place) = open.pop_front() {
            for edge in self.edges(place).iter().filter(|edge| !edge.renews) {
                if !components.together(place, edge.target) {
                    continue;
                }
                if ends(place, edge) {
                    let mut way = vec![(place, *edge)];
                    let mut at = place;
                    while let Some(Some((before, edge))) = origins.get(&at) {
                        way.push((*before, *edge));
                        at = *before;
                    }
                    way.reverse();
                    return way;
                }
                origins.entry(edge.target).or_insert_with(|| {
                    open.push_back(edge.target);
                    Some((place, *edge))
                });
            }
        }
        Vec::new()
    }
}

/// Where a promise waits, and the shortest ways there: a search over states with and without a promise that waits.
struct Reach {
    /// Where it can wait.
    waiting: Vec<bool>,
    /// The same states, the nearest first.
    order: Vec<u32>,
    /// Where each pair of a state and whether the promise waits is reached from: twice the state, one more where
    /// it waits; and by which event, if by one.
    origins: Vec<Option<(u32, Option<u16>)>>,
}

impl Reach {
    fn of(graph: &Graph) -> Self {
        let states = graph.states();
        let mut reach =
            Reach { waiting: vec![false; states], order: Vec::new(), origins: vec![None; states * 2] };
        let mut open = VecDeque::new();
        for place in graph.initial() {
            reach.origins[place as usize * 2] = Some((u32::MAX, None));
            open.push_back(place * 2);
        }
        while let Some(pair) = open.pop_front() {
            let (place, waits) = (pair / 2, pair % 2 == 1);
            if waits {
                reach.waiting[place as usize] = true;
                reach.order.push(place);
            } else if graph.begins(place) && reach.origins[pair as usize + 1].is_none() {
                // It begins to wait without an event: as near as the state itself.
                reach.origins[pair as usize + 1] = Some((pair, None));
                open.push_front(pair + 1);
            }
            if place as usize >= graph.expanded() {
                continue;
            }
            for edge in graph.edges(place).iter().filter(|edge| !edge.renews && edge.target != Edge::BEYOND) {
                let next = edge.target * 2 + u32::from(waits && !graph.kept(edge.target));
                let origin = &mut reach.origins[next as usize];
                if origin.is_none() {
                    *origin = Some((pair, Some(edge.event)));
                    open.push_back(next);
                }
            }
        }
        reach
    }

    /// The way to a state in which the promise waits.
    fn way(&self, graph: &Graph, place: u32) -> Way {
        let (mut way, mut pair) = (Way::new(), place * 2 + 1);
        while let Some((before, event)) = self.origins[pair as usize] {
            way.extend(event);
            if before == u32::MAX {
                way.push(graph.initial_number(pair / 2));
                break;
            }
            pair = before;
        }
        way.reverse();
        way
    }
}
