//! A review as a comment in Markdown. Owns what comes first and what is left
//! out where a forge's limit is met; what is left out must be said, since a
//! comment that does not show everything is nothing to approve by.

use super::text::headline;
use super::{Danger, DiffReport, EntityReport, Resting, Review, dangers};
use crate::core::diff::{Change, ObjectDiff};
use crate::core::escape::{Escaped, Markdown};
use crate::core::secrecy::Veil;

type Text = Escaped<Markdown>;

/// Where a comment is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forge {
    /// GitHub: 65,536 characters.
    GitHub,
    /// GitLab: 1,000,000 characters.
    GitLab,
    /// Gitea and Forgejo: no limit is known, so GitLab's is kept.
    Gitea,
}

impl Forge {
    /// The most bytes of a comment. Limits are in characters, of which there
    /// are never more.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            Self::GitHub => 65_536,
            Self::GitLab | Self::Gitea => 1_000_000,
        }
    }
}

/// The whole review as a file besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullDiff {
    /// Its name, if it was written.
    pub file: Option<String>,
    /// Its SHA-256.
    pub sha256: String,
}

/// How a comment is made.
#[derive(Clone, Copy, Debug)]
pub struct MarkdownForm<'v> {
    /// What is known to be secret.
    pub veil: &'v Veil,
    /// The most bytes.
    pub limit: usize,
    /// The whole review.
    pub full: &'v FullDiff,
    /// The digest of the plan that was saved, if it was: its SHA-256.
    pub plan: Option<&'v str>,
}

/// An object, and what it belongs to.
type Shown<'r> = (&'r EntityReport, &'r ObjectDiff);

/// Kept for what is said at the end of all.
const RESERVE: usize = 2_048;

/// A comment that grows until it is full.
struct Page {
    text: Text,
    limit: usize,
    /// Objects, and lists of steps, that are not shown in full.
    objects: usize,
    steps: usize,
}

impl Page {
    /// Adds a part if it fits.
    fn add(&mut self, part: Text) -> bool {
        let fits = self.text.len() + part.len() + RESERVE <= self.limit;
        if fits {
            self.text += part;
        }
        fits
    }

    fn room(&self) -> usize {
        self.limit.saturating_sub(self.text.len() + RESERVE)
    }
}

