//! What a PodDisruptionBudget allows. Owns how pods are counted for one, as the
//! disruption controller does it; there is no such controller here that counts
//! beforehand, so it is counted when it is asked, and never stored.

use crate::core::object::{KindRef, ObjectRef, at};
use crate::sandbox::controllers;
use crate::sandbox::fields::{int, text};
use crate::sandbox::selector::Selector;
use crate::sandbox::status::Refusal;
use crate::sandbox::world::World;
use serde_json::Value;
use std::collections::BTreeMap;

/// How a budget stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Of the pods that there should be so many have to be healthy, and so many
    /// are.
    Counted { expected: i64, needed: i64, healthy: i64 },
    /// Nobody can say how many there should be, so none may go.
    Uncounted(String),
}

impl Standing {
    /// Whether a pod that is not ready may go: only where enough others are.
    pub(super) fn spares_unready(&self) -> bool {
        matches!(self, Self::Counted { needed, healthy, .. } if *needed > 0 && healthy >= needed)
    }

    /// Why a pod may not go, if it may not.
    pub(super) fn refusal(&self, budget: &str) -> Option<String> {
        match self {
            Self::Counted { expected, needed, healthy } if *expected > 0 && healthy > needed => {
                None
            }
            Self::Counted { needed, healthy, .. } if healthy <= needed => Some(format!(
                "The disruption budget {budget} needs {needed} healthy pods and has {healthy} \
                 currently"
            )),
            Self::Counted { .. } => Some(format!(
                "The disruption budget {budget} does not allow evicting pods currently"
            )),
            Self::Uncounted(why) => Some(format!(
                "The disruption budget {budget} does not allow evicting pods currently because it \
                 failed sync: {why}"
            )),
        }
    }
}

/// Whether a budget is about a pod. Without a selector it is about none, with an
/// empty one about all.
pub(super) fn is_about(budget: &Value, pod: &Value) -> bool {
    at(budget, "/spec/selector").and_then(Selector::of).is_some_and(|wanted| wanted.matches(pod))
}

/// How a budget stands now.
pub(super) fn standing(world: &World, budget: &Value) -> Result<Standing, Refusal> {
    let kind = KindRef::new("v1", "Pod");
    let namespace = text(budget, "/metadata/namespace");
    let pods = world.of_kind(&kind);
    let here = pods.filter(|(name, _)| name.namespace.as_deref() == Some(namespace));
    let pods: Vec<&Value> = here.map(|(_, pod)| pod).filter(|pod| is_about(budget, pod)).collect();
    let stays = |pod: &&&Value| text(pod, "/metadata/deletionTimestamp").is_empty();
    let healthy = pods.iter().filter(stays).filter(|pod| controllers::is_ready(pod)).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let (at_least, at_most) =
        (at(budget, "/spec/minAvailable"), at(budget, "/spec/maxUnavailable"));
    // A number of pods alone is compared with those that there are; everything
    // else is a share of those that their owners want.
    if let (Some(needed), None) = (at_least.and_then(Value::as_i64), at_most) {
        let expected = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        return Ok(Standing::Counted { expected, needed, healthy });
    }
    let Some(amount) = at_most.or(at_least) else {
        return Ok(Standing::Counted { expected: 0, needed: 0, healthy });
    };
    let expected = match wanted(world, &pods)? {
        Ok(expected) => expected,
        Err(why) => return Ok(Standing::Uncounted(why)),
    };
    let Some(share) = share(amount, expected) else {
        let why = format!("invalid value for IntOrString: {amount}");
        return Ok(Standing::Uncounted(why));
    };
    let needed = if at_most.is_some() { (expected - share).max(0) } else { share };
    Ok(Standing::Counted { expected, needed, healthy })
}

/// A number, or a percentage of `whole`, rounded up.
fn share(amount: &Value, whole: i64) -> Option<i64> {
    if let Some(number) = amount.as_i64() {
        return Some(number);
    }
    let percent: i64 = amount.as_str()?.strip_suffix('%')?.parse().ok()?;
    Some((percent.checked_mul(whole)?.checked_add(99)?).div_euclid(100))
}

/// How many pods the owners of these want; pods of nobody are not counted.
fn wanted(world: &World, pods: &[&Value]) -> Result<Result<i64, String>, Refusal> {
    let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
    for pod in pods {
        let Some((owner, uid)) = controller(pod) else { continue };
        match scale(world, &owner, &uid)? {
            Scale::Of(uid, size) => {
                sizes.insert(uid, size);
            }
            Scale::Gone => {
                let name = text(pod, "/metadata/name");
                return Ok(Err(format!("found no controllers for pod {name:?}")));
            }
            Scale::None(resource) => {
                return Ok(Err(format!("{resource} does not implement the scale subresource")));
            }
        }
    }
    Ok(Ok(sizes.values().sum()))
}

/// The size of a pod's owner.
enum Scale {
    /// That of the object with this uid.
    Of(String, i64),
    /// Such an object there is not.
    Gone,
    /// Its kind has no size; the resource.
    None(&'static str),
}

fn scale(world: &World, owner: &ObjectRef, uid: &str) -> Result<Scale, Refusal> {
    let live = |name: &ObjectRef, uid: &str| {
        world.get(name).filter(|live| text(live, "/metadata/uid") == uid)
    };
    let of = |live: &Value| {
        Scale::Of(text(live, "/metadata/uid").to_owned(), int(live, "/spec/replicas", 1))
    };
    let kind = owner.kind_ref();
    match (kind.group(), owner.kind.as_str()) {
        ("apps", "DaemonSet") => Ok(Scale::None("daemonsets.apps")),
        ("batch", "Job") => Ok(Scale::None("jobs.batch")),
        ("apps", "ReplicaSet") => {
            Ok(live(owner, uid).map_or(Scale::Gone, |set| {
                match controller(set).filter(|(above, _)| above.kind == "Deployment") {
                    None => of(set),
                    Some((above, uid)) => live(&above, &uid).map_or(Scale::Gone, of),
                }
            }))
        }
        ("apps", "StatefulSet") | ("apps.kruise.io", "CloneSet") => {
            Ok(live(owner, uid).map_or(Scale::Gone, of))
        }
        _ => Err(Refusal::not_modelled(&format!("budgets over the pods of a {}", owner.kind))),
    }
}

/// The one owner that controls an object, and its uid.
fn controller(object: &Value) -> Option<(ObjectRef, String)> {
    let references = at(object, "/metadata/ownerReferences")?.as_array()?;
    let one = references.iter().find(|reference| reference["controller"] == true)?;
    let kind = KindRef::new(text(one, "/apiVersion"), text(one, "/kind"));
    let namespace = at(object, "/metadata/namespace").and_then(Value::as_str);
    let name = ObjectRef::new(&kind, namespace, text(one, "/name"));
    Some((name, text(one, "/uid").to_owned()))
}
