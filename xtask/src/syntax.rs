//! What verbs and options there are: one table, from which parsing, help and suggestions follow.

use crate::cli::Invocation;
use crate::exit::Exit;
use crate::verbs::{doctor, fuzz, launch, report, test, tidy};
use crate::workspace::Workspace;

/// What an option expects after it. Checked before anything is built, so that a typing mistake costs
/// no compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Switch,
    /// A number above 0.
    Count,
    /// Any number that fits 64 bits.
    Number,
    /// `A..B`, numbers, A below B.
    Range,
    /// `K/N`, numbers, K in 1..=N.
    Shard,
    /// Numbers above 0, separated by commas.
    Counts,
    /// `HOST:PORT`.
    Address,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Anything that is not empty.
    Text,
}

/// One option of a verb.
#[derive(Debug)]
pub(crate) struct OptionSyntax {
    /// Its name, without the dashes.
    pub(crate) name: &'static str,
    /// What follows it.
    pub(crate) kind: Kind,
    /// The name of that in the help, "" for a switch.
    pub(crate) value: &'static str,
    /// One line of help.
    pub(crate) help: &'static str,
}

/// How many names a verb takes, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// None.
    None,
    /// At most one algorithm.
    Algorithm,
    /// At most one crate whose bugs are kept, a library perhaps.
    Zoo,
    /// At most one of what is compared with peers.
    Compared,
    /// Exactly one algorithm.
    OneAlgorithm,
    /// Exactly one algorithm, or one peer whose core is simulated as an algorithm is.
    OneSimulated,
    /// Any number of algorithms.
    Algorithms,
    /// Any number of fuzz targets.
    Targets,
    /// Any number of stages of `test`.
    Stages,
    /// At most one part of a benchmark's name.
    Filter,
}

impl Names {
    /// As the usage line shows it.
    pub(crate) const fn usage(self) -> &'static str {
        match self {
            Names::None => "",
            Names::Algorithm | Names::Zoo => " [ALGO]",
            Names::Compared => " [raft|work-stealing]",
            Names::OneAlgorithm => " ALGO",
            Names::OneSimulated => " ALGO|PEER",
            Names::Algorithms => " [ALGO…]",
            Names::Targets => " [TARGET…]",
            Names::Stages => " [STAGE…]",
            Names::Filter => " [FILTER]",
        }
    }

    /// The fewest and the most names.
    pub(crate) const fn bounds(self) -> (usize, usize) {
        match self {
            Names::None => (0, 0),
            Names::Algorithm | Names::Zoo | Names::Compared | Names::Filter => (0, 1),
            Names::OneAlgorithm | Names::OneSimulated => (1, 1),
            Names::Algorithms | Names::Targets | Names::Stages => (0, usize::MAX),
        }
    }
}

/// One verb.
#[derive(Debug)]
pub(crate) struct VerbSyntax {
    /// What is typed.
    pub(crate) name: &'static str,
    /// One line of help.
    pub(crate) summary: &'static str,
    /// A paragraph of help, with lines of at most 100 characters.
    pub(crate) details: &'static str,
    /// The names it takes.
    pub(crate) names: Names,
    /// Its options, beside `--json` and `--help`.
    pub(crate) options: &'static [OptionSyntax],
    /// Carries it out.
    pub(crate) run: fn(&Workspace, &Invocation) -> Exit,
}

const fn switch(name: &'static str, help: &'static str) -> OptionSyntax {
    OptionSyntax { name, kind: Kind::Switch, value: "", help }
}

const fn option(name: &'static str, kind: Kind, value: &'static str, help: &'static str) -> OptionSyntax {
    OptionSyntax { name, kind, value, help }
}

const QUICK: OptionSyntax = switch("quick", "small bounds, minutes in all (default)");
const FULL: OptionSyntax = switch("full", "large bounds, as long as it takes");
const THREADS: OptionSyntax = option("threads", Kind::Count, "N", "worker threads (default: one per core)");