impl MarkdownForm<'_> {
    /// The comment; it never has more bytes than the limit.
    #[must_use]
    pub fn comment(&self, review: &Review) -> Text {
        let mut page = Page { text: Text::empty(), limit: self.limit, objects: 0, steps: 0 };
        let names: Vec<&str> = review.targets.iter().map(|t| t.target.as_str()).collect();
        let names = Text::in_comment(&self.veil.text(&cut(&names.join(","), 200)));
        page.add("<!-- tranche:plan target=" + names + " -->\n");
        for report in &review.targets {
            self.target(report, &mut page);
        }
        self.end(page)
    }

    fn end(&self, page: Page) -> Text {
        let Page { mut text, objects, steps, .. } = page;
        if objects + steps > 0 {
            text += "\n> [!WARNING]\n> **";
            if objects > 0 {
                text += Text::number(objects) + plural(objects, " object", " objects");
            }
            if objects > 0 && steps > 0 {
                text += " and ";
            }
            if steps > 0 {
                text += Text::number(steps) + plural(steps, " list of steps", " lists of steps");
            }
            text += " not shown: not approvable from this comment.** Read the full diff.\n";
        }
        text += "\nFull diff: ";
        if let Some(file) = &self.full.file {
            text += self.code(&cut(file, 200)) + ", ";
        }
        text += "SHA-256 " + self.code(&self.full.sha256) + "\n";
        if let Some(plan) = self.plan {
            text += "\nPlan digest: SHA-256 " + self.code(plan) + "\n";
        }
        text
    }

    fn code(&self, text: &str) -> Text {
        Text::code(&self.veil.text(text))
    }

    fn plain(&self, text: &str) -> Text {
        Text::of(&self.veil.text(text))
    }

    fn target(&self, report: &DiffReport, page: &mut Page) {
        page.add("\n## " + self.plain(&cut(&headline(report), 500)) + "\n");
        if report.is_empty() {
            page.add(Text::ours("\nNothing to do.\n"));
        }
        for revision in &report.publications {
            if !page.add("\n- publishes revision " + self.code(revision)) {
                page.steps += 1;
            }
        }
        page.add(Text::ours("\n"));
        for entity in &report.entities {
            let part = self.entity(entity);
            if part.len() > page.room() / 2 || !page.add(part) {
                page.steps += 1;
            }
        }
        let (dangerous, others): (Vec<_>, Vec<_>) = report
            .objects()
            .map(|of| (of, dangers(of.1)))
            .partition(|(_, dangers)| !dangers.is_empty());
        if !dangerous.is_empty() {
            page.add(Text::ours("\n### Needs a closer look\n"));
        }
        let mut dangerous = dangerous;
        dangerous.sort_by_key(|(_, dangers)| dangers.first().copied());
        for (of, dangers) in dangerous {
            self.object(of, &dangers, page);
        }
        if !others.is_empty() {
            page.add(Text::ours("\n### Other changes\n"));
        }
        for (of, dangers) in others {
            self.object(of, &dangers, page);
        }
    }

    fn entity(&self, entity: &EntityReport) -> Text {
        let mut text = Text::empty();
        for warning in &entity.warnings {
            text += "\n- note: " + self.plain(&format!("{}: {warning}", entity.entity)) + "\n";
        }
        match &entity.rest {
            Resting::Records(rest) => text += "\n- record " + self.plain(rest) + "\n",
            Resting::Waits(rest) => {
                text += "\n- " + self.plain(&format!("{}: {rest}", entity.entity)) + "\n";
            }
            Resting::Refused(rest) => text += "\n- **refused:** " + self.plain(rest) + "\n",
            Resting::No => {}
        }
        if entity.steps.is_empty() {
            return text;
        }
        text += "\n**" + self.plain(&entity.headline) + "**";
        if let Some(floor) = entity.floor {
            text += "  \nat least " + Text::number(usize::try_from(floor).unwrap_or(usize::MAX));
            text += " pods stay ready throughout";
        }
        let count = entity.steps.len();
        text += "\n\n<details><summary>" + Text::number(count) + plural(count, " step", " steps");
        text += "</summary>\n";
        for (i, step) in entity.steps.iter().enumerate() {
            if let Some(gate) = &step.gate {
                text += "\n- " + self.plain(gate) + "\n";
            }
            let next = if i == 0 { " (next) " } else { " " };
            text += "\n- **" + self.plain(&step.name) + "**" + next + self.code(&step.id) + "\n";
            for effect in &step.effects {
                text += "  - " + self.plain(effect) + "\n";
            }
        }
        text + "\n</details>\n"
    }

    fn object(&self, of: Shown<'_>, dangers: &[Danger], page: &mut Page) {
        let title = self.title(of, dangers);
        let way = of.1.way.iter().flat_map(|halfway| &halfway.lines);
        let length: usize = of.1.lines.iter().chain(way).map(|line| line.len() + 1).sum();
        if length < page.room() && page.add(self.whole(of, dangers, &title)) {
            return;
        }
        page.objects += 1;
        page.add("\n- " + title + " (its diff is not shown)\n");
    }

    fn title(&self, (entity, object): Shown<'_>, dangers: &[Danger]) -> Text {
        let verb = match object.change {
            Change::Create => "create ",
            Change::Update => "change ",
            Change::Delete => "delete ",
            Change::Temporary => "temporary ",
            Change::None => "leave ",
        };
        let mut title = Text::ours(verb) + self.code(&object.object.to_string());
        if let Some(during) = entity.during(object) {
            title += ", " + self.plain(&during);
        }
        for (i, danger) in dangers.iter().enumerate() {
            title += if i == 0 { " – <b>" } else { ", " };
            title += Text::ours(danger.word());
        }
        if dangers.is_empty() { title } else { title + "</b>" }
    }

    fn whole(&self, (entity, object): Shown<'_>, dangers: &[Danger], title: &Text) -> Text {
        let mut text = match dangers {
            [] => "\n<details><summary>" + title.clone() + "</summary>\n\n",
            _ => "\n" + title.clone() + "\n\n",
        };
        if !object.lines.is_empty() {
            text += Text::fenced(&self.veil.text(&object.lines.join("\n")), "diff") + "\n";
        }
        for halfway in &object.way {
            let step = self.plain(entity.step(halfway.step));
            text += "In " + step + ":\n\n";
            text += Text::fenced(&self.veil.text(&halfway.lines.join("\n")), "diff") + "\n";
        }
        for note in &object.notes {
            text += "- note: " + self.plain(&note.to_string()) + "\n";
        }
        if dangers.is_empty() { text + "\n</details>\n" } else { text }
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most).chain(['…']).collect()
}
