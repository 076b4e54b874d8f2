//! Overlays of `tranche.yaml`, and the files that they name.

use super::{file, place};
use crate::core::dialect::{load, load_project, selects};
use crate::core::model::{Overlay, Selected};

fn project(overlays: &str) -> String {
    format!(
        "apiVersion: tranche.dev/v1alpha1\nkind: Project\nspec:\n  targets:\n  - name: try\n    \
         cluster: {{sandbox: {{}}}}\n  - name: prod\n    cluster: {{sandbox: {{}}}}\n    \
         overlays:\n{overlays}"
    )
}

const INLINE: &str = "    - target: {kind: Deployment, name: web, group: apps, namespace: shop}\n      \
                      patch:\n      - {op: add, path: /spec/replicas, value: 3}\n      \
                      - op: move\n        from: /a\n        path: /metadata/annotations/a.b~1c\n";

#[test]
fn overlays_belong_to_their_target_in_their_order() {
    let named = "    - target: {kind: ConfigMap, name: a.b}\n      path: env/prod.yaml\n";
    let text = project(&format!("{INLINE}{named}"));
    let patch = "- op: test\n  path: /data/x\n  value: {a: [1]}\n";
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a.b}}";
    let files =
        vec![file("tranche.yaml", &text), file("env/prod.yaml", patch), file("a.yaml", map)];
    assert!(selects(&load_project(files.first()).unwrap(), "env/prod.yaml"));
    let plan = load(files).unwrap();
    assert_eq!(plan.objects.len(), 1, "an overlay's file is no document");
    let [first, second] = plan.project.overlays.as_slice() else { panic!("{:?}", plan.project) };
    let ops = |overlay: &Overlay| -> Vec<(String, u32)> {
        overlay.operations.iter().map(|o| (o.patch.to_string(), o.place.line)).collect()
    };
    assert_eq!((first.target.as_str(), second.target.as_str()), ("prod", "prod"));
    assert_eq!(first.place, place("tranche.yaml", 10));
    let object = Selected {
        group: Some("apps".to_owned()),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        namespace: Some("shop".to_owned()),
    };
    assert_eq!(first.object, object);
    let add = r#"{"op":"add","path":"/spec/replicas","value":3}"#;
    let moved = r#"{"op":"move","from":"/a","path":"/metadata/annotations/a.b~1c"}"#;
    assert_eq!(ops(first), [(add.to_owned(), 12), (moved.to_owned(), 13)]);
    let test = r#"{"op":"test","path":"/data/x","value":{"a":[1]}}"#;
    assert_eq!(ops(second), [(test.to_owned(), 1)]);
    assert_eq!(second.source(), "env/prod.yaml");
}

#[test]
fn a_wrong_overlay_is_refused_at_its_place() {
    let wrong = |overlay: &str| {
        let patch = file("p.yaml", "- {op: add, path: spec, value: 1}\n");
        let two = file("two.yaml", "[{op: remove, path: /a}]\n---\n[]\n");
        let text = project(overlay);
        load(vec![file("tranche.yaml", &text), patch, two]).unwrap_err().to_string()
    };
    let patch = |operation: &str| {
        let target = "    - target: {kind: Deployment, name: web}\n";
        wrong(&format!("{target}      patch:\n      - {operation}\n"))
    };
    let with =
        |rest: &str| wrong(&format!("    - target: {{kind: Deployment, name: web}}\n{rest}"));
    let cases = [
        (with(""), "tranche.yaml:10:7: an overlay is one patch"),
        (with("      path: p.yaml\n      patch: [{op: remove, path: /a}]\n"), "either `patch` or"),
        (with("      path: ../p.yaml\n"), "cannot be the file of an overlay"),
        (with("      path: none.yaml\n"), "tranche.yaml:10: an overlay of target `prod`: there is"),
        (with("      path: p.yaml\n"), "p.yaml:1:19: this is no JSON pointer"),
        (with("      path: two.yaml\n"), "two.yaml: an overlay's file holds one list"),
        (with("      patch: |\n        - a\n"), "expected a list"),
        (wrong("    - target: {kind: Deployment}\n      path: p.yaml\n"), "`name` is missing in"),
        (patch("{op: ad, path: /a, value: 1}"), "did you mean `add`?"),
        (patch("{op: add, path: /a}"), "tranche.yaml:12: `add` needs `value`"),
        (patch("{op: replace, path: /a, value: null}"), "`replace` needs `value`"),
        (patch("{op: remove, path: /a, value: 1}"), "`remove` has no `value`"),
        (patch("{op: copy, path: /a}"), "`copy` needs `from`"),
        (patch("{op: remove, path: /a~b}"), "this is no JSON pointer"),
        (patch("{op: remove, path: ''}"), "expected a string"),
        (patch("{op: remove, paths: /a}"), "did you mean `path`?"),
    ];
    for (text, due) in cases {
        assert!(text.contains(due), "{due}: {text}");
    }
    // What would be shown of a line with a secret is cut.
    let text = patch("{op: add, path: /data/a, valeu: hunter2}");
    assert!(text.contains("unknown field `valeu`") && !text.contains("hunter2"), "{text}");
}
