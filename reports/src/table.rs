//! One table, three forms: HTML for reading, Markdown for the summary, CSV for computing.
//!
//! A cell holds what is shown and, apart, the number behind it: pages round, CSV does not. Verified here and
//! in `tests/it/site.rs`.

use crate::html::Html;

/// Rows under named columns.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Names the table in the page and its CSV file: lower-case letters, digits and dashes.
    pub(crate) id: String,
    /// What it shows.
    pub(crate) caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug)]
struct Column {
    title: String,
    /// The name in CSV, with its unit.
    key: String,
}

/// How a cell should strike the eye. Each has a sign besides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A plain fact.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Broken, or behind.
    Bad,
    /// To be read with care: interrupted, stale, undecided.
    Caution,
    /// Not there.
    Missing,
}

impl Tone {
    /// The class of the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Caution => "caution",
            Tone::Missing => "missing",
        }
    }

    /// The sign in front of the text.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Good => "✓\u{a0}",
            Tone::Bad => "✗\u{a0}",
            Tone::Caution => "!\u{a0}",
            Tone::Missing => "○\u{a0}",
        }
    }
}

/// One field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    value: Option<f64>,
    tone: Tone,
    code: bool,
    link: Option<String>,
}

impl Cell {
    /// Text.
    pub(crate) fn text(text: impl ToString) -> Self {
        Cell { text: text.to_string(), ..Cell::default() }
    }

    /// A number, as shown and as it is.
    pub(crate) fn number(value: f64, shown: String) -> Self {
        Cell { text: shown, value: Some(value), ..Cell::default() }
    }

    /// A count, with its digits in groups.
    pub(crate) fn count(value: u64) -> Self {
        Cell::number(value as f64, crate::number::count(value))
    }

    /// A number that may be absent: then a dash.
    pub(crate) fn maybe<T: Copy + Number>(value: Option<T>, shown: impl Fn(T) -> String) -> Self {
        match value {
            Some(value) => Cell::number(value.into_f64(), shown(value)),
            None => Cell::text("–").tone(Tone::Missing),
        }
    }

    /// Something to type.
    pub(crate) fn code(text: impl ToString) -> Self {
        Cell { code: true, ..Cell::text(text) }
    }

    /// The same, in a tone.
    pub(crate) const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The same, as a link. `target` is made by this crate: a page, a place in one, or a file of the site.
    pub(crate) fn link(mut self, target: String) -> Self {
        self.link = Some(target);
        self
    }

    /// Short text stays on one line, long text gets room: a wide table scrolls rather than squeezes.
    fn width_class(&self) -> &'static str {
        match self.text.chars().count() {
            0..=18 => " short",
            19..=48 => " mid",
            _ => " long",
        }
    }

    fn shown(&self) -> String {
        let sign = if self.text == "–" { "" } else { self.tone.sign() };
        format!("{sign}{}", self.text)
    }
}

/// A word of code that is longer than this may break anywhere, in characters.
const CODE_WORD_MAX: usize = 32;

/// Code that breaks between its words: not behind a hyphen, as prose does.
fn code(text: &str) -> Html {
    let mut html = Html::new();
    html.literal("<code>");
    for (place, word) in text.split(' ').enumerate() {
        html.text(if place > 0 { " " } else { "" });
        if word.chars().count() <= CODE_WORD_MAX {
            html.element("span", &[("class", &"w")], word);
        } else {
            html.text(word);
        }
    }
    html.literal("</code>");
    html
}

/// What can stand behind a cell.
pub(crate) trait Number {
    fn into_f64(self) -> f64;
}

impl Number for f64 {
    fn into_f64(self) -> f64 {
        self
    }
}

impl Number for u64 {
    fn into_f64(self) -> f64 {
        self as f64
    }
}

impl Number for u32 {
    fn into_f64(self) -> f64 {
        self.into()
    }
}

impl Table {
    /// A table without rows. Columns are pairs of a title and a name for CSV.
    pub(crate) fn new(id: impl ToString, caption: impl ToString, columns: &[(&str, &str)]) -> Self {
        let columns = columns
            .iter()
            .map(|(title, key)| Column { title: (*title).into(), key: (*key).into() })
            .collect();
        Table { id: id.to_string(), caption: caption.to_string(), columns, rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "{}: a row is as wide as the table", self.id);
        self.rows.push(cells);
    }

