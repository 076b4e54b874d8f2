//! Workloads that stand in a plan as they are and that a rollout claims. Owns
//! the application that such a workload becomes, with the Services that select
//! its pods: so its revisions are numbered and kept as those of any other.

use super::document::Collected;
use crate::core::model::{Application, Component, InputError, Place, PlainObject, Rollout};
use crate::core::object::at;
use crate::core::render::RAW;
use crate::core::traffic::selects;
use serde_json::Value;
use std::collections::BTreeMap;

/// A rollout that claims a workload.
pub(super) struct Claim {
    /// The rollout; its application has the workload's name.
    pub rollout: Rollout,
    /// The workload's API version and kind.
    pub workload: (String, String),
}

/// Makes the workloads that are claimed, and their Services, applications.
pub(super) fn gather(collected: &mut Collected) {
    let mut claimed: BTreeMap<(Option<String>, String), Place> = BTreeMap::new();
    for Claim { rollout, workload } in std::mem::take(&mut collected.claims) {
        let name = rollout.application().to_owned();
        let key = (rollout.namespace.clone(), name.clone());
        if let Some(first) = claimed.get(&key) {
            let message =
                format!("{} {name} has two rollouts: this one and the one at {first}", workload.1);
            collected.errors.push(
                InputError::at(&rollout.place, message).hint("a workload has one: take one out"),
            );
            continue;
        }
        claimed.insert(key, rollout.place.clone());
        match application(collected, &rollout, &workload, &name) {
            Ok(application) => {
                collected.applications.push(application);
                collected.rollouts.push(rollout);
            }
            Err(error) => collected.errors.push(error),
        }
    }
}

fn application(
    collected: &mut Collected,
    rollout: &Rollout,
    (api_version, kind): &(String, String),
    name: &str,
) -> Result<Application, InputError> {
    let namespace = rollout.namespace.as_deref();
    let is = |object: &PlainObject| {
        let text = |pointer: &str| at(&object.body, pointer).and_then(Value::as_str);
        text("/apiVersion") == Some(api_version)
            && text("/kind") == Some(kind)
            && text("/metadata/name") == Some(name)
            && text("/metadata/namespace") == namespace
    };
    let Some(at_index) = collected.objects.iter().position(is) else {
        let message = format!("no document of this plan is the {api_version} {kind} {name}");
        let hint = "a rollout claims a workload that the plan has: add its document, in the \
                    rollout's namespace";
        return Err(InputError::at(&rollout.place, message).hint(hint));
    };
    let workload = collected.objects.remove(at_index);
    let labels = at(&workload.body, "/spec/template/metadata/labels").cloned();
    let reaches = |object: &PlainObject| {
        let text = |pointer: &str| at(&object.body, pointer).and_then(Value::as_str);
        text("/apiVersion") == Some("v1")
            && text("/kind") == Some("Service")
            && text("/metadata/namespace") == namespace
            && selects(&object.body, labels.as_ref())
    };
    let mut components = vec![component(&workload)];
    while let Some(index) = collected.objects.iter().position(reaches) {
        components.push(component(&collected.objects.remove(index)));
    }
    if let Some(first) = components.first_mut() {
        name.clone_into(&mut first.name);
    }
    Ok(Application {
        namespace: rollout.namespace.clone(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        components,
        template_only: false,
        publish_version: None,
        rolling_components: Vec::new(),
        released: false,
        place: workload.place,
    })
}

/// An object as a component; of a Service the kind is in the name, since it
/// is mostly called as its workload is.
fn component(object: &PlainObject) -> Component {
    let text =
        |pointer: &str| at(&object.body, pointer).and_then(Value::as_str).unwrap_or_default();
    Component {
        name: format!("{}-{}", text("/metadata/name"), text("/kind").to_ascii_lowercase()),
        kind: RAW.to_owned(),
        properties: Value::clone(&object.body),
        traits: Vec::new(),
        place: object.place.clone(),
    }
}
