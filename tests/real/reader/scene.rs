//! A plan under way in two namespaces, with changes of every sort, and service
//! accounts with the rights that docs/review.md has in YAML. Owns what they see
//! of it and what they have asked.

use super::plan::Plan;
use crate::site::{Ran, Site};
use crate::webservice::{APPLICATION, FIRST, second_application, second_rollout};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;
use tranche_lab::{Namespace, Request, User};

const BEFORE: &str = include_str!("before.yaml");
const AFTER: &str = include_str!("after.yaml");
const DOCUMENT: &str = include_str!("../../../docs/review.md");
/// What the scene has, and the anchor.
const KINDS: &str = "configmaps,secrets,services,deployments,statefulsets,cronjobs,\
                     poddisruptionbudgets,networkpolicies,leases";

/// The documented roles.
#[derive(Clone, Copy)]
pub enum Role {
    Read,
    DryRun,
}

/// A service account that is bound to one of them.
pub struct Planner {
    home: Namespace,
    kubeconfig: PathBuf,
}

pub struct Scene {
    pub site: Site<'static>,
    other: Namespace,
}

/// A YAML block of the document, by the name before it.
fn documented(name: &str) -> &'static str {
    let begin = format!("<!-- yaml: {name} -->\n```yaml\n");
    let (_, rest) = DOCUMENT.split_once(&begin).unwrap_or_else(|| panic!("no block {name}"));
    rest.split_once("```\n").unwrap().0
}

