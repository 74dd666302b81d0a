//! Which links a fault of the network takes, by the shape that it has.
//!
//! A link goes one way: from a place to a place. Verified by the tests below, which look at the shapes.

use swarm_protocol::Stream;

/// Links, by their ends.
pub(super) type Links = Vec<(u32, u32)>;

fn all(n: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..n).flat_map(move |a| (0..n).map(move |b| (a, b))).filter(|(a, b)| a != b)
}

fn one_of(stream: &mut Stream, n: u32) -> u32 {
    stream.below(u64::from(n)) as u32
}

/// On which of two sides each node stands; in one case of two a single node stands on one of them.
fn sides(stream: &mut Stream, n: u32) -> Vec<bool> {
    let alone = (stream.below(2) == 0).then(|| one_of(stream, n));
    (0..n).map(|node| alone.map_or_else(|| stream.below(2) == 0, |alone| alone == node)).collect()
}

/// Two sides that do not hear each other.
pub(super) fn full(stream: &mut Stream, n: u32) -> Links {
    let side = sides(stream, n);
    all(n).filter(|(a, b)| side[*a as usize] != side[*b as usize]).collect()
}

/// Two sides that do not hear each other, and one node that hears both.
pub(super) fn bridge(stream: &mut Stream, n: u32) -> Links {
    let middle = one_of(stream, n);
    let mut links = full(stream, n);
    links.retain(|(a, b)| *a != middle && *b != middle);
    links
}

/// Some pairs that do not hear each other.
pub(super) fn partial(stream: &mut Stream, n: u32) -> Links {
    let pairs: Links = all(n).filter(|(a, b)| a < b && stream.below(3) == 0).collect();
    pairs.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect()
}

/// One node that is not heard by some, or by anyone, whom it hears.
pub(super) fn one_way(stream: &mut Stream, n: u32) -> Links {
    let mute = one_of(stream, n);
    let by_all = stream.below(2) == 0;
    all(n).filter(|(from, _)| *from == mute && (by_all || stream.below(2) == 0)).collect()
}

/// One link, or all those to a node, or all those from one.
pub(super) fn around(stream: &mut Stream, n: u32) -> Links {
    let (center, kind) = (one_of(stream, n), stream.below(3));
    let other = if n > 1 { (center + 1 + one_of(stream, n - 1)) % n } else { center };
    all(n)
        .filter(|(from, to)| match kind {
            0 => (*from, *to) == (center, other),
            1 => *from == center,
            _ => *to == center,
        })
        .collect()
}

/// Any of the shapes in which links break.
pub(super) fn any(stream: &mut Stream, n: u32) -> Links {
    match stream.below(5) {
        0 => full(stream, n),
        1 => bridge(stream, n),
        2 => partial(stream, n),
        3 => one_way(stream, n),
        _ => around(stream, n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u32 = 5;

    /// What `shape` takes under many draws.
    fn drawn(shape: fn(&mut Stream, u32) -> Links) -> impl Iterator<Item = Links> {
        (0..300).map(move |seed| shape(&mut Stream::new(seed, 0, 0), N)).filter(|links| !links.is_empty())
    }

    fn hears(links: &Links, from: u32, to: u32) -> bool {
        !links.contains(&(from, to))
    }

    /// Everyone whom messages from `start` reach over any number of links, without those at `without`.
    fn reached(links: &Links, start: u32, without: Option<u32>) -> u32 {
        let (mut seen, mut open) = (1u32 << start, vec![start]);
        while let Some(from) = open.pop() {
            for to in (0..N).filter(|to| *to != from && Some(*to) != without && hears(links, from, *to)) {
                if seen >> to & 1 == 0 {
                    seen |= 1 << to;
                    open.push(to);
                }
            }
        }
        seen.count_ones()
    }

    #[test]
    fn a_full_partition_leaves_two_sides_without_a_way() {
        let mut alone = 0;
        for links in drawn(full) {
            let sizes: Vec<_> = (0..N).map(|node| reached(&links, node, None)).collect();
            assert!(
                sizes.iter().all(|size| *size < N) && links.iter().all(|(a, b)| links.contains(&(*b, *a)))
            );
            alone += u32::from(sizes.contains(&1));
        }
        assert!((100..300).contains(&alone), "{alone} single nodes");
    }

    #[test]
    fn a_bridge_is_the_one_way_between_two_sides() {
        for links in drawn(bridge) {
            assert!((0..N).all(|node| reached(&links, node, None) == N), "{links:?}");
            let bridges = |middle: &u32| {
                (0..N).all(|node| node == *middle || reached(&links, node, Some(*middle)) < N - 1)
            };
            assert!((0..N).any(|middle| bridges(&middle)), "{links:?}");
        }
    }

    #[test]
    fn a_partial_partition_breaks_pairs_both_ways() {
        let mut connected = 0;
        for links in drawn(partial) {
            assert!(links.iter().all(|(a, b)| links.contains(&(*b, *a))));
            connected += u32::from(reached(&links, 0, None) == N);
        }
        assert!(connected > 200, "most leave a way around: {connected}");
    }

    #[test]
    fn one_way_takes_links_from_one_node() {
        for links in drawn(one_way) {
            assert!(links.iter().all(|(from, _)| *from == links[0].0));
        }
    }

    #[test]
    fn nobody_is_cut_off_from_himself_and_one_node_has_no_links() {
        for shape in [full, bridge, partial, one_way, around, any] {
            assert!(drawn(shape).flatten().all(|(a, b)| a != b && a < N && b < N));
            assert!((0..50).all(|seed| shape(&mut Stream::new(seed, 0, 0), 1).is_empty()));
        }
    }
}
