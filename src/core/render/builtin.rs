//! The built-in types. Owns which there are; their text is in `builtin/`,
//! written as a user would write it.

/// The version of the built-in types, recorded with every revision. It
/// changes whenever one of them renders anything else than before.
pub const BUILTIN_VERSION: &str = "builtin-2";

/// File names and texts.
pub(super) const FILES: [(&str, &str); 12] = [
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
];
