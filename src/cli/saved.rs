//! Saved plans as files: `plan --out` and `apply --plan`. Owns reading and
//! writing them and what is said where one does not fit; whether it still fits
//! is decided by `core::approval`.

#![expect(clippy::disallowed_methods, reason = "the saved plan is a file that the caller names")]

use super::connect::Wired;
use super::exit::{Failure, exit_code};
use super::review;
use super::terminal::{say_json, veil};
use crate::core::approval::{
    Operation, SAVED_FORMAT, SavedEntity, SavedPlan, SavedStep, SavedTarget, Sizes, Standing,
    compare, leads_back,
};
use crate::core::model::Target;
use crate::engine::{Approved, Class, Engine, Options, Preview, PreviewEntity, Seen};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a saved plan may be applied if nothing else is said.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

const REVIEW_AGAIN: &str = "`tranche plan --out FILE` again, have it reviewed, and apply that file";

/// A saved plan that was read, and where from.
pub struct Reviewed {
    path: PathBuf,
    plan: SavedPlan,
}

/// Reads a saved plan.
pub(super) fn read(path: &Path) -> Result<Reviewed, Failure> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::usage(format!("{shown}: {error}"), "name the file that `tranche plan --out` wrote")
    })?;
    let plan = SavedPlan::read(&bytes).map_err(|fault| Failure {
        code: exit_code(Class::Invalid),
        message: format!("{shown}: {fault}"),
        next: format!("nothing was done; {REVIEW_AGAIN}"),
    })?;
    Ok(Reviewed { path: path.to_owned(), plan })
}

/// What a preview comes to in a saved plan; none if the preview was not asked
/// for its patches.
pub(super) fn target(name: &str, preview: &Preview, life: Duration) -> Option<SavedTarget> {
    let Seen { cluster, record, now, .. } = preview.seen.clone()?;
    let life = SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX);
    Some(SavedTarget {
        target: name.to_owned(),
        cluster,
        plan: preview.plan_commit.clone(),
        record,
        created: now,
        expires: now.saturating_add(life).unwrap_or(now),
        digest: String::new(),
        publications: preview.publications.clone(),
        entities: preview.entities.iter().map(entity).collect(),
    })
}

fn entity(entity: &PreviewEntity) -> SavedEntity {
    let record = entity.record.as_ref();
    let back = entity
        .steps
        .first()
        .zip(record)
        .is_some_and(|(step, record)| leads_back(step.kind, record.ending));
    let state = match entity.steps.is_empty() {
        _ if back => Standing::GoesBack,
        false => Standing::Steps,
        true if entity.amends => Standing::Records,
        true => Standing::Rests,
    };
    let message = entity.rest.as_ref().map(|rest| rest.message.clone());
    let steps = entity.steps.iter().map(|step| {
        let shown = review::step(step);
        SavedStep { id: step.id().clone(), name: shown.name, effects: shown.effects }
    });
    let mut objects = entity.patches.clone();
    let shown: BTreeMap<_, _> = entity.objects.iter().map(|diff| (&diff.object, diff)).collect();
    for patch in &mut objects {
        let diff = shown.get(&patch.object);
        let diff = diff.filter(|_| patch.operation != Operation::Passes);
        patch.diff = diff.map(|diff| diff.lines.clone()).unwrap_or_default();
    }
    SavedEntity {
        entity: entity.key.clone(),
        state,
        message: message.filter(|message| !message.is_empty()),
        open: record.is_some_and(|record| record.open.is_some()),
        sizes: record.filter(|record| record.movement.is_some()).map(|record| Sizes {
            from: record.status.rollout_original_size,
            // Which nodes a new DaemonSet is on is known once it stands, and was
            // not when this was reviewed.
            to: record.status.rollout_target_size - i64::from(record.on_nodes),
        }),
        steps: steps.collect(),
        objects,
    }
}

/// Puts a saved plan together, without secrets and with its digests.
pub(super) fn sealed(project: &str, targets: Vec<SavedTarget>) -> Result<SavedPlan, Failure> {
    // What the file itself is written with is never taken for a secret.
    let words = ["steps", "goesBack", "records", "rests", "create", "update", "delete", "passes"];
    words.iter().for_each(|word| veil().leave(word));
    let plan = SavedPlan {
        format: SAVED_FORMAT,
        tool: format!("tranche {}", env!("CARGO_PKG_VERSION")),
        project: project.to_owned(),
        digest: String::new(),
        targets,
    };
    let value = serde_json::to_value(&plan).unwrap_or(Value::Null);
    let hidden = veil().json(&value);
    let plan: SavedPlan = serde_json::from_value(hidden.as_value().clone()).map_err(|error| {
        Failure::plain(&format!("a secret value is also a word of the saved plan's own: {error}"))
    })?;
    Ok(plan.sealed())
}

