//! Kinds of workload that Tranche knows by a descriptor of the plan alone. Their
//! definitions are on the API server; what their controllers would do with the
//! pods and the status is done here, in the open.

use crate::site::Site;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tranche_lab::User;

/// One kind, and where it keeps what its controller goes by.
struct Sort {
    plural: &'static str,
    api_version: &'static str,
    kind: &'static str,
    descriptor: String,
    size: &'static str,
    partition: &'static str,
    template: &'static str,
    seen: &'static str,
    all: &'static str,
    ready: &'static str,
    updated: &'static str,
    updated_ready: Option<&'static str>,
}

/// The worked example of docs/templates.md.
fn advanced() -> Sort {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/templates.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.contains("kind: WorkloadType"));
    Sort {
        plural: "statefulsets",
        api_version: "apps.kruise.io/v1beta1",
        kind: "StatefulSet",
        descriptor: found.next().unwrap().to_owned(),
        size: "/spec/replicas",
        partition: "/spec/updateStrategy/rollingUpdate/partition",
        template: "/spec/template",
        seen: "/status/observedGeneration",
        all: "/status/replicas",
        ready: "/status/readyReplicas",
        updated: "/status/updatedReplicas",
        updated_ready: Some("/status/updatedReadyReplicas"),
    }
}

/// Nothing of it is where other kinds have it, and it does not tell how many
/// pods are both updated and ready.
fn fleet() -> Sort {
    Sort {
        plural: "fleets",
        api_version: "sea.example/v1",
        kind: "Fleet",
        descriptor: "\
apiVersion: tranche.dev/v1alpha1
kind: WorkloadType
metadata: {name: fleet}
spec:
  workload: {apiVersion: sea.example/v1, kind: Fleet}
  shape: inPlace
  replicas: spec.ships.count
  partition: spec.ships.held
  template: spec.ship
  status:
    observedGeneration: status.seen
    replicas: status.ships.all
    ready: status.ships.afloat
    updated: status.ships.fresh
"
        .to_owned(),
        size: "/spec/ships/count",
        partition: "/spec/ships/held",
        template: "/spec/ship",
        seen: "/status/seen",
        all: "/status/ships/all",
        ready: "/status/ships/afloat",
        updated: "/status/ships/fresh",
        updated_ready: None,
    }
}

/// The same at the end of a path, with the objects on the way.
fn at(pointer: &str, value: Value) -> Value {
    pointer.rsplit('/').filter(|key| !key.is_empty()).fold(value, |below, key| json!({key: below}))
}

fn merged(mut into: Value, from: Value) -> Value {
    match (into.as_object_mut(), from) {
        (Some(map), Value::Object(from)) => {
            for (key, value) in from {
                let old = map.remove(&key).unwrap_or_default();
                map.insert(key, merged(old, value));
            }
            into
        }
        (_, from) => from,
    }
}

impl Sort {
    fn number(&self, object: &Value, pointer: &str) -> usize {
        object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0).try_into().unwrap()
    }

    fn definition(&self) -> String {
        let (group, version) = self.api_version.split_once('/').unwrap();
        let (plural, kind) = (self.plural, self.kind);
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
                "versions": [{
                    "name": version, "served": true, "storage": true,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties":
                        {"spec": any, "status": any}}},
                }],
            },
        })
        .to_string()
    }

    /// The component: size and template where the kind has them.
    fn application(&self, image: &str) -> String {
        let pods = json!({"metadata": {"labels": {"app": "web"}},
                          "spec": {"containers": [{"name": "web", "image": image}]}});
        let object = json!({"apiVersion": self.api_version, "kind": self.kind,
                            "metadata": {"name": "web"}});
        let object = merged(object, at(self.size, json!(4)));
        let object = merged(object, at(self.template, pods));
        json!({
            "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
            "metadata": {"name": "web",
                         "annotations": {"app.oam.dev/rollout-template": "true"}},
            "spec": {"components": [{"name": "web", "type": "raw", "properties": object}]},
        })
        .to_string()
    }

    fn named(&self) -> String {
        format!("{}.{}", self.plural, self.api_version.split_once('/').unwrap().0)
    }
}

fn rollout(revision: &str, plan: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {{name: web}}\nspec:\n  \
         targetAppRevisionName: {revision}\n  rolloutPlan: {{rolloutBatches: [{{replicas: 1}}, \
         {{replicas: 1}}, {{replicas: 2}}]{plan}}}\n"
    )
}

