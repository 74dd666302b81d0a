//! From a command line to a checked [`Invocation`], or to an error that names the nearest right word.
//!
//! Verified by the examples below; the table of verbs is in [`syntax`](crate::syntax).

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

use crate::syntax::{self, Kind, OptionSyntax, VERBS, VerbSyntax};

/// A command line that makes sense.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The verb.
    pub(crate) verb: &'static VerbSyntax,
    /// The names after it, in the order typed.
    pub(crate) names: Vec<String>,
    /// Whether results go out as JSON lines.
    pub(crate) json: bool,
    options: Vec<(&'static str, String)>,
}

impl Invocation {
    /// Whether this switch was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of this option, if it was given; "" for a switch.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        debug_assert!(self.verb.option(name).is_some(), "{} has no --{name}", self.verb.name);
        self.options.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The value of this option, if it was given, as a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        // The kind of the option was checked when it was parsed.
        self.value(name).and_then(|value| value.parse().ok())
    }

    /// Names and options for a binary that understands the same ones, except those named in `without`.
    pub(crate) fn forward(&self, without: &[&str]) -> Vec<String> {
        let mut args = self.names.clone();
        for (name, value) in self.options.iter().filter(|(name, _)| !without.contains(name)) {
            args.push(format!("--{name}"));
            if !value.is_empty() {
                args.push(value.clone());
            }
        }
        if self.json {
            args.push("--json".to_owned());
        }
        args
    }

    /// What a reader types to do the same.
    pub(crate) fn command(&self) -> String {
        let mut words = vec!["cargo xtask".to_owned(), self.verb.name.to_owned()];
        words.extend(self.forward(&[]).into_iter().filter(|word| word != "--json"));
        words.join(" ")
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// To print this.
    Help(String),
    /// To run a verb.
    Run(Invocation),
}

/// A command line that does not make sense.
#[derive(Debug)]
pub(crate) struct UsageError {
    /// What is wrong with it.
    pub(crate) message: String,
    /// The command that explains how to do it right.
    pub(crate) see: String,
}

/// Reads a command line, without the program's name.
pub(crate) fn parse<I>(args: I) -> Result<Parsed, UsageError>
where
    I: IntoIterator<Item = OsString>,
{
    let mut parser = Parser::from_args(args);
    let at_top = |message: String| UsageError { message, see: "cargo xtask --help".to_owned() };
    let verb = match parser.next().map_err(|error| at_top(error.to_string()))? {
        None | Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Parsed::Help(syntax::overview())),
        Some(Arg::Value(word)) if word == "help" => match parser.next() {
            Ok(Some(Arg::Value(word))) => {
                return Ok(Parsed::Help(find_verb(&word.to_string_lossy()).map_err(at_top)?.help()));
            }
            _ => return Ok(Parsed::Help(syntax::overview())),
        },
        Some(Arg::Value(word)) => find_verb(&word.to_string_lossy()).map_err(at_top)?,
        Some(other) => return Err(at_top(format!("a verb comes first, not {}", shown(&other)))),
    };
    parse_verb(verb, &mut parser)
        .map_err(|message| UsageError { message, see: format!("cargo xtask {} --help", verb.name) })
}

