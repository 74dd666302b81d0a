//! Drawings, written by hand as SVG: they take the page's colours, light or dark, and need no script.
//!
//! Each has a title and a description, and stands beside a table with the same numbers. Colour never carries
//! a meaning alone: marks differ in shape, lines in dash. Whatever numbers come, a drawing is finite: values
//! that an axis cannot show are left out. Verified by the structure test in `tests/it/site.rs` over random
//! artifacts; that they look right was looked at, not tested.

pub(crate) mod bars;
pub(crate) mod cumulative;
pub(crate) mod curves;
pub(crate) mod decisive;
pub(crate) mod dots;
pub(crate) mod histogram;
pub(crate) mod levels;
pub(crate) mod matrix;
pub(crate) mod sequence;
pub(crate) mod shares;
pub(crate) mod survival;

use crate::html::{Attributes, Html};

/// The width of every drawing, in its own units; a page scales it.
const WIDTH: f64 = 640.0;

/// Opens a drawing in a figure that scrolls by itself on a narrow page.
fn open(html: &mut Html, id: &str, title: &str, caption: &str, height: f64) {
    let (title_id, description_id) = (format!("{id}-title"), format!("{id}-desc"));
    let labels = format!("{title_id} {description_id}");
    let view = format!("0 0 {WIDTH} {height:.0}");
    html.literal("<figure><figcaption>").element("strong", &[], title).text(" ").text(caption);
    html.literal("</figcaption>");
    html.open("div", &[("class", &"scroll"), ("tabindex", &"0"), ("role", &"group"), ("aria-label", &title)]);
    let attributes: Attributes<'_> =
        &[("id", &id), ("viewBox", &view), ("role", &"img"), ("aria-labelledby", &labels)];
    html.open("svg", attributes);
    html.element("title", &[("id", &title_id)], title);
    let description = format!("{caption} Numbers and text stand beside it.");
    html.element("desc", &[("id", &description_id)], description);
}

/// A name of at most so many characters: what is left out shows.
fn shortened(name: &str, chars_max: usize) -> String {
    match name.char_indices().nth(chars_max) {
        Some(_) => name.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
        None => name.to_owned(),
    }
}

/// How far apart names that stand below each other are, at least.
const LINE: f64 = 15.0;

/// Sorts what is drawn at these heights, and moves it apart between `top` and `bottom` where it would overlap,
/// downwards first.
fn move_apart<T>(ends: &mut [(f64, T)], top: f64, bottom: f64) {
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = top - LINE;
    for (end, _) in ends.iter_mut() {
        below = end.max(below + LINE);
        *end = below;
    }
    let mut above = bottom + LINE;
    for (end, _) in ends.iter_mut().rev() {
        above = end.min(above - LINE);
        *end = above;
    }
}

/// Closes a drawing.
fn close(html: &mut Html) {
    html.literal("</svg></div></figure>");
}

/// A logarithmic axis over the positive numbers it was given.
#[derive(Clone, Copy, Debug)]
struct LogAxis {
    low: f64,
    high: f64,
    /// Where `low` and `high` are drawn.
    ends: (f64, f64),
}

impl LogAxis {
    /// An axis that shows all of `values`, with some air. None if no value can be shown.
    fn over(values: impl Iterator<Item = f64>, ends: (f64, f64)) -> Option<Self> {
        let shown = values.filter(|value| value.is_finite() && (1e-12..1e18).contains(value));
        let (low, high) = shown.fold((f64::MAX, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
        let air = ((high / low).powf(0.06)).max(1.05);
        (low <= high).then_some(LogAxis { low: low / air, high: high * air, ends })
    }

    /// Where a value is drawn; values beyond the axis at its end.
    fn at(&self, value: f64) -> f64 {
        let share = (value.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    /// The value that is drawn there.
    fn value(&self, at: f64) -> f64 {
        let share = (at - self.ends.0) / (self.ends.1 - self.ends.0);
        self.low * (self.high / self.low).powf(share)
    }

    /// Round values to label: decades, or 1, 2 and 5 in each, or finer steps if the axis is short.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let inside = |value: &f64| (self.low..=self.high).contains(value);
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let steps: &[f64] = match decades {
            d if d > 4.0 => &[1.0],
            d if d > 2.2 => &[1.0, 3.0],
            d if d > 0.8 => &[1.0, 2.0, 5.0],
            d if d > 0.35 => &[0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0],
            _ => &[
                0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 3.6, 4.0,
                4.5, 5.0, 5.5, 6.0, 7.0,
            ],
        };
        let every = ((f64::from(last - first) / 8.0).ceil() as usize).max(1);
        let powers = (first..=last).step_by(every);
        let mut ticks: Vec<f64> = powers
            .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
            .filter(inside)
            .collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup_by(|a, b| (*a / *b - 1.0).abs() < 1e-9);
        let thin = ticks.len().div_ceil(9).max(1);
        ticks.into_iter().step_by(thin).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_shows_what_it_was_made_of() {
        for values in [&[1.0, 1000.0][..], &[0.97, 1.02], &[5.0], &[1e-9, 1e15], &[3e6, 4.1e6, 0.0, f64::NAN]]
        {
            let axis = LogAxis::over(values.iter().copied(), (100.0, 600.0)).expect("a positive value");
            for value in values.iter().filter(|value| **value > 0.0) {
                assert!((100.0..=600.0).contains(&axis.at(*value)), "{values:?}");
            }
            let ticks = axis.ticks();
            assert!((1..=10).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(
                ticks.windows(2).all(|pair| axis.at(pair[1]) - axis.at(pair[0]) > 20.0),
                "{values:?}: {ticks:?}"
            );
        }
    }

    #[test]
    fn a_name_that_is_cut_shows_it() {
        assert_eq!(shortened("pré-vote", 8), "pré-vote");
        assert_eq!(shortened("pré-vote", 5), "pré-…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn nothing_positive_is_no_axis() {
        assert!(LogAxis::over([0.0, -1.0, f64::INFINITY, f64::NAN].into_iter(), (0.0, 1.0)).is_none());
    }
}
