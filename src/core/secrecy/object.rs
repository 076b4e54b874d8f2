//! What of an object may be shown. Owns where secrets stand in objects. What
//! an object is, it takes from who asks: the kind that a server echoes may be
//! forged, and is only ever a reason to hide more.

use super::REDACTED;
use super::name::{NAMES_A_KEY, OUTSIDE, looks_secret};
use super::shape::{harmless, without_lines};
use serde_json::{Map, Value};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Deeper than any object of Kubernetes; what is deeper is hidden.
const DEEPEST: usize = 200;

/// An object of the kind that was asked for or sent, without its secret
/// values. Keys stay, so that a reader sees what a Secret holds.
#[must_use]
pub fn redacted(asked: &str, object: &Value) -> Value {
    let mut out = object.clone();
    hide_object(asked, &mut out);
    out
}

fn hide_object(asked: &str, object: &mut Value) {
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        let of_list = asked.strip_suffix("List").unwrap_or(asked).to_owned();
        for item in items {
            hide_object(&of_list, item);
        }
    }
    let echoed = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if asked == "Secret" || echoed == "Secret" {
        hide_secret(object);
    } else {
        hide_map_by_name(asked, object);
    }
    let outside = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .is_some_and(|version| version.starts_with(OUTSIDE));
    let custom = is_custom(object);
    hide_annotations(object);
    let mut walk = Walk { custom, outside };
    walk.value(object, 0);
}

/// A Secret: all of `data` and `stringData`, whatever they are. Of a Helm
/// release not even the keys say anything.
fn hide_secret(object: &mut Value) {
    let release = object
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.starts_with("helm.sh/release"));
    for field in ["data", "stringData"] {
        match object.get_mut(field) {
            Some(Value::Object(map)) if !release => {
                for value in map.values_mut().filter(|value| !value.is_null()) {
                    *value = Value::String(REDACTED.to_owned());
                }
            }
            Some(other) if !other.is_null() => *other = Value::String(REDACTED.to_owned()),
            _ => {}
        }
    }
}

/// A ConfigMap that holds what a Secret should.
fn hide_map_by_name(asked: &str, object: &mut Value) {
    let echoed = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if asked != "ConfigMap" && echoed != "ConfigMap" {
        return;
    }
    for field in ["data", "binaryData"] {
        if let Some(Value::Object(map)) = object.get_mut(field) {
            for (key, value) in map.iter_mut().filter(|(key, _)| looks_secret(key)) {
                let _ = key;
                hide_scalar(value);
            }
        }
    }
}

/// Whether the object is of no group of Kubernetes itself.
fn is_custom(object: &Value) -> bool {
    let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    group.contains('.') && !group.ends_with(".k8s.io")
}

/// Copies of the object in its annotations, and annotations with names of
/// secrets.
fn hide_annotations(object: &mut Value) {
    let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") else {
        return;
    };
    for (key, value) in annotations.iter_mut() {
        if key.ends_with("last-applied-configuration") || key == LAST_APPLIED {
            hide_copy(value);
        } else if looks_secret(key.rsplit('/').next().unwrap_or(key)) {
            hide_scalar(value);
        }
    }
}

/// A copy in JSON. One that is not understood is hidden whole.
fn hide_copy(value: &mut Value) {
    let Some(text) = value.as_str() else {
        *value = Value::String(REDACTED.to_owned());
        return;
    };
    match serde_json::from_str::<Value>(text) {
        Ok(copy) if copy.is_object() => {
            let kind = copy.get("kind").and_then(Value::as_str).unwrap_or_default();
            let shown = redacted(kind, &copy);
            // A Secret whose kind was forged in its copy has these fields.
            if shown != copy {
                *value = Value::String(shown.to_string());
            }
        }
        _ if text.is_empty() => {}
        _ => *value = Value::String(REDACTED.to_owned()),
    }
}

fn hide_scalar(value: &mut Value) {
    match value {
        Value::String(text) if !harmless(text) => REDACTED.clone_into(text),
        Value::Number(_) => *value = Value::String(REDACTED.to_owned()),
        _ => {}
    }
}

/// Every value of an object, by the names on the way to it.
struct Walk {
    custom: bool,
    outside: bool,
}

impl Walk {
    fn value(&mut self, value: &mut Value, depth: usize) {
        if depth > DEEPEST {
            *value = Value::String(REDACTED.to_owned());
            return;
        }
        match value {
            Value::Object(map) => self.map(map, depth),
            Value::Array(items) => {
                hide_arguments(items);
                for item in items {
                    self.value(item, depth + 1);
                }
            }
            Value::String(text) => {
                let shown = without_lines(text);
                if shown != text.as_str() {
                    *text = shown.into_owned();
                }
            }
            _ => {}
        }
    }

    fn map(&mut self, map: &mut Map<String, Value>, depth: usize) {
        // An environment variable, an option of a custom resource, a header.
        let named = map.get("name").and_then(Value::as_str).is_some_and(looks_secret);
        if named && let Some(value) = map.get_mut("value") {
            hide_scalar(value);
        }
        for (key, value) in map.iter_mut() {
            let of_secret = self.custom
                && value.is_string()
                && looks_secret(key)
                && !(self.outside && key == NAMES_A_KEY);
            if of_secret {
                hide_scalar(value);
            }
            self.value(value, depth + 1);
        }
    }
}

