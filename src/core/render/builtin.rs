//! The built-in types, by version. Owns which there are; their text is in
//! `builtin/`, written as a user would write it.
//!
//! A type that is added changes nothing of what others render. Whoever changes
//! what one renders makes a version: the files of the one before stay, and are
//! what its revisions are rendered by.

/// One version of all built-in types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtins {
    /// Its name on the record.
    pub version: &'static str,
    /// File names and texts.
    pub files: &'static [(&'static str, &'static str)],
}

/// The version that revisions are of whose record names none.
pub const FIRST_BUILTINS: &str = "builtin-2";

/// The built-in types of this version.
pub const BUILTIN: Builtins = Builtins { version: BUILTIN_VERSION, files: FILES };

/// The version of the built-in types, recorded with every revision. It
/// changes whenever one of them renders anything else than before.
const BUILTIN_VERSION: &str = "builtin-2";

/// File names and texts.
pub(super) const FILES: &[(&str, &str)] = &[
    ("builtin/webservice.yaml", include_str!("builtin/webservice.yaml")),
    ("builtin/worker.yaml", include_str!("builtin/worker.yaml")),
    ("builtin/clonesetservice.yaml", include_str!("builtin/clonesetservice.yaml")),
    ("builtin/statefulset.yaml", include_str!("builtin/statefulset.yaml")),
    ("builtin/scaler.yaml", include_str!("builtin/scaler.yaml")),
    ("builtin/expose.yaml", include_str!("builtin/expose.yaml")),
    ("builtin/labels.yaml", include_str!("builtin/labels.yaml")),
    ("builtin/annotations.yaml", include_str!("builtin/annotations.yaml")),
    ("builtin/resource.yaml", include_str!("builtin/resource.yaml")),
    ("builtin/gateway.yaml", include_str!("builtin/gateway.yaml")),
    ("builtin/env.yaml", include_str!("builtin/env.yaml")),
    ("builtin/storage.yaml", include_str!("builtin/storage.yaml")),
    ("builtin/daemon.yaml", include_str!("builtin/daemon.yaml")),
    ("builtin/task.yaml", include_str!("builtin/task.yaml")),
    ("builtin/cron-task.yaml", include_str!("builtin/cron-task.yaml")),
    ("builtin/hpa.yaml", include_str!("builtin/hpa.yaml")),
    ("builtin/cpuscaler.yaml", include_str!("builtin/cpuscaler.yaml")),
    ("builtin/sidecar.yaml", include_str!("builtin/sidecar.yaml")),
    ("builtin/init-container.yaml", include_str!("builtin/init-container.yaml")),
    ("builtin/command.yaml", include_str!("builtin/command.yaml")),
    ("builtin/container-image.yaml", include_str!("builtin/container-image.yaml")),
    ("builtin/json-patch.yaml", include_str!("builtin/json-patch.yaml")),
    ("builtin/json-merge-patch.yaml", include_str!("builtin/json-merge-patch.yaml")),
    ("builtin/service-account.yaml", include_str!("builtin/service-account.yaml")),
    ("builtin/affinity.yaml", include_str!("builtin/affinity.yaml")),
    ("builtin/k8s-update-strategy.yaml", include_str!("builtin/k8s-update-strategy.yaml")),
    ("builtin/hostalias.yaml", include_str!("builtin/hostalias.yaml")),
    ("builtin/lifecycle.yaml", include_str!("builtin/lifecycle.yaml")),
];
