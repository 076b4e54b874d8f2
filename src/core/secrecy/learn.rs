//! What of an object or a plan file a veil learns. Owns which values count as
//! secret, in which spellings they may turn up; it must never keep one.

use super::name::{NAMES_A_KEY, OUTSIDE, looks_secret};
use super::shape::harmless;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// The shortest piece of a longer value that is hidden on its own.
const PIECE: usize = 16;

/// The shortest line of a longer value that is hidden on its own.
const LINE: usize = 20;

/// The longest part of a value that is known as one.
pub(super) const CHUNK: usize = 128;

/// How much of a value is known at most.
const LONGEST: usize = 16 * 1024;

/// The secret values of an object of the kind that was asked for or sent.
pub(super) fn secrets_of(asked: &str, object: &Value, found: &mut Vec<String>) {
    if let Some(items) = object.get("items").and_then(Value::as_array) {
        let of_list = asked.strip_suffix("List").unwrap_or(asked);
        items.iter().for_each(|item| secrets_of(of_list, item, found));
    }
    let echoed = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if asked == "Secret" || echoed == "Secret" {
        for field in ["data", "stringData"] {
            match object.get(field) {
                Some(Value::Object(map)) => {
                    map.values().for_each(|value| secret(value, field == "data", found));
                }
                Some(value) => secret(value, field == "data", found),
                None => {}
            }
        }
    }
    let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    named(object, version.starts_with(OUTSIDE), found, 0);
}

fn secret(value: &Value, encoded: bool, found: &mut Vec<String>) {
    let Some(text) = value.as_str() else { return };
    found.push(text.to_owned());
    if encoded
        && let Ok(bytes) = STANDARD.decode(text.trim())
        && let Ok(plain) = String::from_utf8(bytes)
    {
        found.push(plain);
    }
}

/// Values under names of secrets, and copies of objects in annotations.
fn named(value: &Value, outside: bool, found: &mut Vec<String>, depth: usize) {
    if depth > 64 {
        return;
    }
    match value {
        Value::Object(map) => {
            let variable = map.get("name").and_then(Value::as_str).is_some_and(looks_secret);
            if variable && let Some(text) = map.get("value").and_then(Value::as_str) {
                found.push(text.to_owned());
            }
            for (key, value) in map {
                match value.as_str() {
                    Some(copy) if key.ends_with("last-applied-configuration") => {
                        if let Ok(copy) = serde_json::from_str::<Value>(copy) {
                            secrets_of("", &copy, found);
                        }
                    }
                    Some(_) if outside && key == NAMES_A_KEY => {}
                    Some(text) if looks_secret(key) && !harmless(text) => {
                        found.push(text.to_owned());
                    }
                    _ => named(value, outside, found, depth + 1),
                }
            }
        }
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().unwrap_or_default());
            let mut option = false;
            for text in texts {
                match text.split_once('=') {
                    Some((name, value)) if text.starts_with('-') && looks_secret(name) => {
                        found.push(value.to_owned());
                    }
                    _ if option && !text.starts_with('-') => found.push(text.to_owned()),
                    _ => {}
                }
                option = text.starts_with('-') && !text.contains('=') && looks_secret(text);
            }
            items.iter().for_each(|item| named(item, outside, found, depth + 1));
        }
        _ => {}
    }
}

