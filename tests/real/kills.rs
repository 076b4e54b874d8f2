//! Runs are killed at each of their effects, on the real cluster and over
//! network remotes, and the runs after them finish as if nothing had happened:
//! no effect twice, the log complete, never too few pods.
//!
//! A rollout takes a while here, so one has a kill in each of its steps: steps
//! are closed one after the other, so their kills do not meet. As many
//! rollouts as the longest step has effects kill at every effect once while it
//! is done (applied, and its answer lost); a seeded sample kills before and
//! after.

use crate::changes::changes;
use crate::dice::Dice;
use crate::forge::{Forge, Transport};
use crate::gateway::Gateway;
use crate::runs::{Bystander, Runs, block_on};
use crate::shots::{NAMESPACE, Script, Shot, steps};
use crate::site::Site;
use crate::trap::plans::{CANARY_V1, CANARY_V2, GATEWAY, ROLL_V1, ROLL_V2, WEB_V1, WEB_V2};
use crate::trap::{Aim, Moment, Sort, log};
use crate::watched::{Watch, by_namespace, floor_holds, version};
use crate::webservice::{deployments, one, ready_pods};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Mutex;
use tranche::core::decide::RollingState;
use tranche::engine::Class;
use tranche_lab::{ControlPlane, User};

/// Rollouts at once.
const AT_ONCE: usize = 8;
/// Rollouts of the sample, beside those that kill at every effect.
const SAMPLED: u64 = 2;
const SEED: u64 = 20_260_401;
/// More runs than one kill in each step takes.
const MAX_RUNS: usize = 6;

type Files<'f> = &'f [(&'f str, &'f str)];

/// A rollout of three batches.
struct Scenario<'f> {
    name: &'static str,
    /// Committed first, and brought to its end.
    before: Files<'f>,
    change: Files<'f>,
    revision: &'static str,
    /// Effects that change something.
    changes: usize,
    /// Fewest ready pods on the way.
    floor: u32,
    image: &'static str,
}

/// A rollout, and where its runs die.
struct Case {
    name: String,
    transport: Transport,
    shots: Vec<Shot>,
}

/// What is checked when all rollouts are over.
struct Done {
    case: String,
    namespace: String,
    /// The store's version when the rollout began.
    from: u64,
    /// The rollout's steps.
    steps: Vec<String>,
}

/// Runs the scenario undisturbed, then with kills at every effect of it.
fn killed_at_every_effect(scenario: &Scenario<'_>) {
    let plane = ControlPlane::shared().unwrap();
    let forge = Forge::new();
    let dir = tranche_lab::scratch().unwrap();
    // Without the Gateway API there is no route to look at.
    let routes = scenario.change.iter().any(|(_, text)| text.contains("canary"));
    let resources =
        ["pods", "endpointslices.discovery.k8s.io", "httproutes.gateway.networking.k8s.io"];
    let resources = &resources[..if routes { 3 } else { 1 }];
    let watches: Vec<Watch> =
        resources.iter().map(|resource| Watch::start(plane, dir.path(), resource)).collect();

    let undisturbed = Case {
        name: format!("{}, undisturbed", scenario.name),
        transport: Transport::Http,
        shots: Vec::new(),
    };
    let (first, effects) = rolled(&forge, scenario, &undisturbed);
    let mut done = vec![first];
    let effects = steps(&effects);
    assert_eq!(effects.len(), 3, "{}: three batches: {effects:#?}", scenario.name);

    let queue = Mutex::new(cases(scenario, &effects));
    let finished = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else { break };
                    let (done, _) = rolled(&forge, scenario, &case);
                    finished.lock().unwrap().push(done);
                }
            });
        }
    });
    done.append(&mut finished.into_inner().unwrap());

    let last = done[0].namespace.clone();
    let sights = watches.into_iter().flat_map(|watch| watch.end(plane, &last)).collect();
    let sights = by_namespace(sights);
    let requests = plane.requests(User::Tranche).unwrap();
    for Done { case, namespace, from, steps } in done {
        floor_holds(&sights[&namespace], from, scenario.floor, &case);
        let mut changes = changes(&requests, &namespace);
        for (effect, count) in &changes {
            assert_eq!(
                *count, 1,
                "{case}: {effect} changed its object {count} times: {changes:#?}"
            );
        }
        changes.retain(|effect, _| {
            effect.starts_with("delete ") || steps.iter().any(|step| effect.starts_with(step))
        });
        assert_eq!(changes.len(), scenario.changes, "{case}: {changes:#?}");
    }
}

fn cases(scenario: &Scenario<'_>, steps: &[Vec<(String, usize)>]) -> VecDeque<Case> {
    let mut cases = VecDeque::new();
    let mut add = |shots: Vec<Shot>| {
        let transport = if cases.len() % 2 == 0 { Transport::Ssh } else { Transport::Http };
        let name = format!("{}, {transport:?}, {shots:?}", scenario.name);
        cases.push_back(Case { name, transport, shots });
    };
    let shot = |step: &Vec<(String, usize)>, at: usize, moment| {
        let (what, nth) = step[at % step.len()].clone();
        Shot { what, nth, moment }
    };
    for at in 0..steps.iter().map(Vec::len).max().unwrap() {
        let during = |step| shot(step, at, Moment::During { seen: true });
        add(steps.iter().map(during).collect());
    }
    let mut dice = Dice::new(SEED);
    for _ in 0..SAMPLED {
        let sampled = steps.iter().map(|step| {
            let moment = if dice.roll(2) == 0 { Moment::Before } else { Moment::After };
            shot(step, usize::try_from(dice.roll(1000)).unwrap(), moment)
        });
        add(sampled.collect());
    }
    cases
}

