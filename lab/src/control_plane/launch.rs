//! How each part is started. Owns the flags; must never start.

use std::path::Path;

use super::identity::User;
use crate::build::Parts;

/// The certificate that signs the API server's, in a cluster's directory.
pub(crate) const AUTHORITY: &str = "certificates/apiserver.crt";
/// The bearer token of the process kubelet, which reads no kubeconfig.
pub(crate) const KUBELET_TOKEN: &str = "process-kubelet.token";

/// The ports of one cluster, on loopback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) apiserver: u16,
}

/// Where nobody else listens, the ports that people know: none of them is ever
/// given to a connection.
pub(crate) const OWN: Ports = Ports { etcd: 2379, etcd_peer: 2380, apiserver: 6443 };

/// The store and the API server: what has to be there first.
pub(crate) fn servers(parts: &Parts, dir: &Path, ports: Ports) -> [(&'static str, Vec<String>); 2] {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let at = |name: &str| dir.join(name).display().to_string();
    let etcd = vec![
        parts.path("etcd", "etcd").display().to_string(),
        "--name=lab".into(),
        format!("--data-dir={}", at("etcd")),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=lab={peer}"),
        // A cluster for a test need not survive a power cut.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ];
    let apiserver = vec![
        parts.path("kubernetes", "kube-apiserver").display().to_string(),
        format!("--etcd-servers={client}"),
        format!("--secure-port={}", ports.apiserver),
        "--bind-address=127.0.0.1".into(),
        // Nobody connects to it (it is of the range for documentation). Without
        // it the server wants a default route, which a sandboxed machine lacks.
        "--advertise-address=192.0.2.1".into(),
        "--endpoint-reconciler-type=none".into(),
        format!("--cert-dir={}", at("certificates")),
        format!("--service-account-key-file={}", at("service-accounts.pem")),
        format!("--service-account-signing-key-file={}", at("service-accounts.pem")),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--token-auth-file={}", at("tokens.csv")),
        "--authorization-mode=RBAC".into(),
        "--service-cluster-ip-range=10.0.0.0/16".into(),
        "--disable-admission-plugins=ServiceAccount".into(),
        format!("--audit-policy-file={}", at("audit-policy.yaml")),
        format!("--audit-log-path={}", at("audit.log")),
        "--audit-log-maxsize=4096".into(),
    ];
    [("etcd", etcd), ("kube-apiserver", apiserver)]
}

/// What works on the objects. At their default rates 200 rolling updates of
/// five pods take minutes; none of these serves anything.
pub(crate) fn workers(parts: &Parts, dir: &Path) -> [(&'static str, Vec<String>); 2] {
    let kubeconfig = |name| format!("--kubeconfig={}", kubeconfig_path(dir, User::Part(name)));
    let program = |module, name| parts.path(module, name).display().to_string();
    let manager = vec![
        program("kubernetes", "kube-controller-manager"),
        kubeconfig("kube-controller-manager"),
        "--leader-elect=false".into(),
        "--use-service-account-credentials=false".into(),
        "--secure-port=0".into(),
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=2000".into(),
        "--concurrent-deployment-syncs=50".into(),
        "--concurrent-replicaset-syncs=50".into(),
        "--concurrent-statefulset-syncs=50".into(),
        // kwok says every ten minutes that its node is alive. At the default of
        // 50 s all pods would be unready from then on, and kwok leaves them so.
        "--node-monitor-grace-period=24h".into(),
    ];
    let scheduler = vec![
        program("kubernetes", "kube-scheduler"),
        kubeconfig("kube-scheduler"),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=2000".into(),
    ];
    [("kube-controller-manager", manager), ("kube-scheduler", scheduler)]
}

/// Pods that are ready at once and run nothing.
pub(crate) fn kwok(parts: &Parts, dir: &Path) -> (&'static str, Vec<String>) {
    let program = |name| parts.path("kwok", name).display().to_string();
    let argv = vec![
        program("kwok"),
        format!("--kubeconfig={}", kubeconfig_path(dir, User::Part("kwok"))),
        format!("--config={}", program("stages.yaml")),
        "--manage-all-nodes=true".into(),
        "--node-ip=127.0.0.1".into(),
        "--server-address=".into(),
    ];
    ("kwok", argv)
}

/// Pods that are processes.
pub(crate) fn processes(parts: &Parts, dir: &Path, server: &str) -> (&'static str, Vec<String>) {
    let argv = vec![
        parts.path("process-kubelet", "process-kubelet").display().to_string(),
        "kubelet".into(),
        format!("-server={server}"),
        format!("-ca={}", dir.join(AUTHORITY).display()),
        format!("-token-file={}", dir.join(KUBELET_TOKEN).display()),
    ];
    ("process-kubelet", argv)
}

/// Where the kubeconfig of an identity is.
pub(crate) fn kubeconfig_path(dir: &Path, user: User) -> String {
    dir.join(format!("{}.kubeconfig", user.name())).display().to_string()
}
