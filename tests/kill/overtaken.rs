//! A run that is overtaken between its reading of the record and its look at
//! the cluster: what it finds there was brought by the other one.

use crate::audit::Audit;
use crate::block_on;
use crate::scenario::{DEPLOY, PAIR, Scenario};
use crate::trap::{Sort, Witness};
use crate::world::World;
use std::cell::Cell;
use std::rc::Rc;
use tranche::core::object::ObjectRef;
use tranche::edge::cluster::KubeCluster;
use tranche::engine::Class;

/// Lets another run do everything, just before the first look at a workload.
struct Overtaking<'a> {
    world: &'a World,
    audit: Rc<Audit>,
    done: Cell<bool>,
}

impl Witness<KubeCluster> for Overtaking<'_> {
    async fn reading(&self, object: &ObjectRef) {
        let workload = matches!(object.kind.as_str(), "CloneSet" | "Deployment");
        if !workload || self.done.replace(true) {
            return;
        }
        let report = self.world.run(2, None, &self.audit).await.report.unwrap();
        assert_eq!(report.class(), Class::Done, "{report:?}");
    }
}

/// It says that it lost or that all is done, and refuses and writes nothing.
async fn overtaken(scenario: &Scenario) {
    let world = World::new();
    for files in scenario.before {
        world.commit(files);
        world.finish(scenario, "before").await;
    }
    for files in scenario.change {
        world.commit(files);
    }
    let audit = Rc::new(Audit::new(scenario.floor));
    let other = Overtaking { world: &world, audit: Rc::clone(&audit), done: Cell::new(false) };
    let ended = world.run(1, None, &Rc::new(other)).await;
    let report = ended.report.unwrap();
    assert!(matches!(report.class(), Class::Busy | Class::Done), "{}: {report:?}", scenario.name);
    let wrote = ended.effects.iter().any(|(sort, _)| *sort == Sort::Write);
    assert!(!wrote, "{}: {:?}", scenario.name, ended.effects);
    scenario.holds(&world, &audit, scenario.name).await;
}

#[test]
fn a_first_deploy_that_another_run_has_finished_is_not_refused() {
    block_on(overtaken(&DEPLOY));
}

#[test]
fn an_upgrade_that_another_run_has_finished_is_not_refused() {
    block_on(overtaken(&PAIR));
}
