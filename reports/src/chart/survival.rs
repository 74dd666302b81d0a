//! The chance that clean seeds all miss a bug, bug by bug on one logarithmic axis of seeds: each row is a curve that
//! falls from 1 to 0, with a mark where one chance in twenty is left and a bar over the interval of that mark.

use super::{LogAxis, WIDTH, close, open, shortened};
use crate::binomial;
use crate::html::{Html, Px};
use crate::number;

/// One bug.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) label: String,
    /// How often a seed shows it: the estimate and its interval.
    pub(crate) rate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// As printed at the right end.
    pub(crate) printed: String,
}

const LEFT: f64 = 214.0;
const RIGHT: f64 = 92.0;
const ROW: f64 = 34.0;
const TOP: f64 = 22.0;
/// Points of a curve.
const POINTS: u32 = 60;

/// The plot, or nothing if no bug was ever found. `seeds` are numbers of clean seeds to draw a line at, each with
/// its name.
pub(crate) fn plot(id: &str, title: &str, caption: &str, rows: &[Row], seeds: &[(f64, String)]) -> Html {
    let mut html = Html::new();
    let needed = |rate: f64| binomial::trials_needed(rate);
    let ends = rows.iter().flat_map(|row| [needed(row.low), needed(row.rate), needed(row.high)]).flatten();
    let marks = seeds.iter().map(|(seeds, _)| *seeds);
    let Some(axis) = LogAxis::over(ends.chain(marks).chain([1.0]), (LEFT, WIDTH - RIGHT)) else {
        return html;
    };
    if rows.is_empty() {
        return html;
    }
    let bottom = TOP + rows.len() as f64 * ROW;

    open(&mut html, id, title, caption, bottom + 40.0);
    for value in axis.ticks().into_iter().filter(|value| *value >= 1.0) {
        let x = Px(axis.at(value));
        html.shape(
            "line",
            &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &Px(TOP)), ("y2", &Px(bottom))],
        );
        let label = number::round(&number::short(value));
        html.element("text", &[("class", &"tick mid"), ("x", &x), ("y", &Px(bottom + 17.0))], label);
    }
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    html.element("text", &[("class", &"tick mid"), ("x", &middle), ("y", &Px(bottom + 34.0))], "clean seeds");
    for (place, row) in rows.iter().enumerate() {
        draw(&mut html, &axis, row, TOP + place as f64 * ROW);
    }
    for (seeds, name) in seeds {
        let x = axis.at(*seeds);
        let (line, top) = (Px(x), Px(TOP - 6.0));
        html.shape(
            "line",
            &[("class", &"decided"), ("x1", &line), ("x2", &line), ("y1", &top), ("y2", &Px(bottom))],
        );
        // Names stand on the side that has more room.
        let (class, x) = if x > WIDTH / 2.0 { ("number end", Px(x + 4.0)) } else { ("number", Px(x - 4.0)) };
        html.element("text", &[("class", &class), ("x", &x), ("y", &Px(TOP - 10.0))], name);
    }
    close(&mut html);
    html
}

fn draw(html: &mut Html, axis: &LogAxis, row: &Row, top: f64) {
    let (base, height) = (top + ROW - 6.0, ROW - 12.0);
    html.element(
        "text",
        &[("class", &"label end"), ("x", &Px(LEFT - 14.0)), ("y", &Px(base - 4.0))],
        shortened(&row.label, 29),
    );
    let (from, to) = (axis.at(1.0), WIDTH - RIGHT);
    let points: Vec<String> = (0..=POINTS)
        .map(|point| {
            let x = from + (to - from) * f64::from(point) / f64::from(POINTS);
            let chance = binomial::missed_by_all(row.rate, axis.value(x));
            format!("{} {}", Px(x), Px(base - chance * height))
        })
        .collect();
    let curve = points.join("L");
    let filled = format!("M{} {}L{curve}L{} {}z", Px(from), Px(base), Px(to), Px(base));
    html.shape("path", &[("class", &"fade"), ("d", &filled)]);
    html.shape("path", &[("class", &"edge"), ("d", &format!("M{curve}"))]);
    let (low, high) = (binomial::trials_needed(row.high), binomial::trials_needed(row.low));
    let (low, high) = (low.map_or(from, |n| axis.at(n)), high.map_or(to, |n| axis.at(n)));
    let y = Px(base);
    html.open("g", &[("class", &"ours")]);
    html.shape(
        "line",
        &[("class", &"interval"), ("x1", &Px(low)), ("x2", &Px(high)), ("y1", &y), ("y2", &y)],
    );
    if let Some(needed) = binomial::trials_needed(row.rate) {
        html.shape(
            "circle",
            &[("class", &"point ours"), ("cx", &Px(axis.at(needed))), ("cy", &y), ("r", &"4")],
        );
    }
    html.close("g");
    let end = Px(WIDTH - RIGHT + 12.0);
    html.element("text", &[("class", &"value"), ("x", &end), ("y", &Px(base - 4.0))], &row.printed);
}
