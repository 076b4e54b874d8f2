//! What is known to be secret in this run, and the way of every text past it.
//! Owns replacing; the time is linear in the text, whatever is known.

use super::REDACTED;
use super::learn::{CHUNK, secrets_of, secrets_of_text, spellings};
use super::shape::without_shapes;
use super::text::{Redacted, RedactedJson};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter values are hidden only where they stand in an object: in a text
/// they are everywhere.
const SHORTEST: usize = 4;

/// From this length on a value is hidden in the middle of a word too.
const LONG: usize = 12;

/// Values that tell nothing and stand everywhere.
const TELLING_NOTHING: &[&str] = &[
    "true",
    "false",
    "null",
    "none",
    "default",
    "enabled",
    "disabled",
    "admin",
    "root",
    "user",
    "test",
    "postgres",
    "mysql",
    "redis",
    "localhost",
    "http",
    "https",
    "info",
    "debug",
    "prod",
    "production",
    "staging",
    "development",
    "main",
    "name",
    "kind",
    "data",
    "secret",
    "password",
    "token",
    "opaque",
    "production",
    "utf-8",
    "value",
    "username",
];

/// A handle on what is known to be secret; clones know the same.
#[derive(Clone, Default)]
pub struct Veil(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    values: BTreeSet<String>,
    /// Names that the plan shows openly; a secret of the same text is none.
    open: BTreeSet<String>,
    fresh: Vec<String>,
    /// Automatons of falling size: learning one more value rebuilds a small
    /// one, and each value is built in a logarithmic number of times.
    levels: Vec<Level>,
}

struct Level {
    values: Vec<String>,
    search: AhoCorasick,
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil")
    }
}

impl Veil {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns a value in all its spellings.
    pub fn learn(&self, value: &str) {
        self.with(|known| known.learn(value));
    }

    /// Learns the secret values of an object of the kind that was asked for
    /// or sent.
    pub fn learn_object(&self, asked: &str, object: &Value) {
        let mut found = Vec::new();
        secrets_of(asked, object, &mut found);
        self.with(|known| found.iter().for_each(|value| known.learn(value)));
    }

    /// Learns the secret values of a plan file, be it valid or not.
    pub fn learn_file(&self, text: &str) {
        let (mut found, mut open) = (Vec::new(), Vec::new());
        secrets_of_text(text, &mut found, &mut open);
        self.with(|known| {
            open.iter().for_each(|name| known.leave(name));
            found.iter().for_each(|value| known.learn(value));
        });
    }

    /// Learns what opens a remote, if its URL says so.
    pub fn learn_url(&self, url: &str) {
        let Some((_, rest)) = url.split_once("://") else { return };
        let authority = rest.split('/').next().unwrap_or(rest);
        let Some((user, _)) = authority.rsplit_once('@') else { return };
        match user.split_once(':') {
            Some((_, password)) => self.learn(password),
            None if url.starts_with("http") => self.learn(user),
            None => {}
        }
    }

    /// Takes a name as one that everybody sees: a value of a Secret that is
    /// no more than that hides nothing.
    pub fn leave(&self, name: &str) {
        self.with(|known| known.leave(name));
    }

    /// As [`Veil::text`], but none if the veil is in use by whoever has just
    /// failed: for a last word only.
    #[must_use]
    pub fn last_text(&self, text: &str) -> Option<Redacted> {
        let known = self.0.try_lock().ok()?.hide(text);
        Some(Redacted::passed(without_shapes(&known).into_owned()))
    }

    /// A text with nothing in it that is known, or looks, secret.
    #[must_use]
    pub fn text(&self, text: &str) -> Redacted {
        Redacted::passed(self.pass(text))
    }

    /// A JSON value, none of whose names and texts holds a secret.
    #[must_use]
    pub fn json(&self, value: &Value) -> RedactedJson {
        RedactedJson::passed(self.pass_json(value))
    }

