//! How names, labels and keys are spelled. Owns the rules and the real server's
//! words for them.

use super::Causes;
use crate::core::object::at;
use crate::sandbox::fields::text;
use serde_json::Value;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
    used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, \
    '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
    'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or \
    '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
    '[-._a-zA-Z0-9]+')";

/// What is wrong with a text as a subdomain.
pub(super) fn subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters".to_owned());
    }
    (!name.split('.').all(spelled)).then(|| SUBDOMAIN.to_owned())
}

/// What is wrong with a text as a label of a domain.
pub(super) fn label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    if name.contains('.') {
        return Some("must not contain dots".to_owned());
    }
    (!spelled(name)).then(|| LABEL.to_owned())
}

fn spelled(label: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    label.starts_with(edge) && label.ends_with(edge) && label.chars().all(|c| edge(c) || c == '-')
}

fn is_qualified(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(edge)
        && name.ends_with(edge)
        && name.chars().all(|c| edge(c) || "-_.".contains(c))
}

/// What is wrong with a label's or annotation's name.
fn qualified(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let parts: Vec<&str> = name.split('/').collect();
    let last = match parts.as_slice() {
        [last] => *last,
        ["", last] => {
            found.push("prefix part must be non-empty".to_owned());
            *last
        }
        [prefix, last] => {
            found.extend(subdomain(prefix).map(|why| format!("prefix part {why}")));
            *last
        }
        _ => {
            return vec![format!(
                "a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
    };
    match last.len() {
        0 => found.push("name part must be non-empty".to_owned()),
        1..=63 => {}
        _ => found.push("name part must be no more than 63 bytes".to_owned()),
    }
    if !is_qualified(last) {
        found.push(format!("name part {QUALIFIED}"));
    }
    found
}

/// Labels at `field`.
pub(super) fn labels(labels: Option<&Value>, field: &str, causes: &mut Causes) {
    for (name, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        let mut add = |what: &str, why: String| {
            causes.push((field.to_owned(), format!("Invalid value: {what:?}: {why}")));
        };
        qualified(name).into_iter().for_each(|why| add(name, why));
        let value = value.as_str().unwrap_or("");
        if value.len() > 63 {
            add(value, "must be no more than 63 bytes".to_owned());
        }
        if !value.is_empty() && !is_qualified(value) {
            add(value, VALUE.to_owned());
        }
    }
}

/// Annotations at `field`; only their names have rules.
pub(super) fn annotations(annotations: Option<&Value>, field: &str, causes: &mut Causes) {
    for name in annotations.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
        for why in qualified(&name.to_lowercase()) {
            causes.push((field.to_owned(), format!("Invalid value: {name:?}: {why}")));
        }
    }
}

/// Keys of a ConfigMap's or a Secret's data at `field`.
pub(super) fn keys(data: Option<&Value>, field: &str, causes: &mut Causes) {
    for name in data.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
        let fits = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let why = match name.as_str() {
            "." | ".." => format!("must not be '{name}'"),
            _ if !fits => CONFIG_KEY.to_owned(),
            _ => continue,
        };
        causes.push((format!("{field}[{name}]"), format!("Invalid value: {name:?}: {why}")));
    }
}

/// An object's own name, labels, annotations and owners.
pub(super) fn metadata(group: &str, kind: &str, object: &Value, causes: &mut Causes) {
    let name = text(object, "/metadata/name");
    let why = match kind {
        _ if group.starts_with("rbac.") => segment(name),
        "Namespace" | "Service" | "StatefulSet" => label(name),
        _ => subdomain(name),
    };
    if let Some(why) = why {
        causes.push(("metadata.name".into(), format!("Invalid value: {name:?}: {why}")));
    }
    labels(at(object, "/metadata/labels"), "metadata.labels", causes);
    annotations(at(object, "/metadata/annotations"), "metadata.annotations", causes);
    owners(object, causes);
}

/// A name that has only to fit into a path.
fn segment(name: &str) -> Option<String> {
    match name {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ => ['/', '%']
            .into_iter()
            .find(|c| name.contains(*c))
            .map(|c| format!("may not contain '{c}'")),
    }
}

fn owners(object: &Value, causes: &mut Causes) {
    const FIELD: &str = "metadata.ownerReferences";
    let list = at(object, "/metadata/ownerReferences").and_then(Value::as_array);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    for owner in list {
        for (name, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(owner, &format!("/{name}")).is_empty() {
                causes.push((format!("{FIELD}.{name}"), format!("Invalid value: \"\": {why}")));
            }
        }
    }
    let leads = |owner: &&Value| owner["controller"] == true;
    let leading: Vec<&Value> = list.iter().filter(leads).collect();
    if let [first, second, ..] = leading.as_slice() {
        let shown: Vec<String> = list.iter().map(owner_words).collect();
        let of = |owner: &Value| format!("{}/{}", text(owner, "/kind"), text(owner, "/name"));
        let why = format!(
            "Invalid value: [{}]: Only one reference can have Controller set to true. Found \
             \"true\" in references for {} and {}",
            shown.join(","),
            of(first),
            of(second)
        );
        causes.push((FIELD.into(), why));
    }
}

/// In the order of Go's fields.
fn owner_words(owner: &Value) -> String {
    let fields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let there = fields.iter().filter(|field| owner.get(**field).is_some());
    let pairs: Vec<String> = there.map(|field| format!("{field:?}:{}", owner[*field])).collect();
    format!("{{{}}}", pairs.join(","))
}
