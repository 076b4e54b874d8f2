//! JSON on a terminal. It stays the same JSON: what would be a command is
//! written as `\uXXXX`, which only ever stands inside of a text.

use super::{Escaped, Terminal, is_control};
use crate::core::secrecy::RedactedJson;

impl Escaped<Terminal> {
    /// A JSON document over several lines.
    #[must_use]
    pub fn json(value: &RedactedJson) -> Self {
        let text = serde_json::to_string_pretty(value.as_value()).unwrap_or_default();
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if c == '\n' || !is_control(c) {
                out.push(c);
                continue;
            }
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
        for mark in ["##vso[", "##teamcity[", "##["] {
            let rest = mark.get(1..).unwrap_or_default();
            out = out.replace(mark, &format!("\\u0023{rest}"));
        }
        Self::passed(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::secrecy::Veil;
    use serde_json::{Value, json};

    #[test]
    fn it_is_the_same_json() {
        let value = json!({"a\u{202e}": ["\u{1b}[2J\u{9b}", "##vso[x]##[y]", "\u{e0001}", "::x"]});
        let got = Escaped::json(&Veil::new().json(&value));
        assert_eq!(serde_json::from_str::<Value>(got.as_str()).unwrap(), value);
        assert!(!got.as_str().contains(['\u{202e}', '\u{1b}', '\u{9b}', '\u{e0001}']));
        assert!(!got.as_str().contains("##"));
    }
}
