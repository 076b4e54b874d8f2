//! Blue-green: a Service is switched from one revision to the other at once, and
//! whoever asks it is answered by one of them.

use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::{RECORD, Stage};
use crate::world::{World, pods};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PREVIEW: &str = "preview.yaml";
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web-preview, labels: {team: shop}}
spec:
  selector: {app.oam.dev/component: web}
  ports: [{port: 9898}]
";

/// A rollout whose `blueGreen` has these lines; `more` are lines of its spec.
pub fn with_lines(revision: &str, lines: &[&str], more: &[&str]) -> String {
    let mut text = format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata:
  name: web
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  targetAppRevisionName: {revision}
  strategy:
    blueGreen:
      activeService: web
"
    );
    for line in lines {
        text.push_str(&format!("      {line}\n"));
    }
    for line in more {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

pub const LINES: [&str; 2] = ["previewService: web-preview", "autoPromotionEnabled: false"];
const SMALL: [&str; 3] = [LINES[0], LINES[1], "previewReplicaCount: 1"];

/// `web-v1` serves with four pods.
pub fn serving(lines: &[&str]) -> Stage {
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &with_lines("web-v1", lines, &[])),
        (PREVIEW, SERVICE),
    ]);
    stage.apply_wait().ends(0);
    stage
}

pub fn upgrade(stage: &Stage, lines: &[&str]) {
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &with_lines("web-v2", lines, &[])),
    ]);
}

pub fn sizes(stage: &Stage) -> Value {
    json!(stage.world().sizes("Deployment"))
}

/// The images of the ready endpoints of a Service.
pub fn reached(world: &World, service: &str) -> BTreeMap<String, usize> {
    let mut reached = BTreeMap::new();
    for (_, slice) in world.of_kind("EndpointSlice") {
        if slice["metadata"]["labels"]["kubernetes.io/service-name"] != service {
            continue;
        }
        for endpoint in slice["endpoints"].as_array().unwrap() {
            if endpoint["conditions"]["ready"] != true {
                continue;
            }
            let target = &endpoint["targetRef"];
            let pod = world.get("Pod", target["name"].as_str().unwrap()).unwrap();
            assert_eq!(target["uid"], pod["metadata"]["uid"]);
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
            let tag = image.rsplit(':').next().unwrap();
            *reached.entry(tag.to_owned()).or_default() += 1;
        }
    }
    reached
}

/// At every instant from one on, the active Service reached pods of one revision
/// alone, and four of them at least.
#[track_caller]
fn one_revision_at_a_time(stage: &Stage, from: usize) {
    for world in &stage.history()[from..] {
        let reached = reached(world, "web");
        let whole = reached.len() == 1 && reached.values().all(|ready| *ready >= 4);
        assert!(whole, "{reached:?} of {:?}", world.sizes("Deployment"));
    }
}

/// Nothing but the Services as the plan has them, and the Deployment.
#[track_caller]
fn is_at_rest(stage: &Stage, sizes_at_rest: &Value) {
    assert_eq!(sizes(stage), *sizes_at_rest);
    let world = stage.world();
    for name in ["web", "web-preview"] {
        let service = world.get("Service", name).unwrap();
        assert_eq!(service["spec"]["selector"], json!({"app.oam.dev/component": "web"}), "{name}");
        assert_eq!(service["metadata"]["labels"].get("tranche.dev/reaches"), None);
    }
    assert_eq!(world.of_kind("Service").count(), 2);
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "an idle run does nothing");
    stage.record_is_whole();
}

fn at(stage: &Stage) -> usize {
    stage.history().len() - 1
}

#[test]
fn the_first_deploy_is_plain_and_so_is_another_size() {
    let stage = serving(&LINES);
    is_at_rest(&stage, &json!({"web-v1": 4}));
    let larger = with_lines("web-v1", &LINES, &["rolloutPlan: {targetSize: 6}"]);
    stage.commit(&[(ROLLOUT, &larger)]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, &json!({"web-v1": 6}));
}

