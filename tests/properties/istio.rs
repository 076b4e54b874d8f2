//! Istio, played: which pods the rules of a VirtualService reach through the
//! subsets of a DestinationRule, for every pair of states that a proxy may
//! have of the two, at every moment of a rollout and of its way back. And what
//! is written into rules of any shape: sums and other destinations stay, and
//! what is restored is what was rendered.

use crate::model::Cluster;
use crate::plan::{context, counts, revision, rollout};
use crate::traffic::{Step, plans};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tranche::core::model::{
    Amount, Canary, CanaryStep, Leeway, Place, PodPatch, Rollout, RolloutStrategy, RouteProvider,
    Traffic, TrafficRoute,
};
use tranche::core::object::{ObjectRef, at};
use tranche::core::strategy::workload::{Shape, drive};
use tranche::core::strategy::{
    Bodies, BodyTable, Compiled, Condition, Driven, Effect, Movement, RolloutInput, Side, Sizes,
    compile,
};
use tranche::core::traffic::istio::{Rules, Subsets, VERSIONS, shared};
use tranche::core::traffic::{
    Comparison, HeaderChange, Label, Match, Split, ValueMatch, Weight, confirms, is_route, lay,
};

const REVISION: &str = "app.oam.dev/revision";

#[derive(Clone, Debug)]
pub struct Plan {
    sizes: Sizes,
    steps: Vec<Step>,
    drain: u32,
    stays: bool,
    /// By a DestinationRule's subsets; else by Services.
    subsets: bool,
    /// The rendered rules name them.
    named: bool,
}

pub fn any_plan() -> impl Strategy<Value = Plan> {
    (plans(), any::<bool>(), any::<bool>()).prop_map(|(plan, subsets, named)| Plan {
        sizes: plan.sizes,
        steps: plan.steps,
        drain: plan.drain,
        stays: plan.stays,
        subsets,
        named: named && subsets,
    })
}

fn by_header() -> Match {
    let value = ValueMatch {
        comparison: Comparison::Exact,
        name: "x-canary".to_owned(),
        value: "always".to_owned(),
    };
    Match { headers: vec![value], ..Match::default() }
}

fn subsets() -> Subsets {
    Subsets { stable: "stable".to_owned(), canary: "canary".to_owned() }
}

impl Plan {
    fn virtual_service(&self) -> Value {
        let to = |subset: &str| json!({"host": "web", "subset": subset});
        let route = match self.named {
            true => json!([
                {"destination": to("stable"), "weight": 100},
                {"destination": to("canary"), "weight": 0},
            ]),
            false => json!([{"destination": {"host": "web"}}]),
        };
        json!({
            "apiVersion": VERSIONS[0], "kind": "VirtualService",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"hosts": ["web"], "http": [{"timeout": "5s", "route": route}]},
        })
    }

    fn routes(&self) -> Vec<TrafficRoute> {
        let version = VERSIONS[0];
        let route = |provider, document| TrafficRoute {
            document: Some(document),
            ..TrafficRoute::named(provider, "web".to_owned())
        };
        let mut routes = Vec::new();
        if self.subsets {
            let subset = |name: &str| json!({"name": name, "labels": {"app": "web"}});
            let rule = json!({
                "apiVersion": version, "kind": "DestinationRule",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"host": "web", "subsets": [subset("stable"), subset("canary")]},
            });
            let provider = RouteProvider::DestinationRule { version, subsets: subsets() };
            routes.push(route(provider, rule));
        }
        let rules = Rules { names: Vec::new(), subsets: self.subsets.then(subsets) };
        let provider = RouteProvider::VirtualService { version, rules };
        routes.push(route(provider, self.virtual_service()));
        routes
    }

    fn rollout(&self) -> Rollout {
        let place = Place { file: "rollout.yaml".to_owned(), line: 1 };
        let step = |(weight, replicas, matches): &Step| CanaryStep {
            matches: if *matches { vec![by_header()] } else { Vec::new() },
            ..CanaryStep::weighing(Weight::new(*weight).unwrap(), *replicas, place.clone())
        };
        let canary = Canary {
            traffic: Traffic { routes: self.routes(), drain_seconds: self.drain },
            leeway: Leeway::default(),
            failures: Amount::default(),
            stable_stays: self.stays,
            steps: self.steps.iter().map(step).collect(),
            patch: PodPatch::default(),
            lane: None,
        };
        let plain = rollout(RolloutStrategy::IncreaseFirst, counts(&[]));
        Rollout { canary: Some(canary), ..plain }
    }

    fn compiled(&self) -> Option<(Compiled, Bodies)> {
        let rollout = self.rollout();
        let bodies = Bodies {
            source: Some(revision(Shape::Pair, 1, self.sizes.original)),
            target: revision(Shape::Pair, 2, self.sizes.target),
        };
        let bodies = bodies.routed(&rollout).unwrap();
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        let input = RolloutInput {
            rollout: &rollout,
            context: &context,
            movement: Movement::Upgrade,
            sizes: self.sizes,
            bodies: &bodies,
            beside: &[],
        };
        compile(&input).ok().map(|compiled| (compiled, bodies))
    }
}

