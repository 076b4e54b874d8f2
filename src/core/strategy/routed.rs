//! What a rollout needs beside the rendered objects to move traffic: the
//! route, and a Service for the pods of each revision alone.

use super::bodies::LABEL_REVISION;
use super::joining::is_service;
use super::trial::LABEL_TEMPLATE;
use super::workload::{Shape, set};
use super::written::written;
use super::{Berth, Bodies, RevisionBodies, ServiceError};
use crate::core::model::{
    Canary, CanaryStep, Joined, Naming, Place, PodPatch, Rollout, RouteProvider, Traffic,
    TrafficRoute,
};
use crate::core::object::{ObjectRef, at};
use crate::core::traffic::{
    self, Apart, HeaderChange, Label, LabelError, Split, TwinError, Weight, fitting_service,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// How traffic reaches one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Routed {
    /// The routes.
    pub routes: Vec<ObjectRef>,
    /// Who acts on each of them.
    pub providers: Vec<RouteProvider>,
    /// Routes that are there only while traffic is shared.
    pub made: Vec<ObjectRef>,
    /// The user's Service, which the rendered route points at.
    pub service: ObjectRef,
    /// The revision's own Service, while the route is shared.
    pub twin: ObjectRef,
    /// The user's Service by its name alone.
    pub name: Label,
    /// The revision's number.
    pub number: u64,
}

impl Routed {
    /// How traffic is shared with the revision of number `source`, by weight
    /// alone.
    pub(super) fn split(&self, source: u64, weight: Option<Weight>) -> Split {
        Split {
            service: self.name,
            source,
            target: self.number,
            weight,
            matches: Vec::new(),
            headers: HeaderChange::default(),
            mixed: false,
            alike: false,
            apart: false,
        }
    }
}

