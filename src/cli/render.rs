//! `tranche render`: the objects of a plan, as YAML or JSON. Owns how the plan
//! is loaded for commands that need no cluster; it must never need one.

use super::args::{Common, Output, Source};
use super::connect::{invalid, open, targets};
use super::exit::Failure;
use super::terminal::{out, say, say_json, veil};
use super::unread;
use crate::core::dialect::{self, PROJECT_FILE};
use crate::core::model::{PlanFile, Project};
use crate::core::secrecy::redacted;
use crate::core::yaml::to_yaml;
use crate::edge::git::{blob_id, checkout, worktree_files};
use crate::engine::{Loaded, load_plan, load_worktree, unmoved};
use crate::port::Remote;
use serde_json::Value;

/// What helps where no checkout is for `--worktree` to look at.
pub(super) const OR_COMMITTED: &str = "leave --worktree out, or point --repo at a checkout";

/// Prints every object, target by target.
pub(super) async fn run(common: &Common, options: &Source) -> Result<u8, Failure> {
    let mut all = Vec::new();
    for (_, loaded) in load_all(common, options.worktree, false).await? {
        all.extend(objects(&loaded).iter().map(shown));
    }
    match options.output {
        Output::Json => {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": all});
            out(say_json(&list));
        }
        Output::Text => {
            for object in &all {
                out("---\n" + say(to_yaml(object).trim_end()));
            }
        }
    }
    Ok(0)
}

/// The plan, loaded for each target: of the newest commit, or of the checkout.
/// What only the history of a commit tells is for `lint`.
pub(super) async fn load_all(
    common: &Common,
    worktree: bool,
    for_lint: bool,
) -> Result<Vec<(String, Loaded)>, Failure> {
    let mut all = Vec::new();
    if worktree {
        let (files, project) = files_of(&common.repo, OR_COMMITTED)?;
        for target in targets(common, &project)? {
            all.push((target.name.clone(), load_worktree(files.clone(), &target, &blob_id)?));
            learn(&all);
        }
        return Ok(all);
    }
    let repository = open(common).await?;
    unread::note(&repository);
    for target in targets(common, &repository.project)? {
        let objects = repository.remote.objects();
        let mut loaded = load_plan(objects, &repository.tip, &target)?;
        if for_lint {
            let notices = unmoved(objects, &repository.tip, &loaded, &target)?;
            loaded.plan.notices.extend(notices);
        }
        all.push((target.name, loaded));
        learn(&all);
    }
    Ok(all)
}

/// Lets the secrets that the newest of these plans renders be known as such.
fn learn(all: &[(String, Loaded)]) {
    for object in all.iter().rev().take(1).flat_map(|(_, loaded)| objects(loaded)) {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        veil().learn_object(kind, &object);
    }
}

/// The plan files of a checkout, committed or not, and its project. Neither a
/// remote nor a commit is needed.
/// `next` is what helps where there is no checkout.
pub(super) fn files_of(repo: &str, next: &str) -> Result<(Vec<PlanFile>, Project), Failure> {
    let root = checkout(repo).map_err(|error| Failure::usage(error.to_string(), next))?;
    let first = worktree_files(&root, &mut |path, _| path == PROJECT_FILE)?;
    let project =
        dialect::load_project(first.first()).map_err(|errors| invalid(&errors.to_string()))?;
    let files = worktree_files(&root, &mut |path, _| dialect::selects(&project, path))?;
    for file in &files {
        veil().learn_file(&String::from_utf8_lossy(&file.bytes));
    }
    Ok((files, project))
}

/// An object without its secret values.
fn shown(object: &Value) -> Value {
    redacted(object.get("kind").and_then(Value::as_str).unwrap_or_default(), object)
}

/// All objects of a plan: plain ones, routes that rollouts drive, what Routes
/// are, then each application's.
fn objects(loaded: &Loaded) -> Vec<Value> {
    let plain = loaded.plan.objects.iter().map(|object| object.body.as_ref().clone());
    let rendered = loaded.applications.values().flat_map(|application| {
        let components = application.rendered.components.iter();
        components
            .flat_map(|c| std::iter::once(&c.workload).chain(&c.extras))
            .map(|body| Value::clone(body))
    });
    let rollouts = loaded.plan.rollouts.iter();
    let driven = rollouts.flat_map(|rollout| rollout.drives(""));
    let routes = driven.filter_map(|driven| driven.document.cloned());
    let edges = loaded.route_objects().cloned();
    plain.chain(routes).chain(edges).chain(rendered).collect()
}
