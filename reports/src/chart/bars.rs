//! Horizontal bars for counts, which have no interval.

use super::{WIDTH, close, open, shortened};
use crate::html::{Html, Px};
use crate::number;

const LEFT: f64 = 176.0;
const RIGHT: f64 = 96.0;
const ROW: f64 = 22.0;

/// At most this many bars are drawn; the table has them all.
const BARS_MAX: usize = 40;

/// One bar per name and count, longest first; nothing if all counts are 0.
pub(crate) fn plot(id: &str, title: &str, caption: &str, counts: &[(String, u64)]) -> Html {
    let mut html = Html::new();
    let mut sorted: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sorted.truncate(BARS_MAX);
    let Some((_, most)) = sorted.first() else {
        return html;
    };

    open(&mut html, id, title, caption, sorted.len() as f64 * ROW + 8.0);
    for (place, (name, count)) in sorted.iter().enumerate() {
        let y = 4.0 + place as f64 * ROW;
        let length = (*count as f64 / *most as f64 * (WIDTH - LEFT - RIGHT)).max(1.5);
        let label = shortened(name, 27);
        html.element(
            "text",
            &[("class", &"label end"), ("x", &Px(LEFT - 10.0)), ("y", &Px(y + 15.0))],
            label,
        );
        let (x, height) = (Px(LEFT), Px(ROW - 8.0));
        html.shape(
            "rect",
            &[("class", &"bar"), ("x", &x), ("y", &Px(y + 4.0)), ("width", &Px(length)), ("height", &height)],
        );
        let end = Px(LEFT + length + 7.0);
        html.element(
            "text",
            &[("class", &"value"), ("x", &end), ("y", &Px(y + 15.0))],
            number::short_count(*count),
        );
    }
    close(&mut html);
    html
}
