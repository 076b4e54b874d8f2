//! What generated runs do to the cluster, component by component. Owns the floor
//! of each component; it must never ask a run what it thinks that it has done.

use crate::audit::Audit;
use crate::trap::Witness;
use serde_json::Value;
use std::cell::RefCell;
use std::sync::Arc;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::port::{ClusterError, WriteMode};
use tranche::sandbox::{Sandbox, SandboxCluster};

/// The labels that pods say their component by; those of a Deployment as it
/// stands have the second one.
const SAYS: [&str; 2] = ["/metadata/labels/app.oam.dev~1component", "/metadata/labels/app"];

pub struct Watch {
    pub audit: Audit,
    sandbox: Sandbox,
    /// Each component, and how many ready pods it has at least.
    floors: RefCell<Vec<(&'static str, u32)>>,
    /// The first time that one had fewer.
    broken: RefCell<Option<String>>,
}

impl Watch {
    pub fn new(sandbox: &Sandbox, floors: &[(&'static str, u32)]) -> Self {
        let all = floors.iter().map(|(_, least)| least).sum();
        let (floors, broken) = (RefCell::new(floors.to_vec()), RefCell::default());
        Self { audit: Audit::new(all), sandbox: sandbox.clone(), floors, broken }
    }

    /// From here on no more than this is promised of each.
    pub fn lower(&self, floors: &[(&'static str, u32)]) {
        let mut known = self.floors.borrow_mut();
        for (floor, (_, least)) in known.iter_mut().zip(floors) {
            floor.1 = floor.1.min(*least);
        }
        self.audit.lower(known.iter().map(|(_, least)| least).sum());
    }

    /// Every component has had its floor at every look.
    pub fn holds(&self, case: &str) {
        assert_eq!(*self.broken.borrow(), None, "{case}");
    }

    fn count(&self) {
        let floors = self.floors.borrow();
        let mut ready = vec![0; floors.len()];
        let mut see = |_: &ObjectRef, pod: &Value| {
            let of = SAYS.iter().find_map(|label| pod.pointer(label)?.as_str());
            let place = floors.iter().position(|(name, _)| of == Some(name));
            if let Some(place) = place.filter(|_| serves(pod)) {
                ready[place] += 1;
            }
        };
        self.sandbox.visit(&KindRef::new("v1", "Pod"), &mut see).unwrap();
        for ((name, least), ready) in floors.iter().zip(ready) {
            if ready < *least {
                let words = format!("{name}: {ready} ready pods, the floor is {least}");
                self.broken.borrow_mut().get_or_insert(words);
            }
        }
    }
}

fn serves(pod: &Value) -> bool {
    let ready = pod.pointer("/status/containerStatuses/0/ready");
    pod.pointer("/metadata/deletionTimestamp").is_none() && ready == Some(&Value::Bool(true))
}

impl Witness<SandboxCluster> for Watch {
    async fn apply(
        &self,
        cluster: &SandboxCluster,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
    ) -> Result<Arc<Value>, ClusterError> {
        // Between the write and what its answer is looked at for nothing passes.
        let answer = self.audit.apply(cluster, object, body, mode).await;
        self.count();
        answer
    }

    async fn delete(
        &self,
        cluster: &SandboxCluster,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let answer = self.audit.delete(cluster, object, uid, resource_version).await;
        self.count();
        answer
    }

    async fn evict(
        &self,
        cluster: &SandboxCluster,
        pod: &ObjectRef,
        uid: &str,
    ) -> Result<(), ClusterError> {
        let answer = self.audit.evict(cluster, pod, uid).await;
        self.count();
        answer
    }

    async fn look(&self, cluster: &SandboxCluster) {
        self.audit.look(cluster).await;
        self.count();
    }
}