/// The engines that `fuzz --engine` can be told to use.
pub(crate) const ENGINES: &[&str] = &["auto", "cargo-fuzz", "libfuzzer", "random"];

/// Every verb, in the order of the help.
pub(crate) const VERBS: &[VerbSyntax] = &[
    VerbSyntax {
        name: "report",
        summary: "run what is missing or stale, then render target/report/index.html",
        details: "Runs every engine whose artifact is missing, interrupted or of another revision, then renders the\n\
                  site, summary.md and CSV tables. Goes on past findings. With uncommitted changes everything counts\n\
                  as stale. --quick ends within ten minutes on two cores after the first build.",
        names: Names::None,
        options: &[
            QUICK,
            FULL,
            switch("render-only", "render the artifacts there are, run nothing"),
            option("out", Kind::Text, "DIR", "where the site goes (default: target/report)"),
        ],
        run: report::run,
    },
    VerbSyntax {
        name: "test",
        summary: "everything CI runs",
        details: "Runs the stages in order, each to its end even if an earlier one failed. A stage that this machine\n\
                  cannot run says SKIPPED and why. Ends with one line `N passed, N failed, N skipped`: a stage of\n\
                  cargo tests counts its tests, every other stage counts as one. Logs: target/xtask/test/.",
        names: Names::Stages,
        options: &[switch("list", "name the stages and the commands behind them, run nothing")],
        run: test::run,
    },
    VerbSyntax {
        name: "verify",
        summary: "model checks: every order of events within bounds",
        details: "Checks every property of the algorithms (default: all) on every execution within the bounds.",
        names: Names::Algorithms,
        options: &[
            QUICK,
            FULL,
            option(
                "engine",
                Kind::Word(&["stateright", "own"]),
                "E",
                "who searches (default: stateright); own takes less memory",
            ),
            option("checkpoints", Kind::Text, "DIR", "where own leaves its searches, and goes on from"),
            option("checkpoint-every", Kind::Number, "S", "with so many seconds between (default: 5)"),
            option("spill", Kind::Text, "DIR", "where own writes what it has still to go on from"),
            option(
                "reduction",
                Kind::Word(&["none", "sleep"]),
                "R",
                "sleep: own tries one of two commuting orders (default: none)",
            ),
            switch("symmetry", "own takes worlds that differ in the names of nodes alone for one"),
            switch("calibrate", "how much of small instances does each sampler of walks see?"),
            switch("spin", "the engines and SPIN, if it is installed, on the same small models (no names)"),
            THREADS,
            option("memory-mib", Kind::Count, "MIB", "memory budget of one search, in MiB"),
            option("write", Kind::Text, "DIR", "write every run that breaks something as files"),
        ],
        run: launch::verify,
    },
    VerbSyntax {
        name: "explore",
        summary: "walk through the model in a browser",
        details: "Serves stateright's Explorer until Ctrl-C.",
        names: Names::OneAlgorithm,
        options: &[option(
            "address",
            Kind::Address,
            "HOST:PORT",
            "where to listen (default: 127.0.0.1:3000)",
        )],
        run: launch::explore,
    },
    VerbSyntax {
        name: "simulate",
        summary: "long runs under faults, each reproducible from its seed",
        details: "Runs one simulation per seed with crashes, partitions and loss, and checks properties, histories\n\
                  and recovery. A failing seed is shrunk and printed as a scenario with the command that replays it.\n\
                  PEER is a core that others wrote, under the same faults and the same oracles: raft-rs. It is built\n\
                  with the feature `peers`, and simulated alone: its nodes cannot be compared, so nothing else checks it.",
        names: Names::OneSimulated,
        options: &[
            option("seeds", Kind::Range, "A..B", "the seeds to run, B excluded"),
            option("profile", Kind::Text, "P", "the fault profile"),
            option("nodes", Kind::Count, "N", "how many nodes take part"),
            option("replay", Kind::Number, "SEED", "run this seed alone and print its trace"),
            option("write", Kind::Text, "DIR", "with --replay: write what it breaks as files"),
            option(
                "etcd-trace",
                Kind::Text,
                "FILE",
                "with --replay: write a trace for etcd's TLA+ specification",
            ),
            switch("smaller", "with --replay: print the smallest simulation found that breaks the same"),
            option("shard", Kind::Shard, "K/N", "run the K-th of N equal parts of the seeds"),
            switch("digest", "print one line per seed, the digest of its trace"),
            switch("elections", "how long without a leader after a crash: Figure 16 of the Raft paper"),
            switch("decisive", "rewind a failing run: after which events was it likely to fail?"),
            option("futures", Kind::Count, "N", "futures drawn from each moment of a run that is rewound"),
            switch("without-storage", "rewind a run on disks that keep nothing, which must fail"),
            option(
                "checkpoints",
                Kind::Text,
                "DIR",
                "where the campaign is left as it stands, and gone on from",
            ),
            THREADS,
            QUICK,
            FULL,
        ],
        run: launch::simulate,
    },
    VerbSyntax {
        name: "zoo",
        summary: "real bugs, put back one at a time: would we notice?",
        details: "Writes copies of the code in which each bug is a choice, runs the engines with it, and on the control.",
        names: Names::Zoo,
        options: &[
            option("bug", Kind::Text, "ID", "this bug alone"),
            switch("ten", "the ten that stand for all, of every engine and feature, as `test` hunts them"),
            switch("hard", "the bugs that random search misses, hunted for longer"),
            option("write", Kind::Text, "DIR", "write what shows each bug as files"),
            THREADS,
            QUICK,
            FULL,
        ],
        run: launch::zoo,
    },
    VerbSyntax {
        name: "fuzz",
        summary: "bytes into decoders and handlers, guided by coverage",
        details: "Fuzzes the targets (default: all) one after another. Engine: cargo-fuzz with AddressSanitizer where\n\
                  cargo-fuzz and a nightly toolchain are present, else libFuzzer on stable where a C++ compiler is,\n\
                  else none; the run says which. Coverage guides it for 20 seconds a target, with --full for 1000000\n\
                  executions. Then 1000000 inputs drawn from the seed go through the same body, counted apart.\n\
                  New inputs are kept in target/fuzz/corpus, crashes are minimised into fuzz/regressions.",
        names: Names::Targets,
        options: &[
            option("time", Kind::Count, "SECONDS", "the longest time of the engine per target"),
            option("executions", Kind::Count, "N", "the most executions of each engine per target"),
            option("seed", Kind::Number, "N", "seed of what is drawn (default: 1)"),
            option("engine", Kind::Word(ENGINES), "ENGINE", "auto, cargo-fuzz, libfuzzer or random"),
            QUICK,
            FULL,
        ],
        run: fuzz::run,
    },
    VerbSyntax {
        name: "bench",
        summary: "criterion benches",
        details: "Runs the benches whose name contains FILTER (default: all). Results: target/criterion/.",
        names: Names::Filter,
        options: &[
            switch("peers", "build and run the peers' benches too"),
            switch("quick", "stop at the first significant figure"),
        ],
        run: launch::bench,
    },
    VerbSyntax {
        name: "latency",
        summary: "latency under open-loop load",
        details: "Offers load at fixed rates whether or not answers come, and records when each answer was due, so\n\
                  that a stall counts in full (no coordinated omission). Histograms: target/artifacts/latency/.",
        names: Names::Algorithm,
        options: &[
            option("rate", Kind::Counts, "R,…", "offered operations per second, one run each"),
            QUICK,
            FULL,
        ],
        run: launch::latency,
    },
    VerbSyntax {
        name: "compare",
        summary: "ours against peers and the floor, interleaved in one run",
        details: "Runs the same workload on ours, on the peers and on the floor program, interleaved, and gives\n\
                  ratios with intervals. Of work stealing: what more threads make of fork and join.",
        names: Names::Compared,
        options: &[
            QUICK,
            FULL,
            switch("peers", "build and run the peers (default)"),
            switch("no-peers", "ours and the floor alone, without building the peers"),
            option(
                "seed",
                Kind::Number,
                "N",
                "another sequence of commands and order of passes (default: 1)",
            ),
        ],
        run: launch::compare,
    },
    VerbSyntax {
        name: "doctor",
        summary: "what this machine has and lacks",
        details: "One line per tool: ok, or missing with the command that installs it and what is skipped without it.",
        names: Names::None,
        options: &[],
        run: doctor::run,
    },
    VerbSyntax {
        name: "tidy",
        summary: "architecture arrows, names, links, no stray files",
        details: "Checks what compilers do not: who depends on whom, where files stand and what they are called.",
        names: Names::None,
        options: &[],
        run: tidy::run,
    },
];

