//! Plain objects, lists and duplicates.

use super::{errors, file, plan, rollout};
use crate::core::dialect::load;
use serde_json::json;

#[test]
fn plain_objects_are_taken_as_they_stand_and_lists_are_flattened() {
    let text = "\
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a, namespace: x}
  data: {status: ok}
- apiVersion: apps.kruise.io/v1alpha1
  kind: CloneSet
  metadata: {name: b}
---
# nothing
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: c}
";
    let loaded = plan(text);
    let found: Vec<_> = loaded
        .objects
        .iter()
        .map(|o| (o.place.line, o.body["metadata"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [(5, "a"), (9, "b"), (15, "c")]);
    assert_eq!(loaded.objects[0].body["data"], json!({"status": "ok"}));
    let cases = [
        ("kind: Pod\n", "a.yaml:1:1: `apiVersion` is missing"),
        ("apiVersion: v1\nmetadata: {}\n", "a.yaml:1:1: `kind` is missing"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {generateName: x}\n",
            "a.yaml:3:12: `generateName` cannot be used",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: 12}\n",
            "a.yaml:3:18: `metadata.name` is no string",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}\n",
            "a.yaml:3:11: `metadata.name` is missing",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nsops: {}\n",
            "a.yaml:4:1: documents encrypted with `sops`",
        ),
        ("just text\n", "a.yaml:1:1: a document is the string \"just text\""),
    ];
    for (text, expected) in cases {
        let found = errors(text);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn two_documents_for_one_thing_name_both_places() {
    let one = rollout("    numBatches: 2\n");
    let other = one.replace("{name: web}", "{name: web, namespace: default}");
    let found = load(vec![file("a.yaml", &one), file("b.yaml", &other)]).unwrap_err().to_string();
    assert_eq!(found, "b.yaml:1: the rollout default/web is written twice: here and in a.yaml:1");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let found = errors(&format!("{map}---\n{map}"));
    assert_eq!(found, "a.yaml:5: the ConfigMap default/a is written twice: here and in a.yaml:1");
    let application = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: web}\nspec:\n  \
                       components: [{name: a, type: worker}, {name: a, type: worker}]\n";
    let found = errors(application);
    assert!(found.starts_with("a.yaml:5:48: the component `a` is written twice"), "{found}");
    let application = application.replace(", {name: a, type: worker}", "");
    let found = errors(&format!("{application}---\n{application}"));
    assert!(found.contains("the application default/web is written twice"), "{found}");
    let embedded = format!("{application}  rolloutPlan: {{numBatches: 1}}\n---\n{one}");
    assert!(errors(&embedded).contains("the rollout default/web is written twice"));
}
