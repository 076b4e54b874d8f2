//! Canaries keep to the rules: weight follows capacity, never the other way
//! round, whatever the data plane follows meanwhile.

use crate::model::Cluster;
use crate::plan::{context, counts, revision, rollout};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use tranche::core::model::{
    Amount, Canary, CanaryStep, Custom, Leeway, Limits, Place, PodPatch, Rollout, RolloutStrategy,
    RouteProvider, TemplateSource, Traffic, TrafficRoute,
};
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::render::{Library, RouteType};
use tranche::core::strategy::workload::{Shape, drive};
use tranche::core::strategy::{
    Bodies, BodyTable, Compiled, Condition, Effect, Movement, RolloutInput, Side, Sizes, Verb,
    compile,
};
use tranche::core::traffic::{
    Class, Comparison, HeaderChange, Match, Split, ValueMatch, Weight, confirms, is_route,
};

#[derive(Clone, Debug)]
pub struct Plan {
    pub sizes: Sizes,
    pub steps: Vec<Step>,
    pub drain: u32,
    pub routes: Routes,
    pub stays: bool,
}

/// Weight, pods, and whether some requests are taken whatever the weight.
pub type Step = (u32, Option<Amount>, bool);

#[derive(Clone, Copy, Debug)]
pub enum Routes {
    Gateway,
    Ingress,
    Both,
    /// Of a kind that nothing in the program knows.
    Template,
}

/// What writes a share into that kind.
const SHARES: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: RouteType
metadata: {name: shares}
spec:
  appliesTo: [Shares.example.dev]
  patch: |
    spec:
      to:
        - {service: {{ traffic.stable.service }}, weight: {{ traffic.stable.weight }}}
        - {service: {{ traffic.canary.service }}, weight: {{ traffic.canary.weight }}}
      matched: {{ traffic.matches | length }}
";

static TEMPLATE: LazyLock<Arc<RouteType>> = LazyLock::new(|| {
    let (path, text) = ("templates/routes/shares.yaml".to_owned(), SHARES.to_owned());
    let library = Library::new(&[TemplateSource { path, text }]).unwrap();
    Arc::new(RouteType::of(&library, &shares_kind(), &Limits::default()).unwrap())
});

fn shares_kind() -> KindRef {
    KindRef::new("example.dev/v1", "Shares")
}

fn shares() -> Value {
    json!({
        "apiVersion": "example.dev/v1",
        "kind": "Shares",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"sticky": true, "to": [{"service": "web", "weight": 100}]},
    })
}

fn ingress() -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"rules": [{"http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": backend},
        ]}}]},
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

fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "parentRefs": [{"name": "edge"}],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
        },
    })
}

