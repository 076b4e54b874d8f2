//! A newer version of the program takes over where an older one stopped: its
//! built-in types render something else, and its compiler makes other steps. No
//! rollout starts by that, and those that are under way end as they began.

use crate::audit::Audit;
use crate::scenario::{CANARY, PAIR, SWITCH, Scenario, TOGETHER};
use crate::trap::Sort;
use crate::world::{Ended, World};
use crate::{Kill, MAX_RUNS, Moment, block_on};
use std::rc::Rc;
use tranche::core::object::KindRef;
use tranche::core::record::EntityRecord;
use tranche::core::release::Release;
use tranche::core::render::{BUILTIN, Builtins};
use tranche::core::strategy::{
    COMPILER, CompileError, Compiled, Compiler, Effect, RolloutInput, Step,
};
use tranche::engine::{Class, Snapshot};
use tranche::port::{Cluster as _, Remote as _};

/// What the next version's types put on every pod of a webservice.
const LABEL: &str = "next.example/rendered";

/// The version after this one, which has this one's parts still.
fn next() -> Release {
    let files = BUILTIN.files.iter().map(|(name, text)| {
        let pod = "        metadata:\n          labels:\n";
        let text = match *name {
            "builtin/webservice.yaml" => {
                assert!(text.contains(pod), "the template has another shape");
                let labelled = text.replace(pod, &format!("{pod}            {LABEL}: \"yes\"\n"));
                Box::leak(labelled.into_boxed_str())
            }
            _ => *text,
        };
        (*name, text)
    });
    let files = Box::leak(files.collect::<Vec<_>>().into_boxed_slice());
    let compiler = Compiler { version: "compiler-next", list: other_steps, ..COMPILER };
    Release {
        builtins: vec![Builtins { version: "builtin-next", files }, BUILTIN],
        compilers: vec![compiler, COMPILER],
    }
}

/// The same batches, which look twice at what they wait for last.
fn other_steps(input: &RolloutInput<'_>) -> Result<Compiled, CompileError> {
    let mut compiled = (COMPILER.list)(input)?;
    let twice = |step: &Step| {
        let mut effects = step.effects.clone();
        let wait = effects.iter().rposition(|effect| matches!(effect, Effect::Await { .. }));
        if let Some(wait) = wait {
            effects.insert(wait, effects[wait].clone());
        }
        input.context.step(step.kind, effects, step.goal)
    };
    compiled.steps = compiled.steps.iter().map(twice).collect();
    Ok(compiled)
}

/// What a scenario begins with, at rest.
async fn at_rest(scenario: &Scenario) -> World {
    let world = World::new();
    for files in scenario.before {
        world.commit(files);
        world.finish(scenario, "before").await;
    }
    world
}

fn moved(ended: &Ended) -> Vec<&(Sort, String)> {
    ended.effects.iter().filter(|(sort, _)| *sort != Sort::Fetch).collect()
}

async fn record(world: &World, scenario: &Scenario) -> EntityRecord {
    world.record(scenario).await.unwrap().0
}

/// By which types the revisions of an application were rendered.
async fn rendered_by(world: &World, scenario: &Scenario, application: &str) -> Vec<String> {
    let (_, remote, tip) = world.record(scenario).await.unwrap();
    let revisions = Snapshot::new(remote.objects(), Some(tip)).revisions("default", application);
    revisions.unwrap().iter().map(|revision| revision.builtins.clone()).collect()
}

/// How many pods carry what the next version's types render.
async fn labelled(world: &World) -> usize {
    let kind = KindRef::new("v1", "Pod");
    let label = [(LABEL.to_owned(), "yes".to_owned())];
    world.cluster().list(&kind, Some("default"), &label).await.unwrap().len()
}

#[test]
fn a_newer_version_starts_nothing_and_reads_what_is_recorded() {
    block_on(async {
        for scenario in [&PAIR, &CANARY, &SWITCH, &TOGETHER] {
            let mut world = at_rest(scenario).await;
            let before = record(&world, scenario).await;
            world.release = next();
            let idle = world.run(5, None, &Rc::new(Audit::new(0))).await;
            assert_eq!(idle.report.as_ref().unwrap().class(), Class::Done, "{}", scenario.name);
            assert!(moved(&idle).is_empty(), "{}: {:?}", scenario.name, idle.effects);
            assert_eq!(record(&world, scenario).await, before);
        }
    });
}

/// A directly applied application and a plain object beside it.
const DIRECT: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: site}
spec:
  components:
    - {name: site, type: webservice, properties: {image: 'site:1'}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: beside}
data: {a: b}
";

