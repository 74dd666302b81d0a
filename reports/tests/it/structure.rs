//! A strict reader of the pages' own HTML: elements nest, attributes are quoted, identifiers are unique,
//! tables and drawings are accessible, and only the page's own script and style are there.

use std::collections::BTreeSet;

/// Elements that have no end tag.
const VOID: [&str; 3] = ["meta", "link", "img"];

/// What a page refers to, for checks across pages.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) ids: BTreeSet<String>,
    pub(crate) links: Vec<String>,
    /// Text outside of tags, scripts and styles.
    pub(crate) text: String,
}

/// Reads a page, or says what is wrong with it.
pub(crate) fn read(html: &str) -> Result<Page, String> {
    let mut page = Page::default();
    let mut open: Vec<String> = Vec::new();
    let (mut scripts, mut styles, mut expected_title) = (0, 0, false);
    let mut rest = html.strip_prefix("<!doctype html>\n").ok_or("no doctype")?;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        if expected_title && !text.is_empty() {
            return Err("an svg begins with text".into());
        }
        if text.contains('>') {
            return Err(format!("a bare > in {text:?}"));
        }
        page.text.push_str(text);
        rest = &rest[start + 1..];
        let end = tag_end(rest).ok_or_else(|| format!("an endless tag: {rest:.60}"))?;
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let expected = open.pop();
            if expected.as_deref() != Some(name) {
                return Err(format!("</{name}> closes {expected:?}"));
            }
            continue;
        }
        let (name, attributes, closed) = parse_tag(tag)?;
        if expected_title && name != "title" {
            return Err(format!("an svg begins with {name}"));
        }
        expected_title = name == "svg";
        let get =
            |wanted: &str| attributes.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        if let Some((key, _)) = attributes.iter().find(|(key, _)| key.starts_with("on") || key == "style") {
            return Err(format!("an attribute {key} on {name}"));
        }
        if let Some(id) = get("id")
            && !page.ids.insert(id.to_owned())
        {
            return Err(format!("the id {id} twice"));
        }
        match name {
            "img" if get("alt").is_none_or(str::is_empty) => return Err("an img without a text".into()),
            "img" if !get("src").is_some_and(|source| source.starts_with("data:image/svg+xml;base64,")) => {
                return Err("an img that is not in the page".into());
            }
            "th" if get("scope").is_none() => return Err("a th without scope".into()),
            "svg" if get("aria-labelledby").is_none() => return Err("an svg without label".into()),
            "div" | "pre" if get("tabindex").is_some() && get("aria-label").is_none_or(str::is_empty) => {
                return Err(format!("a focusable {name} without label"));
            }
            "a" => page.links.push(get("href").ok_or("a link to nowhere")?.to_owned()),
            "iframe" | "object" | "embed" | "link" | "form" | "base" => {
                return Err(format!("an element {name}"));
            }
            "script" | "style" => {
                let closing = format!("</{name}>");
                let length = rest.find(&closing).ok_or("an endless script")?;
                rest = &rest[length + closing.len()..];
                *(if name == "script" { &mut scripts } else { &mut styles }) += 1;
                continue;
            }
            _ => {}
        }
        if !closed && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    if !open.is_empty() {
        return Err(format!("left open: {open:?}"));
    }
    if (scripts, styles) != (1, 1) {
        return Err(format!("{scripts} scripts and {styles} styles"));
    }
    Ok(page)
}

/// The place of the > that ends a tag: not one inside a quoted value.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quoted = false;
    tag.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    })
}

type Attributes = Vec<(String, String)>;

fn parse_tag(tag: &str) -> Result<(&str, Attributes, bool), String> {
    let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain(name) {
        return Err(format!("a tag {name:?}"));
    }
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (key, value) =
            rest.split_once("=\"").ok_or_else(|| format!("an unquoted attribute in <{tag}>"))?;
        // SVG has names with capitals.
        if !plain(key) {
            return Err(format!("an attribute {key:?} in <{tag}>"));
        }
        let (value, after) = value.split_once('"').ok_or_else(|| format!("an endless value in <{tag}>"))?;
        if value.contains('<') {
            return Err(format!("a bare < in {value:?}"));
        }
        attributes.push((key.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    Ok((name, attributes, closed))
}
