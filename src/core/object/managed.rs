//! Entries of `metadata.managedFields`. Owns their reading and writing; what
//! follows from them is `merge`'s and `compare`'s.

use super::fields::FieldSet;
use serde_json::{Value, json};

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedEntry {
    /// The field manager.
    pub manager: String,
    /// How it came by them.
    pub operation: Operation,
    /// The API version its fields are written in.
    pub api_version: String,
    /// `status` for writes of the status; none for the object itself.
    pub subresource: Option<String>,
    /// When, RFC 3339.
    pub time: Option<String>,
    /// The fields.
    pub fields: FieldSet,
}

impl ManagedEntry {
    /// Whether both are of one manager, operation, version and subresource.
    #[must_use]
    pub fn same_manager(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.api_version == other.api_version
            && self.subresource == other.subresource
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let operation = match value.get("operation")?.as_str()? {
            "Apply" => Operation::Apply,
            _ => Operation::Update,
        };
        Some(Self {
            manager: text("manager")?,
            operation,
            api_version: text("apiVersion").unwrap_or_default(),
            subresource: text("subresource").filter(|name| !name.is_empty()),
            time: text("time"),
            fields: FieldSet::parse(value.get("fieldsV1")?)?,
        })
    }

    fn write(&self) -> Value {
        let operation = match self.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        let mut out = json!({
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.print(),
            "manager": self.manager,
            "operation": operation,
        });
        if let Some(subresource) = &self.subresource {
            out["subresource"] = json!(subresource);
        }
        if let Some(time) = &self.time {
            out["time"] = json!(time);
        }
        out
    }

    /// The manager as the server names it in a conflict.
    #[must_use]
    pub fn words(&self) -> String {
        let mut out = format!("{:?}", self.manager);
        if let Some(subresource) = &self.subresource {
            out.push_str(&format!(" with subresource {subresource:?}"));
        }
        if self.operation == Operation::Update {
            out.push_str(&format!(" using {}", self.api_version));
        }
        out
    }
}

/// The managers of an object; entries that cannot be read are left out.
#[must_use]
pub fn managed_of(object: &Value) -> Vec<ManagedEntry> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.map(|list| list.iter().filter_map(ManagedEntry::read).collect()).unwrap_or_default()
}

/// The JSON of `metadata.managedFields`, in the server's order: applies before
/// updates, then by time, then by manager.
#[must_use]
pub fn write_managed(entries: &[ManagedEntry]) -> Value {
    let mut sorted: Vec<&ManagedEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| {
        (entry.operation, entry.time.clone(), entry.manager.clone(), entry.subresource.clone())
    });
    sorted.into_iter().map(ManagedEntry::write).collect()
}

/// What `manager` owns on `live` by server-side apply.
#[must_use]
pub fn owned_by(live: &Value, manager: &str) -> FieldSet {
    let mine = managed_of(live).into_iter().filter(|entry| {
        entry.manager == manager
            && entry.operation == Operation::Apply
            && entry.subresource.is_none()
    });
    mine.fold(FieldSet::new(), |set, entry| set.union(&entry.fields))
}
