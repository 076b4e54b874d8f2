//! `tranche apply`. Owns the order of targets, the exit code and the summary;
//! what is done to a target is `engine`'s.

use super::args::{Apply, Common, OkExit};
use super::connect::{Repository, open, targets, wire};
use super::exit::{Failure, exit_code, show};
use super::saved::{self, Reviewed};
use super::terminal::{err, out, say, say_json};
use super::unread;
use crate::core::model::Target;
use crate::engine::{Class, Engine, Options, Report, Round, RunError};
use serde_json::{Value, json};
use std::rc::Rc;

/// Takes every step that is due, target by target.
pub(super) async fn run(common: &Common, options: &Apply) -> Result<u8, Failure> {
    // Before anything else: a file that is no saved plan permits nothing.
    let reviewed = options.plan.as_deref().map(saved::read).transpose()?;
    let repository = open(common).await?;
    unread::note(&repository);
    let mut reports = Vec::new();
    for target in wanted(common, &repository, reviewed.as_ref())? {
        // A target that cannot be reached must not keep the others waiting.
        let report = match one(common, options, &repository, &target, reviewed.as_ref()).await {
            Ok(report) => report,
            Err(failure) => {
                show(&failure.message, &failure.next);
                unreached(failure)
            }
        };
        reports.push((target.name, report));
        if repository.stopped().is_some() {
            break;
        }
    }
    let class = reports.iter().map(|(_, report)| report.class()).min().unwrap_or(Class::Done);
    if let Some(path) = &options.summary {
        write_summary(path, &reports, class)?;
    }
    if let (Some(code), Class::Waiting | Class::Done) = (repository.stopped(), class) {
        return Ok(code);
    }
    let ok = |class: &Class| match class {
        Class::Waiting => options.ok_exit.contains(&OkExit::Waiting),
        Class::Busy => options.ok_exit.contains(&OkExit::Busy),
        _ => false,
    };
    let classes = reports.iter().flat_map(|(_, report)| report.classes());
    let class = classes.filter(|class| !ok(class)).min().unwrap_or(Class::Done);
    Ok(exit_code(class))
}

/// The targets of a run; under a saved plan only those that were reviewed.
fn wanted(
    common: &Common,
    repository: &Repository,
    reviewed: Option<&Reviewed>,
) -> Result<Vec<Target>, Failure> {
    let Some(reviewed) = reviewed else { return targets(common, &repository.project) };
    if common.target.is_some() {
        return targets(common, &repository.project);
    }
    let mut all = Vec::new();
    for name in reviewed.names() {
        let named = Common { target: Some(name), ..common.clone() };
        all.extend(targets(&named, &repository.project)?);
    }
    Ok(all)
}

fn unreached(failure: Failure) -> Report {
    let class = match failure.code {
        77 => Class::Refused,
        65 => Class::Invalid,
        6 => Class::Stale,
        _ => Class::Failed,
    };
    let error = Some(RunError::new(class, failure.message, failure.next));
    Report { entities: Vec::new(), error, rounds: Vec::new() }
}

/// Applies to one target and shows how it ended.
pub(super) async fn one(
    common: &Common,
    options: &Apply,
    repository: &Repository,
    target: &Target,
    reviewed: Option<&Reviewed>,
) -> Result<Report, Failure> {
    if let Some(reviewed) = reviewed {
        reviewed.has(&target.name)?;
    }
    let ports = wire(common, repository, target).await?;
    let accept_rewind = options.accept_rewind;
    let approved = match reviewed {
        Some(reviewed) => Some(Rc::new(reviewed.approved(&ports, target, accept_rewind).await?)),
        None => None,
    };
    let run = Options {
        wait: options.wait,
        accept_rewind,
        // A plan that was saved has been reviewed, whatever it deletes.
        allow_prune: options.allow_prune || approved.is_some(),
        approved,
        ..Options::default()
    };
    let report = Engine::new(&ports, target, run).apply().await;
    for (_, rest) in &report.entities {
        match rest.class {
            Class::Done => {}
            Class::Waiting | Class::Busy => out(say(&rest.message)),
            _ => err("error: " + say(&rest.message)),
        }
    }
    if let Some(error) = &report.error {
        show(&error.message, &error.next);
    }
    let quiet = report.class() == Class::Done;
    if quiet {
        out("target " + say(&target.name) + ": everything is as the plan says");
    }
    Ok(report)
}

fn round(round: &Round) -> Value {
    json!({
        "pushes": round.pushes,
        "published": round.published,
        "intents": round.intents,
        "waits": round.waits,
        "results": round.results,
    })
}

#[expect(clippy::disallowed_methods, reason = "the summary is a file that the caller names")]
fn write_summary(
    path: &std::path::Path,
    reports: &[(String, Report)],
    class: Class,
) -> Result<(), Failure> {
    let targets: Vec<_> = reports
        .iter()
        .map(|(name, report)| {
            let entities: Vec<_> = report
                .entities
                .iter()
                .map(|(key, rest)| {
                    json!({
                        "kind": key.kind,
                        "namespace": key.namespace,
                        "name": key.name,
                        "exit": exit_code(rest.class),
                        "message": rest.message,
                    })
                })
                .collect();
            json!({
                "target": name,
                "exit": exit_code(report.class()),
                "error": report.error.as_ref().map(|error| error.message.clone()),
                "entities": entities,
                "rounds": report.rounds.iter().map(round).collect::<Vec<_>>(),
            })
        })
        .collect();
    let summary = json!({"format": 1, "exit": exit_code(class), "targets": targets});
    let text = say_json(&summary) + "\n";
    std::fs::write(path, text.as_str())
        .map_err(|error| Failure::plain(&format!("{}: {error}", path.display())))
}