/// What its controller would do: one pod at a time, never more of the newest
/// template than the partition lets.
fn control(site: &Site<'_>, sort: &Sort, over: &AtomicBool) {
    let named = sort.named();
    let kubectl = |arguments: &[&str]| {
        let arguments = [&["-n", site.namespace.name()], arguments].concat();
        site.plane.kubectl_as(User::Admin, &arguments, "")
    };
    let mut pods: Vec<String> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
        let Ok(found) = kubectl(&["get", "-o", "json", &named, "web"]) else { continue };
        let live: Value = serde_json::from_str(&found).unwrap();
        let image = live.pointer(&format!("{}/spec/containers/0/image", sort.template)).unwrap();
        let image = image.as_str().unwrap().to_owned();
        let (size, held) = (sort.number(&live, sort.size), sort.number(&live, sort.partition));
        pods.resize(size, image.clone());
        let fresh = pods.iter().filter(|pod| **pod == image).count();
        if fresh < size.saturating_sub(held) {
            let old = pods.iter_mut().rfind(|pod| **pod != image);
            *old.unwrap() = image.clone();
        }
        let fresh = pods.iter().filter(|pod| **pod == image).count();
        let ready = pods.iter().filter(|pod| !pod.contains("bad")).count();
        let both = pods.iter().filter(|pod| **pod == image && !pod.contains("bad")).count();
        let mut status = at(sort.seen, live["metadata"]["generation"].clone());
        for (place, count) in [(sort.all, size), (sort.ready, ready), (sort.updated, fresh)] {
            status = merged(status, at(place, json!(count)));
        }
        if let Some(place) = sort.updated_ready {
            status = merged(status, at(place, json!(both)));
            status = merged(status, json!({"status": {"availableReplicas": ready}}));
        }
        if live["status"] != status["status"] {
            let patch = status.to_string();
            let status = ["patch", &named, "web", "--subresource=status", "--type=merge", "-p"];
            // Another write may have come first; the next look sees it.
            let _ = kubectl(&[&status[..], &[&patch]].concat());
        }
    }
}

fn rolled_in_batches_aborted_and_rolled_again(prefix: &str, sort: &Sort) {
    let site = Site::new(prefix);
    site.plane.kubectl_as(User::Admin, &["apply", "-f", "-"], &sort.definition()).unwrap();
    let named = sort.named();
    let until = ["wait", "--for=condition=Established", "--timeout=60s"];
    let definition = format!("customresourcedefinition/{named}");
    site.plane.kubectl(&[&until[..], &[&definition]].concat()).unwrap();
    let role = format!("--resource={named}");
    let namespace = ["-n", site.namespace.name()];
    let may = ["create", "role", "rolls", "--verb=get,list,create,patch,delete", &role];
    site.plane.kubectl(&[&namespace[..], &may].concat()).unwrap();
    let user = format!("--user={}", User::Tranche.name());
    let bound = ["create", "rolebinding", "rolls", "--role=rolls", &user];
    site.plane.kubectl(&[&namespace[..], &bound].concat()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        struct Ends<'o>(&'o AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _ends = Ends(&over);
        scope.spawn(|| control(&site, sort, &over));
        let stands = |pointer: &str| sort.number(&site.get(&[&named, "web"]), pointer);
        let image = || {
            let live = site.get(&[&named, "web"]);
            live.pointer(&format!("{}/spec/containers/0/image", sort.template)).unwrap().clone()
        };
        let commit = |image: &str, revision: &str, plan: &str| {
            let (application, rollout) = (sort.application(image), rollout(revision, plan));
            site.commit(&[("web.yaml", &application), ("rollout.yaml", &rollout)]);
        };
        site.commit(&[("templates/kind.yaml", &sort.descriptor)]);
        commit("podinfo:1", "web-v1", "");
        site.apply_wait().ends(0);
        assert_eq!((stands(sort.size), stands(sort.partition)), (4, 0));
        assert_eq!(stands(sort.updated), 4);

        commit("podinfo:2", "web-v2", ", batchPartition: 1");
        site.apply_wait().ends(3);
        assert_eq!((stands(sort.partition), stands(sort.updated)), (2, 2), "two batches of one");
        site.run(&["abort", "web"]).ends(0);
        site.apply_wait().ends(4).says("web-v1");
        assert_eq!((image(), stands(sort.partition)), (json!("podinfo:1"), 0));
        assert_eq!((stands(sort.updated), stands(sort.ready)), (4, 4), "all are as they were");

        commit("bad:3", "web-v3", ", batchPartition: 0");
        let told = site.run(&["apply"]).ends(3);
        assert!(told.out.contains("0 of 1 updated pods ready"), "{told}");
        assert_eq!(stands(sort.partition), 3, "no batch after one that is not ready");
        site.run(&["abort", "web"]).ends(0);
        site.apply_wait().ends(4);

        commit("podinfo:4", "web-v4", ", batchPartition: 0");
        let steps = site.run(&["plan"]).ends(0).out;
        assert!(steps.contains("partition ") && !steps.contains("health unknown"), "{steps}");
        site.apply_wait().ends(3);
        // What is under way goes by the descriptor that its revisions came with.
        let path = sort.partition.trim_start_matches('/').replace('/', ".");
        let elsewhere = sort.descriptor.replace(&path, "spec.elsewhere");
        assert_ne!(elsewhere, sort.descriptor);
        site.commit(&[
            ("templates/kind.yaml", &elsewhere),
            ("rollout.yaml", &rollout("web-v4", "")),
        ]);
        site.apply_wait().ends(0);
        assert_eq!(stands(sort.partition), 0);
        assert_eq!(site.get(&[&named, "web"])["spec"].get("elsewhere"), None);
        assert_eq!((image(), stands(sort.updated), stands(sort.ready)), (json!("podinfo:4"), 4, 4));
        assert_eq!(site.rollout("web")["status"]["rollingState"], "rolloutSucceed");
        site.run(&["apply"]).ends(0).says("everything is as the plan says");
    });
}

#[test]
fn the_worked_example_of_the_docs_is_rolled_in_batches_aborted_and_rolled_again() {
    rolled_in_batches_aborted_and_rolled_again("advanced", &advanced());
}

#[test]
fn a_kind_that_keeps_everything_elsewhere_is_rolled_in_batches_aborted_and_rolled_again() {
    rolled_in_batches_aborted_and_rolled_again("fleet", &fleet());
}
