//! Overlays onto rendered objects. Owns that a patch applies whole or is an
//! error, and what it may not touch; it must never say a value of an object or
//! a patch, which may be a secret's.

use super::application::Rendered;
use super::object;
use super::operation;
use crate::core::model::Overlay;
use crate::core::object::ObjectRef;
use serde_json::Value;
use std::sync::Arc;

/// An application with the objects patched that `overlay` is about; none if it
/// has no such object.
///
/// # Errors
/// The place and the cause, if the patch does not apply.
pub fn overlay_rendered(
    overlay: &Overlay,
    rendered: &Rendered,
) -> Result<Option<Rendered>, String> {
    let namespace = rendered.namespace.as_str();
    let mut bodies = rendered.components.iter().flat_map(|c| c.extras.iter().chain([&c.workload]));
    if !bodies.any(|body| about(overlay, body, namespace).is_some()) {
        return Ok(None);
    }
    let mut all = rendered.clone();
    for component in &mut all.components {
        let name = &component.name;
        for body in std::iter::once(&mut component.workload).chain(&mut component.extras) {
            let Some(reference) = about(overlay, body, namespace) else { continue };
            let mut patched = patched(overlay, &reference, body)?;
            object::drop_nulls(&mut patched);
            let mut due = patched.clone();
            let refuse = |why: &str| format!("{}: after it, {reference} {why}", head(overlay));
            object::finish(&mut due, namespace, &rendered.application, name)
                .map_err(|why| refuse(&why))?;
            if due != patched {
                let why = "lacks its namespace, or a label by which Tranche knows its application";
                return Err(refuse(why));
            }
            *body = Arc::new(patched);
        }
        object::check_selector(&component.workload)
            .map_err(|why| format!("{}: after it, {why}", head(overlay)))?;
    }
    Ok(Some(all))
}

/// A document, patched, if `overlay` is about it; `namespace` is that of
/// documents that name none.
///
/// # Errors
/// The place and the cause, if the patch does not apply.
pub fn overlay_document(
    overlay: &Overlay,
    body: &Value,
    namespace: &str,
) -> Result<Option<Value>, String> {
    let Some(reference) = about(overlay, body, namespace) else { return Ok(None) };
    let patched = patched(overlay, &reference, body)?;
    object::check_policy(&patched)
        .map_err(|why| format!("{}: after it, {reference} has {why}", head(overlay)))?;
    Ok(Some(patched))
}

/// The name of an object that `overlay` is about.
fn about(overlay: &Overlay, body: &Value, namespace: &str) -> Option<ObjectRef> {
    let mut reference = ObjectRef::of(body)?;
    if !object::is_cluster_scoped(&reference.kind) {
        reference.namespace.get_or_insert_with(|| namespace.to_owned());
    }
    overlay.object.is(&reference).then_some(reference)
}

/// The overlay as errors name it.
fn head(overlay: &Overlay) -> String {
    format!("{}: overlay of target {}", overlay.place, overlay.target)
}

