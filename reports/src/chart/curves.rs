//! Curves of latency: by percentile on an axis of nines, and by load.

use super::{LogAxis, WIDTH, close, move_apart, open};
use crate::artifact::Role;
use crate::html::{Html, Px};
use crate::number;

/// One line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// Its name, written at its end.
    pub(crate) label: String,
    /// Whose it is: its colour.
    pub(crate) role: Role,
    /// Which of several lines of one colour: its dash, 0 to 3.
    pub(crate) dash: usize,
    /// Points, ascending in `x`: a share (0 to 1) or a rate, and a latency in nanoseconds.
    pub(crate) points: Vec<(f64, f64)>,
}

const LEFT: f64 = 66.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 300.0;

/// Latency by percentile: every step to the right is one nine more.
pub(crate) fn percentiles(id: &str, title: &str, caption: &str, curves: &[Curve]) -> Html {
    // Beyond the last percentile recorded there is only the maximum: it is drawn one third of a nine further.
    let inner = curves.iter().flat_map(|curve| &curve.points).map(|(q, _)| *q).filter(|q| *q < 1.0);
    let nines_max = inner.fold(1.0f64, |most, q| most.max(nines(q))).min(9.0) + 0.33;
    let at = |q: f64| LEFT + nines(q).min(nines_max) / nines_max * (WIDTH - LEFT - RIGHT);
    let labels = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
    let further = [(0.99999, "99.999 %"), (0.999_999, "99.9999 %")];
    let ticks: Vec<(f64, String)> = labels
        .into_iter()
        .chain(further)
        .filter(|(q, _)| nines(*q) < nines_max)
        .map(|(q, label)| (at(q), label.to_owned()))
        .collect();
    draw(id, title, caption, curves, &ticks, at)
}

/// Latency by offered rate, on a linear axis that begins at 0.
pub(crate) fn by_load(id: &str, title: &str, caption: &str, curves: &[Curve]) -> Html {
    let rates = curves.iter().flat_map(|curve| &curve.points).map(|(rate, _)| *rate);
    let most = rates.filter(|rate| rate.is_finite()).fold(0.0f64, f64::max).max(1e-9) * 1.04;
    let at = |rate: f64| LEFT + (rate / most).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let raw = most / 4.0;
    let decade = 10f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|step| step * decade).into_iter().find(|step| *step >= raw).unwrap_or(raw);
    let ticks: Vec<(f64, String)> = (0..=5)
        .map(|place| f64::from(place) * step)
        .take_while(|rate| *rate <= most)
        .map(|rate| (at(rate), format!("{} /s", number::round(&number::short(rate)))))
        .collect();
    draw(id, title, caption, curves, &ticks, at)
}

/// How many nines a share has: 0.9 → 1, 0.99 → 2; a whole has more than any.
fn nines(q: f64) -> f64 {
    if q < 1.0 { -(1.0 - q.max(0.0)).log10() } else { f64::INFINITY }
}

fn draw(
    id: &str,
    title: &str,
    caption: &str,
    curves: &[Curve],
    ticks: &[(f64, String)],
    at: impl Fn(f64) -> f64,
) -> Html {
    let mut html = Html::new();
    let values = curves.iter().flat_map(|curve| &curve.points).map(|(_, value)| *value);
    let Some(axis) = LogAxis::over(values, (BOTTOM, TOP)) else {
        return html;
    };

    open(&mut html, id, title, caption, BOTTOM + 32.0);
    for (x, label) in ticks {
        let x = Px(*x);
        html.shape(
            "line",
            &[("class", &"grid"), ("x1", &x), ("x2", &x), ("y1", &Px(TOP)), ("y2", &Px(BOTTOM))],
        );
        html.element("text", &[("class", &"tick mid"), ("x", &x), ("y", &Px(BOTTOM + 19.0))], label);
    }
    for value in axis.ticks() {
        let y = Px(axis.at(value));
        let (x1, x2) = (Px(LEFT), Px(WIDTH - RIGHT));
        html.shape("line", &[("class", &"grid"), ("x1", &x1), ("x2", &x2), ("y1", &y), ("y2", &y)]);
        let y = Px(axis.at(value) + 4.0);
        html.element(
            "text",
            &[("class", &"tick end"), ("x", &Px(LEFT - 8.0)), ("y", &y)],
            number::round(&number::nanoseconds(value)),
        );
    }
    let mut ends = Vec::new();
    for curve in curves {
        let drawn: Vec<(f64, f64)> = curve
            .points
            .iter()
            .filter(|(x, value)| !x.is_nan() && *value > 0.0 && value.is_finite())
            .map(|(x, value)| (at(*x), axis.at(*value)))
            .collect();
        let Some((_, last)) = drawn.last() else { continue };
        let path = drawn.iter().map(|(x, y)| format!("{} {}", Px(*x), Px(*y))).collect::<Vec<_>>().join("L");
        let class = format!("curve {} dash{}", role_class(curve.role), curve.dash.min(3));
        html.shape("path", &[("class", &class), ("d", &format!("M{path}"))]);
        for (x, y) in drawn.iter().filter(|_| drawn.len() < 8) {
            html.shape(
                "circle",
                &[
                    ("class", &format!("point {}", role_class(curve.role))),
                    ("cx", &Px(*x)),
                    ("cy", &Px(*y)),
                    ("r", &"3"),
                ],
            );
        }
        ends.push((*last, curve));
    }
    label_ends(&mut html, ends);
    close(&mut html);
    html
}

/// Writes each curve's name at its end, moved apart where they would overlap.
fn label_ends(html: &mut Html, mut ends: Vec<(f64, &Curve)>) {
    move_apart(&mut ends, TOP, BOTTOM);
    for (end, curve) in ends {
        let class = format!("label {}", role_class(curve.role));
        html.element(
            "text",
            &[("class", &class), ("x", &Px(WIDTH - RIGHT + 8.0)), ("y", &Px(end + 4.0))],
            &curve.label,
        );
    }
}

/// The class of the style sheet that colours a role.
pub(crate) const fn role_class(role: Role) -> &'static str {
    match role {
        Role::Ours => "ours",
        Role::Peer => "peer",
        Role::Floor => "floor",
    }
}
