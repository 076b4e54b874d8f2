//! The next version of a Deployment. Owns the places at which a version stands:
//! its name, the labels that say it, and one image.

use super::image::exchanged;
use super::{CaptureError, VERSION};
use crate::core::model::ReplicaRatio;
use crate::core::object::{ObjectRef, at};
use crate::core::strategy::workload::set;
use serde_json::{Value, json};

/// Labels that say which version an object is of.
const LABELS: [&str; 2] = [VERSION, "app.kubernetes.io/version"];

/// Where a Deployment has labels.
const PLACES: [&[&str]; 3] = [
    &["metadata", "labels"],
    &["spec", "selector", "matchLabels"],
    &["spec", "template", "metadata", "labels"],
];

/// A Deployment of the version `old` as one of the version that the plan wants.
pub(super) fn of_next(
    deployment: &Value,
    old: &str,
    ratio: &ReplicaRatio,
) -> Result<Value, CaptureError> {
    let new = ratio.new_version.as_str();
    let mut next = deployment.clone();
    set(&mut next, &["metadata", "name"], json!(format!("{}-{new}", ratio.deployment)));
    for place in PLACES {
        let labels = place.iter().try_fold(&mut next, |at, name| at.get_mut(*name));
        let Some(labels) = labels.and_then(Value::as_object_mut) else { continue };
        for label in LABELS {
            if let Some(value) = labels.get_mut(label).filter(|value| *value == old) {
                *value = json!(new);
            }
        }
    }
    let (index, image) = image_of(deployment, old, ratio)?;
    let containers = next.pointer_mut("/spec/template/spec/containers");
    let container = containers.and_then(Value::as_array_mut).and_then(|all| all.get_mut(index));
    if let Some(container) = container {
        set(container, &["image"], json!(image));
    }
    Ok(next)
}

/// The container whose image changes, by its place, and its new image.
fn image_of(
    deployment: &Value,
    old: &str,
    ratio: &ReplicaRatio,
) -> Result<(usize, String), CaptureError> {
    let object = ObjectRef::of(deployment).map(|object| object.to_string()).unwrap_or_default();
    let containers = at(deployment, "/spec/template/spec/containers").and_then(Value::as_array);
    let text = |container: &Value, field: &str| {
        container.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let all: Vec<(String, String)> = containers
        .into_iter()
        .flatten()
        .map(|container| (text(container, "name"), text(container, "image")))
        .collect();
    let known = || {
        let told: Vec<String> = all.iter().map(|(name, image)| format!("{name} {image}")).collect();
        told.join(", ")
    };
    let next = |image: &str| exchanged(image, old, &ratio.new_version);
    let index = match &ratio.container {
        Some(wanted) => all.iter().position(|(name, _)| name == wanted).ok_or_else(|| {
            CaptureError::new(
                format!("{object} has no container \"{wanted}\"; it has {}", known()),
                "name one of them as `container`",
            )
        })?,
        None if all.len() == 1 => 0,
        None => {
            let mut fitting =
                all.iter().enumerate().filter(|(_, (_, image))| next(image).is_some());
            match (fitting.next(), fitting.next()) {
                (Some((index, _)), None) => index,
                _ => {
                    return Err(CaptureError::new(
                        format!(
                            "{object} has {} containers, and not exactly one of them has {old} as \
                             a word of its image's tag: {}",
                            all.len(),
                            known()
                        ),
                        "name the one whose image changes as `container`, and its new image as \
                         `image` if its tag does not have the version",
                    ));
                }
            }
        }
    };
    if let Some(image) = &ratio.image {
        return Ok((index, image.clone()));
    }
    let running = all.get(index).map(|(_, image)| image.as_str()).unwrap_or_default();
    let image = next(running).ok_or_else(|| {
        CaptureError::new(
            format!("{object} runs {running}, whose tag does not have {old} once as a whole word"),
            "name the new image as `image`",
        )
    })?;
    Ok((index, image))
}
