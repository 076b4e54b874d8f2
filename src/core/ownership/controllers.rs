//! Controllers whose fields are left to them. Owns the table; one is in it only
//! if writing over it would undo its whole purpose.

use crate::core::object::{Conflict, KindRef, path_text};

/// Managers of size, besides the one that writes through the scale.
const AUTOSCALERS: [&str; 3] = ["keda-operator", "keda", "horizontal-pod-autoscaler"];
/// Managers of requests and limits.
const SIZERS: [&str; 4] =
    ["vpa-updater", "vpa-admission-controller", "vpa-recommender", "vertical-pod-autoscaler"];
/// Managers of `caBundle`.
const INJECTORS: [&str; 3] = ["cert-manager-cainjector", "cainjector", "service-ca-operator"];

/// Managers that write what follows from other objects, not what somebody wants
/// of this one.
const MACHINERY: [&str; 8] = [
    CONTROLLERS,
    "kube-scheduler",
    "kube-apiserver",
    "kubelet",
    "cloud-controller-manager",
    "clusterrole-aggregation-controller",
    "kube-addon-manager",
    "kruise-manager",
];

/// Whether a manager is a well-known controller.
pub(super) fn is_controller(manager: &str) -> bool {
    [&MACHINERY[..], &AUTOSCALERS, &SIZERS, &INJECTORS].concat().contains(&manager)
}

/// The controller that a contested field belongs to, in words.
pub(super) fn owner_of(kind: &KindRef, conflict: &Conflict) -> Option<String> {
    let owner = &conflict.owner;
    let manager = owner.manager.as_str();
    let field = path_text(&conflict.path);
    let scales = owner.subresource.as_deref() == Some("scale") && manager == CONTROLLERS;
    // Through a scale only the size is written, wherever a kind keeps it.
    if scales || field == ".spec.replicas" && AUTOSCALERS.contains(&manager) {
        return Some(format!("the autoscaler ({manager})"));
    }
    if field.contains(".resources") && SIZERS.contains(&manager) {
        return Some(format!("the vertical autoscaler ({manager})"));
    }
    if field.ends_with(".caBundle") && INJECTORS.contains(&manager) {
        return Some(format!("the injector of certificates ({manager})"));
    }
    if kind.kind == "ClusterRole"
        && field == ".rules"
        && manager == "clusterrole-aggregation-controller"
    {
        return Some(format!("the aggregation of roles ({manager})"));
    }
    None
}

/// The built-in controllers, the horizontal autoscaler among them: it is the
/// only one that writes a workload's scale.
const CONTROLLERS: &str = "kube-controller-manager";