/// The help of all verbs.
pub(crate) fn overview() -> String {
    let verbs: Vec<String> =
        VERBS.iter().map(|verb| format!("  {:<10}{}", verb.name, verb.summary)).collect();
    format!(
        "swarmproof: the code you benchmark is the code you verified\n\n\
         usage: cargo xtask VERB [NAMES] [OPTIONS]\n\nverbs:\n{}\n\n\
         options of every verb:\n  \
         --json    results as one JSON object per line on standard output\n  \
         --help    what the verb does and takes\n\n\
         exit codes: 0 fine, 1 a finding, 2 wrong usage, 3 something missing on this machine,\n\
         130 interrupted (Ctrl-C once: finish and keep what is done; twice: stop at once)\n\n\
         target/debug/xtask does the same without asking cargo first.\n",
        verbs.join("\n")
    )
}

impl VerbSyntax {
    /// The help of this verb.
    pub(crate) fn help(&self) -> String {
        let own =
            self.options.iter().map(|option| (format!("--{} {}", option.name, option.value), option.help));
        let every = [
            ("--json".to_owned(), "results as one JSON object per line on standard output"),
            ("--help".to_owned(), "this text"),
        ];
        let options: Vec<String> =
            own.chain(every).map(|(left, help)| format!("  {left:<24}{help}")).collect();
        format!(
            "{}\n\nusage: cargo xtask {}{} [OPTIONS]\n\n{}\n\noptions:\n{}\n",
            self.summary,
            self.name,
            self.names.usage(),
            self.details,
            options.join("\n")
        )
    }

