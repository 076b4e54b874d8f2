//! What all runs of one case did to the cluster, as the cluster saw it.

use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::strategy::{ANNOTATION_PREFIX, ANNOTATION_STEP, workload};
use tranche::edge::cluster::KubeCluster;
use tranche::port::Cluster as _;

pub struct Audit {
    /// How often each effect changed the state of its object.
    changes: RefCell<BTreeMap<String, u32>>,
    /// Fewest ready pods seen.
    lowest: Cell<u32>,
    floor: u32,
}

impl Audit {
    pub fn new(floor: u32) -> Self {
        Self { changes: RefCell::default(), lowest: Cell::new(u32::MAX), floor }
    }

    /// An apply, with the object before and after it.
    pub fn applied(
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
        self.count(mark.map_or_else(|| format!("outside any step: {object}"), str::to_owned));
    }

    /// A delete that the cluster took.
    pub fn deleted(&self, object: &ObjectRef) {
        self.count(format!("delete {object}"));
    }

    fn count(&self, effect: String) {
        *self.changes.borrow_mut().entry(effect).or_default() += 1;
    }

    /// Looks at the ready pods.
    pub async fn look(&self, cluster: &KubeCluster) {
        let mut ready = 0;
        for kind in workload::KINDS {
            let name = KindRef::new(kind.api_version, kind.kind);
            let live = cluster.list(&name, Some("default"), &[]).await.unwrap();
            ready += live.iter().map(|object| (kind.read)(object).ready).sum::<u32>();
        }
        self.lowest.set(self.lowest.get().min(ready));
    }

    /// No effect changed anything twice, some did, and the floor held.
    pub fn holds(&self, case: &str) {
        let changes = self.changes.borrow();
        assert!(!changes.is_empty(), "{case}: nothing was written");
        for (effect, count) in changes.iter() {
            assert_eq!(*count, 1, "{case}: {effect} changed its object {count} times: {changes:?}");
        }
        let (lowest, floor) = (self.lowest.get(), self.floor);
        assert!(lowest >= floor, "{case}: only {lowest} pods were ready, the floor is {floor}");
    }

    /// How many effects changed something.
    pub fn changes(&self) -> usize {
        self.changes.borrow().len()
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
    }
    state
}
