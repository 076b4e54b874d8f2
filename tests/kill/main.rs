//! A run is killed before, during and after each of its effects (writes to the
//! cluster and their flush, pushes, fetches); the runs after it must finish the rollout as if
//! nothing had happened: no effect twice, the log complete, never too few pods.
//!
//! The engine is the real one, over a real remote and the embedded cluster;
//! only the ports in between are decorated.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes real repositories"
)]

mod audit;
#[path = "../trap/dice.rs"]
#[expect(dead_code, reason = "others take a seed from the environment")]
mod dice;
mod followed;
mod forbidden;
mod generated;
mod overtaken;
mod scenario;
#[path = "../trap/store.rs"]
#[expect(dead_code, reason = "the simulation asks for more of it")]
mod store;
#[path = "../trap/mod.rs"]
mod trap;
mod upgraded;
mod world;

use audit::Audit;
use scenario::{
    CANARY, CLONESET, DEPLOY, LANE, NODES, PAIR, RATIO, SPREAD, SWITCH, Scenario, TOGETHER,
};
use std::rc::Rc;
use tranche::engine::Class;
use trap::{Aim, Sort};
use world::{Ended, World};

/// What the next run knows of a killed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Corpse {
    /// Its process provably exists no more.
    Dead,
    /// It may be alive: only the end of its write lease frees the step.
    Gone,
}

/// When, around an effect, a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    /// It is being written out when the machine's process ends: half a line is
    /// on the disk. What half a line says never happened: nobody counts it.
    Flush,
    During,
    After,
}

/// Which effect kills a run, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kill {
    at: usize,
    moment: Moment,
}

impl Kill {
    fn aim(self) -> Aim {
        let moment = match self.moment {
            Moment::Before => trap::Moment::Before,
            Moment::Flush => trap::Moment::During { seen: false },
            Moment::During => trap::Moment::During { seen: true },
            Moment::After => trap::Moment::After,
        };
        Box::new(move |at, _, _| (at == self.at).then_some(moment))
    }
}

/// More runs than any recovery takes.
const MAX_RUNS: u32 = 4;
/// More than a write lease.
const LEASE_OVER: i64 = 130;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Kills a run of the scenario at every effect.
async fn every_effect(scenario: &Scenario, corpse: Corpse) {
    killed_at(scenario, corpse, moments).await;
}

/// Kills a run of the scenario at the given moments of every effect.
async fn killed_at(
    scenario: &Scenario,
    corpse: Corpse,
    moments: fn(Sort, &str, Corpse) -> &'static [Moment],
) {
    let base = World::new();
    base.put(scenario.running).await;
    for files in scenario.before {
        base.commit(files);
        base.finish(scenario, "before").await;
    }
    for files in scenario.change {
        base.commit(files);
    }
    let effects = undisturbed(&base, scenario).await;
    for sort in [Sort::Write, Sort::Push, Sort::Fetch] {
        let count = effects.iter().filter(|(seen, _)| *seen == sort).count();
        assert!(count >= 3, "{}: {count} effects of the sort {sort:?}", scenario.name);
    }
    for (at, (sort, what)) in effects.iter().enumerate() {
        for moment in moments(*sort, what, corpse) {
            let case = format!(
                "{}, {corpse:?}, killed {moment:?} effect {at} ({sort:?} {what})",
                scenario.name
            );
            killed(&base, scenario, corpse, Kill { at, moment: *moment }, &case).await;
        }
    }
}

/// A fetch changes nothing that another run could see, so one moment stands
/// for all.
fn moments(sort: Sort, _: &str, corpse: Corpse) -> &'static [Moment] {
    match (sort, corpse) {
        (Sort::Fetch, Corpse::Dead) => &[Moment::During],
        (Sort::Fetch, Corpse::Gone) => &[],
        (Sort::Write, Corpse::Dead) => {
            &[Moment::Before, Moment::Flush, Moment::During, Moment::After]
        }
        (Sort::Write, Corpse::Gone) | (Sort::Push, _) => {
            &[Moment::Before, Moment::During, Moment::After]
        }
    }
}

async fn undisturbed(base: &World, scenario: &Scenario) -> Vec<(Sort, String)> {
    let world = base.copy();
    let audit = Rc::new(Audit::new(scenario.floor));
    let Ended { report, effects } = world.run(1, None, &audit).await;
    let report = report.unwrap();
    assert_eq!(report.class(), Class::Done, "{}: {report:?}", scenario.name);
    scenario.holds(&world, &audit, scenario.name).await;
    effects
}

