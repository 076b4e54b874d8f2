//! Label and field selectors of lists. Owns their syntax; a selector that
//! cannot be read is an error, never "everything".

use super::status::Refusal;
use serde_json::Value;

/// One requirement on labels.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// A parsed label selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        split(text)
            .into_iter()
            .map(|part| requirement(part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A LabelSelector of an object; none if it says something that no server
    /// would take.
    pub(super) fn of(selector: &Value) -> Option<Self> {
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let labels =
            labels.map(|(name, value)| Some(Requirement::In(name.clone(), vec![word(value)?])));
        let more = selector.get("matchExpressions").and_then(Value::as_array);
        labels.chain(more.into_iter().flatten().map(expression)).collect::<Option<_>>().map(Self)
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let label = |name: &str| super::fields::label(object, name);
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(name, values) => {
                label(name).is_some_and(|value| values.iter().any(|v| v == value))
            }
            Requirement::NotIn(name, values) => {
                label(name).is_none_or(|value| values.iter().all(|v| v != value))
            }
            Requirement::Exists(name) => label(name).is_some(),
            Requirement::Missing(name) => label(name).is_none(),
        })
    }
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn expression(expression: &Value) -> Option<Requirement> {
    let key = word(expression.get("key")?)?;
    let values = expression.get("values").and_then(Value::as_array);
    let values: Vec<String> = values.into_iter().flatten().map(word).collect::<Option<_>>()?;
    match (expression.get("operator")?.as_str()?, values.is_empty()) {
        ("In", false) => Some(Requirement::In(key, values)),
        ("NotIn", false) => Some(Requirement::NotIn(key, values)),
        ("Exists", true) => Some(Requirement::Exists(key)),
        ("DoesNotExist", true) => Some(Requirement::Missing(key)),
        _ => None,
    }
}

/// A LabelSelector's labels as text, such as `app=web,tier=front`.
pub(super) fn words(selector: Option<&Value>) -> String {
    let labels = selector.and_then(|s| s.get("matchLabels")).and_then(Value::as_object);
    let pairs = labels.into_iter().flatten();
    let mut pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or(""))).collect();
    pairs.sort();
    pairs.join(",")
}

/// Splits at commas that are not within parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let outer = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    };
    text.split(outer).filter(|part| !part.trim().is_empty()).collect()
}

fn requirement(part: &str) -> Result<Requirement, Refusal> {
    let name = |text: &str| -> Result<String, Refusal> {
        let text = text.trim();
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if text.is_empty() || !text.chars().all(fine) {
            return Err(Refusal::bad_request(format!("unable to parse requirement: {part:?}")));
        }
        Ok(text.to_owned())
    };
    if let Some((key, values)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match key.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => Ok(Requirement::In(name(key)?, values)),
            Some((key, "notin")) => Ok(Requirement::NotIn(name(key)?, values)),
            _ => Err(Refusal::bad_request(format!("unable to parse requirement: {part:?}"))),
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(name(key)?, vec![value.trim().to_owned()]));
    }
    if part.contains("===") {
        return Err(Refusal::bad_request(format!("unable to parse requirement: {part:?}")));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(name(key)?, vec![value.trim().to_owned()]));
    }
    match part.strip_prefix('!') {
        Some(key) => Ok(Requirement::Missing(name(key)?)),
        None => Ok(Requirement::Exists(name(part)?)),
    }
}

/// One requirement on a field: where it is, its value, and whether it is wanted.
type FieldRequirement = (&'static str, String, bool);

/// Kinds that have field selectors beyond those that all have.
const MORE_FIELDS: [&str; 6] = ["Job", "Namespace", "Pod", "ReplicaSet", "Secret", "Service"];

/// A parsed field selector.
pub(super) struct FieldSelector(Vec<FieldRequirement>);

impl FieldSelector {
    pub(super) fn parse(text: &str, kind: &str) -> Result<Self, Refusal> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts.map(|part| field_requirement(part, kind)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let holds = |(pointer, value, wanted): &FieldRequirement| {
            (super::fields::text(object, pointer) == value) == *wanted
        };
        self.0.iter().all(holds)
    }
}

fn field_requirement(part: &str, kind: &str) -> Result<FieldRequirement, Refusal> {
    let (key, value, wanted) = match (part.split_once("!="), part.split_once('=')) {
        (Some((key, value)), _) => (key, value, false),
        (None, Some((key, value))) => (key, value.trim_start_matches('='), true),
        (None, None) => {
            let why = format!("invalid selector: '{part}'; can't understand '{part}'");
            return Err(Refusal::bad_request(why));
        }
    };
    let pointer = match key {
        "metadata.name" => "/metadata/name",
        "metadata.namespace" => "/metadata/namespace",
        other if MORE_FIELDS.contains(&kind) => {
            return Err(Refusal::not_modelled(&format!("the field selector {other}")));
        }
        other => {
            return Err(Refusal::bad_request(format!(
                "{other:?} is not a known field selector: only \"metadata.name\", \
                 \"metadata.namespace\""
            )));
        }
    };
    Ok((pointer, value.to_owned(), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_select() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
        let fits = |text: &str| Selector::parse(text).unwrap().matches(&object);
        assert!(fits("app=web,tier==front") && fits("app in (api, web),tier") && fits("!gone"));
        assert!(fits("app!=api") && fits("gone notin (a)") && fits(""));
        assert!(!fits("app=api") && !fits("app in (api)") && !fits("!app") && !fits("app,gone"));
        assert!(Selector::parse("app in").is_err() && Selector::parse("a(b)").is_err());
    }
}
