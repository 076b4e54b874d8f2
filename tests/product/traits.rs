//! An application with the traits `gateway`, `env` and `storage`, applied
//! directly: what stands on the cluster is what they say, and nothing is done
//! twice.

use crate::stage::Stage;
use crate::world::pods;
use serde_json::{Value, json};

const PLAN: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop}
spec:
  components:
    - name: web
      type: webservice
      properties:
        image: stefanprodan/podinfo:6.7.0
        ports: [{port: 9898}]
        env: [{name: MODE, value: slow}]
      traits:
        - type: scaler
          properties: {replicas: 2}
        - type: gateway
          properties:
            domain: shop.example
            http: {/: 9898}
        - type: env
          properties:
            env: {MODE: fast, COLOUR: blue}
        - type: storage
          properties:
            configMap:
              - {name: settings, mountPath: /settings, data: {colour: blue}}
            secret:
              - name: keys
                stringData: {main: hunter2}
                mountToEnv: {envName: MAIN, secretKey: main}
            emptyDir:
              - {name: scratch, mountPath: /scratch}
";

/// The container of the component.
fn container(stage: &Stage) -> Value {
    let world = stage.world();
    let workload = world.get("Deployment", "web").unwrap();
    workload["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn what_the_traits_make_stands_and_stays() {
    let stage = Stage::with(&[("shop.yaml", PLAN)]);
    let ran = stage.apply_wait().ends(0);
    assert!(!ran.to_string().contains("hunter2"), "{ran}");
    let world = stage.world();
    assert_eq!(world.ready_pods(), pods(&[("6.7.0", 2)]));
    let route = &world.get("Ingress", "web").unwrap()["spec"]["rules"][0];
    assert_eq!(route["host"], "shop.example");
    let backend = json!({"service": {"name": "web", "port": {"number": 9898}}});
    assert_eq!(route["http"]["paths"][0]["backend"], backend);
    let service = world.get("Service", "web").unwrap();
    assert_eq!(service["spec"]["selector"], json!({"app.oam.dev/component": "web"}));
    assert_eq!(world.get("ConfigMap", "settings").unwrap()["data"], json!({"colour": "blue"}));
    assert_eq!(world.get("Secret", "keys").unwrap()["data"], json!({"main": "aHVudGVyMg=="}));
    let container = container(&stage);
    let env: Vec<&str> =
        container["env"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(env, ["MODE", "COLOUR", "MAIN"]);
    assert_eq!(container["env"][0]["value"], "fast");
    assert_eq!(container["volumeMounts"].as_array().unwrap().len(), 2);

    let (tip, journal) = (stage.tip(), std::fs::read(stage.journal()).unwrap());
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "nothing is left to do");
    assert_eq!(std::fs::read(stage.journal()).unwrap(), journal);
    stage.record_is_whole();
}

#[test]
fn what_is_taken_out_of_a_trait_goes() {
    let stage = Stage::with(&[("shop.yaml", PLAN)]);
    stage.apply_wait().ends(0);
    let less = PLAN.replace("COLOUR: blue}", "}").replace(
        "            configMap:\n              - {name: settings, mountPath: /settings, data: {colour: blue}}\n",
        "",
    );
    stage.commit(&[("shop.yaml", &less)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().get("ConfigMap", "settings"), None);
    let container = container(&stage);
    let named = |list: &str| -> Vec<Value> {
        container[list].as_array().unwrap().iter().map(|one| one["name"].clone()).collect()
    };
    assert_eq!(named("env"), ["MODE", "MAIN"]);
    assert_eq!(named("volumeMounts"), ["emptydir-scratch"]);
}