    /// The option of this name.
    pub(crate) fn option(&self, name: &str) -> Option<&'static OptionSyntax> {
        self.options.iter().find(|option| option.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_verbs_and_options_are_unique() {
        for (i, verb) in VERBS.iter().enumerate() {
            assert!(VERBS[..i].iter().all(|other| other.name != verb.name), "{} stands twice", verb.name);
            for (j, option) in verb.options.iter().enumerate() {
                assert!(
                    verb.options[..j].iter().all(|other| other.name != option.name),
                    "{} has --{} twice",
                    verb.name,
                    option.name
                );
                assert_eq!(option.kind == Kind::Switch, option.value.is_empty(), "--{}", option.name);
                assert!(!["json", "help"].contains(&option.name), "--{} belongs to all verbs", option.name);
            }
        }
    }

    #[test]
    fn help_names_every_verb_and_every_option() {
        let all = overview();
        for verb in VERBS {
            assert!(
                all.contains(verb.name) && all.contains(verb.summary),
                "{} is not in the overview",
                verb.name
            );
            let help = verb.help();
            for option in verb.options {
                assert!(help.contains(&format!("--{}", option.name)), "--{} is not in the help", option.name);
                assert!(help.contains(option.help));
            }
            assert!(help.lines().all(|line| line.chars().count() <= 110), "{}'s help is too wide", verb.name);
        }
    }
}
