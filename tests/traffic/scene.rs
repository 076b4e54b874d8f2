//! A turn in the laboratory: a namespace, a hostname, and the load on it.

use crate::plans::{DRAIN, PODS, application, canary, route};
use crate::site::Site;
use serde_json::{Value, json};
use std::sync::{Condvar, Mutex, PoisonError};
use tranche_lab::traffic::{Load, Requests, TrafficLab};

/// So many loads at a time: each is a fifth of a core, and shares and failures
/// are counted, not timed.
const AT_ONCE: u32 = 3;

static UNDER_WAY: Mutex<u32> = Mutex::new(0);
static OVER: Condvar = Condvar::new();

/// A place in the laboratory, until it is dropped.
pub struct Turn(());

impl Drop for Turn {
    fn drop(&mut self) {
        *UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        OVER.notify_one();
    }
}

/// The laboratory, with a place in it as long as the turn lasts.
pub fn turn() -> (&'static TrafficLab, Turn) {
    let under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    let free = OVER.wait_while(under_way, |under_way| *under_way >= AT_ONCE);
    *free.unwrap_or_else(PoisonError::into_inner) += 1;
    (TrafficLab::shared().unwrap(), Turn(()))
}

/// Version v1 of `web`, rolled out by the program and reachable by its hostname.
pub struct Scene {
    pub lab: &'static TrafficLab,
    pub site: Site<'static>,
    pub host: String,
    _turn: Turn,
}

impl Scene {
    /// v1 serves with all its pods.
    pub fn serving(prefix: &str) -> Self {
        let rollout = canary("web-v1", &[100], None);
        let plan = [("application.yaml", application("v1")), ("approllout.yaml", rollout)];
        let scene = Self::of(prefix, &plan);
        assert_eq!(scene.sizes(), json!({"web-v1": PODS}));
        scene
    }

    /// A plan is applied, behind a route of a hostname of its own.
    pub fn of(prefix: &str, plan: &[(&str, String)]) -> Self {
        let (lab, turn) = turn();
        let site = Site::on(lab.plane(), prefix);
        let host = format!("{}.shop.example", site.namespace);
        let scene = Self { lab, site, host, _turn: turn };
        let route = route(&scene.host);
        let mut files = vec![("templates/drain.yaml", DRAIN), ("route.yaml", route.as_str())];
        files.extend(plan.iter().map(|(path, text)| (*path, text.as_str())));
        scene.site.commit(&files);
        scene.site.apply_wait().ends(0);
        scene
    }

    /// The plan is the second revision, in this version, by these weights, as far
    /// as a step.
    pub fn plan(&self, tag: &str, weights: &[u32], until: Option<u32>) {
        self.site.commit(&[
            ("application.yaml", &application(tag)),
            ("approllout.yaml", &canary("web-v2", weights, until)),
        ]);
    }

    /// 500 requests a second, from now on.
    pub fn load(&self) -> Load {
        self.lab.load(&Requests::to(&self.host)).unwrap()
    }

    /// How many pods each Deployment is to have.
    pub fn sizes(&self) -> Value {
        let found = self.site.get(&["deployments"]);
        let of = |one: &Value| {
            (one["metadata"]["name"].as_str().unwrap().to_owned(), one["spec"]["replicas"].clone())
        };
        found["items"].as_array().unwrap().iter().map(of).collect()
    }

    /// What the route points at, as in the plan: nothing of the rollout is left.
    #[track_caller]
    pub fn is_at_rest(&self, sizes: &Value) {
        assert_eq!(self.sizes(), *sizes);
        let route = self.site.get(&["httproute", "web"]);
        let backends = route.pointer("/spec/rules/0/backendRefs").unwrap().as_array().unwrap();
        let names: Vec<&str> = backends.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["web"]);
        let services = self.site.get(&["services"]);
        assert_eq!(services["items"].as_array().unwrap().len(), 1, "{services}");
    }
}
