//! Blue-green: whoever follows the active Service, however late, is sent to
//! ready pods of one revision, as many as there were, at every moment.

use crate::model::Cluster;
use crate::plan::{context, counts, revision, rollout};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tranche::core::model::{BlueGreen, DrivenService, Rollout, RolloutStrategy};
use tranche::core::object::ObjectRef;
use tranche::core::strategy::workload::{Shape, drive};
use tranche::core::strategy::{
    Bodies, BodyTable, Compiled, Condition, Driven, Effect, Movement, RolloutInput, Side, Sides,
    Sizes, Standing, Verb, compile, compile_back, compile_replay,
};
use tranche::core::traffic::pinned;

const LABEL: &str = "app.oam.dev/revision";

#[derive(Clone, Debug)]
pub struct Plan {
    sizes: Sizes,
    preview: bool,
    preview_replicas: Option<u32>,
    delay: u32,
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    })
}

impl Plan {
    fn rollout(&self) -> Rollout {
        let document = Some(service("web-preview"));
        let preview = DrivenService { document, ..DrivenService::named("web-preview") };
        let blue_green = BlueGreen {
            active: DrivenService::named("web"),
            preview: self.preview.then_some(preview),
            preview_replicas: self.preview_replicas,
            scale_down_delay: self.delay,
        };
        let plain = rollout(RolloutStrategy::IncreaseFirst, counts(&[]));
        Rollout { blue_green: Some(blue_green), ..plain }
    }

    fn bodies(&self) -> Bodies {
        let bodies = Bodies {
            source: Some(revision(Shape::Pair, 1, self.sizes.original)),
            target: revision(Shape::Pair, 2, self.sizes.target),
        };
        bodies.routed(&self.rollout()).unwrap()
    }

    fn with<T>(&self, bodies: &Bodies, compile: impl FnOnce(&RolloutInput<'_>) -> T) -> T {
        let rollout = self.rollout();
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        let (movement, sizes) = (Movement::Upgrade, self.sizes);
        compile(&RolloutInput {
            rollout: &rollout,
            context: &context,
            movement,
            sizes,
            bodies,
            beside: &[],
        })
    }

    fn compiled(&self, bodies: &Bodies) -> Compiled {
        self.with(bodies, |input| compile(input).unwrap())
    }
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let count = prop_oneof![Just(None), (1_u32..30).prop_map(Some)];
    (1_u32..20, 0_u32..6, any::<bool>(), count, 0_u32..3).prop_map(
        |(original, more, preview, preview_replicas, delay)| {
            let sizes = Sizes { original, target: original + more };
            Plan { sizes, preview, preview_replicas, delay }
        },
    )
}

/// What a Service selects: the pods of one side, or of both.
type Selects = Option<Side>;

/// The cluster at its worst, and whoever makes slices as late as may be.
struct Stage<'a> {
    cluster: Cluster,
    bodies: &'a Bodies,
    table: BodyTable,
    floor: u32,
    live: BTreeMap<ObjectRef, Value>,
    /// What the slices of each Service may still be made of.
    followed: BTreeMap<ObjectRef, BTreeSet<Selects>>,
    switches: u32,
}

impl<'a> Stage<'a> {
    fn empty(plan: &Plan, bodies: &'a Bodies) -> Self {
        Self {
            cluster: Cluster::default(),
            bodies,
            table: BodyTable::of(bodies),
            floor: plan.sizes.original,
            live: BTreeMap::new(),
            followed: BTreeMap::new(),
            switches: 0,
        }
    }

    fn new(plan: &Plan, bodies: &'a Bodies) -> Self {
        let workload = &bodies.source.as_ref().unwrap().workload;
        let cluster = Cluster::with(workload, Side::Source, plan.sizes.original);
        let mut stage = Self { cluster, ..Self::empty(plan, bodies) };
        for service in stage.services() {
            let rendered = stage.table.get(Side::Source, &service).unwrap().0.clone();
            stage.live.insert(service.clone(), rendered);
            stage.followed.insert(service, BTreeSet::from([None]));
        }
        stage
    }

    fn services(&self) -> Vec<ObjectRef> {
        let switched = self.bodies.target.switched.as_ref().unwrap();
        [Some(&switched.active), switched.preview.as_ref()].into_iter().flatten().cloned().collect()
    }

    fn active(&self) -> &ObjectRef {
        &self.bodies.target.switched.as_ref().unwrap().active
    }