#[test]
fn all_requests_move_at_once_when_somebody_has_approved() {
    let stage = serving(&SMALL);
    let from = at(&stage);
    upgrade(&stage, &SMALL);
    let plan = stage.run(&["plan"]).ends(0).out;
    assert!(plan.contains("point Service/default/web at web-v1"), "{plan}");
    assert!(plan.contains("until it reaches 4 of web-v2 and no others"), "{plan}");
    stage.apply_wait().ends(3).says("`tranche approve web`, or `approvedFor: web-v2` in the plan");
    assert_eq!(sizes(&stage), json!({"web-v1": 4, "web-v2": 1}));
    assert_eq!(reached(&stage.world(), "web"), pods(&[("6.7.0", 4)]));
    assert_eq!(reached(&stage.world(), "web-preview"), pods(&[("6.7.1", 1)]));
    stage.run(&["approve", "web"]).ends(0);
    stage.run(&["apply", "--wait", "20s"]).ends(3).says("hold for 30s after batch 2");
    assert_eq!(sizes(&stage), json!({"web-v1": 4, "web-v2": 4}), "the old pods run on");
    assert_eq!(reached(&stage.world(), "web"), pods(&[("6.7.1", 4)]));
    stage.apply_wait().ends(0);
    one_revision_at_a_time(&stage, from);
    let done = ["1 of 4 pods on web-v2", "4 of 4 pods on web-v2", "4 of 4 pods on web-v2"];
    assert_eq!(stage.batches()[1..], done);
    is_at_rest(&stage, &json!({"web-v2": 4}));
}

#[test]
fn without_a_gate_it_goes_to_its_end_by_itself() {
    let lines = ["previewService: web-preview", "autoPromotionSeconds: 2m"];
    let stage = serving(&lines);
    let from = at(&stage);
    upgrade(&stage, &lines);
    stage.apply_wait().ends(0);
    one_revision_at_a_time(&stage, from);
    is_at_rest(&stage, &json!({"web-v2": 4}));
    let seen: Vec<_> = stage.history()[from..]
        .windows(2)
        .map(|two| [reached(&two[0], "web"), reached(&two[1], "web")])
        .filter(|[before, after]| before != after)
        .collect();
    assert_eq!(seen, [[pods(&[("6.7.0", 4)]), pods(&[("6.7.1", 4)])]], "one switch, and whole");
}

#[test]
fn an_approval_in_the_plan_is_for_one_revision() {
    let stage = serving(&LINES);
    upgrade(&stage, &[LINES[0], LINES[1], "approvedFor: web-v1"]);
    stage.apply_wait().ends(3).says("approve");
    upgrade(&stage, &[LINES[0], LINES[1], "approvedFor: web-v2"]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, &json!({"web-v2": 4}));
}

/// Held before the switch, or after it.
fn held(switched: bool) -> (Stage, usize) {
    let stage = serving(&SMALL);
    let from = at(&stage);
    upgrade(&stage, &SMALL);
    stage.apply_wait().ends(3);
    if switched {
        stage.run(&["approve", "web"]).ends(0);
        stage.run(&["apply", "--wait", "20s"]).ends(3);
        assert_eq!(reached(&stage.world(), "web"), pods(&[("6.7.1", 4)]));
    }
    (stage, from)
}

#[test]
fn an_abort_and_a_commit_of_before_go_back_by_one_switch() {
    for (switched, by_commit) in [(false, false), (false, true), (true, false), (true, true)] {
        let (stage, from) = held(switched);
        if by_commit {
            stage.commit(&[
                (APPLICATION, &web("6.7.0", 4, &[])),
                (ROLLOUT, &with_lines("web-v1", &SMALL, &[])),
            ]);
            stage.apply_wait().ends(0);
        } else {
            stage.run(&["abort", "web"]).ends(0);
            stage.apply_wait().ends(4);
        }
        one_revision_at_a_time(&stage, from);
        assert_eq!(sizes(&stage), json!({"web-v1": 4}), "{switched} {by_commit}");
        assert_eq!(reached(&stage.world(), "web"), pods(&[("6.7.0", 4)]));
        assert_eq!(stage.world().of_kind("Service").count(), 2);
        stage.record_is_whole();
    }
}