#[test]
fn what_is_applied_directly_is_not_written_again_by_a_newer_version() {
    block_on(async {
        let mut world = at_rest(&PAIR).await;
        world.commit(&[("direct.yaml", DIRECT)]);
        world.finish(&PAIR, "direct").await;
        world.release = next();
        let idle = world.run(5, None, &Rc::new(Audit::new(0))).await;
        assert!(moved(&idle).is_empty(), "{:?}", idle.effects);
        // Other content is rendered by what is newest.
        world.commit(&[("direct.yaml", &DIRECT.replace("site:1", "site:2"))]);
        world.finish(&PAIR, "a newer direct one").await;
        assert_eq!(labelled(&world).await, 1);
        assert_eq!(rendered_by(&world, &PAIR, "site").await, ["builtin-2", "builtin-next"]);
    });
}

#[test]
fn what_is_new_is_rendered_and_compiled_by_the_newer_version() {
    block_on(async {
        let mut world = at_rest(&PAIR).await;
        world.release = next();
        world.commit(PAIR.change[0]);
        let audit = Rc::new(Audit::new(PAIR.floor));
        let ended = world.run(5, None, &audit).await;
        assert_eq!(ended.report.unwrap().class(), Class::Done);
        PAIR.holds(&world, &audit, "a newer version").await;
        assert_eq!(record(&world, &PAIR).await.compiler.as_deref(), Some("compiler-next"));
        assert_eq!(rendered_by(&world, &PAIR, "web").await, ["builtin-2", "builtin-next"]);
        assert_eq!(labelled(&world).await, 4);
        // Earlier content is its earlier revision, as it was rendered then.
        let back = PAIR.before[0].iter().map(|(path, text)| {
            (*path, text.replace("targetAppRevisionName: web-v2", "targetAppRevisionName: web-v1"))
        });
        let back: Vec<(&str, String)> = back.collect();
        let back: Vec<(&str, &str)> = back.iter().map(|(path, text)| (*path, &**text)).collect();
        world.commit(&back);
        world.finish(&PAIR, "back").await;
        assert_eq!(labelled(&world).await, 0);
        assert_eq!(rendered_by(&world, &PAIR, "web").await.len(), 2);
    });
}

#[test]
fn an_older_version_leaves_alone_what_a_newer_one_began() {
    block_on(async {
        let mut world = at_rest(&PAIR).await;
        world.release = next();
        world.commit(PAIR.change[0]);
        let audit = Rc::new(Audit::new(PAIR.floor));
        // In the middle of the second batch.
        let undisturbed = world.copy().run(1, None, &Rc::new(Audit::new(0))).await;
        let half = undisturbed.effects.len() / 2;
        let kill = Kill { at: half, moment: Moment::After };
        assert!(world.run(1, Some(kill), &audit).await.report.is_none());
        world.bury(1);
        world.release = Release::default();
        let ended = world.run(2, None, &audit).await;
        let told = format!("{:?}", ended.report.as_ref().unwrap());
        assert_ne!(ended.report.as_ref().unwrap().class(), Class::Done, "{told}");
        assert!(told.contains("builtin-next") || told.contains("compiler-next"), "{told}");
        let written = ended.effects.iter().filter(|(sort, _)| *sort == Sort::Write);
        assert_eq!(written.count(), 0, "{:?}", ended.effects);
        world.release = next();
        let ended = world.run(3, None, &audit).await;
        assert_eq!(ended.report.unwrap().class(), Class::Done);
        PAIR.holds(&world, &audit, "the newer version again").await;
    });
}

/// A run of this version is killed at every write, or at each so many of them;
/// the next version ends what it began, as if nothing had happened.
async fn taken_over(scenario: &Scenario, each: usize) {
    let base = at_rest(scenario).await;
    for files in scenario.change {
        base.commit(files);
    }
    let effects = base.copy().run(1, None, &Rc::new(Audit::new(0))).await.effects;
    let writes = effects
        .iter()
        .enumerate()
        .filter(|(_, (sort, what))| *sort == Sort::Write && !what.contains(" Lease/"));
    for (at, (_, what)) in writes.step_by(each) {
        let case = format!("{}, a newer version after effect {at} ({what})", scenario.name);
        let mut world = base.copy();
        let audit = Rc::new(Audit::new(scenario.floor));
        let kill = Kill { at, moment: Moment::During };
        assert!(world.run(1, Some(kill), &audit).await.report.is_none(), "{case}");
        world.bury(1);
        world.release = next();
        let mut last = None;
        for number in 3..3 + MAX_RUNS {
            let report = world.run(number, None, &audit).await.report.unwrap();
            if report.class() == Class::Done {
                last = None;
                break;
            }
            last = Some(report);
        }
        assert!(last.is_none(), "{case}: {last:?}");
        scenario.holds(&world, &audit, &case).await;
        assert_eq!(record(&world, scenario).await.compiler, None, "{case}: as it began");
        assert_eq!(labelled(&world).await, 0, "{case}: as it was published");
    }
}

#[test]
fn a_newer_version_ends_a_pair_that_an_older_one_began() {
    block_on(taken_over(&PAIR, 1));
}

#[test]
fn a_newer_version_ends_a_canary_that_an_older_one_began() {
    block_on(taken_over(&CANARY, 3));
}
