//! The filters that templates have. Owns that each accounts for the text it
//! makes before it makes it.

use super::environment::{scalar, undefined};
use super::meter::{Meter, refuse};
use super::yaml_text;
use crate::core::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error, filters};

/// Adds every filter to `env`, on account of `meter`.
pub(super) fn install(env: &mut Environment<'static>, meter: &Meter) {
    add_text(env, meter);
    add_encodings(env, meter);
    env.add_filter("default", |value: Value, other: Option<Value>| {
        let missing = value.is_undefined() || value.is_none();
        if missing { other.unwrap_or_else(|| Value::from("")) } else { value }
    });
    env.add_filter("required", |value: Value, message: String| {
        let missing = value.is_undefined() || value.is_none();
        if missing { Err(refuse(message)) } else { Ok(value) }
    });
    env.add_filter("fail", |message: String| Err::<Value, Error>(refuse(message)));
    env.add_filter("add", |value: i64, other: i64| {
        value.checked_add(other).ok_or_else(|| refuse("the sum is too large"))
    });
    env.add_filter("items", items);
    env.add_filter("int", filters::int);
    env.add_filter("length", filters::length);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("sort", filters::sort);
    env.add_filter("unique", filters::unique);
    env.add_filter("map", filters::map);
    env.add_filter("select", filters::select);
    env.add_filter("reject", filters::reject);
    env.add_filter("selectattr", filters::selectattr);
    env.add_filter("rejectattr", filters::rejectattr);
}

fn add_text(env: &mut Environment<'static>, meter: &Meter) {
    let of = |change: fn(&str) -> String| {
        let meter = meter.clone();
        move |value: Value| {
            let text = scalar(&value)?;
            meter.take(text.len())?;
            Ok::<String, Error>(change(&text))
        }
    };
    env.add_filter("string", of(str::to_owned));
    env.add_filter("trim", of(|text| text.trim().to_owned()));
    env.add_filter("lower", of(str::to_lowercase));
    env.add_filter("upper", of(str::to_uppercase));
    let account = meter.clone();
    env.add_filter("cat", move |value: Value, rest: Rest<Value>| {
        let mut parts = vec![scalar(&value)?];
        for part in rest.iter() {
            parts.push(scalar(part)?);
        }
        account.take(parts.iter().map(String::len).sum())?;
        Ok::<String, Error>(parts.concat())
    });
    let account = meter.clone();
    env.add_filter("replace", move |value: String, from: String, to: String| {
        let found = value.matches(&from).count();
        account.take(value.len().saturating_add(found.saturating_mul(to.len())))?;
        Ok::<String, Error>(value.replace(&from, &to))
    });
    let account = meter.clone();
    env.add_filter("join", move |value: Value, joiner: Option<String>| {
        let joiner = joiner.unwrap_or_default();
        let mut parts = Vec::new();
        for part in value.try_iter()? {
            let part = scalar(&part)?;
            account.take(part.len() + joiner.len())?;
            parts.push(part);
        }
        Ok::<String, Error>(parts.join(&joiner))
    });
    let account = meter.clone();
    env.add_filter("indent", move |value: String, width: usize| {
        let lines = value.matches('\n').count();
        account.take(value.len().saturating_add(lines.saturating_mul(width)))?;
        Ok::<String, Error>(value.replace('\n', &format!("\n{}", " ".repeat(width.min(1_000)))))
    });
}

fn add_encodings(env: &mut Environment<'static>, meter: &Meter) {
    let account = meter.clone();
    env.add_filter("to_json", move |value: Value| {
        let text = plain(&value)?.to_string();
        account.take(text.len())?;
        Ok::<String, Error>(text)
    });
    let account = meter.clone();
    env.add_filter("to_exact_json", move |value: Value| {
        let text = exact(&value)?.to_string();
        account.take(text.len())?;
        Ok::<String, Error>(text)
    });
    let account = meter.clone();
    env.add_filter("to_yaml", move |value: Value| {
        let text = yaml_text::write(&plain(&value)?);
        account.take(text.len())?;
        Ok::<String, Error>(text)
    });
    let account = meter.clone();
    env.add_filter("quote", move |value: Value| {
        let text = scalar(&value)?;
        account.take(text.len() + 2)?;
        Ok::<String, Error>(serde_json::Value::String(text).to_string())
    });
    let account = meter.clone();
    env.add_filter("b64encode", move |value: Value| {
        let text = scalar(&value)?;
        account.take(text.len().saturating_mul(2))?;
        Ok::<String, Error>(STANDARD.encode(text.as_bytes()))
    });
    env.add_filter("sha256", |value: Value| {
        let digest = Digest::of_bytes(scalar(&value)?.as_bytes());
        Ok::<String, Error>(digest.as_str().trim_start_matches("sha256:").to_owned())
    });
}

/// The pairs of a map, sorted by key.
fn items(value: &Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Map {
        return Err(refuse("`items` needs a map"));
    }
    let mut pairs = Vec::new();
    for key in value.try_iter()? {
        let inner = value.get_item(&key)?;
        pairs.push((scalar(&key)?, inner));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let pair = |(key, inner): (String, Value)| Value::from(vec![Value::from(key), inner]);
    Ok(pairs.into_iter().map(pair).collect())
}

/// A template's value as JSON without the map entries that are none.
fn plain(value: &Value) -> Result<serde_json::Value, Error> {
    let mut json = exact(value)?;
    super::object::drop_nulls(&mut json);
    Ok(json)
}

/// A template's value as JSON: in a patch null says something.
fn exact(value: &Value) -> Result<serde_json::Value, Error> {
    if value.is_undefined() {
        return Err(undefined(value));
    }
    serde_json::to_value(value).map_err(|_| refuse("is no plain data"))
}
