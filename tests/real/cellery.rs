//! Cellery's instances on the real control plane: one component updated in
//! place, requests led from one instance to the next, and a host whose name
//! outlives the instance that it was.

use crate::site::{Ran, Site};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const FILES: [(&str, &str); 4] = [
    ("pet-be.yaml", include_str!("../../testdata/seeds/cellery/pet-be.yaml")),
    ("pet-be-v2.yaml", include_str!("../../testdata/seeds/cellery/pet-be-v2.yaml")),
    ("pet-fe.yaml", include_str!("../../testdata/seeds/cellery/pet-fe.yaml")),
    ("route.yaml", include_str!("../../testdata/seeds/cellery/route.yaml")),
];

/// A new checkout of what is committed.
fn checkout(site: &Site<'_>, name: &str) -> PathBuf {
    let path = site.path(name);
    git2::Repository::clone(site.repository().path().to_str().unwrap(), &path).unwrap();
    path
}

/// A command in a checkout, and the commit of what it did.
fn done(site: &Site<'_>, name: &str, command: &str) {
    let path = checkout(site, name);
    // No cluster has a part in it.
    let mut tranche = site.plane.command(env!("CARGO_BIN_EXE_tranche"));
    let output = tranche.args(command.split(' ')).arg("--repo").arg(&path).output().unwrap();
    Ran::of(&output).ends(0);
    let repository = git2::Repository::open(&path).unwrap();
    let mut index = repository.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    index.update_all(["*"], None).unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let parent = repository.head().unwrap().peel_to_commit().unwrap();
    let dev = git2::Signature::now("dev", "dev@users.noreply.invalid").unwrap();
    repository.commit(Some("HEAD"), &dev, &dev, "plan", &tree, &[&parent]).unwrap();
    let mut origin = repository.find_remote("origin").unwrap();
    origin.push(&["refs/heads/main:refs/heads/main"], None).unwrap();
}

fn sends(site: &Site<'_>) -> BTreeMap<String, u64> {
    let route = site.get(&["virtualservice", "pet-fe--pet-be"]);
    let last = route["spec"]["http"].as_array().unwrap().last().unwrap().clone();
    let one = |one: &Value| {
        let host = one["destination"]["host"].as_str().unwrap().to_owned();
        (host, one["weight"].as_u64().unwrap_or(100))
    };
    last["route"].as_array().unwrap().iter().map(one).collect()
}

fn shares(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, share)| (format!("{name}--gateway"), *share)).collect()
}

/// The pods of all but one component, by uid.
fn others(site: &Site<'_>) -> BTreeSet<String> {
    let pods = site.get(&["pods"]);
    let other =
        |pod: &&Value| pod["metadata"]["labels"]["app.oam.dev/component"] != "pet-be--controller";
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap().to_owned();
    pods["items"].as_array().unwrap().iter().filter(other).map(uid).collect()
}

#[test]
fn s4_an_instance_is_patched_routed_and_retired() {
    let site = Site::new("cellery");
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/crds/istio.yaml");
    site.plane.install(&crds).unwrap();
    site.commit(&FILES);
    site.apply_wait().ends(0);
    assert_eq!(sends(&site), shares(&[("pet-be", 100)]));

    let before = others(&site);
    let patch = "patch pet-be controller --container-image mycontainerorg/hello:1.0.1";
    done(&site, "patched", patch);
    site.apply_wait().ends(0);
    assert_eq!(others(&site), before, "no other pod is touched");
    let deployment = site.get(&["deployment", "pet-be--controller"]);
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, json!("mycontainerorg/hello:1.0.1"));

    let half = "route-traffic -d pet-be -t pet-be-v2 -p 50 --enable-session-awareness";
    done(&site, "half", half);
    site.apply_wait().ends(0);
    assert_eq!(sends(&site), shares(&[("pet-be", 50), ("pet-be-v2", 50)]));
    done(&site, "all", "route-traffic -d pet-be -t pet-be-v2");
    site.apply_wait().ends(0);
    assert_eq!(sends(&site), shares(&[("pet-be-v2", 100)]));
    let host = site.get(&["service", "pet-be--gateway"])["metadata"]["uid"].clone();

    done(&site, "retired", "terminate pet-be");
    site.run(&["apply", "--allow-prune", "--wait", "5m"]).ends(0);
    let service = site.get(&["service", "pet-be--gateway"]);
    assert_eq!(service["metadata"]["uid"], host, "the host was there all the time");
    let selector = json!({"app.oam.dev/component": "pet-be-v2--gateway"});
    assert_eq!(service["spec"]["selector"], selector);
    let deployments = site.get(&["deployments"]);
    let names = deployments["items"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|one| one["metadata"]["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| !name.starts_with("pet-be--")), "{names:?}");
    site.run(&["plan", "--detailed-exitcode"]).ends(0);
}
