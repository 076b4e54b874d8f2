//! Discovery: what the embedded cluster says that it serves, the real one says
//! too, and in the same words.

use crate::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Groups of custom resources, which the real server has not installed here.
const CUSTOM: [&str; 4] =
    ["apps.kruise.io", "gateway.networking.k8s.io", "networking.istio.io", "traefik.io"];

type Resources = BTreeMap<(String, String, String), Value>;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Resources by group, version and plural.
fn resources(server: &Server) -> Resources {
    let mut found = Resources::new();
    for path in ["/api", "/apis"] {
        let list = server.discover(path);
        for group in list["items"].as_array().unwrap() {
            for version in group["versions"].as_array().unwrap() {
                for resource in version["resources"].as_array().unwrap() {
                    let group = text(&group["metadata"]["name"]);
                    let key = (group, text(&version["version"]), text(&resource["resource"]));
                    found.insert(key, resource.clone());
                }
            }
        }
    }
    found
}

fn within(ours: &Value, theirs: &Value) -> bool {
    let theirs = theirs.as_array().map(Vec::as_slice).unwrap_or_default();
    ours.as_array().into_iter().flatten().all(|one| theirs.contains(one))
}

#[test]
fn what_is_served_is_served_under_the_same_names() {
    let (real, sandbox) = (Server::still_real(), Server::still_sandbox());
    let (theirs, ours) = (resources(&real), resources(&sandbox));
    assert!(ours.len() > 20, "{}", ours.len());
    let mut compared = 0;
    for (name, resource) in &ours {
        if CUSTOM.contains(&name.0.as_str()) {
            continue;
        }
        let there = theirs.get(name).unwrap_or_else(|| panic!("{name:?} is not served"));
        for field in ["responseKind", "scope", "singularResource"] {
            let kind = |value: &Value| json!({"kind": value["kind"]});
            let (a, b) = (&there[field], &resource[field]);
            let same = if field == "responseKind" { kind(a) == kind(b) } else { a == b };
            assert!(same, "{name:?}: {field}: real {a} sandbox {b}");
        }
        for field in ["verbs", "shortNames"] {
            let (a, b) = (&there[field], &resource[field]);
            assert!(within(b, a), "{name:?}: {field}: real {a} sandbox {b}");
        }
        for sub in resource["subresources"].as_array().into_iter().flatten() {
            let all = there["subresources"].as_array();
            let same = all.into_iter().flatten().find(|o| o["subresource"] == sub["subresource"]);
            let same = same.unwrap_or_else(|| panic!("{name:?}: no {sub}"));
            assert!(within(&sub["verbs"], &same["verbs"]), "{name:?}: real {same} sandbox {sub}");
        }
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
