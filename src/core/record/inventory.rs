//! The objects that an entity owns on a cluster.

use super::file::FORMAT;
use crate::core::object::ObjectRef;
use serde::{Deserialize, Serialize};

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
    pub fn seen(mut self, looked_at: &[(ObjectRef, Option<String>)]) -> Self {
        self.objects.retain(|owned| !looked_at.iter().any(|(object, _)| *object == owned.object));
        for (object, uid) in looked_at {
            if let Some(uid) = uid {
                self.objects.push(Owned { object: object.clone(), uid: uid.clone() });
            }
        }
        self.objects.sort();
        self.format = FORMAT;
        self
    }
}
