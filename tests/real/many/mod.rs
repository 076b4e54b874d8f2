//! A repository of many applications of every kind, each taken from its first
//! deploy through its releases: whole ones, one that another takes the place of in
//! its middle, one that is given up in its middle. After each of these the cluster
//! is looked at; at the end all pods that were ever ready are held against the
//! floors, and the record against the API server's audit log.

#![expect(clippy::print_stdout, reason = "the figures are for whoever runs it by hand")]

mod account;
mod app;
mod clones;
mod differs;
mod kubevela;
mod others;
mod plan;
mod rest;
mod steps;
mod writes;

use crate::gateway::Gateway;
use crate::listener::Listener;
use crate::site::Site;
use crate::watched::{Watch, by, floor_holds, version};
use account::{Standing, agree, calls_agree};
use app::{App, NODES, Sort, owner};
use clones::Clones;
use plan::Hooks;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use steps::Record;
use tranche_lab::{ControlPlane, User};
use writes::Written;

/// How long one run may take.
const PATIENCE: &str = "40m";

/// A repository, the cluster that it rolls out to, and those who play there.
struct Many {
    site: Site<'static>,
    namespaces: Vec<String>,
    apps: Vec<App>,
    hooks: Listener,
    began: Instant,
    _gateway: Gateway,
    _clones: Clones,
}

impl Many {
    /// So many applications, of each kind as many as of any other.
    fn new(applications: usize, namespaces: usize) -> Self {
        let plane = ControlPlane::shared().unwrap();
        let (gateway, clones) = (Gateway::open(plane), Clones::open(plane));
        let site = Site::new("many");
        let mut names = vec![site.namespace.name().to_owned()];
        for _ in 1..namespaces {
            names.push(plane.namespace("many").unwrap().name().to_owned());
        }
        let apps: Vec<App> = (0..applications).map(|at| App::new(at, &names)).collect();
        let hooks = Listener::new(|_, _| "200 OK".to_owned());
        let hosts = format!(
            "  policy:\n    webhooks:\n      hosts: [{{host: \"127.0.0.1:{}\"}}]\n",
            hooks.port
        );
        site.commit(&[("tranche.yaml", &format!("{}{hosts}", site.project()))]);
        let running: Vec<String> =
            apps.iter().flat_map(App::running).map(|object| object.to_string()).collect();
        let running = running.join("\n---\n");
        plane.kubectl_as(User::Admin, &["apply", "--server-side", "-f", "-"], &running).unwrap();
        let began = Instant::now();
        Self { site, namespaces: names, apps, hooks, began, _gateway: gateway, _clones: clones }
    }

    fn those(&self, which: impl Fn(&App) -> bool) -> Vec<App> {
        self.apps.iter().filter(|app| which(app)).cloned().collect()
    }

    fn commit(&self, apps: &[App], release: u32, held: bool) {
        let hooks = Hooks(self.hooks.port);
        let text = |app: &App| (format!("{}.yaml", app.name), app.plan(release, held, hooks));
        let files: Vec<(String, String)> = apps.iter().map(text).collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.site.commit(&files);
    }

    /// Everything to a release, by one commit and one run.
    fn release(&self, release: u32) {
        self.commit(&self.apps, release, false);
        self.site.run(&["apply", "--wait", PATIENCE]).ends(0);
        self.rests(release, &format!("released v{release}"));
        // What runs is what the first plan of a replica ratio wants.
        let deploys = release == 1;
        let rolled = self.those(|app| !(deploys && app.sort == Sort::Ratio));
        self.states(rolled, |_| "rolloutSucceed");
    }

    fn rests(&self, release: u32, what: &str) {
        rest::all_rest(self.site.plane, &self.apps, release);
        println!("{:>6.1} s: {what}", self.began.elapsed().as_secs_f64());
    }

    /// What `status` says of each rollout, and that it has no step left to do.
    fn states(&self, mut rolled: Vec<App>, wanted: impl Fn(&App) -> &'static str) {
        let ran = self.site.run(&["status", "-o", "json"]).ends(0);
        let status: Value = serde_json::from_str(&ran.out).unwrap();
        let found = status["rollouts"].as_array().unwrap().iter().map(|rollout| {
            let state = rollout["status"]["rollingState"].as_str().unwrap().to_owned();
            assert_eq!(rollout["step"], Value::Null, "{rollout:#}");
            (rollout["name"].as_str().unwrap().to_owned(), state)
        });
        rolled.retain(|app| !app.sort.is_direct());
        let wanted = rolled.iter().map(|app| (app.rollout(), wanted(app).to_owned()));
        let (found, wanted): (BTreeMap<_, _>, BTreeMap<_, _>) = (found.collect(), wanted.collect());
        assert_eq!(found, wanted);
    }

