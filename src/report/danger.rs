//! Which changes need a closer look. Owns the classes and what falls into
//! each; it must never hide a change, only put it first.

use crate::core::diff::{Change, Note, ObjectDiff, Outcome};

/// Why a change needs a closer look, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// The object is deleted.
    Deletion,
    /// It has to be deleted and created again.
    Recreation,
    /// Another manager owns a field.
    Conflict,
    /// It is taken over from another tool.
    Takeover,
    /// It decides who may do what.
    Rights,
    /// It decides what containers may do to their node.
    Security,
    /// Another image.
    Image,
    /// Traffic moves.
    Weight,
    /// The number of pods.
    Size,
    /// The server could not say what it would store.
    Unverified,
}

impl Danger {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Deletion,
        Self::Recreation,
        Self::Conflict,
        Self::Takeover,
        Self::Rights,
        Self::Security,
        Self::Image,
        Self::Weight,
        Self::Size,
        Self::Unverified,
    ];

    /// The class in words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deletion => "deletion",
            Self::Recreation => "recreation",
            Self::Conflict => "conflict",
            Self::Takeover => "takeover",
            Self::Rights => "rights",
            Self::Security => "security",
            Self::Image => "image",
            Self::Weight => "weight",
            Self::Size => "size",
            Self::Unverified => "unverified",
        }
    }
}

/// Kinds that decide who may do what, or what the server lets pass.
const RIGHTS: &[&str] = &[
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "NetworkPolicy",
    "PodSecurityPolicy",
    "APIService",
    "CustomResourceDefinition",
];

/// Fields by which a container gets at its node, or at another identity.
const SECURITY: &[&str] = &[
    "securityContext",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPath",
    "hostPort",
    "hostUsers",
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "runtimeClassName",
    "pod-security",
];

/// What a new object must not have unseen.
const OPEN: &[&str] = &[
    "privileged: true",
    "hostNetwork: true",
    "hostPID: true",
    "hostIPC: true",
    "hostPath:",
    "allowPrivilegeEscalation: true",
    "runAsUser: 0",
    "runAsNonRoot: false",
    "SYS_ADMIN",
    "NET_ADMIN",
];

/// Why an object's change needs a closer look; empty if it does not.
#[must_use]
pub fn dangers(object: &ObjectDiff) -> Vec<Danger> {
    let mut found: Vec<Danger> = object.notes.iter().filter_map(of_note).collect();
    if object.change == Change::Delete {
        found.push(Danger::Deletion);
    }
    if object.change != Change::None && RIGHTS.contains(&object.object.kind.as_str()) {
        found.push(Danger::Rights);
    }
    if matches!(object.change, Change::Create | Change::Temporary) {
        let opens = |line: &String| OPEN.iter().any(|what| line.contains(what));
        if object.lines.iter().any(opens) {
            found.push(Danger::Security);
        }
    }
    let way = object.way.iter().flat_map(|halfway| &halfway.fields);
    for path in object.fields.iter().chain(&object.inside).chain(way) {
        found.extend(of_field(path));
    }
    found.sort();
    found.dedup();
    found
}

fn of_note(note: &Note) -> Option<Danger> {
    match note {
        Note::Recreate { .. } => Some(Danger::Recreation),
        Note::Conflict { outcome: Outcome::Taken | Outcome::Refused, .. } => Some(Danger::Conflict),
        Note::Adopted { .. } => Some(Danger::Takeover),
        Note::Unverified { .. } | Note::Invalid { .. } => Some(Danger::Unverified),
        Note::Conflict { outcome: Outcome::Kept, .. }
        | Note::Released { .. }
        | Note::Extra { .. }
        | Note::MoreExtra { .. }
        | Note::LeftTo { .. }
        | Note::OrderOnly
        | Note::Copies { .. } => None,
    }
}

/// What the last name of a path, or one on the way, says.
fn of_field(path: &str) -> Option<Danger> {
    let bare = without_keys(path);
    let names = || bare.split('.').filter(|name| !name.is_empty());
    let last = names().next_back().unwrap_or_default();
    if names().any(|name| SECURITY.contains(&name)) || path.contains("pod-security.kubernetes.io") {
        return Some(Danger::Security);
    }
    match last {
        "image" => Some(Danger::Image),
        "weight" | "backendRefs" => Some(Danger::Weight),
        _ if last.ends_with("/canary-weight") => Some(Danger::Weight),
        "rules" if bare.starts_with(".spec.rules") => Some(Danger::Weight),
        "replicas" | "partition" | "minReplicas" | "maxReplicas" | "paused" => Some(Danger::Size),
        _ => None,
    }
}

/// A path without the keys of list items, which are anybody's words.
fn without_keys(path: &str) -> String {
    let (mut out, mut depth, mut quoted, mut skip) = (String::new(), 0_u32, false, false);
    for c in path.chars() {
        match c {
            _ if skip => skip = false,
            '\\' if quoted => skip = true,
            '"' if depth > 0 => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::diff::diff;
    use crate::core::object::ObjectRef;
    use serde_json::{Value, json};

    fn deployment(image: &str, replicas: u32, context: &Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec":
            {"replicas": replicas, "template": {"spec": {"containers":
            [{"name": "image", "image": image, "securityContext": context}]}}}})
    }

    fn between(old: Option<&Value>, new: Option<&Value>) -> Vec<Danger> {
        let object = ObjectRef::of(old.or(new).unwrap()).unwrap();
        dangers(&diff(&object, old, new))
    }

    #[test]
    fn changes_fall_into_their_classes() {
        let plain = deployment("a:1", 2, &json!({}));
        assert_eq!(between(Some(&plain), None), [Danger::Deletion]);
        assert_eq!(between(None, Some(&plain)), []);
        let open = deployment("a:1", 2, &json!({"privileged": true}));
        assert_eq!(between(None, Some(&open)), [Danger::Security]);
        assert_eq!(between(Some(&plain), Some(&open)), [Danger::Security]);
        let newer = deployment("a:2", 3, &json!({}));
        assert_eq!(between(Some(&plain), Some(&newer)), [Danger::Image, Danger::Size]);
        // Nobody knows the keys of its containers.
        let cloned = |of: &Value| {
            let mut of = of.clone();
            of["apiVersion"] = json!("apps.kruise.io/v1alpha1");
            of["kind"] = json!("CloneSet");
            of
        };
        let changed = between(Some(&cloned(&plain)), Some(&cloned(&newer)));
        assert_eq!(changed, [Danger::Image, Danger::Size]);
        let opened = between(Some(&cloned(&plain)), Some(&cloned(&open)));
        assert_eq!(opened, [Danger::Security]);
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "r"}, "rules": []});
        assert_eq!(between(None, Some(&role)), [Danger::Rights]);
        let notes = [Note::Recreate { fields: vec![".spec.selector".to_owned()] }, Note::OrderOnly];
        let object = ObjectRef::of(&plain).unwrap();
        let noted = diff(&object, Some(&plain), Some(&plain)).with_notes(notes);
        assert_eq!(dangers(&noted), [Danger::Recreation]);
    }

    #[test]
    fn keys_of_items_are_no_names_of_fields() {
        assert_eq!(without_keys(".a[name=\"x].image\"].b"), ".a.b");
        assert_eq!(of_field(".spec.containers[name=\"a.image\"].tty"), None);
    }
}