/// The secret values of a YAML text that may not even be YAML: what stands
/// behind names of secrets, behind every name below the `data` and `stringData`
/// of a Secret or of one that the trait `storage` makes, and what a JSON patch
/// sets there. Names of objects go to `open`.
pub(super) fn secrets_of_text(text: &str, found: &mut Vec<String>, open: &mut Vec<String>) {
    let mut documents = vec![Vec::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            documents.push(Vec::new());
        } else if let Some(document) = documents.last_mut() {
            document.push(line);
        }
    }
    for lines in documents {
        let of_secret = lines.iter().any(|line| {
            let kind = |part: &str| matches!(pair(part), Some(("kind", k)) if bare(k) == "Secret");
            parts(line).into_iter().any(|(_, part)| kind(part))
        });
        let outside = lines.iter().any(|line| line.contains(OUTSIDE));
        // Whether the line before says that a value follows, and is in base64.
        let mut named: Option<bool> = None;
        // How deep the `data` stands that lines are in.
        let mut inside: Option<(usize, bool)> = None;
        // How deep a list of Secrets of the trait stands, if lines are in one.
        let mut storage: Option<usize> = None;
        for (depth, line) in lines.iter().flat_map(|line| parts(line)) {
            let item = line.trim_start().starts_with('-');
            if storage.is_some_and(|start| depth < start || (depth == start && !item)) {
                storage = None;
            }
            if inside.is_some_and(|(start, _)| depth <= start) {
                inside = None;
            }
            match pair(line) {
                Some(("secret", "")) => storage = Some(depth),
                Some((name @ ("data" | "stringData"), ""))
                    if of_secret || storage.is_some() || name == "stringData" =>
                {
                    inside = Some((depth, name == "data"));
                }
                Some((NAMES_A_KEY, _)) if outside => {}
                Some((name, value)) if inside.is_some() || looks_secret(name) => {
                    learn_scalar(value, inside.is_some_and(|(_, encoded)| encoded), found);
                }
                Some(("value", value)) if named.is_some() => {
                    learn_scalar(value, named == Some(true), found);
                }
                Some(("name" | "namespace", value)) => open.push(bare(value).to_owned()),
                // A line of a block of text.
                None if inside.is_some() => found.push(line.trim().to_owned()),
                _ => {}
            }
            named = match pair(line) {
                Some(("name", value)) => looks_secret(bare(value)).then_some(false),
                Some(("path", value)) => patches_secret(bare(value), of_secret),
                _ => None,
            };
        }
    }
}

/// Whether a JSON pointer leads to a secret value, and to one in base64.
fn patches_secret(pointer: &str, of_secret: bool) -> Option<bool> {
    if pointer.starts_with("/data/") && of_secret {
        return Some(true);
    }
    let last = pointer.strip_prefix('/')?.rsplit('/').next()?;
    (pointer.starts_with("/stringData/") || looks_secret(last)).then_some(false)
}

fn bare(value: &str) -> &str {
    value.trim_matches(['"', '\''])
}

/// A line with how deep it stands; one in flow style in its pieces, of which
/// each stands deeper than the one before.
fn parts(line: &str) -> Vec<(usize, &str)> {
    if line.trim().is_empty() {
        return Vec::new();
    }
    let depth = line.len() - line.trim_start().len();
    if !line.contains('{') {
        return vec![(depth, line)];
    }
    let pieces = line.split(['{', '}', ',', '[', ']']).filter(|piece| !piece.trim().is_empty());
    pieces.enumerate().map(|(i, piece)| (depth + i, piece)).collect()
}

/// The name and value of a line `name: value`.
fn pair(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().trim_start_matches("- ").trim_start();
    let (name, value) = line.split_once(':')?;
    let name = name.trim().trim_matches(['"', '\'']);
    let plain = !name.is_empty() && !name.contains([' ', '{', '}']);
    (plain && (value.is_empty() || value.starts_with([' ', '\t']))).then_some((name, value.trim()))
}

fn learn_scalar(value: &str, encoded: bool, found: &mut Vec<String>) {
    let bare = value.split(" #").next().unwrap_or(value).trim();
    let bare = bare.trim_end_matches(',').trim_matches(['"', '\'']);
    if harmless(bare) || bare.starts_with(['{', '[', '|', '>', '&', '*']) {
        return;
    }
    secret(&Value::String(bare.to_owned()), encoded, found);
}

