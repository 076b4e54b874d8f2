//! One object as it is stored: its content, and who owns what of it, read and
//! printed only when somebody asks. Owns that laziness; it must never change
//! what an answer says.

use super::fields::at;
use crate::core::object::{ManagedEntry, managed_of, write_managed};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// An object and its managers. Controllers look at the content thousands of
/// times and never at `managedFields`, which are half of most objects.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    bare: Arc<Value>,
    managed: OnceLock<Vec<ManagedEntry>>,
    whole: OnceLock<Arc<Value>>,
    template: OnceLock<String>,
}

impl Stored {
    /// An object without `managedFields`, and its managers.
    pub(super) fn new(bare: Value, managed: Vec<ManagedEntry>) -> Self {
        Self {
            bare: Arc::new(bare),
            managed: OnceLock::from(managed),
            whole: OnceLock::new(),
            template: OnceLock::new(),
        }
    }

    /// A whole object, as a journal has it.
    pub(super) fn read(whole: Value) -> Self {
        let mut bare = whole.clone();
        drop_managed(&mut bare);
        Self {
            bare: Arc::new(bare),
            managed: OnceLock::new(),
            whole: OnceLock::from(Arc::new(whole)),
            template: OnceLock::new(),
        }
    }

    /// The object without `managedFields`.
    pub(super) fn bare(&self) -> &Arc<Value> {
        &self.bare
    }

    /// Its managers.
    pub(super) fn managed(&self) -> &[ManagedEntry] {
        self.managed.get_or_init(|| self.whole.get().map(|w| managed_of(w)).unwrap_or_default())
    }

    /// The whole object.
    pub(super) fn whole(&self) -> &Arc<Value> {
        self.whole.get_or_init(|| {
            if self.managed().is_empty() {
                return Arc::clone(&self.bare);
            }
            let mut whole = Value::clone(&self.bare);
            add_managed(&mut whole, self.managed());
            Arc::new(whole)
        })
    }

    /// The short hash of the object's pod template, made by `hash` once.
    pub(super) fn template_hash(&self, hash: impl FnOnce(&Value) -> String) -> &str {
        self.template.get_or_init(|| hash(template(&self.bare)))
    }

    /// Keeps what was found out about an older state and is still true.
    pub(super) fn after(self, old: &Self) -> Self {
        if let Some(known) = old.template.get()
            && template(&self.bare) == template(&old.bare)
        {
            let _ = self.template.set(known.clone());
        }
        self
    }
}

/// A missing template is null.
fn template(object: &Value) -> &Value {
    at(object, "/spec/template").unwrap_or(&Value::Null)
}

/// Takes `managedFields` out of an object.
pub(super) fn drop_managed(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Puts `managedFields` into an object, if there is anything to put.
pub(super) fn add_managed(object: &mut Value, managed: &[ManagedEntry]) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && !managed.is_empty()
    {
        metadata.insert("managedFields".to_owned(), write_managed(managed));
    }
}
