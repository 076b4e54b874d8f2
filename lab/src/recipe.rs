//! What is built from which Go module. Owns the list; must never build.

/// One Go module under `testdata`, with what is made from it.
pub(crate) struct Recipe {
    /// The name of its place in the cache.
    pub(crate) name: &'static str,
    /// The module's directory there.
    pub(crate) source: &'static str,
    /// Packages to build, each with the program's name.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// For the linker.
    pub(crate) ldflags: &'static str,
    /// Files that are copied out of a module's directory.
    pub(crate) copies: &'static [Copy],
}

/// Files of a pinned module, joined to one.
pub(crate) struct Copy {
    /// The module that has them.
    pub(crate) module: &'static str,
    /// The files in it; a directory stands for the YAML files in it.
    pub(crate) from: &'static [&'static str],
    /// The file they are joined to.
    pub(crate) to: &'static str,
}

/// Without a version kubectl complains of the server's.
const KUBERNETES_VERSION: &str = "-s -w \
     -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 \
     -X k8s.io/component-base/version.gitMinor=36";

/// What every cluster of the laboratory consists of. The supervisor comes
/// first: it takes a second, and says early when Go is not usable.
pub(crate) const CONTROL_PLANE: &[Recipe] = &[
    Recipe {
        name: "supervisor",
        source: "control-plane/supervisor",
        programs: &[("tranche.example/control-plane/supervisor", "supervisor")],
        ldflags: "-s -w",
        copies: &[],
    },
    Recipe {
        name: "gateway-api",
        source: "control-plane/gateway-api",
        programs: &[],
        ldflags: "",
        copies: &[Copy {
            module: "sigs.k8s.io/gateway-api",
            from: &["config/crd/standard"],
            to: "crds.yaml",
        }],
    },
    Recipe {
        name: "kubernetes",
        source: "control-plane/kubernetes",
        programs: &[
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
            ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
            ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
        ],
        ldflags: KUBERNETES_VERSION,
        copies: &[],
    },
    Recipe {
        name: "etcd",
        source: "control-plane/etcd",
        programs: &[("go.etcd.io/etcd/server/v3", "etcd")],
        ldflags: "-s -w",
        copies: &[],
    },
    Recipe {
        name: "kwok",
        source: "control-plane/kwok",
        programs: &[("sigs.k8s.io/kwok/cmd/kwok", "kwok")],
        ldflags: "-s -w",
        // Without stages kwok does nothing at all.
        copies: &[Copy {
            module: "sigs.k8s.io/kwok",
            from: &[
                "kustomize/stage/pod/fast/pod-ready.yaml",
                "kustomize/stage/pod/fast/pod-complete.yaml",
                "kustomize/stage/pod/fast/pod-delete.yaml",
                "kustomize/stage/node/fast/node-initialize.yaml",
                "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
            ],
            to: "stages.yaml",
        }],
    },
];

/// What carries real requests, beside the above.
pub(crate) const TRAFFIC: &[Recipe] = &[
    Recipe {
        name: "process-kubelet",
        source: "process-kubelet",
        programs: &[("tranche.example/process-kubelet", "process-kubelet")],
        ldflags: "-s -w",
        copies: &[],
    },
    Recipe {
        name: "traffic-proxy",
        source: "traffic-proxy",
        programs: &[("github.com/traefik/traefik/v3/cmd/traefik", "traefik")],
        ldflags: "-s -w",
        copies: &[],
    },
];