/// A rollout whose traffic cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The workload is updated in place.
    #[error("{workload} is updated in place: a canary needs a workload for each revision")]
    InPlace {
        /// The workload.
        workload: String,
    },
    /// A revision without the route.
    #[error("revision {revision} does not render {route}, and no document of the plan is it")]
    NoRoute {
        /// The revision.
        revision: String,
        /// The route.
        route: String,
    },
    /// A route that cannot be shared.
    #[error("{route} {why}")]
    Unfit {
        /// The route.
        route: String,
        /// Why not.
        why: String,
    },
    /// The revisions are reached by different Services.
    #[error(
        "{route} reaches {source_revision} by Service {left}, but {target_revision} by {right}"
    )]
    Services {
        /// The route.
        route: String,
        /// The revision that is left.
        source_revision: String,
        /// Its Service.
        left: String,
        /// The revision that is reached.
        target_revision: String,
        /// Its Service.
        right: String,
    },
    /// Two routes that reach the component by different Services.
    #[error("{left} reaches the component by {first}, but {right} by {second}; one is supported")]
    Routes {
        /// A route.
        left: String,
        /// Its Service.
        first: String,
        /// Another route.
        right: String,
        /// Its Service.
        second: String,
    },
    /// Another Service than the plan says.
    #[error("{route} reaches the component by Service {found}, but the plan says {named}")]
    Service {
        /// The route.
        route: String,
        /// The Service that it reaches the component by.
        found: String,
        /// The Service that the plan says.
        named: String,
    },
    /// A step that a provider has no words for.
    #[error("{place}: {route} {why}")]
    Inexpressible {
        /// Where the step stands.
        place: Place,
        /// The route.
        route: String,
        /// What cannot be said.
        why: String,
    },
    /// No workload can be made to try a revision in.
    #[error(
        "{workload} has too long a name: {name}, in which a revision is tried, has more than \
             63 characters"
    )]
    TrialName {
        /// The user's workload.
        workload: String,
        /// The name that the other one would have.
        name: String,
    },
    /// No Service of one revision can be made.
    #[error(transparent)]
    Twin(#[from] TwinError),
    /// A Service whose name is none.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A Service that cannot be switched.
    #[error(transparent)]
    Switched(#[from] ServiceError),
    /// The plan has an object of the name already.
    #[error("revision {revision} renders {object}, a name that the rollout needs itself")]
    Taken {
        /// The revision.
        revision: String,
        /// The object.
        object: String,
    },
}

impl Bodies {
    /// Adds what the rollout drives beside the workloads, if it drives
    /// traffic.
    ///
    /// # Errors
    /// Fails where the route cannot be shared between these revisions.
    pub fn routed(mut self, rollout: &Rollout) -> Result<Self, RouteError> {
        if let Some(blue_green) = &rollout.blue_green {
            return self.switched(blue_green);
        }
        let Some(Canary { traffic, steps, patch, lane, .. }) = &rollout.canary else {
            return Ok(self);
        };
        if self.target.kind.shape == Shape::InPlace && rollout.naming == Naming::Kept {
            // Steps by pods alone are batches behind a partition.
            let moves =
                lane.is_some() || !traffic.routes.is_empty() || *patch != PodPatch::default();
            return if moves { paired(&self.target).map(|()| self) } else { Ok(self) };
        }
        paired(&self.target)?;
        if rollout.naming == Naming::Kept {
            if !traffic.routes.is_empty() || lane.is_some() {
                self.source.iter_mut().for_each(|source| Arc::make_mut(source).label_pods());
                Arc::make_mut(&mut self.target).label_pods();
            }
            Arc::make_mut(&mut self.target).add_trial(patch)?;
        }
        if let Some(lane) = lane {
            Arc::make_mut(&mut self.target).add_berth(lane)?;
        }
        if traffic.routes.is_empty() {
            return Ok(self);
        }
        attach(Arc::make_mut(&mut self.target), traffic)?;
        if let Some(source) = &mut self.source {
            attach(Arc::make_mut(source), traffic)?;
        }
        self.expressible(steps)?;
        if let Some(source) = &self.source
            && let (Some(left), Some(right)) = (&source.routed, &self.target.routed)
            && left.name != right.name
        {
            return Err(RouteError::Services {
                route: right.routes.first().map(ToString::to_string).unwrap_or_default(),
                source_revision: source.revision.clone(),
                left: left.name.to_string(),
                target_revision: self.target.revision.clone(),
                right: right.name.to_string(),
            });
        }
        Ok(self)
    }
}

impl Bodies {
    /// Whether every step can be written into every route.
    fn expressible(&self, steps: &[CanaryStep]) -> Result<(), RouteError> {
        let Some(routed) = &self.target.routed else { return Ok(()) };
        let source = self.source.as_deref().unwrap_or(&self.target);
        let apart = source.apart(&self.target);
        let sides = [Some(&self.target), self.source.as_ref()];
        for (provider, object) in routed.providers.iter().zip(&routed.routes) {
            let rendered =
                sides.iter().flatten().filter_map(|side| Some((side.bodies.get(object)?, side)));
            for (body, side) in rendered {
                let (left, nothing) =
                    (source.routed.as_ref().unwrap_or(routed).number, Some(Weight::NONE));
                let begins = provider.split(&routed.split(left, nothing));
                // What fails here fails whatever the step.
                if let Err(why) = written(provider, body, &begins, &apart, side.pods()) {
                    return Err(RouteError::Unfit { route: object.to_string(), why });
                }
                for step in steps {
                    let split = Split {
                        matches: step.matches.clone(),
                        headers: step.headers.clone(),
                        ..routed.split(left, Some(step.weight))
                    };
                    let split = provider.split(&split);
                    if let Err(why) = written(provider, body, &split, &apart, side.pods()) {
                        let (place, route) = (step.place.clone(), object.to_string());
                        return Err(RouteError::Inexpressible { place, route, why });
                    }
                }
            }
        }
        Ok(())
    }
}

impl RevisionBodies {
    /// The labels of its pods.
    pub(super) fn pods(&self) -> Option<&Value> {
        self.kind.pod_labels(self.bodies.get(&self.workload)?)
    }

    /// What tells its pods from those of the revision that is reached.
    pub(super) fn apart(&self, reached: &Self) -> Apart {
        let ((key, left), (_, reached)) = (self.pods_label(), reached.pods_label());
        Apart { key, left, reached }
    }
}

/// Whether a live object has the shape of a revision's own Service: it is named
/// after a revision, and selects the pods of that one alone. Whose it is, its
/// marks say.
#[must_use]
pub fn is_twin(live: &Value) -> bool {
    let Some(object) = ObjectRef::of(live) else { return false };
    let selector = at(live, "/spec/selector");
    let revision = selector.and_then(|selector| selector.get(LABEL_REVISION)?.as_str());
    let number = revision.and_then(|revision| revision.rsplit_once("-v")).map(|(_, number)| number);
    let named = object.name.strip_suffix("-traffic").and_then(|name| name.rsplit_once("-v"));
    let fits = match (named, number) {
        (Some((_, named)), Some(number)) => named == number,
        (Some(_), None) => selector.is_some_and(|s| s.get(LABEL_TEMPLATE).is_some()),
        (None, _) => false,
    };
    object.api_version == "v1" && object.kind == "Service" && fits
}

impl RevisionBodies {
    /// Adds the Services by which a lane reaches the pods of the trial.
    fn add_berth(&mut self, lane: &Joined) -> Result<(), RouteError> {
        if self.trial.is_none() {
            return Ok(());
        }
        let labels = self.pods();
        let (key, value) = self.pods_label();
        let number = revision_number(&self.revision);
        let mut berth = Berth::default();
        for service in self.rest.iter().filter(|object| is_service(object)) {
            let Some(body) = self.bodies.get(service) else { continue };
            if traffic::selects(body, labels) {
                berth.services.push(service.clone());
            }
        }
        for service in &berth.services {
            if !lane.hops.iter().any(|hop| hop.service == service.name) {
                continue;
            }
            let Some(body) = self.bodies.get(service) else { continue };
            let twin = traffic::twin(body, number, (key, &value))?;
            let taken = || RouteError::Taken {
                revision: self.revision.clone(),
                object: service.to_string(),
            };
            let object = ObjectRef::of(&twin).ok_or_else(taken)?;
            if self.bodies.contains_key(&object) {
                return Err(taken());
            }
            self.bodies.insert(object.clone(), Arc::new(twin));
            berth.own.push((service.name.clone(), object));
        }
        self.berth = Some(berth);
        Ok(())
    }
}

/// The number of a revision, `<application>-vN`.
pub(super) fn revision_number(revision: &str) -> u64 {
    revision.rsplit_once("-v").and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

fn paired(revision: &RevisionBodies) -> Result<(), RouteError> {
    if revision.kind.shape == Shape::Pair {
        return Ok(());
    }
    Err(RouteError::InPlace { workload: revision.workload.to_string() })
}

fn attach(revision: &mut RevisionBodies, traffic: &Traffic) -> Result<(), RouteError> {
    paired(revision)?;
    let mut routed: Option<Routed> = None;
    for route in &traffic.routes {
        let found = add(revision, route)?;
        match &mut routed {
            None => routed = Some(found),
            Some(first) if first.service != found.service => {
                return Err(RouteError::Routes {
                    left: first.routes.first().map(ToString::to_string).unwrap_or_default(),
                    first: first.service.to_string(),
                    right: found.routes.first().map(ToString::to_string).unwrap_or_default(),
                    second: found.service.to_string(),
                });
            }
            Some(first) => {
                first.routes.extend(found.routes);
                first.providers.extend(found.providers);
                first.made.extend(found.made);
            }
        }
    }
    revision.routed = routed;
    Ok(())
}

/// Adds one route, and what is made for it, to a revision's objects.
fn add(revision: &mut RevisionBodies, route: &TrafficRoute) -> Result<Routed, RouteError> {
    let namespace = revision.workload.namespace.clone().unwrap_or_default();
    let object = route.object(&namespace);
    let rendered = revision.bodies.get(&object);
    let Some(mut body) = route.document.clone().or_else(|| rendered.map(|body| Value::clone(body)))
    else {
        let revision = revision.revision.clone();
        return Err(RouteError::NoRoute { revision, route: object.to_string() });
    };
    set(&mut body, &["metadata", "namespace"], json!(namespace));
    let service = service_of(revision, &object, &body)?.clone();
    let name = at(&service, "/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if let Some(named) = route.service.as_ref().filter(|named| *named != name) {
        let (route, found, named) = (object.to_string(), name.to_owned(), named.clone());
        return Err(RouteError::Service { route, found, named });
    }
    let number = revision_number(&revision.revision);
    let (key, value) = revision.pods_label();
    let twin = traffic::twin(&service, number, (key, &value))?;
    let second = match route.provider {
        RouteProvider::Ingress(class) => Some(traffic::second(&body, class, name)),
        _ => None,
    };
    let taken = |object: &str| RouteError::Taken {
        revision: revision.revision.clone(),
        object: object.to_owned(),
    };
    let reference = |body: &Value| ObjectRef::of(body).ok_or_else(|| taken(name));
    let made = second.as_ref().map(reference).transpose()?;
    let routed = Routed {
        routes: vec![object.clone()],
        providers: vec![route.provider.clone()],
        made: made.iter().cloned().collect(),
        service: reference(&service)?,
        twin: reference(&twin)?,
        name: Label::new(name)?,
        number,
    };
    for own in routed.made.iter().chain([&routed.twin]) {
        let known = revision.bodies.get(own);
        if known.is_some_and(|known| **known != twin) {
            return Err(taken(&own.to_string()));
        }
    }
    revision.rest.retain(|known| *known != object);
    revision.bodies.insert(object, Arc::new(body));
    revision.bodies.insert(routed.twin.clone(), Arc::new(twin));
    if let Some((made, second)) = made.zip(second) {
        revision.bodies.insert(made, Arc::new(second));
    }
    Ok(routed)
}

/// The user's Service that a route reaches a revision by.
fn service_of<'r>(
    revision: &'r RevisionBodies,
    route: &ObjectRef,
    body: &Value,
) -> Result<&'r Value, RouteError> {
    let labels = revision.pods();
    let bodies: Vec<&Value> = revision
        .rest
        .iter()
        .filter_map(|object| revision.bodies.get(object))
        .map(AsRef::as_ref)
        .collect();
    let unfit = |why| RouteError::Unfit { route: route.to_string(), why };
    fitting_service(body, &bodies, labels).map_err(unfit)
}
