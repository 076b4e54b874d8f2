//! What makes a revision the same or another. Owns the bytes that are
//! digested; they must never change for what is already written, or every
//! application would get a new revision.

use super::application::Rendered;
use super::definition::TypeKind;
use super::digest_form::digest_form;
use super::library::Library;
use crate::core::digest::Digest;
use crate::core::model::{Application, Component};
use crate::core::strategy::workload::Workloads;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What overlays touch an application, by target, each in full.
pub type Overlays = BTreeMap<String, Vec<Value>>;

/// The digest that tells an application's revisions apart: that of its inputs
/// and of the overlays that touch it on any target, so that all targets count
/// alike, and the descriptors of the kinds that it renders; or, while `publishVersion` is set, of that value alone, so that a new value
/// makes a new revision even of equal content and nothing else makes one.
#[must_use]
pub fn content_digest(
    application: &Application,
    library: &Library,
    workloads: &Workloads,
    overlays: &Overlays,
) -> Digest {
    match &application.publish_version {
        None => digest_of_inputs(application, library, workloads, overlays),
        Some(version) => Digest::of(
            "tranche-revision-v1",
            &json!({"application": application.name, "publishVersion": version}),
        ),
    }
}

/// The digest that tells the revisions of one component apart, which a rollout
/// of its own drives: that of its inputs, and of the overlays that touch it.
#[must_use]
pub fn component_digest(
    application: &Application,
    component: &Component,
    library: &Library,
    workloads: &Workloads,
    overlays: &Overlays,
) -> Digest {
    let mut inputs = json!({
        "application": application.name,
        "component": component_inputs(component),
        "types": types_of(std::slice::from_ref(component), library, workloads),
    });
    if !overlays.is_empty() {
        inputs["overlays"] = json!(overlays);
    }
    Digest::of("tranche-component-revision-v1", &inputs)
}

/// The digest of all that rendering reads: components, traits and their
/// properties as written (a null too, it deletes a label), and the text of the
/// user types that are used. Not the built-in types, whose version is recorded
/// instead, nor places, labels and annotations.
#[must_use]
pub fn inputs_digest(application: &Application, library: &Library) -> Digest {
    digest_of_inputs(application, library, Workloads::BUILT_IN, &Overlays::new())
}

fn digest_of_inputs(
    application: &Application,
    library: &Library,
    workloads: &Workloads,
    overlays: &Overlays,
) -> Digest {
    let types = types_of(&application.components, library, workloads);
    let components: Vec<Value> = application.components.iter().map(component_inputs).collect();
    let mut inputs =
        json!({"application": application.name, "components": components, "types": types});
    if !overlays.is_empty() {
        inputs["overlays"] = json!(overlays);
    }
    Digest::of("tranche-revision-v1", &inputs)
}

/// The texts of the user types that components use.
fn types_of(
    components: &[Component],
    library: &Library,
    workloads: &Workloads,
) -> BTreeMap<String, String> {
    let mut types = BTreeMap::new();
    for component in components {
        note_type(library, TypeKind::Component, &component.kind, &mut types);
        for part in &component.traits {
            note_type(library, TypeKind::Trait, &part.kind, &mut types);
        }
    }
    for (name, source) in library.descriptors(workloads) {
        types.insert(format!("{}/{name}", TypeKind::Workload.word()), source.to_owned());
    }
    types
}

fn component_inputs(component: &Component) -> Value {
    let traits: Vec<Value> = component
        .traits
        .iter()
        .map(|part| json!({"type": part.kind, "properties": part.properties}))
        .collect();
    json!({
        "name": component.name,
        "type": component.kind,
        "properties": component.properties,
        "traits": traits,
    })
}

fn note_type(library: &Library, kind: TypeKind, name: &str, types: &mut BTreeMap<String, String>) {
    let source = library.find(kind, name).and_then(|definition| definition.source.clone());
    if let Some(source) = source {
        types.insert(format!("{}/{name}", kind.word()), source);
    }
}

/// The digest of what was rendered, values of Secrets replaced: it can be
/// computed again from the plan commit, and tells nothing of such a value.
#[must_use]
pub fn rendered_digest(rendered: &Rendered) -> Digest {
    let components: Vec<Value> = rendered
        .components
        .iter()
        .map(|component| {
            let extras: Vec<Value> =
                component.extras.iter().map(|extra| digest_form(extra)).collect();
            json!({
                "name": component.name,
                "workload": digest_form(&component.workload),
                "extras": extras,
            })
        })
        .collect();
    Digest::of(
        "tranche-rendered-v1",
        &json!({
            "application": rendered.application,
            "namespace": rendered.namespace,
            "components": components,
        }),
    )
}
