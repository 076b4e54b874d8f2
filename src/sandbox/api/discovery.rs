//! Discovery: which kinds the cluster serves, in the old form and the
//! aggregated one. Owns those documents.

use super::Answer;
use crate::sandbox::kinds::{RESOURCES, Resource};
use crate::sandbox::status::Refusal;
use serde_json::{Value, json};

const VERBS: [&str; 6] = ["create", "delete", "get", "list", "patch", "update"];
const SUBVERBS: [&str; 3] = ["get", "patch", "update"];

pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.3+tranche-sandbox",
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": "sandbox",
    })
}

/// All groups but the core group, each once, in order.
fn group_names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        RESOURCES.iter().map(|r| r.group).filter(|g| !g.is_empty()).collect();
    names.dedup();
    names
}

fn of_group(group: &str) -> impl Iterator<Item = &'static Resource> {
    RESOURCES.iter().filter(move |resource| resource.group == group)
}

pub(super) fn core(aggregated: bool) -> Value {
    if aggregated {
        return discovery_list(&[aggregated_group("")]);
    }
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "sandbox"}],
    })
}

pub(super) fn groups(aggregated: bool) -> Value {
    if aggregated {
        return discovery_list(
            &group_names().into_iter().map(aggregated_group).collect::<Vec<_>>(),
        );
    }
    let groups: Vec<Value> = group_names().into_iter().map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_entry(group: &str) -> Value {
    let version = of_group(group).next().map_or("v1", |resource| resource.version);
    let entry = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [&entry], "preferredVersion": entry})
}

pub(super) fn group(group: &str) -> Answer {
    if !group_names().contains(&group) {
        return Err(Refusal::unknown());
    }
    let mut entry = group_entry(group);
    entry["kind"] = json!("APIGroup");
    entry["apiVersion"] = json!("v1");
    Ok((200, entry))
}

pub(super) fn resources(group: &str, version: &str) -> Answer {
    let mut list = Vec::new();
    for resource in of_group(group).filter(|resource| resource.version == version) {
        list.push(json!({
            "name": resource.plural, "singularName": resource.kind.to_lowercase(),
            "namespaced": resource.namespaced, "kind": resource.kind, "verbs": VERBS,
            "shortNames": short_names(resource),
        }));
        if resource.status {
            list.push(json!({
                "name": format!("{}/status", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": resource.kind, "verbs": SUBVERBS,
            }));
        }
        if resource.is_scaled() {
            list.push(json!({
                "name": format!("{}/scale", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "group": "autoscaling", "version": "v1",
                "kind": "Scale", "verbs": SUBVERBS,
            }));
        }
    }
    if list.is_empty() {
        return Err(Refusal::unknown());
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let body = json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": group_version, "resources": list,
    });
    Ok((200, body))
}

fn short_names(resource: &Resource) -> Vec<&'static str> {
    Some(resource.short).filter(|short| !short.is_empty()).into_iter().collect()
}

fn discovery_list(items: &[Value]) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items,
    })
}

fn aggregated_group(group: &str) -> Value {
    let version = of_group(group).next().map_or("v1", |resource| resource.version);
    let list: Vec<Value> = of_group(group).map(aggregated_resource).collect();
    let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
    let entry = json!({"version": version, "resources": list, "freshness": "Current"});
    json!({"metadata": metadata, "versions": [entry]})
}

fn aggregated_resource(resource: &'static Resource) -> Value {
    let kind = json!({
        "group": resource.group, "version": resource.version, "kind": resource.kind,
    });
    let mut out = json!({
        "resource": resource.plural, "responseKind": kind,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.kind.to_lowercase(), "verbs": VERBS,
        "shortNames": short_names(resource),
    });
    let mut subresources = Vec::new();
    if resource.is_scaled() {
        let scale = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        subresources.push(json!({
            "subresource": "scale", "responseKind": scale, "verbs": SUBVERBS,
        }));
    }
    if resource.status {
        subresources.push(json!({
            "subresource": "status", "responseKind": kind, "verbs": SUBVERBS,
        }));
    }
    if !subresources.is_empty() {
        out["subresources"] = json!(subresources);
    }
    out
}