    /// Pods wanted of a side, and those that are ready.
    fn pods(&self, side: Side) -> (u32, u32) {
        let workload = &self.bodies.side(side).unwrap().workload;
        self.cluster.workloads.get(workload).map_or((0, 0), |pods| (pods.wanted, pods.new))
    }

    fn side_of(&self, name: &str) -> Side {
        let is = |side: &Side| self.bodies.side(*side).unwrap().workload.name == name;
        [Side::Source, Side::Target].into_iter().find(is).unwrap()
    }

    fn selects(&self, live: &Value) -> Selects {
        let selected = live["spec"]["selector"].get(LABEL)?;
        Some(self.side_of(selected.as_str().unwrap()))
    }

    fn act(&mut self, effect: &Effect) -> Result<(), String> {
        match effect {
            Effect::Write { object, side, driven, .. } if self.services().contains(object) => {
                let mut live = self.table.get(*side, object).unwrap().0.clone();
                drive(&mut live, None, driven);
                let now = self.selects(&live);
                let before = self.live.insert(object.clone(), live);
                let before = before.map(|before| self.selects(&before));
                if object == self.active() && before.is_some_and(|before| before != now) {
                    self.switches += 1;
                }
                let slices = self.followed.entry(object.clone()).or_default();
                slices.insert(now);
            }
            Effect::Await {
                object, condition: Condition::Reaches { of, at_least, .. }, ..
            } => {
                pinned(&self.live[object], of.label()).map_err(|e| format!("{effect}: {e}"))?;
                let side = self.side_of(of.label().1);
                let (_, ready) = self.pods(side);
                if ready < *at_least {
                    return Err(format!("{effect}: nothing makes sure of more than {ready}"));
                }
                self.followed.insert(object.clone(), BTreeSet::from([Some(side)]));
            }
            Effect::Await { object, condition: Condition::Serving { at_least }, .. } => {
                let ready = self.pods(Side::Source).1 + self.pods(Side::Target).1;
                if self.selects(&self.live[object]).is_some() || ready < *at_least {
                    return Err(format!("{effect}: {ready}"));
                }
                self.followed.insert(object.clone(), BTreeSet::from([None]));
            }
            Effect::Delete { object, .. } if self.services().contains(object) => {
                self.live.remove(object);
                self.followed.remove(object);
            }
            other => self.cluster.act(other),
        }
        self.holds().map_err(|why| format!("{effect}: {why}"))
    }

    /// Whatever the slices are made of is one revision, and enough of it.
    fn holds(&self) -> Result<(), String> {
        let (source, target) = (self.pods(Side::Source), self.pods(Side::Target));
        for (service, followed) in &self.followed {
            for selects in followed {
                let (mixed, ready) = match selects {
                    Some(side) => (false, self.pods(*side).1),
                    None => (source.0.min(target.0) > 0, source.1 + target.1),
                };
                // The preview is of interest once it was pointed somewhere.
                let shown = service == self.active() || !followed.contains(&None);
                if shown && mixed {
                    return Err(format!("{service} reaches both: {source:?} {target:?}"));
                }
                if service == self.active() && ready < self.floor {
                    return Err(format!("{service} reaches {ready} of {}", self.floor));
                }
            }
        }
        Ok(())
    }

    fn run<'e>(&mut self, effects: impl IntoIterator<Item = &'e Effect>) -> Result<(), String> {
        effects.into_iter().try_for_each(|effect| self.act(effect))
    }

    /// The way back as it begins here, and whether the Service is as rendered
    /// again, with none of the old pods left.
    fn back(&self, plan: &Plan) -> (Vec<Effect>, bool) {
        let sides = Sides { old: self.pods(Side::Source).0, new: self.pods(Side::Target).0 };
        let rendered = self.selects(&self.live[self.active()]).is_none();
        let back = plan.with(self.bodies, |input| compile_back(input, Some(sides)).unwrap());
        (back.effects, rendered && sides.old == 0)
    }

    /// What came so far is done once more, as the engine does it: where the Service
    /// was written later on, its marks say so, and it is not pointed where it was
    /// before.
    fn starts_over(&mut self, effects: &[Effect], stopped: usize) -> Result<(), String> {
        for (i, effect) in effects.iter().enumerate() {
            let mut later = effects.iter().take(stopped).skip(i + 1);
            let past = later.any(|later| later.writes() && later.object() == effect.object());
            let points = matches!(
                effect,
                Effect::Write { verb: Verb::Point, .. }
                    | Effect::Await { condition: Condition::Reaches { .. }, .. }
            );
            if !(past && points) {
                self.act(effect)?;
            }
        }
        Ok(())
    }

    #[track_caller]
    fn at_rest(&self, side: Side, size: u32) {
        assert_eq!(self.cluster.workloads.len(), 1);
        assert_eq!(self.pods(side), (size, size));
        for service in self.services() {
            let rendered = self.table.get(side, &service).unwrap().0;
            assert_eq!(&self.live[&service], rendered, "{service} is as rendered");
        }
        assert_eq!(self.followed[self.active()], BTreeSet::from([None]));
    }

    /// Sizes and selectors, which are all that tells one state from another.
    fn state(&self) -> (Sides, BTreeMap<ObjectRef, Selects>) {
        let sides = Sides { old: self.pods(Side::Source).0, new: self.pods(Side::Target).0 };
        let selects = self.live.iter().map(|(s, live)| (s.clone(), self.selects(live)));
        (sides, selects.collect())
    }
}

