//! The Routes of a plan: which instance of an application each client reaches.
//! Owns what of the rendered plan they see, and when an instance that left the
//! plan may go; what a Route is on the cluster is decided elsewhere.

use super::observe::Record;
use super::planned::{Loaded, RenderedApplication};
use super::{Engine, Reading, RunError};
use crate::core::decide::{Act, DirectContent};
use crate::core::model::{HostRoute, Plan};
use crate::core::object::{ObjectRef, at};
use crate::core::record::names;
use crate::core::render::ApplicationKey;
use crate::core::strategy::{Edges, EntityKey, EntityKind, LABEL_APPLICATION, StepKind, edges};
use crate::core::traffic::backends;
use crate::port::Ports;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What each Route of a plan is on the cluster, and what is wrong with them.
/// `namespace` is that of documents which name none.
pub(super) fn edges_of(
    plan: &Plan,
    applications: &BTreeMap<ApplicationKey, RenderedApplication>,
    namespace: &str,
) -> (BTreeMap<ApplicationKey, Edges>, Vec<String>) {
    let (mut all, mut errors) = (BTreeMap::new(), Vec::new());
    for route in &plan.routes {
        let own = route.namespace.as_deref().unwrap_or(namespace);
        let here = || applications.iter().filter(|(key, _)| key.namespace == own);
        let service = |name: &str| {
            let rendered = here().flat_map(|(_, application)| application.bodies());
            let documents = plan.objects.iter().map(|document| &document.body);
            let is = |body: &&Arc<Value>| {
                ObjectRef::of(body).is_some_and(|object| {
                    let of = object.namespace.as_deref().unwrap_or(namespace);
                    (object.api_version.as_str(), object.kind.as_str()) == ("v1", "Service")
                        && (object.name.as_str(), of) == (name, own)
                })
            };
            rendered.chain(documents).find(is).map(Arc::as_ref)
        };
        let labelled = |client: &str| {
            let found = here().find(|(key, _)| key.name == client);
            let mut bodies = found.into_iter().flat_map(|(_, application)| application.bodies());
            bodies.any(|body| {
                let labels = at(body, "/spec/template/metadata/labels");
                labels.and_then(|all| all.get(LABEL_APPLICATION)?.as_str()) == Some(client)
            })
        };
        let unknown = route.clients.iter().filter(|client| !labelled(&client.name));
        let mut wrong: Vec<String> = unknown
            .map(|client| {
                format!(
                    "client {}: none of its pods has the label {LABEL_APPLICATION}: {}, by which \
                 requests are told apart",
                    client.name, client.name
                )
            })
            .collect();
        match edges(route, own, &service) {
            Ok(edges) => {
                let key = ApplicationKey { namespace: own.to_owned(), name: route.name.clone() };
                all.insert(key, edges);
            }
            Err(why) => wrong.extend(why),
        }
        errors.extend(
            wrong.iter().map(|why| format!("{}: Route {}: {why}", route.place, route.name)),
        );
    }
    (all, errors)
}

impl<P: Ports> Engine<'_, P> {
    /// The entity of a Route.
    pub(super) fn route_key(&self, route: &HostRoute) -> EntityKey {
        EntityKey {
            kind: EntityKind::Route,
            namespace: route.namespace.clone().unwrap_or_else(|| self.target.namespace.clone()),
            name: route.name.clone(),
        }
    }

    /// What a plan says of a Route, as far as its objects are `wanted`; none if it
    /// does not have it.
    pub(super) fn route_content(
        loaded: &Loaded,
        key: &EntityKey,
        wanted: &dyn Fn(&ObjectRef) -> bool,
    ) -> Option<Rc<DirectContent>> {
        let of = ApplicationKey { namespace: key.namespace.clone(), name: key.name.clone() };
        let edges = loaded.routes.get(&of)?;
        let all = DirectContent::of_route(&key.name, edges, &loaded.plan.project.health);
        let objects = all.objects.iter().filter(|(object, _)| wanted(object)).cloned().collect();
        Some(Rc::new(all.part(objects)))
    }

    /// The Route that may still lead requests to what a step deletes of an
    /// application: one of its namespace that is not yet as the plan has it.
    pub(super) async fn leads_there(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        act: &Act,
    ) -> Result<Option<EntityKey>, RunError> {
        if key.kind != EntityKind::Application || act.step.kind != StepKind::Prune {
            return Ok(None);
        }
        let loaded = reading.loaded()?;
        let here = |of: &EntityKey| of.kind == EntityKind::Route && of.namespace == key.namespace;
        for of in loaded.plan.routes.iter().map(|route| self.route_key(route)).filter(here) {
            let Some(content) = Self::route_content(loaded, &of, &|_| true) else { continue };
            let settled = match snapshot.entity(&of)? {
                Some(record) => {
                    let stable = record.stable.as_ref();
                    record.open.is_none() && stable.is_some_and(|s| s.digest == *content.digest())
                }
                // On a record that was put together again there may be nothing of it.
                None => self.leads_as_planned(&content).await?,
            };
            if !settled {
                return Ok(Some(of));
            }
        }
        let nothing = names(std::iter::empty());
        for of in snapshot.entities()?.into_iter().filter(here) {
            let planned = loaded.plan.routes.iter().any(|route| self.route_key(route) == of);
            let Some(record) = snapshot.entity(&of)?.filter(|_| !planned) else { continue };
            if record.open.is_some() || record.owns.as_ref().is_some_and(|owns| *owns != nothing) {
                return Ok(Some(of));
            }
        }
        Ok(None)
    }

    /// Whether every object of a Route is there and sends where the plan says.
    async fn leads_as_planned(&self, content: &DirectContent) -> Result<bool, RunError> {
        for (object, body) in &content.objects {
            let live = self.read_by_name(object).await?;
            let routes = object.kind == "VirtualService";
            if live.is_none_or(|live| routes && backends(&live) != backends(body)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