/// Writes a saved plan in one piece, over whatever is there.
pub(super) fn write(path: &Path, plan: &SavedPlan) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::plain(&format!("{}: {error}", path.display()));
    let text = say_json(&serde_json::to_value(plan).unwrap_or(Value::Null)) + "\n";
    if SavedPlan::read(text.as_str().as_bytes()).is_err() {
        return Err(Failure::plain(&format!(
            "{}: the saved plan would not be read back: a secret value is also a part of an id",
            path.display()
        )));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| {
        Failure::usage(format!("{}: it names no file", path.display()), "`--out plan.json`")
    })?;
    let part = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = std::fs::write(&part, text.as_str()).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // What is left of it is of no use; why it failed is told below.
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(failed)
}

impl Reviewed {
    /// What was reviewed of a target.
    pub(super) fn has(&self, name: &str) -> Result<&SavedTarget, Failure> {
        let found = self.plan.targets.iter().find(|target| target.target == name);
        found.ok_or_else(|| {
            let names = self.names().join(", ");
            Failure::usage(
                format!("{}: target \"{name}\" is not in it; it has {names}", self.path.display()),
                "name one of these with `--target`, or leave it out",
            )
        })
    }

    /// The targets that were reviewed.
    pub(super) fn names(&self) -> Vec<String> {
        self.plan.targets.iter().map(|target| target.target.clone()).collect()
    }

    /// Plans again, and compares. What is given back is all that a run may do.
    pub(super) async fn approved(
        &self,
        ports: &Wired,
        target: &Target,
        accept_rewind: bool,
    ) -> Result<Approved, Failure> {
        let reviewed = self.has(&target.name)?;
        // What a saved plan deletes was reviewed with it.
        let options =
            Options { accept_rewind, allow_prune: true, patches: true, ..Options::default() };
        let engine = Engine::new(ports, target, options);
        self.is_here(reviewed, &engine.cluster().await?)?;
        let preview = engine.preview(None).await?;
        let seen = preview.seen.clone();
        let (project, now) = seen.map(|seen| (seen.project, seen.now)).unwrap_or_default();
        if project != self.plan.project {
            let message = format!("it is of another plan repository, {}", self.plan.project);
            let next = "apply it in the repository that it was made in (`--repo`)";
            return Err(self.failure(Class::Refused, &message, next));
        }
        if now >= reviewed.expires {
            let until = reviewed.expires;
            let message = format!("it has expired: it was valid until {until}, and it is {now}");
            return Err(self.failure(Class::Stale, &message, REVIEW_AGAIN));
        }
        let current = super::saved::target(&target.name, &preview, DEFAULT_LIFE);
        let current = sealed(&project, current.into_iter().collect())?;
        for current in &current.targets {
            compare(reviewed, current).map_err(|stale| {
                let message = format!(
                    "it is stale: what would be done to {} is not what was reviewed; nothing was \
                     written\n  {}",
                    target.name,
                    stale.lines().join("\n  ")
                );
                self.failure(Class::Stale, &message, REVIEW_AGAIN)
            })?;
        }
        let patches = preview.entities.into_iter().flat_map(|entity| entity.patches);
        Ok(Approved {
            steps: reviewed.steps().cloned().collect(),
            plan: preview.plan_commit,
            sources: patches.map(|patch| (patch.object, patch.sources)).collect(),
        })
    }

    fn is_here(&self, reviewed: &SavedTarget, cluster: &str) -> Result<(), Failure> {
        if reviewed.cluster == cluster {
            return Ok(());
        }
        let message = format!(
            "target {} is another cluster than the one that was reviewed ({cluster}, reviewed was \
             {})",
            reviewed.target, reviewed.cluster
        );
        let next = format!("point the target at the cluster that was reviewed, or {REVIEW_AGAIN}");
        Err(self.failure(Class::Refused, &message, &next))
    }

    fn failure(&self, class: Class, message: &str, next: &str) -> Failure {
        let message = format!("{}: {message}", self.path.display());
        Failure { code: exit_code(class), message, next: next.to_owned() }
    }
}
