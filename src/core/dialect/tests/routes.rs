//! Routes: what a document may say, and what of it is refused by its place.

use super::{errors, plan};

const APPS: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: NAME}
spec: {components: [{name: NAME, type: webservice, properties: {image: a}}]}
---
";

/// A Route after its three applications, from line 13 on.
fn route(spec: &str) -> String {
    let apps: String = ["pet-be", "pet-be-v2", "pet-fe"].map(|n| APPS.replace("NAME", n)).concat();
    format!(
        "{apps}apiVersion: tranche.dev/v1alpha1\nkind: Route\nmetadata: {{name: pet-be}}\nspec:\n  \
         host: pet-be\n{spec}"
    )
}

fn two(old: &str, new: &str, client: &str) -> String {
    route(&format!(
        "  instances:\n  - {{name: pet-be, service: pet-be, apis: {old}}}\n  - {{name: pet-be-v2, \
         service: pet-be-v2, apis: {new}}}\n  clients:\n  - {{name: pet-fe, {client}}}\n"
    ))
}

const V1: &str = "[{context: /pets, version: v1}]";
const V2: &str = "[{context: /pets, version: v2}]";

#[test]
fn what_is_written_is_read() {
    let text = two(V1, V1, "to: pet-be, next: {instance: pet-be-v2, percent: 5, sticky: x-user}");
    let route = &plan(&text).routes[0];
    let next = route.clients[0].next.as_ref().unwrap();
    assert_eq!((next.percent, next.sticky.as_deref()), (5, Some("x-user")));
    assert_eq!((route.host.as_str(), route.drain_seconds), ("pet-be", 5));
    assert_eq!(route.instances[1].apis[0].version, "v1");
}

#[test]
fn a_difference_of_apis_names_path_both_versions_and_what_to_write() {
    let half = "to: pet-be, next: {instance: pet-be-v2, percent: 5}";
    let found = errors(&two(V1, V2, half));
    assert!(found.starts_with("a.yaml:25:"), "{found}");
    for part in [
        "client pet-fe: pet-be serves /pets at v1, but pet-be-v2 at v2",
        "{from: pet-be, to: pet-be-v2, context: /pets, version: v2}",
    ] {
        assert!(found.contains(part), "{found}");
    }
    // However a client comes there.
    assert!(errors(&two(V1, V2, "to: pet-be-v2")).contains("pet-be-v2 at v2"));
    let missing = errors(&two(V1, "[{context: /toys, version: v1}]", half));
    assert!(missing.contains("context: /pets}"), "{missing}");
    let none = errors(&two(V1, "[]", half));
    assert!(none.contains("pet-be-v2 states none, so it speaks TCP alone"), "{none}");
    // What gets nothing breaks nothing, and what is accepted is that very version.
    plan(&two(V1, V2, "to: pet-be, next: {instance: pet-be-v2, percent: 0}"));
    let accept = |version: &str| {
        let entry = format!("{{from: pet-be, to: pet-be-v2, context: /pets, version: {version}}}");
        two(V1, V2, half) + &format!("  acknowledge: [{entry}]\n")
    };
    plan(&accept("v2"));
    assert!(errors(&accept("v3")).contains("pet-be-v2 at v2"));
}

#[test]
fn what_is_not_there_is_refused_with_the_nearest() {
    let cases = [
        (two(V1, V1, "to: pet-bee"), "`pet-bee` is no instance of this Route", "`pet-be`?"),
        (two(V1, V1, "to: pet-be, next: {instance: pet-be, percent: 1}"), "depends on already", ""),
        (two(V1, V1, "to: pet-be, next: {instance: pet-be-v2, percent: 101}"), "0 to 100", ""),
        (
            two(V1, V1, "to: pet-be, next: {instance: pet-be-v2, percent: 1, sticky: X_Y}"),
            "no name of a header",
            "x-instance-id",
        ),
        (two("[{context: pets, version: v1}]", V1, "to: pet-be"), "context is no path", ""),
        (two(V1, V1, "to: pet-be") + "  - {name: pet-fe, to: pet-be}\n", "as in line 25", ""),
        (two(V1, V1, "to: pet-be") + "  - {name: shop, to: pet-be}\n", "client `shop` is no", ""),
        (two(V1, V1, "to: pet-be") + "  alias: pet\n", "`pet` is no instance", ""),
        (two(V1, V1, "to: pet-be") + "  weight: 3\n", "unknown field `weight`", ""),
    ];
    for (text, what, more) in cases {
        let found = errors(&text);
        assert!(found.contains(what) && found.contains(more), "{what}: {found}");
    }
}
