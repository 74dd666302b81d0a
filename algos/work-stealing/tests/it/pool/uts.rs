//! Unbalanced Tree Search \[O06]: trees that nobody can cut into equal parts, with published sizes.
//!
//! A node is the state of a splittable random stream, its children's states are SHA-1 hashes of it and of their
//! number. Olivier, Huan, Liu, Prins, Dinan, Sadayappan, Tseng: *UTS: An Unbalanced Tree Search Benchmark*, LCPC 2006.
//!
//! The large trees take minutes and are asked for by `-- --ignored`.

use sha1::{Digest, Sha1};
use swarm_work_stealing::{Context, Scope};

use super::pool;

/// How many children nodes have.
#[derive(Clone, Copy)]
enum Kind {
    /// `b0` at the root, else `m` with probability `q`.
    Binomial,
    /// Geometrically distributed.
    Geometric(Shape),
    /// The one down to half of the depth, then the other.
    Hybrid,
}

/// How the mean of a geometric distribution depends on depth.
#[derive(Clone, Copy)]
enum Shape {
    Linear,
    Cyclic,
    Fixed,
}

struct Tree {
    kind: Kind,
    depth: u32,
    b0: f64,
    root: u32,
    q: f64,
    m: u32,
    /// Nodes, leaves and depth, as published.
    published: Seen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    nodes: u64,
    leaves: u64,
    depth: u32,
}

impl Seen {
    fn and(self, other: Seen) -> Seen {
        Seen {
            nodes: self.nodes + other.nodes,
            leaves: self.leaves + other.leaves,
            depth: self.depth.max(other.depth),
        }
    }
}

const fn geometric(shape: Shape, depth: u32, b0: f64, root: u32, published: Seen) -> Tree {
    Tree { kind: Kind::Geometric(shape), depth, b0, root, q: 0.0, m: 0, published }
}

const fn binomial(b0: f64, q: f64, m: u32, root: u32, published: Seen) -> Tree {
    Tree { kind: Kind::Binomial, depth: 0, b0, root, q, m, published }
}

const fn seen(nodes: u64, leaves: u64, depth: u32) -> Seen {
    Seen { nodes, leaves, depth }
}

const SMALL: Tree = geometric(Shape::Linear, 6, 4.0, 0, seen(1_732, 1_050, 6));
const T1: Tree = geometric(Shape::Fixed, 10, 4.0, 19, seen(4_130_071, 3_305_118, 10));
const T2: Tree = geometric(Shape::Cyclic, 16, 6.0, 502, seen(4_117_769, 2_342_762, 81));
const T3: Tree = binomial(2_000.0, 0.124_875, 8, 42, seen(4_112_897, 3_599_034, 1_572));
const T4: Tree = Tree {
    kind: Kind::Hybrid,
    depth: 16,
    b0: 6.0,
    root: 1,
    q: 0.234_375,
    m: 4,
    published: seen(4_132_453, 3_108_986, 134),
};
const T5: Tree = geometric(Shape::Linear, 20, 4.0, 34, seen(4_147_582, 2_181_318, 20));
const T1L: Tree = geometric(Shape::Fixed, 13, 4.0, 29, seen(102_181_082, 81_746_377, 13));
const T2L: Tree = geometric(Shape::Cyclic, 23, 7.0, 220, seen(96_793_510, 53_791_152, 67));
const T3L: Tree = binomial(2_000.0, 0.200_014, 5, 7, seen(111_345_631, 89_076_904, 17_844));

#[derive(Clone, Copy)]
struct Node {
    state: [u8; 20],
    depth: u32,
}

impl Node {
    fn child(&self, number: u32) -> Node {
        let hash = Sha1::new().chain_update(self.state).chain_update(number.to_be_bytes());
        Node { state: hash.finalize().into(), depth: self.depth + 1 }
    }

    /// The node's random number, from 0 to below 1.
    fn random(&self) -> f64 {
        let [.., a, b, c, d] = self.state;
        f64::from(u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff) / 2_147_483_648.0
    }
}

impl Tree {
    fn root(&self) -> Node {
        let mut seed = [0; 20];
        seed[16..].copy_from_slice(&self.root.to_be_bytes());
        Node { state: Sha1::digest(seed).into(), depth: 0 }
    }

    fn children(&self, node: &Node) -> u32 {
        match self.kind {
            Kind::Binomial if node.depth == 0 => self.b0 as u32,
            Kind::Geometric(shape) => self.geometric(shape, node),
            Kind::Hybrid if node.depth < self.depth / 2 => self.geometric(Shape::Linear, node),
            Kind::Binomial | Kind::Hybrid => self.binomial(node),
        }
    }

