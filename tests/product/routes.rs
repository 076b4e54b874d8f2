//! Canaries by a kind that nothing in the program knows: a template of the plan
//! says what a share of traffic is in it.

use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::{Value, json};

const TEMPLATE: &str = "templates/routes/traefik.yaml";
const ROUTES: &str = "route.yaml";
const LIVE: &str = "/apis/traefik.io/v1alpha1/namespaces/default/traefikservices/web";

const TRAEFIK: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: RouteType
metadata: {name: traefik}
spec:
  description: Weighted round robin of Traefik.
  appliesTo: [TraefikService.traefik.io]
  parameters:
    type: object
    properties:
      note: {type: string}
  patch: |
    {% if traffic.matches %}
    {{ 'takes no requests by what is in them' | fail }}
    {% endif %}
    {% if parameter.note is not none %}
    metadata:
      annotations: {note: {{ parameter.note | cat(' ', traffic.canary.weight) | to_json }}}
    {% endif %}
    spec:
      weighted:
        services:
    {% for one in context.output.spec.weighted.services %}
    {% if one.name == traffic.service %}
          - {name: {{ traffic.stable.service | to_json }}, port: {{ one.port }}, weight: {{ traffic.stable.weight }}}
          - {name: {{ traffic.canary.service | to_json }}, port: {{ one.port }}, weight: {{ traffic.canary.weight }}}
    {% else %}
          - {{ one | to_json }}
    {% endif %}
    {% endfor %}
";

const ROUTE: &str = "\
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: web}
spec:
  weighted:
    sticky: {cookie: {name: lvl}}
    services:
      - {name: web, port: 9898, weight: 100}
      - {name: old, port: 80, weight: 5}
";

const NAMED: &str = "custom: [{apiVersion: traefik.io/v1alpha1, kind: TraefikService, name: web, \
    properties: {note: canary of}}]";
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

fn plan(template: &str, traffic: &str, steps: &str) -> Stage {
    Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &canary("web-v1", traffic, steps, "")),
        (ROUTES, ROUTE),
        (TEMPLATE, template),
    ])
}

fn serving() -> Stage {
    let stage = plan(TRAEFIK, NAMED, STEPS);
    stage.apply_wait().ends(0);
    stage
}

fn upgrade(stage: &Stage, partition: &str) {
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &canary("web-v2", NAMED, STEPS, partition)),
    ]);
}

fn live(world: &World) -> Option<&Value> {
    world.get("TraefikService", "web")
}

fn told(world: &World) -> Option<String> {
    let route = live(world)?;
    let one = |one: &Value| {
        format!("{} {}", one["name"].as_str().unwrap(), one["weight"].as_u64().unwrap())
    };
    let services = route["spec"]["weighted"]["services"].as_array()?.iter().map(one);
    let note = route["metadata"]["annotations"]["note"].as_str().unwrap_or("no note");
    Some(format!("{}; {note}", services.collect::<Vec<_>>().join(", ")))
}

fn way(stage: &Stage) -> Vec<String> {
    let mut seen: Vec<String> = stage.history().iter().filter_map(told).collect();
    seen.dedup();
    seen
}

#[track_caller]
fn at_rest(stage: &Stage, before: &World, tag: &str) {
    let world = stage.world();
    let route = live(&world).unwrap();
    assert_eq!(route["spec"], live(before).unwrap()["spec"]);
    assert_eq!(route["metadata"]["annotations"]["note"], Value::Null);
    let services: Vec<&str> = world.of_kind("Service").map(|(name, _)| name).collect();
    assert_eq!(services, ["web"]);
    assert_eq!(world.all_pods(), pods(&[(tag, 4)]));
    stage.record_is_whole();
}

#[test]
fn a_template_says_what_a_share_is_and_all_is_restored() {
    let stage = serving();
    let before = stage.world();
    upgrade(&stage, "");
    stage.run(&["plan"]).ends(0).says("route TraefikService/default/web to web-v1-traffic 75");
    stage.apply_wait().ends(0);
    let rest = "web 100, old 5; no note";
    assert_eq!(
        way(&stage),
        [
            rest,
            "web-v1-traffic 100, web-v2-traffic 0, old 5; canary of 0",
            "web-v1-traffic 75, web-v2-traffic 25, old 5; canary of 25",
            "web-v1-traffic 25, web-v2-traffic 75, old 5; canary of 75",
            "web-v1-traffic 0, web-v2-traffic 100, old 5; canary of 100",
            rest,
        ]
    );
    at_rest(&stage, &before, "6.7.1");
    let tip = stage.tip();
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip, "an idle run commits nothing");
}

