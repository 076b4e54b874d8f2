//! `patch`, `route` and `retire`: changes of the plan files of a checkout. Owns
//! reading and writing those files and what is shown of it; it must never commit,
//! and never needs a cluster.

#![expect(clippy::disallowed_methods, reason = "these commands change the user's files")]

use super::args::{Common, Patch, Reroute, Retire};
use super::connect::targets;
use super::exit::{Failure, exit_code};
use super::render::files_of;
use super::terminal::{Line, out, say};
use crate::core::amend::{self, Amended, Amending, Fault, Unamended};
use crate::core::model::{PlanFile, Project};
use crate::core::object::at;
use crate::edge::git::checkout;
use crate::engine::{Class, Loaded, load_files};
use serde_json::Value;
use similar::TextDiff;
use std::path::{Path, PathBuf};

const AT_CHECKOUT: &str = "point --repo at a checkout of the plan";

/// Changes an image at its place.
pub(super) fn patch(common: &Common, options: &Patch) -> Result<u8, Failure> {
    let (files, project) = files_of(&common.repo, AT_CHECKOUT)?;
    let wanted = amend::Image {
        instance: options.instance.clone(),
        component: options.component.clone(),
        image: options.container_image.clone(),
        container: options.container_name.clone(),
        env: options.env.clone(),
    };
    let amended = amend::image(Amending::of(&files)?, &wanted)?;
    let loaded = loaded(common, &project, &amended)?;
    let runs = loaded.iter().flat_map(images).any(|image| image == options.container_image);
    if !runs {
        let message = format!(
            "no target would run {}: an overlay or the component's type says something else",
            options.container_image
        );
        return Err(invalid(message, "change that by hand; nothing was written"));
    }
    write(common, &files, &amended, "tranche apply --wait 10m")
}

/// Leads clients to another instance.
pub(super) fn reroute(common: &Common, options: &Reroute) -> Result<u8, Failure> {
    let (files, project) = files_of(&common.repo, AT_CHECKOUT)?;
    let wanted = amend::Reroute {
        dependency: options.dependency.clone(),
        target: options.to.clone(),
        sources: options.source.clone(),
        percent: options.percentage,
        sticky: options.enable_session_awareness.then(|| options.session_header.clone()),
        acknowledge: options.assume_yes,
    };
    let amended = amend::reroute(Amending::of(&files)?, &wanted)?;
    loaded(common, &project, &amended)?;
    write(common, &files, &amended, "tranche apply --wait 10m")
}

/// Takes instances out of the plan.
pub(super) fn retire(common: &Common, options: &Retire) -> Result<u8, Failure> {
    let (files, project) = files_of(&common.repo, AT_CHECKOUT)?;
    let amended = amend::retire_all(&files, &options.instances)?;
    loaded(common, &project, &amended)?;
    // All that an application had goes at once.
    write(common, &files, &amended, "tranche apply --allow-prune --wait 10m")
}

/// The changed plan, loaded and rendered for every target: it has to be valid
/// before anything is written.
fn loaded(common: &Common, project: &Project, amended: &Amended) -> Result<Vec<Loaded>, Failure> {
    let load = |target| {
        load_files(amended.files.clone(), &target)
            .map_err(|why| invalid(why, "mend the plan; nothing was written"))
    };
    targets(common, project)?.into_iter().map(load).collect()
}

/// Every image that a plan's pods run.
fn images(loaded: &Loaded) -> Vec<String> {
    let mut images = Vec::new();
    for application in loaded.applications.values() {
        for component in &application.rendered.components {
            let list = ["containers", "initContainers"];
            for spec in ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"] {
                let pods = at(&component.workload, spec);
                let all = list.iter().filter_map(|list| pods?.get(list)?.as_array()).flatten();
                let image = |one: &Value| Some(one.get("image")?.as_str()?.to_owned());
                images.extend(all.filter_map(image));
            }
        }
    }
    images
}

fn invalid(message: String, next: &str) -> Failure {
    Failure { code: exit_code(Class::Invalid), message, next: next.to_owned() }
}

/// Writes what changed, and says what and what comes next.
fn write(
    common: &Common,
    files: &[PlanFile],
    amended: &Amended,
    apply: &'static str,
) -> Result<u8, Failure> {
    let root =
        checkout(&common.repo).map_err(|error| Failure::usage(error.to_string(), AT_CHECKOUT))?;
    for line in &amended.said {
        out(say(line));
    }
    if amended.changed.is_empty() {
        out(Line::ours("the plan says so already; nothing was written"));
        return Ok(0);
    }
    for (path, bytes) in &amended.changed {
        let failed = |error: std::io::Error| {
            Failure::plain(&format!("{}: {error}", root.join(path).display()))
        };
        match bytes {
            Some(bytes) => replace(&root.join(path), bytes).map_err(failed)?,
            None => std::fs::remove_file(root.join(path)).map_err(failed)?,
        }
        let was = files.iter().find(|file| file.path == *path);
        let was = was.map(|file| file.bytes.as_slice()).unwrap_or_default();
        show(path, was, bytes.as_deref().unwrap_or_default());
    }
    out(Line::ours("next: commit it (`git commit -a`), look at it with `tranche plan`, then `")
        + Line::ours(apply)
        + Line::ours("`"));
    Ok(0)
}

/// Puts another content in the place of a file, whole or not at all: what is not
/// committed yet is nowhere else.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Where the name is a link, its file is what changes.
    let path = path.canonicalize()?;
    let mut part = path.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = std::fs::write(&part, bytes)
        .and_then(|()| std::fs::set_permissions(&part, std::fs::metadata(&path)?.permissions()))
        .and_then(|()| std::fs::rename(&part, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// The changed lines of a file.
fn show(path: &str, was: &[u8], is: &[u8]) {
    let (was, is) = (String::from_utf8_lossy(was), String::from_utf8_lossy(is));
    if is.is_empty() {
        out(say(format!("{path}: deleted")));
        return;
    }
    let diff = TextDiff::from_lines(was.as_ref(), is.as_ref());
    let text = diff.unified_diff().context_radius(1).header(path, path).to_string();
    for line in text.lines() {
        out(say(line.trim_end_matches('\r')));
    }
}

impl From<Unamended> for Failure {
    fn from(why: Unamended) -> Self {
        let code = match why.fault {
            Fault::Usage => super::exit::USAGE,
            Fault::Plan => exit_code(Class::Invalid),
            Fault::Rule => exit_code(Class::Refused),
        };
        Self { code, message: why.message, next: why.next }
    }
}
