//! How many states lie at which depth: one small area per instance on an axis of depth that all share.

use super::{WIDTH, close, open, shortened};
use crate::html::{Html, Px};
use crate::number;

const LEFT: f64 = 176.0;
const RIGHT: f64 = 120.0;
const ROW: f64 = 40.0;
const TOP: f64 = 8.0;
/// At most this many instances are drawn; the table has them all.
const ROWS_MAX: usize = 24;
/// Deeper levels than this are drawn together.
const LEVELS_MAX: usize = 400;

/// One area per name and its levels; nothing if no engine told.
pub(crate) fn plot(id: &str, title: &str, caption: &str, rows: &[(String, &[u64])]) -> Html {
    let mut html = Html::new();
    let rows = &rows[..rows.len().min(ROWS_MAX)];
    let deepest = rows.iter().map(|(_, levels)| levels.len().saturating_sub(1)).max().unwrap_or(0);
    if deepest == 0 {
        return html;
    }
    let deepest = deepest.min(LEVELS_MAX);
    let x = |depth: usize| LEFT + depth as f64 / deepest as f64 * (WIDTH - LEFT - RIGHT);
    let bottom = TOP + rows.len() as f64 * ROW;

    open(&mut html, id, title, caption, bottom + 38.0);
    let every = deepest.div_ceil(8).max(1);
    for depth in (0..=deepest).step_by(every) {
        let line = Px(x(depth));
        html.shape(
            "line",
            &[("class", &"grid"), ("x1", &line), ("x2", &line), ("y1", &Px(TOP)), ("y2", &Px(bottom))],
        );
        html.element("text", &[("class", &"tick mid"), ("x", &line), ("y", &Px(bottom + 17.0))], depth);
    }
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    html.element(
        "text",
        &[("class", &"tick mid"), ("x", &middle), ("y", &Px(bottom + 33.0))],
        "events from the start",
    );
    for (place, (name, levels)) in rows.iter().enumerate() {
        let base = TOP + (place + 1) as f64 * ROW - 5.0;
        let most = levels.iter().copied().max().unwrap_or(0).max(1) as f64;
        html.element(
            "text",
            &[("class", &"label end"), ("x", &Px(LEFT - 12.0)), ("y", &Px(base - 5.0))],
            shortened(name, 27),
        );
        let points = levels.iter().take(LEVELS_MAX + 1).enumerate();
        let line: Vec<String> = points
            .map(|(depth, states)| {
                format!("{} {}", Px(x(depth)), Px(base - *states as f64 / most * (ROW - 12.0)))
            })
            .collect();
        let Some(last) = levels.len().min(LEVELS_MAX + 1).checked_sub(1) else { continue };
        let line = line.join("L");
        let area = format!("M{} {}L{line}L{} {}z", Px(x(0)), Px(base), Px(x(last)), Px(base));
        html.shape("path", &[("class", &"fade"), ("d", &area)]);
        html.shape("path", &[("class", &"edge"), ("d", &format!("M{line}"))]);
        let peak = levels.iter().position(|states| *states as f64 >= most).unwrap_or(0);
        let told = format!("most at {peak}: {}", number::short(most));
        html.element(
            "text",
            &[("class", &"beside"), ("x", &Px(WIDTH - RIGHT + 8.0)), ("y", &Px(base - 5.0))],
            told,
        );
    }
    close(&mut html);
    html
}