impl Plan {
    pub fn rollout(&self) -> Rollout {
        let place = Place { file: "rollout.yaml".to_owned(), line: 1 };
        let step = |(weight, replicas, matches): &Step| CanaryStep {
            weight: Weight::new(*weight).unwrap(),
            replicas: *replicas,
            matches: if *matches { vec![by_header()] } else { Vec::new() },
            headers: HeaderChange::default(),
            place: place.clone(),
        };
        let route = |document: Value| TrafficRoute {
            provider: match document["kind"].as_str() {
                Some("Ingress") => RouteProvider::Ingress(Class::named("nginx").unwrap()),
                Some("Shares") => RouteProvider::Custom(Custom {
                    kind: shares_kind(),
                    properties: Value::Null,
                    template: Some(Arc::clone(&TEMPLATE)),
                }),
                _ => RouteProvider::HttpRoute,
            },
            name: "web".to_owned(),
            service: None,
            document: Some(document),
            document_file: None,
        };
        let canary = Canary {
            traffic: Traffic {
                routes: self.documents().into_iter().map(route).collect(),
                drain_seconds: self.drain,
            },
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

    fn documents(&self) -> Vec<Value> {
        match self.routes {
            Routes::Gateway => vec![route()],
            Routes::Ingress => vec![ingress()],
            Routes::Both => vec![route(), ingress()],
            Routes::Template => vec![shares()],
        }
    }

    pub fn at_rest(&self) -> BTreeMap<ObjectRef, Value> {
        let documents = self.documents().into_iter();
        documents.map(|route| (ObjectRef::of(&route).unwrap(), route)).collect()
    }

    pub fn compiled(&self) -> Option<(Compiled, Bodies)> {
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

/// Steps that fit, most of the time: the pods of a step may be anything from
/// what its weight needs to all.
pub fn plans() -> impl Strategy<Value = Plan> {
    let step = (0_u32..=100, prop_oneof![Just(None), (0_u32..=40).prop_map(Some)], any::<bool>());
    let steps = proptest::collection::vec(step, 0..6);
    let routes = prop_oneof![Just(Routes::Gateway), Just(Routes::Ingress), Just(Routes::Both)];
    let sizes = (0_u32..25, 0_u32..8);
    (sizes, steps, 0_u32..3, routes, any::<bool>()).prop_map(
        |((original, more), steps, drain, routes, stays)| {
            let mut weights: Vec<u32> = steps.iter().map(|(weight, ..)| *weight).collect();
            weights.sort_unstable();
            let rest = steps.into_iter().map(|(_, extra, matches)| (extra, matches));
            let step = |(weight, (extra, matches)): (u32, (Option<u32>, bool))| {
                let replicas = extra.map(|extra| Amount::Percent((weight + extra).min(100)));
                (weight, replicas, matches)
            };
            let mut steps: Vec<_> = weights.into_iter().zip(rest).map(step).collect();
            steps.push((100, None, false));
            let sizes = Sizes { original, target: original + more };
            Plan { sizes, steps, drain, routes, stays }
        },
    )
}

/// The cluster at its worst, and data planes that may follow any route since
/// the last drain.
struct Stage<'a> {
    cluster: Cluster,
    bodies: &'a Bodies,
    table: BodyTable,
    sizes: Sizes,
    services: BTreeSet<ObjectRef>,
    rest: BTreeMap<ObjectRef, Value>,
    live: BTreeMap<ObjectRef, Value>,
    /// What was last written into each by a template.
    fields: BTreeMap<ObjectRef, Option<Value>>,
    /// The routes that were seen accepted since they were written.
    accepted: BTreeSet<ObjectRef>,
    /// Of each route, everything that may be followed.
    followed: BTreeMap<ObjectRef, Vec<Followed>>,
    back: bool,
}

/// A share that may be followed; none where the route is as rendered.
type Followed = Option<(Weight, bool)>;

fn followed(split: &Split) -> Followed {
    split.weight.map(|weight| (weight, !split.matches.is_empty()))
}

/// What a template's kind says is the share that was asked of it.
fn by_template(live: &Value, split: &Split) {
    if live["kind"] != "Shares" {
        return;
    }
    let Some(weight) = split.weight else { return assert_eq!(*live, shares()) };
    let (left, reached) = (split.left_service(), split.target_service());
    let to = [(left, weight.rest()), (reached, weight)]
        .map(|(service, weight)| json!({"service": service, "weight": weight.percent()}));
    let spec = json!({"sticky": true, "to": to, "matched": split.matches.len()});
    assert_eq!(live["spec"], spec);
}

impl<'a> Stage<'a> {
    fn new(plan: &Plan, bodies: &'a Bodies) -> Self {
        let source = bodies.source.as_ref().unwrap();
        let routed = source.routed.as_ref().unwrap();
        let rest = plan.at_rest();
        Self {
            cluster: Cluster::with(&source.workload, Side::Source, plan.sizes.original),
            bodies,
            table: BodyTable::of(bodies),
            sizes: plan.sizes,
            services: BTreeSet::from([routed.service.clone()]),
            live: rest.clone(),
            fields: BTreeMap::new(),
            accepted: rest.keys().cloned().collect(),
            followed: rest.keys().map(|route| (route.clone(), vec![None])).collect(),
            rest,
            back: false,
        }
    }

    fn pods(&self, side: Side) -> (u32, u32) {
        let workload = &self.bodies.side(side).unwrap().workload;
        self.cluster.workloads.get(workload).map_or((0, 0), |pods| (pods.wanted, pods.new))
    }

    fn says(&self, object: &ObjectRef, split: &Split, effect: &Effect) {
        let side = if self.back { Side::Source } else { Side::Target };
        let rendered = self.table.get(side, object).or(self.table.get(Side::Target, object));
        let live = self.live.get(object).expect("a route is awaited that is not there");
        let fields = self.fields.get(object).and_then(Option::as_ref);
        let said = confirms(live, split, rendered.map(|(body, _)| body), fields);
        assert_eq!(said, Ok(()), "{effect} of a route that says otherwise");
    }

    fn leads(&self, object: &ObjectRef) -> bool {
        is_route(object) || self.rest.contains_key(object)
    }

    fn act(&mut self, effect: &Effect) {
        match effect {
            Effect::Write { object, side, driven, .. } if self.leads(object) => {
                let split = driven.split.as_ref();
                let new = !self.live.contains_key(object);
                let nothing = followed(split.unwrap()) == Some((Weight::NONE, false));
                assert!(!new || nothing, "{effect}: created with a share");
                let mut live = self.table.get(*side, object).unwrap().0.clone();
                drive(&mut live, None, driven);
                by_template(&live, split.unwrap());
                self.fields.insert(object.clone(), driven.fields.clone());
                self.live.insert(object.clone(), live);
                self.accepted.remove(object);
                self.followed.entry(object.clone()).or_default().push(followed(split.unwrap()));
            }
            Effect::Delete { object, .. } if self.leads(object) => {
                self.live.remove(object).expect("a route is deleted that is not there");
                self.followed.remove(object);
                self.accepted.remove(object);
            }
            Effect::Await { object, condition: Condition::RouteAccepted { split }, .. } => {
                self.says(object, split, effect);
                self.accepted.insert(object.clone());
                for name in [split.source_service(), split.target_service()] {
                    let there = self.services.iter().any(|service| service.name == name);
                    assert!(there || split.weight.is_none(), "{name} is missing: {effect}");
                }
            }
            Effect::Await { condition: Condition::Drained { split, .. }, .. } => {
                let routes: Vec<ObjectRef> = self.live.keys().cloned().collect();
                for route in &routes {
                    self.says(route, split, effect);
                    assert!(self.accepted.contains(route), "{route} was not seen accepted");
                    self.followed.insert(route.clone(), vec![followed(split)]);
                }
            }
            Effect::Await { object, condition: Condition::Serving { at_least }, .. } => {
                // A wait for pods that nothing has made sure of never ends.
                assert!(self.services.contains(object), "{object} is missing");
                let (source, target) = (self.pods(Side::Source).1, self.pods(Side::Target).1);
                assert!(source.max(target) >= *at_least, "{effect}: {source}, {target}");
            }
            Effect::Write { object, .. } if object.kind == "Service" => {
                self.services.insert(object.clone());
            }
            Effect::Delete { object, .. } if object.kind == "Service" => {
                self.services.remove(object);
            }
            other => self.cluster.act(other),
        }
        self.holds(effect);
    }

    /// Whatever is followed has the pods that it needs, and only them.
    fn holds(&self, effect: &Effect) {
        let (source, target) = (self.pods(Side::Source), self.pods(Side::Target));
        let Sizes { original, target: total } = self.sizes;
        for share in self.followed.values().flatten() {
            let Some((weight, matches)) = share else {
                assert!(source.1 + target.1 >= original, "{effect}: {source:?} {target:?}");
                // On the way back old pods may serve as soon as they are there.
                let mixed = !self.back && source.0.min(target.0) > 0;
                assert!(!mixed, "{effect}: the user's Service reaches both revisions");
                continue;
            };
            let (left, reached) = (weight.rest().needs(original), weight.needs(total));
            assert!(source.1 >= left, "{effect}: {weight} leaves {left} to {source:?}");
            assert!(target.1 >= reached, "{effect}: {weight} sends {reached} to {target:?}");
            assert!(!matches || target.1 > 0, "{effect}: some requests go to {target:?}");
        }
    }

    fn at_rest(&self, side: Side, size: u32) {
        let revision = self.bodies.side(side).unwrap();
        assert_eq!(self.cluster.workloads.len(), 1);
        assert_eq!(self.pods(side), (size, size));
        let service = revision.routed.as_ref().unwrap().service.clone();
        assert_eq!(self.services, BTreeSet::from([service]));
        assert_eq!(self.live, self.rest);
        assert!(self.followed.values().all(|all| *all == [None]));
    }
}

/// Whether a plan compiles; its weight then follows its capacity.
pub fn keeps_to_the_rules(plan: &Plan) -> bool {
    let Some((compiled, bodies)) = plan.compiled() else { return false };
    let mut stage = Stage::new(plan, &bodies);
    let mut share = Weight::NONE;
    assert_eq!(compiled.steps.len(), plan.steps.len());
    for effect in compiled.steps.iter().flat_map(|step| &step.effects) {
        stage.act(effect);
        if let Effect::Write { driven, .. } = effect
            && let Some(weight) = driven.split.as_ref().and_then(|split| split.weight)
        {
            assert!(weight >= share, "the new share falls from {} to {}", share, weight);
            share = weight;
        }
    }
    assert_eq!(share, Weight::ALL);
    let (last, before) = compiled.steps.split_last().unwrap();
    let falls = |effect: &Effect| {
        matches!(effect, Effect::Write { verb: Verb::Scale, side: Side::Source, .. })
    };
    assert!(!plan.stays || !before.iter().flat_map(|step| &step.effects).any(falls));
    assert!(plan.sizes.original == 0 || last.effects.iter().any(falls) || !plan.stays);
    stage.at_rest(Side::Target, plan.sizes.target);
    true
}

/// The way back after so many effects, each of what `cuts` says of as many as
/// there are, ends where the rollout began. How often it was gone: never, if the
/// plan does not compile.
pub fn comes_back<C: IntoIterator<Item = usize>>(plan: &Plan, cuts: impl Fn(usize) -> C) -> usize {
    let Some((compiled, bodies)) = plan.compiled() else { return 0 };
    let effects: Vec<&Effect> = compiled.steps.iter().flat_map(|step| &step.effects).collect();
    let mut ways = 0;
    // The last effect deletes the old workload, and then the rollout is over.
    for cut in cuts(effects.len()) {
        let mut stage = Stage::new(plan, &bodies);
        effects.iter().take(cut).for_each(|effect| stage.act(effect));
        stage.back = true;
        compiled.abort.effects.iter().for_each(|effect| stage.act(effect));
        stage.at_rest(Side::Source, plan.sizes.original);
        ways += 1;
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn weight_follows_capacity_and_pods_stay_for_what_is_left(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    #[test]
    fn the_way_back_is_as_careful_from_every_effect(plan in plans(), cut in any::<prop::sample::Index>()) {
        comes_back(&plan, |count| [cut.index(count)]);
    }

    /// Between a route that moves and pods that go there is always a drain,
    /// and each write of a route is seen accepted before the next one.
    #[test]
    fn nothing_is_taken_away_before_the_drain(plan in plans()) {
        let Some((compiled, _)) = plan.compiled() else { return Ok(()) };
        let abort = std::iter::once(&compiled.abort);
        for step in compiled.steps.iter().chain(abort) {
            let mut open = BTreeSet::new();
            let mut sizes = BTreeMap::new();
            for effect in &step.effects {
                match effect {
                    Effect::Write { verb: Verb::Route, object, .. } => {
                        prop_assert!(open.insert(object.clone()), "{}", effect);
                    }
                    Effect::Delete { object, .. } if is_route(object) => {
                        open.remove(object);
                    }
                    Effect::Await { condition: Condition::Drained { .. }, .. } => open.clear(),
                    Effect::Write { object, driven, .. } => {
                        if let Some(now) = driven.replicas {
                            let before = sizes.insert(object.clone(), now).unwrap_or(now);
                            prop_assert!(now >= before || open.is_empty(), "{}", effect);
                        }
                    }
                    Effect::Delete { .. } => prop_assert!(open.is_empty(), "{}", effect),
                    Effect::Await { .. } | Effect::Evict { .. } | Effect::Call { .. } => {}
                }
            }
            prop_assert!(open.is_empty());
        }
    }
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_of_canaries_are_golden() {
    let plan = Plan {
        sizes: Sizes { original: 5, target: 5 },
        steps: vec![
            (20, Some(Amount::Count(1)), false),
            (60, Some(Amount::Percent(60)), false),
            (100, None, false),
        ],
        drain: 5,
        routes: Routes::Gateway,
        stays: false,
    };
    let (compiled, _) = plan.compiled().unwrap();
    assert_eq!(compiled.goals, [1, 3, 5]);
    let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle]);
    let ids: Vec<&str> = steps.map(|step| step.id().0.as_str()).collect();
    assert_eq!(
        ids,
        ["3f4030e00ff1", "ac3e89af9e54", "06512012403a", "1106db1cb802", "03578552d2d0"]
    );
}

#[test]
fn most_generated_plans_compile() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good =
        (0..500).filter(|_| plans().new_tree(&mut runner).unwrap().current().compiled().is_some());
    assert!(good.count() > 200);
}
