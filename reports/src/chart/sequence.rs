//! Sequence diagrams, from the part of Mermaid's notation that traces use: `participant`, arrows, notes.
//!
//! A text with any other line is not drawn; the page then shows the text. Verified here.

use super::{WIDTH, close, open};
use crate::html::{Html, Px};

/// Larger diagrams are shown as text.
const STEPS_MAX: usize = 200;
const PARTICIPANTS_MAX: usize = 9;

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// An arrow between two columns; lost ones end in a cross.
    Arrow { from: usize, to: usize, text: String, lost: bool },
    /// A note over a range of columns.
    Note { first: usize, last: usize, text: String },
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Diagram {
    /// Name in the notation, name shown.
    participants: Vec<(String, String)>,
    steps: Vec<Step>,
}

/// The drawing of a diagram, or none if it cannot be drawn.
pub(crate) fn plot(id: &str, title: &str, mermaid: &str) -> Option<Html> {
    let diagram = parse(mermaid)?;
    let columns = diagram.participants.len();
    let gap = WIDTH / columns as f64;
    let at = |column: usize| gap * (column as f64 + 0.5);
    let bottom = 46.0 + diagram.steps.len() as f64 * 30.0;
    let mut html = Html::new();
    open(&mut html, id, title, "Time runs downwards.", bottom + 6.0);
    for (column, (_, shown)) in diagram.participants.iter().enumerate() {
        let x = Px(at(column));
        html.shape("line", &[("class", &"axis"), ("x1", &x), ("x2", &x), ("y1", &"28"), ("y2", &Px(bottom))]);
        html.element("text", &[("class", &"group mid"), ("x", &x), ("y", &"18")], clipped(shown, gap));
    }
    for (place, step) in diagram.steps.iter().enumerate() {
        let y = 58.0 + place as f64 * 30.0;
        match step {
            Step::Arrow { from, to, text, lost } => arrow(&mut html, at(*from), at(*to), y, text, *lost, gap),
            Step::Note { first, last, text } => note(&mut html, at(*first), at(*last), y, text, gap),
        }
    }
    close(&mut html);
    Some(html)
}

fn arrow(html: &mut Html, from: f64, to: f64, y: f64, text: &str, lost: bool, gap: f64) {
    let class = if lost { "arrow lost" } else { "arrow" };
    // An arrow to oneself is a short hook to the right.
    let towards = if to < from { -1.0 } else { 1.0 };
    let end = if (to - from).abs() < 1.0 { from + 22.0 } else { to - towards * 3.0 };
    html.shape(
        "line",
        &[("class", &class), ("x1", &Px(from)), ("x2", &Px(end)), ("y1", &Px(y)), ("y2", &Px(y))],
    );
    let (x, back) = (Px(end), towards * 7.0);
    let head = if lost {
        format!("M{} {}l8 8m0 -8l-8 8", Px(end - 4.0), Px(y - 4.0))
    } else {
        format!("M{x} {}l{} -4v8z", Px(y), Px(-back))
    };
    html.shape("path", &[("class", &class), ("d", &head)]);
    let middle = f64::midpoint(from, end);
    let room = (end - from).abs().max(gap) - 8.0;
    html.element(
        "text",
        &[("class", &"tick mid"), ("x", &Px(middle)), ("y", &Px(y - 6.0))],
        clipped(text, room),
    );
}

fn note(html: &mut Html, first: f64, last: f64, y: f64, text: &str, gap: f64) {
    let (low, width) = (first.min(last) - gap * 0.45, (last - first).abs() + gap * 0.9);
    html.shape(
        "rect",
        &[
            ("class", &"note"),
            ("x", &Px(low)),
            ("y", &Px(y - 15.0)),
            ("width", &Px(width)),
            ("height", &"20"),
        ],
    );
    let middle = Px(f64::midpoint(first, last));
    html.element(
        "text",
        &[("class", &"tick mid"), ("x", &middle), ("y", &Px(y - 1.0))],
        clipped(text, width),
    );
}

