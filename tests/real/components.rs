//! KubeVela's component types and traits beside rollouts, applied directly on the
//! real control plane.

use crate::site::Site;

const APPLICATION: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop}
spec:
  components:
    - name: agent
      type: daemon
      properties:
        image: agent:1
        ports: [{port: 9100, expose: true}]
      traits:
        - {type: sidecar, properties: {name: proxy, image: \"proxy:1\"}}
        - {type: affinity, properties: {tolerations: [{operator: Exists}]}}
        - {type: k8s-update-strategy, properties: {strategy: {rollingStrategy: {maxSurge: 1}}}}
    - name: migrate
      type: task
      properties: {image: \"migrate:1\", count: 2}
      traits:
        - type: init-container
          properties: {name: fetch, image: \"fetch:1\", appMountPath: /a, initMountPath: /b}
    - name: nightly
      type: cron-task
      properties: {image: \"nightly:1\", schedule: 0 3 * * *}
      traits:
        - {type: command, properties: {command: [./nightly], addArgs: [--all]}}
        - {type: lifecycle, properties: {preStop: {exec: {command: [./stop]}}}}
    - name: web
      type: webservice
      properties: {image: \"web:1\"}
      traits:
        - {type: hpa, properties: {min: 2, max: 4}}
        - {type: json-patch, properties: {operations: [{op: add, path: /spec/minReadySeconds, value: 1}]}}
    - name: plain
      type: k8s-objects
      properties:
        objects:
          - {apiVersion: v1, kind: ConfigMap, metadata: {name: plain}, data: {a: \"yes\"}}
          - {apiVersion: v1, kind: Secret, metadata: {name: plain}, stringData: {b: \"no\"}}
";

#[test]
fn what_is_applied_directly_gets_healthy_and_stays_as_it_is() {
    let site = Site::new("components");
    site.commit(&[("shop.yaml", APPLICATION)]);
    site.apply_wait().ends(0);
    let agent = &site.get(&["daemonset", "agent"]);
    assert_eq!(agent["status"]["numberReady"], agent["status"]["desiredNumberScheduled"]);
    assert_ne!(agent["status"]["numberReady"], 0);
    assert_eq!(site.get(&["job", "migrate"])["status"]["succeeded"], 2);
    assert_eq!(site.get(&["cronjob", "nightly"])["spec"]["schedule"], "0 3 * * *");
    let target = &site.get(&["horizontalpodautoscaler", "web"])["spec"]["scaleTargetRef"];
    assert_eq!((&target["kind"], &target["name"]), (&"Deployment".into(), &"web".into()));
    assert_eq!(site.get(&["configmap", "plain"])["data"]["a"], "yes");
    // What the server fills in is no difference.
    site.run(&["plan", "--detailed-exitcode"]).ends(0);

    let text = APPLICATION.replace("agent:1", "agent:2").replace("0 3 * * *", "0 4 * * *");
    site.commit(&[("shop.yaml", &text)]);
    site.apply_wait().ends(0);
    let agent = &site.get(&["daemonset", "agent"]);
    assert_eq!(agent["status"]["updatedNumberScheduled"], agent["status"]["numberReady"]);
    assert_eq!(agent["spec"]["template"]["spec"]["containers"][0]["image"], "agent:2");
    assert_eq!(site.get(&["cronjob", "nightly"])["spec"]["schedule"], "0 4 * * *");
}

#[test]
fn another_program_of_a_task_is_refused_by_name_and_another_name_runs_it() {
    let site = Site::new("task");
    let plan = |name: &str, image: &str| {
        format!(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: once}}\nspec:\n  \
             components:\n    - {{name: {name}, type: task, properties: {{image: \"{image}\"}}}}\n"
        )
    };
    site.commit(&[("once.yaml", &plan("migrate-1", "migrate:1"))]);
    site.apply_wait().ends(0);
    site.commit(&[("once.yaml", &plan("migrate-1", "migrate:2"))]);
    let told = site.apply_wait();
    assert_ne!(told.code, 0, "{told}");
    told.says("migrate-1: cannot be changed once it is there: .spec.template");
    let job = site.get(&["job", "migrate-1"]);
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["image"], "migrate:1");
    site.commit(&[("once.yaml", &plan("migrate-2", "migrate:2"))]);
    site.run(&["apply", "--wait", "2m", "--allow-prune"]).ends(0);
    assert_eq!(site.get(&["job", "migrate-2"])["status"]["succeeded"], 1);
}

const SCALED: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: web}
spec:
  components:
    - name: web
      type: KIND
      properties: {image: \"web:1\"}
      traits:
        - {type: hpa, properties: {max: 4}}
---
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v1
  rolloutPlan:
    targetSize: 2
    rolloutBatches: [{replicas: 1}, {replicas: 1}]
";

#[test]
fn a_rollout_that_sets_the_size_does_not_begin_under_an_autoscaler() {
    let site = Site::new("autoscaled");
    let cases = [
        ("webservice", "deployment", "Deployment web, but a rollout has one Deployment for each"),
        ("statefulset", "statefulset", "StatefulSet web, but the rollout sets its size"),
    ];
    for (kind, objects, why) in cases {
        let text = SCALED.replace("KIND", kind);
        site.commit(&[("web.yaml", &text)]);
        let next = "take the autoscaler out of the plan and say the size with the trait `scaler`";
        site.run(&["plan"]).ends(65).says(why).says(next);
        site.apply_wait().ends(65).says(why);
        for object in [objects, "horizontalpodautoscaler"] {
            let found = site.get(&[object]);
            assert!(found["items"].as_array().unwrap().is_empty(), "{found}");
        }
    }
    let text = SCALED
        .replace("KIND", "webservice")
        .replace("{type: hpa, properties: {max: 4}}", "{type: scaler, properties: {replicas: 2}}")
        .replace("web-v1", "web-v3");
    site.commit(&[("web.yaml", &text)]);
    site.apply_wait().ends(0);
    assert_eq!(site.get(&["deployment", "web-v3"])["status"]["readyReplicas"], 2);
}
