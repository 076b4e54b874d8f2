//! Built-in kinds of which existence is all there is to wait for. Owns their
//! list; kinds of other groups are never in it.

/// Groups of the API server itself without a kind that has a health.
const GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "autoscaling",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// The others, by group and kind.
const KINDS: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "Endpoints"),
    ("", "Event"),
    ("", "LimitRange"),
    ("", "PersistentVolume"),
    ("", "PodTemplate"),
    ("", "ResourceQuota"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("apps", "ControllerRevision"),
    ("batch", "CronJob"),
    // What a route's parents say is awaited by a canary, and by nobody else.
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("gateway.networking.k8s.io", "ReferenceGrant"),
];

/// Whether an object of the kind is healthy once it is there.
pub(super) fn is_healthy_as_it_is(group: &str, kind: &str) -> bool {
    GROUPS.contains(&group) || KINDS.contains(&(group, kind))
}