    /// Whether there is nothing to show.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A column is numeric if all its cells are numbers or absent, and one is a number.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row[column]);
        let number_or_gap = |cell: &Cell| cell.value.is_some() || cell.tone == Tone::Missing;
        cells.clone().any(|cell| cell.value.is_some()) && cells.all(number_or_gap)
    }

    /// The table in a region that scrolls by itself and takes the keyboard's focus, sortable where the page's
    /// script runs.
    pub(crate) fn to_html(&self) -> Html {
        let mut html = Html::new();
        let numeric: Vec<&str> =
            (0..self.columns.len()).map(|column| if self.is_numeric(column) { "n" } else { "t" }).collect();
        html.open(
            "div",
            &[("class", &"scroll"), ("tabindex", &"0"), ("role", &"group"), ("aria-label", &self.caption)],
        );
        html.open(
            "table",
            &[
                ("id", &format!("table-{}", self.id)),
                ("class", if self.rows.len() > 1 { &"sort" } else { &"single" }),
            ],
        );
        html.literal("<caption>").element("span", &[], &self.caption).literal("</caption><thead><tr>");
        for (column, class) in self.columns.iter().zip(&numeric) {
            html.element("th", &[("scope", &"col"), ("class", class)], &column.title);
        }
        html.literal("</tr></thead><tbody>");
        for row in &self.rows {
            html.literal("<tr>");
            for (place, (cell, class)) in row.iter().zip(&numeric).enumerate() {
                let tag = if place == 0 { "th" } else { "td" };
                let class = format!("{class} {}{}", cell.tone.class(), cell.width_class());
                match (place, cell.value) {
                    (0, Some(value)) => {
                        html.open(tag, &[("scope", &"row"), ("class", &class), ("data-v", &value)])
                    }
                    (0, None) => html.open(tag, &[("scope", &"row"), ("class", &class)]),
                    (_, Some(value)) => html.open(tag, &[("class", &class), ("data-v", &value)]),
                    (_, None) => html.open(tag, &[("class", &class)]),
                };
                match (&cell.link, cell.code) {
                    (Some(target), _) => html.element("a", &[("href", target)], cell.shown()),
                    (None, true) => html.append(&code(&cell.shown())),
                    (None, false) => html.text(cell.shown()),
                };
                html.close(tag);
            }
            html.literal("</tr>");
        }
        html.literal("</tbody></table></div>");
        html
    }

    /// The table in Markdown, its caption above it.
    pub(crate) fn to_markdown(&self) -> String {
        let numeric: Vec<bool> = (0..self.columns.len()).map(|column| self.is_numeric(column)).collect();
        let mut text = format!("**{}**\n\n|", markdown(&self.caption));
        for column in &self.columns {
            text.extend([" ", &markdown(&column.title), " |"]);
        }
        text += "\n|";
        for numeric in numeric {
            text += if numeric { " ---: |" } else { " --- |" };
        }
        for row in &self.rows {
            text += "\n|";
            for cell in row {
                let shown = if cell.code { markdown_code(&cell.text) } else { markdown(&cell.shown()) };
                text.extend([" ", &shown, " |"]);
            }
        }
        text + "\n"
    }

    /// The table as CSV (RFC 4180): numbers in full, in the unit that the column's name ends with.
    pub(crate) fn to_csv(&self) -> String {
        let mut text =
            self.columns.iter().map(|column| csv(&column.key)).collect::<Vec<_>>().join(",") + "\r\n";
        for row in &self.rows {
            let field = |cell: &Cell| match cell.value {
                Some(value) => value.to_string(),
                None if cell.text == "–" => String::new(),
                None => csv(&cell.text),
            };
            text += &(row.iter().map(field).collect::<Vec<_>>().join(",") + "\r\n");
        }
        text
    }
}

/// Text for one cell or line of Markdown: nothing in it ends the cell, opens a tag or starts a link.
pub(crate) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '|' | '`' | '*' | '[' | ']' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Code for one cell or line of Markdown, where no escape works but the bar's.
pub(crate) fn markdown_code(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    format!("`{}`", text.replace('`', "'").replace('|', "\\|").chars().map(plain).collect::<String>())
}

/// A field of CSV: quoted where it must be, and kept from being taken for a formula by a spreadsheet.
fn csv(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("t", "A | b", &[("Name", "name"), ("Size", "size_bytes")]);
        table.row([Cell::text("say \"hi\", you|"), Cell::number(1536.0, "1.50 KiB".into())]);
        table.row([Cell::text("=1+1\n<b>"), Cell::maybe(None::<f64>, crate::number::short)]);
        table
    }

    #[test]
    fn csv_holds_full_numbers_and_quotes_what_it_must() {
        assert_eq!(
            table().to_csv(),
            "name,size_bytes\r\n\"say \"\"hi\"\", you|\",1536\r\n\"'=1+1\n<b>\",\r\n"
        );
    }

    #[test]
    fn markdown_keeps_every_row_on_its_line() {
        let text = table().to_markdown();
        assert_eq!(
            text,
            "**A \\| b**\n\n| Name | Size |\n| --- | ---: |\n| say \"hi\", you\\| | 1.50 KiB |\n| =1+1 &lt;b&gt; | – |\n"
        );
    }

    #[test]
    fn html_has_scopes_and_numbers_to_sort_by() {
        let text = table().to_html().into_string();
        assert!(text.contains("<th scope=\"col\" class=\"n\">Size</th>"), "{text}");
        assert!(text.contains("<td class=\"n plain short\" data-v=\"1536\">1.50 KiB</td>"), "{text}");
        assert!(text.contains("<th scope=\"row\" class=\"t plain short\">=1+1\n&lt;b&gt;</th>"), "{text}");
    }
}