#[test]
fn an_abort_brings_it_back_field_by_field() {
    let stage = serving();
    let before = stage.world();
    upgrade(&stage, "batchPartition: 1");
    stage.apply_wait().ends(3);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(way(&stage).len(), 6);
    at_rest(&stage, &before, "6.7.0");
}

#[test]
fn an_edit_by_hand_is_found() {
    let stage = serving();
    upgrade(&stage, "batchPartition: 0");
    stage.apply_wait().ends(3);
    stage.meddle(
        LIVE,
        &json!({
            "apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService",
            "metadata": {"name": "web"},
            "spec": {"weighted": {"services": [{"name": "web", "port": 1, "weight": 1}]}},
        }),
    );
    upgrade(&stage, "");
    stage.apply_wait().ends(77).says("kubectl").says("spec.weighted.services");
    assert_eq!(stage.world().sizes("Deployment")["web-v1"], 3);
}

/// Ids and effects of every step in a report.
fn collect(report: &Value, steps: &mut Vec<(Value, Value)>) {
    match report {
        Value::Object(step) if step.contains_key("effects") => {
            steps.push((step["id"].clone(), step["effects"].clone()));
        }
        Value::Object(map) => map.values().for_each(|inner| collect(inner, steps)),
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, steps)),
        _ => {}
    }
}

/// Another template is another step, though the share is the same: what it says
/// is a part of the step, and was reviewed with it.
#[test]
fn what_a_template_says_is_in_the_steps() {
    let stage = serving();
    upgrade(&stage, "batchPartition: 0");
    let steps = |stage: &Stage| -> Vec<(Value, Value)> {
        let said = stage.run(&["plan", "-o", "json"]).ends(0).out;
        let mut steps = Vec::new();
        collect(&serde_json::from_str(&said).unwrap(), &mut steps);
        steps
    };
    let before = steps(&stage);
    stage.commit(&[(TEMPLATE, &TRAEFIK.replace("cat(' ',", "cat(': ',"))]);
    let after = steps(&stage);
    assert_eq!(before.len(), 3, "{before:?}");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.1, after.1);
        assert_ne!(before.0, after.0);
    }
}

/// A rule of the plan about the kind says when it is taken over; without one it
/// is read back.
#[test]
fn a_rule_of_the_plan_says_when_it_is_accepted() {
    let stage = serving();
    let before = stage.world();
    let rule = "\
apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  health:
    - {apiVersion: traefik.io/v1alpha1, kind: TraefikService, current: status.seen == true}
";
    let say = |seen: bool| {
        stage.meddle(
            LIVE,
            &json!({
                "apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService",
                "metadata": {"name": "web"}, "status": {"seen": seen},
            }),
        );
    };
    say(false);
    upgrade(&stage, "");
    stage.commit(&[("tranche.yaml", rule)]);
    stage.apply().ends(3).says("TraefikService/default/web is not accepted");
    assert_eq!(stage.world().sizes("Deployment")["web-v2"], 0);
    say(true);
    stage.apply_wait().ends(0);
    at_rest(&stage, &before, "6.7.1");
}

#[test]
fn what_a_template_has_no_words_for_is_refused_by_lint() {
    let refused = |template: &str, traffic: &str, steps: &str, why: &str| {
        let stage = plan(template, traffic, steps);
        stage.run(&["lint"]).ends(65).says(why);
    };
    let by_header = "[{matches: [{headers: [{name: a, value: b}]}]}]";
    refused(TRAEFIK, NAMED, by_header, "traefik.yaml:13: takes no requests by what is in them");
    refused(TRAEFIK, &NAMED.replace("note:", "nota:"), STEPS, "did you mean `note`?");
    let other = TRAEFIK.replace("TraefikService.traefik.io", "Other.traefik.io");
    refused(&other, NAMED, STEPS, "appliesTo: [TraefikService.traefik.io]");
    let unknown = TRAEFIK.replace("traffic.stable.weight", "traffic.stable.wait");
    refused(&unknown, NAMED, STEPS, "undefined");
    let labels = TRAEFIK.replace("annotations: {note", "labels: {note");
    refused(&labels, NAMED, STEPS, "of `metadata` it may write `annotations`");
    let twice = format!("{TRAEFIK}---\n{}", TRAEFIK.replace("name: traefik}", "name: again}"));
    refused(&twice, NAMED, STEPS, "applies to TraefikService.traefik.io, as");
    let endless = TRAEFIK.replace(
        "    spec:\n",
        "    {% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}\n    spec:\n",
    );
    refused(&endless, NAMED, STEPS, "fuel");
}