/// `--token x` as two items of a list; `--token=x` is known by its shape.
fn hide_arguments(items: &mut [Value]) {
    let mut option = false;
    for item in items {
        let Value::String(text) = item else {
            option = false;
            continue;
        };
        let dashed = text.starts_with('-');
        if option && !dashed && !harmless(text) {
            REDACTED.clone_into(text);
        }
        option = dashed && !text.contains(['=', ' ']) && looks_secret(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CANARY: &str = "hunter2hunter2";

    /// Says that nothing of the canary is left, and something else is.
    fn hides(asked: &str, object: &Value) -> Value {
        let got = redacted(asked, object);
        let text = got.to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        assert!(text.contains(REDACTED), "{text}");
        got
    }

    #[test]
    fn secrets_keep_their_keys_and_lose_their_values() {
        let copy = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg=="}}).to_string();
        let secret = json!({"kind": "Secret", "metadata": {"name": "s", "annotations":
            {LAST_APPLIED: copy}}, "data": {"a": "aHVudGVyMg==", "n": null},
            "stringData": {"b": CANARY}});
        let got = hides("Secret", &secret);
        assert_eq!(got["data"], json!({"a": REDACTED, "n": null}));
        assert_eq!(got["metadata"]["name"], "s");
        let list = hides(
            "SecretList",
            &json!({"kind": "SecretList", "items":
            [{"data": {"a": CANARY}}]}),
        );
        assert_eq!(list["items"][0]["data"]["a"], REDACTED);
        hides("List", &json!({"kind": "List", "items": [secret]}));
    }

    #[test]
    fn the_kind_that_was_asked_for_counts_and_not_the_one_that_is_echoed() {
        hides("Secret", &json!({"kind": "ConfigMap", "data": {"a": CANARY}}));
        hides("ConfigMap", &json!({"kind": "Secret", "data": {"a": CANARY}}));
        hides("Secret", &json!({"data": CANARY, "stringData": [CANARY]}));
    }

    #[test]
    fn copies_that_are_not_understood_and_helm_releases_are_hidden_whole() {
        let broken = json!({"kind": "Pod", "metadata": {"annotations":
            {LAST_APPLIED: format!("{{\"kind\":\"Secret\",\"data\":{{\"a\":\"{CANARY}")}}});
        hides("Pod", &broken);
        let release = json!({"kind": "Secret", "type": "helm.sh/release.v1",
            "data": {"release": "aHVudGVyMg=="}});
        assert_eq!(hides("Secret", &release)["data"], REDACTED);
    }

    #[test]
    fn containers_config_maps_and_custom_resources_are_redacted_by_name_and_shape() {
        let pod = json!({"kind": "Pod", "spec": {"containers": [{"name": "a",
            "env": [{"name": "DB_PASSWORD", "value": CANARY}, {"name": "MODE", "value": "fast"},
                    {"name": "TOKEN", "value": "$(OTHER)"}],
            "args": ["--token", CANARY, "--password=hunter2hunter2", "--v", "3"],
            "command": ["sh", "-c", "PGPASSWORD=x API_KEY=hunter2 run https://u:hunter2@h/"]}]}});
        let got = hides("Pod", &pod);
        let container = &got["spec"]["containers"][0];
        assert_eq!(container["env"][1]["value"], "fast");
        assert_eq!(container["env"][2]["value"], "$(OTHER)");
        assert_eq!(
            container["args"],
            json!(["--token", REDACTED, "--password=<redacted>", "--v", "3"])
        );
        let map = json!({"kind": "ConfigMap", "data": {
            "key.pem": "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
            "password": CANARY, "app.yaml": "mode: fast\npassword: hunter2\n"}});
        let got = hides("ConfigMap", &map);
        assert_eq!(got["data"]["app.yaml"], "mode: fast\npassword: <redacted>\n");
        let custom = json!({"apiVersion": "db.example.com/v1", "kind": "Database", "spec": {
            "password": CANARY, "secretName": "db", "auth": {"secretKeyRef":
            {"name": "db", "key": "password"}}, "tokenSeconds": 3}});
        let got = hides("Database", &custom);
        assert_eq!(got["spec"]["secretName"], "db");
        assert_eq!(got["spec"]["auth"]["secretKeyRef"]["key"], "password");
        assert_eq!(got["spec"]["tokenSeconds"], 3);
    }

    #[test]
    fn a_resource_that_only_names_keys_of_secrets_shows_them() {
        let external = json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "spec": {"data": [{"secretKey": "db-key", "remoteRef": {"key": "prod/db"}}]}});
        assert_eq!(redacted("ExternalSecret", &external), external);
        let other = json!({"apiVersion": "s3.example.com/v1", "kind": "Bucket", "spec":
            {"secretKey": CANARY}});
        hides("Bucket", &other);
    }

    #[test]
    fn what_holds_no_secret_is_the_same() {
        let plain = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name":
            "web", "annotations": {LAST_APPLIED: "{\"kind\": \"Deployment\"}"}},
            "spec": {"template": {"spec": {"automountServiceAccountToken": false,
            "imagePullSecrets": [{"name": "pull"}], "volumes": [{"name": "token",
            "secret": {"secretName": "web"}}]}}}});
        assert_eq!(redacted("Deployment", &plain), plain);
    }
}
