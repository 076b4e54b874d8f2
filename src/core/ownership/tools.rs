//! The tools that apply objects besides this one. Owns how the hand of each is
//! known: by its field manager, and by the marks that it leaves. A label that
//! anybody may use is no mark.

use crate::core::diff::Note;
use crate::core::object::{ManagedEntry, Operation, at, managed_of};
use crate::core::ownership::controllers::is_controller;
use serde_json::Value;

struct Tool {
    name: &'static str,
    /// Its field managers, whether it applies or updates.
    managers: &'static [&'static str],
    /// What it says of its own on the object.
    mark: fn(&Value) -> Option<String>,
}

/// The more special first: Flux runs Helm, and Argo CD and Helm leave what
/// kubectl leaves.
const TOOLS: [Tool; 5] = [
    Tool { name: "Flux", managers: &["kustomize-controller"], mark: of_kustomization },
    Tool { name: "Flux", managers: &["helm-controller"], mark: of_helm_release },
    Tool {
        name: "Argo CD",
        managers: &["argocd-controller", "argocd-application-controller"],
        mark: of_argo,
    },
    Tool { name: "Helm", managers: &["helm"], mark: of_release },
    Tool {
        name: "kubectl",
        managers: &["kubectl-client-side-apply", "kubectl", "kubectl-create", "kubectl-replace"],
        mark: of_kubectl,
    },
];

/// Who has applied an object so far that `manager` has never applied. Another
/// applier that is none of the known tools is told by its name.
#[must_use]
pub fn applied_before(live: &Value, manager: &str) -> Option<Note> {
    let entries: Vec<ManagedEntry> =
        managed_of(live).into_iter().filter(|entry| entry.subresource.is_none()).collect();
    let applies = |entry: &&ManagedEntry| entry.operation == Operation::Apply;
    if entries.iter().filter(applies).any(|entry| entry.manager == manager) {
        return None;
    }
    for tool in &TOOLS {
        let by = entries.iter().find(|entry| tool.managers.contains(&entry.manager.as_str()));
        let mark = (tool.mark)(live);
        if by.is_none() && mark.is_none() {
            continue;
        }
        let of = mark.filter(|mark| !mark.is_empty());
        return Some(Note::Adopted {
            tool: of.map_or_else(|| tool.name.to_owned(), |of| format!("{}, {of}", tool.name)),
            manager: by.map(|entry| entry.manager.clone()),
        });
    }
    let mut others = entries.iter().filter(applies).filter(|e| !is_controller(&e.manager));
    let other = others.next()?;
    Some(Note::Adopted { tool: "another tool".to_owned(), manager: Some(other.manager.clone()) })
}

fn annotation<'v>(live: &'v Value, key: &str) -> Option<&'v str> {
    at(live, "/metadata/annotations")?.get(key)?.as_str()
}

fn label<'v>(live: &'v Value, key: &str) -> Option<&'v str> {
    at(live, "/metadata/labels")?.get(key)?.as_str()
}

fn of_kustomization(live: &Value) -> Option<String> {
    let name = label(live, "kustomize.toolkit.fluxcd.io/name")?;
    let namespace = label(live, "kustomize.toolkit.fluxcd.io/namespace").unwrap_or_default();
    Some(format!("Kustomization {namespace}/{name}"))
}

fn of_helm_release(live: &Value) -> Option<String> {
    let name = label(live, "helm.toolkit.fluxcd.io/name")?;
    let namespace = label(live, "helm.toolkit.fluxcd.io/namespace").unwrap_or_default();
    Some(format!("HelmRelease {namespace}/{name}"))
}

/// `web:apps/Deployment:shop/web`: the application comes first.
fn of_argo(live: &Value) -> Option<String> {
    let tracked = annotation(live, "argocd.argoproj.io/tracking-id")?;
    let name = tracked.split(':').next().unwrap_or_default();
    Some(format!("application {name}"))
}

fn of_release(live: &Value) -> Option<String> {
    let name = annotation(live, "meta.helm.sh/release-name")?;
    let namespace = annotation(live, "meta.helm.sh/release-namespace").unwrap_or_default();
    Some(format!("release {namespace}/{name}"))
}

fn of_kubectl(live: &Value) -> Option<String> {
    annotation(live, "kubectl.kubernetes.io/last-applied-configuration").map(|_| String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(labels: &Value, annotations: &Value, managers: &[(&str, &str)]) -> Value {
        let entry = |(manager, operation): &(&str, &str)| {
            json!({"manager": manager, "operation": operation, "apiVersion": "v1",
                   "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}})
        };
        let managed: Vec<Value> = managers.iter().map(entry).collect();
        json!({"metadata": {"labels": labels, "annotations": annotations, "managedFields": managed}})
    }

    fn words(live: &Value) -> Option<String> {
        applied_before(live, "tranche").map(|note| note.to_string())
    }

    #[test]
    fn a_tool_is_known_by_its_manager_or_by_its_mark_and_the_more_special_first() {
        let none = json!({});
        let release = json!({"meta.helm.sh/release-name": "web"});
        let flux = json!({"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "ops"});
        let of_flux = object(&flux, &release, &[("helm-controller", "Update")]);
        let said = "applied by Flux, HelmRelease ops/web so far (manager \"helm-controller\"); \
                    the plan takes it over";
        assert_eq!(words(&of_flux).unwrap(), said);
        let last = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
        let argo = object(&none, &last, &[("argocd-controller", "Update")]);
        assert!(words(&argo).unwrap().starts_with("applied by Argo CD so far"));
        // Managers may be lost, as in a restore from a backup.
        let bare = object(&none, &last, &[]);
        assert_eq!(words(&bare).unwrap(), "applied by kubectl so far; the plan takes it over");
        let other = object(&none, &none, &[("terraform", "Apply")]);
        assert!(words(&other).unwrap().contains("another tool so far (manager \"terraform\")"));
    }

    #[test]
    fn nobody_has_applied_what_was_edited_or_what_is_ours() {
        let helm_like = json!({"app.kubernetes.io/managed-by": "Helm"});
        let none = json!({});
        assert_eq!(words(&object(&helm_like, &none, &[("kubectl-edit", "Update")])), None);
        let controller = object(&none, &none, &[("kube-controller-manager", "Apply")]);
        assert_eq!(words(&controller), None);
        let last = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
        let ours = [("tranche", "Apply"), ("kubectl", "Apply")];
        assert_eq!(words(&object(&none, &last, &ours)), None);
    }
}
