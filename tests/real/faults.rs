//! What goes wrong on a real cluster: pods that never get ready, bodies that
//! the server does not take, servers that go away, and clusters that are lost.

use crate::site::Site;
use crate::webservice::{
    APPLICATION, FIRST, deployments, one, ready_pods, second_application, second_rollout,
};
use std::collections::BTreeMap;
use tranche_lab::ControlPlane;

const OLD: &str = "stefanprodan/podinfo:4.0.6";
const NEW: &str = "stefanprodan/podinfo:5.0.2";

/// Five pods of the first revision.
fn first<'p>(plane: &'p ControlPlane, prefix: &str) -> Site<'p> {
    let site = Site::on(plane, prefix);
    site.commit(&[("application.yaml", APPLICATION), ("approllout.yaml", FIRST)]);
    site.apply_wait().ends(0);
    site
}

#[test]
fn pods_that_never_get_ready_hold_the_batch_until_an_abort_takes_it_back() {
    let site = first(ControlPlane::shared().unwrap(), "abort");
    // More than the node has: the pod stays pending for ever.
    let greedy =
        second_application().replace("        ports:", "        cpu: \"20000\"\n        ports:");
    site.commit(&[("application.yaml", &greedy), ("approllout.yaml", &second_rollout())]);
    site.run(&["apply"]).ends(3).says("0 of 1 pods ready");
    assert_eq!(ready_pods(&site), one(OLD, 5), "no old pod goes before a new one is ready");
    let both = BTreeMap::from([
        ("web-v1".to_owned(), (5, OLD.to_owned())),
        ("web-v2".to_owned(), (1, NEW.to_owned())),
    ]);
    assert_eq!(deployments(&site), both);

    site.run(&["abort", "web"]).ends(0);
    site.apply_wait().ends(4).says("tranche retry web");
    assert_eq!(deployments(&site), one("web-v1", (5, OLD.to_owned())));
    assert_eq!(ready_pods(&site), one(OLD, 5));
    assert_eq!(site.rollout("web")["status"]["rollingState"], "rolloutFailed");
}

#[test]
fn a_field_of_a_wrong_type_is_an_error_of_the_plan() {
    let site = Site::new("typed");
    site.commit(&[(
        "settings.yaml",
        "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {debug: true}
",
    )]);
    let said = "refused by the server: failed to create typed patch object";
    site.run(&["plan"]).ends(65).says(said);
    site.run(&["apply"]).ends(65).says(said).says(".data.debug: expected string");
}

#[test]
fn a_run_that_the_server_leaves_is_carried_on_by_the_next() {
    let plane = ControlPlane::fresh().unwrap();
    let site = first(&plane, "away");
    site.commit(&[
        ("application.yaml", &second_application()),
        ("approllout.yaml", &second_rollout()),
    ]);
    plane.stop().unwrap();
    site.run(&["apply"]).ends(1).says("the cluster does not answer");
    plane.begin().unwrap();
    site.apply_wait().ends(0);
    assert_eq!(deployments(&site), one("web-v2", (5, NEW.to_owned())));
    assert_eq!(ready_pods(&site), one(NEW, 5));
}

#[test]
fn a_wiped_cluster_is_not_taken_for_the_one_on_the_record() {
    let plane = ControlPlane::fresh().unwrap();
    let site = first(&plane, "wiped");
    let tip = site.tip();
    plane.wipe().unwrap();
    plane.restore(&site.namespace).unwrap();
    site.apply_wait().ends(77);
    assert_eq!(deployments(&site), BTreeMap::new(), "nothing is written before somebody says so");
    assert_eq!(site.tip(), tip);
}