/// Brings one rollout to its end, whatever dies on the way, and checks the
/// record and the cluster. Returns what its runs did.
fn rolled(forge: &Forge, scenario: &Scenario<'_>, case: &Case) -> (Done, Vec<(Sort, String)>) {
    let (site, _bare) = forge.site("kills", case.transport);
    let runs = Runs::new(&site);
    let bystander = Rc::new(Bystander);
    if !scenario.before.is_empty() {
        site.commit(scenario.before);
        let before = block_on(runs.run(nowhere(), &bystander)).report.unwrap();
        assert_eq!(before.class(), Class::Done, "{}: {before:?}", case.name);
    }
    let from = version(site.plane);
    site.commit(scenario.change);
    let script = Script::new(site.namespace.name(), case.shots.clone());
    let mut effects = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..MAX_RUNS {
        let mut ended = block_on(runs.run(script.aim(), &bystander));
        effects.append(&mut ended.effects);
        match &ended.report {
            None => runs.bury(&ended),
            Some(report) => {
                ends.push(format!("{report:?}"));
                if report.class() == Class::Done {
                    break;
                }
            }
        }
    }
    assert_eq!(ends.len(), 1, "{}: {ends:?}", case.name);
    assert_eq!(script.left(), Vec::<Shot>::new(), "{}: never came to it", case.name);
    let steps = block_on(recorded(&runs, scenario, &case.name));
    reads_well(&site, scenario, &case.name);
    let idle = block_on(runs.run(nowhere(), &bystander)).effects;
    let moved = idle.iter().any(|(sort, _)| *sort != Sort::Fetch);
    assert!(!moved, "{}: an idle run did {idle:?}", case.name);
    let namespace = site.namespace.name().to_owned();
    for (_, what) in &mut effects {
        *what = what.replace(&namespace, NAMESPACE);
    }
    (Done { case: case.name.clone(), namespace, from, steps }, effects)
}

fn nowhere() -> Aim {
    Box::new(|_, _, _| None)
}

/// The record is a chain without gaps, in which each step has one result.
async fn recorded(runs: &Runs<'_>, scenario: &Scenario<'_>, case: &str) -> Vec<String> {
    let (record, log) = runs.record(case).await;
    assert_eq!(record.status.rolling_state, RollingState::RolloutSucceed, "{case}");
    assert_eq!(record.open, None, "{case}");
    assert_eq!(log::results(&log, scenario.revision, case), 3, "{case}: three batches");
    let mine = log.into_iter().filter(|t| t.target_revision.as_deref() == Some(scenario.revision));
    mine.filter_map(|trailers| trailers.step).collect()
}

/// The end, by kubectl.
fn reads_well(site: &Site<'_>, scenario: &Scenario<'_>, case: &str) {
    let end = (4, scenario.image.to_owned());
    assert_eq!(deployments(site), one(scenario.revision, end), "{case}");
    assert_eq!(ready_pods(site), one(scenario.image, 4), "{case}");
}

#[test]
fn a_first_deploy_is_finished_whatever_effect_its_runs_die_at() {
    let batches = ROLL_V2.replace("  sourceAppRevisionName: web-v1\n", "");
    let batches = batches.replace("web-v2", "web-v1");
    killed_at_every_effect(&Scenario {
        name: "a first deploy",
        before: &[],
        change: &[("application.yaml", WEB_V1), ("approllout.yaml", &batches)],
        revision: "web-v1",
        changes: 5,
        floor: 0,
        image: "podinfo:1",
    });
}

#[test]
fn an_upgrade_is_finished_whatever_effect_its_runs_die_at() {
    killed_at_every_effect(&Scenario {
        name: "an upgrade",
        before: &[("application.yaml", WEB_V1), ("approllout.yaml", ROLL_V1)],
        change: &[("application.yaml", WEB_V2), ("approllout.yaml", ROLL_V2)],
        revision: "web-v2",
        changes: 8,
        floor: 4,
        image: "podinfo:2",
    });
}

#[test]
fn a_canary_is_finished_whatever_effect_its_runs_die_at() {
    let _gateway = Gateway::open(ControlPlane::shared().unwrap());
    killed_at_every_effect(&Scenario {
        name: "a canary",
        before: &[
            ("application.yaml", WEB_V1),
            ("approllout.yaml", CANARY_V1),
            ("route.yaml", GATEWAY),
        ],
        change: &[("application.yaml", WEB_V2), ("approllout.yaml", CANARY_V2)],
        revision: "web-v2",
        changes: 17,
        floor: 4,
        image: "podinfo:2",
    });
}
