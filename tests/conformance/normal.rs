//! What two servers cannot have in common, made comparable: uids, versions,
//! instants, random names. Owns the rules; must never drop a field (that is
//! what `left_out.yaml` is for).

use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The aliases of one case on one server, in order of first appearance.
#[derive(Default)]
pub struct Normal {
    seen: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
}

impl Normal {
    /// A whole answer.
    pub fn answer(&mut self, body: &Value) -> Value {
        self.value(body, "", false)
    }

    fn value(&mut self, value: &Value, field: &str, of_list: bool) -> Value {
        match value {
            Value::Object(map) => self.object(map, field),
            Value::Array(items) if field == "managedFields" => {
                let mut all: Vec<Value> =
                    items.iter().map(|item| self.value(item, "", false)).collect();
                // The server sorts by whole seconds first: two requests may or
                // may not share one.
                all.sort_by_key(|entry| {
                    let text = |name: &str| entry[name].as_str().unwrap_or("").to_owned();
                    (text("operation"), text("manager"), text("subresource"), text("apiVersion"))
                });
                Value::Array(all)
            }
            Value::Array(items) => {
                let mut all: Vec<Value> =
                    items.iter().map(|item| self.value(item, "", false)).collect();
                if field == "causes" {
                    // An update's labels are checked up to three times.
                    all.dedup();
                    // The order of managers is that of a Go map.
                    if all.iter().all(|cause| cause["reason"] == "FieldManagerConflict") {
                        all.sort_by_key(ToString::to_string);
                    }
                }
                Value::Array(all)
            }
            Value::String(text) => Value::String(match field {
                // Equal versions have equal aliases; a list's is the cluster's.
                "resourceVersion" if of_list => "<set>".to_owned(),
                "resourceVersion" => self.alias("version", text),
                "continue" => "<token>".to_owned(),
                // An address is the server's choice, within its own range.
                "clusterIP" if text != "None" => self.alias("address", text),
                "message" if text.starts_with("Apply failed with") => {
                    let mut parts: Vec<&str> = text.split("conflicts with ").collect();
                    parts.iter_mut().for_each(|part| *part = part.trim());
                    parts[1..].sort_unstable();
                    parts.join(" / ")
                }
                _ => self.text(text),
            }),
            other => other.clone(),
        }
    }

    fn object(&mut self, map: &Map<String, Value>, field: &str) -> Value {
        let list = map.contains_key("items");
        let mut names: Vec<&String> = map.keys().collect();
        names.sort();
        let prefix = map.get("generateName").and_then(Value::as_str).map(str::to_owned);
        let mut out = Map::new();
        for name in names {
            let value = &map[name];
            let inner = match (value, name.as_str(), &prefix) {
                (Value::Object(metadata), "metadata", _) if list => {
                    let fields = metadata.iter();
                    let all = fields.map(|(k, v)| (k.clone(), self.value(v, k, true)));
                    Value::Object(all.collect())
                }
                (Value::String(text), "name", Some(prefix)) if text.starts_with(prefix) => {
                    json!(self.alias("generated", text))
                }
                (Value::Array(items), "clusterIPs", _) => {
                    items.iter().map(|item| self.value(item, "clusterIP", false)).collect()
                }
                _ => self.value(value, name, false),
            };
            out.insert(self.text(name), inner);
        }
        let _ = field;
        Value::Object(out)
    }

    fn alias(&mut self, class: &'static str, text: &str) -> String {
        if let Some(alias) = self.seen.get(text) {
            return alias.clone();
        }
        let count = self.counts.entry(class).or_insert(0);
        *count += 1;
        let alias = format!("<{class} {count}>");
        self.seen.insert(text.to_owned(), alias.clone());
        alias
    }

    /// Texts may hold uids, instants and generated names.
    fn text(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(uid) = rest.get(..36).filter(|part| is_uid(part)) {
                out.push_str(&self.alias("uid", uid));
                rest = &rest[36..];
            } else if let Some((number, length)) = version(rest) {
                out.push_str(&format!("({})", self.alias("version", number)));
                rest = &rest[length..];
            } else if let Some(length) = instant(rest) {
                out.push_str("<instant>");
                rest = &rest[length..];
            } else {
                let first = rest.chars().next().unwrap();
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }
}

fn is_uid(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// A number in parentheses, as versions are written in messages, and the
/// length of it all.
fn version(text: &str) -> Option<(&str, usize)> {
    let number = text.strip_prefix('(')?.split_once(')')?.0;
    let fits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some((number, number.len() + 2))
}

/// The length of an instant in whole seconds at the start of a text.
fn instant(text: &str) -> Option<usize> {
    let part = text.get(..20)?;
    let form = "0000-00-00T00:00:00Z";
    let fits = part.bytes().zip(form.bytes()).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    fits.then_some(20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_have_equal_aliases_and_others_stay() {
        let mut normal = Normal::default();
        let uid = "0f0f0f0f-1111-4222-8333-444444444444";
        let out = normal.answer(&json!({
            "message": format!("at 2026-01-01T00:00:00Z by {uid}"),
            "metadata": {"uid": uid, "resourceVersion": "7", "name": "web"},
        }));
        assert_eq!(out["message"], "at <instant> by <uid 1>");
        let wanted = json!({"uid": "<uid 1>", "resourceVersion": "<version 1>", "name": "web"});
        assert_eq!(out["metadata"], wanted);
        let next = normal.answer(&json!({"resourceVersion": "8"}));
        assert_eq!(next["resourceVersion"], "<version 2>");
    }
}
