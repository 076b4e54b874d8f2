//! A cluster that is lost in mid-rollout and filled again from git alone.

use crate::site::Site;
use crate::webservice::{
    APPLICATION, FIRST, deployments, one, ready_pods, second_application, second_rollout,
};
use std::collections::BTreeMap;
use tranche_lab::ControlPlane;

const OLD: &str = "stefanprodan/podinfo:4.0.6";
const NEW: &str = "stefanprodan/podinfo:5.0.2";

#[test]
fn a_rebuilt_cluster_gets_stable_plus_the_recorded_batch_and_goes_on() {
    let plane = ControlPlane::fresh().unwrap();
    let site = Site::on(&plane, "rebuilt");
    site.commit(&[("application.yaml", APPLICATION), ("approllout.yaml", FIRST)]);
    site.apply_wait().ends(0);
    let held = second_rollout() + "    batchPartition: 1\n";
    site.commit(&[("application.yaml", &second_application()), ("approllout.yaml", &held)]);
    site.apply_wait().ends(3).says("batchPartition is 1");
    let both = BTreeMap::from([
        ("web-v1".to_owned(), (2, OLD.to_owned())),
        ("web-v2".to_owned(), (3, NEW.to_owned())),
    ]);
    let pods = BTreeMap::from([(OLD.to_owned(), 2), (NEW.to_owned(), 3)]);
    assert_eq!(deployments(&site), both);
    assert_eq!(ready_pods(&site), pods);

    plane.wipe().unwrap();
    plane.restore(&site.namespace).unwrap();
    let tip = site.tip();
    for _ in 0..2 {
        site.apply_wait().ends(77).says("tranche adopt --rebuilt");
        assert_eq!(deployments(&site), BTreeMap::new(), "nothing before somebody says so");
        assert_eq!(site.get(&["services,leases"])["items"].as_array().unwrap().len(), 0);
        assert_eq!(site.tip(), tip);
    }

    site.run(&["adopt", "--rebuilt", "--reason", "etcd was lost"]).ends(0).says("web");
    assert_eq!(deployments(&site), BTreeMap::new(), "the word itself writes the anchor only");
    let uid = plane.get(&["namespace", "kube-system"]).unwrap()["metadata"]["uid"].clone();
    let anchor = site.get(&["lease", "tranche-lab"]);
    assert_eq!(anchor["metadata"]["annotations"]["tranche.dev/cluster"], uid);

    site.apply_wait().ends(3).says("bringing back batch 2/3 done, 3 of 5 pods on web-v2");
    assert_eq!(deployments(&site), both);
    assert_eq!(ready_pods(&site), pods);
    assert_eq!(site.get(&["service", "web"])["spec"]["ports"][0]["port"], 9898);
    let tip = site.tip();
    site.apply_wait().ends(3);
    assert_eq!(site.tip(), tip, "it is brought back once");

    site.commit(&[("approllout.yaml", &held.replace("batchPartition: 1", "batchPartition: 2"))]);
    site.apply_wait().ends(0);
    assert_eq!(deployments(&site), one("web-v2", (5, NEW.to_owned())));
    assert_eq!(ready_pods(&site), one(NEW, 5));
    assert_eq!(site.rollout("web")["status"]["rollingState"], "rolloutSucceed");
}