/// Its last step is done but for the word that says so: the Services are as
/// rendered, and none of the old pods are left.
#[test]
fn an_abort_at_the_very_end_keeps_old_pods_apart_as_they_come_back() {
    let stage = serving(&LINES);
    let from = at(&stage);
    upgrade(&stage, &LINES);
    stage.apply_wait().ends(3);
    stage.run(&["approve", "web"]).ends(0);
    let no_end = "while read old new ref; do git log -1 --format=%s $new | grep -q 'batch 3/3 \
                  ready' && exit 1; done; exit 0";
    stage.hook("pre-receive", no_end);
    stage.apply_wait().ends(7);
    assert_eq!(sizes(&stage), json!({"web-v2": 4}));
    let service = stage.world().get("Service", "web").unwrap().clone();
    assert_eq!(service["spec"]["selector"], json!({"app.oam.dev/component": "web"}));
    stage.hook("pre-receive", "cat > /dev/null");
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    one_revision_at_a_time(&stage, from);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(sizes(&stage), json!({"web-v1": 4}));
    let service = stage.world().get("Service", "web").unwrap().clone();
    assert_eq!(service["spec"]["selector"], json!({"app.oam.dev/component": "web"}));
}

/// Somebody has taken the old pods away while the switch was waiting for an
/// approval: to give up is no approval.
#[test]
fn an_abort_before_the_switch_never_points_at_what_nobody_approved() {
    let stage = serving(&LINES);
    upgrade(&stage, &LINES);
    stage.apply_wait().ends(3).says("approve");
    stage.autoscale("web-v1", 0);
    stage.pass(60);
    let from = at(&stage);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    for world in &stage.history()[from..] {
        assert_eq!(reached(world, "web").get("6.7.1"), None, "{:?}", reached(world, "web"));
    }
    assert_eq!(sizes(&stage), json!({"web-v1": 4}));
}

#[test]
fn a_revision_that_never_gets_ready_is_never_reached() {
    let stage = serving(&LINES);
    let from = at(&stage);
    let never = [("sandbox.tranche.dev/ready", "never")];
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &never)),
        (ROLLOUT, &with_lines("web-v2", &LINES, &[])),
    ]);
    stage.apply_wait().ends(4).says("web-v2");
    one_revision_at_a_time(&stage, from);
    assert_eq!(sizes(&stage), json!({"web-v1": 4}));
    assert_eq!(reached(&stage.world(), "web-preview"), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}

#[test]
fn after_the_switch_another_target_lets_it_finish_first() {
    let (stage, from) = held(true);
    let later = |lines: &[&str], more: &[&str]| {
        stage.commit(&[
            (APPLICATION, &web("6.7.2", 4, &[])),
            (ROLLOUT, &with_lines("web-v3", lines, more)),
        ]);
    };
    // What holds the next one back does not hold this one.
    later(&SMALL, &["rolloutPlan: {batchPartition: 0}"]);
    stage.apply_wait().ends(3).says("batchPartition");
    assert_eq!(sizes(&stage), json!({"web-v2": 4, "web-v3": 1}));
    assert_eq!(reached(&stage.world(), "web"), pods(&[("6.7.1", 4)]));
    later(&SMALL, &[]);
    stage.apply_wait().ends(3);
    stage.run(&["approve", "web"]).ends(0);
    stage.apply_wait().ends(0);
    one_revision_at_a_time(&stage, from);
    is_at_rest(&stage, &json!({"web-v3": 4}));
    let back = stage.subjects("result").iter().filter(|s| s.contains("back to")).count();
    assert_eq!(back, 0, "{:?}", stage.subjects("result"));
}

#[test]
fn before_the_switch_another_target_goes_back_first() {
    let (stage, from) = held(false);
    stage.commit(&[
        (APPLICATION, &web("6.7.2", 4, &[])),
        (ROLLOUT, &with_lines("web-v3", &SMALL, &[])),
    ]);
    stage.apply_wait().ends(3);
    assert_eq!(sizes(&stage), json!({"web-v1": 4, "web-v3": 1}));
    one_revision_at_a_time(&stage, from);
}

#[test]
fn a_rebuilt_cluster_gets_the_side_that_served_back() {
    for switched in [false, true] {
        let (stage, _) = held(switched);
        let before = (sizes(&stage), reached(&stage.world(), "web"));
        stage.wipe();
        stage.run(&["adopt", "--rebuilt"]).ends(0);
        let from = at(&stage);
        let done = if switched { "batch 2/3 done" } else { "batch 1/3 done" };
        stage.run(&["apply", "--wait", "20s"]).ends(3).says(&format!("bringing back {done}"));
        assert_eq!((sizes(&stage), reached(&stage.world(), "web")), before);
        assert_eq!(reached(&stage.world(), "web-preview").len(), 1);
        for world in &stage.history()[from..] {
            assert!(reached(world, "web").len() < 2, "{:?}", reached(world, "web"));
        }
        stage.run(&["approve", "web"]);
        stage.apply_wait().ends(0);
        is_at_rest(&stage, &json!({"web-v2": 4}));
    }
}

