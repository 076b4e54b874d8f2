//! Pruning: what was applied as it stands, and the plan leaves out. Owns what may
//! be deleted for that and what stays; it must never choose an object whose
//! inventory, label, owner and uid do not agree.

use super::leaving::held;
use super::removal::Removal;
use super::{Act, Decision, Entry, Idle, Refusal, is_leaving};
use crate::core::object::{ObjectRef, at};
use crate::core::record::{EntityRecord, OpenStep, Owned};
use crate::core::strategy::{
    EntityKey, LABEL_MANAGED_BY, MANAGED_BY, Rank, StepKind, entity_of, epoch_of,
};
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

/// On a live object: `allow` lets it be pruned whatever its kind, `never` keeps
/// it.
pub const ANNOTATION_PRUNE: &str = "tranche.dev/prune";

/// Kinds with which goes what no plan brings back.
const PRECIOUS: [(&str, &str); 4] = [
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

/// Objects that a refusal names.
const MOST_NAMED: usize = 3;

/// What is looked at to prune an entity at which nothing else is due.
#[derive(Clone, Debug)]
pub struct PruneView<'a> {
    /// The entity.
    pub key: &'a EntityKey,
    /// The project's id.
    pub project: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// Its record, as it is once the plan is applied.
    pub record: &'a EntityRecord,
    /// How many objects its inventory has.
    pub owned: usize,
    /// Those of its inventory that nobody in the plan has any more, and that
    /// exist: complete.
    pub left_out: &'a [(Owned, Arc<Value>)],
    /// Those that another entity of the plan has taken over.
    pub handed: &'a [ObjectRef],
    /// The plan commit in force.
    pub plan_commit: &'a str,
    /// A person has said that most of an inventory may go.
    pub allowed: bool,
}

/// What comes of it.
#[derive(Clone, Debug, Default)]
pub struct Pruning {
    /// The step that deletes, if anything may be deleted.
    pub act: Option<Box<Act>>,
    /// Why it must not begin.
    pub refusal: Option<Refusal>,
    /// What is being deleted already, and what holds it.
    pub held: Vec<String>,
}

impl Pruning {
    /// As a decision; none if there is nothing to do.
    #[must_use]
    pub fn decision(self) -> Option<Decision> {
        match (self.refusal, self.act) {
            (Some(refusal), _) => Some(Decision::Refuse(refusal)),
            (None, Some(act)) => Some(Decision::Act(act)),
            (None, None) if self.held.is_empty() => None,
            (None, None) => Some(Decision::Idle(Idle::Waiting { reason: self.held.join("; ") })),
        }
    }
}

/// The step that deletes what the plan leaves out.
#[must_use]
pub fn decide_prune(view: &PruneView<'_>) -> Pruning {
    let (mut gone, mut warnings, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    for (owned, live) in view.left_out {
        if is_leaving(live) {
            leaving.extend(held(&owned.object, live));
            continue;
        }
        match keeps(view.key, owned, live) {
            None => gone.push((owned.object.clone(), owned.uid.clone())),
            Some(why) => warnings.push(format!("{} stays: {why}", owned.object)),
        }
    }
    let refusal = (!view.allowed && gone.len() * 2 > view.owned).then(|| too_many(view, &gone));
    sort(&mut gone);
    let of = (view.project, view.target);
    let Some(step) = removal(of, view.key, view.record).step(gone) else {
        return Pruning { held: leaving, ..Pruning::default() };
    };
    let step_plan = view.plan_commit.to_owned();
    let mut act = Act::bare(Entry::Fresh, step, view.record.clone(), step_plan);
    act.warnings = warnings;
    act.handed = view.handed.to_vec();
    Pruning { act: Some(Box::new(act)), refusal, held: leaving }
}

/// Why an object stays, if it does.
fn keeps(key: &EntityKey, owned: &Owned, live: &Value) -> Option<&'static str> {
    let text = |path: &str| at(live, path).and_then(Value::as_str);
    let of = |map: &str, key: &str| at(live, map)?.get(key)?.as_str();
    let word = of("/metadata/annotations", ANNOTATION_PRUNE);
    let kind = owned.object.kind_ref();
    if text("/metadata/uid") != Some(&owned.uid) {
        return Some("it is not the one that was applied, somebody has created it anew");
    }
    if of("/metadata/labels", LABEL_MANAGED_BY) != Some(MANAGED_BY) || epoch_of(live).is_none() {
        return Some("somebody has taken our label or our marks off it");
    }
    if entity_of(live).as_ref() != Some(key) {
        return Some("it has another owner by now");
    }
    if word == Some("never") {
        return Some("its annotation `tranche.dev/prune: never` says so");
    }
    if PRECIOUS.contains(&(kind.group(), kind.kind.as_str())) && word != Some("allow") {
        return Some(
            "its kind takes with it what no plan brings back; `kubectl annotate` it with \
             `tranche.dev/prune=allow`, or delete it by hand",
        );
    }
    None
}

fn too_many(view: &PruneView<'_>, gone: &[(ObjectRef, String)]) -> Refusal {
    let mut named: Vec<String> =
        gone.iter().take(MOST_NAMED).map(|(object, _)| object.to_string()).collect();
    if gone.len() > MOST_NAMED {
        named.push(format!("{} more", gone.len() - MOST_NAMED));
    }
    let what = match gone.len() == view.owned {
        true => "renders none of the".to_owned(),
        false => format!("leaves out {} of the", gone.len()),
    };
    Refusal::safety(
        format!(
            "{}: the plan {what} {} objects that were applied ({}), and more than half of them are \
             not deleted just so",
            view.key,
            view.owned,
            named.join(", ")
        ),
        "put the documents back into the plan; or, if they are to go, `tranche plan --allow-prune` \
         to see it and `tranche apply --allow-prune` to do it",
    )
}

/// An open pruning whose run is gone, or that waits. It is not gone on with: the
/// newest plan may have an object back.
pub(super) fn reopened(
    of: (&str, &str),
    key: &EntityKey,
    record: &EntityRecord,
    open: &OpenStep,
    entry: Entry,
) -> Decision {
    let removal = removal(of, key, record);
    removal.reopened(open, entry, sort).unwrap_or_else(Decision::Refuse)
}

fn removal<'a>(
    (project, target): (&'a str, &'a str),
    key: &'a EntityKey,
    record: &'a EntityRecord,
) -> Removal<'a> {
    Removal { project, target, key, record, kind: StepKind::Prune, round: 0 }
}

/// The opposite of the order in which objects are written.
fn sort(gone: &mut [(ObjectRef, String)]) {
    gone.sort();
    gone.sort_by_cached_key(|(object, _)| Reverse(Rank::of(&object.kind_ref())));
}