fn parse_verb(verb: &'static VerbSyntax, parser: &mut Parser) -> Result<Parsed, String> {
    let mut invocation = Invocation { verb, names: Vec::new(), json: false, options: Vec::new() };
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Parsed::Help(verb.help())),
            Arg::Long("json") => invocation.json = true,
            Arg::Long(name) => {
                let option = verb.option(name).ok_or_else(|| {
                    let known = verb.options.iter().map(|option| option.name).chain(["json", "help"]);
                    format!("`{}` has no option `--{name}`{}", verb.name, hint("--", name, known))
                })?;
                let value = match option.kind {
                    Kind::Switch => String::new(),
                    _ => parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())?,
                };
                check_value(option, &value)?;
                if invocation.has(option.name) {
                    return Err(format!("`--{}` is given twice", option.name));
                }
                invocation.options.push((option.name, value));
            }
            Arg::Value(name) => invocation.names.push(name.string().map_err(|error| error.to_string())?),
            other @ Arg::Short(_) => return Err(format!("`{}` has no option {}", verb.name, shown(&other))),
        }
    }
    let (fewest, most) = verb.names.bounds();
    if invocation.names.len() < fewest {
        return Err(format!("`{}` needs a name:{}", verb.name, verb.names.usage()));
    }
    if let Some(extra) = invocation.names.get(most) {
        return Err(format!("`{}` does not know what to do with `{extra}`", verb.name));
    }
    for (one, other) in [
        ("quick", "full"),
        ("peers", "no-peers"),
        ("replay", "seeds"),
        ("replay", "shard"),
        ("bug", "ten"),
        ("hard", "ten"),
    ] {
        let given = |name: &str| verb.option(name).is_some() && invocation.has(name);
        if given(one) && given(other) {
            return Err(format!("`--{one}` and `--{other}` exclude each other"));
        }
    }
    Ok(Parsed::Run(invocation))
}

fn find_verb(word: &str) -> Result<&'static VerbSyntax, String> {
    VERBS.iter().find(|verb| verb.name == word).ok_or_else(|| {
        format!("there is no verb `{word}`{}", hint("", word, VERBS.iter().map(|verb| verb.name)))
    })
}

fn shown(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Short(letter) => format!("`-{letter}`"),
        Arg::Long(name) => format!("`--{name}`"),
        Arg::Value(word) => format!("`{}`", word.to_string_lossy()),
    }
}

fn check_value(option: &OptionSyntax, value: &str) -> Result<(), String> {
    let count = |text: &str| text.parse::<u64>().is_ok_and(|number| number > 0);
    let (fine, expected) = match option.kind {
        Kind::Switch => (true, ""),
        Kind::Count => (count(value), "a number above 0"),
        Kind::Number => (value.parse::<u64>().is_ok(), "a number"),
        Kind::Range => (
            value
                .split_once("..")
                .and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)))
                .is_some_and(|(from, to)| from < to),
            "a range A..B of numbers with A below B",
        ),
        Kind::Shard => (
            value
                .split_once('/')
                .and_then(|(k, n)| Some((k.parse::<u64>().ok()?, n.parse::<u64>().ok()?)))
                .is_some_and(|(k, n)| 1 <= k && k <= n),
            "a part K/N with K from 1 to N",
        ),
        Kind::Counts => (value.split(',').all(count), "numbers above 0, separated by commas"),
        Kind::Address => (
            value
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()),
            "an address HOST:PORT",
        ),
        Kind::Word(words) => (words.contains(&value), "one of its words"),
        Kind::Text => (!value.is_empty() && !value.starts_with("--"), "a value"),
    };
    if fine {
        return Ok(());
    }
    let near = match option.kind {
        Kind::Word(words) => hint("", value, words.iter().copied()),
        _ => String::new(),
    };
    Err(format!("`--{}` needs {expected}, not `{value}`{near}", option.name))
}

/// `, did you mean …?` with the known word nearest to `word`, or nothing if none is near.
pub(crate) fn hint<'a>(prefix: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(near) => format!(": did you mean `{prefix}{near}`?"),
        None => String::new(),
    }
}

