//! YAML text to values and back, for type files and rendered text. Owns the
//! one call into a YAML library in this folder; it must never show a value.

use serde_json::Value;

/// Why text is no YAML, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlFault {
    /// The line, counted from 1; 1 where the library knows none.
    pub(super) line: u32,
    /// What is wrong; may quote the text.
    pub(super) message: String,
}

/// Every document of `text` that is not empty, with YAML 1.1 scalars as
/// Kubernetes reads them.
pub(super) fn parse_documents(text: &str) -> Result<Vec<Value>, YamlFault> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        legacy_octal_numbers: true,
        reject_unsupported_tags: true,
    };
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| YamlFault {
            line: error
                .location()
                .and_then(|place| u32::try_from(place.line()).ok())
                .map_or(1, |line| line.max(1)),
            message: error.without_snippet().to_string(),
        })?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// `value` as block YAML without the last newline.
pub(super) fn write(value: &Value) -> Result<String, String> {
    let text = serde_saphyr::to_string(value).map_err(|error| error.to_string())?;
    Ok(text.trim_end_matches('\n').to_owned())
}