/// Proxies that may have any state of either object since it was last drained.
struct Mesh<'a> {
    cluster: Cluster,
    bodies: &'a Bodies,
    table: BodyTable,
    sizes: Sizes,
    rest: BTreeMap<ObjectRef, Value>,
    live: BTreeMap<ObjectRef, Value>,
    written: BTreeMap<ObjectRef, (Side, Driven)>,
    seen: BTreeMap<ObjectRef, Vec<Value>>,
    accepted: BTreeSet<ObjectRef>,
    services: BTreeSet<String>,
    back: bool,
    /// What went wrong first.
    fault: Option<String>,
}

impl<'a> Mesh<'a> {
    fn new(plan: &Plan, bodies: &'a Bodies) -> Self {
        let source = bodies.source.as_ref().unwrap();
        let documents = plan.routes().into_iter().filter_map(|route| route.document);
        let rest: BTreeMap<ObjectRef, Value> =
            documents.map(|route| (ObjectRef::of(&route).unwrap(), route)).collect();
        Self {
            cluster: Cluster::with(&source.workload, Side::Source, plan.sizes.original),
            bodies,
            table: BodyTable::of(bodies),
            sizes: plan.sizes,
            live: rest.clone(),
            written: BTreeMap::new(),
            seen: rest.iter().map(|(route, body)| (route.clone(), vec![body.clone()])).collect(),
            accepted: BTreeSet::new(),
            rest,
            services: BTreeSet::from(["web".to_owned()]),
            back: false,
            fault: None,
        }
    }

    /// Pods that a side asks for, and those that are certainly ready.
    fn pods(&self, side: Side) -> (u32, u32) {
        let workload = &self.bodies.side(side).unwrap().workload;
        self.cluster.workloads.get(workload).map_or((0, 0), |pods| (pods.wanted, pods.new))
    }

    fn check(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds && self.fault.is_none() {
            self.fault = Some(words());
        }
    }

    fn says(&mut self, route: &ObjectRef, split: &Split, effect: &Effect) {
        let written = self.written.get(route);
        let (side, driven) = written.cloned().unwrap_or((Side::Target, Driven::default()));
        let rendered = self.table.get(side, route).map(|(body, _)| body);
        let said = confirms(&self.live[route], split, rendered, driven.fields.as_ref());
        self.check(said.is_ok(), || format!("{effect}: {said:?}"));
    }

    fn act(&mut self, effect: &Effect) {
        match effect {
            Effect::Write { object, side, driven, .. } if is_route(object) => {
                let mut live = self.table.get(*side, object).unwrap().0.clone();
                drive(&mut live, None, driven);
                self.accepted.remove(object);
                self.written.insert(object.clone(), (*side, driven.clone()));
                self.seen.get_mut(object).unwrap().push(live.clone());
                self.live.insert(object.clone(), live);
            }
            Effect::Await { object, condition: Condition::RouteAccepted { split }, .. } => {
                self.says(object, split, effect);
                self.accepted.insert(object.clone());
            }
            Effect::Await { object, condition: Condition::Drained { split, .. }, .. } => {
                self.says(object, split, effect);
                for route in self.accepted.clone() {
                    let live = self.live[&route].clone();
                    self.seen.insert(route, vec![live]);
                }
            }
            Effect::Await { object, condition: Condition::Serving { .. }, .. } => {
                let there = self.services.contains(&object.name);
                self.check(there, || format!("{effect}: it is missing"));
            }
            Effect::Write { object, .. } if object.kind == "Service" => {
                self.services.insert(object.name.clone());
            }
            Effect::Delete { object, .. } if object.kind == "Service" => {
                self.services.remove(&object.name);
            }
            other => self.cluster.act(other),
        }
        self.every_pair(effect);
    }