async fn killed(base: &World, scenario: &Scenario, corpse: Corpse, kill: Kill, case: &str) {
    let world = base.copy();
    let audit = Rc::new(Audit::new(scenario.floor));
    let mut ended = world.run(1, Some(kill), &audit).await;
    if ended.report.is_none() {
        if kill.moment == Moment::Flush {
            world.tear();
        }
        match corpse {
            Corpse::Dead => world.bury(1),
            Corpse::Gone => {
                if world.open_intent(scenario).await {
                    stays_out(&world, &audit, case).await;
                }
                world.advance(LEASE_OVER);
            }
        }
    }
    for number in 3..3 + MAX_RUNS {
        if ended.report.as_ref().is_some_and(|report| report.class() == Class::Done) {
            scenario.holds(&world, &audit, case).await;
            // Whoever comes now finds nothing to do.
            let idle = world.run(100, None, &audit).await;
            let moved = idle.effects.iter().any(|(sort, _)| *sort != Sort::Fetch);
            assert!(!moved, "{case}: an idle run did {:?}", idle.effects);
            return;
        }
        ended = world.run(number, None, &audit).await;
    }
    panic!("{case}: not done after {MAX_RUNS} more runs: {:?}", ended.report);
}

/// While the lease of a run that may be alive lasts, another run says so and
/// touches nothing.
async fn stays_out(world: &World, audit: &Rc<Audit>, case: &str) {
    let Ended { report, effects } = world.run(2, None, audit).await;
    let report = report.unwrap();
    assert_eq!(report.class(), Class::Busy, "{case}: {report:?}");
    let moved = effects.iter().any(|(sort, _)| *sort != Sort::Fetch);
    assert!(!moved, "{case}: a run that must wait did {effects:?}");
}

#[test]
fn a_first_deploy_survives_a_dead_run_at_every_effect() {
    block_on(every_effect(&DEPLOY, Corpse::Dead));
}

#[test]
fn a_cloneset_upgrade_survives_a_dead_run_at_every_effect() {
    block_on(every_effect(&CLONESET, Corpse::Dead));
}

#[test]
fn a_cloneset_upgrade_survives_a_vanished_run_at_every_effect() {
    block_on(every_effect(&CLONESET, Corpse::Gone));
}

#[test]
fn a_pair_upgrade_survives_a_dead_run_at_every_effect() {
    block_on(every_effect(&PAIR, Corpse::Dead));
}

#[test]
fn a_pair_upgrade_survives_a_vanished_run_at_every_effect() {
    block_on(every_effect(&PAIR, Corpse::Gone));
}

#[test]
fn a_canary_of_one_round_a_batch_survives_a_dead_run_at_every_write() {
    block_on(killed_at(&scenario::QUICK_CANARY, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During] } else { &[] }
    }));
}

#[test]
fn a_canary_survives_a_dead_run_at_every_effect() {
    // It has twice the effects of a plain pair, whose cases stand for pushes
    // and the anchor: here it is what the rollout itself writes, at the moment
    // that leaves the least to go by.
    block_on(killed_at(&CANARY, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During] } else { &[] }
    }));
}

#[test]
fn a_lane_and_its_member_survive_a_dead_run_at_every_write() {
    block_on(killed_at(&LANE, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During, Moment::After] } else { &[] }
    }));
}

#[test]
fn a_canary_without_a_route_survives_a_dead_run_at_every_write() {
    // What a pair does not have are sizes between: each of its writes, at the
    // moments around it.
    block_on(killed_at(&SPREAD, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During, Moment::After] } else { &[] }
    }));
}

#[test]
fn a_switch_survives_a_dead_run_at_every_write() {
    block_on(killed_at(&SWITCH, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During, Moment::After] } else { &[] }
    }));
}

#[test]
fn components_together_survive_a_dead_run_at_every_write() {
    block_on(killed_at(&TOGETHER, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During, Moment::After] } else { &[] }
    }));
}

#[test]
fn evictions_survive_a_dead_run_at_every_write() {
    block_on(killed_at(&NODES, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::Before, Moment::Flush, Moment::During, Moment::After] } else { &[] }
    }));
}

#[test]
fn evictions_survive_a_vanished_run_at_every_eviction() {
    block_on(killed_at(&NODES, Corpse::Gone, |_, what, _| {
        if what.starts_with("evict ") { &[Moment::During, Moment::After] } else { &[] }
    }));
}

#[test]
fn s5_a_deployment_that_is_taken_over_survives_a_dead_run_at_every_effect() {
    block_on(killed_at(&RATIO, Corpse::Dead, |sort, what, _| {
        let ours = sort == Sort::Push || sort == Sort::Write && !what.contains(" Lease/");
        if ours { &[Moment::During, Moment::After] } else { &[] }
    }));
}
