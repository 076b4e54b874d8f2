//! Hooks of rollouts, and the hosts that they may call.

use super::{errors, file, place, rollout};
use crate::core::dialect::load;
use crate::core::model::{HookType, Plan};

const PROJECT: &str = "apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  policy:
    webhooks:
      hosts:
      - host: \"*.example.com\"
      - {host: \"10.0.0.1:8080\", allowInsecure: true}
";

fn with_policy(text: &str) -> Result<Plan, String> {
    load(vec![file("a.yaml", text), file("tranche.yaml", PROJECT)]).map_err(|e| e.to_string())
}

fn hook(kind: &str, url: &str, more: &str) -> String {
    format!("{{type: {kind}, name: smoke, url: \"{url}\"{more}}}")
}

fn of_plan(hook: &str) -> String {
    rollout(&format!("    numBatches: 1\n    rolloutWebhooks:\n    - {hook}\n"))
}

fn of_batch(hook: &str) -> String {
    rollout(&format!("    rolloutBatches:\n    - batchRolloutWebhooks:\n      - {hook}\n"))
}

#[test]
fn hooks_are_read_with_their_defaults() {
    let url = "https://a.example.com/x?y=z";
    let loaded = with_policy(&of_plan(&hook("finalize-rollout", url, ""))).unwrap();
    let around = &loaded.rollouts[0].plan.around;
    let read = &around.hooks[0];
    assert_eq!(read.place, place("a.yaml", 9));
    assert_eq!((read.hook.kind, read.hook.name.as_str()), (HookType::FinalizeRollout, "smoke"));
    assert_eq!((read.hook.url.as_str(), read.hook.method.as_str()), (url, "POST"));
    assert!(read.hook.expects(204) && !read.hook.expects(300) && !read.hook.expects(199));
    let more = ", method: PUT, expectedStatus: [202, 404], metadata: {a: b}";
    let text = of_batch(&hook("pre-batch-rollout", "http://10.0.0.1:8080/", more));
    let loaded = with_policy(&text).unwrap();
    let read = &loaded.rollouts[0].plan.around.batches[0].hooks[0].hook;
    assert_eq!((read.method.as_str(), read.expectation().as_str()), ("PUT", "202 or 404"));
    assert!(read.expects(404) && !read.expects(200));
    assert_eq!(read.metadata["a"], "b");
}

#[test]
fn what_is_wrong_with_a_hook_is_said_without_its_url() {
    let fine = "https://a.example.com/secret-path";
    let wrong = [
        (of_plan(&hook("pre-batch-rollout", fine, "")), "one of `initialize-rollout`"),
        (of_batch(&hook("finalize-rollout", fine, "")), "one of `pre-batch-rollout`"),
        (of_plan(&hook("finalize-rollout", fine, ", method: DELETE")), "one of `POST`"),
        (of_plan(&hook("finalize-rollout", fine, ", expectedStatus: [99]")), "from 100 to 599"),
        (of_plan(&hook("finalize-rollout", fine, ", tokenFromEnv: X")), "unknown field"),
        (of_plan(&hook("finalize-rollout", "ftp://a/secret-path", "")), "is no https:// URL"),
        (of_plan(&hook("finalize-rollout", "https://u:p@a/secret-path", "")), "a user"),
        (of_plan("{type: finalize-rollout, url: secret-path}"), "`name` is missing"),
    ];
    for (text, expected) in wrong {
        let found = with_policy(&text).unwrap_err();
        assert!(found.contains(expected), "{expected} in {found}");
        assert!(found.contains("a.yaml:9:") || found.contains("a.yaml:8:"), "{found}");
        assert!(!found.contains("secret-path"), "{found}");
    }
}

#[test]
fn a_host_that_the_project_does_not_allow_is_refused() {
    for (url, named) in [
        ("https://b.example.org/secret-path", "host: \"b.example.org\"}"),
        ("https://a.example.com:8443/secret-path", "host: \"a.example.com:8443\"}"),
        ("http://a.example.com/secret-path", "host: \"a.example.com\", allowInsecure: true}"),
        ("https://[::1]/secret-path", "host: \"[::1]\"}"),
    ] {
        let found = with_policy(&of_plan(&hook("finalize-rollout", url, ""))).unwrap_err();
        assert!(found.starts_with("a.yaml:9"), "{found}");
        assert!(found.contains("hook \"smoke\" calls") && found.contains(named), "{found}");
        assert!(!found.contains("secret-path"), "{found}");
    }
    let found = errors(&of_batch(&hook("pre-batch-rollout", "https://a.example.com/", "")));
    assert!(found.contains("does not allow"), "nobody is called without a policy: {found}");
    for host in ["*", "*.com", "https://a"] {
        let text = PROJECT.replace("*.example.com", host);
        let found = load(vec![file("tranche.yaml", &text)]).unwrap_err().to_string();
        assert!(found.starts_with("tranche.yaml:7:15: the host"), "{found}");
    }
}

#[test]
fn a_batch_names_its_pods_or_their_number() {
    let plan = rollout("    rolloutBatches:\n    - {podList: [a, b], replicas: 2}\n    - {}\n");
    assert!(errors(&plan).contains("rolloutBatches[0] has both podList and replicas"));
    let plan =
        rollout("    rolloutBatches:\n    - {podList: [a, b], instanceInterval: 5}\n    - {}\n");
    let loaded = super::plan(&plan);
    let plan = &loaded.rollouts[0].plan;
    assert_eq!(plan.around.batches[0].pods, ["a", "b"]);
    assert_eq!(plan.around.batches[0].interval_seconds, 5);
    let crate::core::model::Batches::Listed(batches) = &plan.batches else { unreachable!() };
    assert_eq!(batches[0].replicas, Some(crate::core::model::Amount::Count(2)));
}
