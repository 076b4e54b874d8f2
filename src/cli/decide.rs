//! `pause`, `resume`, `approve`, `abort`, `retry`: a person's decision, as a commit on the
//! record branch. Owns finding the rollout by its name, and trying again after
//! a lost push; what a command does in a state is `core::decide::Command`'s.

use super::args::{Common, Decision};
use super::connect::{Repository, open, targets};
use super::exit::{Failure, show};
use super::settings;
use super::terminal::{Line, hidden, out, say};
use crate::core::model::Target;
use crate::core::strategy::{EntityKey, EntityKind};
use crate::engine::{Class, Commanded as Outcome, Order, RunError, Snapshot, command};
use crate::port::{Objects, Remote};
use std::rc::Rc;

pub use crate::core::decide::Command as Wanted;

/// How often a decision is put on a newer tip.
const MAX_TRIES: u32 = 20;

/// Records a decision.
pub(super) async fn run(
    common: &Common,
    wanted: Wanted,
    options: &Decision,
) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let mut found = 0;
    let mut worst: Option<Failure> = None;
    for target in targets(common, &repository.project)? {
        // One target's refusal must not keep a decision from the others.
        match on(&repository, &target, wanted, options).await {
            Ok(Some((subject, recorded))) => {
                found += 1;
                out(say(&subject));
                let follows = if recorded { what_follows(wanted) } else { "nothing was recorded" };
                out("  " + Line::ours(follows));
            }
            Ok(None) => {}
            Err(failure) => {
                if let Some(before) = worst.replace(failure) {
                    show(&before.message, &before.next);
                }
            }
        }
    }
    if let Some(failure) = worst {
        return Err(failure);
    }
    if found == 0 {
        return Err(Failure::usage(
            format!("there is no rollout \"{}\" on the record", options.rollout),
            "`tranche status` lists them; a rollout is there once its first step has begun",
        ));
    }
    Ok(0)
}

/// What a decision that was recorded leads to; it moves nothing by itself.
fn what_follows(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Pause => "no further batch begins until `tranche resume`",
        Wanted::Resume => "the next `tranche apply` goes on",
        Wanted::Approve => "the next `tranche apply` begins it, unless something else holds it",
        Wanted::ApproveAll => {
            "no gate of this attempt holds it any more; a pause and `batchPartition` still do"
        }
        Wanted::Abort => "this moves nothing by itself: the next `tranche apply` goes back",
        Wanted::Retry => "the next `tranche apply` begins another attempt",
    }
}

/// Decides on one target: what was said to it and whether that was recorded,
/// or none if it has no such rollout.
async fn on(
    repository: &Repository,
    target: &Target,
    wanted: Wanted,
    options: &Decision,
) -> Result<Option<(String, bool)>, Failure> {
    for _ in 0..MAX_TRIES {
        match decide(repository, target, wanted, options).await? {
            Outcome::Recorded(subject) => return Ok(Some((subject, true))),
            Outcome::Already(subject) => return Ok(Some((subject, false))),
            Outcome::Unknown => return Ok(None),
            Outcome::Lost => {}
        }
    }
    Err(RunError::new(
        Class::Busy,
        format!("{MAX_TRIES} pushes to branch {} were lost to other runs", target.record_branch),
        "run it again; nothing was recorded there",
    )
    .into())
}

async fn decide(
    repository: &Repository,
    target: &Target,
    wanted: Wanted,
    options: &Decision,
) -> Result<Outcome, Failure> {
    let remote = &*repository.remote;
    let Some(tip) = remote.fetch_record(&target.record_branch).await? else {
        return Ok(Outcome::Unknown);
    };
    let snapshot = Snapshot::new(remote.objects(), Some(tip.clone()));
    let keys = snapshot.entities()?;
    let Some(key) = find(&keys, &options.rollout, target)? else {
        return direct(&snapshot, &keys, &options.rollout, wanted).map(|()| Outcome::Unknown);
    };
    let order = Order {
        wanted,
        by: settings::person(),
        at: now(),
        reason: options.reason.as_deref().map(hidden),
    };
    Ok(command(remote, target, &key, &tip, &order, &Rc::default()).await?)
}

/// The rollout that a name means.
fn find(keys: &[EntityKey], wanted: &str, target: &Target) -> Result<Option<EntityKey>, Failure> {
    let rollouts = keys.iter().filter(|key| key.kind == EntityKind::Rollout);
    let matching: Vec<&EntityKey> = match wanted.split_once('/') {
        Some((namespace, name)) => {
            rollouts.filter(|key| key.namespace == namespace && key.name == name).collect()
        }
        None => rollouts.filter(|key| key.name == wanted).collect(),
    };
    match matching.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).clone())),
        several => {
            let names: Vec<String> =
                several.iter().map(|k| format!("{}/{}", k.namespace, k.name)).collect();
            Err(Failure::usage(
                format!(
                    "\"{wanted}\" is ambiguous on target {}: {}",
                    target.name,
                    names.join(", ")
                ),
                "name it as NAMESPACE/NAME",
            ))
        }
    }
}

/// Refuses a decision about what no rollout drives.
fn direct<O: Objects>(
    snapshot: &Snapshot<'_, O>,
    keys: &[EntityKey],
    name: &str,
    wanted: Wanted,
) -> Result<(), Failure> {
    for key in keys.iter().filter(|key| key.kind == EntityKind::Application) {
        let full = format!("{}/{}", key.namespace, key.name);
        let there = snapshot.entity(key)?.is_some_and(|entity| !entity.removed);
        if there && (full == name || key.name == name) {
            return Err(Failure::usage(
                format!("{full} is applied directly, in one step: there is nothing to {wanted}"),
                "change the plan: every change of it is applied, after a failure too",
            ));
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a decision's instant is for people only")]
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}
