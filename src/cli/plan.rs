//! `tranche plan`: the steps to come and what they change. Reads and dry-runs
//! only. Owns in which form they are printed.

use super::args::{Common, Plan, PlanForm};
use super::connect::{open, targets, wire};
use super::exit::{self, CHANGES, Failure, exit_code};
use super::render::{OR_COMMITTED, files_of};
use super::review::review;
use super::terminal::{err, out, paint, print, say, say_json, veil};
use super::{saved, unread};
use crate::core::approval::SavedPlan;
use crate::core::digest::Digest;
use crate::core::escape::{Escaped, Paint, Terminal};
use crate::edge::git::blob_id;
use crate::engine::{Class, Engine, Options, RunError, load_worktree};
use crate::report::{DiffReport, FullDiff, MarkdownForm, Resting, Review, TextForm, html, json};

/// Shows what an apply would do.
pub(super) async fn run(common: &Common, options: &Plan) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let mut project = repository.project.clone();
    let files = match options.worktree {
        true => Some(files_of(&common.repo, OR_COMMITTED)?),
        false => {
            unread::note(&repository);
            None
        }
    };
    if let Some((_, declared)) = &files {
        project = declared.clone();
    }
    let (mut worst, mut changes) = (Class::Done, false);
    let (mut reports, mut kept) = (Vec::new(), Vec::new());
    for target in targets(common, &project)? {
        veil().leave(&target.name);
        let ports = wire(common, &repository, &target).await?;
        let loaded = match &files {
            Some((files, _)) => Some(load_worktree(files.clone(), &target, &blob_id)?),
            None => None,
        };
        let run = Options {
            accept_rewind: options.accept_rewind,
            allow_prune: options.allow_prune,
            patches: options.out.is_some(),
            ..Options::default()
        };
        let preview = Engine::new(&ports, &target, run).preview(loaded).await?;
        let life = options.expires.unwrap_or(saved::DEFAULT_LIFE);
        kept.extend(saved::target(&target.name, &preview, life));
        changes |= preview.changes();
        let refused = preview.entities.iter().filter_map(|e| e.rest.as_ref()).map(|r| r.class);
        worst = refused.filter(|class| *class < Class::Failed).fold(worst, Class::min);
        let stops: Vec<RunError> =
            preview.entities.iter().flat_map(|entity| entity.refusals.clone()).collect();
        worst = stops.iter().map(|stop| stop.class).fold(worst, Class::min);
        let one = Review::of(vec![review(&target.name, preview)]);
        for report in &one.targets {
            if options.output == PlanForm::Text {
                let form = TextForm { veil: veil(), paint: paint(), told_elsewhere: true };
                print(&form.target(report));
            }
            talk(report);
        }
        for stop in &stops {
            exit::show(&stop.message, &stop.next);
        }
        reports.extend(one.targets);
    }
    let review = Review::of(reports);
    let saved = match &options.out {
        Some(_) => Some(saved::sealed(&repository.id, kept)?),
        None => None,
    };
    show(options, &review, saved.as_ref())?;
    if worst < Class::Failed {
        if let Some(path) = &options.out {
            let path = path.display();
            err(say(format!("note: {path} was not written: what is refused cannot be approved")));
        }
        return Ok(exit_code(worst));
    }
    if let Some((path, saved)) = options.out.as_ref().zip(saved.as_ref()) {
        saved::write(path, saved)?;
        err(say(format!("saved as {}, plan digest {}", path.display(), saved.digest)));
    }
    Ok(if changes && options.detailed_exitcode { CHANGES } else { 0 })
}

/// Warnings and refusals, on stderr whatever the form.
fn talk(report: &DiffReport) {
    for entity in &report.entities {
        for warning in &entity.warnings {
            err("note: " + say(format!("{}: {warning}", entity.entity)));
        }
        if let Resting::Refused(text) = &entity.rest {
            err("error: " + say(text));
        }
    }
}

/// Prints all targets in one of the other forms, and writes the full diff.
fn show(options: &Plan, review: &Review, saved: Option<&SavedPlan>) -> Result<(), Failure> {
    let full = || full_text(review);
    if let Some(path) = &options.full_diff {
        write(path, full().as_str())?;
    }
    match options.output {
        PlanForm::Text => {}
        PlanForm::Json => out(say_json(json(review, veil()).as_value())),
        PlanForm::Html => print(&html(review, veil())),
        PlanForm::Markdown => {
            let digest = Digest::of_bytes(full().as_str().as_bytes());
            let file = options.full_diff.as_ref().and_then(|path| path.file_name());
            let full = FullDiff {
                file: file.map(|name| name.to_string_lossy().into_owned()),
                sha256: digest.as_str().trim_start_matches("sha256:").to_owned(),
            };
            let limit = options.forge.forge().limit();
            let plan = saved.map(|saved| saved.digest.trim_start_matches("sha256:"));
            print(&MarkdownForm { veil: veil(), limit, full: &full, plan }.comment(review));
        }
    }
    Ok(())
}

/// The text of all targets as one file.
fn full_text(review: &Review) -> Escaped<Terminal> {
    let form = TextForm { veil: veil(), paint: Paint::new(false), told_elsewhere: false };
    let mut text = Escaped::empty();
    for (i, report) in review.targets.iter().enumerate() {
        text += if i == 0 { "" } else { "\n" };
        text += form.target(report);
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "the full diff is a file that the caller names")]
fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::plain(&format!("{}: {error}", path.display())))
}
