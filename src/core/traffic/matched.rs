//! Both at once: the requests that a route's rule takes and those that a
//! [`Match`] names, as Gateway API writes it. Owns how two conditions become
//! one; what cannot be said as one condition is told, never widened.

use super::{Comparison, Match, PathComparison, PathMatch, ValueMatch};
use serde_json::{Value, json};

/// A rule of Gateway API holds so many matches.
const MOST: usize = 64;

/// The matches of a rule, narrowed to those of `wanted`; empty if no request
/// can have both.
///
/// # Errors
/// In words: what one rule cannot say.
pub(super) fn narrowed(rule: &Value, wanted: &[Match]) -> Result<Vec<Value>, String> {
    let given = rule.get("matches").and_then(Value::as_array).cloned().unwrap_or_default();
    let everything = [json!({})];
    let given: &[Value] = if given.is_empty() { &everything } else { &given };
    let mut all = Vec::new();
    for one in given {
        for wanted in wanted {
            all.extend(both(one, wanted)?);
        }
    }
    if all.len() > MOST {
        return Err(format!("a rule would have {} matches, more than {MOST}", all.len()));
    }
    Ok(all)
}

/// One condition that is both; none if they exclude each other.
fn both(rule: &Value, wanted: &Match) -> Result<Option<Value>, String> {
    let mut one = rule.clone();
    if let Some(path) = &wanted.path {
        match paths(rule.get("path"), path)? {
            Some(path) => one["path"] = path,
            None => return Ok(None),
        }
    }
    for (field, values, any_case) in
        [("headers", &wanted.headers, true), ("queryParams", &wanted.query_params, false)]
    {
        let mut list = rule.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        for value in values {
            let known = list.iter().find(|known| {
                let name = known.get("name").and_then(Value::as_str).unwrap_or_default();
                if any_case { name.eq_ignore_ascii_case(&value.name) } else { name == value.name }
            });
            match known {
                None => list.push(written(value)),
                Some(known) if same(known, value) => {}
                Some(known) if exact(known) && value.comparison == Comparison::Exact => {
                    return Ok(None);
                }
                Some(_) => {
                    return Err(format!(
                        "it compares {} already, and one condition compares it once",
                        value.name
                    ));
                }
            }
        }
        if !list.is_empty() {
            one[field] = Value::Array(list);
        }
    }
    Ok(Some(one))
}

fn written(value: &ValueMatch) -> Value {
    let kind = match value.comparison {
        Comparison::Exact => "Exact",
        Comparison::RegularExpression => "RegularExpression",
    };
    json!({"type": kind, "name": value.name, "value": value.value})
}

fn text<'a>(value: &'a Value, field: &str, default: &'a str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or(default)
}

fn exact(known: &Value) -> bool {
    text(known, "type", "Exact") == "Exact"
}

fn same(known: &Value, value: &ValueMatch) -> bool {
    exact(known) == (value.comparison == Comparison::Exact)
        && text(known, "value", "") == value.value
}

/// Both paths as one; none if no path is both.
fn paths(rule: Option<&Value>, wanted: &PathMatch) -> Result<Option<Value>, String> {
    let kind = |comparison| match comparison {
        PathComparison::Exact => "Exact",
        PathComparison::PathPrefix => "PathPrefix",
        PathComparison::RegularExpression => "RegularExpression",
    };
    let narrow = json!({"type": kind(wanted.comparison), "value": wanted.value});
    let Some(rule) = rule else { return Ok(Some(narrow)) };
    let (of_rule, path) = (text(rule, "type", "PathPrefix"), text(rule, "value", "/"));
    if of_rule == "PathPrefix" && path == "/" {
        return Ok(Some(narrow));
    }
    let regular = "RegularExpression";
    if of_rule == kind(wanted.comparison) && path == wanted.value {
        return Ok(Some(narrow));
    }
    if of_rule == regular || wanted.comparison == PathComparison::RegularExpression {
        return Err(format!(
            "its rule is for {path} already, and {} cannot be added",
            wanted.value
        ));
    }
    let wanted_is_prefix = wanted.comparison == PathComparison::PathPrefix;
    Ok(match (of_rule == "PathPrefix", wanted_is_prefix) {
        // The narrower of both, if one is inside the other.
        (true, _) if within(&wanted.value, path) => Some(narrow),
        (_, true) if within(path, &wanted.value) => Some(rule.clone()),
        _ => None,
    })
}

/// Whether a path begins with the elements of a prefix.
fn within(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Match {
        let value = ValueMatch {
            comparison: Comparison::Exact,
            name: name.to_owned(),
            value: value.to_owned(),
        };
        Match { headers: vec![value], ..Match::default() }
    }

    fn path(comparison: PathComparison, value: &str) -> Match {
        let path = PathMatch { comparison, value: value.to_owned() };
        Match { path: Some(path), ..Match::default() }
    }

    #[test]
    fn a_rule_for_everything_takes_what_is_wanted() {
        let wanted = [header("user-agent", "foo"), path(PathComparison::Exact, "/beta")];
        let user_agent = json!({"type": "Exact", "name": "user-agent", "value": "foo"});
        assert_eq!(
            narrowed(&json!({}), &wanted).unwrap(),
            [
                json!({"headers": [user_agent]}),
                json!({"path": {"type": "Exact", "value": "/beta"}}),
            ]
        );
    }

    #[test]
    fn the_narrower_path_counts_and_what_excludes_itself_is_left_out() {
        use PathComparison::{Exact, PathPrefix, RegularExpression};
        let rule = |kind: &str, value: &str| json!({"matches": [{"path": {"type": kind, "value": value}}]});
        let says = |rule: Value, wanted: Match| {
            let all = narrowed(&rule, &[wanted]).unwrap();
            all.first().map(|one| one["path"]["value"].as_str().unwrap().to_owned())
        };
        let prefix = || rule("PathPrefix", "/shop");
        assert_eq!(says(prefix(), path(PathPrefix, "/shop/beta")).unwrap(), "/shop/beta");
        assert_eq!(says(prefix(), path(Exact, "/shop")).unwrap(), "/shop");
        assert_eq!(says(prefix(), path(PathPrefix, "/")).unwrap(), "/shop");
        assert_eq!(says(prefix(), path(PathPrefix, "/shopping")), None);
        assert_eq!(says(rule("Exact", "/a/b"), path(PathPrefix, "/a")).unwrap(), "/a/b");
        assert_eq!(says(rule("Exact", "/a"), path(Exact, "/b")), None);
        assert!(narrowed(&prefix(), &[path(RegularExpression, "/.*")]).is_err());
    }

    #[test]
    fn one_header_is_compared_once() {
        let with = |kind: &str, value: &str| {
            json!({"matches": [{"headers": [
                {"type": kind, "name": "X-Version", "value": value},
            ]}]})
        };
        let wanted = [header("x-version", "2")];
        assert_eq!(narrowed(&with("Exact", "2"), &wanted).unwrap().len(), 1);
        assert!(narrowed(&with("Exact", "1"), &wanted).unwrap().is_empty());
        assert!(narrowed(&with("RegularExpression", "[12]"), &wanted).is_err());
        let many: Vec<Match> = (0..65).map(|i| header("n", &i.to_string())).collect();
        assert!(narrowed(&json!({}), &many).unwrap_err().contains("65 matches"));
    }
}
