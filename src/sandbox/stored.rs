//! One object as it is stored: its content, and who owns what of it, read and
//! printed only when somebody asks. Owns that laziness; it must never change
//! what an answer says.

use super::fields::at;
use crate::core::object::encoding;
use crate::core::object::{KindRef, ManagedEntry, managed_of, update_of, write_managed};
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
    /// What its managers follow from, if nobody has asked for them yet.
    update: Option<Arc<Update>>,
}

/// A write that is no apply, and the state before it. Who owns what then is
/// found out only if somebody asks: most pods come and go without.
#[derive(Debug)]
pub(super) struct Update {
    kind: KindRef,
    before: Option<Stored>,
    manager: String,
    subresource: Option<String>,
    time: String,
    /// How many more such writes there are before this one.
    depth: u32,
}

/// So many writes are found out about at once at most.
const DEEPEST: u32 = 16;

impl Update {
    /// A write over what was there.
    pub(super) fn of(
        kind: KindRef,
        before: Option<&Stored>,
        manager: &str,
        subresource: Option<&str>,
        time: String,
    ) -> Self {
        let known = |before: &Stored| before.managed.get().is_some();
        let depth = match before {
            Some(before) if !known(before) => before.update.as_ref().map_or(0, |u| u.depth + 1),
            _ => 0,
        };
        let deep = depth >= DEEPEST;
        let before = before.map(|before| {
            let mut before = before.clone();
            if deep || known(&before) {
                before.managed();
                before.update = None;
            }
            before
        });
        let depth = if deep { 0 } else { depth };
        let (manager, subresource) = (manager.to_owned(), subresource.map(str::to_owned));
        Self { kind, before, manager, subresource, time, depth }
    }

    fn managed(&self, after: &Value) -> Vec<ManagedEntry> {
        let (kind, sub) = (&self.kind, self.subresource.as_deref());
        let blank;
        let before = match &self.before {
            Some(before) => (before.bare.as_ref(), before.managed().to_vec()),
            None => {
                blank = encoding::blank(kind);
                (&blank, Vec::new())
            }
        };
        update_of(kind, before, after, &self.manager, sub, &self.time)
    }
}

impl Stored {
    /// An object without `managedFields`, and its managers.
    pub(super) fn new(bare: Value, managed: Vec<ManagedEntry>) -> Self {
        Self {
            bare: Arc::new(bare),
            managed: OnceLock::from(managed),
            whole: OnceLock::new(),
            template: OnceLock::new(),
            update: None,
        }
    }

    /// An object without `managedFields` as a write that is no apply has made
    /// it.
    pub(super) fn updated(bare: Value, update: Update) -> Self {
        Self {
            bare: Arc::new(bare),
            managed: OnceLock::new(),
            whole: OnceLock::new(),
            template: OnceLock::new(),
            update: Some(Arc::new(update)),
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
            update: None,
        }
    }

    /// The object without `managedFields`.
    pub(super) fn bare(&self) -> &Arc<Value> {
        &self.bare
    }

    /// Its managers.
    pub(super) fn managed(&self) -> &[ManagedEntry] {
        self.managed.get_or_init(|| match &self.update {
            Some(update) => update.managed(&self.bare),
            None => self.whole.get().map(|whole| managed_of(whole)).unwrap_or_default(),
        })
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
