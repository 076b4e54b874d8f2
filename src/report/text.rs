//! The text of a review, for a terminal or a file: summary, steps, and a
//! unified diff of each object. Owns its layout; colours are a matter of who
//! prints it.

use super::{Danger, DiffReport, EntityReport, Resting, dangers};
use crate::core::diff::{Change, ObjectDiff};
use crate::core::escape::{Escaped, Paint, Terminal};
use crate::core::secrecy::Veil;

type Line = Escaped<Terminal>;

/// How a text is made.
#[derive(Clone, Copy, Debug)]
pub struct TextForm<'v> {
    /// What is known to be secret.
    pub veil: &'v Veil,
    /// Colours.
    pub paint: Paint,
    /// Warnings and refusals are told elsewhere, and left out.
    pub told_elsewhere: bool,
}

impl TextForm<'_> {
    /// One target's text; it ends with a line break.
    #[must_use]
    pub fn target(&self, report: &DiffReport) -> Line {
        let mut out = self.paint.bold(&self.say(&headline(report))) + "\n";
        for revision in &report.publications {
            out += "  publish revision " + self.paint.green(&self.say(revision)) + "\n";
        }
        for entity in &report.entities {
            out += self.entity(entity);
        }
        if report.is_empty() {
            out += "  nothing to do\n";
        }
        for (entity, object) in report.objects() {
            out += "\n" + self.object(entity, object);
        }
        out
    }

    fn say(&self, text: &str) -> Line {
        Line::of(&self.veil.text(text))
    }

    fn entity(&self, entity: &EntityReport) -> Line {
        let mut out = Line::empty();
        if !self.told_elsewhere {
            for warning in &entity.warnings {
                out += "  note: " + self.say(&format!("{}: {warning}", entity.entity)) + "\n";
            }
        }
        match &entity.rest {
            Resting::Records(text) => out += "  record " + self.say(text) + "\n",
            Resting::Waits(text) => {
                let text = self.say(&format!("{}: {text}", entity.entity));
                out += "  " + self.paint.yellow(&text) + "\n";
            }
            Resting::Refused(text) if !self.told_elsewhere => {
                out += "  " + self.paint.red(&("error: " + self.say(text))) + "\n";
            }
            Resting::Refused(_) | Resting::No => {}
        }
        if entity.steps.is_empty() {
            return out;
        }
        out += "  " + self.paint.bold(&self.say(&entity.headline)) + "\n";
        if let Some(floor) = entity.floor {
            out += self.say(&format!("    at least {floor} pods stay ready throughout\n"));
        }
        for (i, step) in entity.steps.iter().enumerate() {
            if let Some(gate) = &step.gate {
                out += "    " + self.paint.yellow(&self.say(gate)) + "\n";
            }
            let next = if i == 0 { " (next)  " } else { "  " };
            out +=
                "    " + self.say(&step.name) + next + self.paint.dim(&self.say(&step.id)) + "\n";
            for effect in &step.effects {
                out += "      " + self.say(effect) + "\n";
            }
        }
        out
    }

    fn object(&self, entity: &EntityReport, object: &ObjectDiff) -> Line {
        let verb = match object.change {
            Change::Create => self.paint.green(&Line::ours("create")),
            Change::Update => self.paint.yellow(&Line::ours("update")),
            Change::Delete => self.paint.red(&Line::ours("delete")),
            Change::Temporary => self.paint.yellow(&Line::ours("temporary")),
            Change::None => Line::ours("leave"),
        };
        let mut out = verb + " " + self.paint.bold(&self.say(&object.object.to_string()));
        let words: Vec<&'static str> = dangers(object).into_iter().map(Danger::word).collect();
        if !words.is_empty() {
            out += "  ";
            out += self.paint.red(&self.say(&format!("[{}]", words.join(", "))));
        }
        if let Some(during) = entity.during(object) {
            out += "  " + self.paint.dim(&self.say(&during));
        }
        out += "\n";
        out += self.lines("  ", &object.lines);
        for halfway in &object.way {
            let step = self.say(&format!("in {}:", entity.step(halfway.step)));
            out += "  " + self.paint.dim(&step) + "\n";
            out += self.lines("    ", &halfway.lines);
        }
        for note in &object.notes {
            let note = "note: " + self.say(&note.to_string());
            out += "  " + self.paint.yellow(&note) + "\n";
        }
        out
    }
}

impl TextForm<'_> {
    /// The lines of a diff, each behind the same space.
    fn lines(&self, space: &'static str, lines: &[String]) -> Line {
        let mut out = Line::empty();
        // Some secrets go over several lines.
        let text = self.veil.text(&lines.join("\n"));
        for line in Line::of(&text).lines() {
            let line = match line.as_str().chars().next() {
                Some('+') => self.paint.green(&line),
                Some('-') => self.paint.red(&line),
                Some('@') => self.paint.dim(&line),
                _ => line,
            };
            out += Line::ours(space) + line + "\n";
        }
        out
    }
}

/// Target, plan and how much changes.
pub(super) fn headline(report: &DiffReport) -> String {
    let plan = report.plan.get(..10).unwrap_or(&report.plan);
    let counts = report.counts();
    let none = report.objects().next().is_none();
    let counts = if none { String::new() } else { format!(": {counts}") };
    format!("target {}, plan {plan}{counts}", report.target)
}
