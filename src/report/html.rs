//! A review as one page of HTML. Owns its layout: no script, no link to the
//! outside, readable narrow and wide, by day and by night, and without colours
//! too: every line of a diff keeps its sign.

use super::text::headline;
use super::{Danger, DiffReport, EntityReport, Resting, Review, dangers};
use crate::core::diff::{Change, ObjectDiff};
use crate::core::escape::{Escaped, Html};
use crate::core::secrecy::Veil;

type Text = Escaped<Html>;

const STYLE: &str = include_str!("page.css");

/// The whole page.
#[must_use]
pub fn html(review: &Review, veil: &Veil) -> Text {
    let page = Page { veil };
    let mut out = Text::ours(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Tranche plan</title>\n<style>\n",
    );
    out += STYLE;
    out += "</style>\n</head>\n<body>\n<header><h1>Plan</h1>\n";
    out += page.contents(review);
    out += "</header>\n<main>\n";
    for (number, report) in review.targets.iter().enumerate() {
        out += page.target(number + 1, report);
    }
    out + "</main>\n<footer>Made by <code>tranche plan -o html</code>. Values of secrets are not \
           in this page.</footer>\n</body>\n</html>\n"
}

struct Page<'v> {
    veil: &'v Veil,
}

impl Page<'_> {
    fn text(&self, text: &str) -> Text {
        Text::of(&self.veil.text(text))
    }

    /// The table of contents, with counts.
    fn contents(&self, review: &Review) -> Text {
        let mut out = Text::ours("<nav aria-label=\"Contents\"><ul>\n");
        for (number, report) in review.targets.iter().enumerate() {
            let counts = report.counts();
            out += "<li><a href=\"#t" + Text::number(number + 1) + "\">";
            out += self.text(&report.target) + "</a>";
            for (count, word, class) in [
                (counts.create, " to create", "badge add"),
                (counts.update, " to change", "badge change"),
                (counts.delete, " to delete", "badge remove"),
                (counts.temporary, " only during the rollout", "badge change"),
                (counts.dangerous, " to look at closely", "badge danger"),
            ] {
                if count > 0 {
                    out += " " + (Text::number(count) + word).styled(class);
                }
            }
            out += "\n<ol>\n";
            for (place, ((_, object), dangers)) in listed(report).into_iter().enumerate() {
                out += "<li>" + sign(object) + " <a href=\"#" + anchor(number + 1, place + 1);
                out += "\">" + self.text(&object.object.to_string()) + "</a>";
                out += words(&dangers) + "</li>\n";
            }
            out += "</ol></li>\n";
        }
        out + "</ul></nav>\n"
    }

    fn target(&self, number: usize, report: &DiffReport) -> Text {
        let mut out = "<section id=\"t" + Text::number(number) + "\">\n<h2>";
        out += self.text(&headline(report)) + "</h2>\n";
        if report.is_empty() {
            out += "<p>Nothing to do.</p>\n";
        }
        if !report.publications.is_empty() {
            out += "<p>Publishes ";
            for (i, revision) in report.publications.iter().enumerate() {
                out += if i == 0 { "" } else { ", " };
                out += "<code>" + self.text(revision) + "</code>";
            }
            out += "</p>\n";
        }
        for entity in &report.entities {
            out += self.entity(entity);
        }
        for (place, (of, dangers)) in listed(report).into_iter().enumerate() {
            out += self.object(&anchor(number, place + 1), of, &dangers);
        }
        out + "</section>\n"
    }

    fn entity(&self, entity: &EntityReport) -> Text {
        let mut out = Text::empty();
        let mut told = |class: &'static str, word: &'static str, text: String| {
            out += "<p class=\"told ";
            out += class;
            out += "\"><b>";
            out += word;
            out += "</b> ";
            out += self.text(&text);
            out += "</p>\n";
        };
        for warning in &entity.warnings {
            told("warns", "Note", format!("{}: {warning}", entity.entity));
        }
        match &entity.rest {
            Resting::Records(text) => told("rests", "Records", text.clone()),
            Resting::Waits(text) => told("warns", "Waits", format!("{}: {text}", entity.entity)),
            Resting::Refused(text) => told("refused", "Refused", text.clone()),
            Resting::No => {}
        }
        if entity.steps.is_empty() {
            return out;
        }
        out += "<h3>" + self.text(&entity.headline) + "</h3>\n";
        if let Some(floor) = entity.floor {
            let text = format!("At least {floor} pods stay ready throughout.");
            out += "<p>" + self.text(&text) + "</p>\n";
        }
        out += "<ol class=\"timeline\">\n";
        for (i, step) in entity.steps.iter().enumerate() {
            if let Some(gate) = &step.gate {
                out += "<li class=\"gate\">" + self.text(gate) + "</li>\n";
            }
            out += if i == 0 { "<li class=\"next\">" } else { "<li>" };
            out += "<b>" + self.text(&step.name) + "</b>";
            out += if i == 0 { " <span class=\"badge\">next</span>" } else { "" };
            out += " <code class=\"id\">" + self.text(&step.id) + "</code>\n<ul>\n";
            for effect in &step.effects {
                out += "<li>" + self.text(effect) + "</li>\n";
            }
            out += "</ul></li>\n";
        }
        out + "</ol>\n"
    }

    fn object(&self, anchor: &Text, (entity, object): Shown<'_>, dangers: &[Danger]) -> Text {
        let mut out = "<details id=\"" + anchor.clone() + "\"";
        out += if dangers.is_empty() { ">" } else { " open class=\"danger\">" };
        out += "<summary>" + sign(object) + " <code>";
        out += self.text(&object.object.to_string()) + "</code>" + words(dangers);
        if let Some(during) = entity.during(object) {
            out += " " + self.text(&during);
        }
        out += "</summary>\n";
        out += self.diff(&object.lines);
        for halfway in &object.way {
            out += "<p>In <b>" + self.text(entity.step(halfway.step)) + "</b>:</p>\n";
            out += self.diff(&halfway.lines);
        }
        for note in &object.notes {
            out += "<p class=\"told warns\"><b>Note</b> " + self.text(&note.to_string()) + "</p>\n";
        }
        out + "</details>\n"
    }
}

