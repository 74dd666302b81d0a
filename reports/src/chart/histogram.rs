//! A distribution as it was counted: bars over bins of growing width on a logarithmic axis, lines at quantiles.

use super::{LogAxis, WIDTH, close, open};
use crate::artifact::Bin;
use crate::html::{Html, Px};
use crate::number;

const LEFT: f64 = 54.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 210.0;

/// The plot, or nothing if nothing was counted. `marks` are values to draw a line at, each with its name.
pub(crate) fn plot(
    id: &str,
    title: &str,
    caption: &str,
    unit: &str,
    bins: &[Bin],
    marks: &[(f64, String)],
) -> Html {
    let mut html = Html::new();
    // What lies below one is drawn from one half on: a logarithmic axis has no zero.
    let ends = |bin: &Bin| (bin.from.max(0.5), bin.to.max(bin.from.max(0.5) * 1.05));
    let counted: Vec<&Bin> = bins.iter().filter(|bin| bin.count > 0 && bin.from.is_finite()).collect();
    let Some(axis) =
        LogAxis::over(counted.iter().flat_map(|bin| <[f64; 2]>::from(ends(bin))), (LEFT, WIDTH - RIGHT))
    else {
        return html;
    };
    let most = counted.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;

    open(&mut html, id, title, caption, BOTTOM + 40.0);
    for value in axis.ticks() {
        let x = Px(axis.at(value));
        html.shape(
            "line",
            &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &Px(TOP)), ("y2", &Px(BOTTOM))],
        );
        let label = number::round(&number::short(value));
        html.element("text", &[("class", &"tick mid"), ("x", &x), ("y", &Px(BOTTOM + 17.0))], label);
    }
    let middle = Px(f64::midpoint(LEFT, WIDTH - RIGHT));
    html.element("text", &[("class", &"tick mid"), ("x", &middle), ("y", &Px(BOTTOM + 34.0))], unit);
    for share in [0.5, 1.0] {
        let y = BOTTOM - share * (BOTTOM - TOP);
        let (line, from, to) = (Px(y), Px(LEFT), Px(WIDTH - RIGHT));
        html.shape("line", &[("class", &"grid"), ("x1", &from), ("x2", &to), ("y1", &line), ("y2", &line)]);
        let label = number::round(&number::short(most * share));
        html.element("text", &[("class", &"tick end"), ("x", &Px(LEFT - 7.0)), ("y", &Px(y + 4.0))], label);
    }
    for bin in counted {
        let (from, to) = ends(bin);
        let (x, height) = (axis.at(from), bin.count as f64 / most * (BOTTOM - TOP));
        let width = Px((axis.at(to) - x - 1.0).max(1.0));
        let (left, top, height) = (Px(x), Px(BOTTOM - height), Px(height));
        html.shape(
            "rect",
            &[("class", &"bar"), ("x", &left), ("y", &top), ("width", &width), ("height", &height)],
        );
    }
    for (place, (value, name)) in marks.iter().filter(|(value, _)| *value > 0.0).enumerate() {
        let (x, lift) = (Px(axis.at(value.max(0.5))), 12.0 * (place % 2) as f64);
        html.shape(
            "line",
            &[("class", &"decided"), ("x1", &x), ("x2", &x), ("y1", &Px(TOP - 4.0)), ("y2", &Px(BOTTOM))],
        );
        html.element("text", &[("class", &"number mid"), ("x", &x), ("y", &Px(TOP - 7.0 - lift))], name);
    }
    close(&mut html);
    html
}
