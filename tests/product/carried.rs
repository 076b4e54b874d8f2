//! ConfigMaps and Secrets travel with the revision: what a pod was started with
//! is what it reads as long as it lives, and an aborted rollout leaves nothing.

use crate::plans::rollout;
use crate::stage::Stage;
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// A component with a ConfigMap and a Secret; `more` is beside it in the plan.
fn plan(component: &str, colour: &str, key: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: web, annotations: {{app.oam.dev/rollout-template: \"true\"}}}}
spec:
  components:
    - name: web
      type: {component}
      properties: {{image: podinfo:1}}
      traits:
        - {{type: scaler, properties: {{replicas: 4}}}}
        - type: storage
          properties:
            configMap:
              - {{name: settings, mountPath: /settings, data: {{colour: {colour}}}}}
            secret:
              - name: keys
                stringData: {{main: {key}}}
                mountToEnv: {{envName: MAIN, secretKey: main}}
"
    )
}

fn committed(
    stage: &Stage,
    component: &str,
    (colour, key): (&str, &str),
    (to, more): (&str, &str),
) {
    let more: Vec<&str> = if more.is_empty() { Vec::new() } else { vec![more] };
    stage.commit(&[
        ("web.yaml", &plan(component, colour, key)),
        ("rollout.yaml", &rollout(to, &more)),
    ]);
}

/// What a pod reads of both: the colour, and the key.
fn read(world: &World, pod: &Value) -> (String, String) {
    let at = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let map = world.get("ConfigMap", at("/spec/volumes/0/configMap/name"));
    let secret = "/spec/containers/0/env/0/valueFrom/secretKeyRef/name";
    let secret = world.get("Secret", at(secret));
    let colour = map.map(|map| map["data"]["colour"].as_str().unwrap().to_owned());
    let key = secret.map(|secret| {
        let data = STANDARD.decode(secret["data"]["main"].as_str().unwrap()).unwrap();
        String::from_utf8(data).unwrap()
    });
    let missing = || "missing".to_owned();
    (colour.unwrap_or_else(missing), key.unwrap_or_else(missing))
}

fn living(world: &World) -> impl Iterator<Item = &Value> {
    let pods = world.of_kind("Pod").map(|(_, pod)| pod);
    pods.filter(|pod| pod["metadata"].get("deletionTimestamp").is_none())
}

/// How many pods read what.
fn readers(stage: &Stage) -> BTreeMap<String, usize> {
    let world = stage.world();
    let mut all = BTreeMap::new();
    for pod in living(&world) {
        let (colour, key) = read(&world, pod);
        *all.entry(format!("{colour} {key}")).or_default() += 1;
    }
    all
}

fn are(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

/// The names of what there is.
fn there(stage: &Stage, kind: &str) -> Vec<String> {
    stage.world().of_kind(kind).map(|(name, _)| name.to_owned()).collect()
}

/// At every instant each pod has read what it was started with.
fn nobody_was_changed_under(stage: &Stage) {
    let mut first: BTreeMap<String, (String, String)> = BTreeMap::new();
    for world in stage.history() {
        for pod in living(&world) {
            let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
            let now = read(&world, pod);
            let then = first.entry(uid).or_insert_with(|| now.clone());
            assert_eq!(*then, now);
            assert!(now.0 != "missing" && now.1 != "missing", "{now:?}");
        }
    }
    assert!(first.len() >= 8, "two revisions had pods");
}

fn old_pods_keep_what_they_have(component: &str) {
    let stage = Stage::new();
    committed(&stage, component, ("blue", "hunter1"), ("web-v1", ""));
    stage.apply_wait().ends(0);
    let (old_map, old_secret) = (there(&stage, "ConfigMap"), there(&stage, "Secret"));
    assert!(old_map.len() == 1 && old_map[0].starts_with("settings-"), "{old_map:?}");
    assert_eq!(old_secret, ["keys-v1"]);
    assert_eq!(readers(&stage), are(&[("blue hunter1", 4)]));

    // Nothing but the content of both changes.
    committed(&stage, component, ("red", "hunter2"), ("web-v2", "batchPartition: 1"));
    let shown = stage.run(&["plan"]).ends(0).says("-  colour: blue").says("+  colour: red");
    assert!(!shown.to_string().contains("hunter"), "{shown}");
    stage.apply_wait().ends(3);
    assert_eq!(readers(&stage), are(&[("blue hunter1", 2), ("red hunter2", 2)]));
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(readers(&stage), are(&[("blue hunter1", 4)]));
    assert_eq!((there(&stage, "ConfigMap"), there(&stage, "Secret")), (old_map, old_secret));

    committed(&stage, component, ("green", "hunter3"), ("web-v3", ""));
    stage.apply_wait().ends(0);
    assert_eq!(readers(&stage), are(&[("green hunter3", 4)]));
    assert_eq!(
        (there(&stage, "ConfigMap").len(), there(&stage, "Secret")),
        (1, vec!["keys-v3".to_owned()])
    );
    nobody_was_changed_under(&stage);

    // Back to what was: the old content comes with the old revision.
    stage.commit(&[("rollout.yaml", &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(readers(&stage), are(&[("blue hunter1", 4)]));
    assert_eq!(there(&stage, "Secret"), ["keys-v1"]);
    nobody_was_changed_under(&stage);
    let told = stage.run(&["plan"]).ends(0).to_string() + &stage.run(&["log"]).ends(0).out;
    assert!(!told.contains("hunter"), "{told}");
    stage.apply().ends(0).says("everything is as the plan says");
    stage.record_is_whole();
}

#[test]
fn old_pods_of_a_pair_keep_what_they_have() {
    old_pods_keep_what_they_have("webservice");
}

#[test]
fn old_pods_of_a_cloneset_keep_what_they_have() {
    old_pods_keep_what_they_have("clonesetservice");
}

#[test]
fn a_secret_alone_makes_a_rollout_and_the_same_content_makes_none() {
    let stage = Stage::new();
    committed(&stage, "webservice", ("blue", "hunter1"), ("web-v1", ""));
    stage.apply_wait().ends(0);
    committed(&stage, "webservice", ("blue", "hunter2"), ("web-v2", "batchPartition: 0"));
    let shown = stage.run(&["plan"]).ends(0);
    assert!(
        shown.out.contains("update Secret/default/keys\n") && !shown.out.contains("hunter"),
        "{shown}"
    );
    assert!(!shown.out.contains("ConfigMap/default/settings\n"), "it does not change: {shown}");
    stage.apply_wait().ends(3);
    assert_eq!(readers(&stage), are(&[("blue hunter1", 3), ("blue hunter2", 1)]));
    assert_eq!(there(&stage, "ConfigMap").len(), 1, "both revisions have the same one");
    committed(&stage, "webservice", ("blue", "hunter2"), ("web-v2", ""));
    stage.apply_wait().ends(0);
    assert_eq!((there(&stage, "ConfigMap").len(), there(&stage, "Secret").len()), (1, 1));
    // Another revision of the very same objects has another number, no more.
    let text = plan("webservice", "blue", "hunter2");
    let again =
        text.replace("rollout-template", "publishVersion: again, app.oam.dev/rollout-template");
    stage.commit(&[("web.yaml", &again), ("rollout.yaml", &rollout("web-v3", &[]))]);
    stage.apply().ends(0);
    assert_eq!(there(&stage, "Secret"), ["keys-v2"]);
    nobody_was_changed_under(&stage);
}

#[test]
fn what_a_document_of_the_plan_refers_to_stays_and_lint_says_so() {
    let reader = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: other}
secrets: [{name: keys}]
";
    let stage = Stage::with(&[("reader.yaml", reader)]);
    committed(&stage, "webservice", ("blue", "hunter1"), ("web-v1", ""));
    let said = "Secret/default/keys does not travel with the revisions of component web: \
                ServiceAccount/other refers to it too";
    stage.run(&["lint"]).ends(0).says(said);
    stage.apply_wait().ends(0);
    assert_eq!(there(&stage, "Secret"), ["keys"]);
    assert!(there(&stage, "ConfigMap")[0].starts_with("settings-"));
    assert_eq!(readers(&stage), are(&[("blue hunter1", 4)]));
}
