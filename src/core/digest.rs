//! Digests over canonical bytes. Owns the one way in which a value becomes a
//! digest; it must never depend on map order, platform or crate features.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fmt;

/// A SHA-256 digest in the form `sha256:<64 lower-case hex digits>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of `value`'s canonical bytes, preceded by a line that names
    /// the kind and version of what is digested (`tranche-revision-v1`), so
    /// that digests of different things, or of different versions of the same
    /// thing, never coincide.
    #[must_use]
    pub fn of(domain: &str, value: &Value) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(domain.as_bytes());
        bytes.push(b'\n');
        write_canonical(value, &mut bytes);
        Self::of_bytes(&bytes)
    }

    /// The digest of a list of values: as [`Self::of`] the array of them, which
    /// need not be put together for it.
    #[must_use]
    pub fn of_all<'v>(domain: &str, values: impl IntoIterator<Item = Cow<'v, Value>>) -> Self {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend_from_slice(domain.as_bytes());
        let mut before = b"\n[".as_slice();
        for value in values {
            bytes.extend_from_slice(before);
            write_canonical(&value, &mut bytes);
            before = b",";
        }
        if before != b"," {
            bytes.extend_from_slice(before);
        }
        bytes.push(b']');
        Self::of_bytes(&bytes)
    }

    /// The digest of raw bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in hash {
            text.extend([hex(byte >> 4), hex(byte & 0xf)]);
        }
        Self(text)
    }

    /// The whole digest, prefix included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, for people and for object annotations.
    #[must_use]
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        hex.get(..12).unwrap_or(hex)
    }
}

fn hex(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or('0')
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes `value` as JSON without spaces and with object keys sorted by their
/// bytes, whatever order the map keeps.
pub fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            if map.keys().is_sorted() {
                write_entries(map.iter(), out);
            } else {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                write_entries(entries.into_iter(), out);
            }
        }
        Value::String(text) => write_text(text, out),
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

fn write_entries<'v>(entries: impl Iterator<Item = (&'v String, &'v Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (i, (key, value)) in entries.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_text(key, out);
        out.push(b':');
        write_canonical(value, out);
    }
    out.push(b'}');
}

/// A JSON string; most have nothing to escape.
fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(Value::from(text).to_string().as_bytes());
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter_and_the_domain_does() {
        let a: Value = serde_json::from_str(r#"{"b":1,"a":[true,null,"x"]}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":[true,null,"x"],"b":1}"#).unwrap();
        assert_eq!(Digest::of("v1", &a), Digest::of("v1", &b));
        assert_ne!(Digest::of("v1", &a), Digest::of("v2", &a));
        for list in [json!([]), json!([1]), json!([a, "x", null])] {
            let items = list.as_array().unwrap().iter().map(Cow::Borrowed);
            assert_eq!(Digest::of_all("v1", items), Digest::of("v1", &list));
        }
    }

    #[test]
    fn the_canonical_form_is_pinned() {
        let mut out = Vec::new();
        write_canonical(&json!({"z": "é\n", "a": {"k": 1.5}}), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a\":{\"k\":1.5},\"z\":\"é\\n\"}");
    }
}
