//! Entries of `metadata.managedFields`. Owns their reading and writing; what
//! follows from them is `merge`'s and `compare`'s.

use super::fields::FieldSet;
use crate::core::object::at;
use serde_json::{Value, json};
use std::sync::Arc;

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
    pub fields: Arc<FieldSet>,
}

impl ManagedEntry {
    /// Takes fields from the manager; what it keeps whole stays shared.
    pub(super) fn lose(&mut self, fields: &FieldSet) {
        if self.fields.meets(fields) {
            Arc::make_mut(&mut self.fields).subtract(fields);
        }
    }

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
            fields: Arc::new(FieldSet::parse(value.get("fieldsV1")?)?),
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
    let entries = at(object, "/metadata/managedFields").and_then(Value::as_array);
    entries.map(|list| list.iter().filter_map(ManagedEntry::read).collect()).unwrap_or_default()
}

/// The JSON of `metadata.managedFields`, in the server's order: applies before
/// updates, then by time, then by manager.
#[must_use]
pub fn write_managed(entries: &[ManagedEntry]) -> Value {
    sorted(entries).into_iter().map(ManagedEntry::write).collect()
}

fn sorted(entries: &[ManagedEntry]) -> Vec<&ManagedEntry> {
    let mut sorted: Vec<&ManagedEntry> = entries.iter().collect();
    sorted.sort_by(|a, b| order(a).cmp(&order(b)));
    sorted
}

type Order<'a> = (Operation, &'a Option<String>, &'a str, &'a Option<String>);

fn order(entry: &ManagedEntry) -> Order<'_> {
    (entry.operation, &entry.time, &entry.manager, &entry.subresource)
}

/// Whether both are written as the same `metadata.managedFields`.
#[must_use]
pub fn same_managed(a: &[ManagedEntry], b: &[ManagedEntry]) -> bool {
    same_but(a, b, |a, b| a.time == b.time)
}

/// As [`same_managed`], whatever the instants say.
#[must_use]
pub fn same_owners(a: &[ManagedEntry], b: &[ManagedEntry]) -> bool {
    same_but(a, b, |_, _| true)
}

fn same_but(
    a: &[ManagedEntry],
    b: &[ManagedEntry],
    and: fn(&ManagedEntry, &ManagedEntry) -> bool,
) -> bool {
    a.len() == b.len()
        && sorted(a)
            .into_iter()
            .zip(sorted(b))
            .all(|(a, b)| a.same_manager(b) && and(a, b) && a.fields.is_written_as(&b.fields))
}

/// What `manager` owns on `live` by server-side apply.
#[must_use]
pub fn owned_by(live: &Value, manager: &str) -> FieldSet {
    let mut all = FieldSet::new();
    applied_by(live, manager).iter().for_each(|entry| all.absorb(&entry.fields));
    all
}

/// The entries of `manager` for its applies; the others are not even read.
pub(super) fn applied_by(live: &Value, manager: &str) -> Vec<ManagedEntry> {
    entries_of(live, manager).filter_map(ManagedEntry::read).collect()
}

/// The same as they stand.
pub(super) fn entries_of<'v>(live: &'v Value, manager: &'v str) -> impl Iterator<Item = &'v Value> {
    let entries = at(live, "/metadata/managedFields").and_then(Value::as_array);
    let is = |entry: &Value, field: &str, text: &str| {
        entry.get(field).and_then(Value::as_str).unwrap_or_default() == text
    };
    entries.into_iter().flatten().filter(move |entry| {
        is(entry, "manager", manager)
            && is(entry, "operation", "Apply")
            && is(entry, "subresource", "")
    })
}
