//! A namespace for one test. Owns its name and the rights in it; must never be
//! one that was there before.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::control_plane::{ControlPlane, User};
use crate::error::Error;

/// A namespace that this process has made. It goes with the cluster: deleting
/// it would only keep the controllers busy.
#[derive(Debug, Clone)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)
    }
}

impl ControlPlane {
    /// A new namespace `<prefix>-<number>`, in which `User::Tranche` and
    /// `User::Reader` have their rights.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn namespace(&self, prefix: &str) -> Result<Namespace, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("{prefix}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let namespace = Namespace { name };
        self.restore(&namespace)?;
        Ok(namespace)
    }

    /// Makes a namespace once more, after a `wipe`: empty, with the rights that
    /// it had.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn restore(&self, namespace: &Namespace) -> Result<(), Error> {
        let name = namespace.name();
        let mut documents =
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
        for user in [User::Tranche, User::Reader] {
            let user = user.name();
            documents.push_str(&format!(
                "---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: lab-{user}, namespace: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: \"lab:{user}\"}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]
"
            ));
        }
        self.kubectl_as(User::Admin, &["create", "-f", "-"], &documents).map(drop)
    }
}
