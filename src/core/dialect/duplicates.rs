//! Two documents for one thing.

use super::document::{Collected, group};
use crate::core::model::{InputError, Place, Target};
use crate::core::object::ObjectRef;
use std::collections::{BTreeMap, BTreeSet};

/// One error for every second document. A missing namespace means the
/// target's, so what collides may depend on the target.
pub(super) fn find(collected: &Collected, targets: &[Target]) -> Vec<InputError> {
    let mut errors = Vec::new();
    let namespaces: BTreeSet<&str> = targets.iter().map(|t| t.namespace.as_str()).collect();
    for namespace in namespaces {
        let mut seen = Seen { namespace, first: BTreeMap::new(), errors: &mut errors };
        for rollout in &collected.rollouts {
            seen.note("rollout", "", rollout.namespace.as_deref(), &rollout.name, &rollout.place);
        }
        for application in &collected.applications {
            let namespace = application.namespace.as_deref();
            seen.note("application", "", namespace, &application.name, &application.place);
        }
        for lane in &collected.lanes {
            seen.note("TrafficRouting", "", lane.namespace.as_deref(), &lane.name, &lane.place);
        }
        for route in &collected.routes {
            seen.note("Route", "", route.namespace.as_deref(), &route.name, &route.place);
        }
        for object in &collected.objects {
            if let Some(name) = ObjectRef::of(&object.body) {
                let namespace = name.namespace.as_deref();
                seen.note(
                    &name.kind,
                    group(&name.api_version),
                    namespace,
                    &name.name,
                    &object.place,
                );
            }
        }
    }
    errors
}

type Name = (String, String, String, String);

struct Seen<'a> {
    namespace: &'a str,
    first: BTreeMap<Name, Place>,
    errors: &'a mut Vec<InputError>,
}

impl Seen<'_> {
    fn note(
        &mut self,
        kind: &str,
        group: &str,
        namespace: Option<&str>,
        name: &str,
        place: &Place,
    ) {
        let namespace = namespace.unwrap_or(self.namespace);
        let key = (kind.to_owned(), group.to_owned(), namespace.to_owned(), name.to_owned());
        match self.first.get(&key) {
            None => {
                self.first.insert(key, place.clone());
            }
            Some(first) => {
                let message =
                    format!("the {kind} {namespace}/{name} is written twice: here and in {first}");
                self.errors.push(InputError::at(place, message));
            }
        }
    }
}