impl Scene {
    /// Everything applied, the rollout at a gate, edits by hand, and then a plan
    /// that opens the gate and changes, creates and orders anew.
    pub fn new() -> Self {
        let site = Site::new("planned");
        let other = site.plane.namespace("planned-too").unwrap();
        let scene = Self { site, other };
        let site = &scene.site;
        site.commit(&[("application.yaml", APPLICATION), ("approllout.yaml", FIRST)]);
        site.apply_wait().ends(0);
        let held = second_rollout() + "    batchPartition: 0\n";
        site.commit(&[
            ("application.yaml", &second_application()),
            ("approllout.yaml", &held),
            ("objects.yaml", &scene.placed(BEFORE)),
        ]);
        site.apply_wait().ends(3).says("batchPartition is 0");
        scene.by_hand("edited", r#"{"data": {"a": "by hand"}}"#);
        scene.by_hand("same", r#"{"data": {"extra": "by hand"}}"#);
        let namespace = site.namespace.name();
        site.plane.kubectl(&["-n", namespace, "delete", "configmap", "removed"]).unwrap();
        site.commit(&[
            ("approllout.yaml", &second_rollout()),
            ("objects.yaml", &scene.placed(AFTER)),
        ]);
        scene.at_rest();
        scene
    }

    /// The same plan, which does not say what becomes of the edit by hand.
    pub fn contest(&self) {
        let contested = AFTER.replace("  annotations: {tranche.dev/conflicts: take}\n", "");
        assert_ne!(contested, AFTER);
        self.site.commit(&[("objects.yaml", &self.placed(&contested))]);
    }

    fn placed(&self, plan: &str) -> String {
        plan.replace("OTHER", self.other.name())
    }

    fn by_hand(&self, name: &str, patch: &str) {
        let namespace = self.site.namespace.name();
        let patch = ["-n", namespace, "patch", "configmap", name, "-p", patch];
        let manager = ["--field-manager", "kubectl-edit"];
        self.site.plane.kubectl(&[&patch[..], &manager].concat()).unwrap();
    }

    /// The version of every object of both namespaces.
    fn versions(&self) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        for namespace in [&self.site.namespace, &self.other] {
            let found = self.site.plane.get(&["-n", namespace.name(), KINDS]).unwrap();
            for object in found["items"].as_array().unwrap() {
                let name = object["metadata"]["name"].as_str().unwrap();
                let key = format!("{}/{namespace}/{name}", object["kind"].as_str().unwrap());
                let version = object["metadata"]["resourceVersion"].as_str().unwrap();
                versions.insert(key, version.to_owned());
            }
        }
        versions
    }

    /// Waits until the controllers have written the last of their status.
    fn at_rest(&self) {
        let mut before = self.versions();
        for _ in 0..60 {
            std::thread::sleep(Duration::from_secs(2));
            let now = self.versions();
            if now == before {
                return;
            }
            before = now;
        }
        panic!("the controllers never rest");
    }

    /// Every branch and tag of the plan repository, the record among them.
    fn refs(&self) -> BTreeMap<String, String> {
        let repository = self.site.repository();
        let all = repository.references().unwrap().map(Result::unwrap);
        all.map(|one| {
            let commit = one.peel_to_commit().unwrap().id().to_string();
            (one.name().unwrap().to_owned(), commit)
        })
        .collect()
    }

    /// A new service account with a documented role, bound as documented.
    pub fn planner(&self, role: Role) -> Planner {
        let plane = self.site.plane;
        let home = plane.namespace("ci").unwrap();
        let apply = |text: &str| plane.kubectl_as(User::Admin, &["apply", "-f", "-"], text);
        let mut binding = documented("binding").to_owned();
        match role {
            Role::Read => {
                apply(documented("read")).unwrap();
                let name = |role: &str| format!("kind: ClusterRole, name: {role}}}");
                assert!(binding.contains(&name("tranche-plan")));
                binding = binding.replace(&name("tranche-plan"), &name("tranche-plan-read"));
            }
            Role::DryRun => drop(apply(documented("dry-run")).unwrap()),
        }
        // Several are bound in the same namespaces, each by a name of its own.
        let (account, own) = ("{name: tranche-plan, namespace: ci}", "{name: HOME, namespace: ");
        let bindings = binding
            .replace("{name: tranche-plan, namespace: ", own)
            .replace(&account.replace("tranche-plan", "HOME"), account)
            .replace("kind: Role, name: tranche-plan", "kind: Role, name: HOME")
            .replace("HOME", home.name())
            .replace("namespace: ci", &format!("namespace: {home}"));
        for namespace in [&self.site.namespace, &self.other] {
            let shop = format!("namespace: {namespace}");
            apply(&bindings.replace("namespace: shop", &shop)).unwrap();
        }
        let token = ["create", "token", "tranche-plan", "-n", home.name()];
        let token = plane.kubectl(&token).unwrap();
        let admin = fs::read_to_string(plane.kubeconfig()).unwrap();
        let kubeconfig = self.site.path(&format!("{home}.kubeconfig"));
        fs::write(&kubeconfig, admin.replace(&plane.token(), token.trim())).unwrap();
        Planner { home, kubeconfig }
    }

    /// The documented policy, for one of them.
    pub fn guard(&self, planner: &Planner) {
        let policy = documented("guard");
        let ours = policy.replace(":ci:", &format!(":{}:", planner.home));
        assert_ne!(ours, policy);
        self.site.plane.kubectl_as(User::Admin, &["apply", "-f", "-"], &ours).unwrap();
    }

    /// A write by somebody's token, past the product.
    pub fn write(&self, planner: &Planner, value: u32) -> Output {
        let mut kubectl = self.site.plane.kubectl_command(User::Admin);
        kubectl.env("KUBECONFIG", &planner.kubeconfig);
        kubectl.args(["-n", self.site.namespace.name(), "annotate", "--overwrite"]);
        kubectl.args(["configmap", "same", &format!("lab.tranche.dev/written={value}")]);
        kubectl.output().unwrap()
    }

    /// What somebody sees in all forms, which leave everything as it was.
    pub fn plan(&self, planner: &Planner, code: i32) -> Plan {
        let (versions, refs) = (self.versions(), self.refs());
        let run = |form| {
            let mut command = self.site.command(&["plan", "-o", form]);
            Ran::of(&command.env("KUBECONFIG", &planner.kubeconfig).output().unwrap()).ends(code)
        };
        let plan = Plan::of(["text", "json", "markdown", "html"].map(run));
        assert_eq!(self.versions(), versions);
        assert_eq!(self.refs(), refs);
        plan
    }

    /// What somebody has asked so far.
    pub fn asked(&self, planner: &Planner) -> Vec<Request> {
        let user = format!("system:serviceaccount:{}:tranche-plan", planner.home);
        self.site.plane.requests_of(&user).unwrap()
    }
}
