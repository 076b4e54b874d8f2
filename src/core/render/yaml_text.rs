//! YAML text to plain values and back, for type files and rendered text. Owns
//! what this folder asks of the YAML module; it must never show a value.

use crate::core::model::Limits;
use crate::core::yaml;
use serde_json::Value;

/// Why text is no YAML, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlFault {
    /// The line, counted from 1; 1 where none is known.
    pub(super) line: u32,
    /// What is wrong; may quote the text.
    pub(super) message: String,
}

/// Every document of `text` that is not empty, with YAML 1.1 scalars as
/// Kubernetes reads them. What bounds the text has done so before.
pub(super) fn parse_documents(text: &str) -> Result<Vec<Value>, YamlFault> {
    let limits = Limits { file_bytes: text.len(), ..Limits::default() };
    let documents = yaml::parse("", text.as_bytes(), &limits).map_err(|error| YamlFault {
        line: error.line().max(1),
        message: error.message().to_owned(),
    })?;
    Ok(documents.iter().map(|document| document.root.to_value()).collect())
}

/// `value` as block YAML without the last newline.
pub(super) fn write(value: &Value) -> String {
    let mut text = yaml::to_yaml(value);
    text.pop();
    text
}
