//! What a comparison says, in words and in one table.
//!
//! Where a peer is ahead is said first. A ratio never stands without its interval, and where the interval
//! spans 1 nobody is ahead. Ratios are of medians over rounds, each taken within a round
//! ([`Measurement::ratio`]); the best peer and the floor of a shape are those with the highest median.
//!
//! Verified by tests on invented figures.

use std::fmt::Write;

use reports::artifact::{Compare, Interval, Measurement, Role};
use reports::statistics::median_interval;

/// The one of `role` that is fastest at the shape of `ours` and did the same work.
pub fn best<'a>(compare: &'a Compare, ours: &Measurement, role: Role) -> Option<&'a Measurement> {
    compare
        .measurements
        .iter()
        .filter(|other| {
            other.implementation.role == role && other.comparable(ours) && !other.samples.is_empty()
        })
        .max_by(|a, b| median(a).total_cmp(&median(b)))
}

fn median(measurement: &Measurement) -> f64 {
    median_interval(&measurement.samples).0
}

/// Who is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Ours,
    Other,
    Nobody,
}

fn ahead(interval: &Interval) -> Ahead {
    match interval {
        Interval { low, .. } if *low > 1.0 => Ahead::Ours,
        Interval { high, .. } if *high < 1.0 => Ahead::Other,
        _ => Ahead::Nobody,
    }
}

/// The verdicts, one line each, those where a peer is ahead first; then one table of everything.
pub fn text(compare: &Compare) -> String {
    let mut verdicts: Vec<(Ahead, String)> = Vec::new();
    for ours in compare.measurements.iter().filter(|m| m.implementation.role == Role::Ours) {
        for role in [Role::Peer, Role::Floor] {
            let Some(other) = best(compare, ours, role) else { continue };
            let Some((ratio, interval)) = ours.ratio(other) else { continue };
            // To lie below the floor is expected; it is no verdict for a peer.
            let side = if role == Role::Peer { ahead(&interval) } else { Ahead::Ours };
            let word = match (role, side) {
                (Role::Peer, Ahead::Ours) => "ours is ahead of the best peer",
                (Role::Peer, Ahead::Other) => "A PEER IS AHEAD",
                (Role::Peer, Ahead::Nobody) => "no difference seen from the best peer",
                _ => "share of the floor",
            };
            let shape = format!("{} B, window {}", ours.payload_bytes, ours.window);
            let who = format!("{} ({})", other.implementation.name, other.implementation.settings);
            let ratio = format!("ratio {ratio:.2} [{:.2}, {:.2}]", interval.low, interval.high);
            verdicts.push((side, format!("{shape}: {word}: {ratio} to {who}")));
        }
    }
    let order = |side: &Ahead| match side {
        Ahead::Other => 0,
        Ahead::Nobody => 1,
        Ahead::Ours => 2,
    };
    verdicts.sort_by_key(|(side, _)| order(side));
    let mut text = String::new();
    for (_, line) in verdicts {
        writeln!(text, "{line}").expect("text grows");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &table(compare)
}

/// Every measurement, by shape, the fastest of a shape first.
fn table(compare: &Compare) -> String {
    let mut rows = vec![
        [
            "bytes",
            "window",
            "M commits/CPU-s",
            "95 % interval",
            "p50 us",
            "p99 us",
            "messages",
            "implementation",
        ]
        .map(str::to_owned),
    ];
    let mut measured: Vec<&Measurement> =
        compare.measurements.iter().filter(|measured| !measured.samples.is_empty()).collect();
    measured.sort_by(|a, b| {
        let shape = |m: &Measurement| (m.payload_bytes, m.window);
        shape(a).cmp(&shape(b)).then(median(b).total_cmp(&median(a)))
    });
    for measurement in measured {
        let (value, interval) = median_interval(&measurement.samples);
        let quantile = |q| {
            let value = measurement.latency.as_ref().and_then(|latency| latency.at(q));
            value.map_or("-".to_owned(), |ns| format!("{:.2}", ns / 1e3))
        };
        rows.push([
            measurement.payload_bytes.to_string(),
            measurement.window.to_string(),
            format!("{:.3}", value / 1e6),
            format!("{:.3}..{:.3}", interval.low / 1e6, interval.high / 1e6),
            quantile(0.5),
            quantile(0.99),
            measurement.messages_per_commit.map_or("-".to_owned(), |messages| format!("{messages:.3}")),
            format!(
                "{} {} ({})",
                measurement.implementation.name,
                measurement.implementation.version,
                measurement.implementation.settings
            ),
        ]);
    }
    aligned(&rows)
}

/// Columns set flush right, the last one flush left.
pub fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if column + 1 == COLUMNS {
                writeln!(text, "{cell}").expect("text grows");
            } else {
                write!(text, "{cell:>width$}  ").expect("text grows");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::artifact::Implementation;

    fn measured(role: Role, name: &str, window: u64, samples: [f64; 3]) -> Measurement {
        Measurement {
            implementation: Implementation::new(role, name, "1", "plain"),
            nodes: 3,
            payload_bytes: 64,
            window,
            samples: samples.to_vec(),
            digest: "d".into(),
            verified: true,
            ..Measurement::default()
        }
    }

    fn compare() -> Compare {
        let measurements = vec![
            measured(Role::Ours, "ours", 1, [2e6, 2.2e6, 2.1e6]),
            measured(Role::Peer, "slow", 1, [1e6, 1e6, 1e6]),
            measured(Role::Peer, "fast", 1, [1.5e6, 1.5e6, 1.5e6]),
            measured(Role::Floor, "floor", 1, [4e6, 4e6, 4e6]),
            measured(Role::Ours, "ours", 64, [1e6, 1e6, 1e6]),
            measured(Role::Peer, "fast", 64, [2e6, 2e6, 2e6]),
            measured(Role::Ours, "ours", 1024, [1e6, 2e6, 3e6]),
            measured(Role::Peer, "fast", 1024, [2e6, 2e6, 2e6]),
        ];
        Compare { measurements, ..Compare::default() }
    }

    #[test]
    fn where_a_peer_is_ahead_is_said_first_and_every_ratio_has_its_interval() {
        let text = text(&compare());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "64 B, window 64: A PEER IS AHEAD: ratio 0.50 [0.50, 0.50] to fast (plain)");
        assert_eq!(
            lines[1],
            "64 B, window 1024: no difference seen from the best peer: ratio 1.00 [0.50, 1.50] to fast (plain)"
        );
        assert_eq!(
            lines[2],
            "64 B, window 1: ours is ahead of the best peer: ratio 1.40 [1.33, 1.47] to fast (plain)"
        );
        assert_eq!(lines[3], "64 B, window 1: share of the floor: ratio 0.53 [0.50, 0.55] to floor (plain)");
        assert_eq!(lines[4], "");
        assert!(lines[5].contains("95 % interval"));
        assert!(lines[6].contains("4.000") && lines[6].ends_with("floor 1 (plain)"), "{}", lines[6]);
    }

    #[test]
    fn other_work_is_never_compared() {
        let mut compare = compare();
        for measurement in &mut compare.measurements {
            if measurement.implementation.role == Role::Peer {
                measurement.digest = "e".into();
            }
        }
        assert!(!text(&compare).contains("peer:"));
    }

    #[test]
    fn a_contestant_without_a_sample_is_left_out() {
        let mut compare = compare();
        compare.measurements[2].samples.clear();
        let ours = compare.measurements[0].clone();
        assert_eq!(best(&compare, &ours, Role::Peer).map(|m| m.implementation.name.as_str()), Some("slow"));
        assert!(!table(&compare).contains("1.500"));
    }
}
