//! What samplers saw of what there is: shares by work, and what was claimed to be unseen against what came true.

use super::{LogAxis, WIDTH, close, move_apart, open};
use crate::html::{Html, Px};
use crate::number;

/// One line of a plot of shares.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its name, written at its end.
    pub(crate) label: String,
    /// Whether it stands out.
    pub(crate) marked: bool,
    /// Which of several lines of one colour: its dash, 0 to 3.
    pub(crate) dash: usize,
    /// Ascending in the work.
    pub(crate) points: Vec<Point>,
}

/// A share, 0 to 1, after some work, and the ends of its interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) work: f64,
    pub(crate) share: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

const LEFT: f64 = 56.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 270.0;

/// Shares by work, on a logarithmic axis of work.
pub(crate) fn by_work(id: &str, title: &str, caption: &str, work: &str, lines: &[Line]) -> Html {
    let mut html = Html::new();
    let all = lines.iter().flat_map(|line| &line.points).map(|point| point.work);
    let Some(axis) = LogAxis::over(all, (LEFT, WIDTH - RIGHT)) else { return html };
    let y = |share: f64| BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP);
    open(&mut html, id, title, caption, BOTTOM + 44.0);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (line, from, to) = (Px(y(share)), Px(LEFT), Px(WIDTH - RIGHT));
        html.shape("line", &[("class", &"grid"), ("x1", &from), ("x2", &to), ("y1", &line), ("y2", &line)]);
        let place: [(&str, &dyn std::fmt::Display); 3] =
            [("class", &"tick end"), ("x", &Px(LEFT - 8.0)), ("y", &Px(y(share) + 4.0))];
        html.element("text", &place, number::percent(share));
    }
    for value in axis.ticks() {
        let x = Px(axis.at(value));
        let ends = (Px(TOP), Px(BOTTOM));
        html.shape("line", &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &ends.0), ("y2", &ends.1)]);
        let label = number::round(&number::short(value));
        html.element("text", &[("class", &"tick mid"), ("x", &x), ("y", &Px(BOTTOM + 18.0))], label);
    }
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    html.element("text", &[("class", &"tick mid"), ("x", &middle), ("y", &Px(BOTTOM + 36.0))], work);
    // What stands out is drawn last.
    let mut drawn: Vec<&Line> = lines.iter().filter(|line| !line.points.is_empty()).collect();
    drawn.sort_by_key(|line| line.marked);
    for line in &drawn {
        let role = role(line.marked);
        html.open("g", &[("class", &role)]);
        for point in &line.points {
            let (x, low, high) = (Px(axis.at(point.work)), Px(y(point.low)), Px(y(point.high)));
            html.shape(
                "line",
                &[("class", &"interval"), ("x1", &x), ("x2", &x), ("y1", &low), ("y2", &high)],
            );
        }
        html.close("g");
        let place = |point: &Point| format!("{} {}", Px(axis.at(point.work)), Px(y(point.share)));
        let path = line.points.iter().map(place).collect::<Vec<_>>().join("L");
        let class = format!("curve {role} dash{}", line.dash.min(3));
        html.shape("path", &[("class", &class), ("d", &format!("M{path}"))]);
        for point in &line.points {
            let (x, y) = (Px(axis.at(point.work)), Px(y(point.share)));
            html.shape("circle", &[("class", &format!("point {role}")), ("cx", &x), ("cy", &y), ("r", &"3")]);
        }
    }
    let last = |line: &&Line| line.points.last().map(|point| y(point.share));
    let mut ends: Vec<(f64, &Line)> = drawn.iter().filter_map(|line| Some((last(line)?, *line))).collect();
    move_apart(&mut ends, TOP, BOTTOM);
    for (end, line) in ends {
        let class = format!("label {}", role(line.marked));
        let (x, y) = (Px(WIDTH - RIGHT + 10.0), Px(end + 4.0));
        html.element("text", &[("class", &class), ("x", &x), ("y", &y)], &line.label);
    }
    close(&mut html);
    html
}

const fn role(marked: bool) -> &'static str {
    if marked { "ours" } else { "peer" }
}

/// One claim, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) claimed: f64,
    pub(crate) came_true: f64,
    /// Whether it stands out: drawn as a diamond, the others as circles.
    pub(crate) marked: bool,
}

/// Claims against what came true, both on logarithmic axes, with the line on which they are equal. Claims of nothing,
/// or of which nothing came, have no place there.
pub(crate) fn claims(id: &str, title: &str, caption: &str, claims: &[Claim]) -> Html {
    let mut html = Html::new();
    let shown = |value: f64| value > 0.0 && value.is_finite();
    let claims: Vec<&Claim> =
        claims.iter().filter(|claim| shown(claim.claimed) && shown(claim.came_true)).collect();
    let values = || claims.iter().flat_map(|claim| [claim.claimed, claim.came_true]);
    let wide = LogAxis::over(values(), (LEFT, WIDTH - RIGHT));
    let Some((x, y)) = wide.zip(LogAxis::over(values(), (BOTTOM, TOP))) else { return html };
    open(&mut html, id, title, caption, BOTTOM + 44.0);
    for value in x.ticks() {
        let (at, text) = (Px(x.at(value)), number::percent(value));
        let ends = (Px(TOP), Px(BOTTOM));
        html.shape("line", &[("class", &"grid"), ("x1", &at), ("x2", &at), ("y1", &ends.0), ("y2", &ends.1)]);
        html.element("text", &[("class", &"tick mid"), ("x", &at), ("y", &Px(BOTTOM + 18.0))], &text);
        let (at, ends) = (Px(y.at(value)), (Px(LEFT), Px(WIDTH - RIGHT)));
        html.shape("line", &[("class", &"grid"), ("x1", &ends.0), ("x2", &ends.1), ("y1", &at), ("y2", &at)]);
        let below = Px(y.at(value) + 4.0);
        html.element("text", &[("class", &"tick end"), ("x", &Px(LEFT - 8.0)), ("y", &below)], &text);
    }
    let ends = [(LEFT, BOTTOM), (WIDTH - RIGHT, TOP)].map(|(x, y)| (Px(x), Px(y)));
    html.shape(
        "line",
        &[("class", &"axis"), ("x1", &ends[0].0), ("y1", &ends[0].1), ("x2", &ends[1].0), ("y2", &ends[1].1)],
    );
    html.element(
        "text",
        &[("class", &"beside"), ("x", &Px(WIDTH - RIGHT + 10.0)), ("y", &Px(TOP + 4.0))],
        "claimed = came true",
    );
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    let axis = "came true: the share of further visits that were new; upwards: what was claimed";
    html.element("text", &[("class", &"tick mid"), ("x", &middle), ("y", &Px(BOTTOM + 36.0))], axis);
    for claim in claims {
        let (x, y) = (x.at(claim.came_true), y.at(claim.claimed));
        if claim.marked {
            let d = format!("M{} {}l5 5l-5 5l-5 -5z", Px(x), Px(y - 5.0));
            html.open("g", &[("class", &"peer")]).shape("path", &[("class", &"mark"), ("d", &d)]).close("g");
        } else {
            html.shape("circle", &[("class", &"point ours"), ("cx", &Px(x)), ("cy", &Px(y)), ("r", &"3")]);
        }
    }
    close(&mut html);
    html
}
