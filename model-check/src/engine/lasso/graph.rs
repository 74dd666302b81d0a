//! The graph of a search for a lasso, and its strongly connected components.
//!
//! Edges lie one behind the other, those of a state together, so that a state costs eighteen bytes beside them.
//! Components are found by Tarjan's algorithm (1972), with a stack of its own instead of recursion: graphs are
//! as deep as they have states. Each component is judged as it is found.

/// One event of a state.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    /// The place of the state that it leads to, or [`Edge::BEYOND`].
    pub(super) target: u32,
    /// The number of its action, or [`Edge::NO_ACTION`]; of an edge that renews, the one that it renews.
    pub(super) action: u32,
    /// The number of the event among those of the state.
    pub(super) event: u16,
    /// Only says that the event, whose own edge stands before it, lets this action begin anew.
    pub(super) renews: bool,
}

impl Edge {
    /// Out of the bounds.
    pub(super) const BEYOND: u32 = u32::MAX;
    /// What nothing makes happen.
    pub(super) const NO_ACTION: u32 = u32::MAX;
}

/// States by place, in the order in which they were met; those gone on from are the first.
pub(super) struct Graph {
    /// The edges of state `s` begin at `ends[s - 1]` (at 0 for the first), and end at `ends[s]`.
    ends: Vec<u32>,
    edges: Vec<Edge>,
    /// Where each state was first met from, and by which of its events; of an initial state, `u32::MAX` and
    /// which one it is.
    origins: Vec<(u32, u16)>,
    /// Where a promise begins to wait.
    begins: Vec<bool>,
    /// Where it is kept.
    kept: Vec<bool>,
}

impl Graph {
    pub(super) const fn new() -> Self {
        Graph {
            ends: Vec::new(),
            edges: Vec::new(),
            origins: Vec::new(),
            begins: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Takes a state in.
    ///
    /// # Panics
    /// If there are more states than places: 2³² less one.
    pub(super) fn add(&mut self, origin: (u32, u16), begins: bool, kept: bool) -> u32 {
        let place = u32::try_from(self.origins.len()).ok().filter(|place| *place < u32::MAX);
        self.origins.push(origin);
        self.begins.push(begins);
        self.kept.push(kept);
        place.expect("a graph has fewer than 2^32 states")
    }

    /// Takes in an edge of the first state that was not gone on from.
    pub(super) fn push(&mut self, edge: Edge) {
        self.edges.push(edge);
    }

    /// That state has no more edges.
    ///
    /// # Panics
    /// If there are 2³² edges.
    pub(super) fn close(&mut self) {
        self.ends.push(u32::try_from(self.edges.len()).expect("a graph has fewer than 2^32 edges"));
    }

    pub(super) const fn states(&self) -> usize {
        self.origins.len()
    }

    pub(super) const fn expanded(&self) -> usize {
        self.ends.len()
    }

    /// How many events lead from state to state.
    pub(super) fn transitions(&self) -> u64 {
        self.edges.iter().filter(|edge| !edge.renews && edge.target != Edge::BEYOND).count() as u64
    }

    /// What it takes, in bytes.
    pub(super) const fn bytes(&self) -> u64 {
        (self.edges.capacity() * size_of::<Edge>()
            + self.ends.capacity() * 4
            + self.origins.capacity() * size_of::<(u32, u16)>()
            + self.begins.capacity()
            + self.kept.capacity()) as u64
    }

    /// The edges of a state that was gone on from.
    pub(super) fn edges(&self, place: u32) -> &[Edge] {
        let place = place as usize;
        let begin = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        &self.edges[begin..self.ends[place] as usize]
    }

    pub(super) fn begins(&self, place: u32) -> bool {
        self.begins[place as usize]
    }

    pub(super) fn kept(&self, place: u32) -> bool {
        self.kept[place as usize]
    }

    /// The states that a run may begin in.
    pub(super) fn initial(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.states() as u32).take_while(|place| self.origins[*place as usize].0 == u32::MAX)
    }

    /// Which initial state this is.
    pub(super) fn initial_number(&self, place: u32) -> u16 {
        self.origins[place as usize].1
    }

    /// The numbers of the events on the way on which a state was first met; the first says which initial state.
    pub(super) fn way(&self, mut place: u32) -> Vec<u16> {
        let mut way = Vec::new();
        while place != u32::MAX {
            let (from, event) = self.origins[place as usize];
            way.push(event);
            place = from;
        }
        way.reverse();
        way
    }

    /// The components of the states among `members` that were gone on from, over edges between them.
    pub(super) fn components(&self, members: &[bool]) -> Components {
        let states = self.expanded();
        let mut tarjan = Tarjan {
            graph: self,
            members: &members[..states],
            index: vec![0; states],
            low: vec![0; states],
            next: 1,
            stack: Vec::new(),
            fairness: Fairness::new(),
            found: Components { of: vec![Components::NONE; states], fair: Vec::new() },
        };
        for place in 0..states as u32 {
            if tarjan.members[place as usize] && tarjan.index[place as usize] == 0 {
                tarjan.visit(place);
            }
        }
        tarjan.found
    }
}

/// The components of a graph.
pub(super) struct Components {
    /// Which one each state belongs to; [`Components::NONE`] if it is no member.
    of: Vec<u32>,
    /// Whether a fair run can stay in a component.
    fair: Vec<bool>,
}

impl Components {
    const NONE: u32 = u32::MAX;

