//! How often pairs of things met: a cell per pair, the darker the more often, with the count in it. A pair that never
//! met is an empty cell: those are what to look for.

use std::collections::BTreeMap;

use super::{WIDTH, close, open, shortened};
use crate::html::{Html, Px};
use crate::number;

const LEFT: f64 = 150.0;
/// Names of columns are turned by so many degrees, and stand out to the right.
const TURNED: f64 = 38.0;
/// How wide a character of such a name is, at most, on the average.
const CHAR: f64 = 6.2;
const COLUMN_CHARS_MAX: usize = 34;
const ROW: f64 = 24.0;
/// Cells are not wider than this, nor so narrow that a count does not fit.
const CELL_MAX: f64 = 72.0;
const CELL_MIN: f64 = 26.0;
/// At most this many rows and columns are drawn; the table has them all.
const ROWS_MAX: usize = 32;

/// The matrix of `counts` by row and column; nothing if there are none.
pub(crate) fn plot(
    id: &str,
    title: &str,
    caption: &str,
    rows: &[&str],
    columns: &[&str],
    counts: &BTreeMap<(&str, &str), u64>,
) -> Html {
    let mut html = Html::new();
    let most = counts.values().copied().max().unwrap_or(0);
    let chars = columns.iter().map(|column| column.chars().count()).max().unwrap_or(0).min(COLUMN_CHARS_MAX);
    let (sine, cosine) = TURNED.to_radians().sin_cos();
    let (high, right) = (24.0 + chars as f64 * CHAR * sine, 8.0 + chars as f64 * CHAR * cosine);
    let columns_max = ((WIDTH - LEFT - right) / CELL_MIN) as usize;
    let (rows, columns) = (&rows[..rows.len().min(ROWS_MAX)], &columns[..columns.len().min(columns_max)]);
    if most == 0 || rows.is_empty() || columns.is_empty() {
        return html;
    }
    let width = ((WIDTH - LEFT - right) / columns.len() as f64).min(CELL_MAX);

    open(&mut html, id, title, caption, high + rows.len() as f64 * ROW + 8.0);
    for (place, column) in columns.iter().enumerate() {
        let (x, y) = (LEFT + (place as f64 + 0.5) * width, high - 8.0);
        let turned = format!("rotate(-{TURNED} {} {})", Px(x), Px(y));
        let attributes: crate::html::Attributes<'_> =
            &[("class", &"tick"), ("x", &Px(x)), ("y", &Px(y)), ("transform", &turned)];
        html.element("text", attributes, shortened(column, COLUMN_CHARS_MAX));
    }
    for (place, row) in rows.iter().enumerate() {
        let y = high + place as f64 * ROW;
        html.element(
            "text",
            &[("class", &"label end"), ("x", &Px(LEFT - 8.0)), ("y", &Px(y + 16.0))],
            shortened(row, 23),
        );
        for (place, column) in columns.iter().enumerate() {
            let x = LEFT + place as f64 * width;
            let count = counts.get(&(*row, *column)).copied().unwrap_or(0);
            cell(&mut html, (x, y), width, count, most);
        }
    }
    close(&mut html);
    html
}

fn cell(html: &mut Html, (x, y): (f64, f64), width: f64, count: u64, most: u64) {
    let (left, top) = (Px(x + 1.0), Px(y + 1.0));
    let (wide, high) = (Px(width - 2.0), Px(ROW - 2.0));
    if count == 0 {
        html.shape(
            "rect",
            &[("class", &"hole"), ("x", &left), ("y", &top), ("width", &wide), ("height", &high)],
        );
        return;
    }
    // By orders of magnitude: counts of one matrix differ by many.
    let share = (1.0 + count as f64).ln() / (1.0 + most as f64).ln();
    let dark = format!("{:.2}", 0.06 + 0.34 * share);
    html.shape(
        "rect",
        &[
            ("class", &"heat"),
            ("x", &left),
            ("y", &top),
            ("width", &wide),
            ("height", &high),
            ("opacity", &dark),
        ],
    );
    let (x, y) = (Px(x + width / 2.0), Px(y + 16.0));
    html.element("text", &[("class", &"beside mid"), ("x", &x), ("y", &y)], tight(count));
}

/// A count in few characters: `873`, `12k`, `3M`.
fn tight(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        1_000_000..1_000_000_000 => format!("{}M", count / 1_000_000),
        _ => number::short(count as f64),
    }
}
