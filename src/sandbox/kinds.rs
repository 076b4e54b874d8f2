//! The kinds that the embedded cluster serves. Owns the one table of them; a
//! new kind is a new row, and a controller where it moves by itself.

use crate::core::object::KindRef;

/// How much of a kind is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// Stored as it is; nothing happens by itself, or a controller watches it.
    Served,
    /// Known by name and always empty; creating one is refused.
    Refused,
}

/// One served kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub short: &'static str,
    pub namespaced: bool,
    pub status: bool,
    pub model: Model,
}

impl Resource {
    pub(super) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether it has the subresource `scale`.
    pub(super) fn is_scaled(&self) -> bool {
        ["CloneSet", "Deployment", "ReplicaSet", "StatefulSet"].contains(&self.kind)
    }

    pub(super) fn kind_ref(&self) -> KindRef {
        KindRef::new(&self.api_version(), self.kind)
    }

    /// `deployments.apps`, as the server names the resource in messages.
    pub(super) fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// `Deployment.apps`, as the server names the kind in messages.
    pub(super) fn qualified_kind(&self) -> String {
        match self.group {
            "" => self.kind.to_owned(),
            group => format!("{}.{group}", self.kind),
        }
    }
}

const fn row(
    (group, version): (&'static str, &'static str),
    (kind, plural, short): (&'static str, &'static str, &'static str),
    status: bool,
) -> Resource {
    Resource { group, version, kind, plural, short, namespaced: true, status, model: Model::Served }
}

const fn cluster(resource: Resource) -> Resource {
    Resource { namespaced: false, ..resource }
}

const fn refused(resource: Resource) -> Resource {
    Resource { model: Model::Refused, ..resource }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const BATCH: (&str, &str) = ("batch", "v1");
const NET: (&str, &str) = ("networking.k8s.io", "v1");
const GATEWAY: (&str, &str) = ("gateway.networking.k8s.io", "v1");
const ISTIO: (&str, &str) = ("networking.istio.io", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");

/// All kinds, groups together.
pub(super) const RESOURCES: &[Resource] = &[
    cluster(row(CORE, ("Namespace", "namespaces", "ns"), true)),
    row(CORE, ("ConfigMap", "configmaps", "cm"), false),
    row(CORE, ("PersistentVolumeClaim", "persistentvolumeclaims", "pvc"), true),
    row(CORE, ("Pod", "pods", "po"), true),
    row(CORE, ("Secret", "secrets", ""), false),
    row(CORE, ("Service", "services", "svc"), true),
    row(CORE, ("ServiceAccount", "serviceaccounts", "sa"), false),
    row(APPS, ("ControllerRevision", "controllerrevisions", ""), false),
    row(APPS, ("Deployment", "deployments", "deploy"), true),
    row(APPS, ("ReplicaSet", "replicasets", "rs"), true),
    row(APPS, ("DaemonSet", "daemonsets", "ds"), true),
    row(APPS, ("StatefulSet", "statefulsets", "sts"), true),
    row(("apps.kruise.io", "v1alpha1"), ("CloneSet", "clonesets", "clone"), true),
    refused(row(
        ("autoscaling", "v2"),
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
        true,
    )),
    refused(row(BATCH, ("CronJob", "cronjobs", "cj"), true)),
    refused(row(BATCH, ("Job", "jobs", ""), true)),
    row(("coordination.k8s.io", "v1"), ("Lease", "leases", ""), false),
    row(("discovery.k8s.io", "v1"), ("EndpointSlice", "endpointslices", ""), false),
    cluster(row(GATEWAY, ("GatewayClass", "gatewayclasses", "gc"), true)),
    row(GATEWAY, ("Gateway", "gateways", "gtw"), true),
    row(GATEWAY, ("HTTPRoute", "httproutes", ""), true),
    row(ISTIO, ("DestinationRule", "destinationrules", "dr"), true),
    row(ISTIO, ("VirtualService", "virtualservices", "vs"), true),
    row(NET, ("Ingress", "ingresses", "ing"), true),
    row(NET, ("NetworkPolicy", "networkpolicies", "netpol"), false),
    row(("policy", "v1"), ("PodDisruptionBudget", "poddisruptionbudgets", "pdb"), true),
    cluster(row(RBAC, ("ClusterRole", "clusterroles", ""), false)),
    cluster(row(RBAC, ("ClusterRoleBinding", "clusterrolebindings", ""), false)),
    row(RBAC, ("Role", "roles", ""), false),
    row(RBAC, ("RoleBinding", "rolebindings", ""), false),
    row(("traefik.io", "v1alpha1"), ("TraefikService", "traefikservices", ""), false),
];

/// The resource of a path.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// The resource of a kind.
pub(super) fn served(kind: &KindRef) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|r| r.kind == kind.kind && r.group == kind.group() && r.version == kind.version())
}
