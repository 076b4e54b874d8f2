//! Who may not write: with the rights that docs/review.md has in YAML, `plan`
//! shows everything in every form, and the API server's audit log shows no
//! write.

mod plan;
mod scene;

use plan::Plan;
use scene::{Role, Scene};
use std::time::Duration;
use tranche_lab::Request;

/// Everything that differs in the scene, and nothing else: what is only spelled
/// in another way than the server keeps it does not.
const CHANGES: [&str; 16] = [
    "update ConfigMap/edited",
    "create ConfigMap/removed",
    "update ConfigMap/settings",
    "create ConfigMap/added",
    "update ConfigMap/settings",
    "update CronJob/nightly",
    "update Deployment/mail",
    "update Deployment/ordered",
    "delete Deployment/web-v1",
    "update Deployment/web-v2",
    "update Deployment/api",
    "create NetworkPolicy/added",
    "update PodDisruptionBudget/mail",
    "update Secret/db",
    "update Service/mail",
    "create StatefulSet/added",
];

/// What only the server adds: its defaults.
const DEFAULTED: [&str; 3] = ["NetworkPolicy/added", "Service/mail", "StatefulSet/added"];

/// None of these is a write.
#[track_caller]
fn harmless(asked: &[Request]) {
    assert!(!asked.is_empty());
    for request in asked {
        let reads = ["get", "list"].contains(&request.verb.as_str());
        let reviews = request.verb == "create" && request.resource == "selfsubjectaccessreviews";
        let dry_run = request.verb == "patch" && request.uri.contains("dryRun=All");
        assert!(reads || reviews || dry_run, "{request:#?}");
    }
}

/// The two show the same, as far as it can be told without the server.
#[track_caller]
fn alike(read: &Plan, tried: &Plan) {
    assert_eq!(read.steps, tried.steps);
    assert_eq!(read.changes(), tried.changes());
    for ((object, merged), stored) in read.objects.iter().zip(tried.objects.values()) {
        assert_eq!(merged.not_verified, merged.change != "delete", "{object}");
        assert!(!stored.not_verified, "{object}");
        assert_eq!(merged.notes, stored.notes, "{object}");
        let (kind, name) = (object.split('/').next().unwrap(), object.rsplit('/').next().unwrap());
        let defaulted = DEFAULTED.contains(&format!("{kind}/{name}").as_str());
        assert_eq!(merged.diff != stored.diff, defaulted, "{object}: {merged:#?} {stored:#?}");
    }
}

#[test]
fn who_may_not_write_sees_the_whole_plan_and_writes_nothing() {
    let scene = Scene::new();
    let reader = scene.planner(Role::Read);
    let read = scene.plan(&reader, 0);
    assert_eq!(read.changes(), CHANGES);
    let asked = scene.asked(&reader);
    harmless(&asked);
    let refused: Vec<_> = asked.iter().filter(|r| r.code == 403).collect();
    assert!(!refused.is_empty() && refused.iter().all(|r| r.is_dry_run()), "{refused:#?}");

    let planner = scene.planner(Role::DryRun);
    let tried = scene.plan(&planner, 0);
    alike(&read, &tried);
    let asked = scene.asked(&planner);
    harmless(&asked);
    assert!(asked.iter().any(|r| r.is_dry_run() && r.succeeded()), "{asked:#?}");
    assert!(asked.iter().all(|r| r.code != 403), "the role has every right: {asked:#?}");

    // Where others own a field, both are told that an apply would be refused.
    scene.contest();
    let (read, tried) = (scene.plan(&reader, 77), scene.plan(&planner, 77));
    alike(&read, &tried);
    harmless(&scene.asked(&reader));
    harmless(&scene.asked(&planner));
}

#[test]
fn the_documented_policy_lets_a_plan_dry_run_and_nobody_write() {
    let scene = Scene::new();
    let planner = scene.planner(Role::DryRun);
    let free = scene.plan(&planner, 0);
    assert_eq!(free.changes(), CHANGES);
    assert!(scene.write(&planner, 0).status.success(), "the role alone is a right to write");

    scene.guard(&planner);
    // The server takes a moment to know of a policy.
    let refused = (1..300).find_map(|value| {
        std::thread::sleep(Duration::from_millis(100));
        let output = scene.write(&planner, value);
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    });
    let refused = refused.expect("the policy refuses a write");
    assert!(refused.contains("this identity may only dry-run"), "{refused}");
    let before = scene.asked(&planner).len();
    assert_eq!(scene.plan(&planner, 0), free);
    let asked = scene.asked(&planner);
    harmless(&asked[before..]);
    assert!(asked[before..].iter().all(|r| r.code != 403), "{asked:#?}");
}
