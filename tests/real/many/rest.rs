//! What is live of each application, by kubectl: its objects and its pods.

use super::app::{App, Sort, owner};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tranche_lab::ControlPlane;

/// Every kind that an application here may have.
const KINDS: &str = "deployments,statefulsets,daemonsets,clonesets.apps.kruise.io,services,\
                     ingresses,httproutes.gateway.networking.k8s.io,\
                     configmaps,secrets,pods";

/// What the cluster has of one application.
#[derive(Debug, Default)]
struct Live {
    /// As `Kind/name`, pods aside.
    objects: Vec<String>,
    /// Ready pods by image.
    ready: BTreeMap<String, u32>,
    /// What its ConfigMaps say.
    settings: BTreeSet<String>,
    /// Its workloads' sizes that are not zero.
    sizes: BTreeMap<String, u64>,
    /// What its Services and routes still say of a rollout.
    marks: Vec<String>,
}

fn live(plane: &ControlPlane, apps: &[App]) -> BTreeMap<String, Live> {
    let namespaces: BTreeSet<&str> = apps.iter().map(|app| app.namespace.as_str()).collect();
    let mut found: BTreeMap<String, Live> = BTreeMap::new();
    for namespace in namespaces {
        let all = plane.get(&["-n", namespace, KINDS]).unwrap();
        for object in all["items"].as_array().unwrap() {
            let name = object["metadata"]["name"].as_str().unwrap();
            if name == "kube-root-ca.crt" {
                continue;
            }
            found.entry(owner(name).to_owned()).or_default().add(object);
        }
    }
    found
}

impl Live {
    fn add(&mut self, object: &Value) {
        let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
        let name = metadata["name"].as_str().unwrap();
        if kind == "Pod" {
            let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            let ready =
                conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            if ready && metadata["deletionTimestamp"].is_null() {
                let image = object["spec"]["containers"][0]["image"].as_str().unwrap();
                *self.ready.entry(image.to_owned()).or_default() += 1;
            }
            return;
        }
        if let Some(size) = object["spec"]["replicas"].as_u64() {
            self.sizes.insert(name.to_owned(), size);
        }
        if let Some(settings) = object["data"]["release"].as_str() {
            self.settings.insert(settings.to_owned());
        }
        if kind == "Service" && !metadata["labels"]["tranche.dev/reaches"].is_null() {
            self.marks.push(format!("{name} is narrowed to one revision"));
        }
        if kind == "HTTPRoute" {
            let backends = object["spec"]["rules"][0]["backendRefs"].as_array().unwrap();
            let names = backends.iter().map(|backend| &backend["name"]);
            self.marks
                .extend(names.filter(|to| *to != name).map(|to| format!("{name} leads to {to}")));
        }
        self.objects.push(format!("{kind}/{name}"));
    }

    /// Its objects, by the names that the plan gave them.
    fn named(&self, app: &App) -> Vec<String> {
        let plain = |object: &String| match app.sort {
            Sort::Carried if object.starts_with("ConfigMap/") => {
                object.rsplit_once('-').unwrap().0.to_owned()
            }
            _ => object.clone(),
        };
        let mut all: Vec<String> = self.objects.iter().map(plain).collect();
        all.sort();
        all
    }
}

/// Every application has reached a release: its objects and no other, all its
/// pods, and nothing of what there was on the way.
pub fn all_rest(plane: &ControlPlane, apps: &[App], release: u32) {
    let names: BTreeSet<&str> = apps.iter().map(|app| app.name.as_str()).collect();
    soon(plane, apps, |live| {
        let mut wrong: Vec<String> =
            live.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        wrong.extend(apps.iter().filter_map(|app| {
            let found = live.get(&app.name)?;
            (!found.rests(app, release)).then(|| format!("{} at v{release}: {found:#?}", app.name))
        }));
        wrong
    });
}

/// Every application of these stands behind the first batch of a release.
pub fn all_are_between(plane: &ControlPlane, apps: &[App], before: u32, release: u32) {
    soon(plane, apps, |live| {
        let wrong = apps.iter().filter_map(|app| {
            let (found, wanted) =
                (&live.get(&app.name)?.ready, app.images_between(before, release));
            (*found != wanted).then(|| format!("{}: {found:?} instead of {wanted:?}", app.name))
        });
        wrong.collect()
    });
}

/// Nothing is wrong, or will be once the controllers have come by: what a step
/// does last nobody waits for.
fn soon(
    plane: &ControlPlane,
    apps: &[App],
    wrong: impl Fn(&BTreeMap<String, Live>) -> Vec<String>,
) {
    let mut left = Vec::new();
    for _ in 0..30 {
        let found = live(plane, apps);
        left = wrong(&found);
        left.extend(
            apps.iter().map(|app| app.name.clone()).filter(|name| !found.contains_key(name)),
        );
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("{}", left.join("\n"));
}

impl Live {
    fn rests(&self, app: &App, release: u32) -> bool {
        let settings = match app.sort {
            Sort::Carried | Sort::Objects => BTreeSet::from([release.to_string()]),
            _ => BTreeSet::new(),
        };
        // A DaemonSet has no size.
        let size = if app.sort == Sort::Nodes { 0 } else { u64::from(app.pods()) };
        self.named(app) == app.objects(release)
            && self.ready == app.images(release)
            && self.settings == settings
            && self.sizes.values().sum::<u64>() == size
            && self.marks.is_empty()
    }
}