    fn every_pair(&mut self, effect: &Effect) {
        let of_kind = |kind: &str| -> Vec<Value> {
            let found = self.seen.iter().filter(|(route, _)| route.kind == kind);
            found.flat_map(|(_, states)| states.clone()).collect()
        };
        let (services, mut subsets) = (of_kind("VirtualService"), of_kind("DestinationRule"));
        if subsets.is_empty() {
            subsets.push(Value::Null);
        }
        for service in &services {
            for subset in &subsets {
                let rules = service["spec"]["http"].as_array().unwrap();
                for (i, rule) in rules.iter().enumerate() {
                    self.rule(rule, i + 1 < rules.len(), subset, effect);
                }
            }
        }
    }

    fn rule(&mut self, rule: &Value, in_front: bool, subsets: &Value, effect: &Effect) {
        let route = rule["route"].as_array().unwrap();
        let weight = |one: &Value| one["weight"].as_u64().unwrap_or(0);
        let sum: u64 = route.iter().map(weight).sum();
        for one in route {
            let (mine, all) = if route.len() == 1 { (1, 1) } else { (weight(one), sum) };
            if mine == 0 {
                continue;
            }
            let reaches = self.reaches(&one["destination"], subsets);
            let (left, reached) = (self.pods(Side::Source), self.pods(Side::Target));
            let ready: u32 = [(reaches.0, left.1), (reaches.1, reached.1)]
                .map(|(there, ready)| if there { ready } else { 0 })
                .iter()
                .sum();
            let Sizes { original, target } = self.sizes;
            let total = if reaches == (false, true) { target } else { original };
            let needed = match in_front {
                true => 1,
                false => (u64::from(total) * mine).div_ceil(all),
            };
            // Matches alone need a pod wherever there are any.
            let enough = u64::from(ready) >= needed || total == 0;
            self.check(enough, || {
                format!("{effect}: {one} has {ready} pods, {needed} needed; {left:?} {reached:?}")
            });
            // On the way back old pods may serve as soon as they are there.
            let mixed = reaches == (true, true) && left.0.min(reached.0) > 0 && !self.back;
            self.check(!mixed, || format!("{effect}: {one} reaches both revisions"));
        }
    }

    /// Whether a destination reaches the pods of the left and the reached side.
    fn reaches(&mut self, destination: &Value, subsets: &Value) -> (bool, bool) {
        let host = destination["host"].as_str().unwrap();
        let there = self.services.contains(host);
        self.check(there, || format!("host {host} is missing"));
        if host != "web" {
            return (host == "web-v1-traffic", host == "web-v2-traffic");
        }
        let Some(name) = destination["subset"].as_str() else { return (true, true) };
        let all = at(subsets, "/spec/subsets").and_then(Value::as_array);
        let subset = all.into_iter().flatten().find(|subset| subset["name"] == name);
        let Some(subset) = subset else { return (false, false) };
        let has = |revision: &str| {
            let labels = subset["labels"].as_object().unwrap().iter();
            let of_pod = json!({"app": "web", REVISION: revision});
            labels.into_iter().all(|(key, value)| of_pod.get(key) == Some(value))
        };
        (has("web-v1"), has("web-v2"))
    }

    fn rests(&mut self, side: Side) {
        let mut told = Vec::new();
        if self.live != self.rest {
            told.push("a route is not as rendered");
        }
        if self.services != BTreeSet::from(["web".to_owned()]) {
            told.push("Services are left");
        }
        if self.cluster.workloads.len() != 1 || self.pods(side).0 == 0 {
            told.push("the wrong pods");
        }
        if self.seen.iter().any(|(route, states)| *states != [self.rest[route].clone()]) {
            told.push("something else may be followed");
        }
        let empty = self.sizes.target == 0 || self.sizes.original == 0;
        self.check(told.is_empty() || empty, || told.join(", "));
    }
}

