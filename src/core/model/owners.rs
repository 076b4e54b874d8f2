//! Who has each object of a plan. Owns the answer to whether an object belongs
//! to somebody else; it must never say what is done with it.

use crate::core::object::ObjectRef;
use std::collections::BTreeMap;

/// Who has each object of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// The namespace of documents that name none.
    namespace: String,
    of: BTreeMap<ObjectRef, Owner>,
}

/// Who has an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An application renders it: namespace and name.
    Application(String, String),
    /// It is a document of its own.
    Document,
}

impl Owners {
    /// What everybody has, each object in its namespace; `namespace` is that of
    /// documents that name none.
    #[must_use]
    pub fn new(namespace: &str, of: BTreeMap<ObjectRef, Owner>) -> Self {
        Self { namespace: namespace.to_owned(), of }
    }

    /// Whether the plan has an object at all.
    #[must_use]
    pub fn has(&self, object: &ObjectRef) -> bool {
        self.of.contains_key(&self.placed(object))
    }

    /// Only a cluster knows which kinds have namespaces: an object that names
    /// none is looked for in the one that it would get.
    fn placed(&self, object: &ObjectRef) -> ObjectRef {
        let mut placed = object.clone();
        placed.namespace.get_or_insert_with(|| self.namespace.clone());
        placed
    }

    /// Whether an object belongs to somebody else than an application.
    #[must_use]
    pub fn is_anothers(&self, object: &ObjectRef, namespace: &str, application: &str) -> bool {
        match self.of.get(&self.placed(object)) {
            None => false,
            Some(Owner::Document) => true,
            Some(Owner::Application(of, name)) => of != namespace || name != application,
        }
    }
}
