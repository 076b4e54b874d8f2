//! Canaries by Istio's objects: a VirtualService alone, with the subsets of a
//! DestinationRule, and beside an Ingress.

use crate::dice::{Dice, seeded};
use crate::plans::{APPLICATION, ROLLOUT, broken_web, web};
use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::{Value, json};
use std::time::Duration;

const ROUTES: &str = "routes.yaml";
const RULES: &str = "/apis/networking.istio.io/v1/namespaces/default/virtualservices/web";
const SUBSETS: &str = "/apis/networking.istio.io/v1/namespaces/default/destinationrules/web";

/// Rules that send to the Service, one of them by subsets, and one elsewhere.
const ALONE: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.shop.example]
  gateways: [edge]
  http:
    - name: api
      match: [{uri: {prefix: /api}}]
      route: [{destination: {host: api}}]
    - name: primary
      timeout: 5s
      retries: {attempts: 3}
      route: [{destination: {host: web.default.svc.cluster.local, port: {number: 9898}}}]
";

const PAIR: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
    - name: primary
      route:
        - {destination: {host: web, subset: stable}, weight: 100}
        - {destination: {host: web, subset: canary}, weight: 0}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 100}}}
  subsets:
    - {name: stable, labels: {app.oam.dev/component: web}}
    - {name: canary, labels: {app.oam.dev/component: web}}
";

const SERVICE: &str = "istio: {virtualService: {name: web}}";
const BOTH: &str = "istio: {virtualService: {name: web, routes: [primary]}, \
    destinationRule: {name: web, stableSubsetName: stable, canarySubsetName: canary}}";
const STEPS: &str = "[{weight: 25}, {weight: 75}]";

fn canary(revision: &str, traffic: &str, steps: &str, partition: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata:
  name: web
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  targetAppRevisionName: {revision}
  rolloutPlan: {{{partition}}}
  strategy:
    canary:
      traffic: {{{traffic}}}
      steps: {steps}
"
    )
}

/// `web-v1` serves behind the routes.
fn serving(routes: &str, traffic: &str, steps: &str) -> Stage {
    let first = canary("web-v1", traffic, steps, "");
    let stage =
        Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &first), (ROUTES, routes)]);
    stage.apply_wait().ends(0);
    stage
}

fn upgrade(stage: &Stage, traffic: &str, steps: &str, partition: &str) {
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &canary("web-v2", traffic, steps, partition)),
    ]);
}

fn get(world: &World, kind: &str) -> Option<Value> {
    world.get(kind, "web").cloned()
}

/// The destinations of the rule `primary` with their weights.
fn told(world: &World) -> Option<String> {
    let rules = get(world, "VirtualService")?["spec"]["http"].clone();
    let rule = rules.as_array()?.iter().find(|rule| rule["name"] == "primary")?.clone();
    let one = |one: &Value| {
        let to = &one["destination"];
        let host = to["host"].as_str().unwrap().split('.').next().unwrap().to_owned();
        let weight = one["weight"].as_u64().map_or(String::new(), |weight| format!(" {weight}"));
        format!("{}{weight}", to["subset"].as_str().unwrap_or(&host))
    };
    let all: Vec<String> = rule["route"].as_array()?.iter().map(one).collect();
    Some(all.join(", "))
}