/// Which side serves is told by what stands, and nothing is switched to find out.
#[test]
fn a_lost_record_is_found_again_on_the_side_that_serves() {
    for (switched, lines) in [(false, &SMALL[..]), (true, &SMALL[..]), (true, &LINES[..])] {
        let stage = serving(lines);
        let from = at(&stage);
        upgrade(&stage, lines);
        stage.apply_wait().ends(3);
        if switched {
            stage.run(&["approve", "web"]).ends(0);
            stage.run(&["apply", "--wait", "20s"]).ends(3);
        }
        let serves = reached(&stage.world(), "web");
        stage.repository().find_reference(RECORD).unwrap().delete().unwrap();
        let batch = if switched { "in batch 2/3 to web-v2" } else { "in batch 1/3 to web-v2" };
        stage.run(&["record", "rebuild", "--write"]).ends(0).says(batch);
        stage.run(&["apply", "--wait", "20s"]).ends(3);
        assert_eq!(reached(&stage.world(), "web"), serves);
        stage.run(&["approve", "web"]);
        stage.apply_wait().ends(0);
        one_revision_at_a_time(&stage, from);
        let mut seen: Vec<_> =
            stage.history()[from..].iter().map(|world| reached(world, "web")).collect();
        seen.dedup();
        assert_eq!(seen.len(), 2, "one switch");
        assert_eq!(sizes(&stage), json!({"web-v2": 4}));
    }
}

#[test]
fn what_was_reviewed_is_done_up_to_the_end() {
    let stage = serving(&SMALL);
    upgrade(&stage, &SMALL);
    stage.run(&["plan", "--out", "plan.json"]).ends(0);
    let reviewed = || stage.run(&["apply", "--plan", "plan.json", "--wait", "10m"]);
    reviewed().ends(3);
    stage.run(&["approve", "web"]).ends(0);
    reviewed().ends(0);
    is_at_rest(&stage, &json!({"web-v2": 4}));
}

#[test]
fn somebody_elses_selector_stops_it_before_old_pods_go() {
    let (stage, _) = held(true);
    let body = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app.oam.dev/component": "web"}},
    });
    stage.meddle("/api/v1/namespaces/default/services/web", &body);
    stage.apply_wait().ends(77).says("selector");
    assert_eq!(sizes(&stage), json!({"web-v1": 4, "web-v2": 4}));
}

