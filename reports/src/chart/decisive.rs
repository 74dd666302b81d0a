//! How likely a run was to fail, moment by moment: a line through the shares, a bar over the interval of each, and
//! numbered lines where an event decided. The axis is stretched where many moments were looked at, which is where
//! the share changes.

use super::{WIDTH, close, open};
use crate::artifact::Rewound;
use crate::html::{Html, Px};
use crate::number;

const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 270.0;

/// The plot, or nothing where fewer than two moments were looked at. `decisive` are places in `rewound`, numbered in
/// their order.
pub(crate) fn plot(id: &str, title: &str, caption: &str, rewound: &[Rewound], decisive: &[usize]) -> Html {
    let mut html = Html::new();
    if rewound.len() < 2 {
        return html;
    }
    let step = (WIDTH - LEFT - RIGHT) / (rewound.len() - 1) as f64;
    let x = |place: usize| LEFT + place as f64 * step;
    let y = |share: f64| BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP);

    open(&mut html, id, title, caption, BOTTOM + 44.0);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (line, class) = (Px(y(share)), if (share - 0.5).abs() < 0.01 { "axis" } else { "grid" });
        let (from, to) = (Px(LEFT), Px(WIDTH - RIGHT));
        html.shape("line", &[("class", &class), ("x1", &from), ("x2", &to), ("y1", &line), ("y2", &line)]);
        let text = Px(y(share) + 4.0);
        html.element(
            "text",
            &[("class", &"tick end"), ("x", &Px(LEFT - 8.0)), ("y", &text)],
            number::percent(share),
        );
    }
    // As many labels as fit, the last moment always.
    let every = rewound.len().div_ceil(8).max(1);
    for place in (0..rewound.len()).filter(|place| (rewound.len() - 1 - place).is_multiple_of(every)) {
        let events = number::short_count(rewound[place].events);
        html.element(
            "text",
            &[("class", &"tick mid"), ("x", &Px(x(place))), ("y", &Px(BOTTOM + 18.0))],
            events,
        );
    }
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    html.element("text", &[("class", &"tick mid"), ("x", &middle), ("y", &Px(BOTTOM + 36.0))], "events kept");
    for (number, place) in decisive.iter().enumerate().filter(|(_, place)| **place < rewound.len()) {
        let line = Px(x(*place));
        html.shape(
            "line",
            &[
                ("class", &"decided"),
                ("x1", &line),
                ("x2", &line),
                ("y1", &Px(TOP - 8.0)),
                ("y2", &Px(BOTTOM)),
            ],
        );
        // Neighbours would hide each other's number.
        let close = decisive[..number].iter().filter(|other| (x(*place) - x(**other)).abs() < 14.0).count();
        let label = Px(TOP - 12.0 - 11.0 * (close % 2) as f64);
        html.element("text", &[("class", &"number mid"), ("x", &line), ("y", &label)], number + 1);
    }
    for (place, moment) in rewound.iter().enumerate() {
        let (interval, line) = (moment.interval(), Px(x(place)));
        let (low, high) = (Px(y(interval.low)), Px(y(interval.high)));
        html.shape(
            "line",
            &[("class", &"spread"), ("x1", &line), ("x2", &line), ("y1", &low), ("y2", &high)],
        );
    }
    let points = rewound.iter().enumerate();
    let path: Vec<String> =
        points.map(|(place, moment)| format!("{} {}", Px(x(place)), Px(y(moment.share())))).collect();
    html.shape("path", &[("class", &"curve ours"), ("d", &format!("M{}", path.join("L")))]);
    for (place, moment) in rewound.iter().enumerate() {
        let (cx, cy) = (Px(x(place)), Px(y(moment.share())));
        html.shape("circle", &[("class", &"point ours"), ("cx", &cx), ("cy", &cy), ("r", &"2.4")]);
    }
    close(&mut html);
    html
}