/// As much of a text as fits into a width, at about 6 units a character.
fn clipped(text: &str, width: f64) -> String {
    let room = (width / 6.0).max(4.0) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

fn parse(mermaid: &str) -> Option<Diagram> {
    let mut lines = mermaid.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("%%"));
    if lines.next()? != "sequenceDiagram" {
        return None;
    }
    let mut diagram = Diagram::default();
    for line in lines {
        if line == "autonumber" {
            continue;
        }
        if let Some(participant) = line.strip_prefix("participant ").or_else(|| line.strip_prefix("actor ")) {
            let (name, shown) = participant.split_once(" as ").unwrap_or((participant, participant));
            let column = diagram.column(name.trim())?;
            diagram.participants[column].1 = plain(shown);
        } else if let Some(note) = line.strip_prefix("Note ").or_else(|| line.strip_prefix("note ")) {
            let (place, text) = note.split_once(':')?;
            let place =
                ["over ", "right of ", "left of "].iter().find_map(|word| place.strip_prefix(word))?;
            let (first, last) = place.split_once(',').unwrap_or((place, place));
            let (first, last) = (diagram.column(first.trim())?, diagram.column(last.trim())?);
            diagram.steps.push(Step::Note { first, last, text: plain(text) });
        } else {
            let step = diagram.arrow(line)?;
            diagram.steps.push(step);
        }
    }
    let drawable = !diagram.steps.is_empty() && diagram.steps.len() <= STEPS_MAX;
    drawable.then_some(diagram)
}

/// A text with Mermaid's escapes (`#35;` is a hash, `#lt;` a less-than sign) undone.
fn plain(text: &str) -> String {
    let mut pieces = text.trim().split('#');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escape = piece.split_once(';').and_then(|(code, rest)| Some((escaped(code)?, rest)));
        match escape {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => {
                plain.push('#');
                plain.push_str(piece);
            }
        }
    }
    plain
}

fn escaped(code: &str) -> Option<char> {
    match code {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => char::from_u32(code.parse().ok()?),
    }
}

impl Diagram {
    /// The column of a participant, a new one at its first mention; none if there are too many.
    fn column(&mut self, name: &str) -> Option<usize> {
        if let Some(column) = self.participants.iter().position(|(known, _)| known == name) {
            return Some(column);
        }
        let fits = self.participants.len() < PARTICIPANTS_MAX && !name.is_empty();
        fits.then(|| self.participants.push((name.to_owned(), name.to_owned())))?;
        Some(self.participants.len() - 1)
    }

    /// A line such as `n0->>n1: Vote`: the first arrow before the colon counts.
    fn arrow(&mut self, line: &str) -> Option<Step> {
        const HEADS: [(&str, bool); 8] = [
            ("-->>", false),
            ("->>", false),
            ("--x", true),
            ("-x", true),
            ("--)", false),
            ("-)", false),
            ("-->", false),
            ("->", false),
        ];
        let (ends, text) = line.split_once(':')?;
        let found = HEADS.iter().filter_map(|(head, lost)| Some((ends.find(head)?, *head, *lost)));
        let (place, head, lost) = found.min_by_key(|(place, head, _)| (*place, usize::MAX - head.len()))?;
        let (from, to) =
            (ends[..place].trim(), ends[place + head.len()..].trim_start_matches(['+', '-']).trim());
        let (from, to) = (self.column(from)?, self.column(to)?);
        Some(Step::Arrow { from, to, text: plain(text), lost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_parsed_line_by_line() {
        let diagram = parse(
            "sequenceDiagram\n  participant n0 as node 0\n  participant n1\n  n0->>n1: Vote: yes\n  n1-xn0: lost\n  \
             Note over n0,n1: crash\n  Note right of n1: leader\n",
        );
        let arrow = |from, to, text: &str, lost| Step::Arrow { from, to, text: text.into(), lost };
        let note = |first, last, text: &str| Step::Note { first, last, text: text.into() };
        assert_eq!(
            diagram,
            Some(Diagram {
                participants: vec![("n0".into(), "node 0".into()), ("n1".into(), "n1".into())],
                steps: vec![
                    arrow(0, 1, "Vote: yes", false),
                    arrow(1, 0, "lost", true),
                    note(0, 1, "crash"),
                    note(1, 1, "leader")
                ],
            })
        );
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(plain(" a#35;b#59; #lt;c#gt;"), "a#b; <c>");
        assert_eq!(plain("#x; #4294967295; ## #"), "#x; #4294967295; ## #");
    }

    #[test]
    fn what_cannot_be_drawn_is_not() {
        let crowd = (0..12).fold("sequenceDiagram\n".to_owned(), |text, n| text + &format!("a{n}->>b: x\n"));
        let long = "sequenceDiagram\n".to_owned() + &"a->>b: x\n".repeat(STEPS_MAX + 1);
        for text in ["", "graph TD\na-->b", "sequenceDiagram", "sequenceDiagram\nloop often", &crowd, &long] {
            assert!(plot("id", "title", text).is_none(), "{text}");
        }
        assert!(plot("id", "title", "sequenceDiagram\nä->>ö: ü").is_some());
    }
}
