//! The write of a run that vanished, and was still on its way when another run
//! took over: the stamps of the takeover have made its condition untrue.

use crate::changes::changes;
use crate::forge::{Forge, Transport};
use crate::runs::{Bystander, Runs, block_on};
use crate::trap::plans::{ROLL_V1, ROLL_V2, WEB_V1, WEB_V2};
use crate::trap::{Aim, Moment, Sort, Witness};
use crate::webservice::{deployments, one};
use jiff::SignedDuration;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use tranche::core::object::ObjectRef;
use tranche::core::strategy::epoch_of;
use tranche::edge::cluster::KubeCluster;
use tranche::engine::Class;
use tranche::port::{Cluster as _, ClusterError, ClusterProblem, WriteMode};
use tranche_lab::User;

/// More than a write lease.
const LEASE_OVER: SignedDuration = SignedDuration::from_secs(130);

/// Lets everything happen but the first write of one object, which it holds
/// back.
struct Delay {
    object: String,
    held: RefCell<Option<(ObjectRef, Value, WriteMode)>>,
}

impl Witness<KubeCluster> for Delay {
    async fn apply(
        &self,
        cluster: &KubeCluster,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
    ) -> Result<Arc<Value>, ClusterError> {
        if object.to_string() != self.object {
            return cluster.apply(object, body, mode, false).await;
        }
        *self.held.borrow_mut() = Some((object.clone(), body.clone(), mode.clone()));
        // The run dies before it hears of it.
        Ok(Arc::default())
    }
}

/// Aims at the n-th write of an object.
fn write_of(object: &str, nth: usize, moment: Moment) -> Aim {
    let (what, seen) = (format!("apply {object}"), Cell::new(0));
    Box::new(move |_, sort, this| {
        let hit = sort == Sort::Write && this == what && seen.replace(seen.get() + 1) == nth;
        hit.then_some(moment)
    })
}

fn nowhere() -> Aim {
    Box::new(|_, _, _| None)
}

#[test]
fn a_write_that_comes_after_the_stamps_of_a_takeover_is_refused() {
    let forge = Forge::new();
    let (site, _bare) = forge.site("late", Transport::Http);
    let runs = Runs::new(&site);
    let bystander = Rc::new(Bystander);
    site.commit(&[("application.yaml", WEB_V1), ("approllout.yaml", ROLL_V1)]);
    let report = block_on(runs.run(nowhere(), &bystander)).report.unwrap();
    assert_eq!(report.class(), Class::Done, "{report:?}");
    site.commit(&[("application.yaml", WEB_V2), ("approllout.yaml", ROLL_V2)]);

    // It vanishes with the write on its way that takes the first old pod away.
    let old = format!("Deployment/{}/web-v1", site.namespace);
    let delay = Rc::new(Delay { object: old.clone(), held: RefCell::default() });
    let vanished = block_on(runs.run(write_of(&old, 0, Moment::During { seen: true }), &delay));
    assert!(vanished.report.is_none(), "{:?}", vanished.report);
    let (object, body, mode) = delay.held.take().unwrap();
    assert_eq!(body["spec"]["replicas"], 3, "{body:#}");
    let replay = |dry_run| {
        block_on(async {
            let cluster = runs.connect().await.cluster;
            let answer = cluster.apply(&object, &body, &mode, dry_run).await;
            (answer, cluster.get(&object).await.unwrap().unwrap())
        })
    };

    // Nobody knows that it is dead: its lease keeps others out.
    let busy = block_on(runs.run(nowhere(), &bystander)).report.unwrap();
    assert_eq!(busy.class(), Class::Busy, "{busy:?}");
    let (answer, before) = replay(true);
    assert_eq!(answer.unwrap()["spec"]["replicas"], 3, "it would still be taken");

    // The takeover, up to where it would write the object itself.
    runs.advance(LEASE_OVER);
    let takeover = block_on(runs.run(write_of(&old, 1, Moment::Before), &bystander));
    assert!(takeover.report.is_none(), "{:?}", takeover.report);
    let (answer, after) = replay(false);
    let refused = answer.unwrap_err().problem;
    assert!(matches!(refused, ClusterProblem::Stale(_)), "{refused:?}");
    assert_eq!(after["spec"], before["spec"], "it changed nothing");
    assert!(epoch_of(&after) > epoch_of(&before), "the stamp is there: {after:#}");
    let sizes: BTreeMap<String, (u64, String)> = deployments(&site);
    assert_eq!(sizes["web-v1"].0, 4);

    runs.bury(&takeover);
    let report = block_on(runs.run(nowhere(), &bystander)).report.unwrap();
    assert_eq!(report.class(), Class::Done, "{report:?}");
    assert_eq!(deployments(&site), one("web-v2", (4, "podinfo:2".to_owned())));
    let requests = site.plane.requests(User::Tranche).unwrap();
    let name = site.namespace.name();
    let late = requests
        .iter()
        .filter(|request| request.is_write() && request.namespace == name && request.code == 409);
    // Others are writes that a controller came before: they were made again.
    assert!(late.count() >= 1, "the late write is a 409 of the server's");
    let changes = changes(&requests, name);
    assert!(changes.values().all(|count| *count == 1), "an effect came twice: {changes:#?}");
    assert_eq!(changes.len(), 3 + 8, "{changes:#?}");
}
