//! What all runs of one case did to the cluster, as the cluster saw it.

use crate::followed;
use crate::trap::Witness;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::strategy::{ANNOTATION_PREFIX, ANNOTATION_STEP, workload};
use tranche::core::traffic;
use tranche::port::{Cluster, ClusterError, WriteMode};

/// The labels of pods that a Service may be narrowed by: of a revision's, and of
/// a template's where the workload keeps its name.
const SAYS_WHOSE: [&str; 2] = ["app.oam.dev/revision", "tranche.dev/template"];

pub struct Audit {
    /// How often each effect changed the state of its object.
    changes: RefCell<BTreeMap<String, u32>>,
    /// Fewest ready pods seen.
    lowest: Cell<u32>,
    floor: Cell<u32>,
    /// The first time that traffic was sent to too few pods.
    underserved: RefCell<Option<String>>,
}

impl Audit {
    pub fn new(floor: u32) -> Self {
        let (lowest, floor) = (Cell::new(u32::MAX), Cell::new(floor));
        Self { changes: RefCell::default(), lowest, floor, underserved: RefCell::default() }
    }

    /// From here on no more than this is promised.
    pub fn lower(&self, floor: u32) {
        self.floor.set(self.floor.get().min(floor));
    }

    /// An apply, with the object before and after it.
    fn applied(
        &self,
        object: &ObjectRef,
        body: &Value,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        if before.map(state) == after.map(state) {
            return;
        }
        let annotations = body.pointer("/metadata/annotations");
        let mark = annotations.and_then(|all| all.get(ANNOTATION_STEP)).and_then(Value::as_str);
        let mut effect = mark.map_or_else(|| format!("outside any step: {object}"), str::to_owned);
        // Such a creation moves nothing; the same effect goes on to its state.
        let moves_nothing =
            |made: &Value| traffic::takes_nothing(made) || made["spec"]["replicas"] == 0;
        if before.is_none() && after.is_some_and(moves_nothing) {
            effect.push_str(", created");
        }
        self.count(effect);
    }

    /// A delete that the cluster took.
    fn deleted(&self, object: &ObjectRef) {
        self.count(format!("delete {object}"));
    }

    fn count(&self, effect: String) {
        *self.changes.borrow_mut().entry(effect).or_default() += 1;
    }

    /// Wherever a route sends traffic, there are the pods that it needs.
    async fn follow(&self, cluster: &impl Cluster) {
        let kind = KindRef::new("gateway.networking.k8s.io/v1", "HTTPRoute");
        let slices = KindRef::new(traffic::SLICES.0, traffic::SLICES.1);
        for route in cluster.list(&kind, Some("default"), &[]).await.unwrap() {
            let backends = route["spec"]["rules"][0]["backendRefs"].as_array().unwrap();
            let weight =
                |backend: &Value| u32::try_from(backend["weight"].as_u64().unwrap()).unwrap();
            let all: u32 = backends.iter().map(weight).sum();
            for backend in backends.iter().filter(|backend| weight(backend) > 0) {
                let name = backend["name"].as_str().unwrap().to_owned();
                let label = [(traffic::SERVICE_LABEL.to_owned(), name)];
                let found = cluster.list(&slices, Some("default"), &label).await.unwrap();
                let there = traffic::ready_addresses(&found);
                let needed = (self.floor.get() * weight(backend)).div_ceil(all);
                if there < needed {
                    let worst = format!("{} has {there} of {needed} pods", label[0].1);
                    self.underserved.borrow_mut().get_or_insert(worst);
                }
            }
        }
    }

    /// Whoever is sent by an Ingress beside another one finds a pod.
    async fn follow_seconds(&self, cluster: &impl Cluster) {
        let kind = KindRef::new("networking.k8s.io/v1", "Ingress");
        let slices = KindRef::new(traffic::SLICES.0, traffic::SLICES.1);
        for second in cluster.list(&kind, Some("default"), &[]).await.unwrap() {
            if !traffic::is_made(&second) || traffic::takes_nothing(&second) {
                continue;
            }
            for backend in traffic::backends(&second) {
                let label = [(traffic::SERVICE_LABEL.to_owned(), backend.to_owned())];
                let found = cluster.list(&slices, Some("default"), &label).await.unwrap();
                if traffic::ready_addresses(&found) == 0 {
                    let worst = format!("a lane leads to {backend}, which has no pods");
                    self.underserved.borrow_mut().get_or_insert(worst);
                }
            }
        }
    }

