//! Bodies of applies. Owns what is never sent and how a precondition is
//! written; it must never add a field of its own.

use crate::core::object::ObjectRef;
use crate::port::WriteMode;
use serde_json::{Map, Value};

/// What the server keeps for itself, or what only a [`WriteMode`] may set.
const NEVER_SENT: [&str; 6] =
    ["managedFields", "creationTimestamp", "generation", "resourceVersion", "uid", "selfLink"];

/// A resourceVersion that no present object has (measured: with it a missing
/// object is created and a present one is a 409).
const NO_SUCH_VERSION: &str = "1";

/// The body of a server-side apply.
///
/// # Errors
/// Says why the body does not belong to the object, or the mode not to a
/// real write.
pub(super) fn apply_body(
    object: &ObjectRef,
    body: &Value,
    mode: &WriteMode,
    dry_run: bool,
) -> Result<Value, String> {
    let mut body = body.as_object().cloned().ok_or("the body is no object")?;
    pin(&mut body, "apiVersion", &object.api_version)?;
    pin(&mut body, "kind", &object.kind)?;
    body.remove("status");
    let metadata = body.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let metadata = metadata.as_object_mut().ok_or("metadata is no object")?;
    pin(metadata, "name", &object.name)?;
    match &object.namespace {
        Some(namespace) => pin(metadata, "namespace", namespace)?,
        None if metadata.get("namespace").is_some_and(|value| !value.is_null()) => {
            return Err("metadata.namespace is set on a cluster-scoped object".to_owned());
        }
        None => {}
    }
    for field in NEVER_SENT {
        metadata.remove(field);
    }
    match mode {
        WriteMode::CreateOnly => {
            metadata.insert("resourceVersion".to_owned(), NO_SUCH_VERSION.into());
        }
        WriteMode::Exactly { uid, resource_version }
        | WriteMode::Taking { uid, resource_version } => {
            metadata.insert("uid".to_owned(), uid.as_str().into());
            metadata.insert("resourceVersion".to_owned(), resource_version.as_str().into());
        }
        WriteMode::Any if dry_run => {}
        WriteMode::Any => return Err("a write without a precondition is refused".to_owned()),
    }
    Ok(Value::Object(body))
}

fn pin(map: &mut Map<String, Value>, key: &str, value: &str) -> Result<(), String> {
    match map.get(key) {
        None | Some(Value::Null) => {
            map.insert(key.to_owned(), value.into());
            Ok(())
        }
        Some(Value::String(found)) if found == value => Ok(()),
        Some(_) => Err(format!("{key} of the body is not \"{value}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::KindRef;
    use serde_json::json;

    #[test]
    fn preconditions_replace_what_the_server_sent() {
        let object = ObjectRef::new(&KindRef::new("v1", "ConfigMap"), Some("web"), "c");
        let live = json!({
            "metadata": {"name": "c", "managedFields": [], "uid": "u1", "resourceVersion": "7",
                         "generation": 3, "creationTimestamp": null, "labels": {"a": "b"}},
            "data": {"k": "v"}, "status": {}
        });
        let exactly = WriteMode::Exactly { uid: "u2".into(), resource_version: "9".into() };
        let body = apply_body(&object, &live, &exactly, false).unwrap();
        let wanted = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
            "metadata": {"name": "c", "namespace": "web", "labels": {"a": "b"},
                         "uid": "u2", "resourceVersion": "9"}
        });
        assert_eq!(body, wanted);
        let create = apply_body(&object, &live, &WriteMode::CreateOnly, false).unwrap();
        assert_eq!(create["metadata"]["resourceVersion"], "1");
        assert_eq!(create["metadata"].get("uid"), None);
        assert!(apply_body(&object, &live, &WriteMode::Any, false).is_err());
        let any = apply_body(&object, &live, &WriteMode::Any, true).unwrap();
        assert_eq!(any["metadata"].get("resourceVersion"), None);
    }

    #[test]
    fn a_body_of_another_object_is_refused() {
        let object = ObjectRef::new(&KindRef::new("v1", "ConfigMap"), Some("web"), "c");
        for other in [
            json!({"kind": "Secret"}),
            json!({"metadata": {"name": "d"}}),
            json!({"metadata": {"namespace": "x"}}),
            json!([]),
        ] {
            assert!(apply_body(&object, &other, &WriteMode::CreateOnly, false).is_err());
        }
    }
}
