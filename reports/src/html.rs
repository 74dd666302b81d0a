//! A writer of HTML and SVG that cannot be made to write anybody else's markup.
//!
//! Names of tags and attributes are literals, everything else is escaped: text from an artifact is text,
//! whatever it says. Verified by the structure test over pages full of hostile text in `tests/it/site.rs`,
//! and here.

use std::fmt::{self, Display, Write};

/// Attributes of one tag: names are literals, values are escaped.
pub(crate) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A piece of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// An empty piece.
    pub(crate) const fn new() -> Self {
        Html(String::new())
    }

    /// The markup.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Adds markup written in this source.
    pub(crate) fn literal(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds another piece.
    pub(crate) fn append(&mut self, piece: &Html) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: impl Display) -> &mut Self {
        let written = write!(Escape(&mut self.0), "{text}");
        debug_assert!(written.is_ok(), "a String takes all text");
        self
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(tag, attributes);
        self.0.push('>');
        self
    }

    /// Closes an element.
    pub(crate) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// Adds an element that holds text.
    pub(crate) fn element(
        &mut self,
        tag: &'static str,
        attributes: Attributes<'_>,
        text: impl Display,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// Adds an SVG element that holds nothing.
    pub(crate) fn shape(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(tag, attributes);
        self.0.push_str("/>");
        self
    }

    fn tag(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
    }
}

/// Passes text on with all that could end a text or an attribute replaced. Control characters other than
/// tab and line ends, which are not allowed in a page, become U+FFFD.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\t' | '\n' => self.0.push(c),
                c if c.is_control() => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// A length in a drawing: one decimal, and 0 for what is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Px(pub(crate) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = if self.0.is_finite() { self.0.clamp(-1e5, 1e5) } else { 0.0 };
        write!(f, "{length:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut html = Html::new();
        html.element("p", &[("title", &"\" onclick='x'")], "</p><script>&\u{0}\n");
        assert_eq!(
            html.into_string(),
            "<p title=\"&quot; onclick=&#39;x&#39;\">&lt;/p&gt;&lt;script&gt;&amp;\u{fffd}\n</p>"
        );
    }

    #[test]
    fn lengths_are_always_numbers() {
        for (length, text) in
            [(1.25, "1.2"), (f64::NAN, "0.0"), (f64::INFINITY, "0.0"), (-1e300, "-100000.0")]
        {
            assert_eq!(Px(length).to_string(), text);
        }
    }
}