    /// A Service that is to reach one revision alone reaches all that it needs of
    /// it, and of no other.
    async fn reach(&self, cluster: &impl Cluster) {
        let list = |api: &'static str, kind: &'static str| async move {
            cluster.list(&KindRef::new(api, kind), Some("default"), &[]).await.unwrap()
        };
        let pods = list("v1", "Pod").await;
        for slice in list(traffic::SLICES.0, traffic::SLICES.1).await {
            let service = slice.pointer("/metadata/labels/tranche.dev~1reaches");
            let Some(of) = service.and_then(Value::as_str) else { continue };
            let endpoints = slice["endpoints"].as_array().into_iter().flatten();
            let reached = endpoints.filter_map(|endpoint| {
                let uid = &endpoint["targetRef"]["uid"];
                pods.iter().find(|pod| pod["metadata"]["uid"] == *uid)
            });
            let there = traffic::ready_addresses(std::slice::from_ref(&slice));
            let named = |pod: &&Arc<Value>| {
                SAYS_WHOSE.iter().any(|label| pod["metadata"]["labels"][label] == *of)
            };
            let others = reached.filter(|pod| !named(pod)).count();
            if there < self.floor.get() || others > 0 {
                let worst = format!("{there} pods of {of} are reached, and {others} others");
                self.underserved.borrow_mut().get_or_insert(worst);
            }
        }
    }

    /// No effect changed anything twice, some did, and the floor held.
    pub fn holds(&self, case: &str) {
        self.holds_with(case, 1);
    }

    /// The same of what may go back: what a batch has deleted is brought back then,
    /// and deleted again.
    pub fn holds_with(&self, case: &str, deleted: u32) {
        let changes = self.changes.borrow();
        assert!(!changes.is_empty(), "{case}: nothing was written");
        for (effect, count) in changes.iter() {
            let most = if effect.starts_with("delete ") { deleted } else { 1 };
            assert!(*count <= most, "{case}: {effect} changed it {count} times: {changes:?}");
        }
        assert_eq!(*self.underserved.borrow(), None, "{case}");
        let (lowest, floor) = (self.lowest.get(), self.floor.get());
        assert!(lowest >= floor, "{case}: only {lowest} pods were ready, the floor is {floor}");
    }

    /// How many effects changed something.
    pub fn changes(&self) -> usize {
        self.changes.borrow().len()
    }
}

impl<C: Cluster> Witness<C> for Audit {
    async fn apply(
        &self,
        cluster: &C,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
    ) -> Result<Arc<Value>, ClusterError> {
        let before = cluster.get(object).await?;
        let answer = cluster.apply(object, body, mode, false).await;
        let after = cluster.get(object).await?;
        self.applied(object, body, before.as_deref(), after.as_deref());
        self.look(cluster).await;
        answer
    }

    async fn delete(
        &self,
        cluster: &C,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let answer = cluster.delete(object, uid, resource_version).await;
        if answer.is_ok() {
            self.deleted(object);
        }
        self.look(cluster).await;
        answer
    }

    async fn evict(&self, cluster: &C, pod: &ObjectRef, uid: &str) -> Result<(), ClusterError> {
        let answer = cluster.evict(pod, uid, false).await;
        if answer.is_ok() {
            self.count(format!("evict {pod}"));
        }
        self.look(cluster).await;
        answer
    }

    async fn look(&self, cluster: &C) {
        let mut ready = 0;
        for kind in workload::built_in() {
            let name = kind.of.clone();
            let live = cluster.list(&name, Some("default"), &[]).await.unwrap();
            ready += live.iter().map(|object| kind.read(object).ready).sum::<u32>();
        }
        self.lowest.set(self.lowest.get().min(ready));
        self.follow(cluster).await;
        if let Some(worst) = followed::underserved(cluster, self.floor.get()).await {
            self.underserved.borrow_mut().get_or_insert(worst);
        }
        self.follow_seconds(cluster).await;
        self.reach(cluster).await;
    }
}

/// An object without its status, the server's own fields and our marks.
fn state(object: &Value) -> Value {
    let mut state = object.clone();
    if let Some(fields) = state.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = state.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
        if let Some(all) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            all.retain(|key, _| !key.starts_with(ANNOTATION_PREFIX));
        }
        // What has none but ours has none.
        if metadata.get("annotations").is_some_and(|all| *all == serde_json::json!({})) {
            metadata.remove("annotations");
        }
    }
    state
}
