//! One operation of a JSON patch (RFC 6902). Owns what becomes of an object and
//! what is said if it does not apply; it must never say a value of an object or a
//! patch, which may be a secret's.

use super::error::hint;
use crate::core::digest::write_canonical;
use json_patch::{PatchErrorKind, PatchOperation, patch_unsafe};
use serde_json::Value;

/// What `copy` may make of an object: each could double it.
const MOST_BYTES: usize = 4 << 20;

/// What each operation takes beside `op` and `path`.
const OPERATIONS: [(&str, Option<&str>); 6] = [
    ("add", Some("value")),
    ("remove", None),
    ("replace", Some("value")),
    ("move", Some("from")),
    ("copy", Some("from")),
    ("test", Some("value")),
];

/// Applies one operation. On an error the object may be half changed.
///
/// # Errors
/// Why it does not apply, as a fragment.
pub(super) fn apply(object: &mut Value, operation: &PatchOperation) -> Result<(), String> {
    match patch_unsafe(object, std::slice::from_ref(operation)) {
        Ok(()) => grown(operation, object).map_or(Ok(()), Err),
        Err(error) => Err(cause(&error.kind, operation)),
    }
}

/// Applies a list of operations as a template renders them.
///
/// # Errors
/// The first that is none, or does not apply, as a fragment.
pub(super) fn apply_all(object: &mut Value, operations: &Value) -> Result<(), String> {
    let Value::Array(operations) = operations else {
        return Err("`jsonPatch` renders no list of operations".to_owned());
    };
    for (index, written) in operations.iter().enumerate() {
        let at = |why: String| format!("`operations[{index}]`: {why}");
        let operation = read(written).map_err(at)?;
        apply(object, &operation).map_err(at)?;
    }
    Ok(())
}

/// An operation as it is written. The parser's own errors may quote a value.
fn read(written: &Value) -> Result<PatchOperation, String> {
    let Value::Object(map) = written else { return Err("is no map".to_owned()) };
    let name = map.get("op").and_then(Value::as_str).unwrap_or_default();
    let names = OPERATIONS.into_iter().map(|(name, _)| name);
    let Some((_, takes)) = OPERATIONS.into_iter().find(|(known, _)| *known == name) else {
        return Err(match name {
            "" => format!("has no `op`, which is one of {}", names.collect::<Vec<_>>().join(", ")),
            other => format!("there is no operation `{other}`{}", hint(other, names)),
        });
    };
    for field in ["path"].into_iter().chain(takes) {
        if !map.contains_key(field) {
            return Err(format!("`{name}` needs `{field}`"));
        }
    }
    let known = ["op", "path"].into_iter().chain(takes);
    if let Some(field) = map.keys().find(|field| !known.clone().any(|one| one == *field)) {
        return Err(format!("`{name}` takes no `{field}`"));
    }
    serde_json::from_value(written.clone()).map_err(|_| {
        "`path` and `from` are JSON pointers, such as `/spec/replicas`; `/` in a name is `~1`"
            .to_owned()
    })
}

fn grown(operation: &PatchOperation, patched: &Value) -> Option<String> {
    if !matches!(operation, PatchOperation::Copy(_)) {
        return None;
    }
    let mut bytes = Vec::new();
    write_canonical(patched, &mut bytes);
    (bytes.len() > MOST_BYTES).then(|| format!("`copy` makes it larger than {MOST_BYTES} bytes"))
}

/// Why an operation does not apply.
fn cause(kind: &PatchErrorKind, operation: &PatchOperation) -> String {
    let path = operation.path();
    let (op, from) = match operation {
        PatchOperation::Add(_) => ("add", None),
        PatchOperation::Remove(_) => ("remove", None),
        PatchOperation::Replace(_) => ("replace", None),
        PatchOperation::Move(op) => ("move", Some(&op.from)),
        PatchOperation::Copy(op) => ("copy", Some(&op.from)),
        PatchOperation::Test(_) => ("test", None),
    };
    match (kind, from) {
        (PatchErrorKind::TestFailed, _) => format!("`test {path}`: another value is there"),
        (PatchErrorKind::CannotMoveInsideItself, Some(from)) => {
            format!("`move {from}`: {path} is inside of it")
        }
        (PatchErrorKind::InvalidFromPointer, Some(from)) => {
            format!("`{op} {from}`: there is nothing at this path")
        }
        (_, None) if op == "replace" => {
            format!("`replace {path}`: there is nothing at this path; `op: add` sets it")
        }
        (_, None) if op != "add" => format!("`{op} {path}`: there is nothing at this path"),
        _ => format!(
            "`{op} {path}`: there is nothing that it could be put into; `op: add` makes what is \
             above it first"
        ),
    }
}
