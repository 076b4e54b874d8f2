//! A DNS label that is held in place, so that what carries one stays `Copy`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest label.
const MOST: usize = 63;

/// A DNS label: at most 63 lower-case letters, digits and `-`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label {
    bytes: [u8; MOST],
    length: u8,
}

/// A text that is no DNS label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no DNS label of at most 63 characters")]
pub struct LabelError(pub String);

impl Label {
    /// Reads a label.
    ///
    /// # Errors
    /// Fails if the text is none.
    pub fn new(text: &str) -> Result<Self, LabelError> {
        let fault = || LabelError(text.to_owned());
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if text.is_empty() || !edges || !text.bytes().all(inner) {
            return Err(fault());
        }
        let mut bytes = [0; MOST];
        bytes.get_mut(..text.len()).ok_or_else(fault)?.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: u8::try_from(text.len()).map_err(|_| fault())? })
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::new(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.as_str().to_owned()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_or_refused() {
        let longest = "a".repeat(63);
        for text in ["a", "web-v1", "1-2", longest.as_str()] {
            assert_eq!(Label::new(text).unwrap().as_str(), text);
        }
        let long = "a".repeat(64);
        for text in ["", "-a", "a-", "A", "a.b", long.as_str()] {
            assert_eq!(Label::new(text), Err(LabelError(text.to_owned())));
        }
    }
}