fn patched(overlay: &Overlay, reference: &ObjectRef, body: &Value) -> Result<Value, String> {
    let mut patched = body.clone();
    for operation in &overlay.operations {
        if let Err(why) = operation::apply(&mut patched, &operation.patch) {
            let (target, place) = (&overlay.target, &operation.place);
            return Err(format!("{place}: overlay of target {target}: {reference}: {why}"));
        }
    }
    if ObjectRef::of(&patched) != ObjectRef::of(body) {
        let why = "an overlay may not change apiVersion, kind, name or namespace";
        return Err(format!("{}: {reference}: {why}", head(overlay)));
    }
    Ok(patched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Operation, Place, Selected};
    use serde_json::json;

    fn overlay(operations: &Value) -> Overlay {
        let place = |line| Place { file: "tranche.yaml".to_owned(), line };
        let operations = operations.as_array().unwrap().iter().zip(10..);
        Overlay {
            target: "prod".to_owned(),
            object: Selected {
                group: None,
                kind: "ConfigMap".to_owned(),
                name: "a".to_owned(),
                namespace: None,
            },
            file: None,
            operations: operations
                .map(|(one, line)| Operation {
                    patch: serde_json::from_value(one.clone()).unwrap(),
                    place: place(line),
                })
                .collect(),
            place: place(7),
        }
    }

    fn map() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
            "data": {"x": "1", "y": "hunter2"}})
    }

    #[test]
    fn operations_apply_one_after_the_other() {
        let overlay = overlay(&json!([
            {"op": "test", "path": "/data/x", "value": "1"},
            {"op": "replace", "path": "/data/x", "value": "2"},
            {"op": "copy", "from": "/data/x", "path": "/data/z"},
            {"op": "remove", "path": "/data/y"},
            {"op": "add", "path": "/metadata/labels", "value": {}},
            {"op": "add", "path": "/metadata/labels/example.com~1tier", "value": "1.10"}]));
        let patched = overlay_document(&overlay, &map(), "default").unwrap().unwrap();
        assert_eq!(patched["data"], json!({"x": "2", "z": "2"}));
        assert_eq!(patched["metadata"]["labels"], json!({"example.com/tier": "1.10"}));
    }

    #[test]
    fn what_does_not_apply_says_where_and_why_and_no_value() {
        let cases = [
            (json!({"op": "replace", "path": "/data/q", "value": "hunter2"}), "`op: add` sets it"),
            (json!({"op": "remove", "path": "/data/q"}), "`remove /data/q`: there is nothing at"),
            (json!({"op": "test", "path": "/data/y", "value": "hunter3"}), "another value is"),
            (json!({"op": "test", "path": "/data/q", "value": "hunter3"}), "there is nothing at"),
            (json!({"op": "add", "path": "/spec/q", "value": "hunter2"}), "could be put into"),
            (json!({"op": "copy", "from": "/spec", "path": "/q"}), "`copy /spec`: there is"),
            (json!({"op": "copy", "from": "/data/x", "path": "/q/r"}), "`copy /q/r`: there is"),
            (json!({"op": "move", "from": "/data", "path": "/data/z"}), "/data/z is inside of it"),
            (json!({"op": "move", "from": "/q", "path": "/data/z"}), "`move /q`: there is"),
        ];
        for (operation, due) in cases {
            let operations = json!([{"op": "add", "path": "/data/w", "value": "w"}, operation]);
            let text = overlay_document(&overlay(&operations), &map(), "shop").unwrap_err();
            let head = "tranche.yaml:11: overlay of target prod: ConfigMap/shop/a: `";
            assert!(text.starts_with(head) && text.contains(due), "{text}");
            assert!(!text.contains("hunter"), "{text}");
        }
    }

    #[test]
    fn names_stay_and_copies_end() {
        for path in ["/metadata/name", "/kind", "/apiVersion"] {
            let operation = json!([{"op": "replace", "path": path, "value": "b"}]);
            let text = overlay_document(&overlay(&operation), &map(), "shop").unwrap_err();
            assert!(text.contains("may not change apiVersion, kind, name or namespace"), "{text}");
        }
        let copy = |n: usize| json!({"op": "copy", "from": "/data", "path": format!("/data/{n}")});
        let copies = Value::Array((0..40).map(copy).collect());
        let text = overlay_document(&overlay(&copies), &map(), "shop").unwrap_err();
        assert!(text.contains("makes it larger than"), "{text}");
    }

    #[test]
    fn only_what_is_meant_is_patched() {
        let operation = json!([{"op": "remove", "path": "/data"}]);
        let mut overlay = overlay(&operation);
        let met = |overlay: &Overlay| overlay_document(overlay, &map(), "shop").unwrap().is_some();
        assert!(met(&overlay));
        overlay.object.namespace = Some("shop".to_owned());
        assert!(met(&overlay));
        overlay.object.namespace = Some("other".to_owned());
        assert!(!met(&overlay));
        overlay.object.namespace = None;
        overlay.object.group = Some("apps".to_owned());
        assert!(!met(&overlay));
    }
}
