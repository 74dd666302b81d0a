//! Cumulative distributions on a logarithmic axis: which share of the trials had ended by when.

use super::{LogAxis, WIDTH, close, open};
use crate::html::{Html, Px};
use crate::number;

/// One distribution.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) label: String,
    /// The values, ascending.
    pub(crate) values: Vec<f64>,
    /// Of how many trials: those without a value did not end.
    pub(crate) of: u64,
}

/// A published point of a line.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Where it lies.
    pub(crate) value: f64,
    /// The share that had ended, 0 to 1.
    pub(crate) share: f64,
    /// What is written beside it.
    pub(crate) label: String,
}

const LEFT: f64 = 56.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 300.0;
/// Points of a line: a browser draws no more.
const POINTS_MAX: usize = 200;

/// The plot, or nothing if no trial ended. Lines have one of two colours and one of four dashes in turn.
pub(crate) fn plot(id: &str, title: &str, caption: &str, unit: &str, lines: &[Line], marks: &[Mark]) -> Html {
    let mut html = Html::new();
    let values = lines.iter().flat_map(|line| &line.values).copied();
    let Some(axis) = LogAxis::over(values.chain(marks.iter().map(|mark| mark.value)), (LEFT, WIDTH - RIGHT))
    else {
        return html;
    };
    let y = |share: f64| BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP);
    open(&mut html, id, title, caption, BOTTOM + 44.0);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (line, from, to) = (Px(y(share)), Px(LEFT), Px(WIDTH - RIGHT));
        html.shape("line", &[("class", &"grid"), ("x1", &from), ("x2", &to), ("y1", &line), ("y2", &line)]);
        let (x, below) = (Px(LEFT - 8.0), Px(y(share) + 4.0));
        html.element("text", &[("class", &"tick end"), ("x", &x), ("y", &below)], number::percent(share));
    }
    for value in axis.ticks() {
        let (x, top, bottom) = (Px(axis.at(value)), Px(TOP), Px(BOTTOM));
        html.shape("line", &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &top), ("y2", &bottom)]);
        let label = number::round(&number::short(value));
        html.element("text", &[("class", &"tick mid"), ("x", &x), ("y", &Px(BOTTOM + 18.0))], label);
    }
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    html.element("text", &[("class", &"tick mid"), ("x", &middle), ("y", &Px(BOTTOM + 36.0))], unit);
    for (place, line) in lines.iter().enumerate() {
        let steps = steps(line);
        let path: Vec<_> =
            steps.iter().map(|(value, share)| format!("{} {}", Px(axis.at(*value)), Px(y(*share)))).collect();
        let class = format!("curve {}", look(place));
        if !path.is_empty() {
            html.shape("path", &[("class", &class), ("d", &format!("M{}", path.join("L")))]);
        }
        // All lines end at the top: names stand in a list, each behind a piece of its line.
        let (from, to) = (Px(WIDTH - RIGHT + 14.0), Px(WIDTH - RIGHT + 44.0));
        let height = TOP + 10.0 + 20.0 * place as f64;
        let piece = format!("M{from} {0}L{to} {0}", Px(height));
        html.shape("path", &[("class", &class), ("d", &piece)]);
        let (x, y) = (Px(WIDTH - RIGHT + 52.0), Px(height + 4.0));
        html.element(
            "text",
            &[("class", &format!("label {}", role(place))), ("x", &x), ("y", &y)],
            &line.label,
        );
    }
    for mark in marks {
        let (x, y) = (axis.at(mark.value), y(mark.share));
        let diamond = format!(
            "M{} {1}L{2} {3}L{4} {1}L{2} {5}z",
            Px(x - 5.0),
            Px(y),
            Px(x),
            Px(y - 5.0),
            Px(x + 5.0),
            Px(y + 5.0)
        );
        html.open("g", &[("class", &"even")]);
        html.shape("path", &[("class", &"mark"), ("d", &diamond)]);
        html.close("g");
        // Above the line at the top there is room; further down, to the right.
        let (dx, dy) = if mark.share > 0.95 { (0.0, -10.0) } else { (9.0, 4.0) };
        let class = if mark.share > 0.95 { "tick mid" } else { "tick" };
        html.element("text", &[("class", &class), ("x", &Px(x + dx)), ("y", &Px(y + dy))], &mark.label);
    }
    close(&mut html);
    html
}

/// A line's points: value and share, thinned out evenly.
fn steps(line: &Line) -> Vec<(f64, f64)> {
    let count = line.values.len();
    let shown = |value: f64| value.is_finite() && value > 0.0;
    let Some(last) = count.checked_sub(1) else { return Vec::new() };
    let points = count.min(POINTS_MAX);
    let place = |point: usize| if points < 2 { last } else { point * last / (points - 1) };
    (0..points)
        .map(|point| (line.values[place(point)], (place(point) + 1) as f64 / line.of.max(1) as f64))
        .filter(|(value, _)| shown(*value))
        .collect()
}

const fn role(place: usize) -> &'static str {
    if place.is_multiple_of(2) { "ours" } else { "peer" }
}

fn look(place: usize) -> String {
    format!("{} dash{}", role(place), place / 2 % 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_rises_to_the_share_that_ended() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let steps = steps(&Line { label: String::new(), values, of: 2000 });
        assert_eq!((steps.len(), steps[0], steps[199]), (200, (1.0, 0.0005), (1000.0, 0.5)));
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
        let one = Line { label: String::new(), values: vec![7.0], of: 1 };
        assert_eq!(super::steps(&one), [(7.0, 1.0)]);
    }
}
