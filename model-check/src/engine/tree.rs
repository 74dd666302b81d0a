//! Where every state comes from: six bytes a state, from which it can be made again.

use super::System;

/// The tree of first ways, in the order in which states got their places.
pub(super) struct Tree {
    /// Blocks of [`BLOCK`] places, so that growing leaves nothing empty behind but in the last.
    blocks: Vec<Block>,
    len: usize,
}

#[derive(Default)]
struct Block {
    /// The place of the state that each was generated from.
    parents: Vec<u32>,
    /// Which of that state's events led to it; of an initial state, which one it is.
    events: Vec<u16>,
}

const BLOCK: usize = 1 << 16;

impl Tree {
    /// What stands for the place before initial states.
    pub(super) const ROOT: u32 = u32::MAX;

    pub(super) const fn new() -> Self {
        Tree { blocks: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// What it takes, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks
            .iter()
            .map(|block| (block.parents.capacity() * 4 + block.events.capacity() * 2) as u64)
            .sum()
    }

    /// # Panics
    /// If there are more states than places: 2³² less one.
    pub(super) fn push(&mut self, parent: u32, event: u16) {
        assert!(self.len < Tree::ROOT as usize, "a tree has fewer than 2^32 places");
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Block::default());
        }
        let block = &mut self.blocks[self.len / BLOCK];
        block.parents.push(parent);
        block.events.push(event);
        self.len += 1;
    }

    /// All places: parent and event.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.blocks
            .iter()
            .flat_map(move |block| block.parents.iter().copied().zip(block.events.iter().copied()))
    }

    /// The parent of a place, and the event that led from there.
    fn at(&self, place: u32) -> Option<(u32, u16)> {
        let (block, at) = (self.blocks.get(place as usize / BLOCK)?, place as usize % BLOCK);
        Some((*block.parents.get(at)?, *block.events.get(at)?))
    }

    /// The numbers of the events from the start to the one that happens at `place`; the first number says
    /// which initial state.
    pub(super) fn way(&self, mut place: u32, event: u16) -> Vec<u16> {
        let mut way = vec![event];
        while place != Tree::ROOT {
            let (parent, event) = self.at(place).expect("a way leads over places that were given");
            way.push(event);
            place = parent;
        }
        way.reverse();
        way
    }
}

/// The events behind their numbers.
pub(super) fn events<S: System>(system: &S, way: &[u16]) -> Vec<S::Event> {
    let Some((initial, numbers)) = way.split_first() else { return Vec::new() };
    let mut state = system.initial().into_iter().nth(*initial as usize);
    let (mut happened, mut enabled) = (Vec::new(), Vec::new());
    for (depth, number) in (1..).zip(numbers) {
        let Some(now) = &state else { break };
        system.events(now, &mut enabled);
        if *number as usize >= enabled.len() {
            break;
        }
        let event = enabled.swap_remove(*number as usize);
        state = system.after(now, &event, depth);
        happened.push(event);
    }
    happened
}

/// Makes the `count` states from `first` on again, which lie next to each other in a level of this `depth`.
/// None if the system does not do the same as before.
pub(super) fn remake<S: System>(
    system: &S,
    tree: &Tree,
    depth: u32,
    first: u32,
    count: u32,
) -> Option<Vec<S::State>> {
    let mut remaker = Remaker { system, tree, way: Vec::new(), enabled: Vec::new() };
    (first..first + count).map(|place| remaker.make(place, depth)).collect()
}

struct Remaker<'a, S: System> {
    system: &'a S,
    tree: &'a Tree,
    /// States on the way to the last one made, by depth, without that one.
    way: Vec<(u32, S::State)>,
    enabled: Vec<S::Event>,
}

impl<S: System> Remaker<'_, S> {
    fn make(&mut self, place: u32, depth: u32) -> Option<S::State> {
        // Up to an ancestor that the last one shares.
        let (mut missing, mut at) = (vec![place], place);
        let mut shared = depth as usize;
        while shared > 0 {
            at = self.tree.at(at)?.0;
            if self.way.get(shared - 1).is_some_and(|(known, _)| *known == at) {
                break;
            }
            missing.push(at);
            shared -= 1;
        }
        self.way.truncate(shared);
        while let Some(next) = missing.pop() {
            let number = self.tree.at(next)?.1 as usize;
            let state = match self.way.last() {
                None => self.system.initial().into_iter().nth(number)?,
                Some((_, state)) => {
                    self.system.events(state, &mut self.enabled);
                    self.system.after(state, self.enabled.get(number)?, self.way.len() as u32)?
                }
            };
            if missing.is_empty() {
                return Some(state);
            }
            self.way.push((next, state));
        }
        None
    }
}
