//! A place in an object, as a descriptor names it: `spec.replicas`. Owns how it
//! is written and read; it must never go through a list.

use serde_json::Value;
use std::fmt;

/// A field by the keys that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Reads `spec.replicas`.
    ///
    /// # Errors
    /// In words that follow the text: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with('/') {
            return Err("is a JSON pointer: write it with dots, as `spec.replicas`");
        }
        let is_key = |key: &str| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        let keys: Vec<&str> = text.split('.').collect();
        match keys.iter().all(|key| is_key(key)) {
            true => Ok(Self(keys.into_iter().map(str::to_owned).collect())),
            false => Err("is no path: write the names of its fields with dots between them, as \
                          `spec.replicas`; it does not lead into a list"),
        }
    }

    /// The keys, from the object's root.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// What stands there in an object.
    #[must_use]
    pub fn of<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(object, |value, key| value.get(key))
    }

    /// The same, to be written.
    #[must_use]
    pub fn of_mut<'v>(&self, object: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(object, |value, key| value.get_mut(key))
    }

    /// The path of a field below it.
    #[must_use]
    pub fn to<'p>(&'p self, below: &[&'p str]) -> Vec<&'p str> {
        [&self.keys(), below].concat()
    }

    /// Whether one of two paths leads through the other.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one == other)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