    /// Everything to the middle of a release. What is applied as it stands has no
    /// gate: it waits for pods that do not come, so nobody waits for them.
    fn half(&self, before: u32, release: u32) {
        self.commit(&self.those(|app| !app.sort.is_direct()), release, true);
        self.site.run(&["apply", "--wait", PATIENCE]).ends(3);
        self.commit(&self.those(|app| app.sort.is_direct()), release, true);
        self.site.run(&["apply"]).ends(3);
        rest::all_are_between(self.site.plane, &self.apps, before, release);
        println!("{:>6.1} s: in the middle of v{release}", self.began.elapsed().as_secs_f64());
    }

    /// What is under way is given up: by a person, or by the plan.
    fn give_up(&self, before: u32) {
        for app in self.those(|app| !app.by_plan) {
            self.site.run(&["abort", &app.rollout()]).ends(0);
        }
        self.commit(&self.those(|app| app.by_plan), before, false);
        self.site.run(&["apply", "--wait", PATIENCE]).ends(4);
        self.rests(before, &format!("back at v{before}"));
        self.states(self.apps.clone(), |app| {
            if app.by_plan { "rolloutSucceed" } else { "rolloutFailed" }
        });
    }
}

/// The life of so many applications: the first deploy, a release in whose middle
/// another one is wanted, and one that is given up in its middle; `whole` ones
/// before each of the two.
fn lived(applications: usize, namespaces: usize, whole: u32) {
    let many = Many::new(applications, namespaces);
    let plane = many.site.plane;
    let dir = tranche_lab::scratch().unwrap();
    let resources =
        ["pods", "endpointslices.discovery.k8s.io", "httproutes.gateway.networking.k8s.io"];
    let watches: Vec<Watch> =
        resources.iter().map(|resource| Watch::start(plane, dir.path(), resource)).collect();
    many.release(1);
    let from = version(plane);
    let mut at = 1;
    for comes_back in [false, true] {
        for _ in 0..whole {
            at += 1;
            many.release(at);
        }
        many.half(at, at + 1);
        if comes_back {
            many.give_up(at);
        } else {
            at += 2;
            many.release(at);
        }
    }
    let took = many.began.elapsed();
    let record = Record::of(&many.site);
    many.site.run(&["apply", "--wait", PATIENCE]).ends(4);
    assert_eq!(many.site.tip(), record.tip, "an idle run records nothing");

    let routed = many.those(|app| app.sort == Sort::Routed);
    let sights = watches.into_iter().flat_map(|watch| watch.end(plane, &routed[0].namespace));
    let ours = |namespace: &str, name: &str| {
        let ours = many.namespaces.iter().any(|one| one == namespace);
        ours.then(|| owner(name).to_owned())
    };
    let sights = by(sights.collect(), ours);
    for app in &many.apps {
        floor_holds(&sights[&app.name], from, app.floor(), &app.name);
    }
    let written = many.agrees(&record, 2 * whole + 1);
    println!(
        "{applications} applications in {namespaces} namespaces: {:.0} s, {} applies, {} deletes, \
         {} evictions, {} steps, {} record commits",
        took.as_secs_f64(),
        written.applies,
        written.deletes,
        written.evictions.values().map(Vec::len).sum::<usize>(),
        record.steps.len(),
        record.commits,
    );
}

impl Many {
    /// The record, the audit log and the hooks tell the same.
    fn agrees(&self, record: &Record, whole: u32) -> Written {
        let ratio = self.those(|app| app.sort == Sort::Ratio);
        let object = |kind: &str, app: &App, more: &str| {
            format!("{kind}/{}/{}{more}", app.namespace, app.name)
        };
        let service = |app: &App| object("Service", app, "");
        let objects = ratio.iter().flat_map(|app| [service(app), object("Deployment", app, "-v1")]);
        let versions = ratio.iter().map(|app| (service(app), "v1".to_owned()));
        let standing = Standing::before(objects.collect(), versions.collect());
        let requests = self.site.plane.requests(User::Tranche).unwrap();
        let written = agree(record, &requests, &self.namespaces, standing);
        for app in self.those(|app| app.sort == Sort::Nodes) {
            // All of its nodes for each release, and twice the first batch there and back.
            let times = usize::try_from(whole * NODES + 4 * app.tried()).unwrap();
            let evicted = &written.evictions[&object("DaemonSet", &app, "")];
            let once: BTreeSet<&String> = evicted.iter().collect();
            assert_eq!((evicted.len(), once.len()), (times, times), "{evicted:?}");
        }
        let keys: Vec<String> = self.hooks.asked().into_iter().map(|asked| asked.key).collect();
        calls_agree(record, &keys);
        for (path, phase) in self.hooks.told() {
            assert!(path.starts_with("/hooked") && !phase.is_empty(), "{path}, {phase}");
        }
        written
    }
}

#[test]
fn one_application_of_each_kind_lives_as_its_plans_say() {
    lived(Sort::ALL.len(), 3, 0);
}

#[test]
#[ignore = "many minutes; CONTRIBUTING.md says when"]
fn two_hundred_applications_of_all_kinds_live_as_their_plans_say() {
    lived(200, 4, 1);
}
