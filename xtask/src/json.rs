//! JSON, as little as is needed: objects written on one line, and a reader for artifacts and
//! `cargo metadata`.
//!
//! Own code rather than a crate, because everybody waits for this binary first. The reader refuses what
//! RFC 8259 refuses, nests at most [`DEPTH_MAX`] deep, and names the line of the fault. Verified by
//! examples, by round trips of what the writer escapes, and by cutting a text short at every byte.

use std::fmt::Write;

/// How deep lists and objects may stand in each other.
const DEPTH_MAX: usize = 64;

/// One JSON object on one line, written field by field.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    text: String,
}

impl Object {
    /// An object without fields.
    pub(crate) fn new() -> Object {
        Object { text: "{".to_owned() }
    }

    /// Adds a text.
    pub(crate) fn text(self, key: &str, value: &str) -> Object {
        let value = quoted(value);
        self.raw(key, &value)
    }

    /// Adds a text, or `null`.
    pub(crate) fn maybe_text(self, key: &str, value: Option<&str>) -> Object {
        let value = value.map_or_else(|| "null".to_owned(), quoted);
        self.raw(key, &value)
    }

    /// Adds a whole number.
    pub(crate) fn count(self, key: &str, value: u64) -> Object {
        self.raw(key, &value.to_string())
    }

    /// Adds a whole number, or `null`.
    pub(crate) fn maybe_count(self, key: &str, value: Option<u64>) -> Object {
        self.raw(key, &value.map_or_else(|| "null".to_owned(), |value| value.to_string()))
    }

    /// Adds a duration in seconds, to the millisecond.
    pub(crate) fn seconds(self, key: &str, value: f64) -> Object {
        let value = if value.is_finite() { format!("{value:.3}") } else { "null".to_owned() };
        self.raw(key, &value)
    }

    /// The object, without a line break.
    pub(crate) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }

    fn raw(mut self, key: &str, value: &str) -> Object {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text += &quoted(key);
        self.text.push(':');
        self.text += value;
        self
    }
}

/// `text` in quotes, with everything escaped that JSON wants escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// A JSON value that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Switch(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object, its fields in the order written.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The field of this name, if this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The values of a list; none of anything else.
    pub(crate) fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            _ => &[],
        }
    }
}

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) reason: &'static str,
}

/// Reads one JSON value that takes up the whole text.
pub(crate) fn read(text: &str) -> Result<Value, Fault> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.fault("something follows the value")) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    /// Always at the start of a character.
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, reason: &'static str) -> Fault {
        Fault { line: 1 + self.text[..self.at].matches('\n').count(), reason }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.fault("unknown word"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.fault("nested too deep"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b't') => self.word("true", Value::Switch(true)),
            Some(b'f') => self.word("false", Value::Switch(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.fault("expected a value")),
            None => Err(self.fault("ends too early")),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut fields = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Map(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.fault("expected the name of a field"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.fault("expected a colon"));
            }
            fields.push((key, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Value::Map(fields));
            }
            if !self.take(b',') {
                return Err(self.fault("expected a comma or the end of the object"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut values = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::List(values));
            }
            if !self.take(b',') {
                return Err(self.fault("expected a comma or the end of the list"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let whole = text.trim_start_matches('-');
        let padded = whole.len() > 1 && whole.starts_with('0') && whole.as_bytes()[1].is_ascii_digit();
        // Rust reads `1.` and `.5` as numbers, JSON does not.
        let bare_point = whole.starts_with('.') || whole.split(['e', 'E']).any(|part| part.ends_with('.'));
        match text.parse() {
            Ok(number) if !padded && !bare_point => Ok(Value::Number(number)),
            _ => Err(self.fault("malformed number")),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(letter) = rest.chars().next() else {
                return Err(self.fault("ends inside a text"));
            };
            self.at += letter.len_utf8();
            match letter {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                control if control < ' ' => return Err(self.fault("control character inside a text")),
                plain => out.push(plain),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let letter = self.peek().ok_or_else(|| self.fault("ends inside a text"))?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter as char,
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                self.at += 1;
                return self.code_point();
            }
            _ => return Err(self.fault("unknown escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn code_point(&mut self) -> Result<char, Fault> {
        let first = self.hex4()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if !(self.take(b'\\') && self.take(b'u')) {
                return Err(self.fault("half of a surrogate pair"));
            }
            let second = self.hex4()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.fault("half of a surrogate pair"));
            }
            0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.fault("half of a surrogate pair"))
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.fault("malformed escape"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_writer_escapes_the_reader_gives_back() {
        let nasty = "quote \" backslash \\ line\nfeed\r tab\t bell\u{7} nul\0 é 日 🦀 </script>\u{2028}";
        let line = Object::new()
            .text("text", nasty)
            .text(nasty, "key")
            .maybe_text("none", None)
            .count("count", 9_007_199_254_740_991)
            .maybe_count("no count", None)
            .seconds("seconds", 1.5)
            .seconds("endless", f64::INFINITY)
            .end();
        assert!(!line.contains('\n'), "one object is one line: {line}");
        let value = read(&line).expect("what we write is JSON");
        assert_eq!(value.get("text"), Some(&Value::Text(nasty.to_owned())));
        assert_eq!(value.get(nasty).and_then(Value::text), Some("key"));
        assert_eq!(value.get("none"), Some(&Value::Null));
        assert_eq!(value.get("count"), Some(&Value::Number(9_007_199_254_740_991.0)));
        assert_eq!(value.get("no count"), Some(&Value::Null));
        assert_eq!(value.get("seconds"), Some(&Value::Number(1.5)));
        assert_eq!(value.get("endless"), Some(&Value::Null));
        assert_eq!(Object::new().end(), "{}");
    }

    #[test]
    fn escapes_lists_and_numbers_are_read() {
        let value = read(r#" { "a" : [ 1 , -2.5e3, "\u00e9\ud83e\udd80\/\b\f", [], {} ] } "#).expect("valid");
        let items = value.get("a").expect("a").list();
        assert_eq!(items[1], Value::Number(-2500.0));
        assert_eq!(items[2].text(), Some("é🦀/\u{8}\u{c}"));
        assert_eq!(items[3..], [Value::List(vec![]), Value::Map(vec![])]);
    }

    #[test]
    fn a_text_cut_short_anywhere_is_refused() {
        let text = r#"{"a":[1,{"b":"c\u00e9\n"},true,null],"d":-0.5}"#;
        read(text).expect("valid as a whole");
        for end in 0..text.len() {
            assert!(read(&text[..end]).is_err(), "accepted `{}`", &text[..end]);
        }
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line) in [
            ("{\n\"a\": 1,\n}", 3),
            ("[1 2]", 1),
            ("[\n01]", 2),
            ("[1.]", 1),
            ("[-.5]", 1),
            ("[+1]", 1),
            ("\"\\x\"", 1),
            ("\"\\ud800\"", 1),
            ("\"\\udc00\"", 1),
            ("\"a\nb\"", 2),
            ("{} {}", 1),
            ("tru", 1),
            ("{1:2}", 1),
        ] {
            assert_eq!(read(text).map_err(|fault| fault.line), Err(line), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read(&deep).expect_err("too deep").reason, "nested too deep");
    }
}
