//! Objects as they were read from a cluster. Owns nothing but the lookup; what
//! a decision sees under one name must be one state of it.

use super::ObjectRef;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Live objects by name. An object that is not there was missing when it was
/// read, or was not asked for.
#[derive(Clone, Debug, Default)]
pub struct Live(BTreeMap<ObjectRef, Arc<Value>>);

impl Live {
    /// The object, if it was there.
    #[must_use]
    pub fn get(&self, object: &ObjectRef) -> Option<&Value> {
        self.0.get(object).map(Arc::as_ref)
    }

    /// The object, if it was there, to be kept.
    #[must_use]
    pub fn shared(&self, object: &ObjectRef) -> Option<Arc<Value>> {
        self.0.get(object).cloned()
    }

    /// Whether the object was there.
    #[must_use]
    pub fn contains(&self, object: &ObjectRef) -> bool {
        self.0.contains_key(object)
    }

    /// Keeps what was read.
    pub fn insert(&mut self, object: ObjectRef, state: impl Into<Arc<Value>>) {
        self.0.insert(object, state.into());
    }

    /// Forgets what was read of an object.
    pub fn remove(&mut self, object: &ObjectRef) {
        self.0.remove(object);
    }

    /// Every object that was there, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectRef, &Arc<Value>)> {
        self.0.iter()
    }

    /// Every object that was there.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.values().map(Arc::as_ref)
    }
}

impl FromIterator<(ObjectRef, Arc<Value>)> for Live {
    fn from_iter<T: IntoIterator<Item = (ObjectRef, Arc<Value>)>>(objects: T) -> Self {
        Self(objects.into_iter().collect())
    }
}
