//! Rollouts and revisions to compile.

use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::digest::Digest;
use tranche::core::health::Rules;
use tranche::core::model::{
    Amount, Around, Batch, Batches, Naming, OnDelete, Place, Rollout, RolloutPlan, RolloutStrategy,
    TargetRevision,
};
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::strategy::{
    COMPILER, EntityKey, EntityKind, RevisionBodies, StepContext,
    workload::{self, Shape},
};

pub fn key() -> EntityKey {
    EntityKey { kind: EntityKind::Rollout, namespace: "default".to_owned(), name: "web".to_owned() }
}

/// A revision `web-v<number>` of a workload of a shape, with a Service, and a
/// ConfigMap that no other revision has.
pub fn revision(shape: Shape, number: u64, replicas: u32) -> Arc<RevisionBodies> {
    let (api, kind) = match shape {
        Shape::Pair => ("apps/v1", "Deployment"),
        Shape::InPlace => ("apps.kruise.io/v1alpha1", "CloneSet"),
        Shape::Nodes => ("apps/v1", "DaemonSet"),
    };
    let name = match shape {
        Shape::Pair => format!("web-v{number}"),
        Shape::InPlace | Shape::Nodes => "web".to_owned(),
    };
    let kind = KindRef::new(api, kind);
    let workload = ObjectRef::new(&kind, Some("default"), &name);
    let service = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), "web");
    let own = ObjectRef::new(
        &KindRef::new("v1", "ConfigMap"),
        Some("default"),
        &format!("settings-{number}"),
    );
    let body = |object: &ObjectRef| {
        json!({
            "apiVersion": object.api_version,
            "kind": object.kind,
            "metadata": {"name": object.name, "namespace": "default"},
        })
    };
    let mut rolled = body(&workload);
    let labels = json!({"labels": {"app": "web"}});
    rolled["spec"] =
        json!({"replicas": replicas, "template": {"image": number, "metadata": labels}});
    let mut selecting = body(&service);
    selecting["spec"] = json!({"selector": {"app": "web"}, "ports": [{"port": 80}]});
    let bodies = BTreeMap::from([
        (workload.clone(), Arc::new(rolled)),
        (service.clone(), Arc::new(selecting)),
        (own.clone(), Arc::new(body(&own))),
    ]);
    let revision = format!("web-v{number}");
    Arc::new(RevisionBodies {
        component: "web".to_owned(),
        digest: Digest::of_bytes(revision.as_bytes()),
        revision,
        workload,
        kind: Arc::clone(workload::of(&kind).unwrap()),
        workloads: workload::Workloads::default(),
        naming: Naming::Revision,
        template: Digest::of_bytes(&number.to_be_bytes()),
        replicas,
        sized: true,
        trial: None,
        bodies,
        rest: vec![service, own],
        parts: Vec::new(),
        routed: None,
        berth: None,
        switched: None,
        carried: BTreeMap::new(),
    })
}

pub fn rollout(strategy: RolloutStrategy, batches: Batches) -> Rollout {
    Rollout {
        namespace: None,
        name: "web".to_owned(),
        target: TargetRevision::Named("web-v2".to_owned()),
        source: None,
        component: None,
        component_of: None,
        with: Vec::new(),
        plan: RolloutPlan {
            strategy,
            target_size: None,
            batches,
            batch_partition: None,
            paused: false,
            around: Around::default(),
        },
        naming: Naming::Revision,
        canary: None,
        disabled: false,
        blue_green: None,
        ratio: None,
        pauses: Vec::new(),
        on_delete: OnDelete::Freeze,
        deadline_seconds: 600,
        owners: Arc::default(),
        health: Rules::default(),
        place: Place { file: "rollout.yaml".to_owned(), line: 1 },
    }
}

/// Batches of so many pods each, and how many of each may be unready.
pub fn counts(list: &[(u32, u32)]) -> Batches {
    let batch = |(pods, unready): &(u32, u32)| Batch {
        replicas: Some(Amount::Count(*pods)),
        max_unavailable: Amount::Count(*unready),
    };
    Batches::Listed(list.iter().map(batch).collect())
}

pub fn context(source: Option<&RevisionBodies>, target: &RevisionBodies) -> StepContext {
    StepContext {
        project: "0123456789".to_owned(),
        target: "sandbox".to_owned(),
        entity: key(),
        source: source.map(|source| source.digest.clone()),
        revision: target.digest.clone(),
        attempt: 1,
        round: 0,
        compiler: COMPILER,
    }
}