#[test]
fn what_is_switched_cannot_be_edited_on_the_way() {
    let (stage, _) = held(false);
    stage.commit(&[(ROLLOUT, &with_lines("web-v2", &SMALL[1..], &[]))]);
    stage.apply().ends(65).says("moves its traffic by something else");
    stage.commit(&[(ROLLOUT, &with_lines("web-v2", &[LINES[0], "previewReplicaCount: 2"], &[]))]);
    stage.apply().ends(65).says("has done batches up to 1");
    // What is waited for is no part of what is done.
    stage.commit(&[(ROLLOUT, &with_lines("web-v2", &[SMALL[0], SMALL[2]], &[]))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, &json!({"web-v2": 4}));
}

#[test]
fn a_preview_of_more_pods_than_there_are_means_all_of_them() {
    let lines = [LINES[0], LINES[1], "previewReplicaCount: 9"];
    let stage = serving(&lines);
    stage.run(&["lint"]).ends(0).says("previewReplicaCount is 9, but there will be 4 pods in all");
    upgrade(&stage, &lines);
    stage.apply_wait().ends(3);
    assert_eq!(sizes(&stage), json!({"web-v1": 4, "web-v2": 4}));
}

/// A second Service of the application's own.
const TRAIT: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: TraitType
metadata: {name: preview}
spec:
  description: A Service that reaches the next revision first.
  parameters: {type: object, properties: {}}
  template: |
    apiVersion: v1
    kind: Service
    metadata: {name: {{ context.name | cat(\"-preview\") | to_json }}}
    spec:
      selector: {app.oam.dev/component: {{ context.name | to_json }}}
      ports: [{port: 9898}]
";

/// Before and after, a Service of its own document belongs to nobody but the plan.
#[test]
fn a_service_changes_hands_and_is_never_deleted() {
    let plain = |revision: &str| crate::plans::rollout(revision, &[]);
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &plain("web-v1")),
        (PREVIEW, SERVICE),
    ]);
    stage.apply_wait().ends(0);
    let uid = |stage: &Stage| {
        let world = stage.world();
        let service = world.get("Service", "web-preview").unwrap();
        let entity = service["metadata"]["annotations"]["tranche.dev/entity"].as_str().unwrap();
        (service["metadata"]["uid"].clone(), entity.to_owned())
    };
    let before = uid(&stage);
    assert_eq!(before.1, "objects/default/_objects");
    upgrade(&stage, &SMALL);
    stage.apply_wait().ends(3);
    assert_eq!(uid(&stage), (before.0.clone(), "rollout/default/web".to_owned()));
    stage.run(&["approve", "web"]).ends(0);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, &json!({"web-v2": 4}));
    stage.commit(&[(APPLICATION, &web("6.7.2", 4, &[])), (ROLLOUT, &plain("web-v3"))]);
    stage.apply_wait().ends(0);
    stage.apply_wait().ends(0);
    // Whose mark it has is no difference: nothing is written for that alone.
    assert_eq!(uid(&stage).0, before.0);
    assert_eq!(sizes(&stage), json!({"web-v3": 4}));
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
}

/// Of a preview that is new with the revision nothing is left when it goes back.
#[test]
fn a_preview_that_only_the_new_revision_renders_goes_with_it() {
    let traits = "      traits:\n";
    let shown = web("6.7.1", 4, &[])
        .replace(traits, &format!("{traits}        - {{type: preview, properties: {{}}}}\n"));
    let stage = Stage::with(&[
        ("templates/preview.yaml", TRAIT),
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &with_lines("web-v1", &[], &[])),
    ]);
    stage.apply_wait().ends(0);
    let rollout = with_lines("web-v2", &LINES, &[]);
    stage.commit(&[(APPLICATION, &shown), (ROLLOUT, &rollout)]);
    stage.apply_wait().ends(3);
    assert_eq!(reached(&stage.world(), "web-preview"), pods(&[("6.7.1", 4)]));
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().of_kind("Service").count(), 1);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
}

#[track_caller]
fn refused(files: &[(&str, &str)], why: &str) {
    let stage = Stage::with(files);
    stage.run(&["lint"]).ends(65).says(why);
    stage.apply().ends(65).says(why);
}

#[test]
fn what_cannot_be_done_is_refused_by_lint() {
    let application = web("6.7.0", 4, &[]);
    let plan = |lines: &[&str], service: &str, why: &str| {
        let rollout = with_lines("web-v1", lines, &[]);
        refused(&[(APPLICATION, &application), (ROLLOUT, &rollout), (PREVIEW, service)], why);
    };
    plan(&["previewService: other"], SERVICE, "Service/default/other is not in this plan");
    plan(&["previewService: web"], SERVICE, "previewService is the active Service");
    let selecting = |selector: &str| SERVICE.replace("app.oam.dev/component: web", selector);
    let preview = LINES[0];
    plan(&[preview], &selecting("app: api"), "does not select the component's pods");
    plan(&[preview], &selecting(""), "does not select the component's pods");
    let alone = selecting("app.oam.dev/component: web, app.oam.dev/revision: web-v1");
    plan(&[preview], &alone, "selects the pods of one revision by itself");
    plan(&["scaleDownDelaySeconds: -1"], SERVICE, "scaleDownDelaySeconds is the number `-1`");
    plan(&["antiAffinity: {}"], SERVICE, "`antiAffinity`");
    let rollout = with_lines("web-v1", &[preview], &[]);
    let second = rollout.replace("  name: web\n", "  name: web-too\n");
    refused(
        &[
            (APPLICATION, &application),
            (ROLLOUT, &rollout),
            ("b.yaml", &second),
            (PREVIEW, SERVICE),
        ],
        "is driven already",
    );
    let in_place = application
        .replace("type: webservice", "type: clonesetservice")
        .replace("ports:\n          - port: 9898\n            expose: true\n", "port: 9898\n");
    let rollout = with_lines("web-v1", &[], &[]);
    let rollout = rollout.replace("activeService: web", "activeService: web-preview");
    refused(
        &[(APPLICATION, &in_place), (ROLLOUT, &rollout), (PREVIEW, SERVICE)],
        "blue-green needs a workload for each revision",
    );
}
