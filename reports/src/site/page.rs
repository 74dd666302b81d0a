//! The frame of every page, and the parts that all pages are put together from.

use std::fmt::Display;

use super::{Document, HARNESS, Site, command, data_path, display_name, key, minute, revision};
use crate::artifact::{Artifact, Finding, Outcome, Payload, Verb};
use crate::chart::sequence;
use crate::digest::{base64, sha256_base64};
use crate::html::Html;
use crate::number;
use crate::table::{Table, Tone};

/// Marks a page as made by this crate.
pub(super) const GENERATOR: &str = "<meta name=\"generator\" content=\"swarmproof report\">";

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("sort.js");

/// Findings of one run that are shown at once; further ones are folded away.
const FINDINGS_MAX: usize = 6;

/// A page in the making: its body, and the tables in it for CSV and summary.
#[derive(Clone, Debug)]
pub(super) struct Page {
    path: String,
    title: String,
    /// Other pages, for the bar at the top: path and title.
    pages: Vec<(String, String)>,
    body: Html,
    sections: Vec<(String, String)>,
    tables: Vec<Table>,
    notices: Vec<(Tone, String)>,
}

impl Page {
    pub(super) fn new(site: &Site, path: &str, title: &str) -> Self {
        let mut pages = vec![("index.html".to_owned(), "Overview".to_owned())];
        let harness = site.about(HARNESS).next().map(|_| HARNESS);
        for algorithm in site.algorithms().into_iter().chain(harness) {
            let title = if algorithm == HARNESS { "Harness" } else { display_name(algorithm) };
            pages.push((format!("{algorithm}.html"), title.to_owned()));
        }
        pages.push(("method.html".to_owned(), "Method".to_owned()));
        Page {
            path: path.to_owned(),
            title: title.to_owned(),
            pages,
            body: Html::new(),
            sections: Vec::new(),
            tables: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub(super) fn notices(&self) -> &[(Tone, String)] {
        &self.notices
    }

    /// What the page adds by itself.
    pub(super) const fn body(&mut self) -> &mut Html {
        &mut self.body
    }

    /// Writes a section: `content` fills it.
    pub(super) fn section(&mut self, id: &str, title: &str, content: impl FnOnce(&mut Self)) {
        self.sections.push((id.to_owned(), title.to_owned()));
        let heading = format!("{id}-heading");
        self.body.open("section", &[("id", &id), ("aria-labelledby", &heading)]);
        self.body.element("h2", &[("id", &heading)], title);
        content(self);
        self.body.close("section");
    }

    /// A heading below a section's.
    pub(super) fn heading(&mut self, text: impl Display) {
        self.body.element("h3", &[], text);
    }

    pub(super) fn paragraph(&mut self, text: impl Display) {
        self.body.element("p", &[], text);
    }

    /// A remark that a reader must not miss; it goes into the summary too.
    pub(super) fn notice(&mut self, tone: Tone, text: impl Display) {
        let text = text.to_string();
        self.body.open("p", &[("class", &format!("notice {}", tone.class()))]);
        self.body.text(tone.sign()).text(&text).close("p");
        self.notices.push((tone, text));
    }

    /// Shows a table, if it has rows, and keeps it for CSV and summary.
    pub(super) fn table(&mut self, table: Table) {
        if !table.is_empty() {
            self.body.append(&table.to_html());
            self.tables.push(table);
        }
    }

    /// The same, folded away under a line of text: for numbers that a drawing shows already.
    pub(super) fn folded_table(&mut self, label: &str, table: Table) {
        if !table.is_empty() {
            self.body.literal("<details><summary>").text(label).literal("</summary>");
            self.table(table);
            self.body.literal("</details>");
        }
    }

    /// Shows a drawing.
    pub(super) fn figure(&mut self, figure: &Html) {
        self.body.append(figure);
    }

    /// Says which runs the figures of this section come from, with the command of each; or, where there is
    /// none, that it was not run and how to. True if there are results to show.
    pub(super) fn runs(&mut self, site: &Site, algorithm: &str, verb: Verb) -> bool {
        // A run that is rewound, leaders that crash, samplers that are calibrated, and engines and threads that are compared
        // have sections of their own.
        let own = |artifact: &&Artifact| {
            matches!(
                artifact.payload,
                Payload::Decisive(_)
                    | Payload::Elections(_)
                    | Payload::Calibration(_)
                    | Payload::Opinions(_)
                    | Payload::Scaling(_)
            )
        };
        let of_verb = site.about(algorithm).filter(|artifact| artifact.verb == verb);
        let runs: Vec<&Artifact> = of_verb.filter(|artifact| !own(artifact)).collect();
        if runs.is_empty() {
            self.body.literal("<p class=\"run\"><span class=\"badge missing\">○\u{a0}not run</span> ");
            self.body.element("code", &[], command(verb, algorithm)).literal("</p>");
        }
        for artifact in &runs {
            self.run(site, artifact);
        }
        runs.iter().any(|artifact| !matches!(artifact.outcome, Outcome::Skipped { .. }))
    }

    /// Says where figures come from: the command, when it ran and how it ended.
    pub(super) fn run(&mut self, site: &Site, artifact: &Artifact) {
        let (tone, word) = match &artifact.outcome {
            Outcome::Passed => (Tone::Good, "passed".to_owned()),
            Outcome::Failed => (Tone::Bad, "failed".to_owned()),
            Outcome::Interrupted => {
                (Tone::Caution, "interrupted: what follows holds for the part that ran".to_owned())
            }
            Outcome::Skipped { reason } => (Tone::Missing, format!("skipped: {reason}")),
        };
        let badge = |body: &mut Html, tone: Tone, word: &str| {
            body.open("span", &[("class", &format!("badge {}", tone.class()))]);
            body.text(tone.sign()).text(word).close("span").text(" ");
        };
        self.body.literal("<p class=\"run\">");
        badge(&mut self.body, tone, &word);
        if site.is_stale(artifact) {
            badge(&mut self.body, Tone::Caution, "stale: of another revision");
        }
        let shard = artifact
            .shard
            .map_or(String::new(), |shard| format!(", part {} of {}", shard.index, shard.count));
        let (when, took) = (minute(&artifact.started), number::seconds(artifact.duration_s));
        let revision = revision(artifact);
        self.body.element("code", &[], &artifact.command);
        self.body.literal(" <span class=\"soft\">");
        self.body.text(format!("{}{shard}, {when} UTC, {took}, revision {revision}, ", artifact.title));
        self.body.element("a", &[("href", &data_path(artifact))], "data").literal("</span></p>");
        if !artifact.parameters.is_empty() {
            self.body
                .literal("<details class=\"soft\"><summary>Parameters</summary><dl class=\"parameters\">");
            for (name, value) in &artifact.parameters {
                self.body.element("dt", &[], name).element("dd", &[], value);
            }
            self.body.literal("</dl></details>");
        }
        for (place, finding) in artifact.findings.iter().enumerate() {
            if place == FINDINGS_MAX {
                let more = number::of((artifact.findings.len() - place) as u64, "more finding");
                self.body.literal("<details><summary>").text(more).literal("</summary>");
            }
            let id = format!("finding-{}-{}-{place}", artifact.verb, key(artifact));
            self.finding(&id, Tone::Bad, &finding.property, finding);
        }
        if artifact.findings.len() > FINDINGS_MAX {
            self.body.literal("</details>");
        }
    }

    /// A finding: its name and what was seen, then scenario, diagram and command to unfold.
    pub(super) fn finding(&mut self, id: &str, tone: Tone, name: &str, finding: &Finding) {
        let class = format!("finding {}", tone.class());
        let told = [&finding.scenario, &finding.diagram, &finding.replay, &finding.picture];
        if told.iter().all(|part| part.is_none()) {
            self.body.open("p", &[("class", &class)]).element("strong", &[], name).text(": ");
            self.body.text(&finding.detail).literal("</p>");
            return;
        }
        self.body.open("details", &[("class", &class)]).literal("<summary>");
        self.body.element("strong", &[], name).text(": ").text(&finding.detail).literal("</summary>");
        if let Some(replay) = &finding.replay {
            self.body.literal("<p>Replay: ").element("code", &[], replay).literal("</p>");
        }
        let drawn =
            finding.diagram.as_ref().map(|diagram| (diagram, sequence::plot(id, &finding.property, diagram)));
        match drawn {
            Some((_, Some(drawing))) => self.figure(&drawing),
            Some((text, None)) => self.listing("Diagram (Mermaid)", text),
            None => {}
        }
        if let Some(picture) = &finding.picture {
            self.picture("What clients saw, where no order explains it; in words above.", picture);
        }
        if let Some(scenario) = &finding.scenario {
            self.listing("Scenario", scenario);
        }
        self.body.literal("</details>");
    }

    /// An SVG document from an artifact, as an image: whatever stands in it, a browser runs nothing of it and loads
    /// nothing for it.
    fn picture(&mut self, said: &str, svg: &str) {
        let source = format!("data:image/svg+xml;base64,{}", base64(svg.as_bytes()));
        // It scrolls by itself on a narrow page, as drawings do.
        let name = "What clients saw";
        self.body.open(
            "div",
            &[("class", &"scroll"), ("tabindex", &"0"), ("role", &"group"), ("aria-label", &name)],
        );
        self.body.open("img", &[("class", &"picture"), ("alt", &said), ("src", &source)]).literal("</div>");
    }

    /// A text as it is.
    pub(super) fn listing(&mut self, label: &str, text: &str) {
        self.body.open("pre", &[("tabindex", &"0"), ("role", &"group"), ("aria-label", &label)]);
        self.body.element("code", &[], text).literal("</pre>");
    }

    /// Links to the sections that follow; to be called when all of them are written.
    fn contents(&self) -> Html {
        let mut html = Html::new();
        if self.sections.len() > 2 {
            html.literal("<nav class=\"contents\" aria-label=\"On this page\"><ul>");
            for (id, title) in &self.sections {
                html.literal("<li>").element("a", &[("href", &format!("#{id}"))], title).literal("</li>");
            }
            html.literal("</ul></nav>");
        }
        html
    }

    /// The finished document. The policy names the digests of the one style sheet and the one script: nothing
    /// else is applied or run, and nothing is loaded from anywhere. Images stand in the page itself.
    pub(super) fn into_document(self) -> Document {
        let policy = format!(
            "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
            sha256_base64(STYLE.as_bytes()),
            sha256_base64(SCRIPT.as_bytes())
        );
        let mut html = Html::new();
        html.literal("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        html.open("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
        html.literal("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        html.literal("<meta name=\"color-scheme\" content=\"light dark\">").literal(GENERATOR);
        html.element("title", &[], format!("{} · swarmproof", self.title));
        html.literal("<style>").literal(STYLE).literal("</style></head><body>");
        html.literal("<a class=\"skip\" href=\"#main\">Skip to content</a><header class=\"bar\"><div>");
        html.literal("<a class=\"mark\" href=\"index.html\">swarmproof</a><nav aria-label=\"Pages\"><ul>");
        for (path, title) in &self.pages {
            html.literal("<li>");
            if *path == self.path {
                html.element("a", &[("href", path), ("aria-current", &"page")], title);
            } else {
                html.element("a", &[("href", path)], title);
            }
            html.literal("</li>");
        }
        html.literal("</ul></nav></div></header><main id=\"main\">");
        html.element("h1", &[], &self.title);
        let contents = self.contents();
        html.append(&contents).append(&self.body);
        html.literal(
            "</main><footer><p>Every figure on these pages comes from an artifact below <code>data/</code>, ",
        );
        html.literal(
            "which holds the raw samples and the command that repeats it; every table is a CSV file below ",
        );
        html.literal(
            "<code>tables/</code>. <a href=\"method.html\">How it was measured, and how to object</a>.",
        );
        html.literal("</p></footer><script>").literal(SCRIPT).literal("</script></body></html>\n");
        Document { path: self.path, content: html.into_string() }
    }
}
