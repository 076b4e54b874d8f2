//! Conditions and numbers of a status. Owns how they are read and said on one
//! line; it must never judge them.

use crate::core::object::at;
use serde_json::Value;

/// Characters of a condition's message that are repeated.
const MOST_CHARS: usize = 200;

/// One condition of a status.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
    /// When the status last changed.
    pub since: &'a str,
    name: &'a str,
}

impl Said<'_> {
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// `condition Ready is False (Reason: message)`.
    pub(super) fn words(&self) -> String {
        format!("condition {} is {}{}", one_line(self.name), one_line(self.status), self.why())
    }

    /// ` (Reason: message)`, or nothing.
    pub(super) fn why(&self) -> String {
        let (reason, message) = (one_line(self.reason), one_line(self.message));
        match (reason.as_str(), message.as_str()) {
            ("", "") => String::new(),
            (why, "") | ("", why) => format!(" ({why})"),
            (reason, message) => format!(" ({reason}: {message})"),
        }
    }
}

/// The condition of a name, if the object has it.
pub(super) fn said<'a>(live: &'a Value, name: &str) -> Option<Said<'a>> {
    all(live).find(|said| said.name == name)
}

/// Every condition of an object.
pub(super) fn all(live: &Value) -> impl Iterator<Item = Said<'_>> {
    let conditions = at(live, "/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().map(|condition| {
        let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        Said {
            name: text("type"),
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
            since: text("lastTransitionTime"),
        }
    })
}

/// A count in a live object; zero where the status leaves it out.
pub(super) fn count(live: &Value, pointer: &str) -> u64 {
    at(live, pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// A text in a live object.
pub(super) fn text<'a>(live: &'a Value, pointer: &str) -> &'a str {
    at(live, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What somebody else wrote, so that it stays on one line.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
