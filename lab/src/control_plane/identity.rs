//! Who may ask the API server for what. Owns tokens and kubeconfigs; must never
//! name a server other than the laboratory's own.

use std::fmt::Write as _;

/// An identity of the cluster, each with a token and a kubeconfig of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything: the test's own hands.
    Admin,
    /// What Tranche needs, in namespaces made by `ControlPlane::namespace`.
    Tranche,
    /// Only reads, in the same namespaces.
    Reader,
    /// The control plane itself.
    Part(&'static str),
}

/// All identities that the API server knows.
pub(crate) const USERS: &[User] = &[
    User::Admin,
    User::Tranche,
    User::Reader,
    User::Part("kube-controller-manager"),
    User::Part("kube-scheduler"),
    User::Part("kwok"),
    User::Part("process-kubelet"),
    User::Part("traefik"),
];

impl User {
    /// The name by which the audit log tells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Tranche => "tranche",
            Self::Reader => "reader",
            Self::Part(name) => name,
        }
    }

    /// The bearer token. It opens nothing but a cluster on this machine's
    /// loopback that lives as long as the test.
    #[must_use]
    pub fn token(self) -> String {
        format!("lab-{}", self.name())
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters,lab:people",
            Self::Tranche | Self::Reader => "lab:people",
            Self::Part(_) => "system:masters,lab:parts",
        }
    }
}

/// The API server's token file.
pub(crate) fn tokens() -> String {
    let mut lines = String::new();
    for user in USERS {
        let (name, token, groups) = (user.name(), user.token(), user.groups());
        let _ = writeln!(lines, "{token},{name},{name},\"{groups}\"");
    }
    lines
}

/// A kubeconfig with the one context `lab`.
pub(crate) fn kubeconfig(user: User, server: &str, authority: &std::path::Path) -> String {
    let (name, token, authority) = (user.name(), user.token(), authority.display());
    format!(
        "apiVersion: v1
kind: Config
current-context: lab
clusters:
  - name: lab
    cluster: {{server: \"{server}\", certificate-authority: \"{authority}\"}}
users:
  - name: {name}
    user: {{token: \"{token}\"}}
contexts:
  - name: lab
    context: {{cluster: lab, user: {name}}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn each_identity_has_a_line_of_its_own() {
        let said = tokens();
        assert!(said.contains("lab-tranche,tranche,tranche,\"lab:people\"\n"), "{said}");
        assert!(said.contains("lab-admin,admin,admin,\"system:masters,lab:people\"\n"), "{said}");
        assert_eq!(said.lines().count(), super::USERS.len());
    }
}
