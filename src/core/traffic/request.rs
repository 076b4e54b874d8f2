//! Which requests go to the new revision whatever its weight, and what is
//! changed of a request that goes there. The words are Gateway API's, which
//! users of the other providers know too; owns their meaning, and must never
//! know how a provider writes them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// It is the same.
    Exact,
    /// A regular expression of the provider's own kind matches it.
    RegularExpression,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PathComparison {
    /// It is the same.
    Exact,
    /// It begins with these elements.
    PathPrefix,
    /// A regular expression of the provider's own kind matches it.
    RegularExpression,
}

/// A named value of a request: a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueMatch {
    /// How it is compared.
    #[serde(rename = "type")]
    pub comparison: Comparison,
    /// Its name.
    pub name: String,
    /// With what.
    pub value: String,
}

/// A path of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathMatch {
    /// How it is compared.
    #[serde(rename = "type")]
    pub comparison: PathComparison,
    /// With what.
    pub value: String,
}

/// Requests of which all of this is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// The path, if it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Headers, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// Query parameters, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_params: Vec<ValueMatch>,
}

/// A header and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is changed in the headers of a request on its way to the new revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderChange {
    /// Headers that are set, whatever they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Header>,
    /// Headers that are added to what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Header>,
    /// Headers that are taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

impl HeaderChange {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(path) = &self.path {
            let sign = match path.comparison {
                PathComparison::Exact => "=",
                PathComparison::PathPrefix => "^",
                PathComparison::RegularExpression => "~",
            };
            parts.push(format!("path{sign}{}", path.value));
        }
        for (what, values) in [("", &self.headers), ("?", &self.query_params)] {
            for ValueMatch { comparison, name, value } in values {
                let sign = if *comparison == Comparison::Exact { "=" } else { "~" };
                parts.push(format!("{what}{name}{sign}{value}"));
            }
        }
        f.write_str(&parts.join(" and "))
    }
}

impl fmt::Display for HeaderChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = |sign: &str, h: &Header| format!("{}{sign}{}", h.name, h.value);
        let set = self.set.iter().map(|h| header("=", h));
        let add = self.add.iter().map(|h| header("+=", h));
        let remove = self.remove.iter().map(|name| format!("-{name}"));
        let all: Vec<String> = set.chain(add).chain(remove).collect();
        f.write_str(&all.join(", "))
    }
}
