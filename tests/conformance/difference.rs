//! What differs between two answers, field by field, but for what is left out
//! on purpose.

use crate::case::read_yaml;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A field that the embedded cluster leaves out, of which kinds, and why.
struct LeftOut {
    kinds: Vec<String>,
    field: String,
}

/// The list of what is left out on purpose. Only fields that the real server
/// has and the embedded one has not.
pub struct LeftOuts {
    rules: Vec<LeftOut>,
}

impl LeftOuts {
    pub fn read() -> Self {
        let table = read_yaml("left_out.yaml");
        let rule = |entry: &Value| {
            assert!(entry["why"].as_str().is_some_and(|why| !why.is_empty()), "no reason: {entry}");
            let kinds = entry["kinds"].as_array().expect("kinds");
            LeftOut {
                kinds: kinds.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect(),
                field: entry["field"].as_str().expect("a field").to_owned(),
            }
        };
        let rules = table.as_array().expect("a list").iter().map(rule).collect();
        Self { rules }
    }

    fn has(&self, kind: &str, field: &str) -> bool {
        let found = self.rules.iter().position(|rule| {
            (rule.kinds.iter().any(|one| one == kind || one == "*")) && fits(&rule.field, field)
        });
        found.is_some()
    }
}

/// Whether a path is the one of a rule, or below it; `*` is one step.
fn fits(rule: &str, path: &str) -> bool {
    let mut steps = path.split('/');
    rule.split('/').all(|wanted| steps.next().is_some_and(|step| wanted == "*" || wanted == step))
}

/// Lines that tell where two answers differ; none if they agree.
pub fn differences(real: &Value, sandbox: &Value, left_out: &LeftOuts) -> Vec<String> {
    if real["kind"] != sandbox["kind"] {
        return vec![format!("real    {}", gist(real)), format!("sandbox {}", gist(sandbox))];
    }
    let (ours, theirs) = (flat(sandbox), flat(real));
    let kind = real["kind"].as_str().unwrap_or("").to_owned();
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        let (a, b) = (theirs.get(name), ours.get(name));
        if a == b || (b.is_none() && left_out.has(&kind, name)) {
            continue;
        }
        let show = |value: Option<&String>| value.map_or("(nothing)", String::as_str).to_owned();
        lines.push(format!("{name}: real {} sandbox {}", show(a), show(b)));
    }
    lines
}

/// An answer of another kind than the other server's, in short.
fn gist(answer: &Value) -> String {
    if answer["kind"] == "Status" {
        let (message, causes) = (&answer["message"], &answer["details"]["causes"]);
        return format!("{} {} {message} {causes}", answer["code"], answer["reason"]);
    }
    format!("{} {}", answer["kind"], answer["spec"])
}

/// Every leaf by its path.
fn flat(value: &Value) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    flatten(value, String::new(), &mut out);
    out
}

fn flatten(value: &Value, path: String, out: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        let name = name.replace('~', "~0").replace('/', "~1");
        if path.is_empty() { name } else { format!("{path}/{name}") }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(name, value)| flatten(value, below(name), out));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(i, v)| flatten(v, below(&i.to_string()), out));
        }
        other => {
            out.insert(path, other.to_string());
        }
    }
}