/// The known word with the fewest edits from `word`: at most a third of its letters (at least one), or a
/// word that it begins.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| {
            let begins = word.len() >= 3 && candidate.starts_with(word);
            (if begins { 1 } else { edits(word, candidate) }, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, exchanged or swapped with their neighbour to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let exchange = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = exchange.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn run(line: &str) -> Invocation {
        match parsed(line) {
            Ok(Parsed::Run(invocation)) => invocation,
            other => panic!("`{line}` gives {other:?}"),
        }
    }

    fn refusal(line: &str) -> UsageError {
        parsed(line).expect_err(line)
    }

    #[test]
    fn names_options_and_json_are_kept_and_forwarded() {
        let it = run("simulate raft --seeds 0..20 --digest --json --threads=2");
        assert_eq!(it.verb.name, "simulate");
        assert_eq!(it.names, ["raft"]);
        assert!(it.json && it.has("digest") && !it.has("replay"));
        assert_eq!(it.value("seeds"), Some("0..20"));
        assert_eq!(it.number("threads"), Some(2));
        assert_eq!(it.forward(&[]), ["raft", "--seeds", "0..20", "--digest", "--threads", "2", "--json"]);
        assert_eq!(it.forward(&["seeds", "threads"]), ["raft", "--digest", "--json"]);
        assert_eq!(it.command(), "cargo xtask simulate raft --seeds 0..20 --digest --threads 2");
    }

    #[test]
    fn help_comes_bare_and_for_every_verb() {
        for line in ["", "--help", "-h", "help"] {
            assert!(matches!(parsed(line), Ok(Parsed::Help(text)) if text.contains("verbs:")), "{line}");
        }
        for verb in VERBS {
            for line in [format!("{} --help", verb.name), format!("help {}", verb.name)] {
                assert!(matches!(parsed(&line), Ok(Parsed::Help(text)) if text == verb.help()), "{line}");
            }
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_nearest_known_one() {
        for (line, hint) in [
            ("verfy", "`verify`"),
            ("simualte raft", "`simulate`"),
            ("zo", "`zoo`"),
            ("lat", "`latency`"),
            ("help verfiy", "`verify`"),
            ("verify raft --thread 2", "`--threads`"),
            ("verify --jsno", "`--json`"),
            ("fuzz --engine libfuzer", "`libfuzzer`"),
        ] {
            let message = refusal(line).message;
            assert!(message.ends_with(&format!(": did you mean {hint}?")), "{line}: {message}");
        }
        assert_eq!(refusal("frobnicate").message, "there is no verb `frobnicate`");
        assert_eq!(refusal("--verbose").message, "a verb comes first, not `--verbose`");
        assert_eq!(refusal("verify -q").message, "`verify` has no option `-q`");
        assert_eq!(refusal("verify -q").see, "cargo xtask verify --help");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_before_anything_is_built() {
        for line in [
            "verify --threads 0",
            "verify --threads many",
            "verify --threads",
            "verify --memory-mib -1",
            "simulate raft --seeds 20..20",
            "simulate raft --seeds 5",
            "simulate raft --shard 0/4",
            "simulate raft --shard 5/4",
            "simulate raft --replay x",
            "simulate raft --profile=",
            "latency --rate 100,,200",
            "latency --rate 0",
            "explore raft --address 3000",
            "explore raft --address :3000",
            "fuzz --engine afl",
            "verify --quick=yes",
        ] {
            refusal(line);
        }
        for line in [
            "simulate raft --shard 4/4",
            "simulate raft --replay 0",
            "latency --rate 100,200",
            "explore raft --address [::1]:3000",
        ] {
            run(line);
        }
    }

    #[test]
    fn too_few_or_too_many_names_and_contradictions_are_refused() {
        for line in [
            "explore",
            "simulate --seeds 0..1",
            "tidy up",
            "zoo raft pbft",
            "verify --quick --full",
            "verify --quick --quick",
            "zoo --ten --hard",
            "zoo --ten --bug canary",
            "compare --peers --no-peers",
            "simulate raft --replay 1 --seeds 0..2",
        ] {
            refusal(line);
        }
        assert_eq!(run("verify raft pbft gossip").names.len(), 3);
    }

    #[test]
    fn edits_agree_with_counts_made_by_hand() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("ab", "b", 1),
        ] {
            assert_eq!(edits(a, b), count, "{a} → {b}");
            assert_eq!(edits(b, a), count, "{b} → {a}");
        }
    }
}