fn course(compiled: &Compiled) -> Vec<&Effect> {
    compiled.steps.iter().flat_map(|step| &step.effects).collect()
}

/// Whether a plan compiles; every request then reaches pods of its side, in
/// every pair of states.
pub fn keeps_to_the_rules(plan: &Plan) -> bool {
    let Some((compiled, bodies)) = plan.compiled() else { return false };
    let mut mesh = Mesh::new(plan, &bodies);
    course(&compiled).into_iter().for_each(|effect| mesh.act(effect));
    mesh.rests(Side::Target);
    assert_eq!(mesh.fault, None);
    true
}

/// The way back after so many effects, each of what `cuts` says of as many as
/// there are, ends where the rollout began. How often it was gone: never, if the
/// plan does not compile.
pub fn comes_back<C: IntoIterator<Item = usize>>(plan: &Plan, cuts: impl Fn(usize) -> C) -> usize {
    let Some((compiled, bodies)) = plan.compiled() else { return 0 };
    let effects = course(&compiled);
    let mut ways = 0;
    for cut in cuts(effects.len()) {
        let mut mesh = Mesh::new(plan, &bodies);
        effects.iter().take(cut).for_each(|effect| mesh.act(effect));
        mesh.back = true;
        compiled.abort.effects.iter().for_each(|effect| mesh.act(effect));
        mesh.rests(Side::Source);
        assert_eq!(mesh.fault, None);
        ways += 1;
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_reaches_pods_of_its_side_in_every_pair_of_states(plan in any_plan()) {
        keeps_to_the_rules(&plan);
    }

    #[test]
    fn the_way_back_is_as_careful(plan in any_plan(), cut in any::<prop::sample::Index>()) {
        comes_back(&plan, |count| [cut.index(count)]);
    }

    /// Subsets are the same in every step, so that a step which writes them
    /// again moves nothing.
    #[test]
    fn subsets_do_not_change_in_the_middle(plan in any_plan()) {
        let Some((compiled, _)) = plan.compiled() else { return Ok(()) };
        let mut said: Vec<Option<&Value>> = course(&compiled)
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Write { object, driven, .. } if object.kind == "DestinationRule" => {
                    Some(driven.fields.as_ref())
                }
                _ => None,
            })
            .collect();
        said.dedup();
        prop_assert_eq!(said.len(), if plan.subsets { 2 } else { 0 });
        prop_assert_eq!(said.last().copied().flatten(), None);
    }

    #[test]
    fn sums_and_other_destinations_stay(rules in any_rules(), percent in 0_u32..=100, matches in any::<bool>()) {
        let split = split(percent, matches);
        let body = rendered(&rules);
        let fields = match shared(&body, &split, &Rules::default()) {
            Ok(fields) => fields,
            Err(why) => {
                let ours = |one: &&(&str, u64)| one.0 == "web";
                let takes = |rule: &Destinations| {
                    rule.iter().any(|one| ours(&one) && (one.1 > 0 || rule.iter().all(|one| ours(&one))))
                };
                let coarse = |one: &(&str, u64)| ours(&one) && (1..10).contains(&one.1);
                let expected = (why.contains("no rule") && !rules.iter().any(takes))
                    || (why.contains("no whole number") && rules.iter().flatten().any(coarse));
                prop_assert!(expected, "{} {:?}", why, rules);
                return Ok(());
            }
        };
        let mut live = body.clone();
        lay(&mut live, &fields);
        let now = live["spec"]["http"].as_array().unwrap();
        let mut plain = now.iter().filter(|rule| rule.get("match").is_none());
        for rule in &rules {
            let written = plain.next().unwrap()["route"].as_array().unwrap();
            let weights = |is: &dyn Fn(&str) -> bool| -> u64 {
                written
                    .iter()
                    .filter(|one| is(one["destination"]["host"].as_str().unwrap()))
                    .map(|one| one["weight"].as_u64().unwrap_or(0))
                    .sum()
            };
            let before = |is: &dyn Fn(&str) -> bool| -> u64 {
                rule.iter().filter(|(host, _)| is(host)).map(|(_, weight)| weight).sum()
            };
            prop_assert_eq!(weights(&|host| host == "web"), 0);
            for host in ["api", "old"] {
                prop_assert_eq!(weights(&|h| h == host), before(&|h| h == host));
            }
            let ours = weights(&|host| host.starts_with("web"));
            let alone = rule.len() == 1 && rule[0].0 == "web";
            prop_assert_eq!(ours, if alone { before(&|h| h == "web").max(100) } else { before(&|h| h == "web") });
            // As near as whole numbers come, and never far from what was asked.
            let count = u64::try_from(rule.iter().filter(|(host, _)| *host == "web").count()).unwrap();
            let reached = weights(&|host| host == "web-v2-traffic");
            let off = (reached * 100).abs_diff(ours * u64::from(percent));
            prop_assert!(off <= (50 * count).min(5 * ours), "{} of {}", reached, ours);
        }
        prop_assert!(plain.next().is_none());
        // Restoring is writing what is rendered.
        let rest = Split { weight: None, ..split };
        let mut restored = live;
        lay(&mut restored, &body);
        prop_assert_eq!(confirms(&restored, &rest, Some(&body), None), Ok(()));
        prop_assert_eq!(restored, body);
    }
}

