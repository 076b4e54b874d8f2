//! Both at once: the requests that a rule takes and those that a [`Match`]
//! names, as Istio writes it. Owns how two conditions become one; what cannot
//! be said as one condition is told, never widened.
//!
//! Istio's prefix of a path is one of its text, so `/beta` has `/better` out but
//! `/betamax` in; a prefix of whole elements is two conditions, the path itself
//! and all below it.

use crate::core::traffic::{Comparison, Match, PathComparison, PathMatch, ValueMatch};
use serde_json::{Map, Value, json};

/// A text that is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Exact(String),
    Prefix(String),
    Regex(String),
    /// Anything at all.
    Any,
}

impl Text {
    fn of(value: &Value) -> Self {
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        match (text("exact"), text("prefix"), text("regex")) {
            (Some(exact), ..) => Self::Exact(exact),
            (_, Some(prefix), _) => Self::Prefix(prefix),
            (.., Some(regex)) => Self::Regex(regex),
            _ => Self::Any,
        }
    }

    fn written(&self) -> Value {
        match self {
            Self::Exact(text) => json!({"exact": text}),
            Self::Prefix(text) => json!({"prefix": text}),
            Self::Regex(text) => json!({"regex": text}),
            Self::Any => json!({}),
        }
    }

    fn told(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => text,
            Self::Any => "anything",
        }
    }

    /// What is both; none if nothing is.
    fn and(&self, other: &Self) -> Result<Option<Self>, String> {
        use Text::{Any, Exact, Prefix};
        Ok(match (self, other) {
            (one, other) if one == other => Some(one.clone()),
            (Any, one) | (one, Any) => Some(one.clone()),
            (Exact(_), Exact(_)) => None,
            (Exact(text), Prefix(prefix)) | (Prefix(prefix), Exact(text)) => {
                text.starts_with(prefix.as_str()).then(|| Exact(text.clone()))
            }
            (Prefix(one), Prefix(other)) => {
                let (long, short) =
                    if one.len() < other.len() { (other, one) } else { (one, other) };
                long.starts_with(short.as_str()).then(|| Prefix(long.clone()))
            }
            (one, other) => {
                return Err(format!("{} and {} cannot be one condition", one.told(), other.told()));
            }
        })
    }
}

/// The matches of a rule, narrowed to those of `wanted`; empty if no request
/// can have both.
pub(super) fn narrowed(rule: &Value, wanted: &[Match]) -> Result<Vec<Value>, String> {
    let given = rule.get("match").and_then(Value::as_array).cloned().unwrap_or_default();
    let everything = [json!({})];
    let given: &[Value] = if given.is_empty() { &everything } else { &given };
    let mut all: Vec<Value> = Vec::new();
    for one in given {
        for wanted in wanted {
            for path in paths(wanted.path.as_ref()) {
                let both = both(one, path.as_ref(), wanted)?;
                all.extend(both.filter(|both| !all.contains(both)));
            }
        }
    }
    Ok(all)
}

/// The conditions that a path is one of.
fn paths(path: Option<&PathMatch>) -> Vec<Option<Text>> {
    let Some(PathMatch { comparison, value }) = path else { return vec![None] };
    let whole = value.trim_end_matches('/');
    match comparison {
        PathComparison::Exact => vec![Some(Text::Exact(value.clone()))],
        PathComparison::RegularExpression => vec![Some(Text::Regex(value.clone()))],
        PathComparison::PathPrefix if whole.is_empty() => vec![Some(Text::Prefix("/".to_owned()))],
        PathComparison::PathPrefix => {
            vec![Some(Text::Exact(whole.to_owned())), Some(Text::Prefix(format!("{whole}/")))]
        }
    }
}

/// One condition that is both; none if they exclude each other.
fn both(rule: &Value, path: Option<&Text>, wanted: &Match) -> Result<Option<Value>, String> {
    let mut one = rule.as_object().cloned().unwrap_or_default();
    // Its name is its own.
    one.remove("name");
    if let Some(path) = path {
        let whatever_case = one.get("ignoreUriCase").and_then(Value::as_bool).unwrap_or(false);
        let known = one.get("uri").map_or(Text::Any, Text::of);
        // Every path begins so.
        let known = if known == Text::Prefix("/".to_owned()) { Text::Any } else { known };
        if whatever_case && known != Text::Any {
            return Err(format!(
                "its rule is for {} in any case, and {} cannot be added",
                known.told(),
                path.told()
            ));
        }
        one.remove("ignoreUriCase");
        let path = if *path == Text::Prefix("/".to_owned()) { &Text::Any } else { path };
        match known.and(path).map_err(|why| format!("its rule is for a path already: {why}"))? {
            None => return Ok(None),
            Some(Text::Any) => {}
            Some(both) => drop(one.insert("uri".to_owned(), both.written())),
        }
    }
    for (field, values, any_case) in
        [("headers", &wanted.headers, true), ("queryParams", &wanted.query_params, false)]
    {
        let mut all = one.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
        for value in values {
            let Some(both) = compared(&all, value, any_case)? else { return Ok(None) };
            let name = if any_case { value.name.to_ascii_lowercase() } else { value.name.clone() };
            all.retain(|known, _| !same(known, &name, any_case));
            all.insert(name, both.written());
        }
        if !all.is_empty() {
            one.insert(field.to_owned(), Value::Object(all));
        }
    }
    Ok(Some(Value::Object(one)))
}

fn same(one: &str, other: &str, any_case: bool) -> bool {
    if any_case { one.eq_ignore_ascii_case(other) } else { one == other }
}

/// A named value with what is compared with it already.
fn compared(
    known: &Map<String, Value>,
    value: &ValueMatch,
    any_case: bool,
) -> Result<Option<Text>, String> {
    let wanted = match value.comparison {
        Comparison::Exact => Text::Exact(value.value.clone()),
        Comparison::RegularExpression => Text::Regex(value.value.clone()),
    };
    let known = known.iter().find(|(name, _)| same(name, &value.name, any_case));
    let Some((_, known)) = known else { return Ok(Some(wanted)) };
    Text::of(known).and(&wanted).map_err(|why| format!("it compares {} already: {why}", value.name))
}