    fn binomial(&self, node: &Node) -> u32 {
        if node.random() < self.q { self.m } else { 0 }
    }

    fn geometric(&self, shape: Shape, node: &Node) -> u32 {
        let (depth, depth_max) = (f64::from(node.depth), f64::from(self.depth));
        let mean = if node.depth == 0 {
            self.b0
        } else {
            match shape {
                Shape::Linear => self.b0 * (1.0 - depth / depth_max),
                Shape::Cyclic if node.depth <= 5 * self.depth => {
                    self.b0.powf((2.0 * core::f64::consts::PI * depth / depth_max).sin())
                }
                Shape::Fixed if node.depth < self.depth => self.b0,
                Shape::Cyclic | Shape::Fixed => 0.0,
            }
        };
        let p = 1.0 / (1.0 + mean);
        let children = ((1.0 - node.random()).ln() / (1.0 - p).ln()).floor() as u32;
        children.min(100)
    }

    fn visit(&self, node: &Node) -> (Seen, u32) {
        let children = self.children(node);
        (Seen { nodes: 1, leaves: u64::from(children == 0), depth: node.depth }, children)
    }
}

/// By joins over halves of the children.
fn by_joins(context: Context<'_>, tree: &Tree, node: &Node) -> Seen {
    fn some(context: Context<'_>, tree: &Tree, node: &Node, first: u32, end: u32) -> Seen {
        match end - first {
            0 => Seen::default(),
            1 => by_joins(context, tree, &node.child(first)),
            count => {
                let middle = first + count / 2;
                let (a, b) = context.join(
                    |context| some(context, tree, node, first, middle),
                    |context| some(context, tree, node, middle, end),
                );
                a.and(b)
            }
        }
    }
    let (seen, children) = tree.visit(node);
    seen.and(some(context, tree, node, 0, children))
}

/// By a job for each node down to a depth.
fn by_spawns<'a>(scope: &Scope<'a>, tree: &'a Tree, node: Node, to: &'a std::sync::Mutex<Seen>) {
    fn below(tree: &Tree, node: &Node) -> Seen {
        let (seen, children) = tree.visit(node);
        (0..children).fold(seen, |seen, number| seen.and(below(tree, &node.child(number))))
    }
    if node.depth > 6 {
        let seen = below(tree, &node);
        let mut to = to.lock().expect("nobody panics with it");
        *to = to.and(seen);
        return;
    }
    let (seen, children) = tree.visit(&node);
    for number in 0..children {
        scope.spawn(move |scope| by_spawns(scope, tree, node.child(number), to));
    }
    let mut to = to.lock().expect("nobody panics with it");
    *to = to.and(seen);
}

#[track_caller]
fn joined(tree: &Tree) {
    assert_eq!(pool(2).install_context(|context| by_joins(context, tree, &tree.root())), tree.published);
}

#[track_caller]
fn spawned(tree: &Tree) {
    let to = std::sync::Mutex::default();
    pool(2).scope(|scope| by_spawns(scope, tree, tree.root(), &to));
    assert_eq!(to.into_inner().expect("nobody panics with it"), tree.published);
}

#[track_caller]
fn traversed(tree: &Tree) {
    let seen = pool(2).traverse(
        [tree.root()],
        Seen::default,
        |sum, node, pending| {
            let (seen, children) = tree.visit(&node);
            *sum = sum.and(seen);
            pending.extend((0..children).map(|number| node.child(number)));
        },
        Seen::and,
    );
    assert_eq!(seen, tree.published);
}

#[test]
fn the_small_tree_is_as_published_whichever_way_it_is_searched() {
    joined(&SMALL);
    spawned(&SMALL);
    traversed(&SMALL);
}

#[test]
fn t1_is_as_published() {
    joined(&T1);
}

#[test]
fn t2_is_as_published() {
    spawned(&T2);
}

#[test]
fn t3_is_as_published() {
    traversed(&T3);
}

#[test]
fn t4_is_as_published() {
    joined(&T4);
}

#[test]
fn t5_is_as_published() {
    traversed(&T5);
}

#[test]
#[ignore = "takes minutes: ask for it by `-- --ignored`"]
fn the_large_trees_are_as_published() {
    joined(&T1L);
    joined(&T2L);
    traversed(&T3L);
}
