//! Autoscalers of a workload whose size a rollout sets. Owns when the two are at
//! odds and what to say of it. A pair is called otherwise than the autoscaler
//! knows, one object a revision; any other workload would be scaled by one and
//! set back by the other.

use super::RevisionBodies;
use super::claim::newest;
use super::workload::Shape;
use crate::core::model::{Naming, Notice, Plan};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::render::{ApplicationKey, Rendered};
use serde_json::Value;
use std::collections::BTreeMap;

/// What to do about an autoscaler that is in the way.
pub const AUTOSCALED_NEXT: &str = "take the autoscaler out of the plan and say the size with the \
    trait `scaler` or with `targetSize`; or leave the component to no rollout, or a Deployment to \
    the trait `kruise-rollout`, which keeps its name and leaves its size alone where the plan says \
    none";

/// What a horizontal autoscaler scales: kind and name.
fn scaled(body: &Value) -> Option<(KindRef, &str)> {
    let object = ObjectRef::of(body)?;
    let kind = object.kind_ref();
    if (kind.group(), kind.kind.as_str()) != ("autoscaling", "HorizontalPodAutoscaler") {
        return None;
    }
    let text = |field: &str| at(body, field).and_then(Value::as_str);
    let version = text("/spec/scaleTargetRef/apiVersion").unwrap_or_default();
    let kind = KindRef::new(version, text("/spec/scaleTargetRef/kind")?);
    Some((kind, text("/spec/scaleTargetRef/name")?))
}

/// Why a revision cannot be rolled out, if its component brings an autoscaler of
/// the very workload whose size the rollout sets.
#[must_use]
pub fn autoscaled(revision: &RevisionBodies) -> Option<String> {
    revision.rolled().find_map(|one| autoscaled_in(revision, one))
}

/// The same of one component that is rolled.
fn autoscaled_in(revision: &RevisionBodies, one: &RevisionBodies) -> Option<String> {
    let others = revision.rest.iter().filter_map(|object| revision.bodies.get(object));
    let of_component = |body: &Value| {
        let labels = at(body, "/metadata/labels");
        let label = labels.and_then(|all| all.get("app.oam.dev/component")?.as_str());
        label == Some(&one.component)
    };
    let elsewhere = |name: &str, kind: &KindRef| {
        revision.rest.iter().any(|object| object.name == name && object.kind_ref() == *kind)
    };
    let meant = others.filter(|body| of_component(body)).find(|body| {
        scaled(body).is_some_and(|(kind, name)| {
            is_kind(&kind, one) && !elsewhere(name, &one.workload.kind_ref())
        })
    });
    meant.and_then(|body| told(one, body))
}

fn is_kind(kind: &KindRef, revision: &RevisionBodies) -> bool {
    let own = revision.workload.kind_ref();
    kind.kind == own.kind && kind.group() == own.group()
}

/// The words, if the rollout sets the size.
fn told(revision: &RevisionBodies, autoscaler: &Value) -> Option<String> {
    let pair = revision.kind.shape == Shape::Pair;
    if pair && revision.naming == Naming::Kept {
        return None;
    }
    let (kind, name) = scaled(autoscaler)?;
    let autoscaler = ObjectRef::of(autoscaler)?;
    let kind = kind.kind;
    Some(match pair {
        true => format!(
            "{autoscaler} scales {kind} {name}, but a rollout has one {kind} for each revision, \
             {} here, and sets its size",
            revision.workload.name
        ),
        false => {
            format!("{autoscaler} scales {kind} {name}, but the rollout sets its size")
        }
    })
}

/// What a person should know of the autoscalers that a plan has of workloads
/// whose size its rollouts set, documents of their own among them.
#[must_use]
pub fn autoscalers(
    plan: &Plan,
    rendered: &BTreeMap<ApplicationKey, &Rendered>,
    namespace: &str,
) -> Vec<Notice> {
    let mut notices = Vec::new();
    for rollout in &plan.rollouts {
        let own = rollout.namespace.as_deref().unwrap_or(namespace);
        let name = rollout.application().to_owned();
        let key = ApplicationKey { namespace: own.to_owned(), name };
        let application = plan.applications.iter().find(|a| {
            a.name == key.name && a.namespace.as_deref().unwrap_or(namespace) == key.namespace
        });
        let Some((application, rendered)) = application.zip(rendered.get(&key)) else { continue };
        let Some(target) = newest(rollout, application, rendered) else { continue };
        let target = &target;
        let documents = plan.objects.iter().filter_map(|plain| {
            let place = ObjectRef::of(&plain.body)?.namespace;
            let (kind, name) = scaled(&plain.body)?;
            let known = [target.component.as_str(), target.workload.name.as_str()].contains(&name);
            let meant = known && is_kind(&kind, target);
            let here = place.as_deref().unwrap_or(namespace) == own;
            (meant && here).then(|| told(target, &plain.body)).flatten()
        });
        for why in autoscaled(target).into_iter().chain(documents) {
            let message = format!("{why}: {AUTOSCALED_NEXT}");
            notices.push(Notice { place: rollout.place.clone(), message });
        }
    }
    notices
}