impl Page<'_> {
    /// The lines of a diff.
    fn diff(&self, lines: &[String]) -> Text {
        if lines.is_empty() {
            return Text::empty();
        }
        let mut out = Text::ours("<pre>");
        for line in self.text(&lines.join("\n")).lines() {
            let class = match line.as_str().chars().next() {
                Some('+') => "add",
                Some('-') => "remove",
                Some('@') => "place",
                _ => "same",
            };
            // The line break is for who copies it, or reads without styles.
            out += (line + "\n").styled(class);
        }
        out + "</pre>\n"
    }
}

/// An object, and what it belongs to.
type Shown<'r> = (&'r EntityReport, &'r ObjectDiff);

/// Objects with their dangers, the dangerous ones first.
fn listed(report: &DiffReport) -> Vec<(Shown<'_>, Vec<Danger>)> {
    let mut all: Vec<_> = report.objects().map(|of| (of, dangers(of.1))).collect();
    all.sort_by_key(|(_, dangers)| (dangers.is_empty(), dangers.first().copied()));
    all
}

fn anchor(target: usize, place: usize) -> Text {
    "o" + Text::number(target) + "-" + Text::number(place)
}

fn sign(object: &ObjectDiff) -> Text {
    match object.change {
        Change::Create => Text::ours("create").styled("badge add"),
        Change::Update => Text::ours("change").styled("badge change"),
        Change::Delete => Text::ours("delete").styled("badge remove"),
        Change::Temporary => Text::ours("temporary").styled("badge change"),
        Change::None => Text::ours("leave").styled("badge"),
    }
}

fn words(dangers: &[Danger]) -> Text {
    dangers.iter().map(|danger| " " + Text::ours(danger.word()).styled("badge danger")).sum()
}
