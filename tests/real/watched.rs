//! Pods, endpoints and routes at every moment of a test, by `kubectl --watch`:
//! what the API server announced, in its own order, nothing left out.

use serde_json::{Deserializer, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tranche::core::traffic;
use tranche_lab::{ControlPlane, User};

/// What is looked at.
const POD: &str = "Pod";
const SLICE: &str = "EndpointSlice";
const ROUTE: &str = "HTTPRoute";

/// One `kubectl` that writes down what it sees; it ends with this.
pub struct Watch {
    child: Child,
    seen: PathBuf,
    resource: &'static str,
}

impl Watch {
    pub fn start(plane: &ControlPlane, dir: &Path, resource: &'static str) -> Self {
        let seen = dir.join(format!("{resource}.json"));
        let mut command = plane.kubectl_command(User::Admin);
        command.args(["get", resource, "-A", "--watch", "--output-watch-events", "-o", "json"]);
        let child = command.stdin(Stdio::null()).stdout(File::create(&seen).unwrap());
        Self { child: child.spawn().unwrap(), seen, resource }
    }

    /// Everything up to now. A mark at objects of a namespace tells when the
    /// stream has come so far.
    pub fn end(self, plane: &ControlPlane, namespace: &str) -> Vec<Sight> {
        let mark = format!("end-of-{namespace}");
        let value = format!("lab.tranche.dev/end={mark}");
        plane.kubectl(&["-n", namespace, "annotate", self.resource, "--all", &value]).unwrap();
        for _ in 0..300 {
            if std::fs::read_to_string(&self.seen).unwrap().contains(&mark) {
                return self.sights();
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("kubectl has not seen the end of its watch of {}", self.resource);
    }

    fn sights(&self) -> Vec<Sight> {
        let text = std::fs::read_to_string(&self.seen).unwrap();
        let all = Deserializer::from_str(&text).into_iter::<Value>();
        // The last event may be half written.
        all.map_while(Result::ok).map(Sight::read).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One object at one version.
pub struct Sight {
    version: u64,
    gone: bool,
    object: Value,
}

impl Sight {
    fn read(mut event: Value) -> Self {
        let mut object = event["object"].take();
        let version = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        // Of a pod nobody looks at what it is to be, and there may be many.
        if object["kind"] == POD {
            object.as_object_mut().unwrap().remove("spec");
        }
        Self { version, gone: event["type"] == "DELETED", object }
    }

    fn namespace(&self) -> &str {
        self.object["metadata"]["namespace"].as_str().unwrap()
    }
}

/// The store's version at this moment.
pub fn version(plane: &ControlPlane) -> u64 {
    let list = plane.kubectl(&["get", "--raw", "/api/v1/namespaces?limit=1"]).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// All sights of each namespace, in the store's order.
pub fn by_namespace(sights: Vec<Sight>) -> BTreeMap<String, Vec<Sight>> {
    by(sights, |namespace, _| Some(namespace.to_owned()))
}

/// The same of each group that a namespace and a name belong to, if any.
pub fn by(
    mut sights: Vec<Sight>,
    group: impl Fn(&str, &str) -> Option<String>,
) -> BTreeMap<String, Vec<Sight>> {
    sights.sort_by_key(|sight| sight.version);
    let mut found: BTreeMap<String, Vec<Sight>> = BTreeMap::new();
    for sight in sights {
        let name = sight.object["metadata"]["name"].as_str().unwrap();
        if let Some(group) = group(sight.namespace(), name) {
            found.entry(group).or_default().push(sight);
        }
    }
    found
}

/// From a version on there were never fewer ready pods than `floor`, and
/// wherever a route sent traffic, there were the pods that it needs.
pub fn floor_holds(sights: &[Sight], from: u64, floor: u32, case: &str) {
    let mut world: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    let mut looked = 0;
    for sight in sights {
        let kind = sight.object["kind"].as_str().unwrap();
        let key = (kind, sight.object["metadata"]["name"].as_str().unwrap());
        if sight.gone {
            world.remove(&key);
        } else {
            world.insert(key, &sight.object);
        }
        if sight.version <= from {
            continue;
        }
        looked += 1;
        let of = |wanted: &'static str| {
            world.iter().filter(move |((kind, _), _)| *kind == wanted).map(|(_, object)| *object)
        };
        let ready = of(POD).filter(|pod| is_ready(pod)).count();
        let at = sight.version;
        assert!(ready >= floor as usize, "{case}: {ready} of {floor} pods are ready at {at}");
        for route in of(ROUTE) {
            served(route, floor, &|service| {
                let mine = |slice: &&Value| {
                    slice["metadata"]["labels"][traffic::SERVICE_LABEL] == *service
                };
                let slices: Vec<_> =
                    of(SLICE).filter(mine).cloned().map(std::sync::Arc::new).collect();
                traffic::ready_addresses(&slices)
            })
            .unwrap_or_else(|worst| panic!("{case}, at {at}: {worst}"));
        }
    }
    assert!(looked > 0, "{case}: nothing was seen");
}

fn served(route: &Value, floor: u32, there: &dyn Fn(&str) -> u32) -> Result<(), String> {
    let backends = route["spec"]["rules"][0]["backendRefs"].as_array().unwrap();
    let weight = |backend: &Value| u32::try_from(backend["weight"].as_u64().unwrap()).unwrap();
    let all: u32 = backends.iter().map(weight).sum();
    for backend in backends.iter().filter(|backend| weight(backend) > 0) {
        let name = backend["name"].as_str().unwrap();
        let (there, needed) = (there(name), (floor * weight(backend)).div_ceil(all));
        if there < needed {
            return Err(format!("traffic to {name}, which has {there} of {needed} pods"));
        }
    }
    Ok(())
}

/// A pod that serves: ready, and not on its way out.
fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten();
    let ready = ready.clone().any(|c| c["type"] == "Ready" && c["status"] == "True");
    ready && !pod["metadata"]["deletionTimestamp"].is_string()
}
