//! Trees that are deep, lopsided or large.

use swarm_work_stealing::{Context, ThreadPoolBuilder};

use super::{pool, pools};

/// Which closure of a `join` goes on.
#[derive(Clone, Copy)]
enum Goes {
    First,
    Second,
    ByTurns,
}

/// The number of leaves of a tree of which one child of each node is a leaf.
fn path(context: Context<'_>, depth: u32, goes: Goes) -> u32 {
    if depth == 0 {
        return 1;
    }
    let first = match goes {
        Goes::First => true,
        Goes::Second => false,
        Goes::ByTurns => depth.is_multiple_of(2),
    };
    let (a, b) = context.join(
        |context| path(context, if first { depth - 1 } else { 0 }, goes),
        |context| path(context, if first { 0 } else { depth - 1 }, goes),
    );
    a + b
}

#[test]
fn lopsided_trees_deeper_than_a_lane_are_counted() {
    for queued_max in [1, 4, usize::MAX] {
        let builder = ThreadPoolBuilder::new().num_threads(2).queued_max(queued_max).stack_size(1 << 25);
        let pool = builder.build().expect("threads can be started");
        for goes in [Goes::First, Goes::Second, Goes::ByTurns] {
            assert_eq!(pool.install_context(|context| path(context, 5_000, goes)), 5_001);
        }
    }
}

#[test]
fn a_tree_as_deep_as_the_deepest_published_is_traversed_on_default_stacks() {
    // T3L of UTS has 17,844 levels.
    for pool in pools() {
        let count = pool.traverse(
            [17_844_u32],
            || 0,
            |count, levels, pending| {
                *count += 1;
                // One child goes on, the other is a leaf.
                if levels > 1 {
                    pending.extend([levels - 1, 1]);
                }
            },
            |a, b| a + b,
        );
        assert_eq!(count, 2 * 17_844 - 1);
    }
}

#[test]
fn a_balanced_tree_is_summed() {
    fn sum(context: Context<'_>, values: &[u64]) -> u64 {
        match values {
            [] => 0,
            [value] => *value,
            _ => {
                let (low, high) = values.split_at(values.len() / 2);
                let (a, b) = context.join(|context| sum(context, low), |context| sum(context, high));
                a + b
            }
        }
    }
    let values: Vec<u64> = (0..1 << 16).collect();
    for _ in 0..5 {
        assert_eq!(pool(2).install_context(|context| sum(context, &values)), (1 << 15) * ((1 << 16) - 1));
    }
}