/// The revisions that the subsets are narrowed to.
fn narrowed(world: &World) -> Option<String> {
    let subsets = get(world, "DestinationRule")?["spec"]["subsets"].clone();
    let one = |one: &Value| {
        let revision = one["labels"]["app.oam.dev/revision"].as_str().unwrap_or("all").to_owned();
        format!("{} {revision}", one["name"].as_str().unwrap())
    };
    Some(subsets.as_array()?.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// What was said, one after another.
fn way(stage: &Stage, of: impl Fn(&World) -> Option<String>) -> Vec<String> {
    let mut seen: Vec<String> = stage.history().iter().filter_map(of).collect();
    seen.dedup();
    seen
}

/// Ready pods of revisions that a destination reaches.
fn ready(world: &World, revisions: &[&str]) -> u64 {
    let of = |name: &&str| {
        let deployment = world.get("Deployment", name);
        deployment.and_then(|d| d["status"]["readyReplicas"].as_u64()).unwrap_or(0)
    };
    revisions.iter().map(of).sum()
}

/// At every instant each share has the pods that it needs, by what both
/// objects say then.
#[track_caller]
fn every_share_is_served(stage: &Stage, from: usize) {
    let mut looked = 0;
    for (i, world) in stage.history().iter().enumerate().skip(from) {
        let Some(rules) = get(world, "VirtualService") else { continue };
        let subsets = get(world, "DestinationRule");
        let rules = rules["spec"]["http"].as_array().unwrap();
        let last = rules.last().unwrap();
        let route = last["route"].as_array().unwrap();
        let weight = |one: &Value| one["weight"].as_u64().unwrap_or(0);
        let sum: u64 = route.iter().map(weight).sum();
        for one in route {
            let (mine, all) = if route.len() == 1 { (1, 1) } else { (weight(one), sum) };
            let host = one["destination"]["host"].as_str().unwrap();
            let named = &one["destination"]["subset"];
            let list = subsets.as_ref().and_then(|rule| rule["spec"]["subsets"].as_array());
            let subset = list.and_then(|all| all.iter().find(|subset| subset["name"] == *named));
            let label = subset.and_then(|s| s["labels"]["app.oam.dev/revision"].as_str());
            let twin = host.split('.').next().unwrap().strip_suffix("-traffic");
            let both = ["web-v1", "web-v2"];
            let there = match label.or(twin) {
                Some(revision) => ready(world, &[revision]),
                None => ready(world, &both),
            };
            let needed = (4 * mine).div_ceil(all);
            assert!(there >= needed, "instant {i}: {one} has {there} pods, {needed} are needed");
            looked += 1;
        }
    }
    assert!(looked > 20, "{looked}");
}

#[track_caller]
fn at_rest(stage: &Stage, before: &World, tag: &str) {
    let world = stage.world();
    for kind in ["VirtualService", "DestinationRule"] {
        let spec = |world: &World| get(world, kind).map(|body| body["spec"].clone());
        assert_eq!(spec(&world), spec(before), "{kind}");
    }
    let services: Vec<&str> = world.of_kind("Service").map(|(name, _)| name).collect();
    assert_eq!(services, ["web"]);
    assert_eq!(world.all_pods(), pods(&[(tag, 4)]));
    stage.record_is_whole();
    let tip = stage.tip();
    stage.apply().ends(if tag == "6.7.1" { 0 } else { 4 });
    assert_eq!(stage.tip(), tip, "an idle run commits nothing");
}

#[test]
fn weight_moves_between_services_of_single_revisions() {
    let stage = serving(ALONE, SERVICE, STEPS);
    let (before, from) = (stage.world(), stage.history().len() - 1);
    upgrade(&stage, SERVICE, STEPS, "");
    stage.run(&["plan"]).ends(0).says("route VirtualService/default/web to web-v1-traffic 75");
    stage.apply_wait().ends(0);
    assert_eq!(
        way(&stage, told),
        [
            "web",
            "web-v1-traffic 100, web-v2-traffic 0",
            "web-v1-traffic 75, web-v2-traffic 25",
            "web-v1-traffic 25, web-v2-traffic 75",
            "web-v1-traffic 0, web-v2-traffic 100",
            "web",
        ]
    );
    let host = |world: &World| {
        let rules = get(world, "VirtualService")?["spec"]["http"].clone();
        Some(rules[1]["route"][1]["destination"]["host"].as_str()?.to_owned())
    };
    assert_eq!(way(&stage, host), ["web-v2-traffic.default.svc.cluster.local"]);
    every_share_is_served(&stage, from);
    at_rest(&stage, &before, "6.7.1");
}

#[test]
fn weight_moves_between_subsets_that_are_narrowed_first_and_widened_first() {
    let stage = serving(PAIR, BOTH, STEPS);
    let (before, from) = (stage.world(), stage.history().len() - 1);
    upgrade(&stage, BOTH, STEPS, "");
    stage.run(&["plan"]).ends(0).says("route DestinationRule/default/web to revisions 1 and 2 of");
    stage.apply_wait().ends(0);
    let both = |world: &World| Some(format!("{}; {}", narrowed(world)?, told(world)?));
    let apart = "stable web-v1, canary web-v2";
    assert_eq!(
        way(&stage, both),
        [
            "stable all, canary all; stable 100, canary 0".to_owned(),
            format!("{apart}; stable 100, canary 0"),
            format!("{apart}; stable 75, canary 25"),
            format!("{apart}; stable 25, canary 75"),
            format!("{apart}; stable 0, canary 100"),
            "stable all, canary all; stable 0, canary 100".to_owned(),
            "stable all, canary all; stable 100, canary 0".to_owned(),
        ]
    );
    every_share_is_served(&stage, from);
    at_rest(&stage, &before, "6.7.1");
}

#[test]
fn an_abort_after_each_step_goes_back_as_carefully() {
    for (routes, traffic) in [(ALONE, SERVICE), (PAIR, BOTH)] {
        for partition in ["0", "1"] {
            let stage = serving(routes, traffic, STEPS);
            let (before, from) = (stage.world(), stage.history().len() - 1);
            upgrade(&stage, traffic, STEPS, &format!("batchPartition: {partition}"));
            stage.apply_wait().ends(3);
            stage.run(&["abort", "web"]).ends(0);
            stage.apply_wait().ends(4);
            every_share_is_served(&stage, from);
            at_rest(&stage, &before, "6.7.0");
        }
    }
}

/// Runs that are killed at any moment, one after the other.
fn killed(stage: &Stage, dice: &mut Dice, rounds: usize) {
    for _ in 0..rounds {
        let mut run = stage.start(&["apply", "--wait", "10m"]);
        std::thread::sleep(Duration::from_millis(dice.roll(500)));
        if run.try_wait().unwrap().is_none() {
            run.kill().unwrap();
        }
        run.wait().unwrap();
    }
    // The next one is no loser to a push that outlives its run.
    stage.rests();
}

#[test]
fn whoever_is_killed_between_the_two_objects_loses_no_request() {
    let mut dice = seeded();
    let traffic = format!("{BOTH}, drainSeconds: 0");
    for goes_back in [false, true] {
        let stage = serving(PAIR, &traffic, STEPS);
        let (before, from) = (stage.world(), stage.history().len() - 1);
        upgrade(&stage, &traffic, STEPS, if goes_back { "batchPartition: 1" } else { "" });
        killed(&stage, &mut dice, 8);
        if goes_back {
            stage.apply_wait().ends(3);
            stage.run(&["abort", "web"]).ends(0);
            killed(&stage, &mut dice, 8);
        }
        stage.apply_wait().ends(if goes_back { 4 } else { 0 });
        every_share_is_served(&stage, from);
        at_rest(&stage, &before, if goes_back { "6.7.0" } else { "6.7.1" });
    }
}

#[test]
fn pods_that_never_get_ready_get_no_traffic() {
    let stage = serving(PAIR, BOTH, STEPS);
    let (before, from) = (stage.world(), stage.history().len() - 1);
    stage.commit(&[
        (APPLICATION, &broken_web("6.7.1")),
        (ROLLOUT, &canary("web-v2", BOTH, STEPS, "")),
    ]);
    stage.apply_wait().ends(4).says("web-v2");
    every_share_is_served(&stage, from);
    at_rest(&stage, &before, "6.7.0");
}

const BY_HEADER: &str = "\
[{matches: [{headers: [{name: User-Agent, value: foo}]}, {path: {value: /beta}}], \
requestHeaderModifier: {set: [{name: x-tag, value: gray}]}}, {weight: 50}]";

#[test]
fn requests_that_match_have_a_rule_that_keeps_what_its_rule_does() {
    let stage = serving(ALONE, SERVICE, BY_HEADER);
    let before = stage.world();
    upgrade(&stage, SERVICE, BY_HEADER, "batchPartition: 0");
    stage.apply_wait().ends(3);
    let rules = get(&stage.world(), "VirtualService").unwrap()["spec"]["http"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 3, "{rules:#}");
    assert_eq!(rules[0], get(&before, "VirtualService").unwrap()["spec"]["http"][0]);
    assert_eq!(
        rules[1],
        json!({
            "match": [
                {"headers": {"user-agent": {"exact": "foo"}}},
                {"uri": {"exact": "/beta"}},
                {"uri": {"prefix": "/beta/"}},
            ],
            "timeout": "5s",
            "retries": {"attempts": 3},
            "route": [{
                "destination": {
                    "host": "web-v2-traffic.default.svc.cluster.local",
                    "port": {"number": 9898},
                },
                "headers": {"request": {"set": {"x-tag": "gray"}}},
            }],
        })
    );
    upgrade(&stage, SERVICE, BY_HEADER, "");
    stage.apply_wait().ends(0);
    at_rest(&stage, &before, "6.7.1");
}

#[test]
fn an_edit_by_hand_is_a_conflict_and_takes_no_pods_away() {
    let edits: [(&str, &str, &str, Value); 2] = [
        ("VirtualService", RULES, "spec.http", json!({"http": []})),
        ("DestinationRule", SUBSETS, "spec.subsets", json!({"subsets": []})),
    ];
    for (kind, path, field, spec) in edits {
        let stage = serving(PAIR, BOTH, STEPS);
        upgrade(&stage, BOTH, STEPS, "batchPartition: 0");
        stage.apply_wait().ends(3);
        let sizes = stage.world().sizes("Deployment");
        let edited = json!({
            "apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "web"},
            "spec": spec,
        });
        stage.meddle(path, &edited);
        upgrade(&stage, BOTH, STEPS, "");
        stage.apply_wait().ends(77).says("kubectl").says(field);
        assert_eq!(stage.world().sizes("Deployment"), sizes);
    }
}

const INGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules:
    - host: web.shop.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 9898}}}}
