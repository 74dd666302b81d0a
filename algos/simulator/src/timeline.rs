//! A history that no order explains, as a picture: who asked when, and where the order ends.
//!
//! One lane per client, one bar per operation from its question to its answer. Operations in the order that
//! the search came furthest with carry their number in it; those that fit nowhere are marked, in colour and
//! with a cross. The picture is one SVG element with its own style, for light and dark pages, and says in
//! words what it shows to those who do not see it. Positions are places in the order of events, not times:
//! what matters is what overlaps. Verified by `tests/it/timeline.rs`.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use swarm_protocol::Specification;

use crate::history::{Call, History, Moment};
use crate::linearizability::Impossible;

/// Widths and heights in the units of the picture.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 72.0;
const TOP: f64 = 44.0;
const LANE: f64 = 44.0;
const BAR: f64 = 20.0;
/// About the width of a letter.
const LETTER: f64 = 6.2;

/// Colours by class: text, lanes, bars in the order, bars that fit nowhere.
const STYLE: &str = "\
.sp-t{font:12px system-ui,sans-serif;fill:#1c1e21}.sp-s{fill:#5a6068}.sp-l{stroke:#dcdad3}\
.sp-o{fill:#cfe3e9;stroke:#0b5d73}.sp-b{fill:#f6d9d5;stroke:#a5281c;stroke-width:2}.sp-x{fill:#a5281c;font-weight:700}\
.sp-open{stroke-dasharray:4 3}\
@media (prefers-color-scheme:dark){.sp-t{fill:#e9e7e2}.sp-s{fill:#a5abb3}.sp-l{stroke:#33383d}\
.sp-o{fill:#17404c;stroke:#74c7dd}.sp-b{fill:#4d211d;stroke:#ff968b}.sp-x{fill:#ff968b}}";

/// One operation of the picture.
struct Bar {
    call: Call,
    /// Places of its question and of its answer, if it was told before the picture ends.
    from: usize,
    to: Option<usize>,
    /// Its number in the order that was found.
    number: Option<usize>,
}

/// The picture: the end of the order that the search found, and what stands in its way.
pub fn picture<S: Specification>(history: &History<S>, impossible: &Impossible) -> String {
    let bars = bars(history, impossible);
    let mut lanes: Vec<u32> = bars.iter().map(|bar| history.operation(bar.call).process).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let places = bars.iter().map(|bar| bar.to.unwrap_or(bar.from) + 1).max().unwrap_or(1);
    let x = |place: usize| LEFT + (WIDTH - LEFT - 16.0) * place as f64 / places as f64;
    let height = TOP + lanes.len() as f64 * LANE + 12.0;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>No order explains these answers</title>\n<desc>{}</desc>\n<style>{STYLE}</style>",
        escaped(&impossible.tell(history))
    );
    let _ = writeln!(
        out,
        "<text class=\"sp-t sp-s\" x=\"{LEFT}\" y=\"18\">Numbers: the order found, to the state {}. Crosses: what \
         fits nowhere.</text>",
        escaped(&clipped(&impossible.state, 300.0))
    );
    for (lane, process) in lanes.iter().enumerate() {
        let middle = TOP + (lane as f64 + 0.5) * LANE;
        let _ = writeln!(
            out,
            "<text class=\"sp-t\" x=\"8\" y=\"{:.1}\">client {process}</text>\n\
             <line class=\"sp-l\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>",
            middle + 4.0
        );
    }
    for bar in &bars {
        let operation = history.operation(bar.call);
        let lane = lanes.binary_search(&operation.process).unwrap_or_default();
        let (left, y) = (x(bar.from), TOP + (lane as f64 + 0.5) * LANE - BAR / 2.0);
        let right = bar.to.map_or(WIDTH - 8.0, x).max(left + 6.0);
        let class = if bar.number.is_some() { "sp-o" } else { "sp-b" };
        let open = if bar.to.is_none() { " sp-open" } else { "" };
        let answer = match &operation.returned {
            Some((_, answer)) if bar.to.is_some() => format!(" → {answer:?}"),
            _ => " → ?".to_owned(),
        };
        let mark = bar.number.map_or("✗".to_owned(), |number| number.to_string());
        let text = format!("{:?}{answer}", operation.op);
        let _ = writeln!(
            out,
            "<g><title>{}</title><rect class=\"{class}{open}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" \
             height=\"{BAR}\" rx=\"3\"/><text class=\"sp-t{}\" x=\"{:.1}\" y=\"{:.1}\">{mark}</text>\
             <text class=\"sp-t\" x=\"{left:.1}\" y=\"{:.1}\">{}</text></g>",
            escaped(&format!("{operation:?}")),
            right - left,
            if bar.number.is_some() { "" } else { " sp-x" },
            left + 4.0,
            y + 14.0,
            y - 3.0,
            escaped(&clipped(&text, room(&bars, history, bar, x, left)))
        );
    }
    out.push_str("</svg>\n");
    out
}

/// What is drawn, in order of invocation, with the places of their beginnings and ends among each other.
fn bars<S: Specification>(history: &History<S>, impossible: &Impossible) -> Vec<Bar> {
    let numbered = impossible.order.iter().enumerate();
    let mut number_of: BTreeMap<Call, Option<usize>> =
        numbered.map(|(place, call)| (*call, Some(impossible.before + place + 1))).collect();
    for call in impossible.pending.iter().chain([&impossible.last]) {
        number_of.entry(*call).or_insert(None);
    }
    let mut bars: Vec<Bar> = Vec::new();
    let mut place = 0;
    for moment in history.moments() {
        let (Moment::Invoked(call) | Moment::Returned(call)) = moment;
        let Some(number) = number_of.get(&call) else { continue };
        match moment {
            Moment::Invoked(_) => bars.push(Bar { call, from: place, to: None, number: *number }),
            Moment::Returned(_) => {
                if let Some(bar) = bars.iter_mut().find(|bar| bar.call == call) {
                    bar.to = Some(place);
                }
            }
        }
        place += 1;
        if moment == Moment::Returned(impossible.last) {
            // Later answers were not known yet.
            break;
        }
    }
    bars
}

/// How much room the text over a bar has: up to the next bar of its lane.
fn room<S: Specification>(
    bars: &[Bar],
    history: &History<S>,
    bar: &Bar,
    x: impl Fn(usize) -> f64,
    left: f64,
) -> f64 {
    let process = history.operation(bar.call).process;
    let later = bars.iter().filter(|other| other.from > bar.from);
    let next = later.filter(|other| history.operation(other.call).process == process).map(|other| other.from);
    next.min().map_or(WIDTH, x) - left - 4.0
}

/// As much of a text as fits into a width.
fn clipped(text: &str, width: f64) -> String {
    let room = (width / LETTER).max(3.0) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// Text in which nothing has a meaning to XML; what XML does not allow is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            _ if character.is_control() => {}
            _ => out.push(character),
        }
    }
    out
}
