//! One record file: versioned YAML.

use crate::core::model::Limits;
use crate::core::yaml;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The format that this version writes.
pub const FORMAT: u32 = 1;

/// A record file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is no YAML, or not of the expected shape.
    #[error("record file {path}: {cause}")]
    Broken {
        /// The path on the record branch.
        path: String,
        /// Why it cannot be read.
        cause: String,
    },
    /// It was written by a newer version.
    #[error(
        "record file {path} has format {found}, this version reads up to {FORMAT}: use the \
         version of tranche that wrote it, or a newer one"
    )]
    Newer {
        /// The path on the record branch.
        path: String,
        /// Its format.
        found: u64,
    },
}

/// Reads a record file.
///
/// # Errors
/// See [`FileError`].
pub fn read<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, FileError> {
    let broken = |cause: String| FileError::Broken { path: path.to_owned(), cause };
    let mut documents =
        yaml::parse(path, bytes, &Limits::default()).map_err(|error| broken(error.to_string()))?;
    let document = match documents.len() {
        1 => documents.remove(0),
        other => return Err(broken(format!("{other} documents where one is expected"))),
    };
    let value = document.root.into_value();
    let found = value.get("format").and_then(Value::as_u64).unwrap_or(0);
    if found > u64::from(FORMAT) {
        return Err(FileError::Newer { path: path.to_owned(), found });
    }
    serde_json::from_value(value).map_err(|error| broken(error.to_string()))
}

/// Writes a record file; the same value gives the same bytes.
///
/// # Errors
/// Fails if the file is longer than [`read`] takes: it must never be recorded
/// then. Fails if the value has no JSON form, which a record type always has.
pub fn write<T: Serialize>(path: &str, record: &T) -> Result<Vec<u8>, FileError> {
    let broken = |cause: String| FileError::Broken { path: path.to_owned(), cause };
    let value = serde_json::to_value(record).map_err(|error| broken(error.to_string()))?;
    let bytes = yaml::to_yaml(&value).into_bytes();
    let most = Limits::default().file_bytes;
    if bytes.len() > most {
        return Err(broken(format!("{} bytes, more than the {most} of one file", bytes.len())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Decisions, EntityRecord, Inventory, RevisionRecord};

    /// Reads a record that an earlier version wrote and writes it again.
    fn round_trip<T: DeserializeOwned + Serialize>(name: &str, text: &str) {
        let record: T = read(name, text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write(name, &record).unwrap()).unwrap(), text, "{name}");
    }

    #[test]
    fn every_past_format_stays_readable_and_loses_nothing() {
        round_trip::<EntityRecord>(
            "rollout.yaml",
            include_str!("../../../testdata/records/format-1/rollout.yaml"),
        );
        round_trip::<EntityRecord>(
            "rollout-open.yaml",
            include_str!("../../../testdata/records/format-1/rollout-open.yaml"),
        );
        round_trip::<EntityRecord>(
            "rollout-recovered.yaml",
            include_str!("../../../testdata/records/format-1/rollout-recovered.yaml"),
        );
        round_trip::<EntityRecord>(
            "rollout-between.yaml",
            include_str!("../../../testdata/records/format-1/rollout-between.yaml"),
        );
        round_trip::<Decisions>(
            "decisions-approved.yaml",
            include_str!("../../../testdata/records/format-1/decisions-approved.yaml"),
        );
        round_trip::<RevisionRecord>(
            "revision.yaml",
            include_str!("../../../testdata/records/format-1/revision.yaml"),
        );
        round_trip::<Inventory>(
            "inventory.yaml",
            include_str!("../../../testdata/records/format-1/inventory.yaml"),
        );
        round_trip::<Decisions>(
            "decisions.yaml",
            include_str!("../../../testdata/records/format-1/decisions.yaml"),
        );
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let long = "x".repeat(Limits::default().file_bytes);
        let error = write("revisions/a.yaml", &long).unwrap_err();
        assert!(error.to_string().starts_with("record file revisions/a.yaml: 4194"), "{error}");
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let error = read::<Decisions>("decisions/a/b.yaml", b"format: 2\n").unwrap_err();
        assert!(error.to_string().contains("decisions/a/b.yaml has format 2"), "{error}");
    }
}