";

#[test]
fn istio_and_an_ingress_move_together() {
    let traffic = format!("{BOTH}, ingress: {{name: web}}");
    let stage = serving(&format!("{PAIR}---\n{INGRESS}"), &traffic, "[{weight: 50}]");
    let (before, from) = (stage.world(), stage.history().len() - 1);
    upgrade(&stage, &traffic, "[{weight: 50}]", "batchPartition: 0");
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!(told(&world).unwrap(), "stable 50, canary 50");
    let second = world.get("Ingress", "web-canary").unwrap();
    let weight = &second["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
    assert_eq!(weight, "50");
    upgrade(&stage, &traffic, "[{weight: 50}]", "");
    stage.apply_wait().ends(0);
    every_share_is_served(&stage, from);
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    at_rest(&stage, &before, "6.7.1");
}

/// What cannot be driven is told before anything is published.
#[test]
fn what_cannot_be_driven_is_refused_by_lint() {
    let third = PAIR.replace("subset: stable", "subset: third");
    let beside = PAIR.replace("  http:\n", "  http:\n    - {name: b, match: [{uri: {prefix: /b}}], route: [{destination: {host: web, subset: stable}}]}\n");
    let labelled = PAIR.replace("canary, labels: {", "canary, labels: {version: canary, ");
    let by_header = "[{matches: [{headers: [{name: a, value: b}]}]}]";
    let tcp =
        ALONE.replace("  http:\n", "  tcp: [{route: [{destination: {host: web}}]}]\n  http:\n");
    let alone = "istio: {virtualService: {name: web, routes: [other]}}";
    let cases = [
        (ALONE, alone, STEPS, "has no http rule named other"),
        (ALONE, "istio: {virtualService: {name: other}}", STEPS, "is not in this plan"),
        (PAIR, SERVICE, STEPS, "name the DestinationRule that has it"),
        (ALONE, BOTH, STEPS, "DestinationRule/default/web is not in this plan"),
        (&third, BOTH, STEPS, "neither stable nor canary"),
        (&beside, BOTH, STEPS, "a rule b that sends to subset stable"),
        (&labelled, BOTH, STEPS, "version=canary"),
        (&tcp, SERVICE, by_header, "know nothing of requests"),
    ];
    let lint = |routes: &str, traffic: &str, steps: &str| {
        let stage = Stage::with(&[
            (APPLICATION, &web("6.7.0", 4, &[])),
            (ROLLOUT, &canary("web-v1", traffic, steps, "")),
            (ROUTES, routes),
        ]);
        stage.run(&["lint"])
    };
    // In whichever version they are.
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let of_version = |text: &str| text.replace("istio.io/v1", &format!("istio.io/{version}"));
        lint(&of_version(ALONE), SERVICE, STEPS).ends(0);
        lint(&of_version(PAIR), BOTH, STEPS).ends(0);
    }
    lint(&ALONE.replace("istio.io/v1", "istio.io/v2"), SERVICE, STEPS).ends(65);
    for (routes, traffic, steps, why) in cases {
        lint(routes, traffic, steps).ends(65).says(why).says("approllout.yaml:");
    }
}