fn split(percent: u32, matches: bool) -> Split {
    Split {
        service: Label::new("web").unwrap(),
        source: 1,
        target: 2,
        weight: Weight::new(percent),
        matches: if matches { vec![by_header()] } else { Vec::new() },
        headers: HeaderChange::default(),
        mixed: false,
        alike: false,
        apart: false,
    }
}

type Destinations = Vec<(&'static str, u64)>;

fn any_rules() -> impl Strategy<Value = Vec<Destinations>> {
    let host = prop_oneof![Just("web"), Just("api"), Just("old")];
    let rule = proptest::collection::vec((host, 0_u64..=100), 1..4);
    proptest::collection::vec(rule, 1..4)
}

fn rendered(rules: &[Destinations]) -> Value {
    let one =
        |(host, weight): &(&str, u64)| json!({"destination": {"host": host}, "weight": weight});
    let rule = |rule: &Destinations| json!({"timeout": "3s", "route": rule.iter().map(one).collect::<Vec<_>>()});
    json!({
        "apiVersion": VERSIONS[0], "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"hosts": ["web"], "http": rules.iter().map(rule).collect::<Vec<_>>()},
    })
}

fn quarter(subsets: bool) -> Plan {
    Plan {
        sizes: Sizes { original: 4, target: 4 },
        steps: vec![(25, None, true), (100, None, false)],
        drain: 1,
        stays: false,
        subsets,
        named: subsets,
    }
}

/// The order of the two objects is what keeps requests from subsets without
/// pods: with the rules restored before the subsets are, some reach none.
#[test]
fn rules_that_return_before_their_subsets_lose_requests() {
    let plan = quarter(true);
    let (compiled, bodies) = plan.compiled().unwrap();
    let mut effects: Vec<Effect> = course(&compiled).into_iter().cloned().collect();
    let restores = |kind: &'static str| {
        move |effect: &Effect| {
            matches!(effect, Effect::Write { object, driven, .. }
                if object.kind == kind && driven.split.as_ref().is_some_and(|s| s.weight.is_none()))
        }
    };
    let subsets = effects.iter().position(restores("DestinationRule")).unwrap();
    let rules = effects.iter().position(restores("VirtualService")).unwrap();
    assert!(subsets < rules);
    effects.swap(subsets, rules);
    let mut mesh = Mesh::new(&plan, &bodies);
    effects.iter().for_each(|effect| mesh.act(effect));
    assert!(mesh.fault.unwrap().contains("\"subset\":\"stable\""));
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_of_istio_are_golden() {
    let ids = |subsets: bool| -> Vec<String> {
        let (compiled, _) = quarter(subsets).compiled().unwrap();
        let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle]);
        steps.map(|step| step.id().0.clone()).collect()
    };
    assert_eq!(ids(false), ["c593545ce78b", "6aebd3c2f21b", "b510d429cc07", "7a9ad9a8f0a7"]);
    assert_eq!(ids(true), ["a0f2955a4803", "4cb5f0c9b303", "047ef09f4857", "e20877efd8a8"]);
}
