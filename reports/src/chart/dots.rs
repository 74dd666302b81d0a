//! A dot plot on a logarithmic axis: one row per figure, a mark at the estimate, a bar over its interval,
//! a faint tick for every raw sample. Used for throughput and for ratios.

use super::{LogAxis, WIDTH, close, open};
use crate::artifact::Interval;
use crate::html::{Html, Px};
use crate::number;

/// The mark of a row; each has its own shape and colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// This project: a disc.
    Ours,
    /// A peer: a square.
    Peer,
    /// The floor: an open diamond.
    Floor,
    /// A ratio whose whole interval lies above 1: a triangle upwards.
    Ahead,
    /// A ratio whose whole interval lies below 1: a triangle downwards.
    Behind,
    /// A ratio whose interval holds 1: a ring.
    Even,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Rows of one group stand together under its name.
    pub(crate) group: String,
    /// What the figure is of.
    pub(crate) label: String,
    /// The estimate.
    pub(crate) value: f64,
    /// Its interval.
    pub(crate) interval: Option<Interval>,
    /// The raw samples.
    pub(crate) samples: Vec<f64>,
    /// The mark.
    pub(crate) mark: Mark,
    /// The figure as printed at the right end.
    pub(crate) printed: String,
}

const LEFT: f64 = 168.0;
const RIGHT: f64 = 92.0;
const ROW: f64 = 26.0;
const GROUP: f64 = 24.0;

/// The plot, or nothing if no row can be shown. `reference` is a value to draw a line at.
pub(crate) fn plot(
    id: &str,
    title: &str,
    caption: &str,
    rows: &[Row],
    reference: Option<f64>,
    tick: fn(f64) -> String,
) -> Html {
    let mut html = Html::new();
    let ends = |row: &Row| row.interval.map_or([row.value; 2], |interval| [interval.low, interval.high]);
    let values = rows.iter().flat_map(|row| ends(row).into_iter().chain([row.value])).chain(reference);
    let Some(axis) = LogAxis::over(values, (LEFT, WIDTH - RIGHT)) else {
        return html;
    };
    if rows.is_empty() {
        return html;
    }
    let groups = 1 + rows.windows(2).filter(|pair| pair[0].group != pair[1].group).count();
    let bottom = 8.0 + groups as f64 * GROUP + rows.len() as f64 * ROW;

    open(&mut html, id, title, caption, bottom + 26.0);
    for value in axis.ticks() {
        let x = Px(axis.at(value));
        html.shape("line", &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &"6"), ("y2", &Px(bottom))]);
        html.element(
            "text",
            &[("class", &"tick mid"), ("x", &x), ("y", &Px(bottom + 17.0))],
            number::round(&tick(value)),
        );
    }
    if let Some(value) = reference {
        let x = Px(axis.at(value));
        html.shape("line", &[("class", &"axis"), ("x1", &x), ("x2", &x), ("y1", &"6"), ("y2", &Px(bottom))]);
    }
    let mut y = 8.0;
    let mut group = None;
    for row in rows {
        if group != Some(&row.group) {
            group = Some(&row.group);
            html.element("text", &[("class", &"group"), ("x", &"2"), ("y", &Px(y + 16.0))], &row.group);
            y += GROUP;
        }
        draw(&mut html, &axis, row, y + ROW / 2.0);
        y += ROW;
    }
    close(&mut html);
    html
}

fn draw(html: &mut Html, axis: &LogAxis, row: &Row, y: f64) {
    let class = match row.mark {
        Mark::Ours => "ours",
        Mark::Peer => "peer",
        Mark::Floor => "floor",
        Mark::Ahead => "good",
        Mark::Behind => "bad",
        Mark::Even => "even",
    };
    html.open("g", &[("class", &class)]);
    html.element(
        "text",
        &[("class", &"label end"), ("x", &Px(LEFT - 14.0)), ("y", &Px(y + 4.0))],
        &row.label,
    );
    for sample in row.samples.iter().filter(|sample| **sample > 0.0).take(100) {
        let x = Px(axis.at(*sample));
        html.shape(
            "line",
            &[("class", &"sample"), ("x1", &x), ("x2", &x), ("y1", &Px(y - 6.0)), ("y2", &Px(y + 6.0))],
        );
    }
    if let Some(Interval { low, high, .. }) = row.interval {
        let (low, high) = (Px(axis.at(low)), Px(axis.at(high)));
        html.shape(
            "line",
            &[("class", &"interval"), ("x1", &low), ("x2", &high), ("y1", &Px(y)), ("y2", &Px(y))],
        );
    }
    let x = axis.at(row.value);
    let path = match row.mark {
        Mark::Ours | Mark::Even => format!("M{0} {1}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", Px(x - 5.0), Px(y)),
        Mark::Peer => format!("M{0} {1}h9v9h-9z", Px(x - 4.5), Px(y - 4.5)),
        Mark::Floor => format!("M{0} {1}l6 6l-6 6l-6 -6z", Px(x), Px(y - 6.0)),
        Mark::Ahead => format!("M{0} {1}l6 11h-12z", Px(x), Px(y - 6.0)),
        Mark::Behind => format!("M{0} {1}l6 -11h-12z", Px(x), Px(y + 6.0)),
    };
    html.shape("path", &[("class", &"mark"), ("d", &path)]);
    html.element(
        "text",
        &[("class", &"value"), ("x", &Px(WIDTH - RIGHT + 12.0)), ("y", &Px(y + 4.0))],
        &row.printed,
    );
    html.close("g");
}
