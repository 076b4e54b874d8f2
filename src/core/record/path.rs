//! Where each file of a record lies.

use crate::core::strategy::{EntityKey, EntityKind};

/// The status file of an entity.
#[must_use]
pub fn entity_path(key: &EntityKey) -> String {
    match key.kind {
        EntityKind::Rollout => format!("rollouts/{}/{}.yaml", key.namespace, key.name),
        EntityKind::Route => format!("routes/{}/{}.yaml", key.namespace, key.name),
        EntityKind::Lane => format!("lanes/{}/{}.yaml", key.namespace, key.name),
        EntityKind::Application => format!("applications/{}/{}.yaml", key.namespace, key.name),
        EntityKind::Objects => format!("applications/{}/_objects.yaml", key.namespace),
    }
}

/// What people decided about a rollout; a file of its own, so that a decision
/// and a status never collide.
#[must_use]
pub fn decisions_path(key: &EntityKey) -> String {
    format!("decisions/{}/{}.yaml", key.namespace, key.name)
}

/// The objects that an entity owns.
#[must_use]
pub fn inventory_path(key: &EntityKey) -> String {
    match key.kind {
        EntityKind::Rollout => format!("inventory/{}/{}.rollout.yaml", key.namespace, key.name),
        EntityKind::Route => format!("inventory/{}/{}.route.yaml", key.namespace, key.name),
        EntityKind::Lane => format!("inventory/{}/{}.lane.yaml", key.namespace, key.name),
        EntityKind::Application => format!("inventory/{}/{}.yaml", key.namespace, key.name),
        EntityKind::Objects => format!("inventory/{}/_objects.yaml", key.namespace),
    }
}

/// A published revision.
#[must_use]
pub fn revision_path(namespace: &str, application: &str, revision: &str) -> String {
    format!("revisions/{namespace}/{application}/{revision}.yaml")
}
