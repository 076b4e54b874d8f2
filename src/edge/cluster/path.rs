//! URL paths of resources. Owns escaping; no name may ever become a second
//! path segment or a query.

use crate::core::object::{KindRef, ObjectRef};
use std::fmt::Write as _;

/// One kind as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The plural name in paths.
    pub(super) plural: String,
    /// Whether its objects live in namespaces.
    pub(super) namespaced: bool,
}

/// The path under which a group and version lists its kinds.
pub(super) fn group_version(kind: &KindRef) -> String {
    match kind.group() {
        "" => format!("/api/{}", escape(kind.version())),
        group => format!("/apis/{}/{}", escape(group), escape(kind.version())),
    }
}

/// The path of a kind's objects, in one namespace or everywhere.
///
/// # Errors
/// Says why a namespace does not go with the kind.
pub(super) fn collection(
    kind: &KindRef,
    resource: &Resource,
    namespace: Option<&str>,
) -> Result<String, String> {
    let base = group_version(kind);
    match namespace {
        Some(_) if !resource.namespaced => {
            Err(format!("{kind} is cluster-scoped and takes no namespace"))
        }
        Some(namespace) => {
            let namespace = segment(namespace)?;
            Ok(format!("{base}/namespaces/{namespace}/{}", escape(&resource.plural)))
        }
        None => Ok(format!("{base}/{}", escape(&resource.plural))),
    }
}

/// The path of one object.
///
/// # Errors
/// Says why the object's name or namespace cannot be one.
pub(super) fn object(object: &ObjectRef, resource: &Resource) -> Result<String, String> {
    let kind = object.kind_ref();
    if resource.namespaced && object.namespace.is_none() {
        return Err(format!("{kind} needs a namespace"));
    }
    let collection = collection(&kind, resource, object.namespace.as_deref())?;
    Ok(format!("{collection}/{}", segment(&object.name)?))
}

fn segment(name: &str) -> Result<String, String> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '%']) {
        return Err(format!("\"{}\" cannot be a name", name.escape_debug()));
    }
    Ok(escape(name))
}

/// Percent-encodes everything but unreserved characters and the colon, which
/// names of roles hold.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_core_and_named_groups() {
        let pods = Resource { plural: "pods".to_owned(), namespaced: true };
        let pod = ObjectRef::new(&KindRef::new("v1", "Pod"), Some("web"), "a");
        assert_eq!(object(&pod, &pods).unwrap(), "/api/v1/namespaces/web/pods/a");
        let roles = Resource { plural: "clusterroles".to_owned(), namespaced: false };
        let kind = KindRef::new("rbac.authorization.k8s.io/v1", "ClusterRole");
        let role = ObjectRef::new(&kind, None, "system:node");
        let base = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
        assert_eq!(object(&role, &roles).unwrap(), format!("{base}/system:node"));
        assert_eq!(collection(&kind, &roles, None).unwrap(), base);
    }

    #[test]
    fn no_name_leaves_its_segment() {
        let pods = Resource { plural: "pods".to_owned(), namespaced: true };
        for bad in ["", ".", "..", "a/b", "..%2f"] {
            let pod = ObjectRef::new(&KindRef::new("v1", "Pod"), Some("web"), bad);
            assert!(object(&pod, &pods).is_err(), "{bad}");
            let pod = ObjectRef::new(&KindRef::new("v1", "Pod"), Some(bad), "a");
            assert!(object(&pod, &pods).is_err(), "{bad}");
        }
        let odd = ObjectRef::new(&KindRef::new("v1", "Pod"), Some("web"), "a?b#c d");
        assert!(object(&odd, &pods).unwrap().ends_with("/a%3Fb%23c%20d"));
        let bare = ObjectRef::new(&KindRef::new("v1", "Pod"), None, "a");
        assert!(object(&bare, &pods).is_err(), "a pod needs a namespace");
    }
}
