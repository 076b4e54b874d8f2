//! The objects that an entity owns on a cluster.

use super::file::FORMAT;
use crate::core::digest::Digest;
use crate::core::object::ObjectRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only ground on which anything is ever pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The file's format.
    #[serde(default)]
    pub format: u32,
    /// The objects, sorted.
    #[serde(default)]
    pub objects: Vec<Owned>,
}

/// One owned object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owned {
    /// The object.
    pub object: ObjectRef,
    /// Its uid.
    pub uid: String,
}

impl Inventory {
    /// The inventory after a step has looked at objects: present ones with
    /// their uid, missing ones without.
    #[must_use]
    pub fn seen(self, looked_at: &[(ObjectRef, Option<String>)]) -> Self {
        let before = self.objects.into_iter().map(|owned| (owned.object, Some(owned.uid)));
        let all: BTreeMap<ObjectRef, Option<String>> =
            before.chain(looked_at.iter().cloned()).collect();
        let names: BTreeMap<&String, &ObjectRef> =
            looked_at.iter().filter_map(|(object, uid)| Some((uid.as_ref()?, object))).collect();
        let objects = all.iter().filter_map(|(object, uid)| {
            let uid = uid.as_ref()?;
            // An object has one name: that of the version it was looked at by last.
            let named = names.get(uid).is_none_or(|name| *name == object);
            named.then(|| Owned { object: object.clone(), uid: uid.clone() })
        });
        Self { format: FORMAT, objects: objects.collect() }
    }

    /// A digest over the names of its objects.
    #[must_use]
    pub fn names(&self) -> Digest {
        names(self.objects.iter().map(|owned| &owned.object))
    }
}

/// A digest over the names of objects, in their order.
pub fn names<'a>(sorted: impl Iterator<Item = &'a ObjectRef>) -> Digest {
    let mut text = String::new();
    for object in sorted {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        for part in [&*object.api_version, &*object.kind, namespace, &*object.name] {
            text.push_str(part);
            text.push('\n');
        }
    }
    Digest::of_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::KindRef;

    #[test]
    fn what_is_gone_leaves_and_what_has_another_version_is_one_object() {
        let named = |version: &str, name: &str| {
            ObjectRef::new(&KindRef::new(version, "Widget"), Some("default"), name)
        };
        let uid = |uid: &str| Some(uid.to_owned());
        let first = [(named("x/v1", "a"), uid("1")), (named("x/v1", "b"), uid("2"))];
        let inventory = Inventory::default().seen(&first);
        assert_eq!(inventory.objects.len(), 2);
        let then = [(named("x/v2", "a"), uid("1")), (named("x/v1", "b"), None)];
        let inventory = inventory.seen(&then);
        let left: Vec<_> = inventory.objects.iter().map(|owned| &owned.object).collect();
        assert_eq!(left, [&named("x/v2", "a")]);
        assert_eq!(inventory.names(), names([named("x/v2", "a")].iter()));
    }
}
