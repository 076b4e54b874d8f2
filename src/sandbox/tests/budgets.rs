//! Evictions within a PodDisruptionBudget, by what it says.

use super::*;

const BUDGET: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web";
const DAEMONSET: &str = "/apis/apps/v1/namespaces/default/daemonsets/web";

/// Four ready pods of a Deployment, or of the sandbox's nodes, and a budget.
fn stands(path: &str, body: &Value, spec: &Value) -> Bench {
    let bench = Bench::new();
    bench.apply(path, body);
    bench.pass(10);
    budget(&bench, spec);
    bench
}

fn four() -> Value {
    deployment(4, "web:1")
}

fn nodes() -> Value {
    let mut out = deployment(1, "web:1");
    out["kind"] = json!("DaemonSet");
    out["spec"].as_object_mut().unwrap().remove("replicas");
    out
}

fn budget(bench: &Bench, spec: &Value) {
    let mut spec = spec.clone();
    if spec.get("selector").is_none() {
        spec["selector"] = json!({"matchLabels": {"app": "web"}});
    }
    bench.apply(
        BUDGET,
        &json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"name": "web"}, "spec": spec}),
    );
}

/// Evicts running pods until one may not go: how many went, and what was said.
/// Of those that have not begun, or are going, no budget is asked.
fn evicted(bench: &Bench) -> (usize, String) {
    let mut pods = bench.items(PODS);
    pods.retain(|pod| {
        pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
    });
    for (gone, pod) in pods.iter().enumerate() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let (code, body) = bench.call(
            "POST",
            &format!("{PODS}/{name}/eviction"),
            &json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}),
        );
        if code != 201 {
            assert_eq!(code, 429, "{body}");
            assert_eq!(body["details"]["causes"][0]["reason"], "DisruptionBudget");
            return (gone, body["details"]["causes"][0]["message"].as_str().unwrap().to_owned());
        }
    }
    (pods.len(), String::new())
}

#[test]
fn numbers_and_percentages_say_how_many_may_go() {
    let needs = |needed: u32, has: u32| {
        format!("The disruption budget web needs {needed} healthy pods and has {has} currently")
    };
    for (spec, gone, needed) in [
        (json!({"minAvailable": 3}), 1, 3),
        (json!({"maxUnavailable": 1}), 1, 3),
        (json!({"maxUnavailable": 0}), 0, 4),
        // Both are rounded up: 2.04 pods have to stay, 1.04 may go.
        (json!({"minAvailable": "51%"}), 1, 3),
        (json!({"maxUnavailable": "26%"}), 2, 2),
        (json!({"minAvailable": "50%"}), 2, 2),
        (json!({"maxUnavailable": "0%"}), 0, 4),
        (json!({"minAvailable": "100%"}), 0, 4),
    ] {
        let bench = stands(DEPLOYMENT, &four(), &spec);
        let left = 4 - u32::try_from(gone).unwrap();
        assert_eq!(evicted(&bench), (gone, needs(needed, left)), "{spec}");
    }
    for spec in [json!({"minAvailable": 0}), json!({"maxUnavailable": "100%"})] {
        let bench = stands(DEPLOYMENT, &four(), &spec);
        assert_eq!(evicted(&bench), (4, String::new()), "{spec}");
    }
}

/// A percentage is of what the owner wants, not of the pods that there are.
#[test]
fn a_share_is_of_the_owners_size() {
    let bench = stands(DEPLOYMENT, &four(), &json!({"maxUnavailable": "25%"}));
    assert_eq!(evicted(&bench).0, 1);
    // While that one is replaced nobody else may go, and then the next.
    assert_eq!(evicted(&bench).0, 0);
    bench.pass(60);
    assert_eq!(evicted(&bench).0, 1);
    let set = cloneset(4, "web:1", json!({}));
    let bench = stands(CLONESET, &set, &json!({"minAvailable": "75%"}));
    assert_eq!(evicted(&bench).0, 1);
}

/// A DaemonSet has no size that could be asked for.
#[test]
fn over_a_daemonset_only_a_number_of_pods_is_counted() {
    let why = "The disruption budget web does not allow evicting pods currently because it failed \
               sync: daemonsets.apps does not implement the scale subresource";
    for spec in [
        json!({"maxUnavailable": 1}),
        json!({"maxUnavailable": "100%"}),
        json!({"minAvailable": "1%"}),
    ] {
        let bench = stands(DAEMONSET, &nodes(), &spec);
        assert_eq!(evicted(&bench), (0, why.to_owned()), "{spec}");
    }
    let bench = stands(DAEMONSET, &nodes(), &json!({"minAvailable": 3}));
    assert_eq!(evicted(&bench).0, 2);
}

#[test]
fn amounts_that_no_server_takes_are_refused() {
    let bench = Bench::new();
    for (spec, why) in [
        (json!({"minAvailable": -1}), "must be greater than or equal to 0"),
        (json!({"maxUnavailable": "half"}), "a valid percent string"),
        (json!({"maxUnavailable": "101%"}), "must not be greater than 100%"),
    ] {
        let body = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                          "metadata": {"name": "web"}, "spec": spec});
        let (code, body) = bench.call("PATCH", &format!("{BUDGET}?fieldManager=a"), &body);
        assert_eq!(code, 422, "{spec}: {body}");
        assert!(body["message"].as_str().unwrap().contains(why), "{spec}: {body}");
    }
}

#[test]
fn a_pod_that_is_not_ready_goes_where_enough_others_are() {
    let mut never = four();
    never["spec"]["template"]["metadata"]["annotations"] =
        json!({"sandbox.tranche.dev/fail-pods": "1", "sandbox.tranche.dev/ready-after": "1s"});
    let unready = |bench: &Bench| {
        let pods = bench.items(PODS);
        let ready = |pod: &&Value| {
            let all = pod["status"]["conditions"].as_array().unwrap();
            all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
        };
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
        pods.iter().filter(|pod| !ready(pod)).map(name).collect::<Vec<_>>()
    };
    let evict = |bench: &Bench, name: &str| {
        let path = format!("{PODS}/{name}/eviction");
        bench.call("POST", &path, &json!({"metadata": {"name": name}})).0
    };
    for (spec, code) in [
        (json!({"maxUnavailable": 1}), 201),
        (json!({"maxUnavailable": 0}), 429),
        (json!({"maxUnavailable": 0, "unhealthyPodEvictionPolicy": "AlwaysAllow"}), 201),
    ] {
        let bench = stands(DEPLOYMENT, &never, &spec);
        let [name] = &unready(&bench)[..] else { panic!("{:?}", unready(&bench)) };
        assert_eq!(evict(&bench, name), code, "{spec}");
    }
}

#[test]
fn a_budget_is_about_the_pods_that_its_whole_selector_is_about() {
    let none = |selector: Value| json!({"maxUnavailable": 0, "selector": selector});
    for (selector, gone) in [
        (json!({}), 0),
        (json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}), 0),
        (json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}), 0),
        (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}), 0),
        (json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), 4),
        (
            json!({"matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            4,
        ),
    ] {
        let bench = stands(DEPLOYMENT, &four(), &none(selector.clone()));
        assert_eq!(evicted(&bench).0, gone, "{selector}");
    }
}