/// A value in every spelling in which it may turn up, and its longer pieces.
/// Long values are told in parts, so that what is known stays small.
pub(super) fn spellings(value: &str) -> Vec<String> {
    let value = value.get(..floor(value, LONGEST)).unwrap_or_default();
    let trimmed = value.trim();
    let mut all: Vec<String> = Vec::new();
    for plain in [value, trimmed] {
        for part in chunks(plain) {
            let quoted = Value::String(part.to_owned()).to_string();
            all.push(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned());
            all.push(percent(part));
            all.push(part.to_owned());
        }
        // What follows a long beginning in these is hidden with it.
        let begin = |text: &str| text.get(..text.len().min(CHUNK)).unwrap_or_default().to_owned();
        let start = plain.get(..floor(plain, CHUNK)).unwrap_or_default();
        all.push(begin(STANDARD.encode(start).trim_end_matches('=')));
        all.push(begin(&URL_SAFE_NO_PAD.encode(start)));
        all.push(begin(&start.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()));
    }
    if value.contains(['\n', '\r', ' ', '"', ',']) && trimmed.len() > PIECE {
        let signs = |c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c));
        // Words of a text are no secrets; what has digits or capitals may be.
        let telling =
            |text: &&str| text.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
        let pieces = value.split(signs).filter(|piece| piece.len() >= PIECE).filter(telling);
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE).filter(telling);
        all.extend(pieces.chain(lines).flat_map(chunks).map(str::to_owned));
    }
    all.sort();
    all.dedup();
    all
}

/// A text in parts of a bounded length.
fn chunks(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    // A short end says nothing on its own: it stays with what is before it.
    while rest.len() > CHUNK + PIECE {
        let (part, after) = rest.split_at(floor(rest, CHUNK));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// The greatest boundary of a character up to `most`.
fn floor(text: &str, most: usize) -> usize {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_found_where_they_stand() {
        let mut found = Vec::new();
        let copy = json!({"kind": "Secret", "stringData": {"x": "in-copy"}}).to_string();
        let object = json!({"kind": "X", "metadata": {"annotations":
            {"kubectl.kubernetes.io/last-applied-configuration": copy}},
            "data": {"a": "aHVudGVyMg=="}, "spec": {"env": [{"name": "A_TOKEN", "value": "of-env"}],
            "args": ["--token", "of-arg", "--password=of-eq", "--name", "web"], "secretName": "no"}});
        secrets_of("Secret", &object, &mut found);
        for wanted in ["aHVudGVyMg==", "hunter2", "in-copy", "of-env", "of-arg", "of-eq"] {
            assert!(found.iter().any(|text| text == wanted), "{wanted}: {found:?}");
        }
        assert!(!found.iter().any(|text| text == "web" || text == "no"), "{found:?}");
    }

    #[test]
    fn secrets_of_a_trait_and_of_patches_are_found() {
        let mut found = Vec::new();
        let text = "kind: Application\nspec:\n  storage:\n    configMap:\n    - data:\n        a: plain\n    \
            secret:\n    - name: s\n      data:\n        a: b25l\n      stringData: {b: two}\n    \
            emptyDir:\n    - data: plain\n---\n- op: add\n  path: /stringData/x\n  value: three\n\
            - {op: replace, path: /spec/a/password, value: four}\n- path: /data/colour\n  \
            value: green\n---\ntarget: {kind: Secret}\npatch:\n- path: /data/a\n  value: Zml2ZQ==\n";
        secrets_of_text(text, &mut found, &mut Vec::new());
        assert_eq!(found, ["b25l", "one", "two", "three", "four", "Zml2ZQ==", "five"]);
    }

    #[test]
    fn secrets_of_a_broken_file_are_found_too() {
        let mut found = Vec::new();
        let text = "kind: ConfigMap\ndata:\n  a: plain\n---\nkind: Secret\nstringData:\n  a: one\n  \
            b: |\n    two\n  broken: [\n---\nspec:\n  password: three # why\n  env:\n  - name: X_TOKEN\n    \
            value: \"four\"\n  - name: MODE\n    value: fast\n  - {name: Y_TOKEN, value: five}\n---\n\
            {kind: Secret, metadata: {name: s}, data: {a: c2l4}}\n";
        let mut open = Vec::new();
        secrets_of_text(text, &mut found, &mut open);
        assert_eq!(found, ["one", "two", "three", "four", "five", "c2l4", "six"]);
        assert_eq!(open, ["X_TOKEN", "MODE", "Y_TOKEN", "s"]);
    }
}