fn effects(compiled: &Compiled) -> Vec<&Effect> {
    compiled.steps.iter().flat_map(|step| &step.effects).collect()
}

/// Requests go to one revision, whole, at every moment.
pub fn keeps_to_the_rules(plan: &Plan) {
    let bodies = plan.bodies();
    let compiled = plan.compiled(&bodies);
    let mut stage = Stage::new(plan, &bodies);
    assert_eq!(stage.run(effects(&compiled)), Ok(()));
    stage.at_rest(Side::Target, plan.sizes.target);
    assert_eq!(compiled.steps.len(), 3);
    assert_eq!(stage.switches, 3, "held, switched, and as rendered");
    let Sizes { target, .. } = plan.sizes;
    let first = plan.preview_replicas.map_or(target, |count| count.min(target));
    assert_eq!(&compiled.goals, &[first, target, target]);
    // All of a switch is one write.
    let switch = compiled.steps[1].effects.iter().filter(|e| e.object() == stage.active());
    assert_eq!(switch.filter(|effect| effect.writes()).count(), 1);
}

/// The way back after so many effects, each of what `cuts` says of as many as
/// there are, ends where the rollout began. How often it was gone.
pub fn comes_back<C: IntoIterator<Item = usize>>(plan: &Plan, cuts: impl Fn(usize) -> C) -> usize {
    let bodies = plan.bodies();
    let compiled = plan.compiled(&bodies);
    let all = effects(&compiled);
    let mut ways = 0;
    for cut in cuts(all.len()) {
        let mut stage = Stage::new(plan, &bodies);
        assert_eq!(stage.run(all.iter().copied().take(cut)), Ok(()));
        let forward = stage.switches;
        let (back, late) = stage.back(plan);
        assert_eq!(stage.run(&back), Ok(()));
        stage.at_rest(Side::Source, plan.sizes.original);
        let most = 2 + u32::from(late);
        assert!(stage.switches - forward <= most, "held, switched once, and then let go");
        ways += 1;
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_go_to_one_revision_whole_at_every_moment(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    #[test]
    fn the_way_back_is_as_careful_from_every_effect(plan in plans(), cut in any::<prop::sample::Index>()) {
        comes_back(&plan, |count| [cut.index(count)]);
    }

    /// What starts over at its first effect, wherever it was, is as careful.
    #[test]
    fn a_step_that_starts_over_is_as_careful(
        plan in plans(),
        step in 0_usize..3,
        stop in any::<prop::sample::Index>(),
    ) {
        let bodies = plan.bodies();
        let compiled = plan.compiled(&bodies);
        let mut stage = Stage::new(&plan, &bodies);
        for (i, known) in compiled.steps.iter().enumerate().take(step + 1) {
            if i == step {
                let stopped = known.effects.iter().take(stop.index(known.effects.len() + 1));
                prop_assert_eq!(stage.run(stopped), Ok(()));
            }
            prop_assert_eq!(stage.run(&known.effects), Ok(()));
        }
    }

    #[test]
    fn a_way_back_that_starts_over_is_as_careful(
        plan in plans(),
        cut in any::<prop::sample::Index>(),
        stop in any::<prop::sample::Index>(),
    ) {
        let bodies = plan.bodies();
        let compiled = plan.compiled(&bodies);
        let all = effects(&compiled);
        let mut stage = Stage::new(&plan, &bodies);
        prop_assert_eq!(stage.run(all.iter().copied().take(cut.index(all.len()))), Ok(()));
        let (back, _) = stage.back(&plan);
        let stopped = stop.index(back.len() + 1);
        prop_assert_eq!(stage.run(back.iter().take(stopped)), Ok(()));
        prop_assert_eq!(stage.starts_over(&back, stopped), Ok(()));
        stage.at_rest(Side::Source, plan.sizes.original);
    }

    #[test]
    fn what_stood_after_each_batch_stands_again(plan in plans()) {
        let bodies = plan.bodies();
        let compiled = plan.compiled(&bodies);
        let mut stood = Stage::new(&plan, &bodies);
        for done in 0_u32..3 {
            if let Some(before) = done.checked_sub(1) {
                prop_assert_eq!(stood.run(&compiled.steps[before as usize].effects), Ok(()));
            }
            let step = plan.with(&bodies, |input| {
                compile_replay(input, Standing::After(done), 0).unwrap().unwrap()
            });
            let mut rebuilt = Stage { floor: 0, ..Stage::empty(&plan, &bodies) };
            for effect in &step.effects {
                let deletes = matches!(effect, Effect::Delete { .. });
                prop_assert!(!deletes, "nothing is deleted to bring something back");
                if let Effect::Write { verb: Verb::Apply, object, side, driven } = effect
                    && driven.replicas.is_some_and(|replicas| replicas > 0)
                {
                    // As the engine does it: created without pods first.
                    let driven = Driven { replicas: Some(0), ..driven.clone() };
                    let (verb, object, side) = (Verb::Apply, object.clone(), *side);
                    prop_assert_eq!(rebuilt.act(&Effect::Write { verb, object, side, driven }), Ok(()));
                }
                prop_assert_eq!(rebuilt.act(effect), Ok(()));
            }
            prop_assert_eq!(rebuilt.state(), stood.state(), "after {} batches", done);
        }
    }

    /// The rules above see what is wrong: each of these faults breaks them.
    #[test]
    fn a_fault_in_the_order_is_seen(plan in plans(), fault in 0_usize..4) {
        let bodies = plan.bodies();
        let compiled = plan.compiled(&bodies);
        let active = bodies.target.switched.as_ref().unwrap().active.clone();
        let points = |effect: &Effect, to: Side| matches!(effect,
            Effect::Write { verb: Verb::Point, object, side, .. } if *object == active && *side == to);
        let follows = |effect: &Effect| matches!(effect,
            Effect::Await { object, condition: Condition::Reaches { .. }, .. } if *object == active);
        let empties = |effect: &Effect| matches!(effect,
            Effect::Write { verb: Verb::Scale, side: Side::Source, .. });
        let mut faulty: Vec<Effect> = effects(&compiled).into_iter().cloned().collect();
        match fault {
            // The Service reaches new pods as they come.
            0 => faulty.retain(|effect| !points(effect, Side::Source)),
            // Old pods go before the switch.
            1 => {
                let at = faulty.iter().position(empties).unwrap();
                let gone = faulty.remove(at);
                let switch = faulty.iter().position(|effect| points(effect, Side::Target)).unwrap();
                faulty.insert(switch, gone);
            }
            // Old pods go although nobody may have followed the switch.
            2 => faulty.retain(|effect| !follows(effect)),
            // The switch comes before the pods.
            _ => {
                let at = faulty.iter().position(|effect| points(effect, Side::Target)).unwrap();
                let switch = faulty.remove(at);
                faulty.insert(0, switch);
            }
        }
        let mut stage = Stage::new(&plan, &bodies);
        prop_assert!(stage.run(&faulty).is_err());
    }
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_of_switches_are_golden() {
    let sizes = Sizes { original: 5, target: 5 };
    let plan = Plan { sizes, preview: true, preview_replicas: Some(1), delay: 30 };
    let bodies = plan.bodies();
    let compiled = plan.compiled(&bodies);
    let back = |old| {
        let from = Some(Sides { old, new: 5 });
        plan.with(&bodies, |input| compile_back(input, from).unwrap())
    };
    assert_eq!(back(1).id(), compiled.abort.id(), "one way back while there are old pods");
    assert_eq!(back(0).id().0, "4e66ecd0dc28", "and one from the end");
    let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle]);
    let ids: Vec<&str> = steps.map(|step| step.id().0.as_str()).collect();
    assert_eq!(
        ids,
        ["3a49e91f1733", "ee4fec26f906", "81db076ead6e", "fb5143a0b07c", "d4a9330e47cf"]
    );
}