    fn pass_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.pass(text)),
            Value::Array(items) => items.iter().map(|item| self.pass_json(item)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, value)| (self.pass(key), self.pass_json(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn pass(&self, text: &str) -> String {
        let known = self.with(|known| known.hide(text));
        without_shapes(&known).into_owned()
    }

    fn with<T>(&self, what: impl FnOnce(&mut Known) -> T) -> T {
        // What a run that panicked had learned is as secret as before.
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn leave(&mut self, name: &str) {
        if self.open.insert(name.to_owned()) && self.values.remove(name) {
            self.rebuild();
        }
    }

    fn learn(&mut self, value: &str) {
        let bare = value.trim();
        let nothing = bare.len() < SHORTEST
            || TELLING_NOTHING.contains(&bare.to_lowercase().as_str())
            || (bare.len() < LONG && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            || bare.starts_with("<redacted")
            || self.open.contains(bare)
            || self.values.contains(value);
        if nothing {
            return;
        }
        self.values.insert(value.to_owned());
        let spelled = spellings(value).into_iter().filter(|text| text.len() >= SHORTEST);
        self.fresh.extend(spelled);
    }

    fn rebuild(&mut self) {
        self.levels.clear();
        self.fresh = self.values.iter().flat_map(|value| spellings(value)).collect();
        self.fresh.retain(|text| text.len() >= SHORTEST && !self.open.contains(text));
    }

    fn settle(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let mut values = std::mem::take(&mut self.fresh);
        while self.levels.last().is_some_and(|level| level.values.len() <= 2 * values.len()) {
            values.extend(self.levels.pop().map(|level| level.values).unwrap_or_default());
        }
        values.sort();
        values.dedup();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&values);
        match search {
            Ok(search) => self.levels.push(Level { values, search }),
            // Too many states for one automaton: two of half the size.
            Err(_) => {
                let half = values.split_off(values.len() / 2);
                for values in [values, half] {
                    if let Ok(search) = AhoCorasick::new(&values) {
                        self.levels.push(Level { values, search });
                    }
                }
            }
        }
    }

    fn hide(&mut self, text: &str) -> String {
        self.settle();
        let mut places: Vec<(usize, usize)> = Vec::new();
        for level in &self.levels {
            for found in level.search.find_overlapping_iter(text) {
                let (start, mut end) = (found.start(), found.end());
                // The beginning of a value that is not known to its end.
                if end - start >= CHUNK {
                    end = end_of_run(text, end);
                }
                if end - start >= LONG || stands_alone(text, start, end) {
                    places.push((start, end));
                }
            }
        }
        if places.is_empty() {
            return text.to_owned();
        }
        places.sort_unstable();
        let (mut out, mut done) = (String::with_capacity(text.len()), 0);
        let mut hidden: Option<usize> = None;
        for (start, end) in places {
            if hidden.is_none_or(|until| start > until) {
                out.push_str(text.get(done..start).unwrap_or_default());
                out.push_str(REDACTED);
            }
            done = done.max(end);
            hidden = Some(done);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }
}

/// Where the signs of base64 and hexadecimal end that begin at `start`.
fn end_of_run(text: &str, start: usize) -> usize {
    let run = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    start + text.as_bytes().iter().skip(start).take_while(|byte| run(byte)).count()
}

/// Whether a match is a whole word.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    !word(before) && !word(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    #[test]
    fn a_known_value_is_hidden_in_every_spelling() {
        let veil = Veil::new();
        let value = "p\"a ss/w=ord\n9!";
        veil.learn(value);
        for text in [
            format!("x{value}y"),
            STANDARD.encode(value),
            json!(value).to_string(),
            "70226120".to_owned() + "73732f773d6f72640a3921",
            "p%22a%20ss%2Fw%3Dord%0A9%21".to_owned(),
        ] {
            let got = veil.text(&format!("before {text} after"));
            assert!(got.as_str().contains(REDACTED), "{text}: {got}");
            assert!(got.as_str().starts_with("before ") && got.as_str().ends_with(" after"));
        }
    }

    #[test]
    fn long_values_are_hidden_to_their_end_and_line_by_line() {
        let veil = Veil::new();
        let line = |i: usize| format!("  entry {i} has Value-{i:04} in it, and \u{e9} too");
        let long: String = (0..100).map(|i| line(i) + "\n").collect();
        veil.learn(&long);
        for text in [
            long.clone(),
            STANDARD.encode(&long),
            json!(long).to_string(),
            long.bytes().map(|byte| format!("{byte:02x}")).collect(),
            long.replace('\n', "\n+     "),
        ] {
            let got = veil.text(&format!("before: {text} :after"));
            assert!(got.as_str().contains(REDACTED) && !got.as_str().contains("entry"), "{got}");
            assert!(!got.as_str().contains("Value"), "{got}");
            assert!(got.as_str().starts_with("before: ") && got.as_str().ends_with(":after"));
        }
        assert!(
            spellings(&"x1".repeat(1_000_000)).iter().map(String::len).sum::<usize>() < 100_000
        );
    }

    #[test]
    fn short_values_are_hidden_as_words_and_telling_ones_are_not() {
        let veil = Veil::new();
        for value in ["1", "true", "hunter2", "8080", "default", "abc"] {
            veil.learn(value);
        }
        let got = veil.text("hunter2, hunter22 and 1 true default 8080 abc");
        assert_eq!(got.as_str(), "<redacted>, hunter22 and 1 true default 8080 abc");
    }

    #[test]
    fn overlapping_values_leave_nothing_over() {
        let veil = Veil::new();
        veil.learn("abcdefghijklmnop");
        veil.learn("mnopqrstuvwxyzab");
        veil.learn("abcdefghijkl");
        let got = veil.text("-abcdefghijklmnopqrstuvwxyzab-abcdefghijkl-");
        assert_eq!(got.as_str(), "-<redacted>-<redacted>-");
    }

    #[test]
    fn what_is_learned_later_is_hidden_from_then_on() {
        let veil = Veil::new();
        for i in 0..300 {
            let value = format!("value-number-{i:05}");
            assert_eq!(veil.text(&value).as_str(), value);
            veil.learn(&value);
            assert_eq!(veil.text(&value).as_str(), REDACTED);
            assert_eq!(veil.text("value-number-00000").as_str(), REDACTED);
        }
        assert!(veil.with(|known| known.levels.len()) < 12);
    }

    #[test]
    fn a_name_of_the_plan_is_no_secret() {
        let veil = Veil::new();
        veil.learn("checkout");
        assert_eq!(veil.text("app checkout").as_str(), "app <redacted>");
        veil.leave("checkout");
        veil.learn("checkout");
        assert_eq!(veil.text("app checkout").as_str(), "app checkout");
    }

    #[test]
    fn objects_and_json_pass() {
        let veil = Veil::new();
        veil.learn_object("Secret", &json!({"data": {"a": "aHVudGVyMmh1bnRlcjI="}}));
        let got = veil.json(&json!({"hunter2hunter2": ["an aHVudGVyMmh1bnRlcjI= here"]}));
        assert_eq!(got.as_value(), &json!({"<redacted>": ["an <redacted> here"]}));
    }
}
