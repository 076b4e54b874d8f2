//! A plan's rollouts and the routes and Services that they drive: each is handed
//! to the rollout that names it, and what cannot be done with it is refused
//! before anything is published.

use super::joining::{join, lanes, shared};
use super::{Bodies, Held, RevisionBodies, ratio, spread};
use crate::core::digest::Digest;
use crate::core::model::{
    Application, Limits, Notice, PlainObject, Plan, Rollout, RouteProvider, TargetRevision,
    TrafficRoute,
};
use crate::core::object::ObjectRef;
use crate::core::render::{ApplicationKey, Library, Rendered, RouteType, route_kind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Hands the routes of a plan to its rollouts, and says all that is wrong
/// with them. A route that is a document of its own leaves the plan's plain
/// objects: an object has one owner. `namespace` is that of documents which
/// name none.
pub fn claim(
    plan: &mut Plan,
    rendered: &BTreeMap<ApplicationKey, &Rendered>,
    library: &Library,
    namespace: &str,
) -> Vec<String> {
    let mut claimed: BTreeMap<ObjectRef, String> = BTreeMap::new();
    let mut errors = lanes(plan, library, &mut claimed, namespace);
    errors.extend(together(plan, namespace));
    errors.extend(ratio::clashes(plan, namespace));
    for rollout in &mut plan.rollouts {
        let own = rollout.namespace.clone().unwrap_or_else(|| namespace.to_owned());
        let place = rollout.place.to_string();
        let application = rollout.application().to_owned();
        let key = ApplicationKey { namespace: own.clone(), name: application };
        if !rollout.moves_requests() {
            continue;
        }
        let mut wrong = None;
        if let Some(joined) = rollout.canary.as_mut().and_then(|canary| canary.lane.as_mut()) {
            let renders = rendered.get(&key).copied();
            wrong = join(joined, &plan.lanes, (&own, namespace), renders).err();
            let others = beside(&plan.objects, rendered, &key, namespace);
            let component = rollout.component.as_deref();
            let shares = renders.and_then(|own| shared(own, component, &others).err());
            wrong = wrong.or(shares);
        }
        let own_rendered = rendered.get(&key).copied();
        for route in rollout.canary.iter_mut().flat_map(|canary| &mut canary.traffic.routes) {
            match template(route, library, &plan.project.limits) {
                Ok(()) => version(route, &own, (&plan.objects, namespace), own_rendered),
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        for driven in rollout.unclaimed(&own) {
            if wrong.is_some() {
                break;
            }
            let object = driven.object;
            if let Some(first) = claimed.insert(object.clone(), place.clone()) {
                wrong = Some(match first == place {
                    true => format!("it names {object} twice: once is enough"),
                    false => format!("{object} is driven already by the rollout at {first}"),
                });
                break;
            }
            let at = plan.objects.iter().position(|plain| is(&plain.body, &object, namespace));
            if let Some(at) = at {
                let plain = plan.objects.remove(at);
                let mut body = Arc::unwrap_or_clone(plain.body);
                body["metadata"]["namespace"] = json!(own);
                *driven.document = Some(body);
                *driven.file = Some(plain.place.file);
            } else if let Some(why) = missing(&object, &key, rendered) {
                wrong = Some(why);
                break;
            }
        }
        if let Some(why) = wrong {
            errors.push(format!("{place}: {why}"));
            continue;
        }
        let application = plan.applications.iter().find(|a| {
            a.name == key.name && a.namespace.as_deref().unwrap_or(namespace) == key.namespace
        });
        let Some((application, rendered)) = application.zip(rendered.get(&key)) else { continue };
        let Some(target) = newest(rollout, application, rendered) else { continue };
        let total = rollout.plan.target_size.unwrap_or(target.replicas);
        if let Some(why) = unfit(rollout, target, total) {
            errors.push(format!("{place}: {why}"));
        } else if let Some(canary) = rollout.canary.as_ref().filter(|_| rollout.spreads()) {
            plan.notices.extend(spread::notices(canary, total));
        } else if let Some(message) = rollout.blue_green.as_ref().and_then(|b| b.told(total)) {
            plan.notices.push(Notice { place: rollout.place.clone(), message });
        }
    }
    errors
}

/// Gives rollouts that name no component those that their application says to
/// roll together, and refuses what several cannot go through.
fn together(plan: &mut Plan, namespace: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for rollout in &mut plan.rollouts {
        let own = rollout.namespace.as_deref().unwrap_or(namespace);
        let application = plan.applications.iter().find(|a| {
            a.name == rollout.application() && a.namespace.as_deref().unwrap_or(namespace) == own
        });
        let Some(application) = application else { continue };
        if let ([first, further @ ..], None) =
            (application.rolling_components.as_slice(), &rollout.component)
            && !further.is_empty()
        {
            rollout.component = Some(first.clone());
            rollout.with = further.to_vec();
        }
        let names: Vec<&str> = application.components.iter().map(|c| c.name.as_str()).collect();
        let mut all = rollout.component.iter().chain(&rollout.with);
        let unknown = all.find(|name| !names.contains(&name.as_str()));
        if let Some(unknown) = unknown
            && matches!(rollout.target, TargetRevision::Named(_))
        {
            // A revision of before may have had it: refused once that is read.
            let message = format!(
                "rollout {}: application {} has no component \"{unknown}\" by now; it has {}",
                rollout.name,
                application.name,
                names.join(", ")
            );
            plan.notices.push(Notice { place: rollout.place.clone(), message });
        }
        if rollout.with.is_empty() {
            continue;
        }
        let several = "several components at once go through batches only";
        if let Some(unknown) = unknown {
            if matches!(rollout.target, TargetRevision::Latest { .. }) {
                errors.push(format!(
                    "{}: application {} has no component \"{unknown}\"; it has {}",
                    rollout.place,
                    application.name,
                    names.join(", ")
                ));
            }
        } else if rollout.canary.is_some() || rollout.blue_green.is_some() {
            errors.push(format!(
                "{}: {several}: take `strategy` out, or name one component in `componentList`",
                rollout.place
            ));
        } else if rollout.plan.target_size.is_some() {
            errors.push(format!(
                "{}: {several}, each at its own size: take `targetSize` out, or name one component \
                 in `componentList`",
                rollout.place
            ));
        }
    }
    errors
}

/// What the plan has in a namespace beside an application: documents, and
/// workloads of other applications.
fn beside(
    documents: &[PlainObject],
    rendered: &BTreeMap<ApplicationKey, &Rendered>,
    key: &ApplicationKey,
    namespace: &str,
) -> Vec<(ObjectRef, Arc<Value>)> {
    let documents = documents.iter().map(|document| &document.body);
    let others = rendered.iter().filter(|(other, _)| *other != key);
    let workloads = others.flat_map(|(_, other)| &other.components).map(|part| &part.workload);
    let placed = documents.chain(workloads).filter_map(|body| {
        let mut object = ObjectRef::of(body)?;
        object.namespace.get_or_insert_with(|| namespace.to_owned());
        Some((object, Arc::clone(body)))
    });
    placed.filter(|(object, _)| object.namespace.as_deref() == Some(&key.namespace)).collect()
}

/// Hands a route of a kind that nothing here knows the template that does.
pub(super) fn template(
    route: &mut TrafficRoute,
    library: &Library,
    limits: &Limits,
) -> Result<(), String> {
    let RouteProvider::Custom(custom) = &mut route.provider else { return Ok(()) };
    let Some(found) = RouteType::of(library, &custom.kind, limits) else {
        return Err(format!(
            "no template of this plan writes {kind}: add a file under templates/ with `kind: \
             RouteType` and `appliesTo: [{kind}]`, see docs/templates.md",
            kind = route_kind(&custom.kind)
        ));
    };
    custom.template = Some(Arc::new(found));
    Ok(())
}

/// Gives a route whose kind is served in several versions that of its document,
/// or of what the application renders.
pub(super) fn version(
    route: &mut TrafficRoute,
    own: &str,
    (documents, namespace): (&[PlainObject], &str),
    rendered: Option<&Rendered>,
) {
    for version in route.provider.versions() {
        let other =
            TrafficRoute { provider: route.provider.clone().of_version(version), ..route.clone() };
        let object = other.object(own);
        let extras = rendered.into_iter().flat_map(|rendered| &rendered.components);
        let mut extras = extras.flat_map(|component| &component.extras);
        if documents.iter().any(|plain| is(&plain.body, &object, namespace))
            || extras.any(|body| is(body, &object, ""))
        {
            *route = other;
            return;
        }
    }
}

/// Whether a document is an object.
pub(super) fn is(body: &Value, object: &ObjectRef, namespace: &str) -> bool {
    ObjectRef::of(body).is_some_and(|mut found| {
        found.namespace.get_or_insert_with(|| namespace.to_owned());
        found == *object
    })
}

/// Why a route that is no document cannot be driven, unless the rollout's own
/// application renders it.
fn missing(
    object: &ObjectRef,
    key: &ApplicationKey,
    rendered: &BTreeMap<ApplicationKey, &Rendered>,
) -> Option<String> {
    let renders = |rendered: &Rendered| {
        rendered.components.iter().flat_map(|c| &c.extras).any(|body| is(body, object, ""))
    };
    if rendered.get(key).is_none_or(|own| renders(own)) {
        // Without the application the revision tells, once it is read.
        return None;
    }
    let other = rendered.iter().find(|(_, other)| renders(other));
    Some(match other {
        Some((other, _)) => format!(
            "{object} belongs to application {}, but the rollout is of {}",
            other.name, key.name
        ),
        None => format!(
            "{object} is not in this plan; what stands only on the cluster cannot be driven yet: \
             add its document"
        ),
    })
}

/// What the rollouts of a plan leave under its one name although their pods
/// refer to it.
pub fn staying(
    plan: &Plan,
    applications: &BTreeMap<ApplicationKey, (&Rendered, &Held)>,
    namespace: &str,
) -> Vec<Notice> {
    let of = |rollout: &Rollout| {
        let own = rollout.namespace.as_deref().unwrap_or(namespace);
        let name = rollout.application();
        let key = ApplicationKey { namespace: own.to_owned(), name: name.to_owned() };
        let (rendered, held) = applications.get(&key)?;
        let application = plan
            .applications
            .iter()
            .find(|a| a.name == name && a.namespace.as_deref().unwrap_or(namespace) == own)?;
        let bodies = newest(rollout, application, rendered)?;
        Some(bodies.staying(rendered, held, &rollout.place))
    };
    plan.rollouts.iter().filter_map(of).flatten().collect()
}

/// The newest rendering of what is rolled. Which component is meant, and
/// whether it can be rolled at all, is told by the decision about the revision
/// itself.
pub(super) fn newest(
    rollout: &Rollout,
    application: &Application,
    rendered: &Rendered,
) -> Option<RevisionBodies> {
    let rolling = application.rolling_components.first().map(String::as_str);
    let rolling = rolling.filter(|_| rendered.components.len() > 1);
    let component = rollout.component.as_deref().or(rolling);
    let name = format!("{}-v1", application.name);
    let digest = Digest::of_bytes(name.as_bytes());
    let driven = (component, rollout.naming);
    RevisionBodies::of(rendered, driven, &name, 1, &digest).ok()?.with(rendered, &rollout.with).ok()
}

/// What keeps it from being rolled out so.
fn unfit(rollout: &Rollout, target: RevisionBodies, total: u32) -> Option<String> {
    let bodies = Bodies { source: None, target: Arc::new(target) };
    if let Err(error) = bodies.routed(rollout) {
        return Some(error.to_string());
    }
    let canary = rollout.canary.as_ref()?;
    let pods = match rollout.spreads() {
        true => spread::sides(canary, total).err(),
        false => canary.pods(total).err(),
    };
    pods.map(|error| error.to_string())
}
