//! What a CustomResourceDefinition says of the kind that it brings. Owns how that
//! is read; it must never know whether the cluster has it.

use super::{KindRef, at};
use serde_json::Value;

/// Whether a definition brings a kind in a version.
#[must_use]
pub fn defines(definition: &Value, kind: &KindRef) -> bool {
    let text = |path: &str| at(definition, path).and_then(Value::as_str);
    let versions = at(definition, "/spec/versions").and_then(Value::as_array);
    let served = |version: &Value| {
        version.get("name").and_then(Value::as_str) == Some(kind.version())
            && version.get("served").and_then(Value::as_bool) == Some(true)
    };
    text("/kind") == Some("CustomResourceDefinition")
        && text("/spec/group") == Some(kind.group())
        && text("/spec/names/kind") == Some(&kind.kind)
        && versions.is_some_and(|versions| versions.iter().any(served))
}

/// Whether objects of a definition's kind live in namespaces.
#[must_use]
pub fn is_namespaced(definition: &Value) -> bool {
    at(definition, "/spec/scope").and_then(Value::as_str) == Some("Namespaced")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_definition_brings_its_kind_in_the_versions_that_it_serves() {
        let definition = json!({
            "kind": "CustomResourceDefinition",
            "spec": {
                "group": "example.com",
                "names": {"kind": "Database"},
                "scope": "Namespaced",
                "versions": [
                    {"name": "v1", "served": true},
                    {"name": "v1alpha1", "served": false},
                ],
            },
        });
        assert!(defines(&definition, &KindRef::new("example.com/v1", "Database")));
        assert!(is_namespaced(&definition));
        for (version, kind) in [
            ("example.com/v1alpha1", "Database"),
            ("example.com/v2", "Database"),
            ("example.org/v1", "Database"),
            ("example.com/v1", "Table"),
        ] {
            assert!(!defines(&definition, &KindRef::new(version, kind)), "{version} {kind}");
        }
    }
}