    /// Whether a fair run can stay in the component of this state.
    pub(super) fn is_fair(&self, place: u32) -> bool {
        self.of.get(place as usize).is_some_and(|of| *of != Self::NONE && self.fair[*of as usize])
    }

    /// Whether both states lie in one component.
    pub(super) fn together(&self, one: u32, other: u32) -> bool {
        let of = |place: u32| self.of.get(place as usize).copied().unwrap_or(Self::NONE);
        of(one) != Self::NONE && of(one) == of(other)
    }
}

struct Tarjan<'a> {
    graph: &'a Graph,
    members: &'a [bool],
    /// In which order states were visited, from 1; 0 for those that were not.
    index: Vec<u32>,
    /// The first state on the stack that can be reached from each, as far as is known.
    low: Vec<u32>,
    next: u32,
    /// States whose component is not known yet.
    stack: Vec<u32>,
    fairness: Fairness,
    found: Components,
}

impl Tarjan<'_> {
    fn enter(&mut self, place: u32) {
        self.index[place as usize] = self.next;
        self.low[place as usize] = self.next;
        self.next += 1;
        self.stack.push(place);
    }

    /// Finds the components of all states that can be reached from this one.
    fn visit(&mut self, root: u32) {
        self.enter(root);
        // States under way, each with its next edge.
        let mut under_way = vec![(root, 0)];
        while let Some((place, edge)) = under_way.last_mut() {
            let place = *place;
            let Some(Edge { target, .. }) = self.graph.edges(place).get(*edge).copied() else {
                under_way.pop();
                if let Some((before, _)) = under_way.last() {
                    self.low[*before as usize] = self.low[*before as usize].min(self.low[place as usize]);
                }
                if self.low[place as usize] == self.index[place as usize] {
                    self.emit(place);
                }
                continue;
            };
            *edge += 1;
            let at = target as usize;
            if !self.members.get(at).copied().unwrap_or(false) {
                continue;
            }
            if self.index[at] == 0 {
                self.enter(target);
                under_way.push((target, 0));
            } else if self.found.of[at] == Components::NONE {
                self.low[place as usize] = self.low[place as usize].min(self.index[at]);
            }
        }
    }

    /// The component whose first state this is lies on top of the stack.
    fn emit(&mut self, first: u32) {
        let number = self.found.fair.len() as u32;
        let begin = self.stack.iter().rposition(|place| *place == first).unwrap_or(0);
        let component = self.stack.split_off(begin);
        for place in &component {
            self.found.of[*place as usize] = number;
        }
        let inner = |target: u32| self.found.of.get(target as usize) == Some(&number);
        let fair = self.fairness.judge(self.graph, &component, inner);
        self.found.fair.push(fair);
    }
}

/// Counts by action, kept between components.
struct Fairness {
    actions: Vec<Tally>,
    touched: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    /// In how many states of the component the action is possible.
    possible: u32,
    /// The last of them, counted from 1.
    last: u32,
    /// Whether an edge inside takes it or lets it begin anew.
    satisfied: bool,
}

impl Fairness {
    const fn new() -> Self {
        Fairness { actions: Vec::new(), touched: Vec::new() }
    }

    /// Whether a run that visits all states and edges of a component again and again is fair: each action that
    /// is possible in all states is taken.
    fn judge(&mut self, graph: &Graph, component: &[u32], inner: impl Fn(u32) -> bool) -> bool {
        for place in component {
            for edge in graph.edges(*place).iter().filter(|edge| edge.action != Edge::NO_ACTION) {
                let action = edge.action as usize;
                if action >= self.actions.len() {
                    self.actions.resize(action + 1, Tally::default());
                }
                let tally = &mut self.actions[action];
                self.touched.push(edge.action);
                tally.satisfied |= inner(edge.target);
                if !edge.renews && tally.last != place + 1 {
                    tally.last = place + 1;
                    tally.possible += 1;
                }
            }
        }
        let mut fair = true;
        for action in self.touched.drain(..) {
            let tally = std::mem::take(&mut self.actions[action as usize]);
            fair &= tally.satisfied || (tally.possible as usize) < component.len();
        }
        fair
    }
}
